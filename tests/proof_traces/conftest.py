# SPDX-License-Identifier: Apache-2.0
"""Where the end-to-end tests have what they share."""

import pathlib
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests/e2e"), str(ROOT / "deploy/local")]


@pytest.fixture
def _loop():
    from support.loop import LoopThread  # found by the path above

    loop = LoopThread()
    yield loop
    loop.close()
