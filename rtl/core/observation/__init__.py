# SPDX-License-Identifier: Apache-2.0
"""What a core can show of every instruction and of every cycle: RVFI, its counterpart for Xd1, and a view of the pipeline."""
