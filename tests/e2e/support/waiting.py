# SPDX-License-Identifier: Apache-2.0
"""Tests never sleep to give something time; they wait for the thing itself, with a deadline."""

import time


DEAR = 0.25  # the longest pause that a question is worth by itself


def wait_until(condition, deadline=20, what=None, every=0.02):
    """Asks `condition` until its answer is true, and returns that answer. An AssertionError of the condition
    counts as "not yet", and is what is raised when `deadline` seconds are over. A question that takes long, because it starts a
    program or connects to a server, is asked less often: what waits must not keep the processors from what it waits for."""
    end = time.monotonic() + deadline
    while True:
        error, asked = None, time.monotonic()
        try:
            answer = condition()
        except AssertionError as not_yet:
            answer, error = None, not_yet
        if answer:
            return answer
        if time.monotonic() > end:
            raise error or AssertionError(f"not within {deadline} s: {what or condition}")
        time.sleep(max(every, min(2 * (time.monotonic() - asked), DEAR)))
