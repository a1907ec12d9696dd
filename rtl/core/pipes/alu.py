# SPDX-License-Identifier: Apache-2.0
"""The pipe of plain integer operations."""

from amaranth.hdl import C, Module, Mux
from amaranth.lib import wiring

from rtl.core.alu import Alu
from rtl.core.pipes.bundles import commit, enter_x, in_window, pipe_members, write_scalar

__all__ = ["AluPipe", "connect_alu"]


def connect_alu(m, x) -> Alu:
    """An ALU with the operands of the instruction in X."""
    decoded = x.entry.decoded
    m.submodules.alu = alu = Alu()
    sign = decoded.immediate[31].replicate(32)
    m.d.comb += [
        alu.op.eq(decoded.alu),
        alu.word.eq(decoded.word),
        alu.a.eq(Mux(decoded.source_pc, in_window(x.entry.pc), Mux(decoded.reads_rs1, x.rs1, 0))),
        alu.b[:32].eq(Mux(decoded.source_immediate, decoded.immediate, x.rs2[:32])),
        alu.b[32:].eq(Mux(decoded.source_immediate, sign, x.rs2[32:])),
    ]
    return alu


class AluPipe(wiring.Component):
    """Arithmetic, logic, shifts and comparisons in one cycle. It never stalls, and nothing in it traps.

    Members
    -------
    Those of :func:`rtl.core.pipes.bundles.pipe_members`.
    """

    def __init__(self):
        super().__init__(pipe_members())

    def elaborate(self, platform):
        m = Module()
        x = enter_x(m, self)
        alu = connect_alu(m, x)
        m.d.comb += [
            *write_scalar(self, x.entry.insn[7:12], alu.result, x.entry.decoded.writes_rd),
            *commit(self, self.first & ~self.killed, 0, C(0, 6), C(0, 64)),
        ]
        return m
