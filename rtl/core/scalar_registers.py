# SPDX-License-Identifier: Apache-2.0
"""The scalar registers of all threads: operands of all pipes, with what is about to be written."""

from amaranth.hdl import Cat, Module
from amaranth.lib import data, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from golden.config import NodeConfig
from rtl.core.pipes.bundles import ScalarWriteLayout

__all__ = ["OperandLayout", "ScalarRegisters"]

_REGISTERS = 32


class OperandLayout(data.StructLayout):
    """A scalar register of a thread, if it is ``valid``."""

    def __init__(self):
        super().__init__({"valid": 1, "thread": 2, "number": 5})


class ScalarRegisters(wiring.Component):
    """32 x 64 bits per thread, read without a register.

    A read gives what is written at the end of the same cycle, if ``forward`` says so: there is never more than one such write of
    a register. After reset, all registers have to be cleared before one is read; x0 is never written again.

    Parameters
    ----------
    reads, writes : int
        Ports.

    Members
    -------
    operands : In(reads x OperandLayout), values : Out(reads x 64)
        Values are 0 where nothing is wanted.
    stored : Out(reads x 64), forwarded : Out(reads)
        What the registers hold, and whether the value is another one, which is written at the end of the cycle.
    forward : In(writes x ScalarWriteLayout)
        What may be written at the end of the cycle.
    written : In(writes)
        It is.
    clear : In(1), clear_number : In(4)
        Clear the registers whose number modulo 16 is this, of all threads, at the end of the cycle, in which nothing is written.
    """

    def __init__(self, config: NodeConfig, reads: int, writes: int):
        self.threads = config.threads
        super().__init__(
            {
                "operands": In(data.ArrayLayout(OperandLayout(), reads)),
                "values": Out(data.ArrayLayout(64, reads)),
                "stored": Out(data.ArrayLayout(64, reads)),
                "forwarded": Out(reads),
                "forward": In(data.ArrayLayout(ScalarWriteLayout(), writes)),
                "written": In(writes),
                "clear": In(1),
                "clear_number": In(4),
            }
        )

    def elaborate(self, platform):
        m = Module()
        depth = _REGISTERS * self.threads
        address_bits = ceil_log2(depth)
        m.submodules.registers = memory = Memory(shape=64, depth=depth, init=[])

        # Each port clears one register per cycle.
        cleared = [upper << 4 for upper in range(depth // 16)]
        ports = [memory.write_port() for _ in range(max(len(self.forward), len(cleared)))]
        for number, port in enumerate(ports):
            if number < len(self.forward):
                write = self.forward[number]
                m.d.comb += [
                    port.en.eq(self.written[number]),
                    port.addr.eq(Cat(write.number, write.thread)[:address_bits]),
                    port.data.eq(write.data),
                ]
            if number < len(cleared):
                with m.If(self.clear):
                    m.d.comb += [port.en.eq(1), port.addr.eq(cleared[number] | self.clear_number), port.data.eq(0)]

        for number, (operand, value) in enumerate(zip(self.operands, self.values, strict=True)):
            port = memory.read_port(domain="comb")
            m.d.comb += [port.addr.eq(Cat(operand.number, operand.thread)[:address_bits]), self.stored[number].eq(port.data)]
            with m.If(operand.valid):
                m.d.comb += value.eq(port.data)
                for write in self.forward:
                    with m.If(write.valid & (write.number == operand.number) & (write.thread == operand.thread)):
                        m.d.comb += [value.eq(write.data), self.forwarded[number].eq(1)]
        return m
