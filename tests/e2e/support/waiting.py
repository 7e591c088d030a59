# SPDX-License-Identifier: Apache-2.0
"""Tests never sleep to give something time; they wait for the thing itself, with a deadline."""

import time


def wait_until(condition, deadline=20, what=None, every=0.02):
    """Asks `condition` until its answer is true, and returns that answer. An AssertionError of the condition
    counts as "not yet", and is what is raised when `deadline` seconds are over."""
    end = time.monotonic() + deadline
    while True:
        error = None
        try:
            answer = condition()
        except AssertionError as not_yet:
            answer, error = None, not_yet
        if answer:
            return answer
        if time.monotonic() > end:
            raise error or AssertionError(f"not within {deadline} s: {what or condition}")
        time.sleep(every)
