# SPDX-License-Identifier: Apache-2.0
"""The host link's gateware, byte by byte against a model of a line, a host and an array."""

from __future__ import annotations

from collections import deque
from typing import Any

import cocotb
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
from golden.config import preset
from golden.layout import Kind, Port, TrafficClass
from golden.packet import Packet
from verif.bench import bench_rng, check_property, run_bench, start

CONFIG = preset("tiny")
IDENTITY = Identity(clock_hz=25_000_000, rows=1, columns=1, descriptor=CONFIG.descriptor, key=CONFIG.key)

#: Cycles between bytes from the host: the least that the contract allows.
BYTE_CYCLES = RESET_CYCLES


def test_host_link_carries_every_packet_once_and_in_order() -> None:
    run_bench(HostLink(CONFIG, IDENTITY))


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
        self.credits = [CONFIG.channel_depth] * 2
        self.holds = False
        self.resets = 0

    async def say(self, line: bytes) -> None:
        """Bytes from the host, and time for what they cause."""
        self._line.extend(line)
        while self._line:
            await ClockCycles(self.dut.clk, BYTE_CYCLES)
        await self.settle()

    async def settle(self) -> None:
        """Long enough for everything that can go out to be out."""
        await ClockCycles(self.dut.clk, 2 * (flit_bytes(CONFIG) + 12) * (len(self.outgoing) + 10))
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
        self.credits = [CONFIG.channel_depth] * 2
        while True:
            await FallingEdge(self.dut.clk)
            refund = 0
            valid = int(self.dut.link_out__valid.value)
            assert valid in (0, 1, 2)
            if valid:
                traffic_class = TrafficClass(valid >> 1)
                flit = int(self.dut.link_out__flit.value)
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
            self.dut.link_in__valid.value = 0
            if self.outgoing and self.credits[self.outgoing[0][0]]:
                traffic_class, packet = self.outgoing.popleft()
                self.credits[traffic_class] -= 1
                self.dut.link_in__valid.value = 1 << traffic_class
                self.dut.link_in__flit.value = int.from_bytes(pack_packet(packet, CONFIG), "little")


def packet_frame(sequence: int, packet: Packet, traffic_class: TrafficClass = TrafficClass.REQUEST) -> Frame:
    kind = FrameType.RESPONSE if traffic_class is TrafficClass.RESPONSE else FrameType.REQUEST
    return Frame(kind, sequence, 0, pack_packet(packet, CONFIG))


def some_packet(number: int, kind: Kind = Kind.WRITE) -> Packet:
    """A packet with bytes that need to be escaped."""
    data = bytes([FLAG, ESCAPE, number, *range(CONFIG.line_bytes - 3)])
    return Packet(kind=kind, x=number, y=0, offset=16 * number, src_exit=Port.WEST, tag=number, mask=0x7D7E, data=data)


@cocotb.test()
async def hello_is_answered_and_sets_the_sequence(dut: Any) -> None:
    bench = Bench(dut)
    await bench.begin()
    await bench.say(encode_frame(Frame(FrameType.HELLO, 41)))
    assert bench.frames == [Frame(FrameType.IDENTITY, 0, 42, IDENTITY.pack())]
    await bench.say(encode_frame(packet_frame(42, some_packet(1))))
    assert bench.frames[1:] == [Frame(FrameType.ACKNOWLEDGE, 0, 43)]
    assert bench.arrived == [(TrafficClass.REQUEST, some_packet(1))]


@cocotb.test()
async def frames_that_are_not_whole_or_not_next_are_not_executed(dut: Any) -> None:
    bench = Bench(dut)
    await bench.begin()
    good = packet_frame(0, some_packet(1))
    line = bytearray(encode_frame(good))
    line[9] ^= 4
    await bench.say(bytes(line))
    assert (bench.frames, bench.arrived) == ([], [])
    for wrong in (packet_frame(1, some_packet(2)), packet_frame(255, some_packet(2))):
        await bench.say(encode_frame(wrong))
        assert bench.frames.pop() == Frame(FrameType.ACKNOWLEDGE, 0, 0)
        assert bench.arrived == []
    for payload in (good.payload[:-1], good.payload + b"\0", good.payload * 6):
        await bench.say(encode_frame(Frame(FrameType.REQUEST, 0, 0, payload)))
        assert (bench.frames, bench.arrived) == ([], [])
    await bench.say(encode_frame(good) * 3)
    assert bench.frames[-1] == Frame(FrameType.ACKNOWLEDGE, 0, 1)
    assert len(bench.arrived) == 1


