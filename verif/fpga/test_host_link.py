# SPDX-License-Identifier: Apache-2.0
"""The host link's gateware, byte by byte against a model of a line, a host and an array."""

from __future__ import annotations

import dataclasses
from collections import deque
from typing import Any

import cocotb
import pytest
from cocotb.triggers import ClockCycles, FallingEdge
from hypothesis import strategies as st

from fpga.frames import (
    ESCAPE,
    FLAG,
    Frame,
    FrameDecoder,
    FrameType,
    Identity,
    encode_frame,
    flit_bytes,
    pack_packet,
    unpack_packet,
)
from fpga.host_link import RESET_CYCLES, HostLink
from golden.config import NodeConfig, preset
from golden.layout import Kind, Port, TrafficClass, phit_bits
from golden.packet import Packet
from verif.bench import bench_parameters, bench_rng, check_property, run_bench, start

#: Packets that the board keeps, of which the nodes may send 8 at once.
SLOTS = 16

TIMEOUT_CYCLES = 1 << 12

#: Cycles between bytes from the host: the least that the contract allows.
BYTE_CYCLES = RESET_CYCLES

SESSION = 0x7E7D_0102


def config_of(link_passes: int) -> NodeConfig:
    return preset("tiny").replace(link_passes=link_passes)


#: Of the bench that runs.
CONFIG = config_of(bench_parameters().get("link_passes", 1))
IDENTITY = Identity.of(CONFIG, clock_hz=25_000_000, rows=2, columns=3)

#: More cycles than a frame takes: a byte is collected in 8 cycles, and then waits for nobody.
FRAME_CYCLES = 12 * (flit_bytes(CONFIG) + 12)


@pytest.mark.parametrize("link_passes", [1, 4])
def test_host_link_carries_every_packet_once_and_in_order(link_passes: int) -> None:
    config = config_of(link_passes)
    identity = Identity.of(config, clock_hz=25_000_000, rows=2, columns=3)
    link = HostLink(config, identity, slots=SLOTS, timeout_cycles=TIMEOUT_CYCLES)
    # Most of it does not depend on how a flit crosses the link.
    tests = ["an_array_without_room_makes_frames_wait_and_loses_none"]
    tests += ["packets_from_the_array_arrive_whatever_the_host_says_meanwhile", "reset_reaches_the_nodes_and_is_acknowledged"]
    run_bench(link, parameters={"link_passes": link_passes}, tests=tests if link_passes == 1 else [])


@pytest.mark.parametrize("slots, depth, message", [(24, 4, "slots = 24 is not one of"), (16, 8, "channel_depth = 8")])
def test_slots_that_do_not_suit_the_nodes_are_refused(slots: int, depth: int, message: str) -> None:
    config = preset("tiny").replace(channel_depth=depth)
    with pytest.raises(ValueError, match=message):
        HostLink(config, Identity.of(config, clock_hz=25_000_000, rows=1, columns=1), slots=slots)


