# SPDX-License-Identifier: Apache-2.0
"""Hazards of a thread against a model from the contract: what it forbids is never ready together, and what it allows is ready."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
from amaranth.hdl import Module
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out
from hypothesis import given
from hypothesis import strategies as st

from golden.config import NodeConfig, preset
from golden.isa import INSTRUCTIONS, Unit
from rtl.core.decoder import Decoder
from rtl.core.grouping import PIPES, Grouping
from verif.rtl.core.hazards import UnderWay, has_operands, named, pipe_of, ready, wants
from verif.rtl.simulate import Simulation, property_settings

CONFIGS = {
    **{f"tiny, {width} at a time": preset("tiny").replace(issue_width=width) for width in (1, 2, 4)},
    "tiny without lists": preset("tiny").replace(lists=0),
    "tiny without queues": preset("tiny").replace(vector_queue=0),
    # Groups of other sizes, and more accumulators.
    "d1": preset("d1"),
}

#: What may be under way, with a bit each.
FLAGS = ("reading", "writing", "gathering", "held_operands", "occupying", "simd_pending")

#: Pipes with queues.
QUEUES = ("simd", "matrix")


class Decoded(wiring.Component):
    """The hazards of words as they are decoded."""

    def __init__(self, config: NodeConfig):
        self.grouping = Grouping(config)
        super().__init__({"insns": In(data.ArrayLayout(32, config.issue_width)), "ready": Out(config.issue_width)})

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.submodules.grouping = grouping = self.grouping
        for number in range(grouping.config.issue_width):
            head, insn = grouping.heads[number], self.insns[number]
            m.submodules[f"decoder{number}"] = decoder = Decoder(grouping.config)
            m.d.comb += [decoder.insn.eq(insn), head.insn.eq(insn), head.decoded.eq(decoder.decoded)]
        m.d.comb += self.ready.eq(grouping.ready)
        return m


SIMULATIONS = {name: Simulation(Decoded(config), clocked=False) for name, config in CONFIGS.items()}


@dataclass(frozen=True)
class Case:
    """The thread's oldest instructions, and what is under way."""

    words: tuple[int, ...]
    state: UnderWay
    runs: bool = True


#: Few registers, so that instructions meet; of even and odd number, and such that begin groups.
REGISTERS = st.sampled_from((0, 1, 2, 3, 4, 8, 16, 17))


def instructions() -> st.SearchStrategy[int]:
    """Words of all instructions, each unit as often."""
    by_unit = [[row for row in INSTRUCTIONS.values() if row.unit is unit] for unit in Unit]
    row = st.sampled_from(by_unit).flatmap(st.sampled_from)

    def of_row(row: Any, noise: int, rd: int, rs1: int, rs2: int) -> int:
        # Programs have no use for an x0 that advances; it counts as written.
        if row.post_increment:
            rs1, rs2 = rs1 or 1, rs2 or 2
        return word(row, rd, rs1, rs2, noise)

    noise = st.one_of(st.just(0), st.integers(0, 2**32 - 1))
    return st.builds(of_row, row, noise, REGISTERS, REGISTERS, REGISTERS)


def states(config: NodeConfig) -> st.SearchStrategy[UnderWay]:
    def some(numbers: st.SearchStrategy[Any], most: int = 3) -> st.SearchStrategy[Any]:
        return st.one_of(st.just(frozenset()), st.just(frozenset()), st.frozensets(numbers, max_size=most))

    accumulator = st.integers(0, config.accumulators - 1)
    mostly, registers = st.sampled_from((True, True, True, False)), st.one_of(REGISTERS, st.integers(0, 31))
    return st.builds(
        UnderWay,
        scalars=some(REGISTERS.filter(bool)),
        vectors=some(registers),
        predicates=some(st.integers(0, 7)),
        accumulators_busy=some(accumulator),
        accumulators_closed=some(accumulator),
        flags=some(st.sampled_from((*FLAGS, "response_waiting", "simd_waits")), most=2),
        queued_writes=some(registers),
        queued_reads=some(registers),
        queued_step_reads=some(registers),
        queued_predicates=some(st.integers(0, 7)),
        full=some(st.sampled_from(QUEUES), most=2),
        starved=some(st.sampled_from(QUEUES), most=2),
        network_room=mostly,
        list_room=mostly,
        division_room=mostly,
    )


