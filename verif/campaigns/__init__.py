# SPDX-License-Identifier: Apache-2.0
"""Comparisons that are too long for the test suite, and run on request."""
