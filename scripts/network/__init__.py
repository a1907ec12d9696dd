# SPDX-License-Identifier: Apache-2.0
"""Measurements of the network: a mesh of nothing but routers under synthetic traffic."""