@cocotb.test()
async def a_lost_byte_costs_its_frame_alone(dut: Any) -> None:
    bench = Bench(dut)
    await bench.begin()
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
    bench.holds = True
    frames = [packet_frame(number, some_packet(number)) for number in range(CONFIG.channel_depth + 3)]
    await bench.say(b"".join(encode_frame(frame) for frame in frames))
    # As many as the array takes, and one that waits; the others are refused.
    expected = CONFIG.channel_depth + 1
    assert bench.frames[-1].acknowledge == expected
    assert len(bench.arrived) == CONFIG.channel_depth
    # The other class has its own credits, but the order of frames is kept.
    bench.holds = False
    await bench.settle()
    await bench.say(b"".join(encode_frame(frame) for frame in frames[expected:]))
    assert [packet for _, packet in bench.arrived] == [some_packet(number) for number in range(len(frames))]


@cocotb.test()
async def packets_from_the_array_arrive_whatever_the_host_says_meanwhile(dut: Any) -> None:
    bench = Bench(dut)
    await bench.begin()

    async def check(sent: list[int], arriving: list[int]) -> None:
        await bench.reset()
        outgoing = [(TrafficClass(number % 2), some_packet(number, Kind(number % 4))) for number in arriving]
        bench.outgoing.extend(outgoing)
        frames = [packet_frame(place, some_packet(number), TrafficClass(number % 2)) for place, number in enumerate(sent)]
        await bench.say(b"".join(encode_frame(frame) for frame in frames))
        assert bench.arrived == [(TrafficClass(number % 2), some_packet(number)) for number in sent]
        packets = [frame for frame in bench.frames if frame.type is not FrameType.ACKNOWLEDGE]
        expected = [
            Frame(FrameType(FrameType.BOARD_REQUEST + traffic_class), place, 0, pack_packet(packet, CONFIG))
            for place, (traffic_class, packet) in enumerate(outgoing)
        ]
        assert [(frame.type, frame.sequence, frame.payload) for frame in packets] == [
            (frame.type, frame.sequence, frame.payload) for frame in expected
        ]
        assert (bench.frames[-1].acknowledge if bench.frames else 0) == len(sent)

    number = st.integers(0, 255)
    await check_property(check, max_examples=12, sent=st.lists(number, max_size=6), arriving=st.lists(number, max_size=10))


@cocotb.test()
async def reset_reaches_the_nodes_and_is_acknowledged(dut: Any) -> None:
    bench = Bench(dut)
    await bench.begin()
    bench.holds = True
    await bench.say(b"".join(encode_frame(packet_frame(number, some_packet(number))) for number in range(5)))
    assert bench.frames[-1].acknowledge == 5
    bench.frames.clear()
    # What waits is dropped, and credits are those of nodes after reset.
    bench.outgoing.extend((TrafficClass.RESPONSE, some_packet(number, Kind.READ_DATA)) for number in range(2))
    arrived = len(bench.arrived)
    bench.kept = [0, 0]
    await bench.say(encode_frame(Frame(FrameType.RESET, 5)))
    assert bench.resets == RESET_CYCLES
    assert bench.frames[-1].acknowledge == 6
    await bench.say(encode_frame(Frame(FrameType.RESET, 5)))
    assert bench.resets == RESET_CYCLES
    assert len(bench.arrived) == arrived
    await bench.say(b"".join(encode_frame(packet_frame(6 + number, some_packet(number))) for number in range(4)))
    assert len(bench.arrived) == arrived + CONFIG.channel_depth


@cocotb.test()
async def noise_is_never_executed(dut: Any) -> None:
    bench = Bench(dut)
    await bench.begin()
    rng = bench_rng()
    noise = rng.choice([FLAG, ESCAPE, 0, 2, 3, 0xFF, 0x55], size=2000)
    await bench.say(bytes(int(byte) for byte in noise))
    assert (bench.frames, bench.arrived, bench.resets) == ([], [], 0)
    await bench.say(bytes([FLAG]) + encode_frame(packet_frame(0, some_packet(3))))
    assert bench.arrived == [(TrafficClass.REQUEST, some_packet(3))]
