# SPDX-License-Identifier: Apache-2.0
"""Tests of the core's pipes, one instruction after another, against the golden node."""
