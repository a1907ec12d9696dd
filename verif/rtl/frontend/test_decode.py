# SPDX-License-Identifier: Apache-2.0
"""The decode stage, proved: lanes go to threads that can use them, both are used where they can be, and nobody starves."""

from __future__ import annotations

from typing import Any

import pytest
from amaranth.hdl import Assert, Assume, Cat, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from golden.config import NodeConfig
from rtl.frontend.decode import DecodeStage
from rtl.frontend.entry import lane_widths, window_words
from rtl.frontend.lane import DecodeLane
from verif.formal.proof import check_bounded, check_reachable
from verif.rtl.frontend.stub import Stub


class Choice(wiring.Component):
    """The stage between threads and queues in any state, with lanes that stop and correct at any time."""

    def __init__(self, config: NodeConfig):
        self.config = config
        thread = wiring.Signature(
            {"ready": In(1), "count": In(range(window_words(config) + 1)), "room": In(range(3)), "has_room": In(1), "may": In(1)}
        )
        super().__init__(
            {"threads": Out(thread).array(config.threads), "stops": In(2), "corrects": In(2), "waited_longest": Out(1)}
        )

    def lane(self, config: NodeConfig, width: int) -> Stub:
        stub: Any = Stub(DecodeLane(config, width))
        number = self.lanes.pop(0)
        stub.statements += [
            stub.stops.eq(self.stops[number]),
            stub.corrects.eq(self.corrects[number] & self.stops[number]),
            stub.target.eq(number + 1),
        ]
        return stub

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        self.lanes = [0, 1]
        m.submodules.stage = stage = DecodeStage(self.config)
        width_a, width_b = lane_widths(self.config)
        threads = self.config.threads
        served, ready_with_room, longest = Signal(threads), Signal(threads), Signal(threads)
        lane_a, lane_b = Cat(t.lane_a for t in stage.threads), Cat(t.lane_b for t in stage.threads)
        for i, (outer, thread) in enumerate(zip(self.threads, stage.threads, strict=True)):
            m.d.comb += [
                thread.ready.eq(outer.ready),
                thread.window.count.eq(outer.count),
                thread.room.eq(outer.room),
                thread.has_room.eq(outer.has_room),
                thread.may_have_room.eq(outer.may),
                # What queues say of themselves
                Assume((outer.room <= 2) & (~outer.has_room | (outer.room != 0)) & (outer.may | (outer.room == 0))),
                Assume(~outer.ready | (outer.count != 0)),
                Assert(~thread.lane_a | (outer.ready & (outer.room != 0))),
                Assert(~thread.lane_b | (outer.ready & (outer.room > thread.lane_a))),
                Assert(~(thread.lane_a & thread.lane_b) | ((outer.count > width_a) & ~self.stops[0])),
                Assert(thread.correct == ((thread.lane_a & self.by(0)) | (thread.lane_b & self.by(1)))),
                Assert(~thread.correct | (thread.target == Mux(thread.lane_b & self.by(1), 2, 1))),
                served[i].eq(thread.lane_a),
                ready_with_room[i].eq(outer.ready & outer.has_room),
            ]
            waited = Signal(range(threads + 1), name=f"waited{i}")
            m.d.sync += waited.eq(Mux(ready_with_room[i] & ~served[i], waited + 1, 0))
            m.d.comb += [Assert(waited < threads), longest[i].eq(waited == threads - 1)]
            others = Cat(t.ready for j, t in enumerate(self.threads) if j != i)
            alone = outer.ready & ~others.any()
            m.d.comb += Assert(~alone | (outer.room == 0) | thread.lane_a)
            if width_b:
                behind = (outer.count > width_a) & ~self.stops[0]
                m.d.comb += Assert(~alone | (outer.room != 2) | ~behind | thread.lane_b)
        m.d.comb += [
            Assert(lane_a & (lane_a - 1) == 0),
            Assert(lane_b & (lane_b - 1) == 0),
            Assert(lane_a.any() | ~ready_with_room.any()),
        ]
        m.d.comb += self.waited_longest.eq(longest.any())
        if width_b:
            several = (ready_with_room & (ready_with_room - 1)).any()
            m.d.comb += Assert(~several | (lane_b.any() & ~(lane_a & lane_b).any()))
        else:
            m.d.comb += Assert(lane_b == 0)
        return m

    def by(self, lane: int) -> Any:
        return self.corrects[lane] & self.stops[lane]


SIZES = [(1, 8), (2, 1), (2, 8), (4, 3)]


@pytest.mark.parametrize("threads, decode_width", SIZES)
def test_lanes_go_to_threads_that_can_use_them_and_each_gets_its_turn(
    threads: int, decode_width: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    choice = Choice(NodeConfig(threads=threads, decode_width=decode_width))
    monkeypatch.setattr("rtl.frontend.decode.DecodeLane", choice.lane)
    check_bounded(choice, 2 * threads)


def test_a_whole_round_can_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    choice = Choice(NodeConfig(threads=4))
    monkeypatch.setattr("rtl.frontend.decode.DecodeLane", choice.lane)
    check_reachable(choice, "waited_longest", 6)
