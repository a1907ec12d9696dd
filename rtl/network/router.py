# SPDX-License-Identifier: Apache-2.0
"""The five-port router of the mesh."""

from collections.abc import Sequence
from functools import reduce
from operator import or_

from amaranth import Cat, Const, Module, Mux, Signal, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from golden.config import NodeConfig
from golden.layout import COORDINATE_BITS, LINK_PORTS, Port, TrafficClass
from rtl.interfaces import FlitLayout, LinkSignature, flit_stream
from rtl.network.arbiter import RoundRobin
from rtl.network.credits import Credits
from rtl.network.fifo import Fifo
from rtl.network.route_table import RoutePort
from rtl.network.routing import ALL_LINKS, UNDELIVERABLE, WAYS, Ways, present_links

__all__ = ["LINK_NAMES", "EjectLayout", "Router", "eject_stream", "router_members", "router_ways"]

#: Names of the links, in the order of ``LINK_PORTS``.
LINK_NAMES = tuple(port.name.lower() for port in LINK_PORTS)


class _Queue:
    """The oldest flit of one class at every input, bit by bit in the order of the links that there are, local input last.

    ``ways`` of an input has a bit each of the values of Port and ``UNDELIVERABLE``: one is set if there is a flit, or several of
    a multicast. ``buffered`` tells that the flit is the head of the input's buffer. ``wants`` of a way tells which inputs still
    want to leave by it, ``granted`` whose flit does so in this cycle, ``taken`` that none of its ways is left.
    """

    def __init__(self, traffic_class: TrafficClass, ports: Sequence[Port]):
        name = traffic_class.name.lower()
        self.name = name
        self.traffic_class = traffic_class
        self.ports = ports
        places = (*(port.name.lower() for port in ports), "local")
        self.inputs = len(places)
        self.ways = [Signal(WAYS, name=f"{name}_{place}_ways") for place in places]
        self.buffered = Signal(self.inputs, name=f"{name}_buffered")
        self.taken = Signal(self.inputs, name=f"{name}_taken")
        present = (*ports, Port.LOCAL, UNDELIVERABLE)
        self.wants = {way: Signal(self.inputs, name=f"{name}_wants_{int(way)}") for way in present}
        self.granted = {way: Signal(self.inputs, name=f"{name}_granted_{int(way)}") for way in present}
        self.heads = []

    def settle(self, m, links):
        """Make ``wants`` and ``taken``, when ``ways`` and ``granted`` are driven.

        What was to leave by a link that has gone meanwhile is undeliverable.
        """
        offered = Cat(ways.any() for ways in self.ways)
        stranded = Const(0, self.inputs)
        for way, wants in self.wants.items():
            # Nothing turns back to the link by which it came.
            asks = Cat(
                Const(0, 1) if arrival == way else ways[way] for arrival, ways in zip((*self.ports, None), self.ways, strict=True)
            )
            if way == UNDELIVERABLE:
                asks |= stranded
            if self.traffic_class == TrafficClass.REQUEST:
                # Copies of a multicast leave as their ways become free; those that have left are remembered until all have.
                left = Signal(self.inputs, name=f"{self.name}_left_{int(way)}")
                m.d.sync += left.eq((left | self.granted[way]) & ~self.taken)
                asks &= ~left
            if way in LINK_PORTS:
                present = links[LINK_PORTS.index(way)].replicate(self.inputs)
                stranded |= asks & ~present
                asks &= present
            m.d.comb += wants.eq(asks)
        missing = reduce(or_, (wants & ~self.granted[way] for way, wants in self.wants.items()))
        m.d.comb += self.taken.eq(offered & ~missing)


class EjectLayout(data.StructLayout):
    """What the router hands to the network interface: a flit, and whether its destination could not be reached."""

    def __init__(self, config: NodeConfig):
        super().__init__({"flit": FlitLayout(config), "undeliverable": unsigned(1)})


def eject_stream(config: NodeConfig) -> wiring.Signature:
    """A valid/ready stream of :class:`EjectLayout`, seen from the router."""
    return stream.Signature(EjectLayout(config))


