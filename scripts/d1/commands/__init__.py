# SPDX-License-Identifier: Apache-2.0
"""Subcommands of ``d1``, one per file."""
