# SPDX-License-Identifier: Apache-2.0
"""Threads of an array that work on data of each other, without races and without deadlocks.

Exchanges are made one after the other, each for a few threads, whose programs they extend. So there is one order in which all of
them can happen, and since all that threads wait for is meant for them alone, what they do does not depend on which really
happens. A semaphore serves one exchange, or following ones between the same threads, until all of them know that it is not in
use; so do places in memory (``verif.rtl.node.order``).

======== =============================================================================================================
message  writes lines by stores of all kinds, or by packets, and posts a semaphore; the other thread waits, and reads
ring     the same many times, with two places in turn, and a semaphore on the way back for each place that is free
meeting  all of several threads wait for one, which has waited for all of them, and has read what they wrote
patch    writes code for another thread, which waits, executes ``fence.i``, and calls it
start    starts a thread by writing its PC register
restart  a thread that waits for ever is stopped, or not, and started again where it said
======== =============================================================================================================
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from golden.config import NodeConfig
from golden.layout import SRAM_BASE, GlobalAddress, ThreadRegister, semaphore_offset, thread_offset
from verif.golden.encoding import encode
from verif.rtl.node.choices import Choices
from verif.rtl.node.items import Item, ItemMaker
from verif.rtl.node.order import Order
from verif.rtl.node.pieces import constant, data_address
from verif.rtl.node.pieces_lists import Room
from verif.rtl.node.programs import ROOM_BYTES, length, template

__all__ = ["ROOMS", "Exchanges", "Member"]

Site = tuple[int, int]

#: Rooms for code of each thread: one for itself, others for its neighbours' code.
ROOMS = 3

#: Pieces of code in a node's memory that may be copied into threads' rooms: for each thread so many.
_CODES = 2

#: Words of a thread's program that an exchange may take.
_WORDS_AT_MOST = 200

_POINTER, _VALUE, _OTHER, _ADDRESS, _POST = 16, 17, 18, 25, 27


@dataclass
class Member:
    """A thread of the array.

    Attributes
    ----------
    index : int
        Among all threads.
    site : (x, y)
    number : int
        In its node.
    maker : ItemMaker
    items : list of Item
        Its program.
    words_left : int
        That its program may still take.
    started : bool
    """

    index: int
    site: Site
    number: int
    maker: ItemMaker
    words_left: int
    items: list[Item] = field(default_factory=list)
    started: bool = False

    def append(self, items: Sequence[Item], words: int) -> None:
        """Extend its program by items of so many words."""
        self.items += items
        self.words_left -= words


@dataclass(frozen=True)
class _Place:
    """Lines in a node's memory."""

    site: Site
    offset: int
    size: int


