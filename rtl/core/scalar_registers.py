# SPDX-License-Identifier: Apache-2.0
"""Scalar registers of one thread."""

from amaranth.hdl import Module, Mux
from amaranth.lib import data, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

__all__ = ["ScalarRegisters", "ScalarWrites"]


class ScalarWrites(data.StructLayout):
    """Up to two register writes of one instruction: element 0 to an even register, element 1 to an odd one.

    ``number`` is the register's number divided by two. Writes to x0 are never valid.
    """

    def __init__(self):
        super().__init__(
            {
                "valid": data.ArrayLayout(1, 2),
                "number": data.ArrayLayout(4, 2),
                "data": data.ArrayLayout(64, 2),
            }
        )


class ScalarRegisters(wiring.Component):
    """32 x 64 bits, two reads without a register and one write each to the even and to the odd half.

    Two halves with one write port each make plain LUT memories, and still let an instruction advance two pointers. A read in
    the cycle of a write gives the old value. After reset, every pair of registers has to be cleared before it is read; x0 is
    never written again.

    Members
    -------
    address : In(2 x 5 bits), read : Out(2 x 64 bits)
        Read ports.
    writes : In(ScalarWrites)
        Written at the end of the cycle.
    clear : In(1), clear_number : In(4)
        Clear registers 2n and 2n + 1 at the end of the cycle, in which there are no writes and their data is 0.
    """

    def __init__(self):
        super().__init__(
            {
                "address": In(data.ArrayLayout(5, 2)),
                "read": Out(data.ArrayLayout(64, 2)),
                "writes": In(ScalarWrites()),
                "clear": In(1),
                "clear_number": In(4),
            }
        )

    def elaborate(self, platform):
        m = Module()
        halves = []
        for parity in range(2):
            memory = Memory(shape=64, depth=16, init=[])
            m.submodules["odd" if parity else "even"] = memory
            write = memory.write_port()
            m.d.comb += [
                write.en.eq(self.writes.valid[parity] | self.clear),
                write.addr.eq(Mux(self.clear, self.clear_number, self.writes.number[parity])),
                write.data.eq(self.writes.data[parity]),
            ]
            halves.append([memory.read_port(domain="comb") for _ in range(2)])
        for port in range(2):
            number = self.address[port]
            even, odd = halves[0][port], halves[1][port]
            m.d.comb += [
                even.addr.eq(number[1:]),
                odd.addr.eq(number[1:]),
                self.read[port].eq(Mux(number[0], odd.data, even.data)),
            ]
        return m
