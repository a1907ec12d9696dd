# SPDX-License-Identifier: Apache-2.0
"""Routers that lose a link: what waits for it is undeliverable, once; and the register that remembers links that have gone."""

from __future__ import annotations

from typing import Any

import pytest
from amaranth.sim import Simulator

from golden.config import NodeConfig
from golden.layout import Kind, Port, TrafficClass
from rtl.core.link_watch import LinkWatch
from rtl.network.narrow_router import NarrowRouter
from rtl.network.router import Router
from verif.rtl.network.flits import CONFIGS, NARROW_CONFIGS, pack, phits, unpack

WIDE, NARROW = CONFIGS["line16_depth3"].replace(route_bits=0), NARROW_CONFIGS["line16_depth3_passes4"].replace(route_bits=0)

_ALL, _NO_EAST, _NO_SOUTH = 0b1111, 0b1101, 0b1011
_SIDES = ("north", "east", "south", "west")


class Links:
    """A router at x = 1, y = 1 whose neighbours take what comes and give no credits back.

    Members
    -------
    left : list of (side, flit) and of ("undeliverable" or "delivered", flit)
    """

    def __init__(self, context: Any, router: Any, config: NodeConfig):
        self.context, self.router, self.config = context, router, config
        self.left: list[tuple[str, dict[str, int]]] = []
        self._coming: dict[str, list[int]] = {side: [] for side in _SIDES}
        context.set(router.x, 1)
        context.set(router.y, 1)
        context.set(router.links, _ALL)
        context.set(router.edges, _ALL)
        for c in ("request", "response"):
            context.set(getattr(router, f"eject_{c}").ready, 1)

    async def step(self, cycles: int = 1) -> None:
        for _ in range(cycles):
            for c in ("request", "response"):
                eject = getattr(self.router, f"eject_{c}")
                if self.context.get(eject.valid):
                    flit = unpack(self.config, self.context.get(eject.payload.flit.as_value()))
                    undeliverable = self.context.get(eject.payload.undeliverable)
                    self.left.append(("undeliverable" if undeliverable else "delivered", flit))
            for side in _SIDES:
                out = getattr(self.router, f"{side}_out")
                if self.context.get(out.valid):
                    coming = self._coming[side]
                    coming.append(self.context.get(_value(out.flit)))
                    if len(coming) == self.config.link_passes:
                        bits = len(_value(out.flit))
                        self.left.append((side, unpack(self.config, sum(phit << n * bits for n, phit in enumerate(coming)))))
                        coming.clear()
            await self.context.tick()

    async def send(self, side: str, c: TrafficClass, **fields: int) -> None:
        link = getattr(self.router, f"{side}_in")
        flit = pack(self.config, fields)
        for phit in phits(self.config, flit) if self.config.link_passes > 1 else [flit]:
            self.context.set(link.valid, 1 << c)
            self.context.set(_value(link.flit), phit)
            await self.step()
        self.context.set(link.valid, 0)


def _value(flit: Any) -> Any:
    return flit.as_value() if hasattr(flit, "as_value") else flit


def simulate(narrow: bool, bench: Any) -> None:
    config = NARROW if narrow else WIDE
    router = (NarrowRouter if narrow else Router)(config)
    simulator = Simulator(router)
    simulator.add_clock(1e-6)

    async def process(context: Any) -> None:
        await bench(Links(context, router, config))

    simulator.add_testbench(process)
    simulator.run()


@pytest.mark.parametrize("narrow", [False, True])
@pytest.mark.parametrize("c", TrafficClass)
def test_what_waits_for_a_link_that_goes_away_is_undeliverable(narrow: bool, c: TrafficClass) -> None:
    kind = Kind.READ if c == TrafficClass.REQUEST else Kind.READ_DATA

    async def bench(links: Links) -> None:
        # As many as there are credits for leave; two more wait, of which one came by another link.
        count = links.config.channel_depth
        for tag in range(count + 1):
            await links.send("west", c, kind=kind, x=2, y=1, tag=tag)
        await links.send("south", c, kind=kind, x=2, y=1, tag=count + 1)
        await links.step(40)
        assert [(side, flit["tag"]) for side, flit in links.left] == [("east", tag) for tag in range(count)]
        links.left.clear()
        links.context.set(links.router.links, _NO_EAST)
        await links.send("north", c, kind=kind, x=2, y=1, tag=99)
        await links.step(60)
        assert sorted((side, flit["tag"]) for side, flit in links.left) == [
            ("undeliverable", tag) for tag in (count, count + 1, 99)
        ]
        assert not links.context.get(links.router.busy)

    simulate(narrow, bench)


