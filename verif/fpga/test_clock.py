# SPDX-License-Identifier: Apache-2.0
"""Clocks of boards: dividers stay within what the data sheets allow, and primitives get them as they expect."""

from __future__ import annotations

import importlib.resources
import re
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import cocotb
import pytest
from amaranth.hdl import ClockDomain, ClockSignal, Elaboratable, Module, ResetSignal, Signal
from amaranth.lib import io
from cocotb.clock import Clock
from cocotb.triggers import FallingEdge, Timer
from hypothesis import given, settings
from hypothesis import strategies as st

from fpga.boards import BOARDS, Board
from fpga.clock import BoardClock
from fpga.pll import ClockError, find_dividers
from fpga.simulation.platform import SimulationPlatform
from verif.bench import run_bench

CLOCK_HZ = 10_000_000

#: By family and database: ends of phase detector, oscillator and output in MHz, and of the dividers.
LIMITS: dict[tuple[str, str], tuple[tuple[float, float], ...]] = {
    ("ecp5", ""): ((3.125, 400), (400, 800), (10, 400), (1, 128), (1, 128), (1, 128)),
    ("ice40", ""): ((10, 133), (533, 1066), (16, 275), (1, 16), (1, 128), (2, 64)),
    ("gowin", "GW2A-18C"): ((3, 500), (500, 1250), (3.90625, 625), (1, 64), (1, 64), (2, 128)),
    ("gowin", "GW1N-9C"): ((3, 400), (400, 1000), (3.125, 500), (1, 64), (1, 64), (2, 128)),
}


@pytest.mark.parametrize("part", LIMITS)
@settings(deadline=None, max_examples=60)
@given(input_mhz=st.sampled_from([12, 16, 25, 27, 48, 50, 100]), output_mhz=st.integers(10, 200))
def test_whatever_is_found_is_allowed_and_right(part: tuple[str, str], input_mhz: int, output_mhz: int) -> None:
    family, database = part
    try:
        found = find_dividers(family, database, input_mhz * 1_000_000, output_mhz * 1_000_000)
    except ClockError:
        return
    detector, vco, output = Fraction(input_mhz, found.reference), Fraction(found.vco_hz, 10**6), Fraction(found.output_hz, 10**6)
    assert abs(output - output_mhz) <= Fraction(output_mhz, 1000)
    assert output == vco / found.post
    assert detector * found.feedback == (vco if family == "ice40" else output)
    values = [float(value) for value in (detector, vco, output, found.reference, found.feedback, found.post)]
    for value, (low, high) in zip(values, LIMITS[part], strict=True):
        assert low <= value <= high


@pytest.mark.parametrize(
    "input_mhz, output_mhz, reference, feedback, post",
    [(12, 60, 1, 5, 10), (20, 30, 2, 3, 20), (45, 30, 3, 2, 20), (70, 40, 7, 4, 15), (25, 50, 1, 2, 12)],
)
def test_ecp5_dividers_are_those_of_the_vendors_tool(
    input_mhz: int, output_mhz: int, reference: int, feedback: int, post: int
) -> None:
    found = find_dividers("ecp5", "", input_mhz * 1_000_000, output_mhz * 1_000_000)
    assert (found.reference, found.feedback, found.post) == (reference, feedback, post)


@pytest.mark.parametrize("input_mhz, output_mhz, divf, divq", [(12, 96, 63, 3), (12, 48, 63, 4), (48, 60, 19, 4)])
def test_ice40_dividers_are_those_of_icepll(input_mhz: int, output_mhz: int, divf: int, divq: int) -> None:
    found = find_dividers("ice40", "", input_mhz * 1_000_000, output_mhz * 1_000_000)
    assert (found.reference - 1, found.feedback - 1, found.post) == (0, divf, 1 << divq)


