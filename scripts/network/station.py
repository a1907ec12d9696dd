# SPDX-License-Identifier: Apache-2.0
"""The router with what a simulator needs at its local ports."""

from collections.abc import Callable

from amaranth import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from golden.config import NodeConfig
from golden.layout import COORDINATE_BITS, LINK_PORTS, TrafficClass
from rtl.interfaces import FlitLayout, LinkSignature
from rtl.network.router import LINK_NAMES, Router

__all__ = ["TOP", "Station"]

#: Name of the Verilog module.
TOP = "d1_station"


class Station(wiring.Component):
    """A node's router, and instead of the node a place where flits enter and leave.

    The router's ``ready`` towards the node depends on ``valid`` in the same cycle. Here a register tells in the next cycle what
    was taken, so that a simulator sees all that it needs in registers and evaluates each cycle once.

    Parameters
    ----------
    config : NodeConfig
        As of :class:`rtl.network.router.Router`.
    router : callable, optional
        Makes the router of the configuration, one with the members of that one, which it is by default.

    Members
    -------
    x, y, links : as those of :class:`rtl.network.router.Router`
    <link>_out_valid : Out(2), <link>_out_flit : Out(flit), <link>_out_credit : In(2)
    <link>_in_valid : In(2), <link>_in_flit : In(flit), <link>_in_credit : Out(2); <link> is north, east, south, west
    inject_request_valid, inject_response_valid : In(1), a flit waits to enter; it stays until it is taken
    inject_request_flit, inject_response_flit : In(flit)
    inject_request_taken, inject_response_taken : Out(1), the flit entered in the cycle before
    eject_request_valid, eject_response_valid : Out(1), a flit arrived
    eject_request_flit, eject_response_flit : Out(flit)
    eject_request_undeliverable, eject_response_undeliverable : Out(1), it can go no further here
    eject_request_ready, eject_response_ready : In(1), it is taken
    """

    def __init__(self, config: NodeConfig, router: Callable[[NodeConfig], wiring.Component] = Router):
        self.config = config
        self._router = router
        members = {"x": In(COORDINATE_BITS), "y": In(COORDINATE_BITS), "links": In(len(LINK_PORTS))}
        link = LinkSignature(config).members
        for name in LINK_NAMES:
            members |= {
                f"{name}_out_valid": Out(link["valid"].shape),
                f"{name}_out_flit": Out(link["flit"].shape),
                f"{name}_out_credit": In(link["credit"].shape),
                f"{name}_in_valid": In(link["valid"].shape),
                f"{name}_in_flit": In(link["flit"].shape),
                f"{name}_in_credit": Out(link["credit"].shape),
            }
        for name in map(str.lower, TrafficClass.__members__):
            members |= {
                f"inject_{name}_valid": In(1),
                f"inject_{name}_flit": In(FlitLayout(config)),
                f"inject_{name}_taken": Out(1),
                f"eject_{name}_valid": Out(1),
                f"eject_{name}_flit": Out(FlitLayout(config)),
                f"eject_{name}_undeliverable": Out(1),
                f"eject_{name}_ready": In(1),
            }
        super().__init__(members)

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.router = router = self._router(self.config)
        # No link leads out of the mesh.
        m.d.comb += [router.x.eq(self.x), router.y.eq(self.y), router.links.eq(self.links), router.edges.eq(0)]
        for name in LINK_NAMES:
            out, into = getattr(router, f"{name}_out"), getattr(router, f"{name}_in")
            m.d.comb += [
                getattr(self, f"{name}_out_valid").eq(out.valid),
                getattr(self, f"{name}_out_flit").eq(out.flit),
                out.credit.eq(getattr(self, f"{name}_out_credit")),
                into.valid.eq(getattr(self, f"{name}_in_valid")),
                into.flit.eq(getattr(self, f"{name}_in_flit")),
                getattr(self, f"{name}_in_credit").eq(into.credit),
            ]
        for name in map(str.lower, TrafficClass.__members__):
            inject, eject = getattr(router, f"inject_{name}"), getattr(router, f"eject_{name}")
            taken = Signal(name=f"{name}_taken")
            m.d.sync += taken.eq(inject.valid & inject.ready)
            m.d.comb += [
                inject.valid.eq(getattr(self, f"inject_{name}_valid")),
                inject.payload.eq(getattr(self, f"inject_{name}_flit")),
                getattr(self, f"inject_{name}_taken").eq(taken),
                getattr(self, f"eject_{name}_valid").eq(eject.valid),
                getattr(self, f"eject_{name}_flit").eq(eject.payload.flit),
                getattr(self, f"eject_{name}_undeliverable").eq(eject.payload.undeliverable),
                eject.ready.eq(getattr(self, f"eject_{name}_ready")),
            ]
        return m
