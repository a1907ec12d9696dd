# SPDX-License-Identifier: Apache-2.0
"""Predicate registers of all threads, and which of them wait for a value."""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import data, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from golden.config import NodeConfig

__all__ = ["PREDICATES", "PredicateNumber", "PredicateRegisters"]

#: Predicate registers of a thread. p0 is always all ones.
PREDICATES = 8


class PredicateNumber(data.StructLayout):
    """A predicate register of a thread; ``valid`` where the member strobes."""

    def __init__(self):
        super().__init__({"valid": 1, "number": 3, "thread": 2})


class PredicateRegisters(wiring.Component):
    """Eight registers per thread with a bit per byte of a line: two reads without a register, one write, a busy bit each.

    Members
    -------
    thread : In(2), read : In(2 x 3 bits), read_data : Out(2 x line_bytes)
        Read ports of one thread.
    other_thread : In(2), other_read : In(3 bits); other_data : Out(line_bytes)
        A read port of another thread.
    write : In(PredicateNumber), write_data : In(line_bytes)
        Writes at the end of the cycle and clears the busy bit; p0 stays.
    reserve, release : In(PredicateNumber)
        Set and clear a busy bit without a write.
    busy : Out(threads x 8)
        p0 never is.
    """

    def __init__(self, config: NodeConfig):
        self.config = config
        super().__init__(
            {
                "thread": In(2),
                "read": In(data.ArrayLayout(3, 2)),
                "read_data": Out(data.ArrayLayout(config.line_bytes, 2)),
                "other_thread": In(2),
                "other_read": In(3),
                "other_data": Out(config.line_bytes),
                "write": In(PredicateNumber()),
                "write_data": In(config.line_bytes),
                "reserve": In(PredicateNumber()),
                "release": In(PredicateNumber()),
                "busy": Out(data.ArrayLayout(PREDICATES, config.threads)),
            }
        )

    def elaborate(self, platform):
        m = Module()
        threads = self.config.threads
        depth = PREDICATES * threads
        m.submodules.bits = memory = Memory(shape=self.config.line_bytes, depth=depth, init=[])
        address_bits = ceil_log2(depth)
        write = memory.write_port()
        m.d.comb += [
            write.en.eq(self.write.valid),
            write.addr.eq(Cat(self.write.number, self.write.thread)[:address_bits]),
            write.data.eq(self.write_data),
        ]
        for number, thread, value in (
            (self.read[0], self.thread, self.read_data[0]),
            (self.read[1], self.thread, self.read_data[1]),
            (self.other_read, self.other_thread, self.other_data),
        ):
            read = memory.read_port(domain="comb")
            m.d.comb += [
                read.addr.eq(Cat(number, thread)[:address_bits]),
                value.eq(Mux(number.any(), read.data, ~0)),
            ]
        for thread in range(threads):
            busy = Signal(PREDICATES, name=f"busy{thread}")
            m.d.comb += self.busy[thread].eq(busy)
            for port, value in ((self.reserve, 1), (self.write, 0), (self.release, 0)):
                with m.If(port.valid & port.number.any() & (port.thread == thread)):
                    m.d.sync += busy.bit_select(port.number, 1).eq(value)
        return m
