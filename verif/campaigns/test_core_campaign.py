# SPDX-License-Identifier: Apache-2.0
"""The campaign of random programs: a share of it finds nothing wrong, covers what there is, and finds what is wrong."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable

import numpy as np
import pytest

import golden.mesh
from golden.config import NodeConfig, preset
from golden.layout import Cause, Kind
from golden.node import GoldenNode
from golden.packet import Packet
from scripts.simulator.build import SimulatorLibrary, build
from verif.campaigns import core
from verif.campaigns.coverage import Coverage
from verif.rtl.node import lockstep
from verif.rtl.node.array_programs import array_program
from verif.rtl.node.lockstep import ArrayProgram, BadProgram, Outcome
from verif.rtl.node.mistakes import Mistake, MistakenByColumn

#: Instructions of the share of each configuration, whose simulators other tests use as well.
SHARES = {"tiny": 500_000, "nano": 200_000, "d1": 250_000}

#: Programs in which each mistake has to be found.
PROGRAMS = 12


@functools.cache
def share(config: str) -> core.Report:
    return core.run(SHARES[config], seed=1, configs=(config,), processes=1)


@pytest.mark.rtl
@pytest.mark.parametrize("config", SHARES)
def test_share_of_the_campaign_runs_as_the_golden_model_does(config: str) -> None:
    report = share(config)
    assert not report.differences, "\n".join(f"{d.command}\n{d.what}\n{d.context}" for d in report.differences)
    assert report.total.instructions >= SHARES[config]


@pytest.mark.rtl
def test_share_covers_every_instruction_cause_and_csr_and_what_a_thread_may_do_in_one_cycle() -> None:
    coverage = Coverage()
    for config in SHARES:
        coverage.add(share(config).coverage)
    assert (coverage.missing_instructions, coverage.missing_causes, coverage.missing_csrs) == ([], [], [])
    assert coverage.missing_pairs == []


@functools.cache
def mistaken() -> SimulatorLibrary:
    return build(preset("tiny"), node=MistakenByColumn)


@pytest.mark.rtl
@pytest.mark.parametrize("mistake", Mistake, ids=lambda mistake: mistake.name)
def test_random_programs_find_mistakes_planted_in_the_core(mistake: Mistake) -> None:
    """In both nodes of a column, which says what mistake they make."""
    found = []
    for number in range(PROGRAMS):
        program = array_program(preset("tiny"), f"tiny 1 {number}", rows=2, columns=1, first=(mistake, 0))
        difference = lockstep.run(program, mistaken()).difference
        found += [difference] if difference else []
        if found:
            break
    assert bool(found) == (mistake is not Mistake.NONE), found


@pytest.mark.parametrize("config", ["tiny", "wide"])
@pytest.mark.parametrize("number", range(2))
def test_what_programs_do_does_not_depend_on_who_goes_first(config: str, number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    program = array_program(core.CONFIGS[config], f"{config} 1 {number}")
    seen = []
    for quantum, backwards in ((256, False), (1, True), (37, True), (100_000, False)):
        monkeypatch.setattr(golden.mesh, "QUANTUM", quantum)
        seen.append(_golden_outcome(program, backwards))
    assert all(outcome == seen[0] for outcome in seen)


def _golden_outcome(program: ArrayProgram, backwards: bool) -> list[object]:
    """All that threads and nodes of the golden array do and come to."""

    class Array(golden.mesh.GoldenArray):
        def __init__(self, config: NodeConfig, rows: int, columns: int):
            super().__init__(config, rows, columns)
            if backwards:
                self._threads.reverse()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lockstep, "GoldenArray", Array)
        run = lockstep.GoldenRun(program)
    outcome: list[object] = []
    for site, records in run.records.items():
        node = run.array.node(*site)
        outcome += [[record for record in records if record.thread == thread.number] for thread in node.threads]
        outcome += [bytes(node.sram), list(node.semaphores), [(thread.state, thread.pc) for thread in node.threads]]
        writes: dict[int, list[bytes]] = {}
        for key, data in zip(run.vector_keys[site], run.vector_data[site], strict=True):
            writes.setdefault(key, []).append(data)
        outcome.append(writes)
    return outcome


def test_programs_follow_from_seed_configuration_and_number_alone() -> None:
    one, same, other = (array_program(preset("tiny"), seed) for seed in ("tiny 1 2", "tiny 1 2", "tiny 1 3"))
    assert one == same
    assert one.memory != other.memory


@pytest.mark.rtl
def test_results_do_not_depend_on_the_number_of_processes() -> None:
    reports = [core.run(30_000, seed=5, configs=("tiny", "nano"), processes=processes) for processes in (1, 2)]
    counts = [[(t.programs, t.instructions, t.cycles) for t in report.tallies.values()] for report in reports]
    assert counts[0] == counts[1]
    assert reports[0].coverage.instructions == reports[1].coverage.instructions


@pytest.mark.rtl
def test_a_program_can_be_repeated_alone() -> None:
    report = core.run(1, seed=1, configs=("tiny",), program=3)
    assert report.total.programs == 1
    assert report.total.instructions == core.run_program("tiny", 1, 3).tally.instructions


@pytest.mark.rtl
@pytest.mark.parametrize(
    "change, what",
    [
        (lambda run, node: node.sram.__setitem__(-1, node.sram[-1] ^ 1), "memory differs"),
        (lambda run, node: node.semaphores.__setitem__(2, 9), "semaphore 2 is 0x0, expected 0x9"),
        (lambda run, node: run.records[node.x, node.y].pop(), "differs at its instruction"),
        (lambda run, node: run.vector_data[node.x, node.y].__setitem__(5, bytes(16)), "differs at its write"),
        (lambda run, node: setattr(node.threads[1], "minstret", 1), "thread 1 RETIRED is"),
        (lambda run, node: run.array.host_inbox.append(Packet(Kind.WRITE, 0, 0, 0)), "packets came to the host"),
    ],
)
def test_every_kind_of_difference_is_told(
    change: Callable[[lockstep.GoldenRun, GoldenNode], None], what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Spoiled(lockstep.GoldenRun):
        def __init__(self, program: ArrayProgram):
            super().__init__(program)
            change(self, self.array.node(1, 0))

    monkeypatch.setattr(lockstep, "GoldenRun", Spoiled)
    difference = core.run_program("tiny", 1, 1).difference
    assert difference is not None
    assert what in difference.what
    assert difference.command == "d1 campaign core --config tiny --seed 1 --program 1"


def test_a_program_that_does_not_end_is_a_defect_of_the_program() -> None:
    program = array_program(preset("tiny"), "tiny 1 1")
    # The host starts nobody who would post what others wait for.
    stuck = dataclasses.replace(program, memory={site: b"\x6f\0\0\0" + image[4:] for site, image in program.memory.items()})
    with pytest.raises(BadProgram, match=r"limit|deadlock"):
        lockstep.GoldenRun(stuck, limit=10_000)


def test_differences_end_the_campaign_and_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    outcome = Outcome(lockstep.Difference("it differs", "so"), np.zeros(0, lockstep.RETIREMENT), 10, 10, 0.1, 0.1, 0.1)
    monkeypatch.setattr(core, "run_lockstep", lambda program, library: outcome)
    monkeypatch.setattr(core, "build", lambda config, progress=None: None)
    monkeypatch.setattr(core, "_library", lambda config: None)
    report = core.run(10**9, seed=2, configs=("tiny", "nano"), processes=1)
    assert [found.program for found in report.differences] == list(range(core.KEPT))
    assert list(report.tallies) == ["tiny"]


def test_unknown_configurations_are_refused() -> None:
    with pytest.raises(core.UnknownConfig, match=r"'huge'.*tiny"):
        core.run(10, seed=1, configs=("huge",))


def test_coverage_adds_up() -> None:
    one, other = Coverage(), Coverage()
    one.causes[Cause.BREAKPOINT] = 2
    other.causes[Cause.BREAKPOINT] = 3
    one.add(other)
    assert one.causes[Cause.BREAKPOINT] == 5
    assert "add" in one.missing_instructions
