# SPDX-License-Identifier: Apache-2.0
"""A lane of decoders: what it makes of the first words of a window."""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from golden.config import NodeConfig
from golden.isa import INSTRUCTIONS
from rtl.core.decoder import Decoder
from rtl.frontend.entry import WORD_ADDRESS_BITS, InstructionGroup, window_words

__all__ = ["DecodeLane"]

#: Opcodes.
_JAL, _JALR, _BRANCH = (INSTRUCTIONS[name].match & 0x7F for name in ("jal", "jalr", "beq"))


class DecodeLane(wiring.Component):
    """Decodes up to ``width`` words, without a register, and corrects what was predicted of them as far as words tell.

    The group ends with the first word that is a jump to a known place (``jal``, or a branch that compares a register with itself
    and is taken) or predicted to continue elsewhere. What is decoded there decides:

    ============================================ =================================================================
    word                                         the group's last instruction
    ============================================ =================================================================
    ``jal``; branch that is taken for certain    continues at its target
    other branch, predicted                      continues at its target
    ``jalr``, predicted                          continues where predicted
    anything else, or a target that is           continues behind itself
    misaligned or outside of the node's window
    ============================================ =================================================================

    Where that is not what was predicted, ``corrects`` says so, and the thread has to be fetched at ``target``.

    Parameters
    ----------
    config : NodeConfig
    width : int
        Decoders, at least 1.

    Members
    -------
    words : In(width x 32)
    available : In(range(window words + 1))
        How many words there are from the first on, in the window; 0 if there is nothing to do.
    pc : In(word address of the first)
    predicted : In(1), follows : In(word address)
        The window's last word is predicted to continue there.
    fault : In(1)
    group : Out(InstructionGroup(width))
    stops : Out(1)
        The group's last instruction ends the window: words behind it are not the program's next.
    corrects : Out(1), target : Out(word address)
    """

    def __init__(self, config: NodeConfig, width: int):
        self.config = config
        self.width = width
        super().__init__(
            {
                "words": In(data.ArrayLayout(32, width)),
                "available": In(range(window_words(config) + 1)),
                "pc": In(WORD_ADDRESS_BITS),
                "predicted": In(1),
                "follows": In(WORD_ADDRESS_BITS),
                "fault": In(1),
                "group": Out(InstructionGroup(width)),
                "stops": Out(1),
                "corrects": Out(1),
                "target": Out(WORD_ADDRESS_BITS),
            }
        )

    def elaborate(self, platform):
        m = Module()
        in_window = ceil_log2(window_words(self.config))

        # Only opcodes decide which word ends the group, so that decoders are not in the way.
        ends, chosen, low, predicted = Signal(self.width), Signal(32), Signal(in_window), Signal()
        for i in reversed(range(self.width)):
            word, last = self.words[i], Signal(name=f"last{i}")
            m.d.comb += [
                last.eq(self.predicted & (self.available == i + 1)),
                ends[i].eq((self.available > i) & (last | _jumps(word))),
            ]
            with m.If(ends[i]):
                m.d.comb += [
                    chosen.eq(word),
                    low.eq(self.pc[:in_window] + i),
                    predicted.eq(last),
                    self.group.count.eq(i + 1),
                ]
        with m.If(~ends.any()):
            m.d.comb += self.group.count.eq(Mux(self.available < self.width, self.available, self.width))
        m.d.comb += self.stops.eq(ends.any())

        jal, conditional = chosen[:7] == _JAL, _is_branch(chosen)
        sign = chosen[31]
        offset, total, pc = Signal(WORD_ADDRESS_BITS), Signal(WORD_ADDRESS_BITS + 1), Signal(WORD_ADDRESS_BITS)
        misaligned, reachable, direct, indirect, continues = (
            Signal(name=name) for name in ("misaligned", "reachable", "direct", "indirect", "continues")
        )
        with m.If(jal):
            m.d.comb += [
                offset.eq(Cat(chosen[22:31], chosen[20], chosen[12:20], sign)),
                misaligned.eq(chosen[21]),
            ]
        with m.Else():
            m.d.comb += [
                offset.eq(Cat(chosen[9:12], chosen[25:31], chosen[7], sign.replicate(WORD_ADDRESS_BITS - 10))),
                misaligned.eq(chosen[8]),
            ]
        m.d.comb += [
            pc.eq(Cat(low, self.pc[in_window:])),
            total.eq(pc + offset),
            # The window ends where adding carries, or taking away borrows.
            reachable.eq((total[WORD_ADDRESS_BITS] == sign) & ~misaligned),
            direct.eq(jal | _is_taken(chosen) | (conditional & ~_compares_alike(chosen) & predicted)),
            indirect.eq(_is_jalr(chosen) & predicted),
            continues.eq((direct & reachable) | indirect),
            self.group.predicted.eq(self.stops & continues),
            self.group.follows.eq(Mux(indirect, self.follows, total[:WORD_ADDRESS_BITS])),
            self.target.eq(Mux(continues, self.group.follows, pc + 1)),
            self.corrects.eq(self.stops & ~(predicted & continues & (self.group.follows == self.follows))),
            self.group.pc.eq(self.pc),
            self.group.fault.eq(self.fault),
        ]

        for i in range(self.width):
            m.submodules[f"decoder{i}"] = decoder = Decoder(self.config)
            # A simulator need not decode what is not there.
            with m.If(self.available > i):
                m.d.comb += decoder.insn.eq(self.words[i])
            m.d.comb += [self.group.insns[i].eq(self.words[i]), self.group.decoded[i].eq(decoder.decoded)]
        return m


def _is_branch(word):
    """A legal conditional branch."""
    return (word[:7] == _BRANCH) & (word[13:15] != 0b01)


def _compares_alike(word):
    """A branch's operands are the same register."""
    return word[15:20] == word[20:25]


def _is_taken(word):
    """A branch that is taken whatever the register holds that it compares with itself: beq, bge, bgeu."""
    return _is_branch(word) & _compares_alike(word) & (word[12] == word[14])


def _jumps(word):
    return (word[:7] == _JAL) | _is_taken(word)


def _is_jalr(word):
    return (word[:7] == _JALR) & (word[12:15] == 0)
