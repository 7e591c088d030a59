# SPDX-License-Identifier: Apache-2.0
"""How many of something a test makes: enough to show it in `make test`; all of what it is for in `make proof-volume`, which sets CHARD_TEST_VOLUME=full."""

import os


def volume(usual, full):
    return full if os.environ.get("CHARD_TEST_VOLUME") == "full" else usual
