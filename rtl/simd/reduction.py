# SPDX-License-Identifier: Apache-2.0
"""Reductions: one pair of neighbours after the other, in place, until one element is left."""

from amaranth.hdl import Array, C, Cat, ClockSignal, Instance, Module, Mux, ResetSignal, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from golden.config import NodeConfig
from golden.layout import Flag
from rtl.simd.float_lane import FLOAT_LANE_NAME, FloatOp
from rtl.simd.operations import sub_operation

__all__ = ["Reduction"]

_FLAGS = len(Flag)

#: Cycles from a pair to its result in the line.
_PAIR_CYCLES = 5

_SUM, _MINIMUM, _MAXIMUM = (sub_operation(f"{name}.i32") for name in ("vredsum", "vredmin", "vredmax"))
_MINIMUM_UNSIGNED, _MAXIMUM_UNSIGNED = (sub_operation(f"{name}.i32") for name in ("vredminu", "vredmaxu"))


class Reduction(wiring.Component):
    """Reduces a line to one element.

    The line holds words of 32 bits. Elements of 16 and 8 bits are first combined within their word, BF16 widened; then
    words 2j and 2j + 1 become word j, level by level. A pair enters per cycle; a level starts when the one before has left the
    lane. Sums of narrow integers are formed with more bits than count.

    Parameters
    ----------
    config : NodeConfig

    Members
    -------
    start : In(1)
    floats : In(1), size : In(2), sub : In(5)
        Whether elements are floating-point numbers, the logarithm of their bytes, and which reduction, as the rs2 field has it.
    a : In(8 * line_bytes)
    word : Out(32), flags : Out(6)
        FP32 or integer with more bits than count, at the latest after ``simd_reduction_cycles`` cycles.
    """

    def __init__(self, config: NodeConfig):
        self.config = config
        super().__init__(
            {
                "start": In(1),
                "floats": In(1),
                "size": In(2),
                "sub": In(5),
                "a": In(8 * config.line_bytes),
                "word": Out(32),
                "flags": Out(_FLAGS),
            }
        )

    def elaborate(self, platform):
        m = Module()
        lanes = self.config.fp32_lanes
        words = [Signal(32, name=f"word{number}") for number in range(lanes)]
        floats, size, sub = Signal(), Signal(2), Signal(5)

        # Pairs of a level: ``left`` more after this one; then the pipeline drains, then comes a level with half as many.
        within = Signal()
        index = Signal(range(max(2, lanes)))
        level = Signal(range(lanes + 1))
        draining = Signal(range(_PAIR_CYCLES + 1))
        active = Signal()
        issues = active & ~draining.any()
        with m.If(draining.any()):
            m.d.sync += draining.eq(draining - 1)
        with m.Elif(active):
            with m.If(index == level - 1):
                m.d.sync += [index.eq(0), draining.eq(_PAIR_CYCLES - 1), within.eq(0)]
                with m.If(level == 1):
                    m.d.sync += active.eq(0)
                with m.Else():
                    m.d.sync += level.eq(level >> 1)
            with m.Else():
                m.d.sync += index.eq(index + 1)
        with m.If(self.start):
            m.d.sync += [word.eq(self.a.word_select(number, 32)) for number, word in enumerate(words)]
            m.d.sync += [
                floats.eq(self.floats),
                size.eq(self.size),
                sub.eq(self.sub),
                within.eq(self.size != 2),
                index.eq(0),
                level.eq(Mux(self.size == 2, lanes // 2, lanes)),
                draining.eq(0),
                active.eq(1),
                self.flags.eq(0),
            ]

        # -- the pair --------------------------------------------------------------------------------------------------
        single = Signal(32)
        x, y = Signal(32), Signal(32)
        m.d.comb += single.eq(Array(words)[index])
        unsigned = (sub == _MINIMUM_UNSIGNED) | (sub == _MAXIMUM_UNSIGNED)
        combined = Signal(32)
        with m.If(~within):
            evens, odds = Array(words[0::2]), Array(words[1::2])
            pair_index = index[: max(1, (lanes // 2 - 1).bit_length())]
            m.d.comb += [x.eq(evens[pair_index]), y.eq(odds[pair_index])]
        with m.Elif(floats):
            m.d.comb += [x[16:].eq(single[:16]), y[16:].eq(single[16:])]
        with m.Elif(size == 1):
            m.d.comb += [x.eq(_extend(single[:16], unsigned)), y.eq(_extend(single[16:], unsigned))]
        with m.Else():
            low, high = (
                _combine(*(_extend(single.word_select(2 * i + j, 8), unsigned) for j in range(2)), sub) for i in range(2)
            )
            m.d.comb += [x.eq(low), y.eq(high)]
        m.d.comb += combined.eq(_combine(x, y, sub))

        float_op, float_result, float_flags = Signal(FloatOp), Signal(32), Signal(_FLAGS)
        m.d.comb += float_op.eq(Mux(sub == _SUM, FloatOp.ADD.value, Mux(sub == _MINIMUM, FloatOp.MIN.value, FloatOp.MAX.value)))
        m.submodules.lane = Instance(
            FLOAT_LANE_NAME,
            i_clk=ClockSignal(),
            i_rst=ResetSignal(),
            i_op=float_op,
            i_a=x,
            i_b=y,
            i_c=C(0, 32),
            o_result=float_result,
            o_flags=float_flags,
        )

        # -- its result ------------------------------------------------------------------------------------------------
        entered, where, integer = issues, index, combined
        for cycle in range(1, _PAIR_CYCLES):
            entered_later = Signal(name=f"entered{cycle}")
            where_later = Signal.like(index, name=f"where{cycle}")
            integer_later = Signal(32, name=f"integer{cycle}")
            m.d.sync += [entered_later.eq(entered), where_later.eq(where), integer_later.eq(integer)]
            entered, where, integer = entered_later, where_later, integer_later
        with m.If(entered):
            for number, word in enumerate(words):
                with m.If(where == number):
                    m.d.sync += word.eq(Mux(floats, float_result, integer))
            with m.If(floats):
                m.d.sync += self.flags.eq(self.flags | float_flags)
        m.d.comb += self.word.eq(words[0])
        return m


def _extend(value, unsigned):
    """A value in 32 bits."""
    return Cat(value, (value[-1] & ~unsigned).replicate(32 - len(value)))


def _combine(x, y, sub):
    """Sum, minimum or maximum of two words."""
    signed_less, unsigned_less = x.as_signed() < y.as_signed(), x < y
    less = Mux((sub == _MINIMUM_UNSIGNED) | (sub == _MAXIMUM_UNSIGNED), unsigned_less, signed_less)
    minimum = (sub == _MINIMUM) | (sub == _MINIMUM_UNSIGNED)
    return Mux(sub == _SUM, (x + y)[:32], Mux(less == minimum, x, y))
