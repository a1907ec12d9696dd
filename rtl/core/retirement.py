# SPDX-License-Identifier: Apache-2.0
"""What a core shows of the instructions that it has executed."""

from amaranth.hdl import Cat, Module, Mux
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from golden.config import NodeConfig
from rtl.core.grouping import PIPES
from rtl.core.pipes.bundles import CommitLayout, ScalarWriteLayout
from rtl.core.ports import LateWriteLayout, VectorWriteLayout, late_ports, retirement_width, vector_ports
from rtl.core.vector_registers import RegisterNumber
from rtl.interfaces import RetirementSignature

__all__ = ["Retirement"]


class Retirement(wiring.Component):
    """Puts what pipes commit, and what is written behind that, to the ports at the core's boundary, a cycle later.

    Members
    -------
    commits : In(6 x CommitLayout)
        Of the pipes.
    injected : In(threads)
        What the thread commits was injected by a debugger, and does not retire.
    late : In(late_ports x ScalarWriteLayout)
        Results of loads, multiplications, divisions that are written at the end of the cycle.
    vectors : In(vector_ports x RegisterNumber), lines : In(vector_ports x line)
        Writes of vector registers, and what is written.
    retirement, late_writes, vector_writes : Out
        See :func:`rtl.core.ports.core_members`.
    """

    def __init__(self, config: NodeConfig):
        self.config = config
        super().__init__(
            {
                "commits": In(data.ArrayLayout(CommitLayout(), len(PIPES))),
                "injected": In(config.threads),
                "late": In(data.ArrayLayout(ScalarWriteLayout(), late_ports(config))),
                "vectors": In(data.ArrayLayout(RegisterNumber(), vector_ports(config))),
                "lines": In(data.ArrayLayout(8 * config.line_bytes, vector_ports(config))),
                "retirement": Out(RetirementSignature()).array(config.threads * retirement_width(config)),
                "late_writes": Out(LateWriteLayout()).array(late_ports(config)),
                "vector_writes": Out(VectorWriteLayout(config)).array(vector_ports(config)),
            }
        )

    def elaborate(self, platform):
        m = Module()
        width = self.config.issue_width
        for number, port in enumerate(self.retirement):
            thread, slot = divmod(number, width)
            here = [record.valid & (record.thread == thread) & (record.position == slot) for record in self.commits]
            m.d.sync += port.valid.eq(Cat(here).any() & ~self.injected[thread])
            for record, mine in zip(self.commits, here, strict=True):
                with m.If(mine):
                    m.d.sync += [
                        port.trap.eq(record.trap),
                        port.cause.eq(record.cause),
                        port.value.eq(record.value),
                        port.pc.eq(record.pc),
                        port.insn.eq(record.insn),
                        port.late.eq(record.late & ~record.trap),
                        *_shown_writes(port, record),
                    ]
        for port, late in zip(self.late_writes, self.late, strict=True):
            m.d.sync += port.valid.eq(late.valid)
            with m.If(late.valid):
                m.d.sync += [port.thread.eq(late.thread), port.register.eq(late.number), port.data.eq(late.data)]
        for port, write, line in zip(self.vector_writes, self.vectors, self.lines, strict=True):
            m.d.sync += port.valid.eq(write.valid)
            with m.If(write.valid):
                m.d.sync += [port.thread.eq(write.thread), port.register.eq(write.number), port.data.eq(line)]
        return m


def _shown_writes(port, record):
    """The registers that an instruction writes, the even one first. Two of them are never alike in that."""
    statements = []
    for odd in range(2):
        here = [write.valid & (write.number[0] == odd) for write in record.writes]
        shown = [Mux(here[1], record.writes[1][field], record.writes[0][field]) for field in ("number", "data")]
        statements += [
            port.rd_valid[odd].eq(Cat(here).any() & ~record.trap),
            port.rd_address[odd].eq(shown[0]),
            port.rd_data[odd].eq(shown[1]),
        ]
    return statements
