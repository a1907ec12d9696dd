# SPDX-License-Identifier: Apache-2.0
"""A router that mistreats packets where they arrive, to see that measurements notice."""

from __future__ import annotations

from amaranth import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import connect, flipped

from golden.config import NodeConfig
from rtl.network.router import Router, router_members

__all__ = ["DOUBLES", "LOSES", "MISLEADS", "FaultyRouter"]

#: Nodes at which requests are lost, delivered twice, and changed into some for the node at (0, 0).
LOSES, DOUBLES, MISLEADS = (1, 0), (0, 1), (1, 1)


class FaultyRouter(wiring.Component):
    """The router, but for the requests that arrive at three nodes."""

    def __init__(self, config: NodeConfig):
        self._config = config
        super().__init__(router_members(config))

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.router = router = Router(self._config)
        for name in self.signature.members:
            if name not in ("x", "y", "links", "edges", "eject_request", "progress", "busy"):
                connect(m, flipped(getattr(self, name)), getattr(router, name))
        m.d.comb += [getattr(router, name).eq(getattr(self, name)) for name in ("x", "y", "links", "edges")]
        m.d.comb += [getattr(self, name).eq(getattr(router, name)) for name in ("progress", "busy")]

        inner, outer = router.eject_request, self.eject_request
        loses, doubles, misleads = ((self.x == x) & (self.y == y) for x, y in (LOSES, DOUBLES, MISLEADS))
        again = Signal()
        m.d.comb += [
            outer.valid.eq(inner.valid & ~loses),
            outer.payload.eq(inner.payload),
            inner.ready.eq((outer.ready & (again | ~doubles)) | loses),
        ]
        with m.If(misleads):
            m.d.comb += [outer.payload.flit.x.eq(0), outer.payload.flit.y.eq(0)]
        with m.If(outer.valid & outer.ready):
            m.d.sync += again.eq(~again)
        return m
