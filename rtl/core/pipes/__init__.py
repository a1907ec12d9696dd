# SPDX-License-Identifier: Apache-2.0
"""The pipes of the core: each takes one instruction per cycle from issue and executes it in stage X."""
