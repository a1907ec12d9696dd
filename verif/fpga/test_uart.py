# SPDX-License-Identifier: Apache-2.0
"""The serial line: bytes go through transmitter and receiver, and the receiver bears a line as it really is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cocotb
import pytest
from amaranth.hdl import Module
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out
from cocotb.triggers import ClockCycles, FallingEdge, ReadOnly, RisingEdge, Timer, ValueChange
from cocotb.utils import get_sim_time
from hypothesis import strategies as st

from fpga.baud import FRACTION_BITS, BitPeriod
from fpga.uart_receiver import UartReceiver
from fpga.uart_transmitter import UartTransmitter
from verif.bench import bench_rng, check_property, run_bench, start

CLOCK_NS = 10


class UartPairs(wiring.Component):
    """Transmitters and receivers of several rates in one design, each with its own lines: members end in their number."""

    def __init__(self, periods: Sequence[BitPeriod]):
        self.periods = periods
        members = {
            "i": In(stream.Signature(8)),
            "tx": Out(1, init=1),
            "rx": In(1),
            "valid": Out(1),
            "data": Out(8),
            "error": Out(1),
        }
        super().__init__({f"{name}{n}": member for n in range(len(periods)) for name, member in members.items()})

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        for n, period in enumerate(self.periods):
            m.submodules[f"transmitter{n}"] = transmitter = UartTransmitter(period)
            m.submodules[f"receiver{n}"] = receiver = UartReceiver(period)
            wiring.connect(m, wiring.flipped(getattr(self, f"i{n}")), transmitter.i)
            m.d.comb += [getattr(self, f"tx{n}").eq(transmitter.line), receiver.line.eq(getattr(self, f"rx{n}"))]
            m.d.comb += [getattr(self, f"{name}{n}").eq(getattr(receiver, name)) for name in ("valid", "data", "error")]
        return m


#: Clocks of nodes and rates, in Hz: both ends of both, whole and broken periods.
RATES = [
    (12_000_000, 3_000_000),
    (12_500_000, 3_000_000),
    (25_000_000, 3_000_000),
    (27_000_000, 2_000_000),
    (48_000_000, 3_000_000),
    (100_000_000, 3_000_000),
    (50_000_000, 921_600),
    (12_000_000, 115_200),
    (100_000_000, 115_200),
]


@pytest.mark.parametrize("clock_hz, baud", RATES)
def test_a_rate_is_met_within_one_percent(clock_hz: int, baud: int) -> None:
    assert abs(BitPeriod(clock_hz, baud).units / (1 << FRACTION_BITS) * baud / clock_hz - 1) < 0.01


def test_bytes_go_through_with_exact_bit_times_and_from_lines_that_are_off() -> None:
    run_bench(UartPairs([BitPeriod(*rate) for rate in RATES]))


class Pair:
    """One of the pairs of the design."""

    def __init__(self, dut: Any, number: int):
        clock_hz, baud = RATES[number]
        self.cycles_per_bit = clock_hz / baud
        self.bit_ns = self.cycles_per_bit * CLOCK_NS
        self.clk = dut.clk
        self.payload, self.i_valid, self.i_ready = (getattr(dut, f"i{number}__{name}") for name in ("payload", "valid", "ready"))
        self.tx, self.rx, self.valid, self.data, self.error = (
            getattr(dut, f"{name}{number}") for name in ("tx", "rx", "valid", "data", "error")
        )


async def begin(dut: Any) -> list[Pair]:
    pairs = [Pair(dut, number) for number in range(len(RATES))]
    for pair in pairs:
        pair.rx.value = 1
        pair.i_valid.value = 0
    await start(dut, reset=True)
    return pairs


@cocotb.test()
async def loops_back(dut: Any) -> None:
    rng = bench_rng()

    async def check(pair: Pair) -> None:
        # Byte after byte, then with gaps.
        sent = [0x00, 0xFF, 0x55, 0xAA, *(int(value) for value in rng.integers(256, size=12))]
        wire = cocotb.start_soon(connect(pair))
        heard = Listener(pair)
        for number, byte in enumerate(sent):
            await put(pair, byte)
            if number >= len(sent) // 2:
                await ClockCycles(pair.clk, int(rng.integers(1, int(20 * pair.cycles_per_bit))))
        await ClockCycles(pair.clk, int(12 * pair.cycles_per_bit) + 10)
        heard.stop()
        wire.cancel()
        assert heard.data == sent
        assert heard.errors == 0

    for pair in await begin(dut):
        await check(pair)


@cocotb.test()
async def every_edge_is_where_the_rate_wants_it(dut: Any) -> None:
    """Within a cycle of its place, in every byte of a row without gaps."""
    for pair in await begin(dut):
        edges: list[float] = []

        async def watch(pair: Pair = pair, edges: list[float] = edges) -> None:
            while True:
                await ValueChange(pair.tx)
                edges.append(get_sim_time("ns"))

        watcher = cocotb.start_soon(watch())
        sent = [0x55, 0x0F, 0xA3, 0x00]
        for byte in sent:
            await put(pair, byte)
        await Timer(round(12 * pair.bit_ns), "ns")
        watcher.cancel()
        bits = [bit for byte in sent for bit in (0, *(byte >> n & 1 for n in range(8)), 1)]
        places = [place for place, (before, bit) in enumerate(zip([1, *bits], bits, strict=False)) if bit != before]
        assert len(edges) == len(places)
        for edge, place in zip(edges, places, strict=True):
            # Beside the cycle, a period is rounded to 1/64 of one.
            assert abs(edge - edges[0] - place * pair.bit_ns) < CLOCK_NS * (1 + place / 64)


@cocotb.test()
async def takes_a_line_of_another_clock(dut: Any) -> None:
    """2 % fast or slow, at any phase, and breaks: every whole byte is heard, every broken one is an error."""
    pairs = await begin(dut)

    async def check(number: int, deviation: int, phase: int, data: list[int], broken: int) -> None:
        pair = pairs[number]
        heard = Listener(pair)
        await Timer(1000 + phase, "ps")
        for place, byte in enumerate(data):
            await send(pair, byte, pair.bit_ns * (1 + deviation / 1000), stop=int(place != broken))
        await Timer(round(2 * pair.bit_ns), "ns")
        heard.stop()
        assert heard.data == [byte for place, byte in enumerate(data) if place != broken]
        assert heard.errors == (broken < len(data))

    for number in range(len(pairs)):
        await check_property(
            check,
            max_examples=30,
            number=st.just(number),
            deviation=st.sampled_from([-20, 20, 0, -11, 13]),
            phase=st.integers(0, 1000 * CLOCK_NS - 1),
            data=st.lists(st.integers(0, 255), min_size=1, max_size=6),
            broken=st.integers(0, 20),
        )


async def put(pair: Pair, byte: int) -> None:
    """Hand a byte to the transmitter."""
    await FallingEdge(pair.clk)
    pair.payload.value, pair.i_valid.value = byte, 1
    await ReadOnly()
    while not pair.i_ready.value:
        await RisingEdge(pair.i_ready)
        await ReadOnly()
    await RisingEdge(pair.clk)
    await FallingEdge(pair.clk)
    pair.i_valid.value = 0


async def connect(pair: Pair) -> None:
    """The transmitter's line to the receiver."""
    while True:
        await ValueChange(pair.tx)
        pair.rx.value = pair.tx.value


async def send(pair: Pair, byte: int, bit_ns: float, stop: int) -> None:
    """A byte on the receiver's line; after one that is broken the line rests."""
    for bit in (0, *(byte >> n & 1 for n in range(8)), stop, *(() if stop else (1,))):
        pair.rx.value = bit
        await Timer(round(bit_ns * 1000), "ps")


class Listener:
    """Records what the receiver says."""

    def __init__(self, pair: Pair):
        self.data: list[int] = []
        self.errors = 0
        self._pair = pair
        self._tasks = [cocotb.start_soon(self._hear()), cocotb.start_soon(self._count())]

    async def _hear(self) -> None:
        while True:
            await RisingEdge(self._pair.valid)
            self.data.append(int(self._pair.data.value))

    async def _count(self) -> None:
        while True:
            await RisingEdge(self._pair.error)
            self.errors += 1

    def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
