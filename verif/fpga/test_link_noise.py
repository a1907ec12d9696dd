# SPDX-License-Identifier: Apache-2.0
"""Noise on the serial line, in both directions: every packet arrives once and in order, or there is an error in bounded time."""

from __future__ import annotations

import os
from typing import Any

import cocotb
import pytest
from amaranth.hdl import Module
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out
from cocotb.task import bridge, resume
from cocotb.triggers import ClockCycles, FallingEdge
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st

from fpga.errors import LinkError
from fpga.frames import Identity
from fpga.host_link import RESET_CYCLES, HostLink
from fpga.link import HostLinkClient
from golden.config import preset
from golden.layout import Kind, Port
from golden.packet import Packet
from verif.bench import bench_rng, bench_seed, run_bench, start
from verif.fpga.board_model import BoardModel
from verif.fpga.noisy_line import PATIENCE, STEP, STEP_BYTES, Cut, Fault, FaultKind, NoisyLine, cuts, faults

CONFIG = preset("tiny")
IDENTITY = Identity.of(CONFIG, clock_hz=25_000_000, rows=1, columns=1)
EXAMPLES = int(os.environ.get("D1_EXAMPLES") or 150)
SLOTS = 16

#: A timeout shorter than the way to the board and back, so that the host polls all the time and repeats what has arrived.
IMPATIENT = STEP

#: Seconds in which a conversation ends, whatever the noise is: longer than all delays, cuts and timeouts together.
BOUND = 60.0


def packet(number: int) -> Packet:
    data = (number * 0x7E7D01 + 0x7D7E).to_bytes(CONFIG.line_bytes, "little")
    kind = (Kind.WRITE, Kind.READ, Kind.READ_DATA, Kind.ERROR)[number % 4]
    return Packet(kind, 0, 0, 16 * number, src_exit=Port.WEST, tag=number % 256, mask=number, data=data)


def client(line: NoisyLine, timeout: float = 0.05, session: int = 0x01020304) -> HostLinkClient:
    return HostLinkClient(line, CONFIG, timeout=timeout, patience=PATIENCE, clock=line.clock, session=session)


class Conversation:
    """A model of a board that sends back what it gets, and packets of its own."""

    def __init__(self, faults: list[Fault], cuts: list[Cut], *, spontaneous: int = 0, stuck_steps: int = 0):
        self.delivered: list[Packet] = []
        self.board = BoardModel(CONFIG, IDENTITY, self._deliver, window=SLOTS)
        self.line = NoisyLine(self._exchange, faults, cuts)
        self.own = [packet(5000 + number) for number in range(spontaneous)]
        self._left = list(self.own)
        self._stuck_steps = stuck_steps

    def _deliver(self, packet: Packet) -> None:
        self.delivered.append(packet)
        self.board.push(packet)

    def _exchange(self, line: bytes, now: float) -> bytes:
        if self._left and self.delivered:
            self.board.push(self._left.pop(0))
        # For a while there is no room, now and then.
        self.board.room = self.line.steps % 50 >= self._stuck_steps
        return self.board.feed(line, now)

    def hold(self, count: int, timeout: float = 0.05) -> None:
        """Send packets, and receive them and the board's own."""
        sent = [packet(number) for number in range(count)]
        link = client(self.line, timeout)
        received = talk(link, sent, count + len(self.own))
        assert self.delivered == sent
        assert [each for each in received if each not in self.own] == sent
        assert [each for each in received if each in self.own] == self.own
        assert self.line.clock() < BOUND


def deliver(link: HostLinkClient, packets: list[Packet]) -> None:
    link.send(packets)
    link.flush()


def talk(link: HostLinkClient, sent: list[Packet], expected: int) -> list[Packet]:
    """Send packets in bursts while others are received; then there is nothing more to receive."""
    received: list[Packet] = []
    for first in range(0, len(sent), 7):
        link.send(sent[first : first + 7])
        while (arrived := link.receive(timeout=0.0)) is not None:
            received.append(arrived)
    while len(received) < expected:
        received += link.receive_all()
    link.flush()
    assert link.receive(timeout=0.3) is None
    return received


