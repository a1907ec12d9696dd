# SPDX-License-Identifier: Apache-2.0
"""The golden node's list transfers: places for lists, which take turns, and what each list sends, reads and posts.

docs/lists.md is the contract. One turn takes one cycle of the models' clock.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import TYPE_CHECKING

from golden.layout import (
    LIST_BLOCK,
    LIST_DESCRIPTOR_BYTES,
    LIST_IGNORED,
    LIST_READS,
    LIST_START,
    LIST_STRIDE,
    LIST_TAG,
    LIST_TAG_PACKET,
    LIST_TAG_PLACE,
    LIST_TAG_READ,
    LIST_TAG_TURN,
    OFFSET_BITS,
    Kind,
    ListCause,
    ListRegister,
    ListState,
    NetworkError,
)
from golden.list_descriptor import End, Granule, ListDescriptor, ListError, check_granule, runs, with_following
from golden.packet import Packet

if TYPE_CHECKING:
    from golden.node import GoldenNode

_IGNORED_LIMIT = 0xFFFF
_OFFSET_MASK = (1 << OFFSET_BITS) - 1
_THREAD_MASK = 3
_PLACE_MASK = 7


class _Place:
    """A place for a list.

    Members
    -------
    state : ListState
    offset : int
        Of the descriptor that is executed.
    thread : int or None
        Who started the list; None for a packet.
    turn : bool
        Changes from one list to the next.
    pulls : bool
        Whether it is a pull, as far as that is known.
    steps : iterator of bool
        What is left of the list: a turn each, False where it has to wait for answers.
    granule_bytes : int
        Bytes of a granule of the descriptor.
    runs : deque of sequences of Granule
        Of a pull: granules that wait for an answer, those of a READ together, and padding behind them.
    sent, answered : int
        READs of the list so far.
    failure, failed_address : int
        Registers FAILURE and ADDRESS.
    """

    def __init__(self, number: int):
        self.number = number
        self.state = ListState.FREE
        self.offset = 0
        self.thread: int | None = None
        self.turn = False
        self.pulls = False
        self.steps: Iterator[bool] = iter(())
        self.granule_bytes = 0
        self.runs: deque[list[Granule]] = deque()
        self.sent = self.answered = 0
        self.failure = 0
        self.failed_address = 0

    @property
    def under_way(self) -> int:
        """READs that were not answered yet."""
        return self.sent - self.answered

    @property
    def shown_offset(self) -> int:
        """Where registers show the descriptor."""
        return (self.offset & _OFFSET_MASK) << 32

    @property
    def status(self) -> int:
        """Register STATE."""
        if self.state is ListState.FREE:
            return 0
        return self.state | self.pulls << 2 | _starter(self.thread) | self.under_way << 8 | self.shown_offset

    @property
    def write_tag(self) -> int:
        """Tag of a WRITE of its list."""
        starter = LIST_TAG_PACKET if self.thread is None else self.thread
        return LIST_TAG | self.number << LIST_TAG_PLACE | self.turn * LIST_TAG_TURN | starter

    @property
    def read_tag(self) -> int:
        """Tag of its next READ."""
        return LIST_TAG | LIST_TAG_READ | self.number << LIST_TAG_PLACE | self.sent % LIST_READS


class ListEngine:
    """Executes a node's lists. It is ``Runnable``: it takes its turns beside the threads.

    Parameters
    ----------
    node : GoldenNode
        Owner of SRAM, semaphores, threads and network.
    """

    def __init__(self, node: GoldenNode):
        self._node = node
        self._places = [_Place(number) for number in range(node.config.lists)]
        self._last = len(self._places) - 1
        self._ignored = 0

    @property
    def busy(self) -> bool:
        """Whether a list is under way."""
        return any(place.state is not ListState.FREE for place in self._places)

    # -- starting -----------------------------------------------------------------------------------------------------

    def start(self, offset: int, thread: int | None) -> bool:
        """Start the list with that descriptor, if a place is free; returns whether one is.

        Parameters
        ----------
        offset : int
            Of the descriptor in SRAM.
        thread : int or None
            Who starts it; None for a packet.
        """
        place = next((place for place in self._places if place.state is ListState.FREE), None)
        if place is None:
            return False
        place.state = ListState.RUNNING
        place.offset, place.thread, place.turn = offset, thread, not place.turn
        place.pulls = False
        place.sent = place.answered = 0
        place.steps = self._steps(place)
        return True

    def run(self, budget: int) -> int:
        """Take up to ``budget`` turns; returns how many there were."""
        turns = 0
        while turns < budget and self._take_turn():
            turns += 1
            self._node.clock.cycle += 1
            self._node.flush()
        return turns

    def _take_turn(self) -> bool:
        """Let the next list that can go on have its turn; returns whether there is one."""
        count = len(self._places)
        for place in (self._places[(self._last + 1 + i) % count] for i in range(count)):
            if place.state is ListState.RUNNING and self._go_on(place):
                self._last = place.number
                return True
        return False

    def _go_on(self, place: _Place) -> bool:
        """Take a turn; returns whether anything was done."""
        try:
            done = next(place.steps, None)
        except ListError as error:
            own = int(End.of(self._node.address).at(place.offset))
            self._fail(place, error.cause, own if error.address is None else error.address)
            return True
        if done is None:
            self._release(place)
        return done is not False

    def _release(self, place: _Place) -> None:
        """Free a place; threads that wait for one try again."""
        place.state = ListState.FREE
        for thread in self._node.threads:
            thread.release()

    # -- what lists do ------------------------------------------------------------------------------------------------

    def _steps(self, place: _Place) -> Iterator[bool]:
        """The turns of a list, from its first descriptor to the last one of its chain."""
        node = self._node
        while True:
            descriptor = self._load(place.offset)
            place.pulls = not descriptor.is_push(node.x, node.y)
            place.granule_bytes = descriptor.granule
            yield True
            yield from self._pull(place, descriptor) if place.pulls else self._push(place, descriptor)
            if descriptor.following is None:
                return
            place.offset = descriptor.following

    def _load(self, offset: int) -> ListDescriptor:
        """The descriptor there; ListError if the node cannot execute it."""
        node = self._node
        if offset % LIST_DESCRIPTOR_BYTES or offset + LIST_DESCRIPTOR_BYTES > len(node.sram):
            raise ListError(ListCause.DESCRIPTOR, f"no descriptor can lie at offset {offset:#x}")
        descriptor = ListDescriptor.unpack(bytes(node.sram[offset : offset + LIST_DESCRIPTOR_BYTES]))
        descriptor.check(node.config, node.x, node.y)
        return descriptor

    def _push(self, place: _Place, descriptor: ListDescriptor) -> Iterator[bool]:
        node, size = self._node, descriptor.granule
        line = node.config.line_bytes
        origin, target = End.of(descriptor.source), End.of(descriptor.destination)
        data, mask, held = bytearray(line), 0, 0
        for granule, following in with_following(descriptor.granules()):
            check_granule(granule, origin, len(node.sram), target, target.limit)
            position, source = granule.destination % line, granule.source
            data[position : position + size] = bytes(size) if source is None else node.sram[source : source + size]
            mask |= (1 << size) - 1 << position
            held += 1
            if following is None or following.destination // line != granule.destination // line or held == line // size:
                post = descriptor.post_destination if following is None else None
                self._write(place, target.at(granule.destination - position), mask, bytes(data), post)
                data, mask, held = bytearray(line), 0, 0
                if following is None and descriptor.post_source is not None:
                    node.post(descriptor.post_source, 1)
                yield True

    def _pull(self, place: _Place, descriptor: ListDescriptor) -> Iterator[bool]:
        node, line = self._node, self._node.config.line_bytes
        origin, target = End.of(descriptor.source), End.of(descriptor.destination)
        for run in runs(descriptor.granules(), line, line // descriptor.granule):
            for granule in run:
                check_granule(granule, origin, origin.limit, target, len(node.sram))
            start = run[0].source
            if start is None:
                place.runs.append(run)
                self._write_padding(place)
            else:
                while place.under_way == LIST_READS:
                    yield False
                place.runs.append(run)
                self._send(Kind.READ, origin.at(start - start % line), place.read_tag)
                place.sent += 1
            yield True
        while place.runs:
            yield False
        if descriptor.post_destination is not None:
            node.post(descriptor.post_destination, 1)
        if descriptor.post_source is not None:
            self._write(place, origin.at(origin.base - origin.base % line), 0, bytes(line), descriptor.post_source)
            yield True

    def _write(self, place: _Place, target: End, mask: int, data: bytes, post: int | None) -> None:
        self._send(Kind.WRITE, target, place.write_tag, post=post is not None, sem=post or 0, mask=mask, data=data)

    def _send(self, kind: Kind, target: End, tag: int, **contents: int | bytes | bool) -> None:
        node = self._node
        node.forward(
            Packet(
                kind, target.x, target.y, target.offset, target.exit, node.x, node.y, tag=tag, upper=target.upper,
                **contents,  # type: ignore[arg-type]
            )
        )  # fmt: skip

    # -- answers ------------------------------------------------------------------------------------------------------

    def answer(self, packet: Packet) -> None:
        """A response to a request of a list has come; one that nobody waits for is dropped."""
        number = packet.tag >> LIST_TAG_PLACE & _PLACE_MASK
        if number >= len(self._places):
            return
        place = self._places[number]
        if not packet.tag & LIST_TAG_READ:
            if packet.kind is Kind.ERROR:
                self._refused(place, packet)
        elif place.under_way:
            self._read_answered(place, packet)

    def _refused(self, place: _Place, packet: Packet) -> None:
        """A WRITE failed; its list may be over, and another one have its place."""
        if place.state is ListState.RUNNING and packet.tag == place.write_tag:
            self._fail(place, _cause(packet), packet.failed_address)
        else:
            thread = None if packet.tag & LIST_TAG_PACKET else packet.tag & _THREAD_MASK
            self._report(place, thread, _cause(packet), packet.failed_address)

    def _read_answered(self, place: _Place, packet: Packet) -> None:
        number = place.answered % LIST_READS
        place.answered += 1
        if place.state is ListState.ENDING:
            if not place.under_way:
                self._release(place)
        elif packet.kind is Kind.ERROR:
            self._fail(place, _cause(packet), packet.failed_address)
        elif packet.tag % LIST_READS != number:
            self._fail(place, ListCause.ORDER, packet.failed_address)
        else:
            self._write_run(place, place.runs.popleft(), packet.data)
            self._write_padding(place)

    def _write_padding(self, place: _Place) -> None:
        """Write the padding that no answer has to come before."""
        while place.runs and place.runs[0][0].source is None:
            self._write_run(place, place.runs.popleft(), b"")

    def _write_run(self, place: _Place, run: list[Granule], data: bytes) -> None:
        """Write granules that come from a line, or zeros."""
        sram, size = self._node.sram, place.granule_bytes
        for granule in run:
            if granule.source is None:
                part = bytes(size)
            else:
                position = granule.source % len(data)
                part = data[position : position + size]
            sram[granule.destination : granule.destination + size] = part

    # -- failing ------------------------------------------------------------------------------------------------------

    def _fail(self, place: _Place, cause: ListCause, address: int) -> None:
        """End the list of a place; the place is free when nothing is under way any more."""
        self._report(place, place.thread, cause, address)
        place.steps = iter(())
        place.runs.clear()
        place.state = ListState.ENDING
        if not place.under_way:
            self._release(place)

    def _report(self, place: _Place, thread: int | None, cause: ListCause, address: int) -> None:
        """Say why a list failed, and tell the thread that started it."""
        place.failure = cause | _starter(thread) | place.shown_offset
        place.failed_address = address
        if thread is not None:
            self._node.threads[thread % len(self._node.threads)].fail_request(address, None)

    # -- control page -------------------------------------------------------------------------------------------------

    def read(self, register: int) -> int:
        """Value of the register at a byte offset in the control page; 0 where there is none."""
        if register == LIST_IGNORED:
            return self._ignored
        number, offset = divmod(register - LIST_BLOCK, LIST_STRIDE)
        if number >= len(self._places):
            return 0
        place = self._places[number]
        values: dict[int, int] = {
            ListRegister.STATE: place.status,
            ListRegister.FAILURE: place.failure,
            ListRegister.ADDRESS: place.failed_address,
        }
        return values.get(offset, 0)

    def write(self, register: int, value: int) -> None:
        """Write the register at a byte offset in the control page; read-only and missing ones ignore it."""
        if register == LIST_START:
            if self._places and not self.start(value, None):
                self._ignored = min(self._ignored + 1, _IGNORED_LIMIT)
            return
        if register == LIST_IGNORED:
            self._ignored = 0
            return
        number, offset = divmod(register - LIST_BLOCK, LIST_STRIDE)
        if number < len(self._places) and offset == ListRegister.FAILURE:
            self._places[number].failure = self._places[number].failed_address = 0


def _starter(thread: int | None) -> int:
    """Who started a list, as registers show it in bits 3 to 5."""
    return 1 << 3 if thread is None else thread << 4


def _cause(packet: Packet) -> ListCause:
    """What an ERROR means for a list."""
    return ListCause.UNREACHABLE if packet.sem == NetworkError.UNREACHABLE else ListCause.REFUSED
