# SPDX-License-Identifier: Apache-2.0
"""The decode stage: two lanes of decoders for all threads."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from golden.config import NodeConfig
from rtl.frontend.entry import WORD_ADDRESS_BITS, FetchWindow, InstructionGroup, lane_widths
from rtl.frontend.lane import DecodeLane
from rtl.network.arbiter import RoundRobin

__all__ = ["DecodeStage"]


class DecodeStage(wiring.Component):
    """Two lanes, each of which takes words of one thread's window per cycle and enters them as a group into its queue.

    Lane A serves those whose queues have room, round-robin; else one whose queue may get some in this cycle. Lane B serves
    another one of those with room, round-robin, and goes on behind lane A where there is none and the queue has room for both.
    A thread that stays ready, with room, is served by lane A within as many cycles as there are threads.

    Parameters
    ----------
    config : NodeConfig

    Members
    -------
    group_a : Out(InstructionGroup), group_b : Out(InstructionGroup)
    threads : array of

        ready : In(1)
            It runs, and has the window beside.
        window : In(FetchWindow)
        room : In(range(3)), has_room : In(1), may_have_room : In(1)
            Of its queue.
        lane_a : Out(1), lane_b : Out(1)
            The lane takes the window's next words and enters its group; lane B behind lane A.
        correct : Out(1), target : Out(word address)
            The thread has to be fetched there. All else that is fetched of it is dropped.
    """

    def __init__(self, config: NodeConfig):
        self.config = config
        width_a, width_b = lane_widths(config)
        thread = wiring.Signature(
            {
                "ready": In(1),
                "window": In(FetchWindow(config)),
                "room": In(range(3)),
                "has_room": In(1),
                "may_have_room": In(1),
                "lane_a": Out(1),
                "lane_b": Out(1),
                "correct": Out(1),
                "target": Out(WORD_ADDRESS_BITS),
            }
        )
        super().__init__(
            {
                "group_a": Out(InstructionGroup(width_a)),
                "group_b": Out(InstructionGroup(width_b)),
                "threads": Out(thread).array(config.threads),
            }
        )

    def elaborate(self, platform):
        m = Module()
        count = self.config.threads
        width_a, width_b = lane_widths(self.config)
        has_room, may_have_room = Signal(count), Signal(count)
        for i, thread in enumerate(self.threads):
            m.d.comb += [
                has_room[i].eq(thread.ready & thread.has_room),
                may_have_room[i].eq(thread.ready & thread.may_have_room),
            ]

        m.submodules.turns_a = turns_a = RoundRobin(count)
        m.submodules.lane_a = lane_a = DecodeLane(self.config, width_a)
        m.d.comb += [
            turns_a.request.eq(Mux(has_room.any(), has_room, may_have_room)),
            turns_a.serve.eq(1),
            self.group_a.eq(lane_a.group),
        ]
        for i, thread in enumerate(self.threads):
            window = thread.window
            with m.If(turns_a.grant[i]):
                m.d.comb += [
                    lane_a.words.eq(window.words.as_value()),
                    lane_a.available.eq(window.count),
                    *_position(lane_a, window),
                    thread.lane_a.eq(thread.room != 0),
                ]
            with m.If(thread.lane_a & lane_a.corrects):
                m.d.comb += [thread.correct.eq(1), thread.target.eq(lane_a.target)]

        if width_b:
            m.submodules.turns_b = turns_b = RoundRobin(count)
            m.submodules.lane_b = lane_b = DecodeLane(self.config, width_b)
            m.d.comb += [
                turns_b.request.eq(has_room & ~turns_a.grant),
                turns_b.serve.eq(1),
                self.group_b.eq(lane_b.group),
            ]
            for i, thread in enumerate(self.threads):
                window = thread.window
                with m.If(turns_b.grant[i]):
                    m.d.comb += [
                        lane_b.words.eq(window.words.as_value()),
                        lane_b.available.eq(window.count),
                        *_position(lane_b, window),
                        thread.lane_b.eq(1),
                    ]
                with m.If(turns_a.grant[i] & ~turns_b.grant.any() & (window.count > width_a)):
                    low = window.pc[: (len(window.words) - 1).bit_length()]
                    m.d.comb += [
                        lane_b.words.eq(window.words.as_value()[32 * width_a :]),
                        lane_b.available.eq(window.count - width_a),
                        *_position(lane_b, window),
                        lane_b.pc[: len(low)].eq(low + width_a),
                        thread.lane_b.eq((thread.room == 2) & ~lane_a.stops),
                    ]
                with m.If(thread.lane_b & lane_b.corrects):
                    m.d.comb += [thread.correct.eq(1), thread.target.eq(lane_b.target)]
        return m


def _position(lane, window):
    """Statements that tell a lane where the window is, and what is predicted of it."""
    return [
        lane.pc.eq(window.pc),
        lane.predicted.eq(window.predicted),
        lane.follows.eq(window.follows),
        lane.fault.eq(window.fault),
    ]