def cases(config: NodeConfig) -> st.SearchStrategy[list[Case]]:
    words = st.tuples(*[instructions()] * config.issue_width)
    state = st.one_of(st.just(UnderWay()), states(config))
    return st.lists(st.builds(Case, words, state, st.sampled_from((True,) * 7 + (False,))), min_size=1, max_size=16)


def bits(numbers: frozenset[int]) -> int:
    return sum(1 << number for number in numbers)


def show(context: Any, dut: Any, case: Case) -> tuple[list[bool], list[str]]:
    """Which instructions are ready, and the pipe of each."""
    grouping, state = dut.grouping, case.state
    context.set(dut.insns, list(case.words))
    context.set(grouping.valid, (1 << len(case.words)) - 1)
    context.set(grouping.runs, case.runs)
    registers = ("scalars", "vectors", "predicates", "accumulators_busy", "accumulators_closed")
    context.set(
        grouping.state,
        {name: bits(getattr(state, name)) for name in registers} | {name: name in state.flags for name in FLAGS},
    )
    if grouping.config.vector_queue:
        queued = {name: bits(getattr(state, f"queued_{name}")) for name in ("writes", "reads", "step_reads", "predicates")}
        context.set(
            grouping.state.queued,
            queued
            | {name: {pipe: pipe in getattr(state, name) for pipe in QUEUES} for name in ("full", "starved")}
            | {"simd_waits": "simd_waits" in state.flags},
        )
    context.set(grouping.response_waiting, "response_waiting" in state.flags)
    context.set(grouping.network_room, state.network_room)
    if grouping.config.lists:
        context.set(grouping.list_room, state.list_room)
    context.set(grouping.division_room, state.division_room)
    width = range(len(case.words))
    seen, kinds = context.get(dut.ready), [context.get(grouping.kinds[number].as_value()) for number in width]
    return [bool(seen >> number & 1) for number in width], [
        "+".join(pipe for index, pipe in enumerate(PIPES) if kind >> index & 1) for kind in kinds
    ]


@pytest.mark.parametrize("name", CONFIGS)
def test_what_the_contract_forbids_waits_and_what_it_allows_does_not(name: str) -> None:
    config, simulation = CONFIGS[name], SIMULATIONS[name]
    dut = simulation.component

    @property_settings(120)
    @given(cases(config))
    def holds(chosen: list[Case]) -> None:
        async def check(context: Any) -> None:
            for case in chosen:
                oldest = [named(config, word) for word in case.words]
                expected = ready(config, oldest, case.state) if case.runs else [False] * len(oldest)
                about = [instruction.row.mnemonic if instruction.row else "illegal" for instruction in oldest]
                assert show(context, dut, case) == (expected, [pipe_of(instruction) for instruction in oldest]), about
                if config.vector_queue:
                    there = context.get(dut.grouping.there)
                    assert [bool(there >> n & 1) for n in range(len(oldest))] == [has_operands(o, case.state) for o in oldest]
                assert context.get(dut.grouping.wants) == (case.runs and wants(config, oldest[0], case.state)), about

        simulation.run(check)

    holds()


def test_instructions_that_are_not_there_are_not_ready() -> None:
    dut = SIMULATIONS["tiny, 4 at a time"].component
    addi = INSTRUCTIONS["addi"].match | 1 << 7

    async def check(context: Any) -> None:
        for count in range(5):
            case = Case(tuple(addi + (number << 7) for number in range(4)), UnderWay())
            show(context, dut, case)
            context.set(dut.grouping.valid, (1 << count) - 1)
            assert context.get(dut.ready) == (1 << count) - 1
            assert context.get(dut.grouping.wants) == (count > 0)

    SIMULATIONS["tiny, 4 at a time"].run(check)


