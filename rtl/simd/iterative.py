# SPDX-License-Identifier: Apache-2.0
"""The iterative unit: functions that take a bit per cycle, and reductions."""

from amaranth.hdl import C, Cat, Instance, Module, Mux, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from golden.config import NodeConfig
from golden.isa import simd_iterative_cycles
from golden.layout import BIAS_BITS, Flag, FormatKind
from rtl.arithmetic.format_encode import FORMAT_ENCODE, RANDOM_BITS
from rtl.simd.operations import sub_operation
from rtl.simd.reduction import Reduction
from rtl.simd.special import SPECIAL_CYCLES, SpecialLane
from rtl.simd.timing import iterative_cycles

__all__ = ["IterativeUnit"]

_FLAGS = len(Flag)

#: Cycles of one pass over the lanes: the function, and a cycle to round to BF16 and store.
_PASS_CYCLES = simd_iterative_cycles(1)
assert _PASS_CYCLES == SPECIAL_CYCLES + 1

_FIRST_REDUCTION = sub_operation("vredsum.f32")
_SECOND_STEP = int(Flag.INEXACT | Flag.OVERFLOW | Flag.UNDERFLOW)


class IterativeUnit(wiring.Component):
    """One operation at a time: vrcp, vrsqrt, vexp2 and reductions.

    The lanes, ``fp32_lanes / simd_passes`` of them, work on a group of elements after the other; of BF16, first those of the
    lower half of the register.

    Parameters
    ----------
    config : NodeConfig

    Members
    -------
    start : In(1)
        Everything below is there in the same cycle, and stays there or not.
    op : In(8), sub : In(5), a : In(8 * line_bytes), mask : In(line_bytes)
        As the SIMD unit has them; the mask only chooses which lanes raise flags.
    random : In(2 * fp32_lanes x 24)
    result : Out(8 * line_bytes), flags : Out(6)
        From as many cycles after ``start`` on as ``iterative_cycles`` says, until the first pass of the next operation ends.
    """

    def __init__(self, config: NodeConfig):
        self.config = config
        line = 8 * config.line_bytes
        super().__init__(
            {
                "start": In(1),
                "op": In(8),
                "sub": In(5),
                "a": In(line),
                "mask": In(config.line_bytes),
                "random": In(data.ArrayLayout(RANDOM_BITS, 2 * config.fp32_lanes)),
                "result": Out(line),
                "flags": Out(_FLAGS),
            }
        )

    def elaborate(self, platform):
        m = Module()
        config = self.config
        passes, lanes = config.simd_passes, config.fp32_lanes // config.simd_passes
        pass_bits = (passes - 1).bit_length()

        # -- the operation ---------------------------------------------------------------------------------------------
        a, mask = Signal(8 * config.line_bytes), Signal(config.line_bytes)
        random = Signal(len(self.random.as_value()))
        sub, bf16, stochastic, reduces = Signal(5), Signal(), Signal(), Signal()
        size = Signal(2)
        funct3, custom_0 = self.op[4:7], self.op[7]
        starts_bf16, starts_reduction = Signal(), Signal()
        starts_size = Signal(2)
        m.d.comb += [
            starts_bf16.eq(custom_0 | (funct3 == 2)),
            starts_reduction.eq(self.sub >= _FIRST_REDUCTION),
            starts_size.eq(Mux(starts_bf16 | (funct3 == 4), 1, Mux(funct3 == 5, 0, 2))),
        ]
        number, count = Signal(range(2 * passes)), Signal(range(max(_PASS_CYCLES, *iterative_cycles(config).values())))
        active = Signal()
        last_cycle, last_pass = Signal(), Signal()
        cycles = iterative_cycles(config)
        reduction_cycles = Mux(size == 2, cycles["reduce32"], Mux(size == 1, cycles["reduce16"], cycles["reduce8"]))
        m.d.comb += [
            last_cycle.eq(active & (count == Mux(reduces, reduction_cycles, _PASS_CYCLES) - 1)),
            last_pass.eq(reduces | (number == Mux(bf16, 2 * passes - 1, passes - 1))),
        ]
        with m.If(active):
            m.d.sync += count.eq(count + 1)
        with m.If(last_cycle):
            m.d.sync += [count.eq(0), number.eq(number + 1)]
            with m.If(last_pass):
                m.d.sync += active.eq(0)
        with m.If(self.start):
            m.d.sync += [
                a.eq(self.a),
                mask.eq(self.mask),
                random.eq(self.random),
                sub.eq(self.sub),
                bf16.eq(starts_bf16),
                stochastic.eq(custom_0),
                reduces.eq(starts_reduction),
                size.eq(starts_size),
                number.eq(0),
                count.eq(1),
                active.eq(1),
            ]

        # -- functions -------------------------------------------------------------------------------------------------
        starts_pass = Signal()
        m.d.comb += starts_pass.eq(~starts_reduction & self.start | ~reduces & active & (count == 0))
        # In the first cycle the operand is still at the port.
        source, source_number, source_bf16 = Signal.like(a), Signal.like(number), Signal()
        m.d.comb += [
            source.eq(Mux(self.start, self.a, a)),
            source_number.eq(Mux(self.start, 0, number)),
            source_bf16.eq(Mux(self.start, starts_bf16, bf16)),
        ]
        values, raised = [], []
        for lane in range(lanes):
            m.submodules[f"special{lane}"] = special = SpecialLane()
            half_word = source.word_select(source_number, 16 * lanes).word_select(lane, 16)
            word = source.word_select(source_number[:pass_bits], 32 * lanes).word_select(lane, 32)
            m.d.comb += [
                special.start.eq(starts_pass),
                special.op.eq(Mux(self.start, self.sub, sub)[:2]),
                special.x.eq(Mux(source_bf16, Cat(C(0, 16), half_word), word)),
            ]
            values.append(special.result)
            raised.append(special.flags)

        # -- reductions ------------------------------------------------------------------------------------------------
        m.submodules.reduction = reduction = Reduction(config)
        m.d.comb += [
            reduction.start.eq(self.start & starts_reduction),
            reduction.floats.eq(starts_bf16 | (funct3 == 0)),
            reduction.size.eq(starts_size),
            reduction.sub.eq(self.sub),
            reduction.a.eq(self.a),
        ]

        # -- rounding to BF16, and where results go --------------------------------------------------------------------
        is_float = Signal()
        with m.If(self.start):
            m.d.sync += is_float.eq(starts_bf16 | (funct3 == 0))
        bits, second_flags = [], []
        for lane in range(lanes):
            value = Signal(32, name=f"value{lane}")
            code, code_flags = Signal(32, name=f"code{lane}"), Signal(_FLAGS, name=f"code_flags{lane}")
            m.d.comb += value.eq(values[lane] if lane else Mux(reduces, reduction.word, values[0]))
            m.submodules[f"encode{lane}"] = Instance(
                FORMAT_ENCODE,
                i_value=value,
                i_kind=C(FormatKind.BF16, 3),
                i_bias=C(0, BIAS_BITS),
                i_stochastic=stochastic,
                i_random=random.word_select(number, lanes * RANDOM_BITS).word_select(lane, RANDOM_BITS),
                o_code=code,
                o_flags=code_flags,
            )
            bits.append(Mux(bf16, code, value))
            second_flags.append(Mux(bf16, code_flags & _SECOND_STEP, 0))

        group = number[:pass_bits]
        new_flags = Signal(_FLAGS)
        with m.If(reduces):
            # Smallest and largest elements are not rounded, and integers raise nothing.
            rounds = sub == _FIRST_REDUCTION
            m.d.comb += new_flags.eq(Mux(is_float, reduction.flags | Mux(rounds, second_flags[0], 0), 0))
        with m.Else():
            counted = Signal(lanes)
            with m.If(bf16):
                part = mask.word_select(number, 2 * lanes)
                m.d.comb += counted.eq(Cat(part[2 * lane] for lane in range(lanes)))
            with m.Else():
                part = mask.word_select(group, 4 * lanes)
                m.d.comb += counted.eq(Cat(part[4 * lane] for lane in range(lanes)))
            for bit in range(_FLAGS):
                m.d.comb += new_flags[bit].eq(
                    Cat((raised[lane] | second_flags[lane])[bit] & counted[lane] for lane in range(lanes)).any()
                )
        with m.If(last_cycle):
            m.d.sync += self.flags.eq(Mux(number == 0, 0, self.flags) | new_flags)
            with m.If(reduces):
                with m.Switch(size):
                    for log in range(3):
                        with m.Case(log):
                            element = bits[0][: 8 << log]
                            m.d.sync += self.result.eq(element.replicate(config.line_bytes >> log))
            with m.Elif(bf16):
                m.d.sync += self.result.word_select(number, 16 * lanes).eq(Cat(code[:16] for code in bits))
            with m.Else():
                m.d.sync += self.result.word_select(group, 32 * lanes).eq(Cat(code[:32] for code in bits))
        return m