@seed(bench_seed())
@settings(deadline=None, database=None, max_examples=EXAMPLES, suppress_health_check=list(HealthCheck))
@given(
    faults=faults,
    cuts=cuts,
    count=st.integers(0, 300),
    spontaneous=st.integers(0, 100),
    stuck_steps=st.sampled_from([0, 0, 20]),
    timeout=st.sampled_from([0.05, 0.2, IMPATIENT]),
)
def test_every_packet_arrives_once_and_in_order_in_both_directions(
    faults: list[Fault], cuts: list[Cut], count: int, spontaneous: int, stuck_steps: int, timeout: float
) -> None:
    conversation = Conversation(faults, cuts, spontaneous=spontaneous if count else 0, stuck_steps=stuck_steps)
    conversation.hold(count, timeout)


def test_a_line_where_every_frame_is_likely_to_be_damaged_is_slow_and_loses_nothing() -> None:
    rng = bench_rng()
    kinds: tuple[FaultKind, ...] = ("flip", "drop", "repeat", "insert")
    noise = [
        Fault(bool(way), kinds[rng.integers(4)], int(at), int(rng.integers(1, 256)))
        for way in (0, 1)
        for at in rng.choice(60_000, 800, replace=False)
    ]
    Conversation(noise, []).hold(200)


def steady_noise() -> list[Fault]:
    """Something of everything, again and again; some frames get through in between."""
    noise = [Fault(way, "flip", at + 37 * way, 0x10) for at in range(200, 12_000, 240) for way in (False, True)]
    noise += [Fault(True, "drop", at, 1) for at in range(110, 12_000, 310)]
    noise += [Fault(False, "repeat", at, 1) for at in range(150, 12_000, 410)]
    noise += [Fault(False, "delay", at, 64) for at in range(300, 12_000, 500)]
    return noise


@pytest.mark.parametrize("mistake", ["checks", "refuses_duplicates", "keeps_order", "goes_back"])
def test_a_board_with_a_mistake_does_not_pass(mistake: str) -> None:
    """The property above notices what it is there for."""
    noise = steady_noise()
    Conversation(noise, []).hold(100, IMPATIENT)
    conversation = Conversation(noise, [])
    setattr(conversation.board, mistake, False)
    with pytest.raises((AssertionError, LinkError)):
        conversation.hold(100, IMPATIENT)


@pytest.mark.parametrize("during", ["greeting", "sending", "receiving"])
def test_a_line_that_stays_dead_is_an_error_in_bounded_time(during: str) -> None:
    conversation = Conversation([], [])
    line = conversation.line
    if during == "greeting":
        line.plugged = False
        with pytest.raises(LinkError, match=r"no board answers; it was asked \d+ times in 2 s\. Nothing came at all"):
            client(line)
        assert line.clock() < PATIENCE + 0.1
        return
    link = client(line)
    begun = line.clock()
    line.plugged = False
    with pytest.raises(LinkError, match=r"has stopped answering; it was polled for 2\.0 s"):
        deliver(link, [packet(number) for number in range(100)]) if during == "sending" else link.receive()
    assert line.clock() < begun + PATIENCE + 0.1
    # The same session goes on when the cable is back.
    line.plugged = True
    link.flush()
    assert conversation.delivered == [packet(number) for number in range(len(conversation.delivered))]


def test_a_cable_that_is_back_in_time_goes_unnoticed() -> None:
    Conversation([], [Cut(at, int(0.8 * PATIENCE / STEP)) for at in (30, 1000)]).hold(200)


def test_a_board_that_answers_but_takes_nothing_is_an_error() -> None:
    conversation = Conversation([], [], stuck_steps=1000)
    link = client(conversation.line)
    with pytest.raises(LinkError, match=r"the board answers, but takes no packets for 8"):
        deliver(link, [packet(0)])


