# SPDX-License-Identifier: Apache-2.0
"""Integer arithmetic on one slice of a vector: an INT32, two INT16 or four INT8 elements."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from rtl.simd.operations import operation

__all__ = ["IntegerLane"]

#: Bits of a factor in front of the multipliers: 16, one more for 2 ** 16, and the sign.
_FACTOR_BITS = 18

#: Half of a, half of b and byte of both that each of the four multipliers takes.
_MULTIPLIERS = ((0, 0, 0), (0, 1, 1), (1, 1, 2), (1, 0, 3))


class _Control(data.StructLayout):
    """What an operation asks for, on its way along with the operands."""

    def __init__(self):
        super().__init__(
            {
                "is8": 1,
                "is16": 1,
                "add": 1,
                "subtract": 1,
                "signed_order": 1,
                "extreme": 1,
                "smallest": 1,
                "equality": 1,
                "bitwise": 2,
                "multiply": 1,
                "high": 1,
            }
        )


def _by_width(control, of8, of16, of32):
    return Mux(control.is8, of8, Mux(control.is16, of16, of32))


def _bytes_of(value):
    return [value.word_select(byte, 8) for byte in range(4)]


def _extended(element, signed, power=0):
    """An element as a signed factor. ``power`` adds 2 ** its bits, and is not set together with ``signed``."""
    sign = element[-1] & signed
    return Cat(element, sign | power, sign.replicate(_FACTOR_BITS - len(element) - 1))


class IntegerLane(wiring.Component):
    """The lane-wise integer operations and the bitwise ones, one per cycle; outputs follow four cycles after the inputs.

    Four 16-bit multipliers hold the partial products of one INT32 product, two INT16 products or four INT8 products. Shifts go
    through them too: a left shift is the low half of a product by 2 ** amount, a right shift of W bits the high half of one by
    2 ** (W - amount). One adder, with a spacer bit above each byte that hands the carry on or replaces it, serves sums,
    differences and orders of all widths.

    Members
    -------
    op : In(8)
        As the SIMD unit has it (:func:`rtl.simd.operations.operation`): the ``.i32``, ``.i16`` and ``.i8`` operations without
        the reductions, and ``vand``, ``vor``, ``vxor``, ``vandn``. Outputs are undefined for others.
    a, b : In(32)
    result : Out(32)
        Undefined for compares.
    compare : Out(4)
        One bit per byte, equal in all bytes of an element. Undefined for all but compares.
    """

    def __init__(self):
        super().__init__({"op": In(8), "a": In(32), "b": In(32), "result": Out(32), "compare": Out(4)})

    def elaborate(self, platform):
        m = Module()

        def register(name, value):
            """The value one cycle later."""
            later = Signal.like(value, name=name, reset_less=True)
            m.d.sync += later.eq(value)
            return later

        # First cycle: what is asked for, and the multipliers' operands.
        control = self._decode(m)
        x, y = self._factors(m, control)
        x, y = register("x", x), register("y", y)
        control = register("control1", control)
        a, b = register("a1", self.a), register("b1", self.b)

        # Second cycle: products, sums, differences, bitwise operations. In the topmost byte of an element, `smaller` is a < b.
        products = []
        for i in range(4):
            product = x.word_select(i, _FACTOR_BITS).as_signed() * y.word_select(i, _FACTOR_BITS).as_signed()
            products.append(register(f"product{i}", product[:34]))
        total, carries = self._add(m, control, a, b)
        signs = Cat(of_a[7] ^ of_b[7] for of_a, of_b in zip(_bytes_of(a), _bytes_of(b), strict=True))
        smaller = register("smaller", ~carries ^ (signs & control.signed_order.replicate(4)))
        equal = register("equal", Cat(of_a == of_b for of_a, of_b in zip(_bytes_of(a), _bytes_of(b), strict=True)))
        # Where an extreme is chosen this is a, which b may replace.
        bits = Signal(32)
        with m.Switch(Cat(control.bitwise, control.extreme)):
            for number, combined in enumerate((a & b, a | b, a ^ b, a & ~b)):
                with m.Case(number):
                    m.d.comb += bits.eq(combined)
            with m.Default():
                m.d.comb += bits.eq(a)
        value = Mux(control.add, total, bits)
        value, b = register("value", value), register("b2", b)
        control = register("control2", control)

        # Third cycle: an INT32's product from its parts, and everything else.
        def of_element(byte_values, combine):
            """One bit per byte of a slice: that of its element, which ``combine`` makes of the bits of the element's bytes."""
            halves = [combine(byte_values[:2]), combine(byte_values[2:])]
            return _by_width(control, byte_values, Cat(half.replicate(2) for half in halves), combine(byte_values).replicate(4))

        smaller = of_element(smaller, lambda bits: bits[-1])
        equal = of_element(equal, lambda bits: bits.all())
        compare = register("compare3", Mux(control.equality, equal, smaller))
        take_b = Mux(control.smallest, ~smaller, smaller) & control.extreme.replicate(4)
        simple = Cat(Mux(take, of_b, kept) for take, of_b, kept in zip(take_b, _bytes_of(b), _bytes_of(value), strict=True))

        lowest, middle, highest, other_middle = products
        narrow = Mux(
            control.is8,
            Cat(Mux(control.high, product[8:16], product[:8]) for product in products),
            Cat(Mux(control.high, product[16:32], product[:16]) for product in (lowest, highest)),
        )
        rest = register("rest", Mux(control.multiply, narrow, simple))
        upper = Cat(lowest[16:32], highest[:32]) + middle.as_signed() + other_middle.as_signed()
        upper = register("upper", upper[:48])
        control = register("control3", control)

        # Fourth cycle. The lower half of an INT32's low product is that of one of its parts, as an INT16's is.
        wide = control.multiply & ~control.is8 & ~control.is16
        low_half = Mux(wide & control.high, upper[16:32], rest[:16])
        high_half = Mux(wide, Mux(control.high, upper[32:], upper[:16]), rest[16:])
        m.d.comb += [
            self.result.eq(register("result4", Cat(low_half, high_half))),
            self.compare.eq(register("compare4", compare)),
        ]
        return m

    def _is_one_of(self, *names):
        """Whether ``op`` is one of these operations, on elements of any width; bitwise ones not told from others."""
        return self.op[:4].matches(*(operation(f"{name}.i32") & 15 for name in names))

    def _decode(self, m):
        control = Signal(_Control())
        lanes = ~(self.op[4:] == operation("vand") >> 4)
        m.d.comb += [
            control.is8.eq(self.op[4:] == operation("vadd.i8") >> 4),
            control.is16.eq(self.op[4:] == operation("vadd.i16") >> 4),
            control.add.eq(self._is_one_of("vadd", "vsub") & lanes),
            control.subtract.eq(~self._is_one_of("vadd")),
            control.signed_order.eq(self._is_one_of("vmin", "vmax", "vlt")),
            control.extreme.eq(self._is_one_of("vmin", "vmax", "vminu", "vmaxu") & lanes),
            control.smallest.eq(self._is_one_of("vmin", "vminu")),
            control.equality.eq(self._is_one_of("veq")),
            control.bitwise.eq(self.op[:2]),
            control.multiply.eq(self._is_one_of("vmul", "vmulh", "vmulhu", "vsll", "vsrl", "vsra") & lanes),
            control.high.eq(self._is_one_of("vmulh", "vmulhu", "vsrl", "vsra")),
        ]
        return control

    def _factors(self, m, control):
        """Both operands of the four multipliers, 18 bits each."""
        shift = self._is_one_of("vsll", "vsrl", "vsra")
        a_signed, b_signed = self._is_one_of("vmulh", "vsra"), self._is_one_of("vmulh")
        power, above = self._powers(m, control)
        b, b_above = Signal(32, name="multiplier_b"), Signal(4)
        m.d.comb += [b.eq(Mux(shift, power, self.b)), b_above.eq(Mux(shift, above, 0))]

        unsigned = Const(0, 1)
        x, y = [], []
        for half_a, half_b, byte in _MULTIPLIERS:
            byte_of_a, byte_of_b = self.a.word_select(byte, 8), b.word_select(byte, 8)
            part_of_a, part_of_b = self.a.word_select(half_a, 16), b.word_select(half_b, 16)
            x.append(
                _by_width(
                    control,
                    _extended(byte_of_a, a_signed),
                    _extended(part_of_a, a_signed),
                    _extended(part_of_a, a_signed if half_a else unsigned),
                )
            )
            y.append(
                _by_width(
                    control,
                    _extended(byte_of_b, b_signed, b_above[byte]),
                    _extended(part_of_b, b_signed, b_above[2 * half_b]),
                    _extended(part_of_b, b_signed, b_above[0]) if half_b else _extended(part_of_b, unsigned),
                )
            )
        return Cat(x), Cat(y)

    def _powers(self, m, control):
        """What a is multiplied by to shift it: a power of two per element; and, in the bit of an element's lowest byte, whether
        the power is instead the one just above the element."""
        right = self._is_one_of("vsrl", "vsra")
        exponents, ones, above = [], [], []
        for byte, bits in enumerate((5, 3, 4, 3)):
            amount = self.b.word_select(byte, 8)[:bits]
            exponent = Signal(bits, name=f"exponent{byte}")
            is_above = Signal(name=f"above{byte}")
            m.d.comb += [
                exponent.eq(Mux(right, -amount, amount)),
                is_above.eq(right & ~_by_width(control, amount[:3].any(), amount[:4].any(), amount.any())),
            ]
            exponents.append(exponent)
            ones.append(Mux(is_above, 0, Const(1, 8) << exponent[:3])[:8])
            above.append(is_above)
        power = [
            _by_width(
                control,
                ones[byte],
                Mux(exponents[byte & 2][3] == byte & 1, ones[byte & 2], 0),
                Mux(exponents[0][3:] == byte, ones[0], 0),
            )
            for byte in range(4)
        ]
        return Cat(power), Cat(above)

    @staticmethod
    def _add(m, control, a, b):
        """Sums or differences of all elements, and the carry out of each byte."""
        subtract = control.subtract
        x, y, inner = [subtract], [subtract], []
        for byte, (of_a, of_b) in enumerate(zip(_bytes_of(a), _bytes_of(b), strict=True)):
            # A single one in the spacer hands the carry on; where an element ends, two or none start the next one's.
            inside = _by_width(control, 0, byte % 2 == 0, byte < 3)
            x += [of_a, inside | subtract]
            y += [of_b ^ subtract.replicate(8), ~inside & subtract]
            inner.append(inside)
        total = Signal(1 + 4 * 9)
        m.d.comb += total.eq(Cat(x) + Cat(y))
        sums = [total[1:].word_select(byte, 9) for byte in range(4)]
        carries = Cat(of_byte[8] ^ inside for of_byte, inside in zip(sums, inner, strict=True))
        return Cat(of_byte[:8] for of_byte in sums), carries
