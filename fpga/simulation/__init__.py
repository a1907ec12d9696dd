# SPDX-License-Identifier: Apache-2.0
"""Boards in simulation: the complete top compiled by Verilator, its serial line a pseudo-terminal."""