@pytest.mark.parametrize(
    "family, input_hz, output_hz, message",
    [
        ("ecp5", 25_000_000, 500_000_000, "500 MHz is outside of what this PLL makes, 10 to 400 MHz"),
        ("ice40", 12_000_000, 14_000_000, "14 MHz is outside of what this PLL makes, 16 to 275 MHz"),
        ("ice40", 12_000_000, 16_666_000, "makes 16.666 MHz of 12 MHz; the nearest is 16.500 MHz"),
        ("ice40", 1_000_000, 20_000_000, "no PLL setting makes 20 MHz of 1 MHz"),
    ],
)
def test_what_a_pll_cannot_make_is_refused_with_what_it_can(family: str, input_hz: int, output_hz: int, message: str) -> None:
    with pytest.raises(ClockError, match=re.escape(message)):
        find_dividers(family, "", input_hz, output_hz)


@pytest.mark.parametrize(
    "name, clock_hz, primitive, parameters",
    [
        ("ulx3s-85f", 50_000_000, "EHXPLLL", {"CLKI_DIV": 1, "CLKFB_DIV": 2, "CLKOP_DIV": 12}),
        ("icebreaker", 24_000_000, "SB_PLL40_PAD", {"DIVR": 0, "DIVF": 63, "DIVQ": 5, "FILTER_RANGE": 1}),
        ("tang-nano-20k", 54_000_000, "rPLL", {"IDIV_SEL": 0, "FBDIV_SEL": 1, "ODIV_SEL": 16}),
    ],
)
def test_the_familys_primitive_gets_the_dividers(name: str, clock_hz: int, primitive: str, parameters: dict[str, int]) -> None:
    board = replace(BOARDS[name], node_hz=clock_hz)
    text = _clock_verilog(board, clock_hz)
    instance = text[text.index(f"{primitive} #(") :]
    found = {
        key: int(value, 2 if base == "b" else 10) for key, base, value in re.findall(r"\.(\w+)\(\d+'([bd])(\d+)\)", instance)
    }
    assert {key: found[key] for key in parameters} == parameters


@pytest.mark.parametrize("name", BOARDS)
def test_every_boards_clock_can_be_made(name: str) -> None:
    board = BOARDS[name]
    text = _clock_verilog(board, board.node_hz)
    has_pll = any(primitive in text for primitive in ("EHXPLLL", "SB_PLL40_PAD", "rPLL"))
    assert has_pll == (board.node_hz != board.oscillator_hz)


@pytest.mark.rtl
def test_reset_holds_until_the_pll_has_locked_and_beyond() -> None:
    board = replace(BOARDS["ulx3s-85f"], node_hz=CLOCK_HZ)
    models = Path(str(importlib.resources.files("fpga.simulation") / "pll_models.v"))
    run_bench(toplevel="top", sources=[_clock_verilog(board, CLOCK_HZ), models])


@cocotb.test()
async def the_light_begins_when_reset_ends(dut: Any) -> None:
    Clock(dut.clk25_0__io, 100, unit="ns").start()
    await Timer(1, "ns")
    dark = 0
    while not dut.led_0__io.value:
        await FallingEdge(dut.clk25_0__io)
        dark += 1
    # The model locks after 63 cycles; then come two for synchronizing, 15 microseconds, and one for each register behind.
    assert dark == pytest.approx(63 + 2 + 15e-6 * CLOCK_HZ, abs=4)
    for expected in (0, 1, 0, 1):
        await FallingEdge(dut.clk25_0__io)
        assert dut.led_0__io.value == expected


class Light(Elaboratable):
    """A light that changes with every cycle of a board's clock."""

    def __init__(self, board: Board, clock_hz: int):
        self.clock = BoardClock(board, clock_hz)

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.submodules.clock = self.clock
        m.domains.sync = ClockDomain("sync")
        m.d.comb += [ClockSignal().eq(self.clock.clk), ResetSignal().eq(self.clock.rst)]
        light = Signal()
        m.d.sync += light.eq(~light)
        m.submodules.led = led = io.Buffer("o", platform.request("led", 0, dir="-"))
        m.d.comb += led.o.eq(light)
        return m


def _clock_verilog(board: Board, clock_hz: int) -> str:
    text: str = SimulationPlatform(board).prepare(Light(board, clock_hz), "top")
    return text
