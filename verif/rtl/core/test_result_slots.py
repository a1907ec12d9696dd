# SPDX-License-Identifier: Apache-2.0
"""Every result is there in the cycle that the contract names, one per cycle, and entry is refused exactly where it must be."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest
from amaranth.hdl import Assert, Assume, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from hypothesis import given
from hypothesis import strategies as st

from golden.config import NodeConfig
from golden.isa import INSTRUCTIONS, simd_iterative_cycles, simd_reduction_cycles
from rtl.core.result_slots import ResultSlots, ResultTag
from verif.formal.proof import check_bounded, check_reachable
from verif.rtl.simd.one_lane import MOVES, ONE_LANE_STAGES, has_one_lane, one_lane_cycles
from verif.rtl.simulate import Simulation, property_settings

CONFIGS = [
    NodeConfig(line_bytes=16, threads=4, simd_passes=1),
    NodeConfig(line_bytes=32, threads=2, simd_passes=2),
    NodeConfig(line_bytes=16, threads=1, simd_passes=4),
]
SIMULATIONS = {config.simd_passes: Simulation(ResultSlots(config)) for config in CONFIGS}

#: Cycles from the last pass of an operation to its result, and from the end of a load or predicate operation.
STAGES, SHORT = 5, 2


@dataclass(frozen=True)
class Operation:
    """Something with a result: the ports that describe it, and the cycles that it takes."""

    entry: int = 0
    iterations: int = 0
    ports: dict[str, int] = field(default_factory=dict)

    @property
    def simd(self) -> bool:
        return self.entry > 0


def operation(config: NodeConfig, mnemonic: str) -> Operation:
    """An operation by its mnemonic; what it takes follows from the contract."""
    name, lanes, *_ = [*mnemonic.split("."), ""]
    if name == "vld":
        return Operation()
    passes = config.simd_passes
    reduces, special = name.startswith("vred"), name in ("vrcp", "vrsqrt", "vexp2")
    doubles = lanes == "bf16" and not reduces
    iterations = 0
    if special:
        iterations = simd_iterative_cycles(passes * (2 if doubles else 1))
    elif reduces:
        lane_bytes = 2 if lanes == "bf16" else int(lanes[1:]) // 8
        iterations = simd_reduction_cycles(config.line_bytes // lane_bytes)
    match = INSTRUCTIONS[mnemonic].match
    permutes = name.startswith(MOVES)
    ports = {
        "two_passes": int(doubles),
        "permutes": int(permutes),
        "iterative": int(iterations > 0),
        "reduces": int(reduces),
        "function": match >> 20 & 3,
        "operation": match >> 12 & 7 | (match >> 5 & 1) << 3,
    }
    if has_one_lane(config):
        return Operation(one_lane_cycles(config, mnemonic), 0, ports)
    return Operation(passes * (2 if doubles and not iterations else 1), iterations, ports)


MNEMONICS = (
    "vld", "vadd.f32", "vadd.bf16", "vadd.bf16.s", "vexp2.f32", "vexp2.bf16", "vrcp.f32",
    "vrsqrt.f32", "vredsum.f32", "vredsum.bf16", "vredsum.bf16.s",
    "vredsum.i32", "vredsum.i16", "vredsum.i8", "vshuf.e8", "vtrn.e16",
)  # fmt: skip
#: Each once for what the entry of others is asked about.
PROBES = ("vadd.f32", "vadd.bf16", "vexp2.f32", "vexp2.bf16", "vredsum.i8", "vshuf.e8")


class Model:
    """The contract of "Macro boundaries" and of stage W, in absolute cycles."""

    def __init__(self, config: NodeConfig):
        self.config = config
        self.now = 0
        self.due: dict[int, dict[str, int]] = {}
        self._free = 0
        self._virtual = -config.simd_passes

    def may_enter(self, operation: Operation) -> bool:
        if not operation.simd:
            return self.now + SHORT not in self.due
        passes = self.config.simd_passes
        if self.now < self._free:
            return False
        behind = self.now >= self._virtual + passes
        return behind or (not operation.iterations and self.now + operation.entry <= self._virtual)

    def enter(self, operation: Operation, tag: dict[str, int]) -> None:
        if not operation.simd:
            due = self.now + SHORT
        elif operation.iterations:
            self._free = self.now + 1
            self._virtual = self.now + operation.iterations
            due = self._virtual + STAGES + self.config.simd_passes
        else:
            self._free = self.now + operation.entry
            due = self.now + (ONE_LANE_STAGES if has_one_lane(self.config) else STAGES) + operation.entry
        assert due not in self.due, "two results in one cycle"
        self.due[due] = tag

    def pending(self) -> int:
        """Threads with SIMD operations that have entered and whose result is not there before this cycle."""
        threads = {tag["thread"] for due, tag in self.due.items() if tag["simd"] and due >= self.now}
        return sum(1 << thread for thread in threads)


#: What comes next, after how many cycles at least, for which thread and register, vector or predicate.
ENTRY = st.tuples(
    st.sampled_from(MNEMONICS),
    st.one_of(st.just(0), st.integers(0, 3), st.integers(0, 90)),
    st.integers(0, 3),
    st.integers(0, 31),
    st.booleans(),
)


@pytest.mark.parametrize("config", CONFIGS, ids=lambda config: f"passes{config.simd_passes}")
@property_settings(50)
@given(entries=st.lists(ENTRY, min_size=1, max_size=25))
def test_results_come_in_their_cycles_and_entry_is_refused_only_where_it_must_be(config: NodeConfig, entries: list[Any]) -> None:
    simulation = SIMULATIONS[config.simd_passes]
    slots = simulation.component
    model = Model(config)
    probes = [operation(config, mnemonic) for mnemonic in PROBES]

    def describe(context: Any, described: Operation) -> None:
        for port in ("two_passes", "iterative", "reduces", "permutes", "function", "operation"):
            context.set(getattr(slots, port), described.ports.get(port, 0))

    async def cycle(context: Any, entering: Operation | None, tag: dict[str, int]) -> None:
        context.set(slots.enter_short, 0)
        context.set(slots.enter_simd, 0)
        for probe in probes:
            describe(context, probe)
            assert context.get(slots.simd_taken) == (not model.may_enter(probe)), f"cycle {model.now}: {probe}"
        assert context.get(slots.short_taken) == (not model.may_enter(Operation())), f"cycle {model.now}"
        due = context.get(slots.due)
        wanted = model.due.get(model.now)
        assert bool(due.valid) == (wanted is not None), f"cycle {model.now}"
        if wanted:
            assert {name: due[name] for name in wanted} == wanted, f"cycle {model.now}"
        assert context.get(slots.simd_pending) == model.pending(), f"cycle {model.now}"
        assert context.get(slots.busy) == any(due >= model.now for due in model.due), f"cycle {model.now}"
        if entering:
            describe(context, entering)
            context.set(slots.tag.valid, 1)
            for name in ("thread", "number", "predicate"):
                context.set(slots.tag[name], tag[name])
            context.set(slots.enter_simd, entering.simd)
            context.set(slots.enter_short, not entering.simd)
            model.enter(entering, tag)
        await context.tick()
        model.now += 1

    async def check(context: Any) -> None:
        for mnemonic, pause, thread, number, predicate in entries:
            entering = operation(config, mnemonic)
            tag = {"thread": thread % config.threads, "number": number, "predicate": int(predicate), "simd": int(entering.simd)}
            for _ in range(pause):
                await cycle(context, None, tag)
            while not model.may_enter(entering):
                await cycle(context, None, tag)
            await cycle(context, entering, tag)
        while model.now <= max(model.due):
            await cycle(context, None, tag)
        assert not context.get(slots.busy)

    simulation.run(check)


class OneResult(wiring.Component):
    """Claims that a result chosen at its entry is there in its cycle, whatever enters before and after where it may."""

    def __init__(self, config: NodeConfig):
        self.config = config
        super().__init__(
            {
                "enter_short": In(1),
                "enter_simd": In(1),
                "two_passes": In(1),
                "iterative": In(1),
                "reduces": In(1),
                "operation": In(4),
                "tag": In(ResultTag()),
                "choose": In(1),
                "seen": Out(1),
                "iterative_seen": Out(1),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        config, passes = self.config, self.config.simd_passes
        m.submodules.slots = slots = ResultSlots(config)
        entering = self.enter_short | self.enter_simd
        m.d.comb += [
            *(getattr(slots, name).eq(getattr(self, name)) for name in ("two_passes", "iterative", "reduces", "operation")),
            slots.tag.eq(self.tag),
            slots.enter_short.eq(self.enter_short),
            slots.enter_simd.eq(self.enter_simd),
            Assume(self.tag.valid),
            Assume(~self.tag.simd),
            Assume(~(self.enter_short & self.enter_simd)),
            Assume(~(self.enter_short & slots.short_taken)),
            Assume(~(self.enter_simd & slots.simd_taken)),
            Assume(~self.reduces | self.iterative),
        ]
        reduction = Signal(8)
        with m.Switch(self.operation):
            for lane_bytes, encodings in ((4, (0b1000, 0b1011)), (2, (0b1010, 0b1100, 0b0111)), (1, (0b1101,))):
                with m.Case(*encodings):
                    m.d.comb += reduction.eq(simd_reduction_cycles(config.line_bytes // lane_bytes))
            with m.Default():
                m.d.comb += Assume(~self.reduces)
        cycles = Signal(10)
        with m.If(self.enter_short):
            m.d.comb += cycles.eq(SHORT)
        with m.Elif(~self.iterative):
            m.d.comb += cycles.eq(STAGES + Mux(self.two_passes, 2 * passes, passes))
        with m.Elif(self.reduces):
            m.d.comb += cycles.eq(STAGES + passes + reduction)
        with m.Else():
            single, double = simd_iterative_cycles(passes), simd_iterative_cycles(2 * passes)
            m.d.comb += cycles.eq(STAGES + passes + Mux(self.two_passes, double, single))

        left = Signal(10)
        chosen, was_iterative = Signal(ResultTag()), Signal()
        with m.If(left.any()):
            m.d.sync += left.eq(left - 1)
        with m.Elif(self.choose & entering):
            m.d.sync += [left.eq(cycles), chosen.eq(self.tag), chosen.simd.eq(self.enter_simd), was_iterative.eq(self.iterative)]
        with m.If(left == 1):
            m.d.comb += [Assert(slots.due == chosen), self.seen.eq(1), self.iterative_seen.eq(was_iterative & chosen.simd)]
        return m


def test_whatever_enters_within_the_time_of_a_reduction_no_result_is_lost_to_another() -> None:
    config = NodeConfig(line_bytes=16, threads=1, simd_passes=2)
    cycles = simd_reduction_cycles(config.fp32_lanes) + STAGES + 2 * config.simd_passes + 4
    check_reachable(OneResult(config), "iterative_seen", cycles)
    check_bounded(OneResult(config), cycles)