@pytest.mark.parametrize("narrow", [False, True])
def test_of_a_multicast_only_copies_that_have_not_left_are_undeliverable(narrow: bool) -> None:
    async def bench(links: Links) -> None:
        for tag in range(links.config.channel_depth):
            await links.send("north", TrafficClass.REQUEST, kind=Kind.READ, x=1, y=1, exit=Port.EAST, tag=tag)
        await links.step(20)
        links.left.clear()
        # To columns 1 and 2 in rows 1 and 2: here, to the south, and to the east, where it has to wait.
        await links.send("west", TrafficClass.REQUEST, kind=Kind.WRITE, x=1, y=1, upper=1 | 1 << 7, src_x=0, src_y=1, tag=50)
        await links.step(40)
        assert sorted(side for side, _ in links.left) == ["delivered", "south"]
        # A copy that has left is not missed.
        links.context.set(links.router.links, _NO_SOUTH)
        await links.step(40)
        assert sorted(side for side, _ in links.left) == ["delivered", "south"]
        links.context.set(links.router.links, _NO_SOUTH & _NO_EAST)
        await links.step(40)
        assert sorted(side for side, _ in links.left) == ["delivered", "south", "undeliverable"]
        assert not links.context.get(links.router.busy)

    simulate(narrow, bench)


@pytest.mark.parametrize("narrow", [False, True])
def test_a_multicast_of_which_copies_cannot_go_on_one_after_the_other_is_done_with(narrow: bool) -> None:
    async def bench(links: Links) -> None:
        for tag in range(links.config.channel_depth):
            await links.send("north", TrafficClass.REQUEST, kind=Kind.READ, x=1, y=1, exit=Port.EAST, tag=tag)
        links.context.set(links.router.links, _NO_SOUTH)
        await links.step(20)
        links.left.clear()
        await links.send("west", TrafficClass.REQUEST, kind=Kind.WRITE, x=1, y=1, upper=1 | 1 << 7, src_x=0, src_y=1, tag=50)
        await links.step(40)
        assert sorted(side for side, _ in links.left) == ["delivered", "undeliverable"]
        links.context.set(links.router.links, _NO_SOUTH & _NO_EAST)
        await links.step(40)
        # The narrow router tells it once more.
        assert sorted(side for side, _ in links.left) == ["delivered", "undeliverable"] + ["undeliverable"] * narrow
        assert not links.context.get(links.router.busy)

    simulate(narrow, bench)


def test_links_that_have_gone_are_remembered_until_they_are_to_be_forgotten() -> None:
    watch = LinkWatch()

    async def bench(context: Any) -> None:
        def drive(links: int, clear: int = 0) -> None:
            context.set(watch.links, links)
            context.set(watch.clear, clear)

        drive(0b1011)
        assert context.get(watch.busy)
        await context.tick()
        assert (context.get(watch.busy), context.get(watch.lost)) == (0, 0)
        drive(0b1001)
        assert context.get(watch.busy)
        for _ in range(3):
            await context.tick()
            assert (context.get(watch.busy), context.get(watch.lost)) == (0, 0b0010)
        # What goes in the cycle of the strobe is not forgotten.
        drive(0b1000, clear=1)
        await context.tick()
        drive(0b1000)
        assert context.get(watch.lost) == 0b0001
        drive(0b1000, clear=1)
        await context.tick()
        assert context.get(watch.lost) == 0

    simulator = Simulator(watch)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()
