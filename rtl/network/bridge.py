# SPDX-License-Identifier: Apache-2.0
"""One direction of a link that takes more than a cycle, between two routers."""

from amaranth import Const, Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from golden.config import NodeConfig
from golden.layout import TrafficClass, phit_bits
from rtl.interfaces import LinkSignature
from rtl.network.credits import Credits
from rtl.network.fifo import Fifo

__all__ = ["Bridge", "bridge_depth"]


def bridge_depth(config: NodeConfig, cycles: int) -> int:
    """Flits of each class for which there is room at the far end of a bridge.

    Beyond the sender's own credits: what leaves in the time that a flit takes to the far end and its credit back.
    """
    return config.channel_depth + -(-2 * (cycles - 2) // config.link_passes)


class Bridge(wiring.Component):
    """Carries flits over a long wire, from the output of one router to the input of another.

    ::

        sender ──▶ near end ═════ cycles - 2 registers ════▶ far end: a buffer of each class ──▶ receiver
               ◀── credits  ◀════ cycles - 2 registers ═════ places that got free            ◀── credits

    Time. A phit that comes in cycle t goes out in t + cycles - 1 if nothing holds it up. So what is in the output register of
    one router in cycle t is in that of the next, through an empty :class:`rtl.network.router.Router`, in t + cycles.

    Room. At the far end there are ``bridge_depth`` places for each class, and the near end counts those that are free. It gives
    a credit back for a flit in the cycle after its first phit, as long as there is room for all that the sender may
    send then; else as soon as a place gets free. So the wire never stops, and nothing is kept at the near end. A place is
    free as soon as the first phit of its flit leaves the far end.

    Rate. As long as the sender has flits and the receiver has room, a phit goes out in every cycle, whatever the two have held
    up before: there are places for one class alone to fill the wire both ways. This asks of both that they return a credit
    in the cycle after the one in which a flit is on the link, as routers do.

    Order. Flits of one class leave in the order in which they came, and phits of a flit one after the other. Of two classes that
    could both go, the one goes that did not go last. A class that is held up, here or at the receiver, never holds up
    the other one.

    Parameters
    ----------
    config : NodeConfig
        Links carry its flits, ``link_passes`` phits each; both routers have its ``channel_depth``.
    cycles : int
        At least 2: a link of one cycle is a wire.

    Members
    -------
    i : In(LinkSignature), from the sender
    o : Out(LinkSignature), to the receiver
        All that the bridge drives comes from flip-flops.

    Raises
    ------
    ValueError
        If ``cycles`` is below 2.
    """

    def __init__(self, config: NodeConfig, cycles: int):
        if cycles < 2:
            raise ValueError(f"cycles = {cycles}: a bridge takes at least 2")
        self.config = config
        self.cycles = cycles
        self.places = bridge_depth(config, cycles)
        super().__init__({"i": In(LinkSignature(config)), "o": Out(LinkSignature(config))})

    def elaborate(self, platform):
        m = Module()
        passes = self.config.link_passes
        classes = range(len(TrafficClass))
        freed = Signal(len(classes))

        # The near end.
        entered = Const(0) if passes == 1 else Signal(range(passes))  # phits of a flit that came in part
        credit = Signal(len(classes))
        comes_free = self._wire(m, freed, "freed", reset_less=False)
        for c in classes:
            m.submodules[f"{self._name(c)}_room"] = room = Credits(self.places)
            first = Signal(name=f"{self._name(c)}_first")
            m.d.comb += [
                first.eq(self.i.valid[c] & (entered == 0)),
                room.spend.eq(first),
                room.refund.eq(comes_free[c]),
            ]
            # Of the free places as many are the sender's as it had after reset, or all if there are fewer. So a place less
            # costs none of these while there are more, and a place more is the sender's while there are fewer.
            more, fewer = room.count > self.config.channel_depth, room.count < self.config.channel_depth
            m.d.sync += credit[c].eq((first & (more | comes_free[c])) | (fewer & comes_free[c]))
        if passes > 1:
            with m.If(self.i.valid.any()):
                m.d.sync += entered.eq(entered + 1)
        m.d.comb += self.i.credit.eq(credit)

        # The far end.
        arriving = self._wire(m, self.i.valid, "valid", reset_less=False)
        flit = self._wire(m, Value.cast(self.i.flit), "flit", reset_less=True)
        left = Const(0) if passes == 1 else Signal(range(passes))  # phits that have left of a flit that leaves
        last = Signal()  # the class that leaves, or left last
        able, goes, moves = Signal(len(classes)), Signal(len(classes)), Signal(len(classes))
        heads = []
        for c in classes:
            name = self._name(c)
            m.submodules[f"{name}_buffer"] = buffer = Fifo(phit_bits(self.config), self.places * passes)
            m.submodules[f"{name}_credits"] = credits = Credits(self.config.channel_depth)
            m.d.comb += [
                # The near end's count keeps the buffer from overflowing, so its ready is not asked for.
                buffer.i.valid.eq(arriving[c] & (buffer.o.valid | ~moves[c])),
                buffer.i.payload.eq(flit),
                buffer.o.ready.eq(moves[c]),
                credits.spend.eq(goes[c]),
                credits.refund.eq(self.o.credit[c]),
                able[c].eq((buffer.o.valid | arriving[c]) & credits.available & (left == 0)),
            ]
            heads.append(Mux(buffer.o.valid, buffer.o.payload, flit))
        m.d.comb += [
            goes[0].eq(able[0] & (~able[1] | last)),
            goes[1].eq(able[1] & (~able[0] | ~last)),
            # The phits of a flit come without a gap, so those behind the first are there when they are to leave.
            moves.eq(Mux(left == 0, goes, 1 << last)),
            freed.eq(goes),
        ]
        with m.If(goes.any()):
            m.d.sync += last.eq(goes[1])

        valid, leaving = Signal(len(classes)), Signal(phit_bits(self.config), reset_less=True)
        m.d.sync += valid.eq(moves)
        with m.If(moves.any()):
            m.d.sync += leaving.eq(Mux(moves[1], heads[1], heads[0]))
            if passes > 1:
                m.d.sync += left.eq(left + 1)
        m.d.comb += [self.o.valid.eq(valid), self.o.flit.eq(leaving)]
        return m

    def _wire(self, m, value, name, *, reset_less):
        """The value at the other end of the wire."""
        for stage in range(self.cycles - 2):
            behind = Signal(len(value), name=f"{name}_{stage}", reset_less=reset_less)
            m.d.sync += behind.eq(value)
            value = behind
        return value

    @staticmethod
    def _name(c):
        return TrafficClass(c).name.lower()
