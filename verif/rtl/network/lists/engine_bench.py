# SPDX-License-Identifier: Apache-2.0
"""The engine of lists between memories that wait and answers that come late, and what it does there that the model does not."""

from __future__ import annotations

import dataclasses
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from golden.config import preset
from golden.layout import LIST_DESCRIPTOR_BYTES, LIST_START, Kind
from golden.list_descriptor import End, ListDescriptor
from golden.mesh import GoldenArray
from golden.node import GoldenNode
from golden.packet import Packet
from verif.golden.list_bench import DESTINATION, LISTS, SIZE, SOURCE, noise

__all__ = ["CONFIG", "LINE", "PART", "Bench", "Start", "differences", "of_the_model", "place_of"]

CONFIG = preset("tiny")
LINE = CONFIG.line_bytes
PART = SIZE // 8


#: Descriptors of a chain, at most.
_CHAIN = 2


@dataclass(frozen=True)
class Start:
    """A list, the thread that starts it, None for a packet, and what the list goes on with."""

    descriptor: ListDescriptor
    thread: int | None = None
    following: ListDescriptor | None = None


def place_of(number: int) -> int:
    """Where the descriptor of a list lies."""
    return LISTS + number * _CHAIN * LIST_DESCRIPTOR_BYTES


def filled(array: GoldenArray | list[GoldenNode], starts: list[Start]) -> None:
    """Put sources, destinations and descriptors into two nodes; the second one is only another end."""
    for x in range(2):
        sram = (array[x] if isinstance(array, list) else array.node(x, 0)).sram
        sram[SOURCE : SOURCE + SIZE] = noise(SIZE, x)
        sram[DESTINATION : DESTINATION + SIZE] = noise(SIZE, x + 2)
        if x == 0:
            for number, begun in enumerate(starts):
                first, second = place_of(number), place_of(number) + LIST_DESCRIPTOR_BYTES
                descriptor = begun.descriptor
                if begun.following is not None:
                    descriptor = dataclasses.replace(descriptor, following=second)
                    sram[second : second + LIST_DESCRIPTOR_BYTES] = begun.following.pack()
                sram[first:second] = descriptor.pack()


@dataclass(frozen=True)
class Posted:
    """A post in a node, and the memories of both nodes then."""

    x: int
    semaphore: int
    memory0: bytes
    memory1: bytes


@dataclass
class Bench:
    """The engine as node x=0 of two: SRAM and semaphores are those of golden nodes, which also serve what it sends.

    ``grants``, ``takes`` and ``answers`` say cycle by cycle, over and over, whether SRAM grants, the router takes a request and
    a post is taken, and a response comes; at least every eighth time they do. ``posted`` has all posts of both nodes.
    """

    starts: list[Start]
    grants: list[bool]
    takes: list[bool]
    answers: list[bool]
    nodes: list[GoldenNode] = field(default_factory=list)
    errors: list[tuple[int, int]] = field(default_factory=list)
    coming: deque[Packet] = field(default_factory=deque)
    posted: list[Posted] = field(default_factory=list)
    refused: int = 0
    offered: bool = False

    def __post_init__(self) -> None:
        def answer(node: GoldenNode, packet: Packet) -> None:
            self.coming.append(packet)

        self.nodes = [GoldenNode(CONFIG.replace(lists=0), x, transport=answer) for x in range(2)]
        for node in self.nodes:
            self._watch(node)
        filled(self.nodes, self.starts)

    def _watch(self, node: GoldenNode) -> None:
        """Note what the node's memory is when somebody posts there."""
        post = node.post

        def noting(semaphore: int, amount: int) -> None:
            self.posted.append(Posted(node.x, semaphore, *(bytes(each.sram) for each in self.nodes)))
            post(semaphore, amount)

        node.post = noting  # type: ignore[method-assign]

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
        offset = place_of(number)
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


def of_the_model(starts: Sequence[Start]) -> GoldenArray:
    """The same lists on golden nodes."""
    array = GoldenArray(CONFIG, 1, 2)
    filled(array, list(starts))
    for number, begun in enumerate(starts):
        assert array.node(0, 0).lists.start(place_of(number), begun.thread)
        array.run(100_000)
    return array


def differences(bench: Bench) -> list[str]:
    """What the lists of a bench did that they do not do in the model; none of them fails. Whoever posts alone is looked at."""
    found = [f"errors {bench.errors}"] if bench.errors else []
    array = of_the_model(bench.starts)
    for x, node in enumerate(bench.nodes):
        if node.sram != array.node(x, 0).sram:
            found.append(f"memory of node {x} differs")
        if node.semaphores != array.node(x, 0).semaphores:
            found.append(f"semaphores of node {x} are {node.semaphores}, expected {array.node(x, 0).semaphores}")
    for number, begun in enumerate(bench.starts):
        last = begun.following or begun.descriptor
        start, there = DESTINATION + number * PART, End.of(last.destination).x
        arrived = bytes(array.node(there, 0).sram[start : start + PART])
        for x, semaphore in ((End.of(last.source).x, last.post_source), (there, last.post_destination)):
            posts = [each for each in bench.posted if (each.x, each.semaphore) == (x, semaphore)]
            if posts and (posts[-1].memory0, posts[-1].memory1)[there][start : start + PART] != arrived:
                found.append(f"list {number} posts {semaphore} before everything has arrived")
    return found
