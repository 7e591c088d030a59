# SPDX-License-Identifier: Apache-2.0
"""What end-to-end tests stand on: the program under test, doubles of the AI provider, links that can be cut,
and short ways to look into the broker and the store."""
