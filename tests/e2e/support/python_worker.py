# SPDX-License-Identifier: Apache-2.0
"""Celery's own worker, as a peer."""

import contextlib
import os
import signal
import subprocess
import sys
import tempfile

from .program import die_with_parent


@contextlib.contextmanager
def python_worker(script, *words, end=signal.SIGTERM, env=None):
    """A script that runs Celery's worker, for the length of a `with`. At its end the worker gets the signal `end`. The worker logs
    to a file, whose last part is printed: a pipe that nobody reads would hold the worker up once it is full."""
    with tempfile.TemporaryFile("w+", errors="replace") as log:
        process = subprocess.Popen([sys.executable, script, *words], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=log,
                                   preexec_fn=die_with_parent, env=os.environ if env is None else env)
        try:
            yield process
        finally:
            process.send_signal(end)
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            log.seek(0)
            print(log.read()[-4000:], file=sys.stderr)
