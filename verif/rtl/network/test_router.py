# SPDX-License-Identifier: Apache-2.0
"""The router: nothing lost, doubled, changed or out of order; one cycle per hop; full rate; fair; quiet when idle."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import cocotb
import pytest
from cocotb.triggers import FallingEdge, ReadOnly
from hypothesis import strategies as st

from golden.config import CONTROL_PAGE_OFFSET, NodeConfig
from golden.layout import (
    LINK_PORTS,
    ROUTE_BLOCK,
    ROUTE_CONTROL,
    ROUTE_ENABLE,
    ROUTE_FAR,
    Port,
    TrafficClass,
    route_place,
)
from golden.router import Router as GoldenRouter
from rtl.network.router import Router
from verif.bench import bench_parameters, bench_rng, check_property, run_bench, start
from verif.formal.netlist import combinational_inputs, registered_outputs
from verif.rtl.network.flits import CLASSES, CONFIGS, LINKS, NARROW_CONFIGS, expected_ways, kind_of, pack, payload_of

X, Y, ALL_LINKS = 0x0AB, 0x123, 0b1111
INPUTS = (*LINKS, "local")


@pytest.mark.parametrize("name", CONFIGS)
def test_router(name: str) -> None:
    run_bench(Router(CONFIGS[name]), parameters={"config": name})


@pytest.mark.parametrize("name", CONFIGS)
def test_link_outputs_come_straight_from_flip_flops(name: str) -> None:
    wanted = {f"{link}_{port}" for link in LINKS for port in ("out__valid", "out__flit", "in__credit")}
    assert wanted <= registered_outputs(Router(CONFIGS[name]))


@pytest.mark.parametrize("name", CONFIGS)
def test_what_the_network_interface_takes_reaches_no_output_in_the_same_cycle(name: str) -> None:
    taken = {f"eject_{c}__ready" for c in CLASSES}
    assert not {output for output, inputs in combinational_inputs(Router(CONFIGS[name])).items() if inputs & taken}


def config_under_test() -> NodeConfig:
    return (CONFIGS | NARROW_CONFIGS)[bench_parameters()["config"]]


# ---------------------------------------------------------------------------------------------------------------------
# Driving and watching
# ---------------------------------------------------------------------------------------------------------------------


@dataclass
class Sent:
    """A flit on its way: where and when it went in, and what it holds."""

    source: str
    traffic_class: int
    fields: dict[str, int]
    cycle: int = -1


@dataclass
class Seen:
    """A flit that came out: by which port, in which cycle, and its bits."""

    port: str
    traffic_class: int
    undeliverable: bool
    value: int
    cycle: int


class Surroundings:
    """Four neighbours and a network interface around the router, cycle by cycle.

    Parameters
    ----------
    dut
        The router's handle.
    schedule
        Per (input, class), what to send: pairs of idle cycles before it and the flit. A link carries one flit per cycle, the
        classes take turns.
    hold
        Per (output, class), for each flit that arrives there, cycles until its credit goes back (links) or until it is taken
        (network interface); the sequence repeats.
    routes
        Entries of the routing table by destination; the table is enabled if there are any.
    """

    def __init__(
        self,
        dut: Any,
        schedule: Mapping[tuple[str, int], Sequence[tuple[int, Sent]]],
        hold: Mapping[tuple[str, int], Sequence[int]] | None = None,
        links: int = ALL_LINKS,
        routes: Mapping[tuple[int, int], int] | None = None,
        edges: int = ALL_LINKS,
    ):
        self.dut = dut
        self.config = config_under_test()
        self.hold = hold or {}
        self.links, self.edges = links, edges
        self.golden = GoldenRouter(self.config, X, Y, links, edges)
        self._prepare_routes(routes or {})
        self.queues = {key: deque(flits) for key, flits in schedule.items()}
        self.gap = {key: flits[0][0] if flits else 0 for key, flits in schedule.items()}
        self.credits = {(link, c): self.config.channel_depth for link in LINKS for c in range(2)}
        self.owed: dict[tuple[str, int], list[int]] = {(link, c): [] for link in LINKS for c in range(2)}
        self.eject_wait = {c: -1 for c in range(2)}
        self.arrivals = {(port, c): 0 for port in INPUTS for c in range(2)}
        self.sent: list[Sent] = []
        self.copies = 0
        self.seen: list[Seen] = []
        self.cycle = 0
        self.turn = 0
        self.quiet: tuple[int, ...] | None = None

    async def reset(self) -> None:
        dut = self.dut
        dut.rst.value = 1
        dut.x.value, dut.y.value, dut.links.value, dut.edges.value = X, Y, self.links, self.edges
        for link in LINKS:
            getattr(dut, f"{link}_in__valid").value = 0
            getattr(dut, f"{link}_out__credit").value = 0
        for c in CLASSES:
            getattr(dut, f"inject_{c}__valid").value = 0
            getattr(dut, f"eject_{c}__ready").value = 0
        dut.routes__write.value = 0
        await FallingEdge(dut.clk)
        dut.rst.value = 0
        dut.routes__write.value = int(bool(self.registers))
        for register, value in self.registers.items():
            dut.routes__register.value, dut.routes__write_data.value = register // 8, value
            await FallingEdge(dut.clk)
        dut.routes__write.value = 0

    def _prepare_routes(self, routes: Mapping[tuple[int, int], int]) -> None:
        """What is to be written into the table, which reset leaves as it is, so that it is enabled and has these entries."""
        low = (1 << self.config.route_bits) - 1
        self.registers: dict[int, int] = {}
        if routes:
            self.registers = dict.fromkeys(range(ROUTE_BLOCK, ROUTE_FAR, 8), 0) | {ROUTE_CONTROL: ROUTE_ENABLE}
        for (x, y), entry in routes.items():
            offset, position = route_place(x & low, y & low)
            self.registers[offset - CONTROL_PAGE_OFFSET] |= entry << position
        for register, value in self.registers.items():
            self.golden.routes.write(register, value)

    def expected(self, sent: Sent) -> list[tuple[str, bool]]:
        """Where the copies of a flit must come out, and whether they are undeliverable there."""
        return expected_ways(sent.fields, self.golden, sent.source, sent.traffic_class)

    def _delay(self, port: str, c: int) -> int:
        delays = self.hold.get((port, c)) or (0,)
        count = self.arrivals[port, c]
        self.arrivals[port, c] += 1
        return delays[count % len(delays)]

    def _pop(self, key: tuple[str, int]) -> Sent:
        _, flit = self.queues[key].popleft()
        flit.cycle = self.cycle
        self.sent.append(flit)
        self.copies += len(self.expected(flit))
        self.gap[key] = self.queues[key][0][0] if self.queues[key] else 0
        return flit

    async def step(self) -> None:
        """One cycle: look at link outputs, set inputs, see what the local streams do, go on to the next falling edge."""
        dut = self.dut
        boundary = []
        for link in LINKS:
            valid = payload_of(getattr(dut, f"{link}_out__valid"))
            returned = payload_of(getattr(dut, f"{link}_in__credit"))
            boundary += [valid, returned]
            assert valid != 3, f"two classes at once on {link}"
            for c in range(2):
                if returned >> c & 1:
                    self.credits[link, c] += 1
                    assert self.credits[link, c] <= self.config.channel_depth, f"{link} returned a credit too many"
                if valid >> c & 1:
                    value = payload_of(getattr(dut, f"{link}_out__flit"))
                    self.seen.append(Seen(link, c, False, value, self.cycle))
                    self.owed[link, c].append(self.cycle + self._delay(link, c))
                    assert len(self.owed[link, c]) <= self.config.channel_depth, f"{link} sent without a credit"
            credit = 0
            for c in range(2):
                # A neighbour's credit is a register, so it comes a cycle after the flit at the earliest.
                if self.owed[link, c] and self.owed[link, c][0] < self.cycle:
                    self.owed[link, c].pop(0)
                    credit |= 1 << c
            getattr(dut, f"{link}_out__credit").value = credit

        offered = 0
        for key in self.queues:
            self.gap[key] = max(0, self.gap[key] - 1)
        for link in LINKS:
            valid = 0
            for c in ((0, 1), (1, 0))[self.cycle % 2]:
                key = (link, c)
                if not valid and self.queues.get(key) and not self.gap[key] and self.credits[key]:
                    self.credits[key] -= 1
                    getattr(dut, f"{link}_in__flit").value = pack(self.config, self._pop(key).fields)
                    valid = 1 << c
            getattr(dut, f"{link}_in__valid").value = valid
            offered |= valid
        offers = {}
        for c, name in enumerate(CLASSES):
            key = ("local", c)
            offers[c] = bool(self.queues.get(key)) and not self.gap[key]
            getattr(dut, f"inject_{name}__valid").value = int(offers[c])
            if offers[c]:
                getattr(dut, f"inject_{name}__payload").value = pack(self.config, self.queues[key][0][1].fields)
            full = payload_of(getattr(dut, f"eject_{name}__valid"))
            boundary.append(full)
            if full and self.eject_wait[c] < 0:
                self.eject_wait[c] = self._delay("local", c)
                value = payload_of(getattr(dut, f"eject_{name}__payload"))
                flit_bits = len(getattr(dut, f"eject_{name}__payload")) - 1
                undeliverable = bool(value >> flit_bits)
                self.seen.append(Seen("local", c, undeliverable, value & ((1 << flit_bits) - 1), self.cycle))
            ready = full and not self.eject_wait[c]
            getattr(dut, f"eject_{name}__ready").value = int(ready)
            if full:
                self.eject_wait[c] -= 1

        await ReadOnly()
        if self.quiet is not None:
            assert self.quiet == tuple(boundary), "the router changed although it was not busy"
        self.quiet = None if payload_of(dut.busy) else tuple(boundary)
        if offered or any(offers.values()):
            assert payload_of(dut.busy), "the router is not busy although flits come in"
        taken = [c for c, name in enumerate(CLASSES) if offers[c] and payload_of(getattr(dut, f"inject_{name}__ready"))]
        await FallingEdge(dut.clk)
        for c in taken:
            self._pop(("local", c))
        self.cycle += 1

    @property
    def waiting(self) -> int:
        """Flits that were not seen yet, or not taken by the network interface, and credits that were not given back."""
        held = sum(wait >= 0 for wait in self.eject_wait.values())
        unseen = sum(map(len, self.queues.values())) + self.copies - len(self.seen)
        return unseen + held + sum(map(len, self.owed.values()))

    async def run(self, limit: int) -> None:
        """Step until everything arrived, and three cycles more; ``limit`` is for links that carry a flit per cycle."""
        if self.config.link_passes > 1:
            limit = (limit + 10) * self.config.link_passes
        await self.reset()
        while self.waiting and self.cycle < limit:
            await self.step()
        assert not self.waiting, f"after {limit} cycles {self.waiting} flits or credits are still under way"
        for _ in range(3):
            await self.step()
        assert not payload_of(self.dut.busy), "everything arrived and the router is still busy"

    def check(self) -> None:
        """Everything sent was seen once at each port that it must leave by, unchanged, in order per input and class."""
        expected = {(flit.traffic_class, pack(self.config, flit.fields)): (flit, self.expected(flit)) for flit in self.sent}
        position: dict[tuple[str, int, str], int] = {}
        order = {id(flit): number for number, flit in enumerate(self.sent)}
        assert len(self.seen) == self.copies
        for seen in self.seen:
            sent, places = expected[seen.traffic_class, seen.value]
            assert (seen.port, seen.undeliverable) in places, f"{sent} came out as {seen}, or came twice"
            places.remove((seen.port, seen.undeliverable))
            key = (sent.source, sent.traffic_class, seen.port)
            # Of a multicast two copies may go to the network interface.
            assert position.get(key, -1) <= order[id(sent)], f"{sent} was overtaken"
            position[key] = order[id(sent)]
        assert not any(places for _, places in expected.values())


def toward(port: str, number: int, c: int, config: NodeConfig, *, exit_port: int = Port.LOCAL) -> dict[str, int]:
    """A flit that this router must send to ``port``; ``number`` makes it unique, and its payload is full of ones and zeros."""
    x = X + {"east": 1, "west": -1}.get(port, 0)
    y = Y + {"south": 1, "north": -1}.get(port, 0)
    line = (1 << 8 * config.line_bytes) - 1
    return {
        "kind": kind_of(c, number),
        "x": x,
        "y": y,
        "exit": exit_port,
        "offset": number & 0x1FFFFF,
        "src_x": number * 7 & 0x1FFF,
        "tag": number & 0xFF,
        "mask": number * 0x1234567 & ((1 << config.line_bytes) - 1),
        "data": (line // 0xFFFF * (number * 40503 & 0xFFFF)) ^ number,
    }


def flit(source: str, c: int, port: str, number: int, **more: int) -> Sent:
    return Sent(source, c, toward(port, number, c, config_under_test(), **more))


# ---------------------------------------------------------------------------------------------------------------------
# Properties
# ---------------------------------------------------------------------------------------------------------------------


@cocotb.test()
async def every_flit_leaves_once_unchanged_in_order_by_the_right_port(dut: Any) -> None:
    await start(dut)
    # Of every second request, an extent makes a multicast.
    destinations = st.fixed_dictionaries(
        {
            "x": st.sampled_from((X, X - 1, X + 1)),
            "y": st.sampled_from((Y, Y - 1, Y + 1)),
            "exit": st.sampled_from((*range(8), 0, 0, 0, 0)),
            "upper": st.sampled_from((0, *(columns | rows << 7 for rows in range(3) for columns in range(3)), 127 | 127 << 7)),
            "src_y": st.sampled_from((Y, Y - 1, Y + 1)),
        }
    )
    traffic = st.lists(
        st.tuples(st.sampled_from(INPUTS), st.integers(0, 1), st.sampled_from((0, 0, 0, 1, 5)), destinations), max_size=60
    )
    holds = st.dictionaries(
        st.tuples(st.sampled_from(INPUTS), st.integers(0, 1)),
        st.lists(st.sampled_from((0, 0, 1, 3, 12)), min_size=1, max_size=4),
        max_size=10,
    )

    routes = st.dictionaries(
        st.tuples(*(st.sampled_from((middle, middle - 1, middle + 1)) for middle in (X, Y))), st.integers(1, 7), max_size=6
    )

    async def check(traffic: list[Any], holds: Any, links: int, edges: int, routes: Any) -> None:
        schedule: dict[tuple[str, int], list[tuple[int, Sent]]] = {}
        for number, (source, c, gap, destination) in enumerate(traffic):
            sent = Sent(source, c, toward("local", number, c, config_under_test()) | destination)
            schedule.setdefault((source, c), []).append((gap, sent))
        surroundings = Surroundings(dut, schedule, holds, links, routes, edges)
        await surroundings.run(limit=40 + 100 * len(traffic))
        surroundings.check()

    masks = st.integers(0, 15).map(lambda n: 15 - n)
    await check_property(check, max_examples=120, traffic=traffic, holds=holds, links=masks, edges=masks, routes=routes)


@cocotb.test()
async def an_unloaded_hop_takes_one_cycle_from_every_input_to_every_output(dut: Any) -> None:
    await start(dut)
    for source in INPUTS:
        for c in range(2):
            for target in INPUTS:
                surroundings = Surroundings(dut, {(source, c): [(0, flit(source, c, target, 5))]})
                await surroundings.run(limit=10)
                surroundings.check()
                assert surroundings.seen[0].cycle == surroundings.sent[0].cycle + 1, (source, c, target)


@cocotb.test()
async def a_flit_leaves_by_the_link_of_its_exit_but_never_turns_back_or_goes_to_another_node(dut: Any) -> None:
    await start(dut)
    for source in INPUTS:
        for bit, (link, port) in enumerate(zip(LINKS, LINK_PORTS, strict=True)):
            for leads_out in (True, False):
                edges = 1 << bit if leads_out else ALL_LINKS ^ 1 << bit
                schedule = {(source, 0): [(0, flit(source, 0, "local", 9, exit_port=port))]}
                surroundings = Surroundings(dut, schedule, edges=edges)
                await surroundings.run(limit=10)
                surroundings.check()
                leaves = leads_out and source != link
                assert surroundings.seen[0].port == (link if leaves else "local")
                assert surroundings.seen[0].undeliverable != leaves


@cocotb.test()
async def links_stream_one_flit_per_cycle(dut: Any) -> None:
    await start(dut)
    count = 40
    ways = {"north": "south", "south": "north", "east": "west", "west": "east"}
    for c in range(2):
        schedule = {(a, c): [(0, flit(a, c, b, 1000 * i + n)) for n in range(count)] for i, (a, b) in enumerate(ways.items())}
        schedule["local", 1 - c] = [(0, flit("local", 1 - c, "local", n)) for n in range(count)]
        surroundings = Surroundings(dut, schedule)
        await surroundings.run(limit=count + 10)
        surroundings.check()
        for port in INPUTS:
            cycles = [seen.cycle for seen in surroundings.seen if seen.port == port]
            assert cycles == list(range(cycles[0], cycles[0] + count)), port


@cocotb.test()
async def all_inputs_keep_one_link_full_and_take_turns(dut: Any) -> None:
    await start(dut)
    count = 24
    inputs = [source for source in INPUTS if source != "east"]
    for c in range(2):
        schedule = {
            (source, c): [(0, flit(source, c, "east", 100 * i + n)) for n in range(count)] for i, source in enumerate(inputs)
        }
        surroundings = Surroundings(dut, schedule)
        await surroundings.run(limit=len(inputs) * count + 20)
        surroundings.check()
        cycles = [seen.cycle for seen in surroundings.seen]
        assert cycles == list(range(cycles[0], cycles[0] + len(inputs) * count))
        numbers = [seen.value for seen in surroundings.seen]
        origin = {pack(surroundings.config, sent.fields): sent.source for sent in surroundings.sent}
        for first in range(0, len(numbers), len(inputs)):
            assert {origin[value] for value in numbers[first : first + len(inputs)]} == set(inputs)


@cocotb.test()
async def a_class_without_credits_does_not_hold_up_the_other(dut: Any) -> None:
    await start(dut)
    count, never = 30, 1000
    for c in range(2):
        schedule = {("west", k): [(0, flit("west", k, "east", 100 * k + n)) for n in range(count)] for k in range(2)}
        surroundings = Surroundings(dut, schedule, hold={("east", c): [never]})
        await surroundings.reset()
        for _ in range((2 * count + 12) * surroundings.config.link_passes):
            await surroundings.step()
        through = [sum(seen.traffic_class == k for seen in surroundings.seen) for k in range(2)]
        assert through[1 - c] == count
        assert through[c] == surroundings.config.channel_depth


@cocotb.test()
async def nobody_starves_when_credits_come_slowly(dut: Any) -> None:
    """Two inputs want a link in a class whose credits come every few cycles, and the other class fills the rest."""
    await start(dut)
    count = 20
    for period in (1, 2, 3, 5):
        schedule = {("north", 0): [(0, flit("north", 0, "east", n)) for n in range(count)],
                    ("south", 0): [(0, flit("south", 0, "east", 100 + n)) for n in range(count)],
                    ("west", 1): [(0, flit("west", 1, "east", 200 + n)) for n in range(8 * count)]}  # fmt: skip
        surroundings = Surroundings(dut, schedule, hold={("east", 0): [period]})
        await surroundings.reset()
        for _ in range(6 * count):
            await surroundings.step()
        origin = {pack(surroundings.config, sent.fields): sent.source for sent in surroundings.sent}
        sources = [origin[seen.value] for seen in surroundings.seen]
        for source in ("north", "south", "west"):
            assert sources.count(source) >= count // 2, (period, sources)


@cocotb.test()
async def random_traffic_at_full_load_arrives_complete(dut: Any) -> None:
    await start(dut)
    rng = bench_rng()
    schedule: dict[tuple[str, int], list[tuple[int, Sent]]] = {}
    for number in range(600):
        source, c, target = INPUTS[rng.integers(5)], int(rng.integers(2)), INPUTS[rng.integers(5)]
        schedule.setdefault((source, c), []).append((0, flit(source, c, target, number)))
    surroundings = Surroundings(dut, schedule, {(port, c): [0, 0, 1, int(rng.integers(4))] for port in INPUTS for c in range(2)})
    await surroundings.run(limit=2000)
    surroundings.check()


def test_classes_are_those_of_the_layout() -> None:
    assert CLASSES == ("request", "response")
    assert [TrafficClass.REQUEST, TrafficClass.RESPONSE] == [0, 1]
