# SPDX-License-Identifier: Apache-2.0
"""Vector registers of the sequential core."""

from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from golden.config import NodeConfig

__all__ = ["VectorFile"]


class VectorFile(wiring.Component):
    """32 lines of one thread: one read, one write, and a bit for each register that waits for a response of the network.

    Members
    -------
    address : In(5); data : Out(line), waits : Out(1)
        The register of the cycle before, and whether its value was still to come.
    write : In(1), number : In(5), write_data : In(line)
        Writes at the end of the cycle, and ends the wait.
    reserve : In(1), reserved : In(5)
        The register waits from the next cycle on.
    response : In(5), awaited : Out(1)
        Whether that register waits, in the same cycle.
    abandon : In(1)
        Register ``response`` does not wait any more and stays as it is.
    """

    def __init__(self, config: NodeConfig):
        self.config = config
        line = 8 * config.line_bytes
        super().__init__(
            {
                "address": In(5),
                "data": Out(line),
                "waits": Out(1),
                "write": In(1),
                "number": In(5),
                "write_data": In(line),
                "reserve": In(1),
                "reserved": In(5),
                "response": In(5),
                "awaited": Out(1),
                "abandon": In(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        # A register is never read for use in the cycle in which it is written.
        m.submodules.lines = memory = Memory(
            shape=8 * self.config.line_bytes, depth=32, init=[], attrs={"ram_style": "block", "no_rw_check": 1}
        )
        write, read = memory.write_port(), memory.read_port()
        m.d.comb += [
            write.en.eq(self.write),
            write.addr.eq(self.number),
            write.data.eq(self.write_data),
            read.addr.eq(self.address),
            self.data.eq(read.data),
        ]
        waiting = Signal(32)
        m.d.comb += self.awaited.eq(waiting.bit_select(self.response, 1))
        m.d.sync += self.waits.eq(waiting.bit_select(self.address, 1))
        with m.If(self.write):
            m.d.sync += waiting.bit_select(self.number, 1).eq(0)
        with m.If(self.abandon):
            m.d.sync += waiting.bit_select(self.response, 1).eq(0)
        with m.If(self.reserve):
            m.d.sync += waiting.bit_select(self.reserved, 1).eq(1)
        return m
