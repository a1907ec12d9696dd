# SPDX-License-Identifier: Apache-2.0
"""The core: fetch, issue, the scalar/vector slot and the matrix slot, thread control."""
