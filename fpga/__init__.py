# SPDX-License-Identifier: Apache-2.0
"""Nodes on real boards: tops, the serial host link, the build flow."""
