# SPDX-License-Identifier: Apache-2.0
"""A node: core, SRAM, network interface and router behind a registered boundary."""

from amaranth.hdl import C, Cat, Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from golden.config import ConfigError, NodeConfig
from golden.layout import COORDINATE_BITS, LINK_PORTS
from rtl.core.core import Core
from rtl.core.observation.core import ObservedCore
from rtl.core.observation.ports import observation_ports
from rtl.core.ports import LateWriteLayout, VectorWriteLayout, late_ports, retirement_width, vector_ports
from rtl.interfaces import LinkSignature, RetirementSignature
from rtl.memory.sram import Sram
from rtl.network.interface import NetworkInterface
from rtl.network.lists.attachment import ListAttachment
from rtl.network.narrow_router import NarrowRouter
from rtl.network.router import Router
from rtl.network.routing import ALL_LINKS, present_links
from rtl.sequential.core import SequentialCore

__all__ = ["NODE_NAME", "Node", "node_name", "observation_members"]

#: Name of the module of a node with all links.
NODE_NAME = "d1_node"

#: Where the tag of a thread's request has the thread; below it is the vector register that is read.
_TAG_THREAD = 5


def node_name(links: int) -> str:
    """Name of the module of a node with these links: ``d1_node`` if all are there, else with the hexadecimal digit behind."""
    return NODE_NAME if links == ALL_LINKS else f"{NODE_NAME}_{links:x}"


def observation_members(config: NodeConfig) -> dict[str, wiring.Member]:
    """Members of a node that show what its core does: retirement, late writes of scalar registers, writes of vector registers."""
    members = {}
    for number in range(config.threads * retirement_width(config)):
        for name, member in RetirementSignature().members.items():
            members[f"retire{number}_{name}"] = member
    for kind, count, layout in (
        ("late", late_ports(config), LateWriteLayout()),
        ("vector", vector_ports(config), VectorWriteLayout(config)),
    ):
        for number in range(count):
            for name, shape in layout.members.items():
                members[f"{kind}{number}_{name}"] = Out(shape)
    return members


