# SPDX-License-Identifier: Apache-2.0
"""What `scripts/bench` runs: the rows of the table, each measured beside its raw ceiling and its peer."""
