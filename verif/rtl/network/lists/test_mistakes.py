# SPDX-License-Identifier: Apache-2.0
"""The comparison of the engine of lists with the model finds mistakes planted in the engine."""

from __future__ import annotations

from typing import Any

import pytest

from golden.list_descriptor import Dimension, ListDescriptor
from verif.golden.list_bench import DESTINATION, SOURCE, address
from verif.rtl.network.lists.engine_bench import CONFIG, PART, Bench, Start, differences
from verif.rtl.network.lists.mistakes import Mistake, MistakenListEngine
from verif.rtl.simulate import Simulation

SIMULATION = Simulation(MistakenListEngine(CONFIG))


def moving(number: int, source: int, destination: int, part: int = 0) -> ListDescriptor:
    """Three rows of three granules and two of padding, with posts of their own."""
    return ListDescriptor(
        16,
        address(source, SOURCE + 0x80 * number + part),
        address(destination, DESTINATION + number * PART + part),
        (Dimension(5, 16, 32, 0, 3), Dimension(3, 64, 16)),
        post_source=2 * number,
        post_destination=2 * number + 1,
    )


#: A push and a pull of one descriptor, and of two.
STARTS = [
    Start(moving(0, 0, 1), 0),
    Start(moving(1, 1, 0), 1),
    Start(moving(2, 0, 1), None, moving(2, 0, 1, 0x80)),
    Start(moving(3, 1, 0), None, moving(3, 1, 0, 0x80)),
]


@pytest.mark.parametrize("mistake", Mistake, ids=lambda mistake: mistake.name)
def test_mistakes_planted_in_the_engine_are_found(mistake: Mistake) -> None:
    # What it sends waits for a while, and so does what comes.
    bench = Bench(STARTS, [True], [False, False, True], [False, False, False, False, True])

    async def process(ctx: Any) -> None:
        ctx.set(SIMULATION.component.mistake, mistake)
        await bench.run(ctx, SIMULATION.component)

    try:
        SIMULATION.run(process)
        found = differences(bench)
    except AssertionError as error:
        found = [str(error)]
    assert bool(found) == (mistake is not Mistake.NONE), found
