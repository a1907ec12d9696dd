# SPDX-License-Identifier: Apache-2.0
"""A granule comes from any place in a line to any other."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from rtl.network.lists.mover import GranuleMover
from verif.rtl.network.lists.descriptions import CONFIGS
from verif.rtl.simulate import Simulation


@pytest.mark.parametrize("name", CONFIGS)
def test_every_granule_goes_to_every_place(name: str) -> None:
    config = CONFIGS[name]
    words = config.line_bytes // 8
    simulation = Simulation(GranuleMover(config), clocked=False)
    mover = simulation.component
    line = bytes(range(1, config.line_bytes + 1))

    async def bench(ctx: Any) -> None:
        ctx.set(mover.line, int.from_bytes(line, "little"))
        for code in range(words.bit_length()):
            granule = 1 << code
            places = range(0, words, granule)
            for source, destination, padding in itertools.product(places, places, (0, 1)):
                ctx.set(mover.granule, code)
                ctx.set(mover.source, source)
                ctx.set(mover.destination, destination)
                ctx.set(mover.padding, padding)
                moved = ctx.get(mover.moved).to_bytes(config.line_bytes, "little")
                inside = slice(8 * destination, 8 * (destination + granule))
                expected = bytes(8 * granule) if padding else line[8 * source : 8 * (source + granule)]
                assert moved[inside] == expected
                assert ctx.get(mover.words) == (1 << granule) - 1 << destination

    simulation.run(bench)
