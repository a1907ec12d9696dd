# SPDX-License-Identifier: Apache-2.0
"""The instruction queue, proved: what enters leaves once, in order, with what belongs to it, and room is there when it can be."""

from __future__ import annotations

from typing import Any

import pytest
from amaranth.hdl import Array, Assert, Assume, C, Cat, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from golden.config import NodeConfig
from rtl.frontend.entry import lane_widths, window_words
from rtl.frontend.queue import InstructionQueue
from verif.formal.proof import check_bounded, check_reachable

#: Instructions are told by their addresses, of two windows of eight words.
BITS = 4


class Contract(wiring.Component):
    """The queue beside an ideal one of single places: an address, whether it continues elsewhere, and whether it ends a group."""

    def __init__(self, decode_width: int, issue_width: int):
        self.config = NodeConfig(decode_width=decode_width, issue_width=issue_width)
        self.widths = lane_widths(self.config)
        lane = wiring.Signature({"enter": In(1), "pc": In(BITS), "count": In(range(self.widths[0] + 1)), "elsewhere": In(1)})
        super().__init__(
            {
                "lanes": Out(lane).array(2),
                "take": In(range(issue_width + 1)),
                "drop": In(1),
                "enters_both": Out(1),
                "refills": Out(1),
                "spans": Out(1),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        issue = self.config.issue_width
        capacity = 2 * self.widths[0]
        m.submodules.queue = queue = InstructionQueue(self.config)
        m.d.comb += [queue.take.eq(self.take), queue.drop.eq(self.drop)]

        entering = []
        for lane, group, enter in zip(self.lanes, (queue.group_a, queue.group_b), (queue.enter_a, queue.enter_b), strict=True):
            width = len(group.insns)
            words = window_words(self.config)
            m.d.comb += [
                enter.eq(lane.enter),
                group.pc.eq(lane.pc),
                group.count.eq(lane.count),
                group.predicted.eq(lane.elsewhere),
                group.follows.eq(lane.pc),
                Assume(~lane.enter | ((lane.count > 0) & (lane.count <= width))),
                # A group lies in one window.
                Assume((lane.pc % words) + lane.count <= words),
            ]
            shown = []
            for j in range(width):
                last = lane.count == j + 1
                m.d.comb += [group.insns[j].eq(lane.pc + j), group.decoded[j].immediate.eq(lane.pc + j)]
                shown.append(Cat((lane.pc + j)[:BITS], lane.elsewhere & last, last))
            entering.append((Mux(lane.enter, lane.count, 0), shown))

        places = Array(Signal(BITS + 2, name=f"place{i}") for i in range(capacity))
        used, groups = Signal(range(capacity + 1)), Signal(range(3))
        ending, room = Signal(range(3)), Signal(range(3))
        heads = min(issue, capacity)
        m.d.comb += [
            ending.eq(sum((self.take > i) & places[i][BITS + 1] for i in range(heads))),
            room.eq(2 - groups + ending),
            Assume((self.take <= used) & (self.take <= issue)),
            Assume(self.lanes[0].enter + self.lanes[1].enter <= room),
            Assert(queue.room == room),
            Assert(queue.has_room == (groups != 2)),
            Assert(queue.may_have_room | (room == 0)),
        ]
        for i in range(issue):
            m.d.comb += Assert(queue.valid[i] == (used > i))
        for i in range(heads):
            head = queue.heads[i]
            address = places[i][:BITS]
            same = (head.pc == address) & (head.insn == address) & (head.decoded.immediate == address)
            elsewhere = head.predicted == places[i][BITS]
            group = ~head.predicted | (head.follows <= head.pc)
            m.d.comb += Assert((used <= i) | (same & elsewhere & group))

        with m.Switch(self.take):
            for count in range(heads + 1):
                with m.Case(count):
                    m.d.sync += [places[i].eq(places[i + count]) for i in range(capacity - count)]
        (count_a, shown_a), (count_b, shown_b) = entering
        for base, count, shown in ((used - self.take, count_a, shown_a), (used - self.take + count_a, count_b, shown_b)):
            for j, value in enumerate(shown):
                for place in range(capacity):
                    with m.If((count > j) & (base + j == place)):
                        m.d.sync += places[place].eq(value)
        entered = self.lanes[0].enter + self.lanes[1].enter
        m.d.sync += [used.eq(used - self.take + count_a + count_b), groups.eq(groups - ending + entered)]
        with m.If(self.drop):
            m.d.sync += [used.eq(0), groups.eq(0)]
        m.d.comb += [
            self.enters_both.eq(self.lanes[0].enter & self.lanes[1].enter & ~self.drop),
            self.refills.eq((groups == 2) & (ending == 1) & (entered == 1)),
            self.spans.eq((ending == 1) & ~places[(self.take - 1)[: capacity.bit_length()]][BITS + 1] if issue > 1 else C(0)),
        ]
        return m


@pytest.mark.parametrize("decode_width, issue_width, cycles", [(1, 1, 8), (1, 4, 8), (2, 2, 8), (3, 2, 6), (4, 1, 6), (4, 4, 5)])
def test_it_equals_an_ideal_queue_in_every_run(decode_width: int, issue_width: int, cycles: int) -> None:
    check_bounded(Contract(decode_width, issue_width), cycles)


@pytest.mark.parametrize("output", ["enters_both", "refills", "spans"])
def test_what_is_hard_about_it_can_happen(output: str) -> None:
    check_reachable(Contract(3, 2), output, 4)
