# SPDX-License-Identifier: Apache-2.0
"""Tests of boards, host link and build flow."""
