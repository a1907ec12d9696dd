# SPDX-License-Identifier: Apache-2.0
"""Parts of an array that long links join go on by themselves for a while: nothing that can be seen depends on who has which part,
nor the cycle in which a run ends, nor a byte of a checkpoint."""

from __future__ import annotations

import functools
import pickle
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, seed, settings
from hypothesis import strategies as st

from golden.layout import ThreadRegister, thread_offset
from golden.topology import Topology
from scripts.simulator import SimulatedArray, SimulatorLibrary
from verif.bench import bench_seed
from verif.scripts import ranked_scenario
from verif.scripts.ranked_scenario import CONFIG, WINDOWS
from verif.scripts.standin import job
from verif.scripts.test_ranked import needs_mpi, together

START = thread_offset(0, ThreadRegister.PC)

SCENARIOS = {"whole": ranked_scenario.shows, "stops": ranked_scenario.stops}


@pytest.fixture(scope="module")
def library(standin: SimulatorLibrary, tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("windows") / "library"
    file.write_bytes(pickle.dumps(standin))
    return file


@functools.cache
def alone(library: Path, name: str, what: str, threads: int = 1) -> tuple[dict[str, Any], bytes]:
    """What a scenario shows in one process, and its checkpoint."""
    file = library.parent / f"{name} {what} {threads}.d1c"
    shown = ranked_scenario.in_one_process(pickle.loads(library.read_bytes()), name, file, SCENARIOS[what], threads)
    return shown, file.read_bytes()


@pytest.mark.parametrize("what", SCENARIOS)
@pytest.mark.parametrize("name", WINDOWS)
def test_threads_change_nothing(library: Path, name: str, what: str) -> None:
    expected, saved = alone(library, name, what)
    if what == "stops":
        assert {end[0] for end in expected["ends"] if isinstance(end, list)} >= {"ended", "limit", "deadlock"}
    # With two and four, dies are dealt out as wholes where that gives windows; with three, that would not be fair.
    for threads in (2, 3, 4):
        shown, also_saved = alone(library, name, what, threads)
        assert shown == expected
        assert also_saved == saved


@needs_mpi
@pytest.mark.parametrize(
    "ranks, threads, what, cycles", [(2, 1, "stops", (2, 3, 4, 7, 20)), (2, 2, "whole", (4, 20)), (4, 1, "stops", (3, 20))]
)
def test_processes_change_nothing(
    library: Path, tmp_path: Path, ranks: int, threads: int, what: str, cycles: tuple[int, ...]
) -> None:
    names = [f"links of {each}" for each in cycles]
    shown = together(ranks, library, ",".join(names), threads, tmp_path, what)
    for name in names:
        expected, saved = alone(library, name, what)
        assert shown[name] == expected
        assert (tmp_path / f"{name}.d1c").read_bytes() == saved


def test_runs_end_in_the_same_cycle_whatever_they_are_made_of(standin: SimulatorLibrary) -> None:
    sites = st.tuples(st.integers(0, 3), st.integers(0, 1))
    steps = st.one_of(
        st.tuples(st.just("run"), st.integers(1, 60)),
        st.tuples(st.just("job"), sites, st.integers(1, 90), st.none() | sites),
        st.tuples(st.just("read"), sites, st.integers(1, 200)),
        st.tuples(st.just("rest")),
    )

    def cycles_of(topology: Topology, threads: int, todo: list[tuple[Any, ...]]) -> list[Any]:
        seen: list[Any] = []
        with SimulatedArray(CONFIG, topology=topology, library=standin, threads=threads) as array:
            array.trace()
            for what, *arguments in todo:
                if what == "run":
                    seen.append(array.run(*arguments))
                elif what == "job":
                    (x, y), instructions, target = arguments
                    array.write_register(x, y, START, job(instructions, send_to=target))
                elif what == "read":
                    (x, y), length = arguments
                    seen.append(array.read(x, y, 0, length))
                else:
                    seen.append(array.run())
                seen.append((array.cycle, array.node_cycles, array.hops))
            seen.append(array.retirements().tobytes())
        return seen

    @seed(bench_seed())
    @settings(max_examples=25, deadline=None, database=None)
    @given(st.integers(2, 30), st.lists(steps, min_size=2, max_size=12))
    def check(cycles: int, todo: list[tuple[Any, ...]]) -> None:
        topology = Topology(2, 4, die_columns=2, die_link_cycles=cycles)
        assert cycles_of(topology, 2, todo) == cycles_of(topology, 1, todo)

    check()
