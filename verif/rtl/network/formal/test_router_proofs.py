# SPDX-License-Identifier: Apache-2.0
"""In every run of a few cycles a router loses, doubles, changes and misleads nothing, and does with a mistake planted in it.

Shallow, to fit the suite; ``d1 campaign routers`` goes deeper, for flits of all inputs.
"""

from __future__ import annotations

import pytest

from golden.layout import Port
from verif.formal.circuit import Circuit
from verif.formal.unrolled import first_cycle, first_cycles
from verif.rtl.network.formal.mistakes import Mistake
from verif.rtl.network.formal.one_router import CHECKS, LONGEST_WAIT, TESTS, mistaken_router

#: Flits are followed that come by the south link as requests; links to the north and west lead out of the array.
SETTING = {"port": Port.SOUTH, "traffic_class": 0, "links": 0b1111, "edges": 0b1001}
CYCLES = 6

#: By mistake: which check finds it, and in how many cycles.
FOUND_BY = {
    Mistake.CREDIT_LEAKS: ("stuck", 8),
    Mistake.CREDIT_COUNTS_TWICE: ("overrun", 6),
    Mistake.CREDIT_IS_KEPT: ("credit_lost", 4),
    Mistake.CREDIT_IS_MADE: ("credit_made", 4),
    Mistake.CLASSES_SWAPPED: ("wrong_way", 4),
    Mistake.FLIT_DROPPED: ("lost", 5),
    Mistake.FLIT_DOUBLED: ("twice", 5),
    Mistake.FLIT_CHANGED: ("changed", 4),
    Mistake.FLIT_OVERTAKEN: ("overtaken", 6),
    Mistake.COPY_LOST: ("lost", 6),
    Mistake.COPY_DOUBLED: ("twice", 5),
    Mistake.UNFAIR: ("starved", LONGEST_WAIT + 3),
    Mistake.REFUSED: ("wrong_way", 4),
}


@pytest.fixture(scope="module")
def circuit() -> Circuit:
    return mistaken_router()


def test_no_check_fails_and_each_is_put_to_the_test(circuit: Circuit) -> None:
    fixed = SETTING | {"mistake": Mistake.NONE}
    for name, answer in first_cycles(circuit, CHECKS, CYCLES, fixed=fixed).items():
        assert answer.cycle is None, f"{name} in cycle {answer.cycle}: {answer.run}"
    reached = {name: answer.cycle for name, answer in first_cycles(circuit, TESTS, LONGEST_WAIT + 1, fixed=fixed).items()}
    assert reached.pop("waited") == LONGEST_WAIT
    assert all(cycle is not None and cycle < CYCLES for cycle in reached.values()), reached


@pytest.mark.parametrize("mistake", FOUND_BY, ids=lambda mistake: mistake.name)
def test_planted_mistakes_are_found(circuit: Circuit, mistake: Mistake) -> None:
    check, cycles = FOUND_BY[mistake]
    answer = first_cycle(circuit, check, cycles, start=cycles - 1, fixed=SETTING | {"mistake": mistake})
    assert answer.cycle is not None, f"{check} does not find that {mistake.name}"
