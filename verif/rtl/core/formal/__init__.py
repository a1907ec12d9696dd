# SPDX-License-Identifier: Apache-2.0
"""Properties of the pipelined core as a whole, proved within bounds from its start on, with whatever program and memory."""
