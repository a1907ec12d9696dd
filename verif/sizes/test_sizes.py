# SPDX-License-Identifier: Apache-2.0
"""Some sizes of the core run programs in lock-step with the golden node; ``d1 campaign sizes`` does the same with all of them."""

from __future__ import annotations

import random
from typing import Any

import pytest

from scripts.simulator import SimulatedArray
from verif.bench import bench_seed
from verif.rtl.node import lockstep
from verif.rtl.node.lockstep import ArrayProgram
from verif.sizes.execution import Difference, compare, hazard_programs, random_programs
from verif.sizes.grid import Size, covering
from verif.sizes.measure import simulator

#: An odd number of decoders, fewer than a thread issues; one decoder for all that four threads issue.
_ODD = (Size(1, 32, 3, 4), Size(4, 16, 1, 4))

#: Another one of those in which all pairs of values occur, by the seed.
_DRAWN = random.Random(bench_seed()).choice([size for size in covering() if size not in _ODD])


@pytest.mark.rtl
@pytest.mark.parametrize("size", (*_ODD, _DRAWN), ids=str)
def test_a_size_does_what_the_golden_node_does(size: Size) -> None:
    programs = [*random_programs(size.config, 4, bench_seed()), *hazard_programs(size.config)]
    assert compare(simulator(size), programs) > 10_000


@pytest.mark.rtl
def test_a_word_that_only_one_of_the_two_executes_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    size = _ODD[0]
    ((name, program),) = hazard_programs(size.config, ("transposes",))
    library = simulator(size)
    assert compare(library, [(name, program)]) > 0
    load = lockstep._load

    def load_wrongly(array: Any, program: ArrayProgram) -> None:
        load(array, program)
        if isinstance(array, SimulatedArray):
            array.poke(0, 0, 0, (0x13).to_bytes(4, "little"))

    monkeypatch.setattr(lockstep, "_load", load_wrongly)
    with pytest.raises(Difference, match=r"hazards of transposes, part 0: .*differs at its instruction 0"):
        compare(library, [(name, program)])