def router_members(config: NodeConfig) -> dict:
    """Members of a router; :class:`Router` says what they are."""
    members = {"x": In(COORDINATE_BITS), "y": In(COORDINATE_BITS)} | dict.fromkeys(("links", "edges"), In(len(LINK_PORTS)))
    for name in LINK_NAMES:
        members |= {f"{name}_out": Out(LinkSignature(config)), f"{name}_in": In(LinkSignature(config))}
    for name in TrafficClass:
        members |= {
            f"inject_{name.name.lower()}": In(flit_stream(config)),
            f"eject_{name.name.lower()}": Out(eject_stream(config)),
        }
    return members | {"routes": In(RoutePort()), "progress": Out(1), "busy": Out(1)}


def router_ways(m, router):
    """The rule by which a router sends on what comes by its links, and what its network interface sends in both classes."""
    links, flits = router.links & router.mask, len(router.present) + len(TrafficClass)
    return Ways(m, router.config, router.x, router.y, links, router.edges, router.routes, flits)


class Router(wiring.Component):
    """Moves flits between four links and the network interface, x first, then y, or as its routing table says.

    A flit that arrives on a link in cycle t is on its output link in cycle t + 1, if its buffer is empty and it wins there;
    every output register takes one flit per cycle. Link outputs come straight from flip-flops.

    A buffer and credits exist per link and class, so a class that is held up never holds up the other one. Per output the
    inputs take turns within a class, and the classes take turns among those that have a flit and a credit. Flits of one class
    with the same source and destination stay in order, as long as nobody writes the routing table.

    A flit's way is looked up when it arrives on a link, so the table that counts is the one of that cycle; that of a flit from
    the network interface as long as it is not taken.

    A multicast leaves by each of its ways as soon as that is free, and stays until all copies have left; then it counts as taken.
    Where one of them has no way on, the network interface gets it as undeliverable too. A router whose table is enabled sends
    none on: trees and tables together could deadlock.

    ``busy`` is clear only if no register of the router changes at the end of this cycle.

    Parameters
    ----------
    config : NodeConfig
        Flits have its lines, buffers its ``channel_depth``.
    links : int
        Links that can be present, a bit each as in the input ``links``. There is nothing behind the members of others: their
        outputs are 0, their inputs are ignored.

    Members
    -------
    x, y : In(13), own coordinates, constant
    links : In(4), links present: north, east, south, west; those that cannot be present count as absent. When a
        bit is cleared, nothing comes by that link any more, and what was to leave by it is undeliverable
    edges : In(4), those of the links that lead out of the array, so that packets may leave by them as their exit; constant
    north_out, east_out, south_out, west_out : Out(LinkSignature)
    north_in, east_in, south_in, west_in : In(LinkSignature)
    inject_request, inject_response : In(flit_stream), from the network interface; ``ready`` depends on ``valid``
    eject_request, eject_response : Out(eject_stream), to the network interface, from registers
    routes : In(RoutePort), to the routing table; with ``route_bits`` of 0 it reads 0
    progress : Out(1), a flit entered an output register in this cycle
    busy : Out(1)

    Raises
    ------
    ValueError
        If ``links`` is not a number of four bits.
    """

    def __init__(self, config: NodeConfig, links: int = ALL_LINKS):
        self.config = config
        self.present = present_links(links)
        self.mask = links
        super().__init__(router_members(config))

    def elaborate(self, platform):
        m = Module()
        ways = router_ways(m, self)
        arriving = []
        for port in self.present:
            name = f"{port.name.lower()}_in"
            link = getattr(self, name)
            arriving.append(ways.find(name, link.flit, link.valid.any(), port, link.valid[TrafficClass.REQUEST]))
        queues = [self._queue(m, c, ways, arriving) for c in TrafficClass]
        changes = [ways for queue in queues for ways in queue.ways]

        for port in self.present:
            changes += self._link_output(m, port, queues)
        for queue in queues:
            changes.append(self._eject_output(m, queue))
            queue.settle(m, self.links)
        for i, port in enumerate(self.present):
            name = port.name.lower()
            link = getattr(self, f"{name}_in")
            credit = Signal(len(queues), name=f"{name}_in_credit")
            m.d.sync += credit.eq(Cat(queue.taken[i] for queue in queues))
            m.d.comb += link.credit.eq(credit)
            changes.append(credit)

        moves = [granted for queue in queues for granted in queue.granted.values()]
        m.d.comb += [self.progress.eq(Cat(moves).any()), self.busy.eq(Cat(changes).any())]
        return m

    def _queue(self, m, c, ways, ways_in):
        """Buffers of one class, with bypass, given the ways of what arrives on the links."""
        queue = _Queue(c, self.present)
        for i, port in enumerate(self.present):
            name = port.name.lower()
            link = getattr(self, f"{name}_in")
            fifo = Fifo(FlitLayout(self.config), self.config.channel_depth, beside=WAYS)
            m.submodules[f"{name}_{queue.name}_buffer"] = fifo
            queue.heads.append(fifo.o.payload)
            arriving = Signal(WAYS, name=f"{name}_in_{queue.name}_ways")
            with m.If(link.valid[c]):
                m.d.comb += arriving.eq(ways_in[i])
            m.d.comb += [
                queue.ways[i].eq(Mux(fifo.o.valid, fifo.o_beside, arriving)),
                queue.buffered[i].eq(fifo.o.valid),
                fifo.o.ready.eq(queue.taken[i]),
                # Credits keep the buffer from overflowing, so its ready is not asked for.
                fifo.i.valid.eq(link.valid[c] & (fifo.o.valid | ~queue.taken[i])),
                fifo.i.payload.eq(link.flit),
                fifo.i_beside.eq(arriving),
            ]
        inject = getattr(self, f"inject_{queue.name}")
        m.d.comb += [
            queue.ways[-1].eq(
                ways.find(f"inject_{queue.name}", inject.payload, inject.valid, Port.LOCAL, int(c == TrafficClass.REQUEST))
            ),
            inject.ready.eq(queue.taken[-1]),
        ]
        return queue

    def _link_output(self, m, port, queues):
        """Arbitration, credits and output register of one link. Returns what makes them change, beside the queues."""
        name = port.name.lower()
        link = getattr(self, f"{name}_out")
        ready, goes, served = [], [], []
        for queue in queues:
            m.submodules[f"{name}_{queue.name}_turns"] = turns = RoundRobin(queue.inputs)
            m.submodules[f"{name}_{queue.name}_credits"] = credits = Credits(self.config.channel_depth)
            go = Signal(name=f"{name}_{queue.name}_goes")
            grants = queue.granted[port]
            m.d.comb += [
                turns.request.eq(queue.wants[port]),
                turns.serve.eq(go),
                credits.spend.eq(go),
                credits.refund.eq(link.credit[queue.traffic_class]),
                grants.eq(Mux(go, turns.grant, 0)),
            ]
            ready.append(turns.request.any() & credits.available)
            goes.append(go)
            served.append((queue, grants))

        # Where both classes could go, the one goes that did not go last.
        last = Signal(name=f"{name}_last_class")
        m.d.comb += [goes[0].eq(ready[0] & (~ready[1] | last)), goes[1].eq(ready[1] & (~ready[0] | ~last))]

        valid = Signal(len(queues), name=f"{name}_out_valid")
        flit = Signal(FlitLayout(self.config), name=f"{name}_out_flit", reset_less=True)
        m.d.sync += valid.eq(Cat(goes))
        m.d.comb += [link.valid.eq(valid), link.flit.eq(flit)]
        select = self._selection(m, name, served)
        with m.If(Cat(goes).any()):
            m.d.sync += last.eq(goes[1])
            select(flit)
        return [valid, link.credit]

    def _eject_output(self, m, queue):
        """Arbitration of one class towards the network interface, its output register, and another one behind that.

        A flit is taken while the second register is empty, so that no path leads from the network interface into the router.
        Returns what makes it change.
        """
        name = f"eject_{queue.name}"
        eject = getattr(self, name)
        m.submodules[f"{name}_turns"] = turns = RoundRobin(queue.inputs)
        takes = Signal(name=f"{name}_takes")
        full, second_full = Signal(name=f"{name}_full"), Signal(name=f"{name}_second_full")
        grants = Signal(queue.inputs, name=f"{name}_grants")
        payload = Signal(EjectLayout(self.config), name=f"{name}_payload", reset_less=True)
        second = Signal(EjectLayout(self.config), name=f"{name}_second", reset_less=True)
        # Where a multicast arrives, and copies of it cannot go on, it is first delivered, then answered.
        delivered, lost = queue.granted[Port.LOCAL], queue.granted[UNDELIVERABLE]
        m.d.comb += [
            turns.request.eq(queue.wants[Port.LOCAL] | queue.wants[UNDELIVERABLE]),
            takes.eq(turns.request.any() & ~second_full),
            turns.serve.eq(takes),
            grants.eq(Mux(takes, turns.grant, 0)),
            delivered.eq(grants & queue.wants[Port.LOCAL]),
            lost.eq(grants & ~queue.wants[Port.LOCAL]),
            eject.valid.eq(full),
            eject.payload.eq(payload),
        ]

        stays, select = Signal(name=f"{name}_stays"), self._selection(m, name, [(queue, grants)])
        m.d.comb += stays.eq(full & ~eject.ready)
        m.d.sync += [full.eq(stays | takes | second_full), second_full.eq(stays & (takes | second_full))]
        for target, enters in ((payload, takes & ~stays), (second, takes & stays)):
            with m.If(enters):
                m.d.sync += target.undeliverable.eq(lost.any())
                select(target.flit)
        with m.If(second_full & ~stays):
            m.d.sync += payload.eq(second)
        return full

    def _selection(self, m, name, served):
        """Returns a function that clocks the flit of the one input and class that is granted into what it is given.

        One binary number chooses among all sources at once: in logic a tree of multiplexers, in a simulator one copy.
        """
        local = len(self.present)
        granted = reduce(or_, (grants for _, grants in served))
        index = [Cat(granted[i] for i in range(local) if i >> bit & 1).any() for bit in range((local - 1).bit_length())]
        buffered = reduce(or_, (grants & queue.buffered for queue, grants in served)).any()
        second = served[-1][1].any() if len(served) > 1 else Const(0)
        select = Signal(len(index) + 3, name=f"{name}_select")
        m.d.comb += select.eq(Cat(*index, granted[local], buffered, second))
        index, injected, buffered, second = select[: len(index)], select[-3], select[-2], select[-1]

        injecting = [[getattr(self, f"inject_{queue.name}").payload] for queue, _ in served]
        arriving = [getattr(self, f"{port.name.lower()}_in").flit for port in self.present]

        def choose(target, bits, sources):
            """A tree of two-way choices by ``bits``, low bit first, of two sources to the power of their number at most."""
            if len(sources) == 1:
                m.d.sync += target.eq(sources[0])
                return
            half = 1 << (len(sources) - 1).bit_length() - 1
            bit = bits[half.bit_length() - 1]
            with m.If(bit):
                choose(target, bits, sources[half:])
            with m.Else():
                choose(target, bits, sources[:half])

        def choose_class(target, sources):
            """The same for each class that is served."""
            if len(sources) == 1:
                choose(target, index, sources[0])
                return
            with m.If(second):
                choose(target, index, sources[1])
            with m.Else():
                choose(target, index, sources[0])

        def clock_into(target):
            if not self.present:
                choose_class(target, injecting)
                return
            with m.If(buffered):
                choose_class(target, [queue.heads for queue, _ in served])
            with m.Elif(injected):
                choose_class(target, injecting)
            with m.Else():
                choose(target, index, arriving)

        return clock_into
