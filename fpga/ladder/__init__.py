# SPDX-License-Identifier: Apache-2.0
"""Checks of a board, from its lights to matrix products on all of its nodes; each step needs what those before it show."""