class Bench:
    """Drives the design's three sides: bytes from the host, bytes to the host, the link of the array."""

    def __init__(self, dut: Any):
        self.dut = dut
        self.frames: list[Frame] = []
        self.damaged = 0
        #: Packets that reached the array; the array sends what ``outgoing`` holds, as credits allow.
        self.arrived: list[tuple[TrafficClass, Packet]] = []
        self.outgoing: deque[tuple[TrafficClass, Packet]] = deque()
        #: Flits that the array keeps without giving credit back.
        self.kept = [0, 0]
        self.holds = False
        self.resets = 0
        self._line: deque[int] = deque()
        self._decoder = FrameDecoder()

    async def begin(self) -> None:
        dut = self.dut
        for name in ("i_valid", "i_data", "i_error", "reset", "link_in__valid", "link_in__flit", "link_out__credit"):
            getattr(dut, name).value = 0
        dut.o__ready.value = 1
        self.credits = [CONFIG.channel_depth] * 2
        await start(dut)
        cocotb.start_soon(self._host())
        cocotb.start_soon(self._array())

    async def reset(self) -> None:
        """Back to the state after reset, for the next example."""
        self._line.clear()
        self.outgoing.clear()
        self.dut.rst.value = 1
        await ClockCycles(self.dut.clk, 2)
        await FallingEdge(self.dut.clk)
        self.dut.rst.value = 0
        self.frames.clear()
        self.arrived.clear()
        self._decoder = FrameDecoder()
        self.kept = [0, 0]
        self.holds = False
        self.resets = 0

    async def join(self, first: int = 0, session: int = SESSION) -> None:
        """Begin a session whose frames are numbered from ``first``."""
        await self.say(hello(first, session))
        identity = self.frames.pop()
        assert (identity.type, Identity.unpack(identity.payload).session) == (FrameType.IDENTITY, session)
        self.frames.clear()

    async def say(self, line: bytes) -> None:
        """Bytes from the host, and time for what they cause."""
        self._line.extend(line)
        while self._line:
            await ClockCycles(self.dut.clk, BYTE_CYCLES)
        await self.settle()

    async def settle(self) -> None:
        """Long enough for everything that can go out to be out."""
        await ClockCycles(self.dut.clk, FRAME_CYCLES * (len(self.outgoing) + 4))
        await FallingEdge(self.dut.clk)

    async def _host(self) -> None:
        wait = 0
        while True:
            await FallingEdge(self.dut.clk)
            wait = max(0, wait - 1)
            speaks = bool(self._line) and wait == 0
            self.dut.i_valid.value = int(speaks)
            if speaks:
                self.dut.i_data.value = self._line.popleft()
                wait = BYTE_CYCLES
            if self.dut.o__valid.value:
                self.frames += self._decoder.feed(bytes([int(self.dut.o__payload.value)]))
            self.damaged = self._decoder.damaged
            self.resets += int(self.dut.reset_nodes.value)

    async def _array(self) -> None:
        width, passes = phit_bits(CONFIG), CONFIG.link_passes
        coming: list[int] = []
        coming_class = 0
        going: deque[tuple[int, int]] = deque()
        while True:
            await FallingEdge(self.dut.clk)
            refund = 0
            valid = int(self.dut.link_out__valid.value)
            assert valid in (0, 1, 2)
            assert not coming or valid == coming_class, "the phits of a flit follow each other"
            if self.dut.rst.value or self.dut.reset_nodes.value:
                coming.clear()
                going.clear()
                self.credits = [CONFIG.channel_depth] * 2
                self.kept = [0, 0]
            elif valid:
                coming_class = valid
                coming.append(int(self.dut.link_out__flit.value))
            if len(coming) == passes:
                traffic_class = TrafficClass(coming_class >> 1)
                flit = sum(phit << width * n for n, phit in enumerate(coming))
                coming.clear()
                self.arrived.append((traffic_class, unpack_packet(flit.to_bytes(flit_bytes(CONFIG), "little"), CONFIG)))
                self.kept[traffic_class] += 1
                assert self.kept[traffic_class] <= CONFIG.channel_depth
            for c in TrafficClass:
                if self.kept[c] and not self.holds:
                    self.kept[c] -= 1
                    refund |= 1 << c
            self.dut.link_out__credit.value = refund

            returned = int(self.dut.link_in__credit.value)
            for c in TrafficClass:
                self.credits[c] += returned >> c & 1
                assert self.credits[c] <= CONFIG.channel_depth
            if not going and self.outgoing and self.credits[self.outgoing[0][0]] and not self.dut.reset_nodes.value:
                traffic_class, packet = self.outgoing.popleft()
                self.credits[traffic_class] -= 1
                flit = int.from_bytes(pack_packet(packet, CONFIG), "little")
                going.extend((1 << traffic_class, flit >> width * n & (1 << width) - 1) for n in range(passes))
            valid, phit = going.popleft() if going else (0, 0)
            self.dut.link_in__valid.value = valid
            self.dut.link_in__flit.value = phit


