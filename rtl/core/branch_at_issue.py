# SPDX-License-Identifier: Apache-2.0
"""Branches whose operands are there when they are issued."""

from amaranth.hdl import C, Cat, Module, Mux, Signal, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from golden.layout import OFFSET_BITS
from rtl.frontend.entry import WORD_ADDRESS_BITS, QueueEntry

__all__ = ["BranchAtIssue"]


class BranchAtIssue(wiring.Component):
    """Finds out where a conditional branch goes on, a cycle before it executes; combinational.

    A target that is misaligned or outside of the node's window is left to the control pipe.

    Members
    -------
    entry : In(QueueEntry)
        What is issued.
    rs1, rs2 : In(64), known : In(1)
        Its operands, if they are ``known``.
    corrects : Out(1), follows : Out(word address)
        It is a branch which goes on there, and not where it was predicted to.
    jumps : Out(1)
        Whether it is taken then.
    """

    def __init__(self):
        super().__init__(
            {
                "entry": In(QueueEntry()),
                "rs1": In(64),
                "rs2": In(64),
                "known": In(1),
                "corrects": Out(1),
                "follows": Out(WORD_ADDRESS_BITS),
                "jumps": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        entry, rs1, rs2 = self.entry, self.rs1, self.rs2
        funct3 = entry.insn[12:15]
        difference = Signal(65)
        m.d.comb += difference.eq(rs1 - rs2)
        condition = Signal()
        with m.Switch(funct3[1:]):
            with m.Case(0b00):
                m.d.comb += condition.eq(rs1 == rs2)
            with m.Case(0b10):
                m.d.comb += condition.eq(Mux(rs1[63] ^ rs2[63], rs1[63], difference[63]))
            with m.Case(0b11):
                m.d.comb += condition.eq(difference[64])

        target, reachable = Signal(signed(OFFSET_BITS + 2)), Signal()
        m.d.comb += [
            target.eq(Cat(C(0, 2), entry.pc) + entry.decoded.immediate[: OFFSET_BITS + 1].as_signed()),
            reachable.eq(~target[1] & ~target[OFFSET_BITS:].any()),
            self.jumps.eq(condition ^ funct3[0]),
            self.follows.eq(Mux(self.jumps, target[2:OFFSET_BITS], entry.pc + 1)),
        ]
        wrong = Mux(self.jumps, reachable & (~entry.predicted | (entry.follows != self.follows)), entry.predicted)
        m.d.comb += self.corrects.eq(self.known & entry.decoded.branch & ~entry.fault & wrong)
        return m
