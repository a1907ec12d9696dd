# SPDX-License-Identifier: Apache-2.0
"""From binary32 to any format that a descriptor names."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from golden.layout import BIAS_BITS, Flag, FormatKind
from rtl.arithmetic.rounding import CANONICAL_NAN

__all__ = ["FLAG_BITS", "FORMAT_ENCODE", "KIND_BITS", "RANDOM_BITS", "FormatEncode"]

#: Name of the module, for who instantiates many.
FORMAT_ENCODE = "d1_format_encode"

FLAG_BITS = len(Flag)
KIND_BITS = 3

#: Random bits of a stochastic rounding.
RANDOM_BITS = 24

_MANTISSA_BITS = {
    FormatKind.BF16: 7,
    FormatKind.CFP8_143: 3,
    FormatKind.CFP8_152: 2,
    FormatKind.SHP: 10,
    FormatKind.UHP: 10,
}

_WIDEST = max(_MANTISSA_BITS.values())

#: A mantissa, an exponent, and a carry.
_CODE_BITS = _WIDEST + 8 + 1


class FormatEncode(wiring.Component):
    """The code of a binary32 number in a format, rounded to nearest or stochastically, with flags. Without a register.

    The significand is placed so that the last bit of the code has weight 1, with 24 bits behind the point; one carry chain
    rounds it and adds the exponent. A carry moves into the exponent by itself.

    Members
    -------
    value : In(32)        binary32
    kind : In(3)          FormatKind; 6 and 7 act as BF16
    bias : In(6)          of CFP8_143, CFP8_152 and SHP
    stochastic : In(1)
    random : In(24)       used if ``stochastic``
    code : Out(32)        upper bits 0
    flags : Out(6)        Flag

    Source: docs/arithmetic.md, Converts and Flags.
    """

    def __init__(self):
        super().__init__(
            {
                "value": In(32),
                "kind": In(KIND_BITS),
                "bias": In(BIAS_BITS),
                "stochastic": In(1),
                "random": In(RANDOM_BITS),
                "code": Out(32),
                "flags": Out(FLAG_BITS),
            }
        )

    def elaborate(self, platform):
        m = Module()

        sign, field, mantissa = self.value[31], self.value[23:31], self.value[:23]
        denormal_field, top, fraction = Signal(), Signal(), Signal()
        m.d.comb += [denormal_field.eq(~field.any()), top.eq(field.all()), fraction.eq(mantissa.any())]
        nan, infinite, zero, denormal = Signal(), Signal(), Signal(), Signal()
        m.d.comb += [
            nan.eq(top & fraction),
            infinite.eq(top & ~fraction),
            zero.eq(denormal_field & ~fraction),
            denormal.eq(denormal_field & fraction),
        ]
        significand = Cat(mantissa, ~denormal_field)

        # ``lowest`` is the binary32 field of the format's smallest normal number, ``narrower`` how many bits less than the
        # widest mantissa the format's has.
        is_uhp, clamps = Signal(), Signal()
        lowest, narrower = Signal(8), Signal(4)
        with m.Switch(self.kind):
            for kind in (FormatKind.CFP8_143, FormatKind.CFP8_152, FormatKind.SHP):
                with m.Case(kind):
                    m.d.comb += [clamps.eq(1), lowest.eq(128 - self.bias), narrower.eq(_WIDEST - _MANTISSA_BITS[kind])]
            with m.Case(FormatKind.UHP):
                m.d.comb += [is_uhp.eq(1), lowest.eq(128 - 31)]
            with m.Default():
                m.d.comb += [lowest.eq(1), narrower.eq(_WIDEST - _MANTISSA_BITS[FormatKind.BF16])]

        # Place the significand. Below the smallest normal number, one more bit goes per binade.
        exponent, above, distance = Signal(8), Signal(9), Signal(8)
        is_below = above[8]
        m.d.comb += [
            exponent.eq(field | denormal_field),
            above.eq(exponent - lowest),
            distance.eq(Mux(is_below, (lowest + narrower)[:8] - exponent, narrower)),
        ]
        shifted, lost = Cat(Const(0, _WIDEST + 1), significand), []
        for bit in reversed(range(6)):
            following = Signal(_WIDEST + 1 + RANDOM_BITS, name=f"shifted{bit}")
            m.d.comb += following.eq(Mux(distance[bit], shifted >> (1 << bit), shifted))
            lost.append(distance[bit] & shifted[: 1 << bit].any())
            shifted = following
        far = distance[6:].any()
        kept = Signal(_WIDEST + 1 + RANDOM_BITS)
        sticky = Signal()
        m.d.comb += [kept.eq(Mux(far, 0, shifted)), sticky.eq(Cat(lost).any() | far & ~zero)]
        inexact_sum = kept[:RANDOM_BITS].any() | sticky

        # To nearest: just less than a half is added, and the missing bit if that makes a tie go to even. Nothing that was
        # lost can decide it: a significand that reaches up to the half ends within the 24 bits behind the point.
        added = Signal(RANDOM_BITS)
        carry = Signal()
        with m.If(~self.stochastic):
            m.d.comb += [added.eq((1 << RANDOM_BITS - 1) - 1), carry.eq(kept[RANDOM_BITS])]
        with m.Elif(clamps | is_uhp):
            m.d.comb += added.eq(self.random)
        with m.Else():
            m.d.comb += added[RANDOM_BITS - 16 :].eq(self.random[:16])
        raised, tiny, over = Signal(_CODE_BITS), Signal(), Signal()
        chain = Signal(1 + RANDOM_BITS + _CODE_BITS)
        m.d.comb += chain.eq(Cat(carry, kept) + Cat(carry, added, Mux(is_below, 0, raised)))
        number = chain[1 + RANDOM_BITS :]

        # Overflow is also what Inf and NaN make where these are numbers' codes.
        magnitude, largest = Signal(16), Signal(16)
        sign_bit = Signal(16)
        with m.Switch(self.kind):
            for kind in (FormatKind.CFP8_143, FormatKind.CFP8_152, FormatKind.SHP):
                with m.Case(kind):
                    bits = 15 if kind == FormatKind.SHP else 7
                    m.d.comb += [over.eq(number[bits:].any()), largest.eq((1 << bits) - 1), sign_bit.eq(sign << bits)]
                    m.d.comb += [raised.eq(above << _MANTISSA_BITS[kind]), tiny.eq(~number[_MANTISSA_BITS[kind] : bits].any())]
            with m.Case(FormatKind.UHP):
                m.d.comb += [over.eq(number[16:].any() | number[10:16].all()), largest.eq(0xFC00)]
                m.d.comb += [raised.eq(above << 10), tiny.eq(~number[10:16].any())]
            with m.Default():
                m.d.comb += [over.eq(number[7:15].all()), largest.eq(0x7F80), sign_bit.eq(sign << 15)]
                m.d.comb += [raised.eq(above << 7), tiny.eq(~number[7:15].any())]
        m.d.comb += magnitude.eq(Mux(over, largest, number))

        negative = Signal()
        m.d.comb += negative.eq(is_uhp & sign & ~zero & ~nan)
        with m.If(self.kind == FormatKind.FP32):
            m.d.comb += self.code.eq(Mux(nan, CANONICAL_NAN, self.value))
        with m.Elif(nan & ~clamps):
            m.d.comb += self.code.eq(Mux(is_uhp, 0xFE00, CANONICAL_NAN >> 16))
        with m.Elif(~(negative | is_uhp & tiny & ~over)):
            m.d.comb += self.code.eq(magnitude | sign_bit)

        flag = {each: Signal(name=f"flag_{each.name.lower()}") for each in Flag}
        m.d.comb += self.flags.eq(Cat(flag[each] for each in sorted(Flag)))
        m.d.comb += flag[Flag.DENORMAL].eq(denormal)
        with m.If(self.kind == FormatKind.FP32):
            m.d.comb += flag[Flag.INVALID].eq(nan & ~mantissa[22])
        with m.Elif(nan | negative):
            m.d.comb += flag[Flag.INVALID].eq(negative | clamps | ~mantissa[22])
        with m.Elif(over):
            # An infinity that stays one is exact.
            m.d.comb += [flag[each].eq(clamps | ~infinite) for each in (Flag.OVERFLOW, Flag.INEXACT)]
        with m.Else():
            inexact = inexact_sum | is_uhp & tiny & ~zero
            m.d.comb += [flag[Flag.INEXACT].eq(inexact), flag[Flag.UNDERFLOW].eq(inexact & tiny)]
        return m