def hello(first: int, session: int) -> bytes:
    return encode_frame(Frame(FrameType.HELLO, first, 0, session.to_bytes(4, "little")))


def packet_frame(sequence: int, packet: Packet, traffic_class: TrafficClass = TrafficClass.REQUEST) -> Frame:
    kind = FrameType.RESPONSE if traffic_class is TrafficClass.RESPONSE else FrameType.REQUEST
    return Frame(kind, sequence, 0, pack_packet(packet, CONFIG))


def some_packet(number: int, kind: Kind = Kind.WRITE) -> Packet:
    """A packet with bytes that need to be escaped."""
    data = bytes([FLAG, ESCAPE, number, *range(CONFIG.line_bytes - 3)])
    return Packet(kind=kind, x=number, y=0, offset=16 * number, src_exit=Port.WEST, tag=number, mask=0x7D7E, data=data)


def as_tuples(frames: list[Frame]) -> list[tuple[FrameType, int, bytes]]:
    """Type, number and packet of frames."""
    return [(frame.type, frame.sequence, frame.payload) for frame in frames]


def follow(frames: list[Frame], expected: list[tuple[FrameType, int, bytes]]) -> bool:
    """Whether those frames are there, one after the other: what is kept comes again and again while nobody acknowledges it."""
    found = as_tuples(frames)
    return any(found[first:][: len(expected)] == expected for first in range(len(found)))


def from_board(first: int, packets: list[tuple[TrafficClass, Packet]]) -> list[tuple[FrameType, int, bytes]]:
    """What the board makes of packets."""
    return [
        (FrameType(FrameType.BOARD_REQUEST + traffic_class), first + place, pack_packet(packet, CONFIG))
        for place, (traffic_class, packet) in enumerate(packets)
    ]


@cocotb.test()
async def hello_begins_a_session_once(dut: Any) -> None:
    bench = Bench(dut)
    await bench.begin()
    filled = dataclasses.replace(IDENTITY, window=SLOTS)
    # Without a number it only asks.
    await bench.say(encode_frame(Frame(FrameType.HELLO, 7)))
    assert bench.frames == [Frame(FrameType.IDENTITY, 0, 0, filled.pack())]
    # Before a session nothing is executed, and whoever tries learns it.
    await bench.say(encode_frame(packet_frame(0, some_packet(1))))
    assert bench.frames.pop() == bench.frames[0]
    assert bench.arrived == []
    filled = dataclasses.replace(filled, session=SESSION)
    await bench.say(hello(42, SESSION))
    assert bench.frames.pop() == Frame(FrameType.IDENTITY, 0, 42, filled.pack())
    await bench.say(encode_frame(packet_frame(42, some_packet(1))))
    assert bench.frames.pop() == Frame(FrameType.BOARD_ACKNOWLEDGE, 0, 43)
    assert bench.arrived == [(TrafficClass.REQUEST, some_packet(1))]
    # Again, it changes nothing; so the frame is known.
    await bench.say(hello(42, SESSION) + encode_frame(packet_frame(42, some_packet(1))))
    assert Frame(FrameType.IDENTITY, 0, 43, filled.pack()) in bench.frames
    assert len(bench.arrived) == 1
    # Another session begins anew.
    await bench.say(hello(42, SESSION + 1) + encode_frame(packet_frame(42, some_packet(2))))
    assert bench.arrived[1:] == [(TrafficClass.REQUEST, some_packet(2))]


