# SPDX-License-Identifier: Apache-2.0
"""A core for small nodes, which executes one instruction at a time."""
