# SPDX-License-Identifier: Apache-2.0
"""One lane for units that have no other, of binary32 numbers and integers: few lookup tables, short paths, many stages."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from golden.layout import BIAS_BITS, FormatKind
from rtl.arithmetic.format_encode import KIND_BITS
from rtl.arithmetic.format_round import MANTISSA_BITS, MOVED_KINDS, MovedNumber
from rtl.arithmetic.format_unpack import FormatUnpack
from rtl.arithmetic.fp32_fma import SUM_BITS, SUM_EXPONENT_BIT
from rtl.arithmetic.fp32_operand import Fp32Unpack, class_mask
from rtl.arithmetic.normalise import EXPONENT_BITS
from rtl.arithmetic.rounding import CANONICAL_NAN
from rtl.arithmetic.small_fma import FMA_CYCLES, PRODUCT_CYCLES, SUM_CYCLES, Accumulation, SmallFma
from rtl.simd.float_lane import BIAS, INTEGER_EXPONENT, FloatOp
from rtl.simd.operations import operation

__all__ = ["FIXED_POINT_BIT", "NORMALISING_POWER", "SMALL_FLOAT_LANE_CYCLES", "SMALL_FLOAT_LANE_NAME", "SmallFloatLane"]

#: Name of the lane's module.
SMALL_FLOAT_LANE_NAME = "d1_small_float_lane"

#: Cycles from the lane's inputs to its outputs.
SMALL_FLOAT_LANE_CYCLES = 2 + FMA_CYCLES

#: The power of two by which NORMALISE multiplies.
NORMALISING_POWER = 64

#: Where the point of fixed-point numbers is in the sum.
FIXED_POINT_BIT = SUM_EXPONENT_BIT - 9

#: Exponent field of 2**9, which the top bit of a fixed-point number has.
_FIXED_EXPONENT = BIAS + 9

#: Exponent field of what makes a normal number of every denormal one.
_NORMALISING_EXPONENT = BIAS + NORMALISING_POWER

#: Where the lowest bit of an integer lies in a sum whose exponent every integer that is in range stays below.
_INTEGER_UNIT = SUM_EXPONENT_BIT - 32

#: Where the lowest bit of an integer to convert lies in the product.
_CONVERTED_UNIT = 15

_HIDDEN_BIT = 23

#: The bit of the factor that places numbers for codes with the widest mantissa.
_PLACED_BIT, _WIDEST_MANTISSA = 18, max(MANTISSA_BITS.values())

_ROUNDS = (FloatOp.ROUND_RECIPROCAL, FloatOp.ROUND_RECIPROCAL_ROOT, FloatOp.ROUND_POWER)
_FUSED = (FloatOp.MADD, FloatOp.MSUB, FloatOp.NMSUB, FloatOp.NMADD)
_INJECTS = (FloatOp.SGNJ, FloatOp.SGNJN, FloatOp.SGNJX)
_FLOAT_ORDERS = (FloatOp.MIN, FloatOp.MAX, FloatOp.EQ, FloatOp.LT, FloatOp.LE)


def _integers(*names):
    """Numbers of operations on integers, behind those in FloatOp."""
    return tuple(32 | operation(f"{name}.i32") & 15 for name in names)


def _bitwise(*names):
    """Numbers of bitwise operations, behind the others."""
    return tuple(48 | operation(name) & 15 for name in names)


_EXTREMES = (FloatOp.MIN, FloatOp.MAX, *_integers("vmin", "vmax", "vminu", "vmaxu"))
_INTEGER_ORDERS = _integers("vmin", "vmax", "vminu", "vmaxu", "veq", "vlt", "vltu")
_LEFT, _RIGHT = _integers("vsll"), _integers("vsrl", "vsra")


class SmallFloatLane(wiring.Component):
    """An operation of :class:`rtl.simd.float_lane.FloatLane`, or one on an integer, in every other cycle, with the result nine
    cycles later; and what a unit needs that finds the digits of functions.

    Everything that rounds goes through one multiply-adder as it does there, but for negative integers, which are rounded in two's
    complement. Its multipliers form products of integers too, and shift them: a shift to the left is the lower half of a product
    with a power of two, one to the right the upper half. One adder makes sums, differences, comparisons and what is bitwise.

    An integer of less than 32 bits is in the upper bits of an operand, with zeros below, and so is its result, with anything
    below. The second operand of vmul and of shifts is in the lowest bits instead; above it may be anything.

    Members
    -------
    op : In(5)            FloatOp, whose shape it has; with ``integer`` the low four bits of funct7. Anything results from others
    integer : In(1)       an operation on integers; with the top bit of ``op``, a bitwise one
    second : In(1)        everything is as in the cycle before, in which it was clear: the result is that of this cycle. Sums, and
                          what is only for functions, need no such cycle before
    width : In(2)         logarithm of the bytes of integers to shift
    kind : In(3), bias : In(6)
                          of the code to decode or to place for, with ``width`` until the result is there
    a, b, c : In(32)      raw codes; ``a`` is an integer for FROM_INT
    result : Out(32)      register. Compares: in the lowest bit of each byte; CLASS: one of bits 0 to 9; TO_INT*: integers
    flags : Out(6)        register; golden.layout.Flag. Those of PLACE mean nothing
    moved_number : Out(MovedNumber)
                          of PLACE: beside ``result``, what :class:`rtl.arithmetic.format_round.FormatRound` takes
    accumulation : In(Accumulation)   but for ``rounds``, ``vanishes`` and ``raw``
    fixed : Out(52)       two more than ``SUM_CYCLES`` after FIX: a in two's complement, cut below but for a bit that tells
    normalised : Out(24), normal_exponent : Out(9)
                          two more than ``NORMALISED_CYCLES`` after NORMALISE: the significand, and its exponent field plus
                          NORMALISING_POWER less one

    Source: IEEE 754-2019; RISC-V's F extension 2.2 for MIN, MAX, CLASS and conversions of integers.
    """

    def __init__(self):
        super().__init__(
            {
                "op": In(FloatOp),
                "integer": In(1),
                "second": In(1),
                "width": In(2),
                "kind": In(KIND_BITS),
                "bias": In(BIAS_BITS),
                "a": In(32),
                "b": In(32),
                "c": In(32),
                "result": Out(32),
                "flags": Out(6),
                "moved_number": Out(MovedNumber),
                "accumulation": In(Accumulation),
                "fixed": Out(SUM_BITS),
                "normalised": Out(24),
                "normal_exponent": Out(EXPONENT_BITS),
            }
        )

    def elaborate(self, platform):
        m = Module()
        m.submodules.fma = fma = SmallFma()
        m.d.comb += [
            fma.accumulation.eq(self.accumulation),
            self.fixed.eq(fma.magnitude),
            self.normalised.eq(fma.normalised[-24:]),
            self.normal_exponent.eq(fma.normal_exponent),
        ]

        def later(stage, **values):
            registers = []
            for name, value in values.items():
                register = Signal(Cat(value).shape(), name=f"{name}{stage}", reset_less=True)
                m.d.sync += register.eq(value)
                registers.append(register)
            return registers

        # First register: codes as they come. Second: taken apart, and what the operation asks for.
        number = Cat(self.op.as_value(), self.integer)
        codes = later("_entered", a=self.a, b=self.b, c=self.c)
        entered_number, entered_second = later("_entered", number=number, second=self.second)
        (second,) = later("_operand", second=entered_second)
        operands = []
        for name, code in zip("abc", codes, strict=True):
            m.submodules[f"unpack_{name}"] = unpack = FormatUnpack() if name == "a" else Fp32Unpack()
            if name == "a":
                offset = self._format(m, unpack)
            operand = Signal.like(unpack.operand, name=f"operand_{name}", reset_less=True)
            m.d.comb += unpack.code.eq(code)
            m.d.sync += operand.eq(unpack.operand)
            operands.append(operand)
        a, b, c = operands

        def asks(name, *operations, number=entered_number):
            """Whether the operation is one of these, for the cycle of its operands."""
            register = Signal(name=name, reset_less=True)
            m.d.sync += register.eq(number.matches(*(each if isinstance(each, int) else each.value for each in operations)))
            return register

        total, carry = self._add(m, asks, number, *codes[:2])
        a_code, b_code = later("_operand", a_code=codes[0], b_code=codes[1])
        rounds, places = asks("rounds", *_ROUNDS), asks("places", FloatOp.PLACE)
        self._operands(m, asks, entered_number, fma, a, b, c, a_code, offset)
        entered_a, entered_b = (m.submodules[f"unpack_{name}"].operand for name in "ab")
        self._factors(m, asks, number, fma, a, a_code, entered_a, entered_b, codes[1], second, entered_second)
        divides = self._rounding(m, asks, fma, a, rounds)

        # What needs no rounding, beside the multiply-adder, is known in the following cycle.
        to_integer = asks("to_integer", FloatOp.TO_INT, FloatOp.TO_INT_ZERO)
        other, disordered = self._other(m, asks, a, b, a_code, b_code, total, carry, to_integer)
        least = ~a_code[:_HIDDEN_BIT].any() & a.sign & (a.exponent == INTEGER_EXPONENT)
        out_of_range = a.exponent >= INTEGER_EXPONENT
        beside = {
            "bypass": ~asks("sums", FloatOp.ADD, FloatOp.SUB, FloatOp.MUL, *_FUSED, FloatOp.FROM_INT, FloatOp.DECODE, *_ROUNDS),
            # The most negative integer itself is in range, and what saturation gives.
            "invalid": disordered | to_integer & out_of_range & ~least,
            "denormal": to_integer & a.denormal,
            "divides": divides,
        }
        until_sum = {"convert": to_integer & ~out_of_range | places, "to_nearest": asks("to_nearest", FloatOp.TO_INT)}
        product = fma.product
        for stage in range(1, SUM_CYCLES + 1):
            values = beside | until_sum | {"other": other}
            if stage > PRODUCT_CYCLES:
                (product,) = later(stage, product=product)
            registers = dict(zip(values, later(stage, **values), strict=True))
            beside, until_sum = ({name: registers[name] for name in names} for names in (beside, until_sum))
            other = registers["other"]

        # The integer is there as the sum. In two's complement, what is cut is always too little.
        whole, guard = fma.magnitude[_INTEGER_UNIT : _INTEGER_UNIT + 32], fma.magnitude[_INTEGER_UNIT - 1]
        sticky = fma.magnitude[: _INTEGER_UNIT - 1].any()
        round_up, integer = Signal(), Signal(32)
        m.d.comb += [
            round_up.eq(Mux(until_sum["to_nearest"], guard & (sticky | whole[0]), other[31] & (guard | sticky))),
            integer.eq(whole + round_up),
        ]
        beside |= {
            "other": Mux(until_sum["convert"], integer, other | product),
            "inexact": until_sum["convert"] & (guard | sticky),
        }
        for stage in range(SUM_CYCLES + 1, FMA_CYCLES):
            beside = dict(zip(beside, later(stage, **beside), strict=True))
        self._place(m, later, fma, a, places)

        number_flags = Cat(fma.flags[:3], fma.flags[3] | beside["divides"], fma.flags[4:])
        other_flags = Cat(beside["inexact"], Const(0, 3), beside["invalid"], beside["denormal"])
        result, flags = later(
            FMA_CYCLES,
            result=Mux(beside["bypass"], beside["other"], fma.result),
            flags=Mux(beside["bypass"], other_flags, number_flags),
        )
        m.d.comb += [self.result.eq(result), self.flags.eq(flags)]
        return m

    def _place(self, m, later, fma, a, places):
        """What of a placed number is not in the result."""
        classes = {name: getattr(a, name) for name in ("sign", "nan", "signalling", "infinite", "zero", "denormal")}
        for stage in range(1, SUM_CYCLES + 1):
            (places,) = later(f"_placed{stage}", places=places)
        for stage in range(1, FMA_CYCLES + 1):
            classes = dict(zip(classes, later(f"_placed{stage}", **classes), strict=True))
        tail = _INTEGER_UNIT - len(self.moved_number.tail)
        numbers = {
            "tail": Mux(places, fma.magnitude[tail:_INTEGER_UNIT], 0),
            "lost": fma.magnitude[:tail].any(),
            "exponent": fma.exponent,
        }
        for stage in range(SUM_CYCLES + 1, FMA_CYCLES + 1):
            numbers = dict(zip(numbers, later(f"_placed{stage}", **numbers), strict=True))
        m.d.comb += [getattr(self.moved_number, name).eq(value) for name, value in (numbers | classes).items()]

    def _format(self, m, unpack):
        """What the first operand is unpacked as; gives 127 less the format's bias."""
        registers = {name: Signal(name=f"{name}_entered", reset_less=True) for name in ("moved", "short", "unsigned")}
        offset = Signal.like(unpack.offset, name="offset_entered", reset_less=True)
        m.d.sync += [
            registers["moved"].eq((self.op == FloatOp.DECODE) & self.kind.matches(*(kind.value for kind in MOVED_KINDS))),
            registers["short"].eq(self.kind == FormatKind.CFP8_143),
            registers["unsigned"].eq(self.kind == FormatKind.UHP),
            offset.eq(BIAS - Mux(self.kind == FormatKind.UHP, 31, self.bias)),
        ]
        m.d.comb += [getattr(unpack, name).eq(register) for name, register in registers.items()]
        m.d.comb += unpack.offset.eq(offset)
        return offset

    def _add(self, m, asks, number, a, b):
        """Sum or difference of the codes or of what bitwise operations make of them, and the carry out of it."""
        ors = asks("ors", *_bitwise("vor", "vxor", "vandn"), number=number)
        ands = asks("ands", *_bitwise("vand"), number=number)
        # a ^ b = (a | b) - (a & b), a & ~b = (a | b) - b.
        groups = _integers("vsub"), _FLOAT_ORDERS, _INTEGER_ORDERS, _bitwise("vxor", "vandn")
        subtracts = asks("subtracts", *(each for group in groups for each in group), number=number)
        common_or_adds = asks("common_or_adds", *_bitwise("vxor"), *_integers("vadd"), number=number)
        x, y = Signal(32), Signal(32)
        m.d.comb += [
            x.eq(Mux(ors, a | b, Mux(ands, a & b, a))),
            y.eq(Mux(subtracts, ~Mux(common_or_adds, a & b, b), Mux(common_or_adds, b, 0))),
        ]
        total = Signal(33, name="total_operand", reset_less=True)
        m.d.sync += total.eq((Cat(subtracts, x) + Cat(subtracts, y))[1:])
        return total[:32], total[32]

    def _other(self, m, asks, a, b, a_code, b_code, total, carry, to_integer):
        """What is neither rounded nor multiplied; and whether a comparison is invalid."""
        extreme, is_class = asks("extreme", *_EXTREMES), asks("is_class", FloatOp.CLASS)
        is_least = asks("is_least", FloatOp.MIN, *_integers("vmin", "vminu"))
        floats, unsigned = asks("floats", *_FLOAT_ORDERS), asks("unsigned", *_integers("vminu", "vmaxu", "vltu"))
        any_order = asks("any_order", FloatOp.EQ, FloatOp.LE, *_integers("veq"))
        less_order = asks("less_order", FloatOp.LT, FloatOp.LE, *_integers("vlt", "vltu"))
        signals, orders = asks("signals", FloatOp.MIN, FloatOp.MAX, FloatOp.EQ), asks("orders", FloatOp.LT, FloatOp.LE)
        injects = asks("injects", *_INJECTS)
        inverts, multiplies_signs = asks("inverts", FloatOp.SGNJN), asks("multiplies_signs", FloatOp.SGNJX)
        passes = asks("passes", FloatOp.MOVE, *_INJECTS, *_integers("vadd", "vsub"), *_bitwise("vand", "vor", "vxor", "vandn"))
        a_sign, b_sign = a_code[31], b_code[31]
        less, same, truth, nan, takes_a, takes_b = Signal(), Signal(), Signal(), Signal(), Signal(), Signal()
        lowest, highest = Signal(), Signal()
        m.d.comb += [
            nan.eq(floats & (a.nan | b.nan)),
            # Anything if they are the same. -0 < +0 here.
            less.eq(Mux((a_sign ^ b_sign) & ~unsigned, a_sign, ~carry ^ (a_sign & floats))),
            same.eq(~total.any() | floats & a.zero & b.zero),
            truth.eq(~nan & Mux(same, any_order, less_order & less)),
            takes_a.eq(extreme & Mux(nan, ~a.nan, less == is_least)),
            takes_b.eq(extreme & Mux(nan, ~b.nan, less != is_least)),
            lowest.eq(to_integer & a.sign & ~a.nan),
            highest.eq(to_integer & ~lowest),
        ]
        constant = [highest] * 31 + [lowest]
        for bit in range(32):
            if CANONICAL_NAN >> bit & 1:
                constant[bit] |= extreme & nan & a.nan & b.nan
        for bit, belongs in enumerate(class_mask(a)):
            constant[bit] |= is_class & belongs
        for bit in range(0, 32, 8):
            constant[bit] |= truth
        chosen = total & passes.replicate(32) | a_code & takes_a.replicate(32) | b_code & takes_b.replicate(32) | Cat(constant)
        sign = Mux(injects, b_sign ^ inverts ^ (a_sign & multiplies_signs), chosen[31])
        return Cat(chosen[:31], sign), signals & (a.signalling | b.signalling) | orders & (a.nan | b.nan)

    def _operands(self, m, asks, number, fma, a, b, c, a_code, offset):
        """What the multiply-adder computes, but for the significands of the product."""
        adds, adds_product = asks("adds", FloatOp.ADD, FloatOp.SUB), asks("adds_product", *_FUSED)
        multiplies, uses_b = asks("multiplies", FloatOp.MUL), asks("uses_b", FloatOp.MUL, *_FUSED)
        from_integer, normalises = asks("from_integer", FloatOp.FROM_INT), asks("normalises", FloatOp.NORMALISE)
        raw = asks("raw", FloatOp.TO_INT, FloatOp.TO_INT_ZERO, FloatOp.FIX)
        negates_product = asks("negates_product", FloatOp.NMSUB, FloatOp.NMADD)
        negates_addend = asks("negates_addend", FloatOp.SUB, FloatOp.MSUB, FloatOp.NMADD)
        has_sign_of_a = asks(
            "has_sign_of_a", FloatOp.MUL, FloatOp.DECODE, FloatOp.PLACE, FloatOp.FROM_INT, FloatOp.NORMALISE,
            FloatOp.ROUND_RECIPROCAL, FloatOp.ROUND_RECIPROCAL_ROOT,
        )  # fmt: skip
        addend_exponent = Signal(8, reset_less=True)
        with m.Switch(number):
            for operations, exponent in (
                ((FloatOp.TO_INT, FloatOp.TO_INT_ZERO), INTEGER_EXPONENT + 1),
                ((FloatOp.FROM_INT,), BIAS + 32),
                ((FloatOp.FIX,), _FIXED_EXPONENT),
                # Of the smallest normal number of the format, when its top bit is one below that of a product.
                ((FloatOp.PLACE,), offset + 2),
            ):
                with m.Case(*(each.value for each in operations)):
                    m.d.sync += addend_exponent.eq(exponent)
            with m.Default():
                m.d.sync += addend_exponent.eq(1)

        m.d.comb += [fma.a.eq(a), fma.a.sign.eq(a.sign ^ negates_product), fma.accumulation.raw.eq(raw)]
        with m.If(from_integer):
            m.d.comb += [fma.a.eq(0), fma.a.exponent.eq(BIAS + 46 - _CONVERTED_UNIT)]
        with m.If(uses_b):
            m.d.comb += fma.b.eq(b)
        with m.Else():
            m.d.comb += fma.b.exponent.eq(Mux(normalises, _NORMALISING_EXPONENT, BIAS))
        with m.If(adds_product):
            m.d.comb += [fma.c.eq(c), fma.c.sign.eq(c.sign ^ negates_addend)]
        with m.Elif(adds):
            m.d.comb += [fma.c.eq(b), fma.c.sign.eq(b.sign ^ negates_addend)]
        with m.Else():
            m.d.comb += [
                fma.c.sign.eq(a.sign & has_sign_of_a ^ b.sign & multiplies),
                fma.c.exponent.eq(addend_exponent),
                # For digits to add; in what is normalised it is far below what counts. Of a negative integer, 2**32 is taken.
                fma.c.significand[_HIDDEN_BIT].eq(normalises | from_integer & a_code[31]),
            ]

    def _factors(self, m, asks, number, fma, a, a_code, entered_a, entered_b, code_b, second, entered_second):
        """What the multipliers take: significands, integers, powers of two. That of b is chosen a cycle before."""

        def asks_early(name, *operations):
            return asks(f"{name}_entered", *operations, number=number)

        right, left = asks_early("right", *_RIGHT), asks_early("left", *_LEFT)
        # A shift to the right by nothing takes the one power that has more bits than an integer.
        amount, power = Signal(5), Signal(5)
        m.d.comb += [
            amount.eq(code_b[:5] & Cat(Const(7, 3), self.width.any(), self.width[1])),
            power.eq(Mux(right, -amount, amount)),
        ]
        shifts, above = left | right & amount.any(), right & ~amount.any()
        multiplies = _integers("vmul", "vmulh", "vmulhu")
        integral = FloatOp.FROM_INT, *multiplies, *_LEFT, *_RIGHT
        uses_b = asks_early("has_factor_b", FloatOp.MUL, *_FUSED, *multiplies)
        unit = asks_early(
            "has_unit", FloatOp.TO_INT, FloatOp.TO_INT_ZERO, FloatOp.FIX, FloatOp.NORMALISE, FloatOp.ADD, FloatOp.SUB,
            FloatOp.DECODE,
        )  # fmt: skip
        places = asks_early("places", FloatOp.PLACE)

        def bits_of(operand, code, integral):
            significand = operand.significand
            hidden = Mux(integral, code[_HIDDEN_BIT], significand[_HIDDEN_BIT])
            return Cat(significand[:_HIDDEN_BIT], hidden, code[_HIDDEN_BIT + 1 :] & integral.replicate(31 - _HIDDEN_BIT))

        # A zero may have a significand. A shorter mantissa is placed further down.
        units = [Const(0, 1)] * 32
        units[_HIDDEN_BIT] = unit & ~entered_a.zero
        units[_CONVERTED_UNIT] = asks_early("from_integer", FloatOp.FROM_INT)
        for kind in MOVED_KINDS:
            units[_PLACED_BIT - _WIDEST_MANTISSA + MANTISSA_BITS[kind]] |= places & (self.kind == kind)
        ones = Cat(power[:4] == exponent for exponent in range(16)) & (shifts & (power[4] == entered_second)).replicate(16)
        factor = bits_of(entered_b, code_b, asks_early("integral", *integral))
        half = Mux(entered_second, factor[16:], factor[:16]) & uses_b.replicate(16) | ones
        half |= Mux(entered_second, Cat(units[16:]), Cat(units[:16]))
        sign = code_b[31] & asks_early("b_signed", *_integers("vmulh"))
        factor_b = Signal.like(fma.factor_b, name="factor_b", reset_less=True)
        m.d.sync += factor_b.eq(Cat(half, (Cat(sign | above, sign) & entered_second.replicate(2))))
        a_signed = asks("a_signed", *_integers("vmulh", "vsra"))
        m.d.comb += [
            fma.factor_a.eq(Cat(bits_of(a, a_code, asks("integral", *integral)), a_code[31] & a_signed)),
            fma.factor_b.eq(factor_b),
            fma.upper.eq(second),
            fma.alone.eq(asks("alone", FloatOp.NORMALISE, FloatOp.FIX)),
            fma.high.eq(asks("high", *_integers("vmulh", "vmulhu", "vsrl", "vsra"))),
            fma.low.eq(asks("low", *_integers("vmul", "vsll"))),
        ]

    def _rounding(self, m, asks, fma, a, rounds):
        """The operations that round what is accumulated; tells which one divides by zero."""
        is_root, is_power = (
            asks(name, operation)
            for name, operation in (("is_root", FloatOp.ROUND_RECIPROCAL_ROOT), ("is_power", FloatOp.ROUND_POWER))
        )
        divides_by_zero = Signal()
        with m.If(rounds):
            no_root = is_root & a.sign & ~a.zero & ~a.nan
            m.d.comb += [
                fma.accumulation.rounds.eq(1),
                # What is infinitely far gives 0.
                fma.accumulation.vanishes.eq(a.infinite & (a.sign | ~is_power)),
                fma.a.sign.eq(a.sign & ~is_power),
                fma.a.zero.eq(0),
                fma.a.infinite.eq(Mux(is_power, a.infinite & ~a.sign, a.zero)),
                fma.a.nan.eq(a.nan | no_root),
                fma.a.signalling.eq(a.signalling | no_root),
                divides_by_zero.eq(a.zero & ~is_power),
            ]
        return divides_by_zero
