# SPDX-License-Identifier: Apache-2.0
"""The instruction queue of one thread."""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from golden.config import NodeConfig
from rtl.frontend.entry import InstructionGroup, QueueEntry, lane_widths, window_words

__all__ = ["InstructionQueue"]


class InstructionQueue(wiring.Component):
    """Two groups of decoded instructions, and the oldest of them side by side for issue.

    Each half holds one group, of which a lane enters at most one per cycle, lane A's before lane B's. A half is free again in the
    cycle in which its last instruction is taken. Instructions leave in the order in which they entered.

    Parameters
    ----------
    config : NodeConfig

    Members
    -------
    room : Out(range(3))
        Halves that are free at the end of the cycle; depends on ``take``.
    has_room : Out(1), may_have_room : Out(1), from flip-flops
        A half is free already; or would be if as much as possible were taken.
    enter_a : In(1), group_a : In(InstructionGroup), enter_b : In(1), group_b : In(InstructionGroup)
        Groups of at least one instruction that enter, no more than there is ``room`` for. Ignored together with ``drop``.
    valid : Out(issue_width)
        Heads that are there, lowest first.
    heads : Out(issue_width x QueueEntry), the oldest lowest
    take : In(range(issue_width + 1))
        So many heads leave, none that is not valid.
    drop : In(1)
        Be empty in the next cycle.
    """

    def __init__(self, config: NodeConfig):
        self.config = config
        width_a, width_b = lane_widths(config)
        super().__init__(
            {
                "room": Out(range(3)),
                "has_room": Out(1),
                "may_have_room": Out(1),
                "enter_a": In(1),
                "group_a": In(InstructionGroup(width_a)),
                "enter_b": In(1),
                "group_b": In(InstructionGroup(width_b)),
                "valid": Out(config.issue_width),
                "heads": Out(QueueEntry()).array(config.issue_width),
                "take": In(range(config.issue_width + 1)),
                "drop": In(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        issue = self.config.issue_width
        size, size_b = lane_widths(self.config)
        low_bits = ceil_log2(window_words(self.config))
        halves = [Signal(InstructionGroup(size), name=f"half{i}", reset_less=True) for i in range(2)]
        filled = Signal(2)
        # Which half is the older one, how many of its instructions have left, and which half is filled next
        older, position, fill = Signal(), Signal(range(size)), Signal()

        count = Signal(range(size + 1))
        rest, younger_count, available = Signal(range(size + 1)), Signal(range(size + 1)), Signal(range(2 * size + 1))
        m.d.comb += count.eq(Mux(older, halves[1].count, halves[0].count))
        with m.If(filled.any()):
            m.d.comb += rest.eq(count - position)
        with m.If(filled.all()):
            m.d.comb += younger_count.eq(Mux(older, halves[0].count, halves[1].count))
        m.d.comb += available.eq(rest + younger_count)

        # A group's instructions lie in one window: no carry leaves the lower bits.
        lows = [[Signal(low_bits, name=f"low{number}_{j}") for j in range(size)] for number in range(2)]
        m.d.comb += [lows[number][j].eq(halves[number].pc[:low_bits] + j) for number in range(2) for j in range(size)]
        for i in range(issue):
            head = self.heads[i]
            place, in_older = Signal(range(size + issue), name=f"place{i}"), Signal(name=f"in_older{i}")
            half, index = Signal(name=f"of{i}"), Signal(range(size), name=f"index{i}")
            m.d.comb += [
                self.valid[i].eq(available > i),
                place.eq(position + i),
                in_older.eq(rest > i),
                half.eq(older ^ ~in_older),
                index.eq(Mux(in_older, place, place - count)),
            ]
            with m.If(self.valid[i]), m.Switch(Cat(index, half)):
                for number, group in enumerate(halves):
                    for j in range(size):
                        with m.Case(number << len(index) | j):
                            m.d.comb += [
                                head.pc.eq(Cat(lows[number][j], group.pc[low_bits:])),
                                head.insn.eq(group.insns[j]),
                                head.fault.eq(group.fault),
                                head.predicted.eq(group.predicted & (group.count == j + 1)),
                                head.follows.eq(group.follows),
                                head.decoded.eq(group.decoded[j]),
                            ]

        # What leaves
        ends, ends_both = Signal(), Signal()
        m.d.comb += [
            ends.eq(filled.any() & (self.take >= rest)),
            ends_both.eq(filled.all() & (self.take == available)),
            self.has_room.eq(~filled.all()),
            self.may_have_room.eq(~filled.all() | (rest <= issue)),
            self.room.eq(~filled[0] + ~filled[1] + ends + ends_both),
        ]
        with m.If(ends):
            m.d.sync += position.eq(Mux(ends_both, 0, self.take - rest))
            with m.If(~ends_both):
                m.d.sync += older.eq(~older)
        with m.Else():
            m.d.sync += position.eq(position + self.take)
        leaves = Cat((ends & (older == i)) | ends_both for i in range(2))

        # What enters
        enters = Signal(2)
        for i, half in enumerate(halves):
            gets_a, gets_b = Signal(name=f"gets_a{i}"), Signal(name=f"gets_b{i}")
            m.d.comb += [
                gets_a.eq(self.enter_a & (fill == i)),
                gets_b.eq(self.enter_b & ((fill == i) ^ self.enter_a)),
                enters[i].eq(gets_a | gets_b),
            ]
            for gets, group, places in ((gets_a, self.group_a, size), (gets_b, self.group_b, size_b)):
                with m.If(gets & ~self.drop):
                    m.d.sync += [
                        half.pc.eq(group.pc),
                        half.count.eq(group.count),
                        half.predicted.eq(group.predicted),
                        half.follows.eq(group.follows),
                        half.fault.eq(group.fault),
                    ]
                    for j in range(places):
                        with m.If(group.count > j):
                            m.d.sync += [half.insns[j].eq(group.insns[j]), half.decoded[j].eq(group.decoded[j])]
        m.d.sync += [filled.eq((filled & ~leaves) | enters), fill.eq(fill ^ self.enter_a ^ self.enter_b)]
        with m.If(self.drop):
            m.d.sync += [filled.eq(0), position.eq(0), older.eq(0), fill.eq(0)]
        return m
