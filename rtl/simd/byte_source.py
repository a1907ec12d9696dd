# SPDX-License-Identifier: Apache-2.0
"""Where the bytes of a permuted vector come from, one byte at a time."""

from amaranth.hdl import C, Cat, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from golden.config import NodeConfig
from rtl.simd.operations import operation, sub_operation

__all__ = ["ByteSource"]

#: Widths of the elements of shuffles, broadcasts of lanes, and transposes.
_ELEMENT_BITS = (8, 16, 32)

#: Bits of the number of a row, or of a column, of a matrix to transpose.
_ROW_BITS = 3


class ByteSource(wiring.Component):
    """For a byte of the result of a permutation, the number of the byte that it is, and what is to be made of it.

    Without a register. Operations that take a scalar find it in the lowest bytes of ``b``.

    Parameters
    ----------
    config : NodeConfig

    Members
    -------
    op : In(8), sub : In(5), row : In(3)
        As the SIMD unit has them, of an operation that moves bytes.
    number : In(range(line_bytes))
        Of the byte of the result.
    chosen : In(1)
        The bit of the mask for it, by which vsel selects.
    far : In(1)
        The scalar is no smaller than the line.
    index_address : Out(range(line_bytes))
        The byte of ``b`` whose value is wanted as ``index``; as many low bits of it as the line has bytes.
    index : In(range(line_bytes))
    indexes : Out(1)
        Whether it is wanted.
    plain : Out(range(line_bytes))
        The number of the byte, if no index is wanted.
    source : Out(range(line_bytes))
        The number of the byte, or the lowest one of the element to narrow.
    second : Out(1)
        It is in ``b``, not in ``a``.
    fills, signed : Out(1)
        The byte of the result is zero, or with ``signed`` made of the byte's sign.
    narrows : Out(2)
        The byte of the result comes from a saturated element of 16 bits (1) or 32 bits (2).
    upper, unsigned : Out(1)
        It is the upper one of the narrowed element; saturation is unsigned.
    present : Out(1)
        The byte of the result is in this pair of registers.
    """

    def __init__(self, config: NodeConfig):
        self.config = config
        byte = range(config.line_bytes)
        super().__init__(
            {
                "op": In(8),
                "sub": In(5),
                "row": In(3),
                "number": In(byte),
                "chosen": In(1),
                "far": In(1),
                "index_address": Out(byte),
                "index": In(byte),
                "indexes": Out(1),
                "plain": Out(byte),
                "source": Out(byte),
                "second": Out(1),
                "fills": Out(1),
                "signed": Out(1),
                "narrows": Out(2),
                "upper": Out(1),
                "unsigned": Out(1),
                "present": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        number = self.number
        byte_bits = len(number)
        m.d.comb += [self.plain.eq(number), self.present.eq(1), self.upper.eq(number[0])]
        indexed = Signal(byte_bits)
        place = Signal(byte_bits + 1)
        up = Signal()
        # The bit above the place tells that it lies outside, on either side.
        distance = Cat(self.index, C(0, 1)) ^ up.replicate(byte_bits + 1)
        m.d.comb += place.eq((Cat(up, number) + Cat(up, distance)) >> 1)
        with m.Switch(self.op):
            for bits in _ELEMENT_BITS:
                inner = exact_log2(bits // 8)
                with m.Case(operation(f"vshuf.e{bits}"), operation(f"vbcl.e{bits}")):
                    m.d.comb += [self.indexes.eq(1), indexed.eq(Cat(number[:inner], self.index))]
                with m.Case(operation(f"vtrn.e{bits}")):
                    self._transpose(m, bits)
            with m.Case(operation("vslideup"), operation("vslidedown")):
                m.d.comb += [
                    self.indexes.eq(1),
                    up.eq(self.op == operation("vslideup")),
                    indexed.eq(place),
                    self.fills.eq(self.far | place[-1]),
                ]
            with m.Case(operation("vsel")):
                m.d.comb += self.second.eq(~self.chosen)
            for log, wide in ((1, 16), (2, 32)):
                signed, unsigned = (operation(f"vnarrow.{kind}{wide // 2}.i{wide}") for kind in "iu")
                with m.Case(signed, unsigned):
                    element = number[log - 1 :]
                    m.d.comb += [
                        Cat(self.plain, self.second).eq(Cat(C(0, log), element)),
                        self.narrows.eq(log),
                        self.unsigned.eq(self.op == unsigned),
                    ]
            with m.Case(operation("vwiden.i16.i8l")):
                self._widen_or_broadcast(m)
        with m.Switch(self.op):
            for bits in _ELEMENT_BITS[1:]:
                with m.Case(operation(f"vshuf.e{bits}")):
                    m.d.comb += self.index_address.eq(Cat(C(0, exact_log2(bits // 8)), number[exact_log2(bits // 8) :]))
            with m.Case(operation("vshuf.e8")):
                m.d.comb += self.index_address.eq(number)
        m.d.comb += self.source.eq(Mux(self.indexes, indexed, self.plain))
        return m

    def _widen_or_broadcast(self, m):
        """The operations on one register, which share an ``op``."""
        number = self.number
        with m.Switch(self.sub):
            for wide in (16, 32):
                subs = {
                    (kind, half): sub_operation(f"vwiden.{kind}{wide}.{kind}{wide // 2}{half}") for kind in "iu" for half in "lh"
                }
                with m.Case(*subs.values()):
                    upper = self.sub.matches(*(sub for (_, half), sub in subs.items() if half == "h"))
                    # Beyond the element, its last byte has the sign.
                    within = number[1:] if wide == 16 else Cat(number[0] | number[1], number[2:])
                    m.d.comb += [
                        self.plain.eq(Cat(within, upper)),
                        self.fills.eq(number[exact_log2(wide // 16)]),
                        self.signed.eq(self.sub.matches(*(sub for (kind, _), sub in subs.items() if kind == "i"))),
                    ]
            for bits in (8, 16, 32, 64):
                with m.Case(sub_operation(f"vbc.e{bits}")):
                    m.d.comb += [self.plain.eq(number[: exact_log2(bits // 8)]), self.second.eq(1)]

    def _transpose(self, m, bits):
        """The number of an element in the matrix has six bits: of its place in its register, then of the register's number in
        the group. A transpose swaps the lower three, the column, with the upper three, the row."""
        inner = exact_log2(bits // 8)
        places = len(self.number) - inner
        element = Cat(self.number[inner:], self.sub[: 2 * _ROW_BITS - places])
        origin = Cat(element[_ROW_BITS:], element[:_ROW_BITS])
        register = origin[places:]
        m.d.comb += self.plain.eq(Cat(self.number[:inner], origin[:places]))
        if len(register):
            m.d.comb += [self.second.eq(register[0]), self.present.eq(register[1:] == self.row[: len(register) - 1])]
