# SPDX-License-Identifier: Apache-2.0
"""The last step from binary32 to any other format: rounding of a significand that is placed already."""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from golden.layout import BIAS_BITS, Flag, FormatKind
from rtl.arithmetic.format_encode import FLAG_BITS, KIND_BITS, RANDOM_BITS
from rtl.arithmetic.rounding import CANONICAL_NAN

__all__ = ["FORMAT_ROUND_CYCLES", "MANTISSA_BITS", "MOVED_KINDS", "FormatRound", "MovedNumber"]

#: Cycles from the inputs to the code.
FORMAT_ROUND_CYCLES = 2

#: Formats whose exponent has another bias than that of binary32.
MOVED_KINDS = (FormatKind.CFP8_143, FormatKind.CFP8_152, FormatKind.SHP, FormatKind.UHP)

MANTISSA_BITS = {FormatKind.CFP8_143: 3, FormatKind.CFP8_152: 2, FormatKind.SHP: 10, FormatKind.UHP: 10}

#: A mantissa, an exponent, and a carry.
_CODE_BITS = max(MANTISSA_BITS.values()) + 8 + 1

_UHP_BIAS = 31


class MovedNumber(data.Struct):
    """What of a number to round is not in ``value``, if the format's exponent is moved; but for ``tail`` anything for BF16.

    Members
    -------
    tail : 8              bits below ``value``, of which the lowest 16 bits and these lie behind the code's last bit; 0 for BF16
    lost : 1              what lies below is not zero
    exponent : 9          exponent field of binary32 plus 1, at least that of the smallest normal number of the format
    sign, nan, signalling, infinite, zero, denormal : 1   of the number, as Fp32Operand has them
    """

    tail: 8
    lost: 1
    exponent: 9
    sign: 1
    nan: 1
    signalling: 1
    infinite: 1
    zero: 1
    denormal: 1


