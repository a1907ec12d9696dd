# SPDX-License-Identifier: Apache-2.0
"""Vector registers of all threads, and which of them wait for a value."""

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import data, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from golden.config import NodeConfig

__all__ = ["RegisterNumber", "VectorRegisters"]


class RegisterNumber(data.StructLayout):
    """A vector register of a thread; ``valid`` where the member strobes."""

    def __init__(self):
        super().__init__({"valid": 1, "number": 5, "thread": 2})


class VectorRegisters(wiring.Component):
    """32 lines per thread: five reads with a register each, one write; a busy bit per register.

    Members
    -------
    scalar_read : In(3 x RegisterNumber), scalar_data : Out(3 x line)
        Operands of the scalar/vector slot: data follows one cycle after ``valid`` and holds until the next.
    matrix_read : In(2 x 7 bits), matrix_data : Out(2 x line)
        Operands of the matrix slot: number and thread, data in every next cycle.
    write : In(RegisterNumber), write_data : In(line)
        Writes at the end of the cycle and clears the busy bit.
    reserve, release : In(RegisterNumber)
        Set and clear a busy bit without a write.
    abandon : In(RegisterNumber)
        A second port that clears a busy bit.
    busy : Out(threads x 32)
    """

    def __init__(self, config: NodeConfig):
        self.config = config
        line = 8 * config.line_bytes
        super().__init__(
            {
                "scalar_read": In(data.ArrayLayout(RegisterNumber(), 3)),
                "scalar_data": Out(data.ArrayLayout(line, 3)),
                "matrix_read": In(data.ArrayLayout(7, 2)),
                "matrix_data": Out(data.ArrayLayout(line, 2)),
                "write": In(RegisterNumber()),
                "write_data": In(line),
                "reserve": In(RegisterNumber()),
                "release": In(RegisterNumber()),
                "abandon": In(RegisterNumber()),
                "busy": Out(data.ArrayLayout(32, config.threads)),
            }
        )

    def elaborate(self, platform):
        m = Module()
        threads = self.config.threads
        depth = 32 * threads
        # In FPGAs, LUT memories of so many read ports are among the largest parts of a node. A register is never read for use in
        # the cycle in which it is written, since it is busy until that cycle ends: block RAM need not keep the old line apart.
        m.submodules.lines = memory = Memory(
            shape=8 * self.config.line_bytes, depth=depth, init=[], attrs={"ram_style": "block", "no_rw_check": 1}
        )
        bits = ceil_log2(depth)

        write = memory.write_port()
        m.d.comb += [
            write.en.eq(self.write.valid),
            write.addr.eq(Cat(self.write.number, self.write.thread)[:bits]),
            write.data.eq(self.write_data),
        ]
        for i in range(3):
            read = memory.read_port()
            m.d.comb += [
                read.en.eq(self.scalar_read[i].valid),
                read.addr.eq(Cat(self.scalar_read[i].number, self.scalar_read[i].thread)[:bits]),
                self.scalar_data[i].eq(read.data),
            ]
        for i in range(2):
            read = memory.read_port()
            m.d.comb += [read.addr.eq(self.matrix_read[i][:bits]), self.matrix_data[i].eq(read.data)]

        for thread in range(threads):
            busy = Signal(32, name=f"busy{thread}")
            m.d.comb += self.busy[thread].eq(busy)
            for port, value in ((self.reserve, 1), (self.write, 0), (self.release, 0), (self.abandon, 0)):
                with m.If(port.valid & (port.thread == thread)):
                    m.d.sync += busy.bit_select(port.number, 1).eq(value)
        return m