class Exchanges:
    """Makes exchanges between the threads of an array.

    Parameters
    ----------
    config : NodeConfig
    members : sequence of Member
    choices : Choices
    code_bytes : int
        Code that each thread has.

    Members
    -------
    code : dict of int to bytes
        What all nodes have in their memory beside programs and data, by its offset.
    tohost_offset : int
        Where ``tohost`` may be.
    """

    def __init__(self, config: NodeConfig, members: Sequence[Member], choices: Choices, code_bytes: int):
        self._config, self._members, self._choices, self._code_bytes = config, members, choices, code_bytes
        self._line = config.line_bytes
        self._order = Order(len(members))
        self._sites = list(dict.fromkeys(member.site for member in members))
        self._semaphores = [(site, number) for site in self._sites for number in range(config.threads, config.semaphores)]
        #: What each semaphore is used for.
        self._purposes: dict[tuple[Site, int], object] = {}
        self._meetings = 0
        self._codes: dict[int, list[int]] = {}
        self.code: dict[int, bytes] = {}
        first = self._lay_out_code(data_address(config, config.threads, code_bytes) - SRAM_BASE)
        size = max(2 * self._line, config.accumulator_bytes)
        first += -first % size
        # Of the last two lines, one belongs to nobody, and one to tohost.
        self.tohost_offset = config.sram_bytes - 2 * self._line
        count = min(16, (self.tohost_offset - first) // size)
        self._places = [_Place(site, first + size * number, size) for site in self._sites for number in range(count)]

    def _lay_out_code(self, offset: int) -> int:
        """Code for each thread from an offset on, made by itself, the same in all nodes; the offset behind it."""
        for member in self._members:
            for _ in range(_CODES):
                words = template(member.maker)
                self.code[offset] = b"".join(word.to_bytes(4, "little") for word in words).ljust(ROOM_BYTES, b"\0")
                self._codes.setdefault(member.index, []).append(offset)
                offset += ROOM_BYTES
        return offset

    # -- words that exchanges are made of -----------------------------------------------------------------------------

    def _global(self, site: Site, offset: int) -> int:
        return int(GlobalAddress(*site, offset))

    def _room(self, place: _Place) -> Room:
        return Room(self._global(place.site, place.offset), place.size)

    def _write(self, member: Member, place: _Place, by_packets: bool) -> list[int]:
        """Write some of a place, which is local unless packets are sent."""
        choices, maker, words = self._choices, member.maker, []
        for _ in range(choices.integer(1, 2)):
            line = place.offset + self._line * choices.integer(0, place.size // self._line - 1)
            double = line + 8 * choices.integer(0, self._line // 8 - 1)
            if by_packets:
                kind = choices.one_of(("nsd", "nwrite", "nwrite.p"))
                words += constant(_POINTER, self._global(place.site, double if kind == "nsd" else line))
                source = maker.register() if kind == "nsd" else maker.vector()
                words.append(encode(kind, source, _POINTER))
                continue
            kind = choices.one_of(("sd", "sb", "sh", "sw", "vst", "vst.p", "mst.f32", "mst.bf16", "mst.x", "mst.x.s"))
            start = place.offset if kind.startswith("mst") else line if kind.startswith("vst") else double
            words += constant(_POINTER, SRAM_BASE + start)
            if kind.startswith("mst"):
                accumulator = choices.integer(0, self._config.accumulators - 1)
                formats = (choices.integer(0, 15),) if kind.startswith("mst.x") else ()
                words.append(encode(kind, accumulator, _POINTER, *formats))
            elif kind == "vst.p":
                words.append(encode(kind, maker.vector(), _POINTER, 0))
            else:
                words.append(encode(kind, maker.vector() if kind == "vst" else maker.register(), 0, _POINTER))
        return words

    def _read(self, member: Member, place: _Place) -> list[int]:
        """Read some of a place, which may be another node's. All has been read when the next words execute, or is waited for."""
        choices, maker, words = self._choices, member.maker, []
        for _ in range(choices.integer(1, 2)):
            line = place.offset + self._line * choices.integer(0, place.size // self._line - 1)
            if self._config.lists and place.site != member.site and choices.integer(0, 3) == 0:
                words += maker.pull(self._room(place))
                continue
            if place.site != member.site or choices.integer(0, 3) == 0:
                vector = maker.vector()
                words += constant(_POINTER, self._global(place.site, line))
                words += [encode("nread", vector, _POINTER), encode("vor", maker.vector(), vector, maker.vector())]
                continue
            kind = choices.one_of(("ld", "lb", "lwu", "vld", "vld.p", "vlds.8", "mld.f32", "mstep.bf16.mm", "mstepz.x.mm"))
            start = place.offset if kind == "mld.f32" else line
            words += constant(_POINTER, SRAM_BASE + start)
            if kind in ("ld", "lb", "lwu"):
                words.append(encode(kind, maker.register(), 8 * choices.integer(0, self._line // 8 - 1), _POINTER))
            elif kind == "vlds.8":
                words += [encode("addi", _VALUE, 0, 8), encode(kind, maker.vector(), _POINTER, _VALUE)]
            elif kind == "vld":
                words.append(encode(kind, maker.vector(), 0, _POINTER))
            elif kind == "vld.p":
                words.append(encode(kind, maker.vector(), _POINTER, 0))
            elif kind == "mld.f32":
                words.append(encode(kind, choices.integer(0, self._config.accumulators - 1), _POINTER))
            else:
                # Both operands lie in the place: two lines of each where the format says so.
                words += constant(_POINTER, SRAM_BASE + place.offset)
                accumulator = choices.integer(0, self._config.accumulators - 1)
                formats = (choices.integer(0, 15),) if ".x." in kind else ()
                words.append(encode(kind, accumulator, _POINTER, _POINTER, *formats))
        return words

    def _post(self, member: Member, semaphore: tuple[Site, int], count: int, by_packets: bool) -> list[int]:
        """Post a semaphore, in one part or two."""
        site, number = semaphore
        words = []
        parts = [count]
        if count > 1 and self._choices.one_of((True, False)):
            parts = [1, count - 1]
        if by_packets or site != member.site:
            words += constant(_POINTER, self._global(site, semaphore_offset(number)))
            for part in parts:
                words += [encode("addi", _VALUE, 0, part), encode("nsd", _VALUE, _POINTER)]
            return words
        for part in parts:
            words += [encode("addi", _VALUE, 0, part), encode("spost", number, _VALUE)]
        return words

    def _wait(self, semaphore: tuple[Site, int], count: int) -> list[int]:
        """Wait for what is posted, in one part or two."""
        parts = [count]
        if count > 1 and self._choices.one_of((True, False)):
            parts = [count - 1, 1]
        return [word for part in parts for word in (encode("addi", _VALUE, 0, part), encode("swait", semaphore[1], _VALUE))]

    # -- what is free -------------------------------------------------------------------------------------------------

    def _semaphore(
        self, site: Site, members: Sequence[Member], purpose: object, taken: tuple[Site, int] | None = None
    ) -> tuple[Site, int] | None:
        """A semaphore of that node for these members: one that has that purpose, or one that nobody uses any more."""
        own = [s for s in self._semaphores if s[0] == site and s != taken]
        having = [s for s in own if self._purposes.get(s) == purpose]
        everybody = [member.index for member in members]
        found = having or [s for s in own if self._order.all_free(everybody, s)]
        if not found:
            return None
        chosen = self._choices.one_of(found)
        self._purposes[chosen] = purpose
        return chosen

    def _place(self, member: Member, sites: Sequence[Site]) -> _Place | None:
        """A place in one of these nodes that is free for a thread to write."""
        free = [place for place in self._places if place.site in sites and self._order.free(member.index, place)]
        return self._choices.one_of(free) if free else None

    def _use(self, what: object, *members: Member) -> None:
        for member in members:
            self._order.use(member.index, what)

    def _extend(self, parts: dict[int, list[Item]]) -> bool:
        """Extend programs, unless there is too little room in one of them."""
        lengths = {index: length(self._config, items) for index, items in parts.items()}
        if any(self._members[index].words_left < words for index, words in lengths.items()):
            return False
        for index, items in parts.items():
            self._members[index].append([_kept(item) for item in items], lengths[index])
        return True

    # -- exchanges ----------------------------------------------------------------------------------------------------

    def any(self) -> bool:
        """Make some exchange; whether there was one that could be made."""
        started = [member for member in self._members if member.started]
        waiting = [member for member in self._members if not member.started]
        first = self._choices.one_of(started)
        if waiting and self._choices.integer(0, 1):
            return self.start(first, self._choices.one_of(waiting))
        others = [member for member in started if member is not first]
        if not others or any(member.words_left < _WORDS_AT_MOST for member in started):
            return False
        second = self._choices.one_of(others)
        kinds = ("message", "message", "message", "ring", "ring", "patch", "patch", "restart", "meeting")
        match self._choices.one_of(kinds):
            case "message":
                return self.message(first, second)
            case "ring":
                return self.ring(first, second)
            case "patch":
                return self.patch(first, second)
            case "restart":
                return self.restart(first, second)
        rest = [second, *(member for member in others if member is not second)]
        return self.meeting(first, rest[: self._choices.integer(1, len(rest))])

    def message(self, sender: Member, receiver: Member) -> bool:
        """One writes, the other reads."""
        place = self._place(sender, (sender.site, receiver.site))
        semaphore = self._semaphore(receiver.site, (sender, receiver), ("message", sender.index, receiver.index))
        if place is None or semaphore is None:
            return False
        # What one packet brings is there before what the next one posts, if both go to one node.
        remote = place.site != sender.site
        by_packets = remote or (place.site == receiver.site and self._choices.one_of((True, False, False)))
        count = self._choices.integer(1, 3)
        send, receive = self._write(sender, place, by_packets), self._wait(semaphore, count)
        if self._config.lists and place.site == receiver.site and self._choices.integer(0, 3) == 0:
            # Packets of the thread and of its list have no order, so the list brings all.
            send, receive = sender.maker.push(self._room(place), semaphore[1]), self._wait(semaphore, 1)
        elif by_packets and self._choices.one_of((True, False)):
            # The last line brings a post with it.
            send += constant(_POINTER, self._global(place.site, place.offset))
            send.append(encode(self._choices.one_of(("nwrite.s", "nwrite.sp")), sender.maker.vector(), _POINTER, semaphore[1]))
            receive = self._wait(semaphore, 1)
        else:
            send += self._post(sender, semaphore, count, by_packets)
        if not self._extend({sender.index: [_words(send)], receiver.index: [_words(receive + self._read(receiver, place))]}):
            return False
        self._use(place, sender)
        self._use(semaphore, sender)
        self._order.tell(sender.index, receiver.index)
        self._use(place, receiver)
        self._use(semaphore, receiver)
        return True

    def ring(self, sender: Member, receiver: Member) -> bool:
        """One writes into two lines in turn, and the other reads them, as often as there are turns."""
        choices, line = self._choices, self._line
        place = self._place(sender, (receiver.site,))
        full = self._semaphore(receiver.site, (sender, receiver), ("full", sender.index, receiver.index))
        empty = self._semaphore(sender.site, (sender, receiver), ("empty", sender.index, receiver.index), full)
        if place is None or full is None or empty is None or not self._order.free(receiver.index, place):
            return False
        turns, remote = choices.integer(2, 12), sender.site != receiver.site
        by_packets = remote or choices.integer(0, 2) == 0
        start = self._global(place.site, place.offset) if by_packets else SRAM_BASE + place.offset
        send = [encode("addi", _VALUE, 0, 1), encode("swait", empty[1], _VALUE)]
        scalar = choices.one_of((True, False))
        if by_packets and not scalar:
            send.append(encode("nwrite.s", sender.maker.vector(), _ADDRESS, full[1]))
        elif by_packets:
            send += [encode("nsd", sender.maker.register(), _ADDRESS), encode("nsd", _VALUE, _POST)]
        else:
            source = sender.maker.register() if scalar else sender.maker.vector()
            send += [encode("sd" if scalar else "vst", source, 0, _ADDRESS), encode("spost", full[1], _VALUE)]
        send.append(encode("xori", _ADDRESS, _ADDRESS, line))
        receive = [encode("addi", _VALUE, 0, 1), encode("swait", full[1], _VALUE)]
        kind = choices.one_of(("ld", "lhu", "vld"))
        target = receiver.maker.vector() if kind == "vld" else receiver.maker.register()
        receive.append(encode(kind, target, 0, _ADDRESS))
        receive += [encode("nsd", _VALUE, _POST)] if remote else [encode("spost", empty[1], _VALUE)]
        receive.append(encode("xori", _ADDRESS, _ADDRESS, line))
        post = constant(_POST, self._global(full[0], semaphore_offset(full[1])))
        back = constant(_POST, self._global(empty[0], semaphore_offset(empty[1])))
        two = encode("addi", _VALUE, 0, 2)
        parts = {
            sender.index: [
                _words([*constant(_ADDRESS, start), *post, two, encode("spost", empty[1], _VALUE)]),
                Item(body=(_words(send), *self._between(sender)), turns=turns),
                _words([encode("addi", _VALUE, 0, 2), encode("swait", empty[1], _VALUE)]),
            ],
            receiver.index: [
                _words([*constant(_ADDRESS, SRAM_BASE + place.offset), *back]),
                Item(body=(_words(receive), *self._between(receiver)), turns=turns),
            ],
        }
        if not self._extend(parts):
            return False
        self._order.tell(sender.index, receiver.index)
        self._use(place, receiver)
        self._use(full, receiver)
        self._use(empty, receiver)
        self._order.tell(receiver.index, sender.index)
        self._use(place, sender)
        self._use(full, sender)
        self._use(empty, sender)
        return True

    def _between(self, member: Member) -> list[Item]:
        """What a thread does besides in a loop."""
        return [member.maker.straight() for _ in range(self._choices.integer(0, 2))]

    def meeting(self, first: Member, others: Sequence[Member]) -> bool:
        """All wait for all, and read what the first one wrote, who has read what they wrote."""
        who = (first.index, *sorted(member.index for member in others))
        join = self._semaphore(first.site, (first, *others), ("join", who))
        place = self._place(first, (first.site,))
        if join is None or place is None:
            return False
        self._meetings += 1
        releases = {}
        for site in {member.site: None for member in others}:
            there = [member for member in others if member.site == site]
            # Of this meeting alone: who is fast could take what is meant for another in the next one.
            semaphore = self._semaphore(site, (first, *there), ("release", self._meetings), join)
            if semaphore is None:
                return False
            releases[site] = (semaphore, len(there))
        parts: dict[int, list[int]] = {member.index: [] for member in others}
        given: dict[int, _Place] = {}
        gathered = self._wait(join, len(others))
        for member in others:
            mine = self._place(member, (member.site,))
            if mine is not None and mine != place and mine not in given.values() and self._order.free(first.index, mine):
                given[member.index] = mine
                parts[member.index] += self._write(member, mine, by_packets=False)
                gathered += self._read(first, mine)
            parts[member.index] += self._post(member, join, 1, by_packets=False)
            parts[member.index] += [*self._wait(releases[member.site][0], 1), *self._read(member, place)]
        gathered += self._write(first, place, by_packets=False)
        for semaphore, count in releases.values():
            gathered += self._post(first, semaphore, count, by_packets=False)
        if not self._extend({index: [_words(words)] for index, words in (parts | {first.index: gathered}).items()}):
            return False
        for member in others:
            if member.index in given:
                self._use(given[member.index], member)
            self._use(join, member)
            self._order.tell(member.index, first.index)
        for what in (join, place, *given.values(), *(semaphore for semaphore, _ in releases.values())):
            self._use(what, first)
        for member in others:
            self._order.tell(first.index, member.index)
            self._use(releases[member.site][0], member)
            self._use(place, member)
        return True

    def patch(self, writer: Member, owner: Member) -> bool:
        """One writes code that the other executes then."""
        choices = self._choices
        number = choices.integer(1, ROOMS - 1)
        room = ("room", owner.index, number)
        semaphore = self._semaphore(owner.site, (writer, owner), ("message", writer.index, owner.index))
        if semaphore is None or not self._order.free(writer.index, room):
            return False
        offset = (owner.number + 1) * self._code_bytes - (ROOMS - number) * ROOM_BYTES
        source = choices.one_of(self._codes[owner.index])
        remote = writer.site != owner.site
        by_packets = remote or choices.integer(0, 2) == 0
        words = constant(_OTHER, SRAM_BASE + source)
        words += constant(_POINTER, self._global(owner.site, offset) if by_packets else SRAM_BASE + offset)
        by_lines = choices.one_of((True, False))
        for place in range(0, ROOM_BYTES, self._line if by_lines else 8):
            if by_lines:
                vector = writer.maker.vector()
                words.append(encode("vld", vector, place, _OTHER))
                words.append(encode("nwrite.p", vector, _POINTER) if by_packets else encode("vst", vector, place, _POINTER))
                continue
            words.append(encode("ld", _VALUE, place, _OTHER))
            if by_packets:
                words += [encode("nsd", _VALUE, _POINTER), encode("addi", _POINTER, _POINTER, 8)]
            else:
                words.append(encode("sd", _VALUE, place, _POINTER))
        words += self._post(writer, semaphore, 1, by_packets)
        call = Item(calls=number, fresh=True, kept=True)
        called: list[Item] = [_words(self._wait(semaphore, 1)), call]
        if choices.one_of((True, False)):
            called.append(Item(body=(Item(calls=number, kept=True), *self._between(owner)), turns=choices.integer(1, 4)))
        if not self._extend({writer.index: [_words(words)], owner.index: called}):
            return False
        self._use(room, writer)
        self._use(semaphore, writer)
        self._order.tell(writer.index, owner.index)
        self._use(room, owner)
        self._use(semaphore, owner)
        return True

    def start(self, starter: Member, started: Member) -> bool:
        """One starts a thread that has not run yet."""
        words = constant(_POINTER, self._global(started.site, thread_offset(started.number, ThreadRegister.PC)))
        words += constant(_VALUE, SRAM_BASE + started.number * self._code_bytes)
        if self._choices.integer(0, 3) == 0:
            # Without a handler, this makes it TRAPPED.
            words += [encode("addi", _VALUE, _VALUE, 2), encode("nsd", _VALUE, _POINTER), encode("addi", _VALUE, _VALUE, -2)]
        if not self._extend({starter.index: [_words([*words, encode("nsd", _VALUE, _POINTER)])]}):
            return False
        self._order.tell(starter.index, started.index)
        started.started = True
        return True

    def restart(self, starter: Member, waiter: Member) -> bool:
        """One says where it goes on, and waits for what nobody posts; the other starts it there."""
        place = self._place(waiter, (starter.site,))
        semaphore = self._semaphore(starter.site, (starter, waiter), ("message", waiter.index, starter.index))
        if place is None or semaphore is None or not self._order.free(starter.index, place):
            return False
        remote = starter.site != waiter.site
        address = self._global(place.site, place.offset) if remote else SRAM_BASE + place.offset
        say = constant(_POINTER, address)
        post = constant(_OTHER, self._global(semaphore[0], semaphore_offset(semaphore[1])))
        tail = [encode("nsd" if remote else "sd", _VALUE, *(() if remote else (0,)), _POINTER), encode("addi", _VALUE, 0, 1)]
        tail.append(encode("nsd", _VALUE, _OTHER) if remote else encode("spost", semaphore[1], _VALUE))
        # Nothing comes between the post and the wait, so that it is known where the thread is.
        tail.append(encode("swait", waiter.number, _VALUE))
        # Where it goes on, or, since a misaligned start traps and the handler skips a word, before it.
        ahead = 4 * (2 + len(tail)) - self._choices.one_of((0, 0, 0, 2))
        here = [encode("auipc", _VALUE, 0), encode("addi", _VALUE, _VALUE, ahead)]
        wait = [*say, *post, *here, *tail]
        act = [*self._wait(semaphore, 1), *constant(_POINTER, SRAM_BASE + place.offset), encode("ld", _OTHER, 0, _POINTER)]
        if self._choices.one_of((True, False)):
            act += constant(_POINTER, self._global(waiter.site, thread_offset(waiter.number, ThreadRegister.STATE)))
            act.append(encode("nsd", starter.maker.register(), _POINTER))
        act += constant(_POINTER, self._global(waiter.site, thread_offset(waiter.number, ThreadRegister.PC)))
        act.append(encode("nsd", _OTHER, _POINTER))
        if not self._extend({starter.index: [_words(act)], waiter.index: [_words(wait)]}):
            return False
        self._use(place, waiter)
        self._use(semaphore, waiter)
        self._order.tell(waiter.index, starter.index)
        self._use(place, starter)
        self._use(semaphore, starter)
        self._order.tell(starter.index, waiter.index)
        return True

    def exit_words(self, last: Member, value: int) -> dict[int, list[int]]:
        """Words that end the programs of a node by a store to ``tohost``, by the index of its started threads; {} if there is no
        semaphore for it.

        The others wait for ever, and the last one stores when all of them do.
        """
        there = [member for member in self._members if member.site == last.site and member.started and member is not last]
        join = self._semaphore(last.site, (last, *there), ("exit", last.site))
        if join is None:
            return {}
        words = {}
        for member in there:
            words[member.index] = [
                encode("addi", _VALUE, 0, 1),
                encode("spost", join[1], _VALUE),
                encode("swait", member.number, _VALUE),
            ]
        store = self._choices.one_of(("sd", "sw", "sh", "sb"))
        ends = [*constant(_POINTER, SRAM_BASE + self.tohost_offset), *constant(_OTHER, value), encode(store, _OTHER, 0, _POINTER)]
        return words | {last.index: [*self._wait(join, len(there)), *ends, encode("jal", 0, 0)]}


def _words(words: Sequence[int]) -> Item:
    return Item(tuple(words), kept=True)


def _kept(item: Item) -> Item:
    return item if item.kept else Item(**{**vars(item), "kept": True})
