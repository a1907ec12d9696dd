# SPDX-License-Identifier: Apache-2.0
"""A mesh of routers: everything arrives once, in order per pair, each hop in its cycles, under any load and any stalls."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import cocotb
import pytest
from amaranth import Module, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from cocotb.triggers import FallingEdge, ReadOnly
from hypothesis import strategies as st

from golden.config import NodeConfig
from golden.layout import COORDINATE_BITS, Port, flit_bits
from golden.topology import Topology
from rtl.array import FlatArray
from rtl.network.router import Router
from verif.bench import bench_parameters, bench_rng, check_property, run_bench, start
from verif.rtl.network.flits import CLASSES, CONFIGS, LINKS, kind_of, pack, unpack

ROWS, COLUMNS = 3, 3
CONFIG = CONFIGS["line16_depth3"]
TOPOLOGIES = {
    "one die": Topology(ROWS, COLUMNS),
    "dies": Topology(ROWS, COLUMNS, die_rows=2, die_columns=2, die_link_cycles=4),
}
SITES = [(row, column) for row in range(ROWS) for column in range(COLUMNS)]
HOST = (0, -1)

#: Source, target, class of a flit.
Transfer = tuple[tuple[int, int], tuple[int, int], int]


class RouterNode(wiring.Component):
    """A router with the boundary of a node; its network interface is the bench."""

    def __init__(self, config: NodeConfig, make: Callable[[NodeConfig], Any] = Router):
        self.config = config
        self._make = make
        bits = flit_bits(config)
        members = {"x": In(COORDINATE_BITS), "y": In(COORDINATE_BITS), "links": In(4), "edges": In(4), "idle": Out(1)}
        for link in LINKS:
            members |= {f"{link}_out_valid": Out(2), f"{link}_out_flit": Out(bits), f"{link}_out_credit": In(2)}
            members |= {f"{link}_in_valid": In(2), f"{link}_in_flit": In(bits), f"{link}_in_credit": Out(2)}
        for c in CLASSES:
            members |= {f"inject_{c}_valid": In(1), f"inject_{c}_payload": In(bits), f"inject_{c}_ready": Out(1)}
            members |= {f"eject_{c}_valid": Out(1), f"eject_{c}_payload": Out(bits + 1), f"eject_{c}_ready": In(1)}
        super().__init__(members)

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.submodules.router = router = self._make(self.config)
        inputs = [(getattr(router, name), getattr(self, name)) for name in ("x", "y", "links", "edges")]
        outputs = [(self.idle, ~router.busy)]
        for link in LINKS:
            out, into = getattr(router, f"{link}_out"), getattr(router, f"{link}_in")
            for name in ("valid", "flit"):
                outputs.append((getattr(self, f"{link}_out_{name}"), Value.cast(getattr(out, name))))
                inputs.append((Value.cast(getattr(into, name)), getattr(self, f"{link}_in_{name}")))
            inputs.append((out.credit, getattr(self, f"{link}_out_credit")))
            outputs.append((getattr(self, f"{link}_in_credit"), into.credit))
        for c in CLASSES:
            inject, eject = getattr(router, f"inject_{c}"), getattr(router, f"eject_{c}")
            inputs.append((inject.valid, getattr(self, f"inject_{c}_valid")))
            inputs.append((Value.cast(inject.payload), getattr(self, f"inject_{c}_payload")))
            inputs.append((eject.ready, getattr(self, f"eject_{c}_ready")))
            outputs.append((getattr(self, f"inject_{c}_ready"), inject.ready))
            outputs.append((getattr(self, f"eject_{c}_valid"), eject.valid))
            outputs.append((getattr(self, f"eject_{c}_payload"), Value.cast(eject.payload)))
        m.d.comb += [target.eq(source) for target, source in (*inputs, *outputs)]
        return m


@pytest.mark.parametrize("name", TOPOLOGIES)
def test_mesh(name: str) -> None:
    run_bench(FlatArray(CONFIG, TOPOLOGIES[name], lambda: RouterNode(CONFIG)), parameters={"topology": name})


class Mesh:
    """Sends flits from nodes and from the host, and collects them where they come out.

    ``stalls`` repeats: for each cycle a number whose bits hold up the sites' network interfaces, and the host in the highest bit.
    """

    def __init__(self, dut: Any, stalls: Sequence[int] = (0,)):
        self.dut = dut
        self.stalls = stalls or (0,)
        self.cycle = 0
        places = [*SITES, HOST]
        self.queues: dict[tuple[tuple[int, int], int], deque[int]] = {(p, c): deque() for p in places for c in range(2)}
        self.driven: dict[str, int] = {}
        self.entered: dict[int, int] = {}
        self.arrived: dict[int, tuple[tuple[int, int], int, int]] = {}
        self.order: dict[tuple[tuple[int, int], int], list[int]] = {(p, c): [] for p in places for c in range(2)}
        self.credits = [CONFIG.channel_depth] * 2
        self.debt = [0, 0]

    def _set(self, name: str, value: int) -> None:
        if self.driven.get(name) != value:
            self.driven[name] = value
            getattr(self.dut, name).value = value

    def _get(self, name: str) -> int:
        return int(getattr(self.dut, name).value)

    async def reset(self) -> None:
        self._set("rst", 1)
        for name in ("host_in_valid", "host_out_credit"):
            self._set(name, 0)
        for row, column in SITES:
            for c in CLASSES:
                self._set(f"n{row}_{column}_inject_{c}_valid", 0)
                self._set(f"n{row}_{column}_eject_{c}_ready", 0)
        await FallingEdge(self.dut.clk)
        self._set("rst", 0)

    def send(self, number: int, source: tuple[int, int], target: tuple[int, int], c: int) -> None:
        """Queue a flit; its number goes with it."""
        row, column = (0, 0) if target == HOST else target
        fields = {"kind": kind_of(c, number), "x": column, "y": row, "exit": Port.WEST if target == HOST else Port.LOCAL}
        self.queues[source, c].append(pack(CONFIG, fields | {"data": number | ~number << 64 & (1 << 128) - 1}))

    def _arrive(self, place: tuple[int, int], c: int, value: int) -> None:
        assert not value >> flit_bits(CONFIG), "undeliverable"
        number = unpack(CONFIG, value)["data"] & (1 << 64) - 1
        assert number not in self.arrived, "a flit came twice"
        self.arrived[number] = (place, c, self.cycle)
        self.order[place, c].append(number)

    def _enter(self, place: tuple[int, int], c: int) -> None:
        self.entered[unpack(CONFIG, self.queues[place, c].popleft())["data"] & (1 << 64) - 1] = self.cycle

    async def step(self) -> None:
        stall = self.stalls[self.cycle % len(self.stalls)]
        valid, returned = self._get("host_out_valid"), self._get("host_in_credit")
        spent = next((c for c in ((0, 1), (1, 0))[self.cycle & 1] if self.queues[HOST, c] and self.credits[c]), None)
        credit = 0
        for c in range(2):
            self.credits[c] += returned >> c & 1
            if self.debt[c] and not stall >> len(SITES) & 1:
                credit |= 1 << c
                self.debt[c] -= 1
            if valid >> c & 1:
                self._arrive(HOST, c, self._get("host_out_flit"))
                self.debt[c] += 1
        self._set("host_out_credit", credit)
        self._set("host_in_valid", 0 if spent is None else 1 << spent)
        if spent is not None:
            self.credits[spent] -= 1
            self._set("host_in_flit", self.queues[HOST, spent][0])
            self._enter(HOST, spent)
        for i, (row, column) in enumerate(SITES):
            for c, name in enumerate(CLASSES):
                queue = self.queues[(row, column), c]
                self._set(f"n{row}_{column}_inject_{name}_valid", int(bool(queue)))
                if queue:
                    self._set(f"n{row}_{column}_inject_{name}_payload", queue[0])
                self._set(f"n{row}_{column}_eject_{name}_ready", ~stall >> i & 1)
        await ReadOnly()
        for i, (row, column) in enumerate(SITES):
            for c, name in enumerate(CLASSES):
                if self.queues[(row, column), c] and self._get(f"n{row}_{column}_inject_{name}_ready"):
                    self._enter((row, column), c)
                if not stall >> i & 1 and self._get(f"n{row}_{column}_eject_{name}_valid"):
                    self._arrive((row, column), c, self._get(f"n{row}_{column}_eject_{name}_payload"))
        await FallingEdge(self.dut.clk)
        self.cycle += 1

    async def run(self, count: int, limit: int) -> None:
        """Step until ``count`` flits arrived, and until every node is idle."""
        while len(self.arrived) < count:
            assert self.cycle < limit, f"{count - len(self.arrived)} of {count} flits did not arrive in {limit} cycles"
            await self.step()
        for _ in range(4):
            await self.step()
        assert all(self._get(f"n{row}_{column}_idle") for row, column in SITES)


def flight(source: tuple[int, int], target: tuple[int, int]) -> int:
    """Cycles of the links between two places, of which the host is one link to the west of node (0, 0)."""
    topology, cycles = TOPOLOGIES[bench_parameters()["topology"]], 0
    for place, there, die in zip(source, target, (topology.die_rows or ROWS, topology.die_columns or COLUMNS), strict=True):
        crossings = abs(max(place, 0) // die - max(there, 0) // die)
        cycles += abs(place - there) + crossings * (topology.die_link_cycles - 1)
    return cycles


@cocotb.test()
async def every_hop_takes_the_cycles_of_its_link_between_all_pairs(dut: Any) -> None:
    await start(dut)
    for c in range(2):
        for source in [*SITES, HOST]:
            mesh = Mesh(dut)
            await mesh.reset()
            for number, target in enumerate([*SITES, HOST]):
                if source == target == HOST:
                    continue
                mesh.send(number, source, target, c)
                before = mesh.cycle
                while number not in mesh.arrived:
                    await mesh.step()
                    assert mesh.cycle < before + 40
                place, seen_class, cycle = mesh.arrived[number]
                assert (place, seen_class) == (target, c)
                # A node's flit takes one cycle to its first link, the host's is on a link as it enters; a node takes one
                # from the last link, the host sees it there.
                expected = flight(source, target) + (source != HOST) - (target == HOST)
                assert cycle - mesh.entered[number] == expected, (source, target)


@cocotb.test()
async def random_traffic_arrives_complete_and_in_order_per_pair(dut: Any) -> None:
    await start(dut)
    places = [*SITES, HOST]

    async def check(flits: list[tuple[int, int, int]], stalls: list[int]) -> None:
        mesh = Mesh(dut, [*stalls, 0])
        await mesh.reset()
        await play(mesh, without_turning_back((places[a], places[b], c) for a, b, c in flits), limit=200 + 20 * len(flits))

    flits = st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9), st.integers(0, 1)), max_size=80)
    await check_property(check, max_examples=20, flits=flits, stalls=st.lists(st.integers(0, 1023), max_size=6))


@cocotb.test()
async def full_load_drains(dut: Any) -> None:
    await start(dut)
    rng = bench_rng()
    places = [*SITES, HOST]
    mesh = Mesh(dut, [0, 0, *(int(rng.integers(1024)) for _ in range(13))])
    await mesh.reset()
    await play(
        mesh,
        without_turning_back((places[rng.integers(10)], places[rng.integers(10)], int(rng.integers(2))) for _ in range(1500)),
        limit=3000,
    )


def without_turning_back(flits: Iterable[Transfer]) -> list[Transfer]:
    """Transfers but for those from the host to itself, which would leave by the link that they came by."""
    return [flit for flit in flits if flit[:2] != (HOST, HOST)]


async def play(mesh: Mesh, flits: list[Transfer], limit: int) -> None:
    for number, (source, target, c) in enumerate(flits):
        mesh.send(number, source, target, c)
    await mesh.run(len(flits), limit)
    for number, (_, target, c) in enumerate(flits):
        assert mesh.arrived[number][:2] == (target, c)
    for (target, c), numbers in mesh.order.items():
        for source in [*SITES, HOST]:
            of_pair = [number for number in numbers if flits[number] == (source, target, c)]
            assert of_pair == sorted(of_pair), f"from {source} to {target} out of order"
