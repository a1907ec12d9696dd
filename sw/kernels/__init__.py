# SPDX-License-Identifier: Apache-2.0
"""Kernels: programs for nodes and arrays, generated for a configuration and a problem."""
