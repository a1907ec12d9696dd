# SPDX-License-Identifier: Apache-2.0
"""The engine of lists does what the model does, whatever waits and however late answers come; failures reach who started them."""

from __future__ import annotations

import dataclasses
from collections import deque
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from golden.config import preset
from golden.layout import LIST_BLOCK, LIST_DESCRIPTOR_BYTES, LIST_START, LIST_STRIDE, Kind, ListCause, ListRegister
from golden.list_descriptor import Dimension, End, ListDescriptor
from golden.mesh import GoldenArray
from golden.node import GoldenNode
from golden.packet import Packet
from rtl.network.lists.engine import ListEngine
from verif.golden.list_bench import DESTINATION, LISTS, SIZE, SOURCE, address, described, noise
from verif.golden.list_oracle import patterns
from verif.rtl.simulate import Simulation, property_settings

CONFIG = preset("tiny").replace(lists=4)
LINE = CONFIG.line_bytes
PART = SIZE // 8


@dataclass(frozen=True)
class Start:
    """A list, and the thread that starts it; None for a packet."""

    descriptor: ListDescriptor
    thread: int | None = None


def filled(array: GoldenArray | list[GoldenNode], starts: list[Start]) -> None:
    """Put sources, destinations and descriptors into two nodes; the second one is only another end."""
    for x in range(2):
        sram = (array[x] if isinstance(array, list) else array.node(x, 0)).sram
        sram[SOURCE : SOURCE + SIZE] = noise(SIZE, x)
        sram[DESTINATION : DESTINATION + SIZE] = noise(SIZE, x + 2)
        if x == 0:
            for number, begun in enumerate(starts):
                offset = LISTS + number * LIST_DESCRIPTOR_BYTES
                sram[offset : offset + LIST_DESCRIPTOR_BYTES] = begun.descriptor.pack()


