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
    """32 lines per thread, reads with a register each, and a busy bit per register.

    A register is never read for use in the cycle in which it is written, since it is busy until that cycle ends.

    Parameters
    ----------
    config : NodeConfig
    reads, writes : int
        Ports.
    marks : int
        Ports that set a busy bit, and as many that clear one without a write.

    Members
    -------
    read : In(reads x RegisterNumber), data : Out(reads x line)
        Data follows one cycle after ``valid`` and holds until the next.
    write : In(writes x RegisterNumber), write_data : In(writes x line)
        Writes at the end of the cycle and clears the busy bit; never the same register twice.
    reserve, release : In(marks x RegisterNumber)
        Set and clear a busy bit without a write.
    busy : Out(threads x 32)
    """

    def __init__(self, config: NodeConfig, *, reads: int, writes: int, marks: int):
        self.config = config
        line = 8 * config.line_bytes
        super().__init__(
            {
                "read": In(data.ArrayLayout(RegisterNumber(), reads)),
                "data": Out(data.ArrayLayout(line, reads)),
                "write": In(data.ArrayLayout(RegisterNumber(), writes)),
                "write_data": In(data.ArrayLayout(line, writes)),
                "reserve": In(data.ArrayLayout(RegisterNumber(), marks)),
                "release": In(data.ArrayLayout(RegisterNumber(), marks)),
                "busy": Out(data.ArrayLayout(32, config.threads)),
            }
        )

    def elaborate(self, platform):
        m = Module()
        threads = self.config.threads
        depth = 32 * threads
        m.submodules.lines = memory = Memory(shape=8 * self.config.line_bytes, depth=depth, init=[])
        address_bits = ceil_log2(depth)
        for write, line in zip(self.write, self.write_data, strict=True):
            port = memory.write_port()
            m.d.comb += [
                port.en.eq(write.valid),
                port.addr.eq(Cat(write.number, write.thread)[:address_bits]),
                port.data.eq(line),
            ]
        for read, line in zip(self.read, self.data, strict=True):
            port = memory.read_port()
            m.d.comb += [
                port.en.eq(read.valid),
                port.addr.eq(Cat(read.number, read.thread)[:address_bits]),
                line.eq(port.data),
            ]
        for thread in range(threads):
            busy = Signal(32, name=f"busy{thread}")
            m.d.comb += self.busy[thread].eq(busy)
            for ports, value in ((self.reserve, 1), (self.write, 0), (self.release, 0)):
                for port in ports:
                    with m.If(port.valid & (port.thread == thread)):
                        m.d.sync += busy.bit_select(port.number, 1).eq(value)
        return m
