# SPDX-License-Identifier: Apache-2.0
"""Which result is written in which cycle: the vector and predicate registers take one per cycle."""

import itertools

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from golden.config import NodeConfig
from rtl.simd.timing import (
    ONE_LANE_FUNCTIONS,
    ONE_LANE_STAGES,
    SIMD_STAGES,
    has_one_lane,
    iterative_cycles,
    latest_result,
    one_lane_cycles,
)

__all__ = ["SHORT_CYCLES", "ResultSlots", "ResultTag"]

#: Cycles from the end of a load or predicate operation in X to its result.
SHORT_CYCLES = 2


class ResultTag(data.StructLayout):
    """A register that waits for its result: vector or predicate, from the SIMD unit or not."""

    def __init__(self):
        super().__init__({"valid": 1, "thread": 2, "number": 5, "predicate": 1, "simd": 1})


class ResultSlots(wiring.Component):
    """Keeps the order of results, and the SIMD unit's rules of entry.

    Members
    -------
    tag : In(ResultTag)
        What enters in this cycle writes; ``simd`` is added here.
    short_taken : Out(1)
        Nothing with a result after SHORT_CYCLES may enter.
    simd_taken : Out(1)
        The SIMD operation that the members below describe may not enter.
    two_passes, iterative, reduces, permutes : In(1); operation : In(4); function : In(2)
        Of a SIMD operation; ``operation`` is its funct3, and bit 3 is set in custom-1. ``function`` are the low bits of its
        rs2 field.
    enter_short, enter_simd : In(1)
        It enters in this cycle. Callers look at the members above first.
    enter_pair : In(1)
        A pair of registers of a transpose enters in this cycle, but not the last one; only used with one lane.
    due : Out(ResultTag)
        The result that is there in this cycle.
    simd_pending : Out(threads)
        SIMD operations of the thread are under way.
    busy : Out(1)
    """

    def __init__(self, config: NodeConfig):
        self.config = config
        super().__init__(
            {
                "tag": In(ResultTag()),
                "short_taken": Out(1),
                "simd_taken": Out(1),
                "two_passes": In(1),
                "iterative": In(1),
                "reduces": In(1),
                "permutes": In(1),
                "operation": In(4),
                "function": In(2),
                "enter_short": In(1),
                "enter_simd": In(1),
                "enter_pair": In(1),
                "due": Out(ResultTag()),
                "simd_pending": Out(config.threads),
                "busy": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        config = self.config
        one_lane = has_one_lane(config)
        tags = [
            Signal(ResultTag(), name=f"tag{cycle}") for cycle in range(SHORT_CYCLES + 1 if one_lane else latest_result(config))
        ]
        for tag, following in itertools.pairwise(tags):
            m.d.sync += tag.eq(following)
        m.d.sync += tags[-1].valid.eq(0)
        simd_tag = Signal(ResultTag())
        m.d.comb += [simd_tag.eq(self.tag), simd_tag.simd.eq(1)]

        # Operations whose result has no cycle yet.
        under_way, under_way_tag = self._one_lane(m, tags, simd_tag) if one_lane else self._lanes(m, tags, simd_tag)

        with m.If(self.enter_short):
            m.d.sync += tags[SHORT_CYCLES - 1].eq(self.tag)
        m.d.comb += [
            self.short_taken.eq(tags[SHORT_CYCLES].valid),
            self.due.eq(tags[0]),
            self.busy.eq(Cat(tag.valid for tag in tags).any() | under_way),
        ]
        waiting = [*((tag.valid & tag.simd, tag.thread) for tag in tags), (under_way, under_way_tag.thread)]
        for thread in range(config.threads):
            m.d.comb += self.simd_pending[thread].eq(Cat(valid & (owner == thread) for valid, owner in waiting).any())
        return m

    def _lanes(self, m, tags, simd_tag):
        """Several lanes: operations enter one after the other, pass by pass, while the iterative unit is busy too."""
        config = self.config
        passes = config.simd_passes

        def write_after(cycles: int, tag):
            m.d.sync += tags[cycles - 1].eq(tag)

        entering = Signal(range(2 * passes))
        with m.If(entering.any()):
            m.d.sync += entering.eq(entering - 1)
        with m.If(self.enter_simd & ~self.iterative):
            with m.If(self.two_passes):
                m.d.sync += entering.eq(2 * passes - 1)
                write_after(SIMD_STAGES + 2 * passes, simd_tag)
            with m.Else():
                m.d.sync += entering.eq(passes - 1)
                write_after(SIMD_STAGES + passes, simd_tag)

        # The result of the iterative unit passes through like an operation that enters when it is done.
        cycles = iterative_cycles(config)
        remaining = Signal(range(max(cycles.values())))
        iterating = Signal()
        iterative_tag = Signal(ResultTag())
        with m.If(self.enter_simd & self.iterative):
            m.d.sync += [iterating.eq(1), iterative_tag.eq(simd_tag)]
            with m.If(~self.reduces):
                m.d.sync += remaining.eq(Mux(self.two_passes, cycles["double"], cycles["single"]) - 1)
            with m.Else():
                # BF16 lanes have funct3 2 in custom-1 and 7 in custom-0.
                with m.Switch(self.operation):
                    with m.Case(0b1000, 0b1011):
                        m.d.sync += remaining.eq(cycles["reduce32"] - 1)
                    with m.Case(0b1101):
                        m.d.sync += remaining.eq(cycles["reduce8"] - 1)
                    with m.Default():
                        m.d.sync += remaining.eq(cycles["reduce16"] - 1)
        with m.Elif(iterating):
            m.d.sync += remaining.eq(remaining - 1)
            with m.If(remaining == 0):
                m.d.sync += [iterating.eq(0), entering.eq(passes - 1)]
                write_after(SIMD_STAGES + passes, iterative_tag)
        too_late = Mux(self.two_passes, remaining < 2 * passes, remaining < passes)
        m.d.comb += self.simd_taken.eq(entering.any() | (iterating & (self.iterative | too_late)))
        return iterating, iterative_tag

    def _one_lane(self, m, tags, simd_tag):
        """One lane: an operation enters when the one before is all but over. It gets its cycle when it gives its result as late
        as anything else that enters does."""
        cycles = one_lane_cycles(self.config)
        # From the last element that enters to the cycle before the next operation may.
        rest = ONE_LANE_STAGES - 2
        remaining = Signal(range(cycles["vrsqrt_bf16"] + rest + 1))
        under_way = Signal()
        tag = Signal(ResultTag())
        taken = Signal.like(remaining)
        with m.If(self.iterative & self.reduces):
            # BF16 lanes have funct3 2 in custom-1 and 7 in custom-0.
            with m.Switch(self.operation):
                for operation, lanes in ((0b1000, "f32"), (0b1011, "i32"), (0b1100, "i16"), (0b1101, "i8")):
                    with m.Case(operation):
                        m.d.comb += taken.eq(cycles[f"reduce_{lanes}"] + rest)
                with m.Default():
                    m.d.comb += taken.eq(cycles["reduce_bf16"] + rest)
        with m.Elif(self.iterative):
            with m.Switch(self.function):
                for name, function in ONE_LANE_FUNCTIONS.items():
                    with m.Case(function):
                        m.d.comb += taken.eq(Mux(self.two_passes, cycles[f"{name}_bf16"], cycles[f"{name}_f32"]) + rest)
        with m.Elif(self.permutes | (self.operation == 0b1101)):
            m.d.comb += taken.eq(cycles["bytes"] + rest)
        with m.Elif(self.two_passes | (self.operation == 0b1100)):
            m.d.comb += taken.eq(cycles["halves"] + rest)
        with m.Else():
            m.d.comb += taken.eq(cycles["words"] + rest)
        with m.If(remaining.any()):
            m.d.sync += remaining.eq(remaining - 1)
        with m.If(under_way & (remaining == SHORT_CYCLES)):
            m.d.sync += [under_way.eq(0), tags[SHORT_CYCLES].eq(tag)]
        with m.If(self.enter_simd | self.enter_pair):
            m.d.sync += remaining.eq(taken)
        with m.If(self.enter_simd):
            m.d.sync += [under_way.eq(1), tag.eq(simd_tag)]
        m.d.comb += self.simd_taken.eq(remaining.any())
        return under_way, tag