def test_a_session_that_the_board_has_lost_is_an_error_at_once() -> None:
    conversation = Conversation([], [])
    link = client(conversation.line)
    link.send([packet(0)])
    link.flush()
    conversation.board.power_up()
    with pytest.raises(LinkError, match="has lost the session: it was reset or loaded anew"):
        deliver(link, [packet(1)])
    assert conversation.delivered == [packet(0)]
    # A new session starts from nothing, whatever the old one left.
    again = client(conversation.line)
    assert talk(again, [packet(2)], 1) == [packet(2)]


def test_what_an_older_session_left_reaches_nobody() -> None:
    conversation = Conversation([], [])
    link = client(conversation.line)
    link.send(packet(number) for number in range(40))
    other = client(conversation.line, session=9)
    before = len(conversation.delivered)
    sent = [packet(number) for number in range(100, 160)]
    assert [each for each in talk(other, sent, 60) if each in sent] == sent
    assert conversation.delivered[before:] == sent


# ---------------------------------------------------------------------------------------------------------------------
# The gateware
# ---------------------------------------------------------------------------------------------------------------------


class LoopedLink(wiring.Component):
    """A host link whose array sends back what it gets."""

    def __init__(self) -> None:
        self.link = HostLink(CONFIG.replace(link_passes=4), IDENTITY, slots=SLOTS, timeout_cycles=1 << 14)
        super().__init__({"i_valid": In(1), "i_data": In(8), "o": Out(stream.Signature(8))})

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.submodules.link = link = self.link
        wiring.connect(m, link.o, wiring.flipped(self.o))
        wiring.connect(m, link.link_out, link.link_in)
        m.d.comb += [link.i_valid.eq(self.i_valid), link.i_data.eq(self.i_data)]
        return m


def test_the_gateware_loses_nothing_and_repeats_nothing() -> None:
    run_bench(LoopedLink())


class GatewareEnd:
    """Hands bytes to the design and takes its own, from a thread beside the simulation."""

    def __init__(self, dut: Any):
        self.dut = dut

    def exchange(self, line: bytes, now: float) -> bytes:
        """A step: as many bytes as pass in it."""
        heard: bytes = resume(self._exchange)(line)
        return heard

    async def _exchange(self, line: bytes) -> bytes:
        heard = bytearray()
        slots = max(len(line), STEP_BYTES // 2)
        if not line and not self.dut.o__valid.value:
            await ClockCycles(self.dut.clk, slots * RESET_CYCLES)
            return b""
        for slot in range(slots):
            await FallingEdge(self.dut.clk)
            if slot < len(line):
                self.dut.i_data.value, self.dut.i_valid.value = line[slot], 1
            self.dut.o__ready.value = 1
            if self.dut.o__valid.value:
                heard.append(int(self.dut.o__payload.value))
            await FallingEdge(self.dut.clk)
            self.dut.i_valid.value = self.dut.o__ready.value = 0
            await ClockCycles(self.dut.clk, RESET_CYCLES - 2)
        return bytes(heard)


@cocotb.test()
async def every_packet_comes_back_once(dut: Any) -> None:
    dut.i_valid.value = dut.o__ready.value = 0
    await start(dut)
    end = GatewareEnd(dut)

    def check() -> None:
        sessions = iter(range(1, 1000))

        def hold(faults: list[Fault], cuts: list[Cut], count: int, timeout: float) -> None:
            # The design goes on from example to example as it is: each begins a session of its own.
            line = NoisyLine(end.exchange, faults, [Cut(cut.at // 4, cut.steps // 8) for cut in cuts])
            link = client(line, timeout, session=next(sessions))
            first = 100 * (next(sessions) % 50)
            sent = [packet(first + number) for number in range(count)]
            assert talk(link, sent, count) == sent

        hold(steady_noise(), [Cut(80, 400)], 60, 0.05)
        hold(steady_noise(), [], 30, IMPATIENT)
        seed(bench_seed())(
            settings(
                deadline=None, database=None, max_examples=int(os.environ.get("D1_EXAMPLES") or 2),
                suppress_health_check=list(HealthCheck),
            )(given(faults=faults, cuts=cuts, count=st.integers(10, 40), timeout=st.sampled_from([0.05, IMPATIENT]))(hold))
        )()  # fmt: skip

    await bridge(check)()
