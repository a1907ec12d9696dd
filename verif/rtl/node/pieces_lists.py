# SPDX-License-Identifier: Apache-2.0
"""Pieces of random programs: descriptors of list transfers, which the thread writes, starts, and waits for."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

from golden.config import CONTROL_PAGE_OFFSET
from golden.layout import (
    COORDINATE_BITS,
    EXIT_BITS,
    LIST_DESCRIPTOR_BYTES,
    LIST_DIMENSIONS,
    LIST_START,
    OFFSET_BITS,
    SEMAPHORE_ID_BITS,
    Csr,
    ListField,
    ListWord,
    Port,
)
from golden.list_descriptor import GRANULES, Dimension, ListDescriptor
from verif.golden.encoding import encode
from verif.rtl.node.pieces import DATA, HALF, constant
from verif.rtl.node.pieces_network import NetworkPieces

__all__ = ["ListPieces", "Room"]

_EXIT_SHIFT = OFFSET_BITS + 2 * COORDINATE_BITS

#: Bit of the control word that has no meaning.
_RESERVED = 1 << 23

#: Granules of a list at most, and of a dimension.
_GRANULES_AT_MOST, _COUNT_AT_MOST = 24, 8

_WORD_BYTES = 8


@dataclass(frozen=True)
class Room:
    """Bytes that a list may use: ``size`` of them from ``start`` on.

    ``start`` is a global address or, of the thread's own data, the distance from its middle.
    """

    start: int
    size: int
    own: bool = False


#: Halves of the thread's data. A list writes one of them; what it reads, and its descriptors, are in the other.
_HALVES = (Room(-HALF, HALF, own=True), Room(0, HALF, own=True))


@dataclass(frozen=True)
class _Written:
    """A descriptor as a program writes it: its words, whose addresses are distances from where these rooms start."""

    words: tuple[int, ...]
    source: Room
    destination: Room

    @property
    def used(self) -> list[int]:
        """Numbers of the words that mean something."""
        control = self.words[ListWord.CONTROL]
        dimensions = range((control >> ListField.DIMENSIONS & 3) + 1)
        following = [ListWord.NEXT] if control >> ListField.CHAIN & 1 else []
        strides, counts = ([first + i for i in dimensions] for first in (ListWord.STRIDES, ListWord.COUNTS))
        return [ListWord.CONTROL, ListWord.SOURCE, ListWord.DESTINATION, *following, *strides, *counts]


class ListPieces(NetworkPieces):
    """Words that let lists move what is the thread's alone meanwhile. Without lists, ``nlist`` is illegal."""

    # -- for exchanges ------------------------------------------------------------------------------------------------

    def push(self, destination: Room, semaphore: int) -> list[int]:
        """Move something of the thread's data there, and post the semaphore there. The data has been read behind that."""
        source, _ = self._two_halves()
        posting = dataclasses.replace(self._pattern(source, destination), post_source=self.thread, post_destination=semaphore)
        return [*self._write_chain([posting], source, destination, source), *self._start(), *self._wait_for(1)]

    def pull(self, source: Room) -> list[int]:
        """Move something from there into the thread's data; it has arrived behind that."""
        descriptors, destination = self._two_halves()
        posting = dataclasses.replace(self._pattern(source, destination), post_destination=self.thread)
        return [*self._write_chain([posting], source, destination, descriptors), *self._start(), *self._wait_for(1)]

    # -- pieces -------------------------------------------------------------------------------------------------------

    def _list_to_itself(self) -> list[int]:
        """A list within the thread's data, or a chain of two, or more of the same at once than there are places."""
        choices, config = self.choices, self.config
        if not config.lists:
            return [self._word("nlist")]
        source, destination = self._two_halves()
        # All has arrived when all posts have, since the destination is posted in any case.
        chain = [
            dataclasses.replace(
                self._pattern(source, destination),
                post_source=choices.one_of((None, self.thread)),
                post_destination=self.thread,
            )
            for _ in range(choices.one_of((1, 1, 2)))
        ]
        posts = sum((one.post_source is not None) + (one.post_destination is not None) for one in chain)
        words = self._write_chain(chain, source, destination, source)
        # A packet finds a place only where each thread may leave one taken for a while and have another one.
        by_packet = config.lists >= 2 * config.threads
        starts = 1 if by_packet or len(chain) > 1 else choices.one_of((1, 1, 2, config.lists + 2))
        words += self._start_by_packet() if by_packet and choices.one_of((True, False)) else starts * self._start()
        words += [self._one(("add", "xor", "mul")) for _ in range(choices.integer(0, 3))]
        return [*words, *self._wait_for(starts * posts)]

    def _failing_list(self) -> list[int]:
        """The error comes while the thread waits for what nobody posts, so that it is known where."""
        if not self.config.lists:
            return [self._word("nlist")]
        source, destination = self._two_halves()
        words = self._write(self.choices.one_of(self._faulty(source, destination)), self._slots(source, 1)[0])
        return [*words, encode("addi", 16, 0, 1), *self._start(), encode("swait", self.thread, 16)]

    def _failing_chain(self) -> list[int]:
        """What comes before that is done, posts included; then the error comes as in a failing list."""
        if not self.config.lists:
            return [self._word("nlist")]
        source, destination = self._two_halves()
        nowhere = self.choices.one_of((64, self.config.sram_bytes, 1 << 63, (1 << 64) - LIST_DESCRIPTOR_BYTES))
        pattern = dataclasses.replace(self._pattern(source, destination), following=nowhere, post_destination=self.thread)
        words = self._write(_Written(tuple(pattern.words()), source, destination), self._slots(source, 1)[0])
        words += [encode("addi", 16, 0, 2), *self._start(), encode("swait", self.thread, 16)]
        return [*words, *self._wait_for(1)]

    def _wrong_list(self) -> list[int]:
        """Traps at once: no descriptor can lie there."""
        behind = self.config.sram_bytes - self._offset_of_data
        words = constant(17, self.choices.one_of((8, 64, -1, behind, behind + 64, 1 << 40)))
        return [*words, encode("add", 17, 17, DATA), *self._start()]

    # -- words --------------------------------------------------------------------------------------------------------

    def _write_chain(self, chain: Sequence[ListDescriptor], source: Room, destination: Room, descriptors: Room) -> list[int]:
        """Write the descriptors of a list somewhere into a room; x17 = address of the first one."""
        slots = self._slots(descriptors, len(chain))
        followings = [*(self._offset_of_data + slot for slot in slots[1:]), None]
        words: list[int] = []
        # The first one last, whose address stays in x17.
        for descriptor, slot, following in reversed(list(zip(chain, slots, followings, strict=True))):
            linked = dataclasses.replace(descriptor, following=following)
            words += self._write(_Written(tuple(linked.words()), source, destination), slot)
        return words

    def _write(self, written: _Written, slot: int) -> list[int]:
        """Write a descriptor to a distance from the middle of the data; x17 = its address."""
        words = [encode("addi", 17, DATA, slot)]
        rooms: dict[int, Room] = {ListWord.SOURCE: written.source, ListWord.DESTINATION: written.destination}
        for number in written.used:
            value, room = written.words[number], rooms.get(number)
            if room is None:
                words += constant(19, value)
            elif room.own:
                words += self._own_line(room.start + value)
            else:
                words += constant(19, room.start + value)
            words.append(encode("sd", 19, _WORD_BYTES * number, 17))
        return words

    def _start(self) -> list[int]:
        return [encode("nlist", 17)]

    def _start_by_packet(self) -> list[int]:
        """By the register of the control page, which takes the offset in SRAM."""
        words = [encode("slli", 17, 17, 64 - OFFSET_BITS), encode("srli", 17, 17, 64 - OFFSET_BITS)]
        words += [encode("csrrs", 18, Csr.MNODE, 0), *constant(19, CONTROL_PAGE_OFFSET + LIST_START)]
        return [*words, encode("add", 19, 19, 18), encode("nsd", 17, 19)]

    # -- what is chosen -----------------------------------------------------------------------------------------------

    def _two_halves(self) -> tuple[Room, Room]:
        first = self.choices.one_of((0, 1))
        return _HALVES[first], _HALVES[1 - first]

    def _slots(self, room: Room, count: int) -> list[int]:
        """One or two places for descriptors, as distances from the middle of the data."""
        there = room.size // LIST_DESCRIPTOR_BYTES
        first, distance = self.choices.integer(0, there - 1), self.choices.integer(1, there - 1)
        return [room.start + LIST_DESCRIPTOR_BYTES * ((first + n * distance) % there) for n in range(count)]

    def _pattern(self, source: Room, destination: Room) -> ListDescriptor:
        """What stays within these rooms; its addresses are distances from where they start."""
        rooms = (source.size, destination.size)
        granule = self.choices.one_of([size for size in GRANULES if size <= self._line])
        dimensions = self._dimensions(granule, rooms)
        granules = list(ListDescriptor(granule, 0, 0, dimensions).granules())
        reached = ([each.source for each in granules if each.source is not None] or [0], [each.destination for each in granules])
        starts = []
        for offsets, size in zip(reached, rooms, strict=True):
            free = size - granule - (max(offsets) - min(offsets))
            starts.append(granule * self.choices.integer(0, free // granule) - min(offsets))
        return ListDescriptor(granule, starts[0], starts[1], dimensions)

    def _dimensions(self, granule: int, rooms: tuple[int, int]) -> tuple[Dimension, ...]:
        """All granules lie within a room from the lowest one to the highest one."""
        choices = self.choices
        left, granules, made = [size // granule - 1 for size in rooms], 1, []
        for _ in range(choices.one_of((1, 1, 2, 3, LIST_DIMENSIONS))):
            count = choices.integer(1, max(1, min(_COUNT_AT_MOST, _GRANULES_AT_MOST // granules)))
            granules *= count
            strides = []
            for end in range(2):
                reach = min(_COUNT_AT_MOST, left[end] // max(1, count - 1))
                stride = choices.one_of((min(1, reach), choices.integer(-reach, reach)))
                left[end] -= abs(stride) * (count - 1)
                strides.append(stride * granule)
            first, behind = choices.one_of((0, 0, 0, 1)), choices.one_of((count, count, count - 1, 0xFFFF))
            made.append(Dimension(count, strides[0], strides[1], first, behind))
        return tuple(made)

    def _faulty(self, source: Room, destination: Room) -> list[_Written]:
        """One granule, and in each of them something that fails. Of each kind one, but for what the node has no bad value of."""
        config = self.config
        good = ListDescriptor(GRANULES[0], 0, 0, (Dimension(1),)).words()

        def changed(changes: dict[int, int], source: Room = source, destination: Room = destination) -> _Written:
            return _Written(tuple(changes.get(number, word) for number, word in enumerate(good)), source, destination)

        def distance(room: Room, offset: int) -> int:
            return offset - self._offset_of_data - room.start

        control, outside = good[ListWord.CONTROL], config.sram_bytes
        faulty = [changed({ListWord.CONTROL: control ^ 1}), changed({ListWord.CONTROL: control | _RESERVED})]
        if self._line < GRANULES[-1]:
            faulty.append(changed({ListWord.CONTROL: control | 3 << ListField.GRANULE}))
        if config.semaphores < 1 << SEMAPHORE_ID_BITS:
            post = 1 << ListField.POST_SOURCE | config.semaphores << ListField.SOURCE_SEMAPHORE
            faulty.append(changed({ListWord.CONTROL: control | post}))
        north = Port.NORTH << _EXIT_SHIFT
        faulty += [
            changed({ListWord.COUNTS: 0}),
            changed({ListWord.SOURCE: 7 << _EXIT_SHIFT}),
            changed({ListWord.DESTINATION: 5 << _EXIT_SHIFT}),
            changed({ListWord.SOURCE: 1 << _EXIT_SHIFT + EXIT_BITS}),
            changed({ListWord.SOURCE: north, ListWord.DESTINATION: north}),
            changed({ListWord.SOURCE: 4}),
            changed({ListWord.DESTINATION: 1}),
            changed({ListWord.STRIDES: 4}),
            changed({ListWord.SOURCE: distance(source, outside)}),
            changed({ListWord.DESTINATION: distance(destination, outside)}),
        ]
        if self._absent is None:
            return [*faulty, changed({ListWord.DESTINATION: north}), changed({ListWord.SOURCE: north})]
        nobody = Room(int(self._absent), self._line)
        return [*faulty, changed({}, destination=nobody), changed({}, source=nobody)]