@cocotb.test()
async def frames_that_are_not_whole_or_not_next_are_not_executed(dut: Any) -> None:
    bench = Bench(dut)
    await bench.begin()
    await bench.join()
    good = packet_frame(0, some_packet(1))
    line = bytearray(encode_frame(good))
    line[9] ^= 4
    await bench.say(bytes(line))
    assert (bench.frames, bench.arrived) == ([], [])
    for payload in (good.payload[:-1], good.payload + b"\0", good.payload * 6, b""):
        await bench.say(encode_frame(Frame(FrameType.REQUEST, 0, 0, payload)))
        assert (bench.frames, bench.arrived) == ([], [])
    # An old one is acknowledged; a gap is told once.
    await bench.say(encode_frame(packet_frame(255, some_packet(2))))
    assert bench.frames.pop() == Frame(FrameType.BOARD_ACKNOWLEDGE, 0, 0)
    await bench.say(encode_frame(packet_frame(1, some_packet(2))) + encode_frame(packet_frame(2, some_packet(3))))
    assert bench.frames == [Frame(FrameType.BOARD_REJECT, 0, 0)]
    assert bench.arrived == []
    await bench.say(encode_frame(good) * 3)
    assert bench.frames[-1] == Frame(FrameType.BOARD_ACKNOWLEDGE, 0, 1)
    assert len(bench.arrived) == 1
    await bench.say(encode_frame(packet_frame(2, some_packet(3))))
    assert bench.frames[-1] == Frame(FrameType.BOARD_REJECT, 0, 1)


@cocotb.test()
async def a_poll_is_answered_by_its_number(dut: Any) -> None:
    bench = Bench(dut)
    await bench.begin()
    await bench.say(encode_frame(Frame(FrameType.POLL, 5)))
    assert Identity.unpack(bench.frames.pop().payload).session == 0
    await bench.join(first=9)
    await bench.say(encode_frame(Frame(FrameType.POLL, 5)))
    assert bench.frames.pop() == Frame(FrameType.BOARD_ACKNOWLEDGE, 5, 9)
    await bench.say(encode_frame(Frame(FrameType.ACKNOWLEDGE)) + encode_frame(Frame(FrameType.REJECT)))
    assert bench.frames == []


@cocotb.test()
async def a_lost_byte_costs_its_frame_alone(dut: Any) -> None:
    bench = Bench(dut)
    await bench.begin()
    await bench.join()
    line = encode_frame(packet_frame(0, some_packet(1)))
    await bench.say(line[:12])
    dut.i_error.value = 1
    await FallingEdge(dut.clk)
    dut.i_error.value = 0
    await bench.say(line[12:] + line)
    assert len(bench.arrived) == 1
    # An escape before a flag aborts a frame.
    second = encode_frame(packet_frame(1, some_packet(2)))
    await bench.say(second[:-1] + bytes([ESCAPE, FLAG]))
    assert len(bench.arrived) == 1
    await bench.say(second)
    assert len(bench.arrived) == 2


@cocotb.test()
async def an_array_without_room_makes_frames_wait_and_loses_none(dut: Any) -> None:
    bench = Bench(dut)
    await bench.begin()
    await bench.join()
    bench.holds = True
    frames = [packet_frame(number, some_packet(number)) for number in range(CONFIG.channel_depth + SLOTS + 2)]
    await bench.say(b"".join(encode_frame(frame) for frame in frames))
    # As many as the array takes, and a queue of one less than the slots; the others are refused, and nobody asks for them yet.
    expected = CONFIG.channel_depth + SLOTS - 1
    assert bench.frames[-1].acknowledge == expected
    assert len(bench.arrived) == CONFIG.channel_depth
    assert FrameType.BOARD_REJECT not in {frame.type for frame in bench.frames}
    # When there is room the host is asked to go on.
    bench.holds = False
    await bench.settle()
    assert bench.frames[-1] == Frame(FrameType.BOARD_REJECT, 0, expected)
    await bench.say(b"".join(encode_frame(frame) for frame in frames[expected:]))
    assert [packet for _, packet in bench.arrived] == [some_packet(number) for number in range(len(frames))]


