# SPDX-License-Identifier: Apache-2.0
"""Copies of multicasts in one router: each leaves once, whatever holds up the others; lost and doubled ones are found."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from functools import reduce
from operator import or_
from typing import Any

import pytest
from amaranth import Cat, Module

from golden.layout import GlobalAddress, Kind
from golden.router import Router as GoldenRouter
from rtl.network import router as router_module
from rtl.network.router import Router
from verif.rtl.network.flits import CONFIGS, LINKS, expected_ways
from verif.rtl.simulate import Simulation

CONFIG = CONFIGS["line16_depth3"]


def play(simulation: Simulation) -> None:
    """What was sent has to come out, with several seeds."""
    for seed in range(4):
        play_one_router(simulation, seed)


def play_one_router(simulation: Simulation, seed: int) -> None:
    """Multicasts come in at every link, go out at every link, and credits and the network interface are slow at random."""
    rng, x, y = random.Random(seed), 1, 1
    golden = GoldenRouter(CONFIG, x, y, 0b1111, 0)
    flits = {}
    for number in range(12):
        columns, rows = (sorted(rng.choices(range(3), k=2)) for _ in range(2))
        address = GlobalAddress.rectangle(columns[0], rows[0], columns[1] - columns[0] + 1, rows[1] - rows[0] + 1)
        flits[number] = {
            "kind": Kind.WRITE,
            "x": address.x,
            "y": address.y,
            "upper": address.upper,
            "src_y": rng.choice((0, 1, 2)),
        }
    sources = {number: rng.choice(LINKS) for number in flits}
    expected = Counter(
        (number, place) for number, fields in flits.items() for place in expected_ways(fields, golden, sources[number], 0)
    )

    async def process(context: Any) -> None:
        dut = simulation.component
        seen: Counter[tuple[int, tuple[str, bool]]] = Counter()
        credits, owed = dict.fromkeys(LINKS, CONFIG.channel_depth), dict.fromkeys(LINKS, 0)
        queues = {link: [number for number in flits if sources[number] == link] for link in LINKS}
        for port, value in ((dut.x, x), (dut.y, y), (dut.links, 0b1111)):
            context.set(port, value)
        for _ in range(250):
            for link in LINKS:
                out, into = getattr(dut, f"{link}_out"), getattr(dut, f"{link}_in")
                credits[link] += context.get(into.credit) & 1
                if context.get(out.valid):
                    seen[context.get(out.flit).tag, (link, False)] += 1
                    owed[link] += 1
                returns = owed[link] > 0 and rng.random() < 0.3
                owed[link] -= returns
                context.set(out.credit, int(returns))
                sends = bool(queues[link]) and credits[link] > 0
                context.set(into.valid, int(sends))
                if sends:
                    credits[link] -= 1
                    number = queues[link].pop(0)
                    context.set(into.flit, flits[number] | {"tag": number})
            ready = rng.random() < 0.3
            context.set(dut.eject_request.ready, int(ready))
            if ready and context.get(dut.eject_request.valid):
                payload = context.get(dut.eject_request.payload)
                seen[payload.flit.tag, ("local", bool(payload.undeliverable))] += 1
            await context.tick()
        assert seen == expected, f"missing {expected - seen}, too many {seen - expected}"

    simulation.run(process)


def leaves_when_one_copy_has(self: Any, m: Module, links: Any) -> None:
    """A copy is lost: a flit counts as taken as soon as one copy has left."""
    settle_healthily(self, m, links)
    m.d.comb += self.taken.eq(reduce(or_, self.granted.values()))


def forgets_which_copies_have_left(self: Any, m: Module, links: Any) -> None:
    """A copy comes twice: what waits for its last way asks for all of them again."""
    settle_healthily(self, m, links)
    for way, wants in self.wants.items():
        arrivals = (*self.ports, None)
        m.d.comb += wants.eq(Cat(ways[way] & int(at != way) for at, ways in zip(arrivals, self.ways, strict=True)))


settle_healthily = router_module._Queue.settle


@contextmanager
def planted(mistake: Any) -> Iterator[Simulation]:
    """A router whose queues settle in that way."""
    router_module._Queue.settle = mistake  # type: ignore[method-assign]
    try:
        yield Simulation(Router(CONFIG))
    finally:
        router_module._Queue.settle = settle_healthily  # type: ignore[method-assign]


def test_a_router_delivers_each_copy_once_whatever_holds_up_the_others() -> None:
    with planted(settle_healthily) as simulation:
        play(simulation)


@pytest.mark.parametrize(
    "mistake, message", [(leaves_when_one_copy_has, "missing Counter"), (forgets_which_copies_have_left, "too many Counter")]
)
def test_lost_and_doubled_copies_are_found(mistake: Any, message: str) -> None:
    with planted(mistake) as simulation, pytest.raises(AssertionError, match=message):
        play(simulation)
