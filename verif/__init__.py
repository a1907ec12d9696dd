# SPDX-License-Identifier: Apache-2.0
"""Verification: benches, oracles and tests. Its folders mirror those of the project."""