class FormatRound(wiring.Component):
    """The code of a number in a format other than binary32, rounded to nearest or stochastically, with flags.

    One carry chain rounds the significand, with 24 bits behind the point, and adds the exponent. A carry moves into the exponent
    by itself. The upper half of binary32 is BF16, so there is nothing to place then.

    Members
    -------
    value : In(32)        of BF16: binary32; else the significand, so that the code's last bit is bit 16
    moved_number : In(MovedNumber)
    kind : In(3)          FormatKind but for FP32; 6 and 7 act as BF16. This and the next two hold until the code is there
    bias : In(6)          of CFP8_143, CFP8_152 and SHP
    stochastic : In(1)
    random : In(24)       used if ``stochastic``
    code : Out(16)        of 8 bits in the upper half
    flags : Out(6)        Flag

    Source: docs/arithmetic.md, Converts and Flags.
    """

    def __init__(self):
        super().__init__(
            {
                "value": In(32),
                "moved_number": In(MovedNumber),
                "kind": In(KIND_BITS),
                "bias": In(BIAS_BITS),
                "stochastic": In(1),
                "random": In(RANDOM_BITS),
                "code": Out(16),
                "flags": Out(FLAG_BITS),
            }
        )

    def elaborate(self, platform):
        m = Module()
        value, given = self.value, self.moved_number
        is_uhp, moved = Signal(), Signal()
        m.d.comb += [is_uhp.eq(self.kind == FormatKind.UHP), moved.eq(self.kind.matches(*(kind.value for kind in MOVED_KINDS)))]

        # First cycle: the sum. To nearest, just less than a half is added, and the missing bit if that makes a tie go to even.
        # Nothing that was lost can decide it: a significand that reaches up to the half ends within the 24 bits.
        kept = Cat(given.tail, value[:31])
        added, carry = Signal(RANDOM_BITS), Signal()
        with m.If(~self.stochastic):
            m.d.comb += [added.eq((1 << RANDOM_BITS - 1) - 1), carry.eq(kept[RANDOM_BITS])]
        with m.Elif(moved):
            m.d.comb += added.eq(self.random)
        with m.Else():
            m.d.comb += added[8:].eq(self.random[:16])
        # Exponents above the smallest, where the format has them.
        difference, raised = Signal(8), Signal(_CODE_BITS)
        m.d.comb += difference.eq(given.exponent + Mux(is_uhp, _UHP_BIAS, self.bias) - 129)
        with m.Switch(self.kind):
            for kind, bits in MANTISSA_BITS.items():
                with m.Case(kind):
                    m.d.comb += raised.eq(difference << bits)
        total = Signal(1 + RANDOM_BITS + _CODE_BITS)
        m.d.comb += total.eq(Cat(carry, kept) + Cat(carry, added, raised))
        number, lost_any = Signal(_CODE_BITS, reset_less=True), Signal(reset_less=True)
        m.d.sync += [number.eq(total[1 + RANDOM_BITS :]), lost_any.eq(kept[:RANDOM_BITS].any() | given.lost & moved)]
        # What kind of number it is.
        low, top, fraction = ~value[23:31].any(), value[23:31].all(), value[:23].any()
        own = {
            "sign": value[31],
            "nan": top & fraction,
            "signalling": top & fraction & ~value[22],
            "infinite": top & ~fraction,
            "zero": low & ~fraction,
            "denormal": low & fraction,
        }
        known = {}
        for name, flag in own.items():
            known[name] = Signal(name=name, reset_less=True)
            m.d.sync += known[name].eq(Mux(moved, getattr(given, name), flag))
        sign, nan, signalling, infinite, zero, denormal = known.values()

        # Second cycle. Overflow is also what Inf and NaN make where these are numbers' codes.
        clamps, negative, over, tiny = Signal(), Signal(), Signal(), Signal()
        magnitude, largest, sign_bit = Signal(16), Signal(16), Signal()
        m.d.comb += [clamps.eq(moved & ~is_uhp), negative.eq(is_uhp & sign & ~zero & ~nan), sign_bit.eq(sign)]
        with m.Switch(self.kind):
            for kind in (FormatKind.CFP8_143, FormatKind.CFP8_152):
                with m.Case(kind):
                    point = MANTISSA_BITS[kind]
                    m.d.comb += [magnitude.eq(number[:7] << 8), largest.eq(0x7F00)]
                    m.d.comb += [over.eq(number[7:].any()), tiny.eq(~number[point:7].any())]
            with m.Case(FormatKind.SHP):
                m.d.comb += [magnitude.eq(number[:15]), largest.eq(0x7FFF)]
                m.d.comb += [over.eq(number[15:].any()), tiny.eq(~number[10:15].any())]
            with m.Case(FormatKind.UHP):
                m.d.comb += [magnitude.eq(number[:16]), largest.eq(0xFC00), sign_bit.eq(0)]
                m.d.comb += [over.eq(number[16:].any() | number[10:16].all()), tiny.eq(~number[10:16].any())]
            with m.Default():
                m.d.comb += [magnitude.eq(number[:15]), largest.eq(0x7F80)]
                m.d.comb += [over.eq(number[7:15].all()), tiny.eq(~number[7:15].any())]

        code, flags = (Signal.like(port, name=f"later_{port.name}", reset_less=True) for port in (self.code, self.flags))
        m.d.comb += [self.code.eq(code), self.flags.eq(flags)]
        with m.If(nan & ~clamps):
            m.d.sync += code.eq(Mux(is_uhp, 0xFE00, CANONICAL_NAN >> 16))
        with m.Elif(negative | is_uhp & tiny & ~over):
            m.d.sync += code.eq(0)
        with m.Else():
            m.d.sync += code.eq(Mux(over, largest, magnitude) | sign_bit << 15)

        flag = {each: Signal(name=f"flag_{each.name.lower()}") for each in Flag}
        m.d.sync += flags.eq(Cat(flag[each] for each in sorted(Flag)))
        m.d.comb += flag[Flag.DENORMAL].eq(denormal)
        with m.If(nan | negative):
            m.d.comb += flag[Flag.INVALID].eq(negative | clamps | signalling)
        with m.Elif(over):
            # An infinity that stays one is exact.
            m.d.comb += [flag[each].eq(clamps | ~infinite) for each in (Flag.OVERFLOW, Flag.INEXACT)]
        with m.Else():
            inexact = lost_any | is_uhp & tiny & ~zero
            m.d.comb += [flag[Flag.INEXACT].eq(inexact), flag[Flag.UNDERFLOW].eq(inexact & tiny)]
        return m
