# SPDX-License-Identifier: Apache-2.0
"""However four routers in a square are filled within a few cycles, they do not come to a halt, and what is sent arrives."""

from __future__ import annotations

import pytest

from verif.formal.circuit import Circuit
from verif.formal.unrolled import first_cycle
from verif.rtl.network.formal.mistakes import Mistake
from verif.rtl.network.formal.square import ONE_SENDER, SquareMistake, square


@pytest.fixture(scope="module")
def healthy() -> Circuit:
    return square()


@pytest.mark.parametrize("output, fill, fixed", [("stuck", 3, {}), ("miscounted", 2, ONE_SENDER)])
def test_nothing_halts_or_is_missing(healthy: Circuit, output: str, fill: int, fixed: dict[str, int]) -> None:
    answer = first_cycle(healthy, output, 9, fixed=fixed | {"fill": fill, "mistake": Mistake.NONE})
    assert answer.cycle is None, answer.run


@pytest.mark.parametrize(
    "output, mistake, fill, cycles",
    [
        ("miscounted", Mistake.COPY_LOST, 2, 7),
        ("stuck", SquareMistake.CREDIT_LEAKS, 2, 10),
        ("stuck", SquareMistake.COUPLED, 4, 10),
    ],
)
def test_planted_mistakes_are_found(healthy: Circuit, output: str, mistake: int, fill: int, cycles: int) -> None:
    answer = first_cycle(healthy, output, cycles, start=cycles - 1, fixed={"fill": fill, "mistake": mistake})
    assert answer.cycle is not None


def test_a_circle_of_turns_halts_in_as_many_cycles_as_are_proved_not_to() -> None:
    answer = first_cycle(square(turned=True), "stuck", 9, start=8, fixed={"fill": 3, "mistake": Mistake.NONE})
    assert answer.cycle is not None
