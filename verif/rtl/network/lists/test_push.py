# SPDX-License-Identifier: Apache-2.0
"""Pushes send what the model sends, packet for packet, whatever waits; lists take turns, at full rate."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from golden.config import NodeConfig, preset
from golden.layout import LIST_BLOCK, LIST_DESCRIPTOR_BYTES, ListRegister
from golden.list_descriptor import Dimension, End, ListDescriptor
from golden.node import GoldenNode
from golden.packet import Packet
from rtl.network.lists.push import PushEngine
from verif.rtl.network.lists.descriptions import CONFIGS, X, Y, description_of, here, pushes, stretched
from verif.rtl.simulate import Simulation, property_settings

_FIELDS = ("x", "y", "exit", "upper", "offset")


def contents(config: NodeConfig) -> bytes:
    """SRAM in which no two granules are alike."""
    return b"".join(((i * 0x9E3779B97F4A7C15 + 1) % (1 << 64)).to_bytes(8, "little") for i in range(config.sram_bytes // 8))


@dataclass
class Sent:
    """What a list sends: packets as (fields, posted semaphore, mask, data), and where it fails."""

    packets: list[tuple[tuple[int, ...], int | None, int, int]] = field(default_factory=list)
    failed_at: int | None = None


def of_the_model(config: NodeConfig, sram: bytes, descriptor: ListDescriptor) -> Sent:
    """The same of the golden node."""
    sent = Sent()

    def take(node: GoldenNode, packet: Packet) -> None:
        fields = tuple(int(getattr(packet, name)) for name in _FIELDS)
        data = int.from_bytes(packet.data, "little")
        sent.packets.append((fields, packet.sem if packet.post else None, packet.mask, data))

    node = GoldenNode(config, X, Y, transport=take)
    node.sram[:] = sram
    # The descriptor is where the list's own data may be as well: the node has read it when the first granule is.
    node.sram[:LIST_DESCRIPTOR_BYTES] = descriptor.pack()
    assert node.lists.start(0, None)
    node.lists.run(1)
    node.sram[:LIST_DESCRIPTOR_BYTES] = sram[:LIST_DESCRIPTOR_BYTES]
    node.run(100_000)
    assert not node.lists.busy
    if node.read_register(LIST_BLOCK + ListRegister.FAILURE):
        sent.failed_at = node.read_register(LIST_BLOCK + ListRegister.ADDRESS)
    return sent


@dataclass
class Bench:
    """Drives the engine: lists one after the other in each place, and what waits when.

    Parameters
    ----------
    lists : list of lists of ListDescriptor
        Of each place.
    grants, readies : list of bool
        Whether SRAM grants, and the router takes, cycle by cycle, over and over; at least every eighth time they do.
    """

    config: NodeConfig
    lists: list[list[ListDescriptor]]
    grants: list[bool] = field(default_factory=lambda: [True])
    readies: list[bool] = field(default_factory=lambda: [True])
    stops: dict[int, int] = field(default_factory=dict)
    sent: list[list[Sent]] = field(default_factory=list)
    order: list[int] = field(default_factory=list)
    packet_cycles: list[int] = field(default_factory=list)
    load_cycles: list[int] = field(default_factory=list)

    async def run(self, ctx: Any, engine: Any, sram: bytes, limit: int = 3000) -> None:
        """Run to the end."""
        line = self.config.line_bytes
        self.sent = [[] for _ in self.lists]
        waiting = [list(lists) for lists in self.lists]
        under_way: list[ListDescriptor | None] = [None] * len(self.lists)
        granted: int | None = None
        ctx.set(engine.x, X)
        ctx.set(engine.y, Y)
        for cycle in range(limit):
            sending = ctx.get(engine.sending)
            place = next((p for p, lists in enumerate(waiting) if lists and under_way[p] is None and not sending >> p & 1), None)
            ctx.set(engine.load, place is not None)
            if place is not None:
                descriptor = under_way[place] = waiting[place].pop(0)
                ctx.set(engine.load_starter, len(self.sent[place]))
                self.sent[place].append(Sent())
                self.load_cycles.append(cycle)
                ctx.set(engine.load_place, place)
                ctx.set(engine.load_description, description_of(descriptor))
            stopped = self.stops.get(cycle)
            ctx.set(engine.stop, 0 if stopped is None else 1 << stopped)
            data = (1 << 8 * line) - 1 if granted is None else int.from_bytes(sram[granted : granted + line], "little")
            ctx.set(engine.read.data, data)
            asks = ctx.get(engine.read.req)
            grant = bool(asks) and (self.grants[cycle % len(self.grants)] or cycle % 8 == 0)
            ctx.set(engine.read.grant, grant)
            granted = ctx.get(engine.read.address) * line if grant else None
            assert not asks or ctx.get(engine.read.address) * line < len(sram)
            ready = self.readies[cycle % len(self.readies)] or cycle % 8 == 1
            ctx.set(engine.packets.ready, ready)
            if ready and ctx.get(engine.packets.valid):
                self.packet_cycles.append(cycle)
                self._note(ctx, engine)
            assert ctx.get(engine.done) <= (ready and ctx.get(engine.packets.valid))
            if ctx.get(engine.packets.valid):
                assert ctx.get(engine.sending) >> ctx.get(engine.packets.payload.place) & 1
            if ctx.get(engine.done):
                under_way[ctx.get(engine.done_place)] = None
            if ctx.get(engine.failed):
                place = ctx.get(engine.failed_place)
                at = ctx.get(engine.failed_at)
                self.sent[place][-1].failed_at = int(End(at.x, at.y, at.exit, at.upper, at.offset))
                under_way[place] = None
            if stopped is not None:
                under_way[stopped] = None
            if not any(waiting) and not any(under_way) and not ctx.get(engine.busy):
                return
            await ctx.tick()
        raise AssertionError("the lists did not end")

    def _note(self, ctx: Any, engine: Any) -> None:
        packet = ctx.get(engine.packets.payload)
        self.order.append(packet.place)
        fields = tuple(packet.destination[name] for name in _FIELDS)
        sent = self.sent[packet.place][packet.starter]
        sent.packets.append((fields, packet.sem if packet.post else None, packet.mask, packet.data))


flows = st.lists(st.booleans(), min_size=1, max_size=7)


@pytest.mark.parametrize("name", CONFIGS)
def test_lists_send_what_the_model_sends(name: str) -> None:
    config = CONFIGS[name]
    sram = contents(config)
    simulation = Simulation(PushEngine(config))
    places = st.lists(st.lists(pushes(config, 24) | stretched(config), max_size=2), min_size=1, max_size=min(4, config.lists))

    @property_settings(16)
    @given(places, flows, flows)
    def check(lists: list[list[ListDescriptor]], grants: list[bool], readies: list[bool]) -> None:
        bench = Bench(config, lists, grants, readies)

        async def run(ctx: Any) -> None:
            await bench.run(ctx, simulation.component, sram)

        simulation.run(run)
        for descriptors, sent in zip(lists, bench.sent, strict=True):
            assert sent == [of_the_model(config, sram, descriptor) for descriptor in descriptors]

    check()


def block(config: NodeConfig, place: int, packets: int) -> ListDescriptor:
    """Whole lines one after the other."""
    line = config.line_bytes
    return ListDescriptor(line, here(place * line), place << 21, (Dimension(packets, line, line),))


def run(config: NodeConfig, lists: list[list[ListDescriptor]], **flow: Any) -> Bench:
    """The bench after a run of these lists."""
    bench = Bench(config, lists, **flow)
    simulation = Simulation(PushEngine(config))

    async def process(ctx: Any) -> None:
        await bench.run(ctx, simulation.component, contents(config))

    simulation.run(process)
    return bench


@pytest.mark.parametrize("name", CONFIGS)
def test_lines_leave_one_per_cycle_two_cycles_behind_their_reads(name: str) -> None:
    config = CONFIGS[name]
    bench = run(config, [[block(config, 0, 20)]])
    assert bench.packet_cycles == list(range(bench.load_cycles[0] + 3, bench.load_cycles[0] + 23))


@pytest.mark.parametrize("lists", [2, 4, 8])
def test_lists_take_turns_without_a_gap(lists: int) -> None:
    config = preset("tiny").replace(lists=lists)
    bench = run(config, [[block(config, place, 20)] for place in range(lists)])
    begin = bench.order.index(lists - 1)
    cycles = bench.packet_cycles[begin:]
    assert cycles == list(range(cycles[0], cycles[0] + len(cycles)))
    together = bench.order[begin : begin + 10 * lists]
    assert together == together[:lists] * 10
    assert sorted(together[:lists]) == list(range(lists))


def test_lists_wait_for_each_other_one_packet_at_most_however_long_packets_take() -> None:
    config = CONFIGS["line64"]
    slow = ListDescriptor(8, here(0), 1 << 21, (Dimension(8, 192, 8), Dimension(6, 8, 64)))
    bench = run(config, [[block(config, 0, 6)], [slow], [block(config, 2, 6)]], grants=[True, False, True])
    first = bench.order.index(1)
    shared = bench.order[first : first + 12]
    assert shared in ([1, 2, 0] * 4, [1, 0, 2] * 4)


@pytest.mark.parametrize("granule", [8, 16])
def test_small_granules_are_read_one_per_cycle(granule: int) -> None:
    config = CONFIGS["line64"]
    in_a_line = 64 // granule
    rows = ListDescriptor(granule, here(0), 0, (Dimension(in_a_line, 192, granule), Dimension(10, granule, 64)))
    bench = run(config, [[rows]])
    start = bench.load_cycles[0] + 2
    assert bench.packet_cycles == [start + in_a_line * (i + 1) for i in range(10)]


def test_padding_needs_no_read() -> None:
    config = CONFIGS["line64"]
    zeros = ListDescriptor(64, here(0), 0, (Dimension(10, 0, 64, end=0),))
    bench = run(config, [[zeros]], grants=[False])
    assert bench.packet_cycles == list(range(bench.load_cycles[0] + 3, bench.load_cycles[0] + 13))


LINE64 = CONFIGS["line64"]


@pytest.mark.parametrize(
    "granule, source, destination, dimension",
    [
        (8, 0, 0, Dimension(20, 8, 0)),
        (16, 0, 0, Dimension(9, 64, 0)),
        (8, LINE64.sram_bytes - 24, 0, Dimension(4, 8, 8)),
        (64, LINE64.sram_bytes - 64, 0, Dimension(2, 64, 64)),
        (64, 64, 0, Dimension(3, -64, 64)),
        (32, 0, (1 << 21) - 64, Dimension(3, 32, 32)),
        (32, 0, 32, Dimension(3, 32, -32)),
        (8, 0, 0, Dimension(9, 8, 24, 2, 5)),
    ],
)
def test_lists_at_an_edge_do_what_the_model_does(granule: int, source: int, destination: int, dimension: Dimension) -> None:
    descriptor = ListDescriptor(granule, here(source), 5 << 21 | destination, (dimension,), post_source=3, post_destination=4)
    assert run(LINE64, [[descriptor]]).sent == [[of_the_model(LINE64, contents(LINE64), descriptor)]]


def test_a_list_that_is_stopped_leaves_the_others_as_they_were() -> None:
    config = LINE64
    slow = [ListDescriptor(8, here(0), (1 + i) << 21, (Dimension(8, 192, 8), Dimension(6, 8, 64))) for i in range(2)]
    whole = [of_the_model(config, contents(config), descriptor) for descriptor in slow]
    for stop in range(2, 40, 5):
        bench = run_stopped(config, slow, stop)
        assert bench.sent[1] == [whole[1]]
        assert bench.sent[0][0].packets == whole[0].packets[: len(bench.sent[0][0].packets)]
    assert len(bench.sent[0][0].packets) > 1


_STOPPED = Simulation(PushEngine(CONFIGS["line64"]))


def run_stopped(config: NodeConfig, lists: list[ListDescriptor], stop: int) -> Bench:
    """A run in which the list of place 0 is stopped in that cycle."""
    bench = Bench(config, [[descriptor] for descriptor in lists], stops={stop: 0})

    async def process(ctx: Any) -> None:
        await bench.run(ctx, _STOPPED.component, contents(config))

    _STOPPED.run(process)
    return bench


def test_a_node_without_lists_pushes_nothing() -> None:
    with pytest.raises(ValueError, match="lists = 0: pushing needs at least 2"):
        PushEngine(preset("small"))
