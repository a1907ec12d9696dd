# SPDX-License-Identifier: Apache-2.0
"""What travels through the front end: windows of words, groups of decoded instructions, instructions at the heads."""

from amaranth.hdl import unsigned
from amaranth.lib import data

from golden.config import NodeConfig
from golden.layout import OFFSET_BITS
from rtl.core.decoder import DecodedLayout

__all__ = [
    "WORD_ADDRESS_BITS", "BranchUpdate", "FetchWindow", "FrontEndLayout", "InstructionGroup", "QueueEntry", "lane_widths",
    "window_words",
]  # fmt: skip

#: Bits of a word's address in the node's window.
WORD_ADDRESS_BITS = OFFSET_BITS - 2


def window_words(config: NodeConfig) -> int:
    """Words that are fetched at a time, aligned."""
    return config.window_bytes // 4


def lane_widths(config: NodeConfig) -> tuple[int, int]:
    """Decoders of lane A and of lane B, neither more than a window's words. B has none if ``decode_width`` is 1."""
    words = window_words(config)
    return min((config.decode_width + 1) // 2, words), min(config.decode_width // 2, words)


class QueueEntry(data.StructLayout):
    """An instruction that waits to be issued.

    ``pc`` is the low part of its address, in words; the whole is ``Cat(C(0, 2), pc, upper)`` with the thread's ``upper``.
    ``fault``: the address lies outside of SRAM, and ``insn`` is an illegal word 0. ``predicted``: what the thread executes next
    is taken to be at ``follows``, else behind it.
    """

    def __init__(self):
        super().__init__(
            {
                "insn": unsigned(32),
                "decoded": DecodedLayout(),
                "pc": unsigned(WORD_ADDRESS_BITS),
                "follows": unsigned(WORD_ADDRESS_BITS),
                "fault": unsigned(1),
                "predicted": unsigned(1),
            }
        )


class BranchUpdate(data.StructLayout):
    """How a branch or jump went: word addresses in the node's window, valid only if the target lies in the same window.

    ``conditional`` tells branches from jumps, which are always ``taken``.
    """

    def __init__(self):
        super().__init__(
            {
                "valid": unsigned(1),
                "pc": unsigned(WORD_ADDRESS_BITS),
                "conditional": unsigned(1),
                "taken": unsigned(1),
                "target": unsigned(WORD_ADDRESS_BITS),
            }
        )


class FetchWindow(data.StructLayout):
    """Consecutive words of one aligned window, the next one to decode first.

    ``pc`` is the word address of the first, ``count`` says how many there are, at least one. ``predicted``: the last one is
    predicted to continue at ``follows``. ``fault``: the one word is outside of SRAM.
    """

    def __init__(self, config: NodeConfig):
        words = window_words(config)
        super().__init__(
            {
                "pc": unsigned(WORD_ADDRESS_BITS),
                "count": range(words + 1),
                "predicted": unsigned(1),
                "follows": unsigned(WORD_ADDRESS_BITS),
                "fault": unsigned(1),
                "words": data.ArrayLayout(32, words),
            }
        )


class InstructionGroup(data.StructLayout):
    """Consecutive instructions of one window that were decoded together, at most ``size``.

    ``pc`` is the word address of the first, ``count`` says how many there are. ``predicted``: the last one continues at
    ``follows``.
    """

    def __init__(self, size: int):
        super().__init__(
            {
                "pc": unsigned(WORD_ADDRESS_BITS),
                "count": range(size + 1),
                "predicted": unsigned(1),
                "follows": unsigned(WORD_ADDRESS_BITS),
                "fault": unsigned(1),
                "insns": data.ArrayLayout(32, size),
                "decoded": data.ArrayLayout(DecodedLayout(), size),
            }
        )


class FrontEndLayout(data.StructLayout):
    """What a front end does in a cycle, for observers.

    ``count`` words at ``pc`` enter the buffer of ``thread``, and ``injected_word`` that of the threads ``injected``. ``decoded``:
    instructions that enter each thread's queue. ``correct``: threads of which decoders drop what else is fetched.
    """

    def __init__(self, config: NodeConfig):
        words = window_words(config)
        super().__init__(
            {
                "pc": unsigned(64),
                "words": data.ArrayLayout(32, words),
                "count": range(words + 1),
                "thread": unsigned(2),
                "injected": unsigned(config.threads),
                "injected_word": unsigned(32),
                "decoded": data.ArrayLayout(8, config.threads),
                "correct": unsigned(config.threads),
            }
        )