def word(row: Any, rd: int, rs1: int, rs2: int, rest: int = 0) -> int:
    """The instruction with these register fields, and these other bits, as far as operands fill them."""
    fields = rest & ~(0x1F << 7 | 0x1F << 15 | 0x1F << 20) | rd << 7 | rs1 << 15 | rs2 << 20
    return int(row.match | fields & ~row.mask & 0xFFFF_FFFF)


#: One instruction for each unit with each kind of operands, and those that are issued alone.
KINDS = {
    (row.unit, row.operands, row.post_increment): row
    for row in (*INSTRUCTIONS.values(), *(INSTRUCTIONS[name] for name in ("vtrn.e8", "mret")))
}
SOME = [*KINDS.values(), *(INSTRUCTIONS[name] for name in ("fence.i", "ecall", "ebreak", "vtrn.e32", "mzero"))]


@pytest.mark.parametrize("name", ["tiny, 2 at a time", "tiny without queues"])
@pytest.mark.parametrize("registers", [(0, 4, 5), (1, 2, 3), (2, 1, 1)], ids=["other", "the same", "crossed"])
def test_all_pairs_of_instructions(registers: tuple[int, int, int], name: str) -> None:
    """One of each kind behind one of each kind, whose registers are 1, 2 and 3."""
    config, simulation = CONFIGS[name], SIMULATIONS[name]
    olders, youngers = [word(row, 1, 2, 3) for row in SOME], [word(row, *registers) for row in SOME]

    async def check(context: Any) -> None:
        for case in (Case((older, younger), UnderWay()) for older in olders for younger in youngers):
            pair = [named(config, word) for word in case.words]
            about = [instruction.row.mnemonic if instruction.row else "illegal" for instruction in pair]
            assert show(context, simulation.component, case)[0] == ready(config, pair, case.state), about

    simulation.run(check)


@pytest.mark.parametrize("name", ["tiny, 1 at a time", "tiny without lists", "tiny without queues"])
def test_all_instructions_behind_each_thing_that_can_be_under_way(name: str) -> None:
    config, simulation = CONFIGS[name], SIMULATIONS[name]
    things = [
        UnderWay(),
        UnderWay(network_room=False),
        UnderWay(list_room=False),
        UnderWay(division_room=False),
        *(UnderWay(flags=frozenset({flag})) for flag in (*FLAGS, "response_waiting", "simd_waits")),
        *(UnderWay(full=frozenset({pipe})) for pipe in QUEUES),
        *(UnderWay(full=frozenset({pipe}), starved=frozenset({pipe})) for pipe in QUEUES),
        *(UnderWay(starved=frozenset({pipe})) for pipe in QUEUES),
        *(UnderWay(queued_writes=frozenset({number})) for number in (1, 2, 3, 8, 9)),
        *(UnderWay(queued_reads=frozenset({number})) for number in (1, 2, 3, 8, 9)),
        *(UnderWay(queued_step_reads=frozenset({number})) for number in (1, 2, 3, 8, 9)),
        *(UnderWay(queued_predicates=frozenset({number})) for number in (1, 2, 3, 5)),
        *(UnderWay(scalars=frozenset({number})) for number in (1, 2, 3, 8)),
        *(UnderWay(vectors=frozenset({number})) for number in (1, 3, 7, 8, 9, 10, 11, 12, 15, 16)),
        *(UnderWay(predicates=frozenset({number})) for number in (0, 1, 2, 3, 5)),
        *(UnderWay(accumulators_busy=frozenset({number})) for number in (0, 1)),
        *(UnderWay(accumulators_closed=frozenset({number})) for number in (0, 1)),
    ]

    async def check(context: Any) -> None:
        for insn in (word(row, 1, rs1, 3, 5 << 29) for row in SOME for rs1 in (2, 8)):
            instruction = named(config, insn)
            for state in things:
                seen, _ = show(context, simulation.component, Case((insn,) * config.issue_width, state))
                assert seen[:1] == ready(config, [instruction], state), (instruction.row, state)
                assert context.get(simulation.component.grouping.wants) == wants(config, instruction, state), (
                    instruction.row,
                    state,
                )

    simulation.run(check)
