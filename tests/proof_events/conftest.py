# SPDX-License-Identifier: Apache-2.0
"""Where the helpers of the end-to-end tests are."""

import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests/e2e"), str(ROOT / "deploy/local")]
