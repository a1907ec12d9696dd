# SPDX-License-Identifier: Apache-2.0
"""Multicast in a mesh: delivered once to each node of the rectangle, from anywhere, amid other traffic and stalls."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

import cocotb
from hypothesis import strategies as st

from golden.layout import GlobalAddress, Kind, Port, TrafficClass, flit_bits
from golden.topology import Topology
from rtl.array import FlatArray
from verif.bench import bench_rng, check_property, run_bench, start
from verif.rtl.network.flits import pack, unpack
from verif.rtl.network.test_mesh import COLUMNS, CONFIG, HOST, ROWS, SITES, Mesh, RouterNode

NUMBER_MASK = (1 << 64) - 1

#: A node, or the host.
Place = tuple[int, int]


def test_multicast_in_a_mesh() -> None:
    run_bench(FlatArray(CONFIG, Topology(ROWS, COLUMNS), lambda: RouterNode(CONFIG)))


@dataclass(frozen=True)
class Sending:
    """A unicast, or a multicast to the rectangle of nodes between two corners."""

    source: Place
    traffic_class: int
    first: Place
    last: Place

    @property
    def targets(self) -> list[Place]:
        if self.first == HOST:
            return [HOST]
        return [(r, c) for r in range(self.first[0], self.last[0] + 1) for c in range(self.first[1], self.last[1] + 1)]

    def fields(self) -> dict[str, int]:
        """Of its flit."""
        kind = Kind.WRITE if self.traffic_class == TrafficClass.REQUEST else Kind.READ_DATA
        row, column = max(self.source, (0, 0))
        sender = {"kind": kind, "src_x": column, "src_y": row, "src_exit": Port.WEST if self.source == HOST else Port.LOCAL}
        if self.first == HOST:
            return sender | {"x": 0, "y": 0, "exit": Port.WEST}
        rows, columns = (last - first + 1 for first, last in zip(self.first, self.last, strict=True))
        address = GlobalAddress.rectangle(self.first[1], self.first[0], columns, rows)
        return sender | {"x": address.x, "y": address.y, "upper": address.upper}


class MulticastMesh(Mesh):
    """Counts what arrives where; the same flit may arrive at several places."""

    def __init__(self, dut: Any, sendings: list[Sending], stalls: list[int]):
        super().__init__(dut, stalls)
        self.sendings = sendings
        self.seen: Counter[tuple[int, Place]] = Counter()
        self.refused: Counter[tuple[int, Place]] = Counter()
        self.expected = Counter((number, place) for number, sending in enumerate(sendings) for place in sending.targets)
        for number, sending in enumerate(sendings):
            flit = pack(CONFIG, sending.fields() | {"data": number | ~number << 64 & (1 << 128) - 1})
            self.queues[sending.source, sending.traffic_class].append(flit)

    def _arrive(self, place: Place, c: int, value: int) -> None:
        number = unpack(CONFIG, value & (1 << flit_bits(CONFIG)) - 1)["data"] & NUMBER_MASK
        assert c == self.sendings[number].traffic_class
        where = self.refused if value >> flit_bits(CONFIG) else self.seen
        where[number, place] += 1
        if not value >> flit_bits(CONFIG):
            self.order[place, c].append(number)

    async def play(self, limit: int) -> None:
        """Step until as much has arrived as was sent, and some cycles more."""
        await self.reset()
        while self.seen.total() < self.expected.total():
            assert self.cycle < limit, f"{self.expected - self.seen} did not arrive in {limit} cycles"
            await self.step()
        for _ in range(20):
            await self.step()
        assert self.seen == self.expected, f"missing {self.expected - self.seen}, too many {self.seen - self.expected}"
        assert all(self._get(f"n{row}_{column}_idle") for row, column in SITES)
        for (_, c), numbers in self.order.items():
            for source in [*SITES, HOST]:
                of_source = [number for number in numbers if self.sendings[number].source == source]
                assert of_source == sorted(of_source), f"from {source} out of order in class {c}"


places = st.integers(0, len(SITES))


@st.composite
def sendings(draw: st.DrawFn) -> Sending:
    """Half of them multicasts; the host sends nothing to itself."""
    everywhere = [*SITES, HOST]
    source = everywhere[draw(places)]
    if draw(st.booleans()):
        first = draw(st.sampled_from(SITES))
        last = draw(st.sampled_from([site for site in SITES if site[0] >= first[0] and site[1] >= first[1]]))
        return Sending(source, TrafficClass.REQUEST, first, last)
    target = draw(st.sampled_from([place for place in everywhere if (place, source) != (HOST, HOST)]))
    return Sending(source, draw(st.integers(0, 1)), target, target)


@cocotb.test()
async def each_node_of_the_rectangle_gets_it_once_amid_other_traffic(dut: Any) -> None:
    await start(dut)

    async def check(flits: list[Sending], stalls: list[int]) -> None:
        mesh = MulticastMesh(dut, flits, [*stalls, 0])
        await mesh.play(limit=200 + 60 * mesh.expected.total())

    await check_property(
        check, max_examples=12, flits=st.lists(sendings(), max_size=40), stalls=st.lists(st.integers(0, 1023), max_size=6)
    )


@cocotb.test()
async def full_load_of_multicasts_drains(dut: Any) -> None:
    """Every place sends as much as it can, so that buffers are full: if copies could wait for each other, they would."""
    await start(dut)
    rng = bench_rng()
    everywhere, flits = [*SITES, HOST], []
    for _ in range(200):
        rows, columns = (sorted(int(each) for each in rng.integers(0, 3, 2)) for _ in range(2))
        first, last = (rows[0], columns[0]), (rows[1], columns[1])
        if rng.integers(3) == 0:
            last = first
        flits.append(Sending(everywhere[rng.integers(10)], TrafficClass.REQUEST, first, last))
    mesh = MulticastMesh(dut, flits, [0, *(int(rng.integers(1024)) for _ in range(7))])
    await mesh.play(limit=8000)


@cocotb.test()
async def copies_take_one_cycle_per_hop(dut: Any) -> None:
    await start(dut)
    for source in [*SITES, HOST]:
        mesh = Timed(dut, [Sending(source, TrafficClass.REQUEST, (0, 0), (ROWS - 1, COLUMNS - 1))], [0])
        await mesh.play(limit=40)
        (entered,) = mesh.entered.values()
        for row, column in SITES:
            hops = abs(row - source[0]) + abs(column - source[1])
            assert mesh.times[row, column] - entered == hops + (source != HOST), (source, row, column)


class Timed(MulticastMesh):
    """Notes when its only flit arrives."""

    def __init__(self, dut: Any, sendings: list[Sending], stalls: list[int]):
        super().__init__(dut, sendings, stalls)
        self.times: dict[Place, int] = {}

    def _arrive(self, place: Place, c: int, value: int) -> None:
        super()._arrive(place, c, value)
        self.times[place] = self.cycle


@cocotb.test()
async def what_lies_beyond_the_edge_is_refused_there_and_the_rest_is_delivered(dut: Any) -> None:
    await start(dut)
    for source in [*SITES, HOST]:
        for first, last in (
            ((1, 1), (ROWS, COLUMNS)),
            ((0, 0), (0, COLUMNS + 4)),
            ((2, 0), (ROWS + 2, 1)),
            ((1, COLUMNS), (1, 9)),
        ):
            mesh = MulticastMesh(dut, [Sending(source, TrafficClass.REQUEST, first, last)], [0])
            mesh.expected = Counter({it: n for it, n in mesh.expected.items() if it[1] in SITES})
            await mesh.play(limit=60)
            for _ in range(10):
                await mesh.step()
            # Copies go east in the sender's row, and south in each column.
            row = max(source[0], 0)
            edge = {(row, COLUMNS - 1)} if last[1] >= COLUMNS else set()
            if last[0] >= ROWS:
                edge |= {(ROWS - 1, column) for column in range(first[1], min(last[1] + 1, COLUMNS))}
            assert mesh.refused == Counter((0, place) for place in edge), (source, first, last)
