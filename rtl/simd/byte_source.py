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

    Operations that take a scalar find it in the lowest bytes of ``b``.

    Parameters
    ----------
    config : NodeConfig

    Members
    -------
    start : In(1), op : In(8), sub : In(5)
        As the SIMD unit has them, of an operation that moves bytes; all others hold from the next cycle on.
    row : In(3)
        The same, held.
    number : In(range(line_bytes))
        Of the byte of the result.
    chosen : In(1)
        The bit of the mask for it, by which vsel selects.
    far : In(1)
        The scalar is no smaller than the line.
    indexes : Out(1), index : In(range(line_bytes))
        The byte ``plain`` of ``b`` is the index, or as many low bits of it as the line has bytes.
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
                "start": In(1),
                "op": In(8),
                "sub": In(5),
                "row": In(3),
                "number": In(byte),
                "chosen": In(1),
                "far": In(1),
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

        # Taken apart when it comes: which moves it is, and what the moves of a kind differ in.
        names = [*(f"{name}{bits}" for name in ("moves", "transposes") for bits in _ELEMENT_BITS), "slides", "selects"]
        names += [*(f"{name}{bits}" for name in ("narrows", "widens") for bits in (16, 32)), "broadcasts"]
        entering, move = Signal(range(len(names))), Signal(range(len(names)), reset_less=True)
        sub, varies, unsigned = Signal(5, reset_less=True), Signal(reset_less=True), Signal(reset_less=True)
        kept, indexes = Signal(byte_bits, reset_less=True), Signal(reset_less=True)
        with m.If(self.start):
            m.d.sync += [move.eq(entering), sub.eq(self.sub), kept.eq(0), indexes.eq(0), varies.eq(0), unsigned.eq(0)]

        def becomes(name, **registers):
            held = {"kept": kept, "indexes": indexes, "varies": varies, "unsigned": unsigned}
            m.d.comb += entering.eq(names.index(name))
            with m.If(self.start):
                m.d.sync += [held[register].eq(value) for register, value in registers.items()]

        with m.Switch(self.op):
            for bits in _ELEMENT_BITS:
                with m.Case(operation(f"vshuf.e{bits}")):
                    becomes(f"moves{bits}", indexes=1, kept=-(bits // 8))
                with m.Case(operation(f"vbcl.e{bits}")):
                    becomes(f"moves{bits}", indexes=1)
                with m.Case(operation(f"vtrn.e{bits}")):
                    becomes(f"transposes{bits}")
            with m.Case(operation("vslideup"), operation("vslidedown")):
                becomes("slides", indexes=1, varies=self.op == operation("vslideup"))
            with m.Case(operation("vsel")):
                becomes("selects")
            for wide in (16, 32):
                signed, unsigned_ = (operation(f"vnarrow.{kind}{wide // 2}.i{wide}") for kind in "iu")
                with m.Case(signed, unsigned_):
                    becomes(f"narrows{wide}", unsigned=self.op == unsigned_)
            with m.Case(operation("vwiden.i16.i8l")), m.Switch(self.sub):
                for wide in (16, 32):
                    for kind in "iu":
                        for half in "lh":
                            with m.Case(sub_operation(f"vwiden.{kind}{wide}.{kind}{wide // 2}{half}")):
                                becomes(f"widens{wide}", varies=half == "h", unsigned=kind == "u")
                for bits in (8, 16, 32, 64):
                    with m.Case(sub_operation(f"vbc.e{bits}")):
                        becomes("broadcasts", kept=bits // 8 - 1)

        m.d.comb += [
            self.indexes.eq(indexes),
            self.unsigned.eq(unsigned),
            self.plain.eq(Mux(indexes, number & kept, number)),
            self.present.eq(1),
            self.upper.eq(number[0]),
        ]
        indexed = Signal(byte_bits)
        place = Signal(byte_bits + 1)
        # The bit above the place tells that it lies outside, on either side.
        distance = Cat(self.index, C(0, 1)) ^ varies.replicate(byte_bits + 1)
        m.d.comb += place.eq((Cat(varies, number) + Cat(varies, distance)) >> 1)
        with m.Switch(move):
            for bits in _ELEMENT_BITS:
                with m.Case(names.index(f"moves{bits}")):
                    m.d.comb += indexed.eq(Cat(number[: exact_log2(bits // 8)], self.index))
                with m.Case(names.index(f"transposes{bits}")):
                    self._transpose(m, bits, sub)
            with m.Case(names.index("slides")):
                m.d.comb += [indexed.eq(place), self.fills.eq(self.far | place[-1])]
            with m.Case(names.index("selects")):
                m.d.comb += self.second.eq(~self.chosen)
            for log, wide in ((1, 16), (2, 32)):
                with m.Case(names.index(f"narrows{wide}")):
                    m.d.comb += [Cat(self.plain, self.second).eq(Cat(C(0, log), number[log - 1 :])), self.narrows.eq(log)]
                with m.Case(names.index(f"widens{wide}")):
                    # Beyond the element, its last byte has the sign.
                    within = number[1:] if wide == 16 else Cat(number[0] | number[1], number[2:])
                    m.d.comb += [
                        self.plain.eq(Cat(within, varies)),
                        self.fills.eq(number[exact_log2(wide // 16)]),
                        self.signed.eq(~unsigned),
                    ]
            with m.Case(names.index("broadcasts")):
                m.d.comb += [self.plain.eq(number & kept), self.second.eq(1)]
        m.d.comb += self.source.eq(Mux(indexes, indexed, self.plain))
        return m

    def _transpose(self, m, bits, sub):
        """The number of an element in the matrix has six bits: of its place in its register, then of the register's number in
        the group. A transpose swaps the lower three, the column, with the upper three, the row."""
        inner = exact_log2(bits // 8)
        places = len(self.number) - inner
        element = Cat(self.number[inner:], sub[: 2 * _ROW_BITS - places])
        origin = Cat(element[_ROW_BITS:], element[:_ROW_BITS])
        register = origin[places:]
        m.d.comb += self.plain.eq(Cat(self.number[:inner], origin[:places]))
        if len(register):
            m.d.comb += [self.second.eq(register[0]), self.present.eq(register[1:] == self.row[: len(register) - 1])]
