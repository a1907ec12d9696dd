# SPDX-License-Identifier: Apache-2.0
"""The engine of lists with a mistake, which a signal chooses, so that one elaboration has them all."""

from __future__ import annotations

from enum import IntEnum
from typing import Any

from amaranth.hdl import Const, Module, Mux, Signal

from golden.config import NodeConfig
from rtl.network.lists.engine import ListEngine
from rtl.network.lists.places import Phase

__all__ = ["Mistake", "MistakenListEngine"]


class Mistake(IntEnum):
    """What is wrong."""

    NONE = 0
    SOURCE_STRIDE = 1
    """The outer stride at the source is a granule too large."""
    DESTINATION_STRIDE = 2
    """The inner stride at the destination is a granule too small."""
    COUNT = 3
    """The outer dimension ends one early."""
    PADDING = 4
    """The granule behind the valid ones is valid."""
    PULL_POSTS_EARLY = 5
    """A pull is over when the answer to one READ is to come."""
    PUSH_POSTS_EARLY = 6
    """A push is over when its last granule has been read."""
    EVERY_PACKET_POSTS = 7
    """Every packet of a push brings the post of the last one."""
    CHAIN_LOSES_POST = 8
    """A descriptor with another one behind it posts nothing in its node."""
    CHAIN_LOSES_POST_OF_PUSH = 9
    """A push with another descriptor behind it posts nothing at its destination."""
    CHAIN_LOSES_POST_OF_PULL = 10
    """A pull with another descriptor behind it posts nothing at its source."""
    CHAIN_ENDS = 11
    """A chain ends with its first descriptor."""


class MistakenListEngine(ListEngine):
    """See :class:`Mistake`.

    Members
    -------
    mistake : Signal
        To be set from outside.
    """

    def __init__(self, config: NodeConfig):
        super().__init__(config)
        self.mistake = Signal(range(len(Mistake)))

    def _makes(self, mistake: Mistake) -> Any:
        return self.mistake == mistake

    def _load(self, m: Module) -> None:
        super()._load(m)
        loaded = self._loader.loaded.payload
        first, second = (loaded.description.dimensions[number] for number in range(2))
        granule = Const(8) << loaded.description.granule
        for engine in (self._push, self._pull):
            description = engine.load_description
            with m.If(self._makes(Mistake.SOURCE_STRIDE)):
                m.d.comb += description.dimensions[1].source_stride.eq(second.source_stride + granule)
            with m.If(self._makes(Mistake.DESTINATION_STRIDE)):
                m.d.comb += description.dimensions[0].destination_stride.eq(first.destination_stride - granule)
            with m.If(self._makes(Mistake.COUNT)):
                m.d.comb += description.dimensions[1].count.eq(second.count - 1)
            with m.If(self._makes(Mistake.PADDING)):
                m.d.comb += description.dimensions[0].end.eq(first.end + 1)
        with m.If(self._makes(Mistake.CHAIN_LOSES_POST_OF_PUSH) & loaded.chain):
            m.d.comb += self._push.load_description.post_destination.eq(0)

    def _end(self, m: Module) -> None:
        super()._end(m)
        places, closing = self._places, self._closing
        for number, place in enumerate(places.places):
            over = Mux(place.pull, self._pull.under_way[number] == 1, ~self._push.running[number])
            early = Mux(place.pull, self._makes(Mistake.PULL_POSTS_EARLY), self._makes(Mistake.PUSH_POSTS_EARLY))
            with m.If((place.phase == Phase.MOVING) & early & over):
                m.d.comb += places.closing[number].eq(1)
        with m.If(self._makes(Mistake.CHAIN_LOSES_POST) & closing.chain):
            m.d.comb += self.posts.valid.eq(0)
        with m.If(self._makes(Mistake.CHAIN_ENDS)):
            m.d.comb += [places.chained.eq(0), places.freed.eq(closing.over)]

    def _send(self, m: Module) -> None:
        super()._send(m)
        flit, remote = self.requests.payload, self._closing.remote_posts
        with m.If(self._makes(Mistake.EVERY_PACKET_POSTS) & flit.mask.any()):
            m.d.comb += flit.post.eq(1)
        with m.If(self._makes(Mistake.CHAIN_LOSES_POST_OF_PULL) & remote.valid & remote.ready & self._closing.chain):
            m.d.comb += flit.post.eq(0)
