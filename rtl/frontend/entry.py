# SPDX-License-Identifier: Apache-2.0
"""Bundles at the edges of the front end."""

from amaranth.lib import data

from golden.layout import OFFSET_BITS
from rtl.core.decoder import DecodedLayout

__all__ = ["WORD_ADDRESS_BITS", "BranchUpdate", "QueueEntry"]

#: Bits of the number of an instruction word in a node's window.
WORD_ADDRESS_BITS = OFFSET_BITS - 2


class QueueEntry(data.StructLayout):
    """A decoded instruction that waits to be issued.

    ``pc`` and ``follows`` number words of the node's window. With ``predicted``, the front end goes on at ``follows`` and not
    behind the instruction. ``fault``: it lies outside of SRAM, and shows as word 0, which is illegal.
    """

    def __init__(self):
        super().__init__(
            {
                "pc": WORD_ADDRESS_BITS,
                "insn": 32,
                "fault": 1,
                "predicted": 1,
                "follows": WORD_ADDRESS_BITS,
                "decoded": DecodedLayout(),
            }
        )


class BranchUpdate(data.StructLayout):
    """Where a branch or jump went, for the predictor. ``pc`` and ``target`` number words of the node's window."""

    def __init__(self):
        super().__init__({"valid": 1, "pc": WORD_ADDRESS_BITS, "conditional": 1, "taken": 1, "target": WORD_ADDRESS_BITS})
