# SPDX-License-Identifier: Apache-2.0
"""Benchmarks: programs with data and expected results, whose cycles are measured."""
