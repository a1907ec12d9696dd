# SPDX-License-Identifier: Apache-2.0
"""Subcommands of ``d1 fpga`` that are imported when they are called."""