@cocotb.test()
async def packets_from_the_array_arrive_whatever_the_host_says_meanwhile(dut: Any) -> None:
    bench = Bench(dut)
    await bench.begin()

    async def check(sent: list[int], arriving: list[int]) -> None:
        await bench.reset()
        await bench.join()
        outgoing = [(TrafficClass(number % 2), some_packet(number, Kind(number % 4))) for number in arriving]
        bench.outgoing.extend(outgoing)
        frames = [packet_frame(place, some_packet(number), TrafficClass(number % 2)) for place, number in enumerate(sent)]
        await bench.say(b"".join(encode_frame(frame) for frame in frames))
        assert bench.arrived == [(TrafficClass(number % 2), some_packet(number)) for number in sent]
        packets = [frame for frame in bench.frames if frame.type is not FrameType.BOARD_ACKNOWLEDGE]
        # The frames that were sent acknowledge nothing, so what came first may come again.
        expected = from_board(0, outgoing)
        assert as_tuples(packets)[: len(expected)] == expected
        assert all(again in expected for again in as_tuples(packets))
        if sent:
            assert bench.frames[-1].acknowledge == len(sent)

    number = st.integers(0, 255)
    await check_property(check, max_examples=10, sent=st.lists(number, max_size=6), arriving=st.lists(number, max_size=10))


@cocotb.test()
async def what_is_not_acknowledged_is_kept_and_sent_again(dut: Any) -> None:
    bench = Bench(dut)
    await bench.begin()
    await bench.join()
    packets = [(TrafficClass.RESPONSE, some_packet(number, Kind.READ_DATA)) for number in range(40)]
    expected = from_board(0, packets)
    kept = SLOTS - CONFIG.channel_depth  # the credits of the other class are kept back
    # What is kept goes out again after the timeout; not for ever if nobody is there.
    bench.outgoing.extend(packets[:2])
    await bench.settle()
    assert as_tuples(bench.frames) == expected[:2]
    await ClockCycles(dut.clk, 17 * (TIMEOUT_CYCLES + FRAME_CYCLES))
    assert as_tuples(bench.frames) == expected[:2] * 16
    bench.frames.clear()
    await ClockCycles(dut.clk, 2 * TIMEOUT_CYCLES)
    assert bench.frames == []
    # New ones go out, all again when something is heard, and as many as there is room for.
    bench.outgoing.extend(packets[2:])
    await ClockCycles(dut.clk, kept * FRAME_CYCLES)
    assert as_tuples(bench.frames) == expected[2:kept]
    bench.frames.clear()
    await bench.say(encode_frame(Frame(FrameType.ACKNOWLEDGE)))
    await ClockCycles(dut.clk, TIMEOUT_CYCLES + kept * FRAME_CYCLES)
    assert as_tuples(bench.frames)[:kept] == expected[:kept]
    await bench.say(encode_frame(Frame(FrameType.ACKNOWLEDGE)))
    bench.frames.clear()
    # An acknowledgement makes room; of numbers that are not kept it says nothing.
    await bench.say(encode_frame(Frame(FrameType.ACKNOWLEDGE, 0, 5)) + encode_frame(Frame(FrameType.ACKNOWLEDGE, 0, 250)))
    await ClockCycles(dut.clk, TIMEOUT_CYCLES + SLOTS * FRAME_CYCLES)
    assert follow(bench.frames, expected[kept : kept + 5])
    assert not set(as_tuples(bench.frames)) & set(expected[kept + 5 :])
    # A reject makes all that is left go out again.
    bench.frames.clear()
    await bench.say(encode_frame(Frame(FrameType.REJECT, 0, 7)))
    await ClockCycles(dut.clk, SLOTS * FRAME_CYCLES)
    assert follow(bench.frames, expected[7 : 7 + kept])
    # A new session drops what is kept, and says which number comes first.
    await bench.say(hello(0, SESSION + 1))
    await ClockCycles(dut.clk, SLOTS * FRAME_CYCLES)
    first = next(frame.sequence for frame in bench.frames if frame.type is FrameType.IDENTITY)
    after = bench.frames[[frame.type for frame in bench.frames].index(FrameType.IDENTITY) + 1 :]
    assert first == 7 + kept
    assert follow(after, expected[first:][:kept])


