# SPDX-License-Identifier: Apache-2.0
"""A narrow router behind links that carry whole flits, so that it meets the benches of the wide one."""

from typing import Any

from amaranth import Cat, Module
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from golden.config import NodeConfig
from golden.layout import COORDINATE_BITS, LINK_PORTS, TrafficClass
from rtl.interfaces import FlitLayout, LinkSignature, flit_stream
from rtl.network.fifo import Fifo
from rtl.network.narrow_router import NarrowRouter
from rtl.network.phits import PhitReceiver, PhitSender
from rtl.network.route_table import RoutePort
from rtl.network.router import LINK_NAMES, eject_stream

__all__ = ["FlitLinks"]


class FlitLinks(wiring.Component):
    """The boundary of ``rtl.network.router.Router`` around a NarrowRouter; all flits that the credits allow may come at once."""

    def __init__(self, config: NodeConfig):
        self.config = config
        wide = config.replace(link_passes=1)
        members: dict[str, Any] = {"x": In(COORDINATE_BITS), "y": In(COORDINATE_BITS)}
        members |= dict.fromkeys(("links", "edges"), In(len(LINK_PORTS)))
        for name in LINK_NAMES:
            members |= {f"{name}_out": Out(LinkSignature(wide)), f"{name}_in": In(LinkSignature(wide))}
        for c in TrafficClass:
            members |= {
                f"inject_{c.name.lower()}": In(flit_stream(config)),
                f"eject_{c.name.lower()}": Out(eject_stream(config)),
            }
        super().__init__(members | {"routes": In(RoutePort()), "progress": Out(1), "busy": Out(1)})

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        config = self.config
        m.submodules.router = router = NarrowRouter(config)
        m.d.comb += [getattr(router, name).eq(getattr(self, name)) for name in ("x", "y", "links", "edges")]
        m.d.comb += self.progress.eq(router.progress)
        wiring.connect(m, wiring.flipped(self.routes), router.routes)
        for c in TrafficClass:
            name = c.name.lower()
            wiring.connect(m, wiring.flipped(getattr(self, f"inject_{name}")), getattr(router, f"inject_{name}"))
            wiring.connect(m, getattr(router, f"eject_{name}"), wiring.flipped(getattr(self, f"eject_{name}")))
        busy = [router.busy]
        for name in LINK_NAMES:
            into, out = getattr(self, f"{name}_in"), getattr(self, f"{name}_out")
            narrow_in, narrow_out = getattr(router, f"{name}_in"), getattr(router, f"{name}_out")
            layout = data.StructLayout({"flit": FlitLayout(config), "valid": len(TrafficClass)})
            m.submodules[f"{name}_queue"] = queue = Fifo(layout, len(TrafficClass) * config.channel_depth)
            m.submodules[f"{name}_sender"] = sender = PhitSender(config)
            m.submodules[f"{name}_receiver"] = receiver = PhitReceiver(config)
            m.d.comb += [
                queue.i.valid.eq(into.valid.any()),
                queue.i.payload.flit.eq(into.flit),
                queue.i.payload.valid.eq(into.valid),
                queue.o.ready.eq(sender.ready),
                sender.valid.eq(queue.o.payload.valid & queue.o.valid.replicate(len(TrafficClass))),
                sender.flit.eq(queue.o.payload.flit),
                narrow_in.valid.eq(sender.link_valid),
                narrow_in.flit.eq(sender.link_phit),
                into.credit.eq(narrow_in.credit),
                receiver.link_valid.eq(narrow_out.valid),
                receiver.link_phit.eq(narrow_out.flit),
                out.valid.eq(receiver.valid),
                out.flit.eq(receiver.flit),
                narrow_out.credit.eq(out.credit),
            ]
            busy += [into.valid, queue.o.valid, sender.link_valid, receiver.valid]
        m.d.comb += self.busy.eq(Cat(busy).any())
        return m
