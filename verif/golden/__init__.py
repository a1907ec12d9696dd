# SPDX-License-Identifier: Apache-2.0
"""Tests of the golden model against oracles that are independent of it."""
