# SPDX-License-Identifier: Apache-2.0
"""The two lines that the sequential core works with, and where they come from."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import enum, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from golden.config import NodeConfig
from rtl.interfaces import ReadPort, line_address_bits

__all__ = ["LineChoice", "OperandLines"]


class LineChoice(enum.Enum, shape=2):
    """Which line of SRAM is asked for."""

    RESULT = 0
    A = 1
    B = 2


class OperandLines(wiring.Component):
    """Lines A and B: operands of matrix and SIMD operations, and what is loaded for a vector register.

    Lines enter as A, and what was A becomes B: so B comes first.

    Members
    -------
    port : Out(ReadPort)
    wants : In(1), choice : In(LineChoice), line : In(line number), granted : Out(1)
        An access to ``line`` or to an operand of a matrix operation; ``port.data`` has it in the next cycle.
    start : In(1), start_a, start_b : In(line numbers); next_a, next_b : In(1)
        Where matrix operands are: set, or advanced by a line, at the end of the cycle.
    enter_port : In(1)
        If the access is granted, ``port.data`` becomes A in the next cycle.
    enter_vector : In(1), vector : In(line)
        This line becomes A at the end of the cycle.
    clear : In(1)
        A becomes 0.
    enter_granule : In(1), wide : In(1), granule : In(3), place : In(low bits of an address)
        The same of the granule of ``port.data`` at this place, of sixteen bytes if it is wide and of eight otherwise, which
        becomes granule ``granule`` of A and does not touch B. The members beside it are those of the next cycle.
    a, b : Out(line)
    """

    def __init__(self, config: NodeConfig):
        self.config = config
        line, number = 8 * config.line_bytes, line_address_bits(config)
        super().__init__(
            {
                "port": Out(ReadPort(config)),
                "wants": In(1),
                "choice": In(LineChoice),
                "line": In(number),
                "granted": Out(1),
                "start": In(1),
                "start_a": In(number),
                "start_b": In(number),
                "next_a": In(1),
                "next_b": In(1),
                "enter_port": In(1),
                "enter_vector": In(1),
                "vector": In(line),
                "clear": In(1),
                "enter_granule": In(1),
                "wide": In(1),
                "granule": In(3),
                "place": In(ceil_log2(config.line_bytes)),
                "a": Out(line),
                "b": Out(line),
            }
        )

    def elaborate(self, platform):
        m = Module()
        line_bytes = self.config.line_bytes
        address_a, address_b = (Signal.like(self.line, name=name, reset_less=True) for name in ("address_a", "address_b"))
        with m.If(self.start):
            m.d.sync += [address_a.eq(self.start_a), address_b.eq(self.start_b)]
        with m.Else():
            m.d.sync += [address_a.eq(address_a + self.next_a), address_b.eq(address_b + self.next_b)]
        m.d.comb += [self.port.req.eq(self.wants), self.granted.eq(self.port.grant)]
        with m.Switch(self.choice):
            with m.Case(LineChoice.A):
                m.d.comb += self.port.address.eq(address_a)
            with m.Case(LineChoice.B):
                m.d.comb += self.port.address.eq(address_b)
            with m.Default():
                m.d.comb += self.port.address.eq(self.line)

        whole, part = Signal(), Signal()
        m.d.sync += [whole.eq(self.enter_port & self.granted), part.eq(self.enter_granule & self.granted)]
        a, b = (Signal(8 * line_bytes, name=name, reset_less=True) for name in ("line_a", "line_b"))
        m.d.comb += [self.a.eq(a), self.b.eq(b)]
        with m.If(whole | self.enter_vector):
            m.d.sync += b.eq(a)
        halves = line_bytes // 8
        # A granule of eight bytes comes from either half of sixteen; wide ones and whole lines come in halves in place.
        data = self.port.data
        eight = data.word_select(self.place[3:], 64)
        for number in range(halves):
            in_place = data.word_select(number, 64)
            here = self.granule == number
            if line_bytes > 16:
                in_place = Mux(part, data.word_select(self.place[4:], 128).word_select(number % 2, 64), in_place)
                here = Mux(self.wide, self.granule == number // 2, here)
            else:
                here |= self.wide
            with m.If(self.enter_vector | whole | self.clear | (part & here)):
                m.d.sync += a.word_select(number, 64).eq(
                    Mux(
                        self.enter_vector,
                        self.vector.word_select(number, 64),
                        Mux(part & ~self.wide, eight, in_place) & ~self.clear.replicate(64),
                    )
                )
        return m
