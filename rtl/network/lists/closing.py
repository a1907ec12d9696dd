# SPDX-License-Identifier: Apache-2.0
"""What is left to be done when everything that a list moves has been moved."""

from amaranth import Const, Module, Mux, Signal, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from golden.config import NodeConfig
from golden.layout import SEMAPHORE_ID_BITS
from rtl.network.arbiter import RoundRobin
from rtl.network.lists.layouts import EndLayout, place_bits
from rtl.network.lists.loader import LoadedLayout
from rtl.network.lists.places import ListWhereLayout

__all__ = ["ListClosing", "RemotePostLayout"]


class RemotePostLayout(data.StructLayout):
    """A post to another node by a place: the line of that node that its WRITE goes to, without a byte, and the semaphore."""

    def __init__(self, config: NodeConfig):
        super().__init__({"place": unsigned(place_bits(config)), "at": EndLayout(), "sem": unsigned(SEMAPHORE_ID_BITS)})


class _ClosingLayout(data.StructLayout):
    """What is to be done at the end of a list, and where it goes on."""

    def __init__(self):
        super().__init__(
            {
                "post": unsigned(1),
                "sem": unsigned(SEMAPHORE_ID_BITS),
                "remote_post": unsigned(1),
                "remote_sem": unsigned(SEMAPHORE_ID_BITS),
                "source": EndLayout(),
                "chain": unsigned(1),
                "following": ListWhereLayout(),
            }
        )


class ListClosing(wiring.Component):
    """Does the posts of one list after the other, first that in this node, and says how its place goes on.

    Where nothing has to wait it takes two cycles of a list, three if it posts elsewhere. Lists that wait take turns.

    Parameters
    ----------
    config : NodeConfig

    Members
    -------
    keep : In(1), loaded : In(LoadedLayout), strobe: a list begins; what is to be done at its end is kept
    waiting : In(lists), everything has been moved; clear in the cycle after ``over``
    posts : Out(stream of semaphore), of this node
    remote_posts : Out(stream of RemotePostLayout)
    over : Out(lists), strobe: nothing is left to be done
    chain : Out(1), following : Out(ListWhereLayout), beside it: it goes on with the next descriptor, and where that lies
    """

    def __init__(self, config: NodeConfig):
        self.config = config
        super().__init__(
            {
                "keep": In(1),
                "loaded": In(LoadedLayout(config)),
                "waiting": In(config.lists),
                "posts": Out(stream.Signature(SEMAPHORE_ID_BITS)),
                "remote_posts": Out(stream.Signature(RemotePostLayout(config))),
                "over": Out(config.lists),
                "chain": Out(1),
                "following": Out(ListWhereLayout()),
            }
        )

    def elaborate(self, platform):
        m = Module()
        config, loaded = self.config, self.loaded
        description = loaded.description
        line_low = (config.line_bytes - 1).bit_length()
        m.submodules.kept = kept = Memory(shape=_ClosingLayout(), depth=config.lists, init=[])
        write, read = kept.write_port(), kept.read_port(domain="comb")
        entry = write.data
        offset_bits = len(self.following.offset)
        m.d.comb += [
            write.en.eq(self.keep),
            write.addr.eq(loaded.place),
            entry.post.eq(Mux(loaded.pull, description.post_destination, description.post_source)),
            entry.sem.eq(Mux(loaded.pull, description.destination_sem, description.source_sem)),
            # What a push posts elsewhere goes with its last packet.
            entry.remote_post.eq(loaded.pull & description.post_source),
            entry.remote_sem.eq(description.source_sem),
            entry.source.eq(description.source),
            entry.source.offset[:line_low].eq(0),
            entry.chain.eq(loaded.chain),
            entry.following.offset.eq(loaded.following),
            entry.following.beyond.eq(loaded.following[offset_bits:].any()),
        ]

        busy, place = Signal(), Signal(place_bits(config))
        posted = Signal()
        m.submodules.choice = choice = RoundRobin(config.lists)
        active, over = Signal(), Signal()
        closing = read.data
        m.d.comb += [
            read.addr.eq(place),
            # A list that fails while its posts wait does no more of them.
            active.eq(busy & self.waiting.bit_select(place, 1)),
            self.posts.valid.eq(active & closing.post & ~posted),
            self.posts.payload.eq(closing.sem),
            self.remote_posts.valid.eq(active & (posted | ~closing.post) & closing.remote_post),
            self.remote_posts.payload.place.eq(place),
            self.remote_posts.payload.at.eq(closing.source),
            self.remote_posts.payload.sem.eq(closing.remote_sem),
            over.eq(
                active
                & (~closing.post | posted | self.posts.ready)
                & (~closing.remote_post | (self.remote_posts.valid & self.remote_posts.ready))
            ),
            self.over.eq(Mux(over, Const(1, config.lists) << place, 0)),
            self.chain.eq(closing.chain),
            self.following.eq(closing.following),
            choice.request.eq(self.waiting),
            choice.serve.eq(~busy),
        ]
        with m.If(self.posts.valid & self.posts.ready):
            m.d.sync += posted.eq(1)
        with m.If(~busy):
            m.d.sync += [busy.eq(self.waiting.any()), posted.eq(0)]
            for number in range(config.lists):
                with m.If(choice.grant[number]):
                    m.d.sync += place.eq(number)
        with m.Elif(over | ~active):
            m.d.sync += busy.eq(0)
        return m
