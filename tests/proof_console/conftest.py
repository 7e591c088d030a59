# SPDX-License-Identifier: Apache-2.0
"""Where the end-to-end tests have what they share; one browser, and servers of `chard dev` on a file of their own."""

import pathlib
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests/e2e"), str(ROOT / "deploy/local")]


@pytest.fixture(scope="session")
def chromium():
    from support.browser import browser  # found by the path above

    with browser() as started:
        yield started


@pytest.fixture
def provider():
    from support.loop import LoopThread
    from support.provider import Provider

    loop = LoopThread()
    double = Provider(loop)
    yield double
    double.stop()
    loop.close()