@cocotb.test()
async def a_reset_waits_until_the_ring_has_room_for_all_that_nodes_may_send(dut: Any) -> None:
    bench = Bench(dut)
    await bench.begin()
    await bench.join()
    packets = [(TrafficClass.RESPONSE, some_packet(number, Kind.READ_DATA)) for number in range(3 * SLOTS)]
    bench.outgoing.extend(packets)
    await ClockCycles(dut.clk, SLOTS * FRAME_CYCLES)
    sent = 3 * SLOTS - len(bench.outgoing)
    assert sent == SLOTS - CONFIG.channel_depth
    await bench.say(encode_frame(Frame(FrameType.RESET, 0)))
    assert dut.reset_nodes.value == 1
    await bench.say(encode_frame(Frame(FrameType.ACKNOWLEDGE, 0, sent)))
    assert dut.reset_nodes.value == 0
    await ClockCycles(dut.clk, SLOTS * FRAME_CYCLES)
    frames = [frame for frame in bench.frames if frame.type is not FrameType.BOARD_ACKNOWLEDGE]
    assert follow(frames, from_board(0, packets[:sent]))
    again = sent + SLOTS - CONFIG.channel_depth
    assert follow(frames, from_board(sent, packets[sent:again]))


@cocotb.test()
async def reset_reaches_the_nodes_and_is_acknowledged(dut: Any) -> None:
    bench = Bench(dut)
    await bench.begin()
    await bench.join()
    bench.holds = True
    await bench.say(b"".join(encode_frame(packet_frame(number, some_packet(number))) for number in range(5)))
    assert bench.frames[-1].acknowledge == 5
    # What waits is dropped, and credits are those of nodes after reset.
    arrived = len(bench.arrived)
    await bench.say(encode_frame(Frame(FrameType.RESET, 5)))
    assert bench.resets == RESET_CYCLES
    assert bench.frames[-1].acknowledge == 6
    await bench.say(encode_frame(Frame(FrameType.RESET, 5)))
    assert bench.resets == RESET_CYCLES
    assert len(bench.arrived) == arrived
    await bench.say(b"".join(encode_frame(packet_frame(6 + number, some_packet(number))) for number in range(4)))
    assert len(bench.arrived) == arrived + CONFIG.channel_depth
    # The button does the same.
    dut.reset.value = 1
    await ClockCycles(dut.clk, 5)
    dut.reset.value = 0
    await ClockCycles(dut.clk, 2 * RESET_CYCLES)
    await bench.say(encode_frame(packet_frame(10, some_packet(10))))
    assert bench.resets >= 2 * RESET_CYCLES
    assert bench.arrived[-1] == (TrafficClass.REQUEST, some_packet(10))


@cocotb.test()
async def a_button_pressed_within_a_frame_costs_that_frame_alone(dut: Any) -> None:
    bench = Bench(dut)
    await bench.begin()
    await bench.join()
    line = encode_frame(packet_frame(0, some_packet(1)))
    for cut in (1, 8, 25, len(line) - 2):
        bench.frames.clear()
        await bench.say(line[:cut])
        dut.reset.value = 1
        await ClockCycles(dut.clk, 3)
        dut.reset.value = 0
        await bench.say(line[cut:])
        assert bench.arrived == []
        # It is asked for once: nothing was executed since.
        assert bench.frames == ([Frame(FrameType.BOARD_REJECT, 0, 0)] if cut == 1 else [])
    await bench.say(line)
    assert bench.arrived == [(TrafficClass.REQUEST, some_packet(1))]


@cocotb.test()
async def noise_is_never_executed(dut: Any) -> None:
    bench = Bench(dut)
    await bench.begin()
    await bench.join()
    rng = bench_rng()
    noise = rng.choice([FLAG, ESCAPE, 0, 2, 3, 0xFF, 0x55], size=2000)
    await bench.say(bytes(int(byte) for byte in noise))
    assert (bench.frames, bench.arrived, bench.resets) == ([], [], 0)
    await bench.say(bytes([FLAG]) + encode_frame(packet_frame(0, some_packet(3))))
    assert bench.arrived == [(TrafficClass.REQUEST, some_packet(3))]
