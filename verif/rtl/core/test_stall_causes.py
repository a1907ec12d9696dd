# SPDX-License-Identifier: Apache-2.0
"""Why a thread issues nothing, against a model from the contract's table of events: the first line that applies."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from golden.config import NodeConfig
from golden.isa import INSTRUCTIONS, Unit
from golden.layout import Event
from verif.rtl.core.hazards import Named, UnderWay, named, pipe_of, wants
from verif.rtl.core.test_grouping import CONFIGS, REGISTERS, SIMULATIONS, Case, cases, show
from verif.rtl.simulate import property_settings


@dataclass(frozen=True)
class Waiting:
    """Pipes in which an access to SRAM waits for its grant, and the register, scalar or vector, that the one in load reads."""

    pipes: frozenset[str]
    kind: str
    register: int


WAITING = st.builds(
    Waiting,
    st.one_of(st.just(frozenset[str]()), st.frozensets(st.sampled_from(("load", "store", "matrix")), min_size=1, max_size=2)),
    st.sampled_from(("scalar", "vector", "none")),
    REGISTERS.filter(bool),
)


def awaits_grant(config: NodeConfig, oldest: Named, state: UnderWay, waiting: Waiting) -> bool:
    """Whether the instruction has to wait for such an access: its pipe, its result, its accumulator, or its place in order."""
    transposes = oldest.row is not None and "part" in oldest.row.operands
    # A transpose counts as if it read all registers.
    touched = {
        "scalar": waiting.register in oldest.scalars_read | oldest.scalars_written,
        "vector": waiting.register in oldest.vectors_read | oldest.vectors_written or transposes,
        "none": False,
    }[waiting.kind]
    closed = not config.vector_queue and oldest.unit(Unit.MATRIX) and oldest.accumulator in state.accumulators_closed
    closed = closed or (oldest.unit(Unit.ACCUMULATOR_STORE) and oldest.accumulator in state.accumulators_busy)
    holds = {
        "load": "gathering" in state.flags or oldest.writes_memory or touched,
        "store": oldest.reads_memory or closed,
        "matrix": oldest.writes_memory,
    }
    # A matrix operation finds a place in its queue, whatever its pipe waits for.
    taken = {"load", "store", *(state.full if config.vector_queue else {"matrix"})}
    return any(oldest.alone or (pipe_of(oldest) == pipe and pipe in taken) or holds[pipe] for pipe in waiting.pipes)


def cause(config: NodeConfig, oldest: Named, case: Case, waiting: Waiting) -> Event:
    """The first cause that applies."""
    state = case.state
    if not case.runs:
        return Event.FETCH
    if oldest.unit(Unit.NETWORK) and not (state.list_room if oldest.mnemonic("nlist") else state.network_room):
        return Event.CREDIT
    if oldest.unit(Unit.VECTOR_LOAD) and "response_waiting" in state.flags:
        return Event.CREDIT
    if awaits_grant(config, oldest, state, waiting):
        return Event.BANK
    return Event.STRUCTURAL if wants(config, oldest, state) else Event.OPERAND


def shown_cause(context: Any, grouping: Any, waiting: Waiting) -> str:
    context.set(grouping.state.ungranted, {pipe: pipe in waiting.pipes for pipe in ("load", "store", "matrix")})
    loading = {"scalar": waiting.kind == "scalar", "vector": waiting.kind == "vector", "number": waiting.register}
    context.set(grouping.state.loading, loading)
    stall = context.get(grouping.stall)
    return "+".join(name for name in grouping.stall.shape().members if stall[name])


@pytest.mark.parametrize("name", CONFIGS)
def test_a_cycle_without_an_issue_has_the_first_cause_that_applies_and_no_other(name: str) -> None:
    config, simulation = CONFIGS[name], SIMULATIONS[name]
    dut = simulation.component

    @property_settings(120)
    @given(st.lists(st.tuples(cases(config).map(lambda some: some[0]), WAITING), min_size=1, max_size=16))
    def holds(chosen: list[tuple[Case, Waiting]]) -> None:
        async def check(context: Any) -> None:
            for case, waiting in chosen:
                oldest = named(config, case.words[0])
                show(context, dut, case)
                expected = cause(config, oldest, case, waiting).name.lower()
                about = oldest.row.mnemonic if oldest.row else "illegal"
                assert shown_cause(context, dut.grouping, waiting) == expected, (about, case.state, waiting)

        simulation.run(check)

    holds()


def test_a_thread_without_an_instruction_waits_for_fetch() -> None:
    dut = SIMULATIONS["d1"].component

    async def check(context: Any) -> None:
        show(context, dut, Case((0, 0), UnderWay(network_room=False)))
        context.set(dut.grouping.valid, 0)
        assert shown_cause(context, dut.grouping, Waiting(frozenset({"load"}), "scalar", 1)) == "fetch"

    SIMULATIONS["d1"].run(check)


@pytest.mark.parametrize("pipe, expected", [("store", "bank"), ("load", "operand"), (None, "operand")])
def test_an_accumulator_is_waited_for_in_the_name_of_the_bank_while_its_store_waits_for_it(
    pipe: str | None, expected: str
) -> None:
    simulation = SIMULATIONS["tiny without queues"]
    dut = simulation.component
    waiting = Waiting(frozenset({pipe} if pipe else ()), "none", 1)

    async def check(context: Any) -> None:
        words = (INSTRUCTIONS["mzero"].match | 1 << 7,) * dut.grouping.config.issue_width
        show(context, dut, Case(words, UnderWay(accumulators_closed=frozenset({1}))))
        assert shown_cause(context, dut.grouping, waiting) == expected

    simulation.run(check)


@pytest.mark.parametrize("mnemonic, network, lists", [("nlist", True, False), ("nwrite", False, True)])
def test_requests_wait_for_room_in_the_network_and_lists_for_a_place(mnemonic: str, network: bool, lists: bool) -> None:
    dut = SIMULATIONS["tiny, 2 at a time"].component
    word = INSTRUCTIONS[mnemonic].match

    async def check(context: Any) -> None:
        for state in (UnderWay(network_room=network, list_room=lists), UnderWay(network_room=lists, list_room=network)):
            ready, _ = show(context, dut, Case((word, word), state))
            held = state.network_room == network
            assert ready[0] != held
            assert (shown_cause(context, dut.grouping, Waiting(frozenset(), "none", 1)) == "credit") == held

    SIMULATIONS["tiny, 2 at a time"].run(check)
