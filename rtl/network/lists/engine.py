# SPDX-License-Identifier: Apache-2.0
"""Executes a node's list transfers."""

from amaranth import Cat, Const, Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from golden.config import NodeConfig
from golden.layout import (
    COORDINATE_BITS,
    LIST_TAG_PLACE,
    LIST_TAG_READ,
    OFFSET_BITS,
    SEMAPHORE_ID_BITS,
    TAG_NUMBER_BITS,
    Kind,
    ListCause,
    NetworkError,
    Port,
    TagOwner,
)
from rtl.interfaces import FlitLayout, ReadPort, WritePort, flit_stream
from rtl.network.arbiter import RoundRobin
from rtl.network.lists.closing import ListClosing
from rtl.network.lists.layouts import STARTER_BITS, EndLayout
from rtl.network.lists.loader import DescriptorLoader
from rtl.network.lists.places import ListPlaces, Phase, starter_tag
from rtl.network.lists.pull import PullEngine
from rtl.network.lists.push import PushEngine
from rtl.network.lists.turns import ReadTurns, StreamTurns
from rtl.network.route_table import RoutePort

__all__ = ["ListEngine"]

_READ_BIT = LIST_TAG_READ.bit_length() - 1


class ListEngine(wiring.Component):
    """Loads lists, pushes and pulls, posts, goes on with chains, and reports failures, as docs/lists.md says.

    A list asks for its descriptor in the cycle after its start at the earliest; loading, pushing, pulling and closing take what
    :class:`rtl.network.lists.loader.DescriptorLoader`, :class:`rtl.network.lists.push.PushEngine`,
    :class:`rtl.network.lists.pull.PullEngine` and :class:`rtl.network.lists.closing.ListClosing` say, and a cycle between each
    and the next. Pushes, pulls and posts elsewhere take turns at ``requests``, loading and pushing at ``read``.

    Parameters
    ----------
    config : NodeConfig
        ``lists`` is at least 2.

    Members
    -------
    x, y : In(13), own coordinates
    start : In(1), start_thread : In(2), start_offset : In(21), room : Out(1)
        Strobe: a thread starts a list. It may do so in the cycle after one of ``room``, if it did not in that one.
    registers : In(RoutePort), the control page to the registers of lists
    starting : Out(1), a packet is about to start a list: no other may write the control page
    read : Out(ReadPort), write : Out(WritePort)
    requests : Out(flit_stream)
    responses : In(flit_stream), answers to requests of lists, and nothing else
    posts : Out(stream of semaphore), to be posted in this node by one
    error : Out(1), error_thread : Out(2), error_at : Out(64), strobe: a thread's list has failed
    progress : Out(1), a list goes on
    busy : Out(1), clear only if no register changes at the end of this cycle
    """

    def __init__(self, config: NodeConfig):
        self.config = config
        super().__init__(
            {
                "x": In(COORDINATE_BITS),
                "y": In(COORDINATE_BITS),
                "start": In(1),
                "start_thread": In(2),
                "start_offset": In(OFFSET_BITS),
                "room": Out(1),
                "registers": In(RoutePort()),
                "starting": Out(1),
                "read": Out(ReadPort(config)),
                "write": Out(WritePort(config)),
                "requests": Out(flit_stream(config)),
                "responses": In(flit_stream(config)),
                "posts": Out(stream.Signature(SEMAPHORE_ID_BITS)),
                "error": Out(1),
                "error_thread": Out(2),
                "error_at": Out(64),
                "progress": Out(1),
                "busy": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        config = self.config
        m.submodules.places = self._places = places = ListPlaces(config)
        m.submodules.loader = self._loader = loader = DescriptorLoader(config)
        m.submodules.push = self._push = push = PushEngine(config)
        m.submodules.pull = self._pull = pull = PullEngine(config)
        m.submodules.closing = self._closing = closing = ListClosing(config)
        m.submodules.reads = reads = ReadTurns(config, 2)
        for unit in (places, loader, push, pull):
            m.d.comb += [unit.x.eq(self.x), unit.y.eq(self.y)]
        wiring.connect(m, loader.read, reads.users[0])
        wiring.connect(m, push.read, reads.users[1])
        wiring.connect(m, reads.port, wiring.flipped(self.read))
        wiring.connect(m, pull.write, wiring.flipped(self.write))
        wiring.connect(m, closing.posts, wiring.flipped(self.posts))
        wiring.connect(m, wiring.flipped(self.registers), places.registers)
        for name in ("start", "start_thread", "start_offset"):
            m.d.comb += getattr(places, name).eq(getattr(self, name))
        for name in ("room", "starting", "error", "error_thread", "error_at"):
            m.d.comb += getattr(self, name).eq(getattr(places, name))

        self._load(m)
        self._end(m)
        self._send(m)
        self._receive(m)
        m.d.comb += [
            self.progress.eq(
                (self.read.req & self.read.grant)
                | (self.write.req & self.write.grant)
                | (self.requests.valid & self.requests.ready)
            ),
            self.busy.eq(places.busy | loader.busy | push.busy | pull.busy | self.responses.valid),
        ]
        return m

    def _in_phase(self, phase):
        """The places whose lists are that far."""
        return Cat(place.phase == phase for place in self._places.places)

    def _load(self, m):
        """Load descriptors, and begin what they say."""
        config, places, loader = self.config, self._places, self._loader
        one = Const(1, config.lists)
        m.submodules.load_choice = choice = RoundRobin(config.lists)
        wanted, loaded = loader.wanted, loader.loaded.payload
        m.d.comb += [
            choice.request.eq(self._in_phase(Phase.LOAD)),
            wanted.valid.eq(choice.request.any()),
            choice.serve.eq(wanted.ready),
            places.loading.eq(Mux(wanted.ready, choice.grant, 0)),
            loader.loaded.ready.eq(1),
        ]
        for number, place in enumerate(places.places):
            with m.If(choice.grant[number]):
                m.d.comb += [
                    wanted.payload.place.eq(number),
                    wanted.payload.offset.eq(Cat(place.where.offset, place.where.beyond)),
                ]

        # A list may have failed while its descriptor was loaded, since a WRITE of the one before was refused.
        comes, begins = Signal(), Signal()
        begun = places.places[loaded.place]
        m.d.comb += [
            comes.eq(loader.loaded.valid & self._in_phase(Phase.LOADING).bit_select(loaded.place, 1)),
            begins.eq(comes & (loaded.cause == ListCause.NONE)),
            places.moving.eq(Mux(begins, one << loaded.place, 0)),
            places.pulls.eq(loaded.pull.replicate(config.lists)),
            places.loaded_failure.valid.eq(comes & ~begins),
            places.loaded_failure.place.eq(loaded.place),
            places.loaded_failure.cause.eq(loaded.cause),
            places.loaded_failure.own.eq(1),
            self._closing.keep.eq(begins),
            self._closing.loaded.eq(loaded),
            self._push.load.eq(begins & ~loaded.pull),
            self._push.load_starter.eq(starter_tag(begun)),
            self._pull.load.eq(begins & loaded.pull),
        ]
        for engine in (self._push, self._pull):
            m.d.comb += [engine.load_place.eq(loaded.place), engine.load_description.eq(loaded.description)]

    def _end(self, m):
        """What the engines say of lists that are over or fail, and what is still under way of them."""
        lists, places, push, pull, closing = self.config.lists, self._places, self._push, self._pull, self._closing
        one = Const(1, lists)
        moved = Signal(lists)
        m.d.comb += [
            moved.eq(Mux(push.done, one << push.done_place, 0) | Mux(pull.done, one << pull.done_place, 0)),
            # What has failed is not done.
            places.closing.eq(moved & self._in_phase(Phase.MOVING)),
            places.push_failure.valid.eq(push.failed),
            places.push_failure.place.eq(push.failed_place),
            places.push_failure.cause.eq(ListCause.OFFSET),
            places.push_failure.at.eq(push.failed_at),
            places.pull_failure.valid.eq(pull.failed),
            places.pull_failure.place.eq(pull.failed_place),
            places.pull_failure.cause.eq(pull.failed_cause),
            places.pull_failure.at.eq(pull.failed_at),
            push.stop.eq(places.stop),
            pull.stop.eq(places.stop),
            places.counts.eq(pull.under_way),
            places.under_way.eq(pull.awaiting | push.sending),
            closing.waiting.eq(self._in_phase(Phase.CLOSING)),
            places.chained.eq(Mux(closing.chain, closing.over, 0)),
            places.freed.eq(Mux(closing.chain, 0, closing.over)),
            places.following.eq(closing.following),
        ]

    def _send(self, m):
        """Requests: WRITEs of pushes, READs of pulls, and WRITEs that only post."""
        config, places = self.config, self._places
        m.submodules.turns = turns = StreamTurns(FlitLayout(config), 3)
        wiring.connect(m, turns.o, wiring.flipped(self.requests))
        packets, reads, remote = self._push.packets, self._pull.reads, self._closing.remote_posts
        poster = places.places[remote.payload.place]
        packet, read, post = packets.payload, reads.payload, remote.payload
        for source, user, at, place in (
            (packets, turns.sources[0], packet.destination, packet.place),
            (reads, turns.sources[1], read.source, read.place),
            (remote, turns.sources[2], post.at, post.place),
        ):
            flit = user.payload
            m.d.comb += [
                user.valid.eq(source.valid),
                source.ready.eq(user.ready),
                *(getattr(flit, name).eq(getattr(at, name)) for name in ("x", "y", "exit", "upper", "offset")),
                flit.src_x.eq(self.x),
                flit.src_y.eq(self.y),
                flit.src_exit.eq(Port.LOCAL),
                flit.kind.eq(Kind.READ if source is reads else Kind.WRITE),
                flit.tag[TAG_NUMBER_BITS:].eq(TagOwner.LIST),
                flit.tag[_READ_BIT].eq(source is reads),
                flit.tag[LIST_TAG_PLACE:_READ_BIT].eq(place),
            ]
        flits = [user.payload for user in turns.sources]
        m.d.comb += [
            *(getattr(flits[0], name).eq(getattr(packet, name)) for name in ("post", "sem", "mask", "data")),
            flits[0].tag[:STARTER_BITS].eq(packet.starter),
            flits[1].tag[:LIST_TAG_PLACE].eq(read.number),
            flits[2].tag[:STARTER_BITS].eq(starter_tag(poster)),
            flits[2].post.eq(1),
            flits[2].sem.eq(post.sem),
        ]

    def _receive(self, m):
        """Answers to READs, and ERRORs. One that nobody waits for is dropped."""
        config, places, pull = self.config, self._places, self._pull
        flit = self.responses.payload
        number = flit.tag[LIST_TAG_PLACE:_READ_BIT]
        known, of_read, is_error, at = Signal(), Signal(), Signal(), Signal(EndLayout())
        answer, refused = pull.answers.payload, places.refused
        refuses = Signal()
        m.d.comb += [
            known.eq(self.responses.valid & (number < config.lists)),
            of_read.eq(known & flit.tag[_READ_BIT] & pull.awaiting.bit_select(answer.place, 1)),
            is_error.eq(flit.kind == Kind.ERROR),
            at.offset.eq(flit.offset),
            at.x.eq(flit.src_x),
            at.y.eq(flit.src_y),
            at.exit.eq(flit.src_exit),
            at.upper.eq(flit.upper),
            pull.answers.valid.eq(of_read),
            answer.place.eq(number),
            answer.number.eq(flit.tag[:LIST_TAG_PLACE]),
            answer.error.eq(Mux(is_error, flit.sem, 0)),
            answer.at.eq(at),
            answer.data.eq(flit.data),
            refuses.eq(known & ~flit.tag[_READ_BIT] & is_error),
            refused.valid.eq(refuses & places.quiet),
            refused.place.eq(number),
            refused.cause.eq(Mux(flit.sem == NetworkError.UNREACHABLE, ListCause.UNREACHABLE, ListCause.REFUSED)),
            refused.at.eq(at),
            places.refused_starter.eq(flit.tag[:STARTER_BITS]),
            self.responses.ready.eq(Mux(of_read, pull.answers.ready, ~refuses | places.quiet)),
        ]
