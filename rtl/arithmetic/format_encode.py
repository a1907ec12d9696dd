# SPDX-License-Identifier: Apache-2.0
"""From binary32 to any format that a descriptor names."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from golden.layout import BIAS_BITS, Flag, FormatKind
from rtl.arithmetic.multiply_shift import SHIFT_BITS, MultiplyShift
from rtl.arithmetic.rounding import CANONICAL_NAN

__all__ = ["FLAG_BITS", "FORMAT_ENCODE", "KIND_BITS", "RANDOM_BITS", "SMALL_CYCLES", "SMALL_FORMAT_ENCODE", "FormatEncode"]

#: Names of the modules, for who instantiates many.
FORMAT_ENCODE = "d1_format_encode"
SMALL_FORMAT_ENCODE = "d1_format_encode_small"

#: Cycles that the small converter takes.
SMALL_CYCLES = 3

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
    """The code of a binary32 number in a format, rounded to nearest or stochastically, with flags.

    The significand is placed so that the last bit of the code has weight 1, with 24 bits behind the point; one carry chain
    rounds it and adds the exponent. A carry moves into the exponent by itself.

    Parameters
    ----------
    small : bool
        Of fewer lookup tables, by multipliers; code and flags belong to the inputs of ``SMALL_CYCLES`` cycles before. The
        other has no register.

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

    def __init__(self, small: bool = False):
        self.small = small
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

        def later(value, name, cycles=2):
            """The value so many cycles later, by default when it is rounded, if this is the small converter, else the value."""
            for cycle in range(cycles if self.small else 0):
                following = Signal(len(value), name=f"{name}_{cycle}", reset_less=True)
                m.d.sync += following.eq(value)
                value = following
            return value

        field, mantissa = self.value[23:31], self.value[:23]
        denormal_field, top, fraction = Signal(), Signal(), Signal()
        m.d.comb += [denormal_field.eq(~field.any()), top.eq(field.all()), fraction.eq(mantissa.any())]

        # ``lowest`` is the binary32 field of the format's smallest normal number, ``narrower`` how many bits less than the
        # widest mantissa the format's has, ``raised`` the exponent above the smallest, where the format has it.
        lowest, narrower, difference, raised = Signal(8), Signal(4), Signal(9), Signal(_CODE_BITS)
        with m.Switch(self.kind):
            for kind in (FormatKind.CFP8_143, FormatKind.CFP8_152, FormatKind.SHP):
                with m.Case(kind):
                    m.d.comb += [lowest.eq(128 - self.bias), narrower.eq(_WIDEST - _MANTISSA_BITS[kind])]
                    m.d.comb += raised.eq(difference << _MANTISSA_BITS[kind])
            with m.Case(FormatKind.UHP):
                m.d.comb += [lowest.eq(128 - 31), raised.eq(difference << _MANTISSA_BITS[FormatKind.UHP])]
            with m.Default():
                bits = _MANTISSA_BITS[FormatKind.BF16]
                m.d.comb += [lowest.eq(1), narrower.eq(_WIDEST - bits), raised.eq(difference << bits)]

        # Place the significand. Below the smallest normal number, one more bit goes per binade.
        exponent, distance = Signal(8), Signal(8)
        m.d.comb += [
            exponent.eq(field | denormal_field),
            difference.eq(exponent - lowest),
            distance.eq(Mux(difference[8], (lowest + narrower)[:8] - exponent, narrower)),
        ]
        kept, lost = self._place(m, Cat(mantissa, ~denormal_field), distance, later)

        # To nearest: just less than a half is added, and the missing bit if that makes a tie go to even. Nothing that was
        # lost can decide it: a significand that reaches up to the half ends within the 24 bits behind the point.
        added = Signal(RANDOM_BITS)
        kind, random, stochastic = (later(getattr(self, name), f"{name}_placed", 1) for name in ("kind", "random", "stochastic"))
        with m.If(~stochastic):
            m.d.comb += added.eq((1 << RANDOM_BITS - 1) - 1)
        with m.Elif((kind == FormatKind.BF16) | (kind > FormatKind.UHP)):
            m.d.comb += added[RANDOM_BITS - 16 :].eq(random[:16])
        with m.Else():
            m.d.comb += added.eq(random)
        added, carry = later(added, "added", 1), later(~stochastic & kept[RANDOM_BITS], "carry", 1)
        kept = later(kept, "kept", 1)
        inexact_sum = kept[:RANDOM_BITS].any() | lost.any()

        # What the operand was, when it is rounded.
        value, kind = later(self.value, "value"), later(kind, "kind", 1)
        raised = later(Mux(difference[8], 0, raised), "raised")
        sign, quiet = value[31], value[22]
        has_fraction, has_top, has_low_field = (
            later(flag, name) for flag, name in ((fraction, "fraction"), (top, "top"), (denormal_field, "denormal_field"))
        )
        nan, infinite, zero, denormal = Signal(), Signal(), Signal(), Signal()
        is_uhp, clamps = Signal(), Signal()
        m.d.comb += [
            nan.eq(has_top & has_fraction),
            infinite.eq(has_top & ~has_fraction),
            zero.eq(has_low_field & ~has_fraction),
            denormal.eq(has_low_field & has_fraction),
            is_uhp.eq(kind == FormatKind.UHP),
            clamps.eq((kind == FormatKind.CFP8_143) | (kind == FormatKind.CFP8_152) | (kind == FormatKind.SHP)),
        ]

        tiny, over = Signal(), Signal()
        chain = Signal(1 + RANDOM_BITS + _CODE_BITS)
        m.d.comb += chain.eq(Cat(carry, kept) + Cat(carry, added, raised))
        number = chain[1 + RANDOM_BITS :]

        # Overflow is also what Inf and NaN make where these are numbers' codes.
        magnitude, largest = Signal(16), Signal(16)
        sign_bit = Signal(16)
        with m.Switch(kind):
            for small_kind in (FormatKind.CFP8_143, FormatKind.CFP8_152, FormatKind.SHP):
                with m.Case(small_kind):
                    bits, point = 15 if small_kind == FormatKind.SHP else 7, _MANTISSA_BITS[small_kind]
                    m.d.comb += [over.eq(number[bits:].any()), largest.eq((1 << bits) - 1), sign_bit.eq(sign << bits)]
                    m.d.comb += tiny.eq(~number[point:bits].any())
            with m.Case(FormatKind.UHP):
                m.d.comb += [over.eq(number[16:].any() | number[10:16].all()), largest.eq(0xFC00)]
                m.d.comb += tiny.eq(~number[10:16].any())
            with m.Default():
                m.d.comb += [over.eq(number[7:15].all()), largest.eq(0x7F80), sign_bit.eq(sign << 15)]
                m.d.comb += tiny.eq(~number[7:15].any())
        m.d.comb += magnitude.eq(Mux(over, largest, number))

        code, flags = Signal.like(self.code, name="chosen_code"), Signal.like(self.flags, name="raised_flags")
        m.d.comb += [self.code.eq(later(code, "code", 1)), self.flags.eq(later(flags, "flags", 1))]
        negative = Signal()
        m.d.comb += negative.eq(is_uhp & sign & ~zero & ~nan)
        with m.If(kind == FormatKind.FP32):
            m.d.comb += code.eq(Mux(nan, CANONICAL_NAN, value))
        with m.Elif(nan & ~clamps):
            m.d.comb += code.eq(Mux(is_uhp, 0xFE00, CANONICAL_NAN >> 16))
        with m.Elif(~(negative | is_uhp & tiny & ~over)):
            m.d.comb += code.eq(magnitude | sign_bit)

        flag = {each: Signal(name=f"flag_{each.name.lower()}") for each in Flag}
        m.d.comb += flags.eq(Cat(flag[each] for each in sorted(Flag)))
        m.d.comb += flag[Flag.DENORMAL].eq(denormal)
        with m.If(kind == FormatKind.FP32):
            m.d.comb += flag[Flag.INVALID].eq(nan & ~quiet)
        with m.Elif(nan | negative):
            m.d.comb += flag[Flag.INVALID].eq(negative | clamps | ~quiet)
        with m.Elif(over):
            # An infinity that stays one is exact.
            m.d.comb += [flag[each].eq(clamps | ~infinite) for each in (Flag.OVERFLOW, Flag.INEXACT)]
        with m.Else():
            inexact = inexact_sum | is_uhp & tiny & ~zero
            m.d.comb += [flag[Flag.INEXACT].eq(inexact), flag[Flag.UNDERFLOW].eq(inexact & tiny)]
        return m

    def _place(self, m, significand, distance, later):
        """The significand, shifted right by the distance, and, when it is rounded, bits that are set if it lost something."""
        kept = Signal(_WIDEST + 1 + RANDOM_BITS)
        if not self.small:
            shifted, lost = Cat(Const(0, _WIDEST + 1), significand), []
            for bit in reversed(range(6)):
                following = Signal(len(kept), name=f"shifted{bit}")
                m.d.comb += following.eq(Mux(distance[bit], shifted >> (1 << bit), shifted))
                lost.append(distance[bit] & shifted[: 1 << bit].any())
                shifted = following
            far = distance[6:].any()
            m.d.comb += kept.eq(Mux(far, 0, shifted))
            return kept, Cat(lost, far & significand.any())
        # To the left by what lacks to a multiple of sixteen, which is chosen then.
        m.submodules.fine = fine = MultiplyShift(len(significand), registered=True)
        m.d.comb += [fine.value.eq(significand), fine.amount.eq(~distance[:SHIFT_BITS])]
        sixteens = later(distance[SHIFT_BITS:], "sixteens", 1)
        point = len(fine.result) - len(kept)
        # What each sixteen more loses, of which that shift and all greater ones lose it.
        choices, losses = [], []
        for number in range(3):
            end = point + (number << SHIFT_BITS)
            choices.append(Mux(sixteens == number, fine.result[end:], 0))
            losses.append(fine.result[max(0, end - (1 << SHIFT_BITS)) : end].any())
        losses.append(fine.result[end:].any())
        m.d.comb += kept.eq(choices[0] | choices[1] | choices[2])
        sixteens = later(sixteens, "sixteens_rounded", 1)
        lost = Cat(loss & (sixteens >= number) for number, loss in enumerate(later(Cat(losses), "losses", 1)))
        return kept, lost
