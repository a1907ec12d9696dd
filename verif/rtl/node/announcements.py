# SPDX-License-Identifier: Apache-2.0
"""Exchanges of which one thread writes to all nodes of a rectangle at once."""

from __future__ import annotations

from golden.layout import GlobalAddress, semaphore_offset
from verif.golden.encoding import encode
from verif.rtl.node.exchanges import Exchanges, Member
from verif.rtl.node.items import Item
from verif.rtl.node.pieces import constant

__all__ = ["Announcements"]

#: Of so many exchanges one is an announcement.
_ONE_OF = 6

#: Words of a thread's program that an announcement may take.
_WORDS_AT_MOST = 200

_POINTER, _VALUE = 16, 17


class Announcements(Exchanges):
    """Exchanges, and announcements among them.

    In an announcement a thread sends multicasts to a rectangle of nodes, to which its own may belong, and which may be a single
    one. In each node a thread waits for the post that comes with the last packet, and reads; it may be the sender.
    """

    def any(self) -> bool:
        """Make some exchange; whether there was one that could be made."""
        started = [member for member in self._members if member.started]
        if self._choices.integer(1, _ONE_OF) == 1 and all(member.words_left >= _WORDS_AT_MOST for member in started):
            return self.announcement(self._choices.one_of(started))
        return super().any()

    def announcement(self, sender: Member) -> bool:
        """One writes, and somebody in each node of a rectangle reads."""
        order, sites = self._order, self._rectangle()
        receivers: list[Member] = []
        for site in sites:
            there = [member for member in self._members if member.started and member.site == site]
            if not there:
                return False
            receivers.append(self._choices.one_of(there))
        # What is free in all nodes alike: places for the sender, a semaphore for everybody.
        offsets = [place.offset for place in self._places if place.site == sites[0]]
        alike = [[place for place in self._places if place.offset == offset and place.site in sites] for offset in offsets]
        free = [places for places in alike if all(order.free(sender.index, place) for place in places)]
        numbers = [
            number
            for number in range(self._config.threads, self._config.semaphores)
            if all(order.all_free((sender.index, each.index), (each.site, number)) for each in receivers)
        ]
        if not free or not numbers:
            return False
        places, number = self._choices.one_of(free), self._choices.one_of(numbers)
        parts = {sender.index: self._announce(sender, sites, places[0].offset, places[0].size, number)}
        for receiver, place in zip(receivers, places, strict=True):
            taken = [*self._wait((place.site, number), 1), *self._read(receiver, place)]
            parts[receiver.index] = [*parts.get(receiver.index, ()), *taken]
        if not self._extend({index: [Item(tuple(words))] for index, words in parts.items()}):
            return False
        for place in places:
            self._purposes[place.site, number] = ("announcement", sender.index, place)
            self._use(place, sender)
            self._use((place.site, number), sender)
        for receiver, place in zip(receivers, places, strict=True):
            order.tell(sender.index, receiver.index)
            self._use(place, receiver)
            self._use((place.site, number), receiver)
        return True

    def _rectangle(self) -> list[tuple[int, int]]:
        """Nodes of a rectangle, row by row."""
        (left, right), (top, bottom) = (
            sorted(self._choices.one_of([site[axis] for site in self._sites]) for _ in range(2)) for axis in range(2)
        )
        return [(x, y) for y in range(top, bottom + 1) for x in range(left, right + 1)]

    def _announce(self, sender: Member, sites: list[tuple[int, int]], offset: int, size: int, number: int) -> list[int]:
        """Multicasts, of which the last one posts."""
        choices, maker, words = self._choices, sender.maker, []
        (left, top), (right, bottom) = sites[0], sites[-1]

        def point(place: int) -> list[int]:
            return constant(_POINTER, int(GlobalAddress.rectangle(left, top, right - left + 1, bottom - top + 1, place)))

        for _ in range(choices.integer(0, 2)):
            line = offset + self._line * choices.integer(0, size // self._line - 1)
            kind = choices.one_of(("nsd", "nwrite", "nwrite.p"))
            scalar = kind == "nsd"
            words += point(line + 8 * choices.integer(0, self._line // 8 - 1) if scalar else line)
            words.append(encode(kind, maker.register() if scalar else maker.vector(), _POINTER))
        match choices.one_of(("nwrite.s", "nwrite.sp", "npost", "nsd")):
            case "nsd":
                words += [*point(semaphore_offset(number)), encode("addi", _VALUE, 0, 1), encode("nsd", _VALUE, _POINTER)]
            case "npost":
                words += [*point(offset), encode("npost", _POINTER, number)]
            case posting:
                words += [*point(offset), encode(posting, maker.vector(), _POINTER, number)]
        return words
