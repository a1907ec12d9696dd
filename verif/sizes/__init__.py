# SPDX-License-Identifier: Apache-2.0
"""The pipelined core in all its sizes: which there are, what they execute, how fast they are and how much area they take."""
