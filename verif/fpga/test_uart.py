# SPDX-License-Identifier: Apache-2.0
"""The serial line: bytes go through transmitter and receiver, and the receiver bears a line as it really is."""

from __future__ import annotations

from typing import Any

import cocotb
import pytest
from amaranth.hdl import Module
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out
from cocotb.triggers import ClockCycles, FallingEdge, Timer
from hypothesis import strategies as st

from fpga.baud import BitPeriod
from fpga.uart_receiver import UartReceiver
from fpga.uart_transmitter import UartTransmitter
from verif.bench import bench_parameters, bench_rng, check_property, run_bench, start

CLOCK_NS = 10


class UartPair(wiring.Component):
    """A transmitter and a receiver, each with its own line."""

    def __init__(self, period: BitPeriod):
        self.period = period
        super().__init__(
            {
                "i": In(stream.Signature(8)),
                "tx": Out(1, init=1),
                "rx": In(1),
                "valid": Out(1),
                "data": Out(8),
                "error": Out(1),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.submodules.transmitter = transmitter = UartTransmitter(self.period)
        m.submodules.receiver = receiver = UartReceiver(self.period)
        wiring.connect(m, wiring.flipped(self.i), transmitter.i)
        m.d.comb += [
            self.tx.eq(transmitter.line),
            receiver.line.eq(self.rx),
            self.valid.eq(receiver.valid),
            self.data.eq(receiver.data),
            self.error.eq(receiver.error),
        ]
        return m


@pytest.mark.parametrize("clock, baud", [(25, 3), (8, 1), (25, 1)])
def test_bytes_go_through_at_full_rate_and_ragged(clock: int, baud: int) -> None:
    period = BitPeriod(clock * 1_000_000, baud * 1_000_000)
    run_bench(
        UartPair(period), parameters={"cycles_per_bit": clock / baud}, tests=["loops_back", "takes_a_line_of_another_clock"]
    )


@cocotb.test()
async def loops_back(dut: Any) -> None:
    rng = bench_rng()
    sent = [0x00, 0xFF, 0x55, 0xAA, *(int(value) for value in rng.integers(256, size=40))]
    await begin(dut)
    cocotb.start_soon(connect(dut))
    heard = Listener(dut)
    begun = cocotb.utils.get_sim_time("ns")
    for number, byte in enumerate(sent):
        dut.i__payload.value, dut.i__valid.value = byte, 1
        while not dut.i__ready.value:
            await FallingEdge(dut.clk)
        await FallingEdge(dut.clk)
        if number == len(sent) // 2:
            took = (cocotb.utils.get_sim_time("ns") - begun) / CLOCK_NS / number
        if number > len(sent) // 2:
            dut.i__valid.value = 0
            await ClockCycles(dut.clk, int(rng.integers(1, 200)))
            await FallingEdge(dut.clk)
    dut.i__valid.value = 0
    await ClockCycles(dut.clk, int(12 * bench_parameters()["cycles_per_bit"]) + 10)
    assert heard.data == sent
    assert heard.errors == 0
    assert took == pytest.approx(10 * bench_parameters()["cycles_per_bit"], abs=1.0)


@cocotb.test()
async def takes_a_line_of_another_clock(dut: Any) -> None:
    """2 % fast or slow, glitches, and breaks: every whole byte is heard, every broken one is an error."""
    bit_ns = bench_parameters()["cycles_per_bit"] * CLOCK_NS
    await begin(dut)

    async def check(deviation: float, data: list[int], broken: int) -> None:
        heard = Listener(dut)
        for number, byte in enumerate(data):
            await send(dut, byte, bit_ns * (1 + deviation / 1000), stop=int(number != broken))
        await Timer(round(2 * bit_ns), "ns")
        heard.stop()
        assert heard.data == [byte for number, byte in enumerate(data) if number != broken]
        assert heard.errors == (broken < len(data))

    await check_property(
        check,
        max_examples=20,
        deviation=st.integers(-20, 20),
        data=st.lists(st.integers(0, 255), min_size=1, max_size=6),
        broken=st.integers(0, 20),
    )


async def begin(dut: Any) -> None:
    dut.rx.value = 1
    dut.i__valid.value = 0
    await start(dut, reset=True)


async def connect(dut: Any) -> None:
    """The transmitter's line to the receiver."""
    while True:
        await FallingEdge(dut.clk)
        dut.rx.value = dut.tx.value


async def send(dut: Any, byte: int, bit_ns: float, stop: int) -> None:
    """A byte on the receiver's line; after one that is broken the line rests."""
    for bit in (0, *(byte >> n & 1 for n in range(8)), stop, *(() if stop else (1,))):
        dut.rx.value = bit
        await Timer(round(bit_ns * 1000), "ps")


class Listener:
    """Records what the receiver says."""

    def __init__(self, dut: Any):
        self.data: list[int] = []
        self.errors = 0
        self._task = cocotb.start_soon(self._run(dut))

    async def _run(self, dut: Any) -> None:
        while True:
            await FallingEdge(dut.clk)
            if dut.valid.value:
                self.data.append(int(dut.data.value))
            self.errors += int(dut.error.value)

    def stop(self) -> None:
        self._task.cancel()
