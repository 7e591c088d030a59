# SPDX-License-Identifier: Apache-2.0
"""A run under random faults, and its auditor: docs/proof.md."""
