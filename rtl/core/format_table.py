# SPDX-License-Identifier: Apache-2.0
"""The format descriptors of all threads."""

from amaranth.hdl import C, Cat, Module, Mux, Signal
from amaranth.lib import data, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from golden.config import NodeConfig
from golden.layout import BIAS_BITS, FORMAT_DESCRIPTORS, FormatKind

__all__ = ["DESCRIPTORS_PER_CSR", "FormatLayout", "FormatTable"]

#: Format descriptors in one CSR, and the bits that each has there.
DESCRIPTORS_PER_CSR = 4
_CSR_BITS = 16

_NUMBER_BITS = (FORMAT_DESCRIPTORS - 1).bit_length()
_PLACE_BITS = (DESCRIPTORS_PER_CSR - 1).bit_length()


class FormatLayout(data.StructLayout):
    """A format descriptor as it is kept: bias and FormatKind."""

    def __init__(self):
        super().__init__({"bias": BIAS_BITS, "kind": 3})


def _kept(bits):
    """What is kept of the bits that are written: there are no kinds above FP32."""
    kind = bits[BIAS_BITS : BIAS_BITS + 3]
    return Cat(bits[:BIAS_BITS], Mux(kind > max(FormatKind), 0, kind))


class FormatTable(wiring.Component):
    """Sixteen descriptors per thread in lines of four, as the CSRs have them; every line has to be cleared after reset.

    Members
    -------
    scalar_thread : In(2), scalar_number : In(4); scalar_format : Out(FormatLayout), scalar_csr : Out(64)
        Read without a register: a descriptor, and the CSR that it lies in.
    matrix_thread : In(2), matrix_number : In(4); format_a, format_b : Out(FormatLayout)
        Read without a register: a descriptor and its neighbour.
    named_thread : In(readers x 2), named_number : In(readers x 4); named : Out(readers x FormatLayout)
        Further descriptors, read likewise.
    write : In(1), whole : In(1), value : In(64)
        Write descriptor ``scalar_number`` with the lowest bits of ``value``, or with ``whole`` its whole CSR, at the end of the
        cycle.
    clear : In(1), clear_number : In(4)
        Clear this line at the end of the cycle, in which there is no write.
    """

    def __init__(self, config: NodeConfig, readers: int = 0):
        self.config = config
        super().__init__(
            {
                "named_thread": In(data.ArrayLayout(2, readers)),
                "named_number": In(data.ArrayLayout(_NUMBER_BITS, readers)),
                "named": Out(data.ArrayLayout(FormatLayout(), readers)),
                "scalar_thread": In(2),
                "scalar_number": In(_NUMBER_BITS),
                "scalar_format": Out(FormatLayout()),
                "scalar_csr": Out(64),
                "matrix_thread": In(2),
                "matrix_number": In(_NUMBER_BITS),
                "format_a": Out(FormatLayout()),
                "format_b": Out(FormatLayout()),
                "write": In(1),
                "whole": In(1),
                "value": In(64),
                "clear": In(1),
                "clear_number": In(4),
            }
        )

    def elaborate(self, platform):
        m = Module()
        bits = FormatLayout().size
        lines = self.config.threads * FORMAT_DESCRIPTORS // DESCRIPTORS_PER_CSR
        address_bits = ceil_log2(lines)
        m.submodules.lines = memory = Memory(shape=data.ArrayLayout(bits, DESCRIPTORS_PER_CSR), depth=lines, init=[])

        def read(thread, number):
            """The line of a descriptor."""
            address = Cat(number[_PLACE_BITS:], thread)[:address_bits]
            port = memory.read_port(domain="comb")
            line = Signal(data.ArrayLayout(bits, DESCRIPTORS_PER_CSR), name=f"line{len(memory.read_ports)}")
            m.d.comb += [port.addr.eq(address), line.eq(port.data)]
            return line, address

        line, address = read(self.scalar_thread, self.scalar_number)
        place = self.scalar_number[:_PLACE_BITS]
        matrix_line, _ = read(self.matrix_thread, self.matrix_number)
        matrix_place = self.matrix_number[:_PLACE_BITS]
        m.d.comb += [
            self.scalar_format.eq(line[place]),
            self.scalar_csr.eq(Cat(Cat(part, C(0, _CSR_BITS - bits)) for part in line)),
            self.format_a.eq(matrix_line[matrix_place]),
            self.format_b.eq(matrix_line[matrix_place ^ 1]),
        ]

        for thread, number, named in zip(self.named_thread, self.named_number, self.named, strict=True):
            m.d.comb += named.eq(read(thread, number)[0][number[:_PLACE_BITS]])

        port = memory.write_port(granularity=1)
        places = Mux(self.whole, ~0, 1 << place)[:DESCRIPTORS_PER_CSR]
        m.d.comb += [port.addr.eq(address), port.en.eq(Mux(self.write, places, 0))]
        for number in range(DESCRIPTORS_PER_CSR):
            m.d.comb += port.data[number].eq(
                _kept(Mux(self.whole, self.value.word_select(number, _CSR_BITS), self.value[:_CSR_BITS]))
            )
        with m.If(self.clear):
            m.d.comb += [port.addr.eq(self.clear_number), port.en.eq(~0), port.data.eq(0)]
        return m