class Node(wiring.Component):
    """One compute node. Every output is a flip-flop; docs/architecture.md lists the boundary.

    The macros (SRAM array, matrix array, SIMD unit, random lanes) are instances of Verilog modules; ``rtl.export`` supplies
    them.

    Parameters
    ----------
    config : NodeConfig
    links : int
        Links that can be present, a bit each: north, east, south, west. The ports of others stay, their outputs are 0 and
        their inputs ignored, and nothing is built for them; in all else it equals the full node whose input ``links`` has
        no more than these.
    observe : bool
        Have the outputs of observation. In all else it equals the node without.

    Members
    -------
    x, y : In(13), links, edges : In(4), cycle : In(64)
    <direction>_out_valid : Out(2), <direction>_out_flit : Out(flit or phit), <direction>_out_credit : In(2)
    <direction>_in_valid : In(2), <direction>_in_flit : In(flit or phit), <direction>_in_credit : Out(2)
        The links of LinkSignature; direction is north, east, south, west.
    idle, progress, exited : Out(1); running, waiting, trapped, stopped : Out(4)
    retire<n>_<member> : Out
        RetirementSignature; thread t retires on ``retirement_width`` ports from t times that on, oldest first.
    late<n>_valid, late<n>_thread, late<n>_register, late<n>_data : Out
        A scalar register was written after its instruction had retired.
    vector<n>_valid, vector<n>_thread, vector<n>_register, vector<n>_data : Out
        A vector register was written.
    rvfi<t>_<field>, xvfi_<port>_<field>, view_<name> : Out
        If it is observed: :func:`rtl.core.observation.ports.observation_ports`.

    Raises
    ------
    ConfigError
        If the configuration has lists, and a sequential core or narrow links.
    ValueError
        If ``links`` is not a number of four bits, or a sequential core is to be observed.
    """

    def __init__(self, config: NodeConfig, links: int = ALL_LINKS, *, observe: bool = False):
        if config.lists and (config.core == "sequential" or config.link_passes > 1):
            raise ConfigError(
                f"lists = {config.lists}: nodes with a {config.core} core and link_passes = {config.link_passes} execute no list "
                "transfers; take 0, or a pipelined core and link_passes = 1"
            )
        self.config = config
        self._observed = observation_ports(config) if observe else {}
        self.present = present_links(links)
        self._mask = links
        carried = LinkSignature(config).members["flit"].shape
        members = {"x": In(COORDINATE_BITS), "y": In(COORDINATE_BITS), "links": In(4), "edges": In(4), "cycle": In(64)}
        for port in LINK_PORTS:
            direction = port.name.lower()
            members[f"{direction}_out_valid"] = Out(2)
            members[f"{direction}_out_flit"] = Out(carried)
            members[f"{direction}_out_credit"] = In(2)
            members[f"{direction}_in_valid"] = In(2)
            members[f"{direction}_in_flit"] = In(carried)
            members[f"{direction}_in_credit"] = Out(2)
        members |= {
            "idle": Out(1),
            "progress": Out(1),
            "running": Out(4),
            "waiting": Out(4),
            "trapped": Out(4),
            "stopped": Out(4),
            "exited": Out(1),
        }
        observed = {name: Out(bits) for name, bits in self._observed.items()}
        super().__init__(members | observation_members(config) | observed)

    def elaborate(self, platform):
        m = Module()
        config = self.config
        pipelined = ObservedCore if self._observed else Core
        m.submodules.core = core = (SequentialCore if config.core == "sequential" else pipelined)(config)
        m.submodules.sram = sram = Sram(config)
        m.submodules.network_interface = interface = NetworkInterface(config)
        m.submodules.router = router = (Router if config.link_passes == 1 else NarrowRouter)(config, self._mask)

        wiring.connect(m, core.fetch, sram.fetch)
        wiring.connect(m, core.scalar, sram.scalar)
        wiring.connect(m, core.load0, sram.load0)
        wiring.connect(m, core.load1, sram.load1)
        wiring.connect(m, core.store, sram.store)
        if not config.lists:
            wiring.connect(m, interface.read, sram.network_read)
            wiring.connect(m, interface.write, sram.network_write)
        wiring.connect(m, core.network, interface.core)
        wiring.connect(m, interface.control, core.control)
        # Registers of the routing table, which the router holds, are none to the core: there they read 0.
        control, routes = interface.control, router.routes
        with m.If(control.access):
            m.d.comb += [routes.register.eq(control.register), routes.write.eq(control.write & core.control.ready)]
        m.d.comb += [
            routes.write_data.eq(control.write_data),
            control.read_data.eq(core.control.read_data | routes.read_data),
        ]
        if not config.lists:
            wiring.connect(m, router.eject_request, interface.eject_request)
            wiring.connect(m, router.eject_response, interface.eject_response)
            wiring.connect(m, interface.inject_request, router.inject_request)
        wiring.connect(m, interface.inject_response, router.inject_response)
        lists = self._lists(m, core, sram, interface, router) if config.lists else None

        for component in (core, interface, router):
            m.d.comb += [component.x.eq(self.x), component.y.eq(self.y)]
        m.d.comb += [
            core.links.eq(self.links & self._mask),
            router.links.eq(self.links),
            router.edges.eq(self.edges),
            core.cycle.eq(self.cycle),
            core.sent.eq(interface.sent),
            core.received.eq(interface.received),
            core.dropped.eq(interface.dropped),
            core.conflicts.eq(sram.conflicts),
        ]

        disturbed = []
        for port in self.present:
            direction = port.name.lower()
            out, into = getattr(router, f"{direction}_out"), getattr(router, f"{direction}_in")
            m.d.comb += [
                getattr(self, f"{direction}_out_valid").eq(out.valid),
                getattr(self, f"{direction}_out_flit").eq(out.flit),
                out.credit.eq(getattr(self, f"{direction}_out_credit")),
                into.valid.eq(getattr(self, f"{direction}_in_valid")),
                into.flit.eq(getattr(self, f"{direction}_in_flit")),
                getattr(self, f"{direction}_in_credit").eq(into.credit),
            ]
            disturbed += [into.valid.any(), out.credit.any(), out.valid.any(), into.credit.any()]

        progress = core.retires | router.progress
        if lists is not None:
            progress |= lists.progress
        quiet = core.quiet & ~router.busy & ~interface.busy & ~sram.busy & ~progress & ~sram.conflicts.any()
        if lists is not None:
            quiet &= ~lists.busy
        for signal in disturbed:
            quiet &= ~signal
        m.d.sync += [
            self.progress.eq(progress),
            self.running.eq(core.running),
            self.waiting.eq(core.waiting),
            self.trapped.eq(core.trapped),
            self.stopped.eq(core.stopped),
            self.exited.eq(core.exited),
        ]
        # The registers above show the core one cycle late, so the node is at rest only when they agree with it.
        settled = (
            ~self.progress
            & (self.running == core.running)
            & (self.waiting == core.waiting)
            & (self.trapped == core.trapped)
            & (self.stopped == core.stopped)
            & (self.exited == core.exited)
        )
        m.d.sync += self.idle.eq(quiet & settled)

        for name, ports in (("retire", core.retirement), ("late", core.late_writes), ("vector", core.vector_writes)):
            for number, port in enumerate(ports):
                members = RetirementSignature().members if name == "retire" else port.shape().members
                m.d.comb += [getattr(self, f"{name}{number}_{member}").eq(getattr(port, member)) for member in members]
        m.d.comb += [getattr(self, name).eq(getattr(core, name)) for name in self._observed]
        return m

    def _lists(self, m, core, sram, interface, router):
        """Put the engine of lists between the network interface and all that they share; returns it."""
        m.submodules.lists = lists = ListAttachment(self.config)
        wiring.connect(m, interface.read, lists.interface_read)
        wiring.connect(m, interface.write, lists.interface_write)
        wiring.connect(m, interface.inject_request, lists.interface_inject)
        wiring.connect(m, lists.interface_request, interface.eject_request)
        wiring.connect(m, lists.interface_response, interface.eject_response)
        wiring.connect(m, lists.read, sram.network_read)
        wiring.connect(m, lists.write, sram.network_write)
        wiring.connect(m, lists.inject, router.inject_request)
        wiring.connect(m, router.eject_request, lists.eject_request)
        wiring.connect(m, router.eject_response, lists.eject_response)
        control = interface.control
        with m.If(control.access):
            m.d.comb += [
                lists.registers.register.eq(control.register),
                lists.registers.write.eq(control.write & core.control.ready),
            ]
        m.d.comb += [
            lists.x.eq(self.x),
            lists.y.eq(self.y),
            lists.start.eq(core.lists.start),
            lists.start_thread.eq(core.lists.thread),
            lists.start_offset.eq(core.lists.offset),
            core.lists.room.eq(lists.room),
            lists.registers.write_data.eq(control.write_data),
            control.read_data.eq(core.control.read_data | router.routes.read_data | lists.registers.read_data),
            lists.interface_posts.eq(interface.core.post_valid),
        ]
        # What lists report to the core comes in where the network interface has nothing to report.
        with m.If(lists.post):
            m.d.comb += [core.network.post_valid.eq(1), core.network.post_sem.eq(lists.post_sem), core.network.post_amount.eq(1)]
        with m.If(lists.error):
            m.d.comb += [
                core.network.error_valid.eq(1),
                core.network.error_tag.eq(Cat(C(0, _TAG_THREAD), lists.error_thread)),
                core.network.error_address.eq(lists.error_at),
            ]
        return lists