@dataclass
class Bench:
    """The engine as node x=0 of two: SRAM and semaphores are those of golden nodes, which also serve what it sends.

    ``grants``, ``takes`` and ``answers`` say cycle by cycle, over and over, whether SRAM grants, the router takes a request and
    a post is taken, and a response comes; at least every eighth time they do.
    """

    starts: list[Start]
    grants: list[bool]
    takes: list[bool]
    answers: list[bool]
    nodes: list[GoldenNode] = field(default_factory=list)
    errors: list[tuple[int, int]] = field(default_factory=list)
    coming: deque[Packet] = field(default_factory=deque)
    refused: int = 0
    offered: bool = False

    def __post_init__(self) -> None:
        def answer(node: GoldenNode, packet: Packet) -> None:
            self.coming.append(packet)

        self.nodes = [GoldenNode(CONFIG.replace(lists=0), x, transport=answer) for x in range(2)]
        filled(self.nodes, self.starts)

    async def run(self, ctx: Any, engine: Any, limit: int = 4000) -> None:
        """Start the lists one after the other, and run until all is over."""
        waiting = deque(enumerate(self.starts))
        sram = self.nodes[0].sram
        read: int | None = None
        room = False
        for cycle in range(limit):
            grants, takes, answers = (
                flow[cycle % len(flow)] or cycle % 8 == phase
                for phase, flow in enumerate((self.grants, self.takes, self.answers))
            )
            left = len(waiting)
            started = self._start(ctx, engine, waiting, room)
            room = bool(ctx.get(engine.room)) and not started
            self._respond(ctx, engine, answers)
            ctx.set(engine.read.data, 0x5A5A if read is None else int.from_bytes(sram[read : read + LINE], "little"))
            ctx.set(engine.requests.ready, takes)
            ctx.set(engine.posts.ready, takes)
            ctx.set(engine.read.grant, grants and ctx.get(engine.read.req))
            ctx.set(engine.write.grant, grants and ctx.get(engine.write.req))
            read = ctx.get(engine.read.address) * LINE if ctx.get(engine.read.req) and grants else None
            if ctx.get(engine.posts.valid) and takes:
                self.nodes[0].post(ctx.get(engine.posts.payload), 1)
            if ctx.get(engine.error):
                self.errors.append((ctx.get(engine.error_thread), ctx.get(engine.error_at)))
            if ctx.get(engine.requests.valid) and takes:
                self._serve(ctx.get(engine.requests.payload))
            written = ctx.get(engine.write.req) and grants
            if written:
                self._write(ctx, engine)
            accepted = ctx.get(engine.responses.valid) and ctx.get(engine.responses.ready)
            if not (left or self.coming or ctx.get(engine.busy)):
                return
            await ctx.tick()
            if accepted:
                self.coming.popleft()
                self.offered = False
        raise AssertionError("the lists did not end")

    def _start(self, ctx: Any, engine: Any, waiting: deque[tuple[int, Start]], room: bool) -> bool:
        """Start the next list if there is room; returns whether it did."""
        ctx.set(engine.start, 0)
        ctx.set(engine.registers.write, 0)
        if not (waiting and room):
            return False
        number, begun = waiting.popleft()
        offset = LISTS + number * LIST_DESCRIPTOR_BYTES
        if begun.thread is None:
            ctx.set(engine.registers.register, LIST_START // 8)
            ctx.set(engine.registers.write_data, offset)
            ctx.set(engine.registers.write, 1)
        else:
            ctx.set(engine.start_thread, begun.thread)
            ctx.set(engine.start_offset, offset)
            ctx.set(engine.start, 1)
        return True

    def _respond(self, ctx: Any, engine: Any, answers: bool) -> None:
        """Offer the oldest response; once offered it stays."""
        self.offered = bool(self.coming) and (answers or self.offered)
        ctx.set(engine.responses.valid, self.offered)
        if self.offered:
            packet = self.coming[0]
            fields = ("offset", "upper", "src_x", "src_y", "src_exit", "tag", "sem")
            values = {name: int(getattr(packet, name)) for name in fields} | {"kind": int(packet.kind)}
            ctx.set(engine.responses.payload, values | {"data": int.from_bytes(packet.data, "little")})

    def _serve(self, flit: Any) -> None:
        names = ("x", "y", "offset", "exit", "src_x", "src_y", "src_exit", "tag", "sem", "mask", "upper")
        fields = {name: flit[name] for name in names}
        packet = Packet(Kind(flit.kind), post=bool(flit.post), data=flit.data.to_bytes(LINE, "little"), **fields)
        if (packet.x, packet.y) in ((0, 0), (1, 0)):
            self.nodes[packet.x].deliver(packet)
        else:
            self.nodes[0].refuse(packet)
            self.refused += 1

    def _write(self, ctx: Any, engine: Any) -> None:
        start, data = ctx.get(engine.write.address) * LINE, ctx.get(engine.write.data).to_bytes(LINE, "little")
        for i in range(LINE):
            if ctx.get(engine.write.mask) >> i & 1:
                self.nodes[0].sram[start + i] = data[i]


SIMULATION = Simulation(ListEngine(CONFIG))


def executed(bench: Bench) -> Bench:
    async def process(ctx: Any) -> None:
        await bench.run(ctx, SIMULATION.component)

    SIMULATION.run(process)
    return bench


def of_the_model(starts: list[Start]) -> GoldenArray:
    array = GoldenArray(CONFIG, 1, 2)
    filled(array, starts)
    for number, begun in enumerate(starts):
        assert array.node(0, 0).lists.start(LISTS + number * LIST_DESCRIPTOR_BYTES, begun.thread)
        array.run(100_000)
    return array


flows = st.lists(st.booleans(), min_size=1, max_size=7)
threads = st.none() | st.integers(0, CONFIG.threads - 1)


@st.composite
def lists(draw: st.DrawFn, number: int) -> Start:
    """A push or a pull into a part of memory of its own."""
    here, there = draw(st.sampled_from([(0, 0), (0, 1), (1, 0)]))
    pattern = draw(patterns(LINE, PART, 20))
    descriptor = described(pattern, address(here, SOURCE), address(there, DESTINATION + number * PART))
    return Start(dataclasses.replace(descriptor, post_source=number % 8, post_destination=(number + 1) % 8), draw(threads))


@property_settings(15)
@given(st.integers(1, 7).flatmap(lambda count: st.tuples(*(lists(number) for number in range(count)))), flows, flows, flows)
def test_lists_do_what_the_model_says(
    starts: tuple[Start, ...], grants: list[bool], takes: list[bool], answers: list[bool]
) -> None:
    bench = executed(Bench(list(starts), grants, takes, answers))
    array = of_the_model(list(starts))
    for x, node in enumerate(bench.nodes):
        assert node.sram == array.node(x, 0).sram
        assert node.semaphores == array.node(x, 0).semaphores
    assert bench.errors == []


BAD = {
    ListCause.ENDS: ListDescriptor(16, address(1, SOURCE), address(1, DESTINATION), (Dimension(3, 16, 16),)),
    ListCause.MISALIGNED: ListDescriptor(16, address(0, SOURCE + 8), address(1, DESTINATION), (Dimension(3, 16, 16),)),
    ListCause.OFFSET: ListDescriptor(16, address(0, SOURCE), address(1, DESTINATION), (Dimension(3, -SOURCE - 16, 16),)),
    ListCause.UNREACHABLE: ListDescriptor(16, address(0, SOURCE), address(5, 0x40), (Dimension(8, 16, 16),), LISTS),
    ListCause.REFUSED: ListDescriptor(16, address(1, CONFIG.sram_bytes - 32), address(0, DESTINATION), (Dimension(9, 16, 16),)),
}
GOOD = ListDescriptor(16, address(0, SOURCE), address(1, DESTINATION + PART), (Dimension(9, 16, 16),), None, 1, 2)
PULL = ListDescriptor(16, address(1, SOURCE), address(0, DESTINATION + PART), (Dimension(9, 16, 16),), None, 1, 2)


@property_settings(12)
@given(st.sampled_from(sorted(BAD)), threads, flows, flows, flows)
def test_a_list_that_fails_leaves_the_others_alone(
    cause: ListCause, thread: int | None, grants: list[bool], takes: list[bool], answers: list[bool]
) -> None:
    # More than there are places, so that one is executed where the other has failed.
    starts = [Start(BAD[cause], thread), *[Start(PULL), Start(GOOD, 0)] * 3]
    bench = executed(Bench(starts, grants, takes, answers))
    for here, there in zip(bench.nodes, bench.nodes[::-1], strict=True):
        assert there.sram[DESTINATION + PART :][: 9 * 16] == here.sram[SOURCE:][: 9 * 16]
        assert here.semaphores[1:3] == [3, 3]
    heard = [number for number, _ in bench.errors]
    # Each refused WRITE is an error of its own; READs behind the first one are not.
    assert set(heard) == ({thread} if thread is not None else set())
    assert len(heard) <= 1 or cause is ListCause.UNREACHABLE
    model = of_the_model(starts[:1]).node(0, 0)
    if thread is not None and cause is not ListCause.UNREACHABLE:
        assert bench.errors[0][1] == model.read_register(LIST_BLOCK + ListRegister.ADDRESS)


@pytest.mark.parametrize("cause", [ListCause.UNREACHABLE, ListCause.REFUSED])
def test_what_comes_late_for_a_list_that_failed_leaves_the_next_one_of_its_place_alone(cause: ListCause) -> None:
    """Responses come so slowly that the place is wanted again before all have come."""
    bench = executed(Bench([Start(BAD[cause]), *[Start(PULL)] * 6], [True], [True], [False] * 8))
    assert bench.nodes[0].sram[DESTINATION + PART :][: 9 * 16] == bench.nodes[1].sram[SOURCE:][: 9 * 16]
    assert (bench.nodes[0].semaphores[2], bench.nodes[1].semaphores[1]) == (6, 6)


def test_a_push_that_is_refused_stops() -> None:
    long = dataclasses.replace(BAD[ListCause.UNREACHABLE], dimensions=(Dimension(500, 0, 16),))
    bench = executed(Bench([Start(long), Start(GOOD)], [True], [True], [True]))
    assert bench.refused < 20
    assert bench.nodes[1].semaphores[2] == 1


def test_registers_tell_who_started_what_and_why_it_failed() -> None:
    starts = [Start(BAD[ListCause.ENDS], 1), Start(BAD[ListCause.OFFSET])]
    bench = Bench(starts, [True], [True], [True])

    async def process(ctx: Any) -> None:
        engine = SIMULATION.component
        await bench.run(ctx, engine)
        for place, begun in enumerate(starts):
            node = of_the_model([begun]).node(0, 0)
            for which in ListRegister:
                ctx.set(engine.registers.register, (LIST_BLOCK + place * LIST_STRIDE + which) // 8)
                own = (place * LIST_DESCRIPTOR_BYTES) << 32 if which is ListRegister.FAILURE else 0
                assert ctx.get(engine.registers.read_data) == node.read_register(LIST_BLOCK + which) + own
        assert ctx.get(engine.room)

    SIMULATION.run(process)
    assert bench.errors == [(1, int(End.of(address(0, LISTS))))]
