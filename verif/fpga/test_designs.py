# SPDX-License-Identifier: Apache-2.0
"""The small designs at their pins."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from amaranth.hdl import Fragment
from amaranth.sim import Simulator

from fpga.boards import BOARDS, Board
from fpga.designs import DESIGNS, Settings
from fpga.designs.blinky import COUNTS_PER_SECOND
from fpga.designs.hello import greeting
from verif.fpga.pins import Pins

#: A slow clock, so that a second is short.
SLOW = Settings(None, 0, 0, 1000, 16_000)

CYCLES_PER_BIT = SLOW.clock_hz // SLOW.baud


def simulate(name: str, board: Board, bench: Any) -> None:
    """Run a bench ``bench(ctx, pins)`` on a design."""
    pins = Pins(board)
    simulator = Simulator(Fragment.get(DESIGNS[name].top(board, SLOW), pins))
    simulator.add_clock(1 / SLOW.clock_hz)

    async def run(ctx: Any) -> None:
        await bench(ctx, pins)

    simulator.add_testbench(run)
    simulator.run()


@pytest.mark.parametrize("name", ["ulx3s-85f", "icebreaker", "colorlight-i5"])
def test_blinky_counts_four_times_a_second_on_all_lights(name: str) -> None:
    board = BOARDS[name]

    async def bench(ctx: Any, pins: Pins) -> None:
        for number in range(2**board.leds + 2 if board.leds < 8 else 20):
            for _ in range(2):
                shown = sum(ctx.get(led.o) << place for place, led in enumerate(pins.leds))
                assert shown == number % 2**board.leds
                await ctx.tick().repeat(SLOW.clock_hz // COUNTS_PER_SECOND // 2)

    simulate("blinky", board, bench)


def test_a_board_without_lights_has_no_blinky() -> None:
    with pytest.raises(ValueError, match="ulx3s-85f has no light"):
        DESIGNS["blinky"].top(replace(BOARDS["ulx3s-85f"], leds=0), SLOW)


async def receive(ctx: Any, line: Any) -> int:
    """A byte from a serial line."""
    await ctx.negedge(line)
    await ctx.tick().repeat(CYCLES_PER_BIT // 2)
    assert ctx.get(line) == 0
    byte = 0
    for bit in range(8):
        await ctx.tick().repeat(CYCLES_PER_BIT)
        byte |= ctx.get(line) << bit
    await ctx.tick().repeat(CYCLES_PER_BIT)
    assert ctx.get(line) == 1
    return byte


async def send(ctx: Any, line: Any, data: bytes) -> None:
    """Bytes to a serial line."""
    for byte in data:
        for bit in (0, *(byte >> place & 1 for place in range(8)), 1):
            ctx.set(line, bit)
            await ctx.tick().repeat(CYCLES_PER_BIT)


@pytest.mark.parametrize("name", ["ulx3s-85f", "colorlight-i9"])
def test_hello_greets_every_second_and_echoes_what_arrives_meanwhile_after_its_line(name: str) -> None:
    board = BOARDS[name]
    pins = Pins(board)
    simulator = Simulator(Fragment.get(DESIGNS["hello"].top(board, SLOW), pins))
    simulator.add_clock(1 / SLOW.clock_hz)
    question = bytes(range(0x20, 0x48))
    heard: list[tuple[int, int]] = []
    lights: list[int] = []

    async def listener(ctx: Any) -> None:
        text = greeting(board, SLOW)
        for _ in range(len(text) + len(question) + len(text)):
            heard.append((await receive(ctx, pins.uart.tx.o), ctx.get(pins.leds[0].o)))
        await ctx.tick().repeat(CYCLES_PER_BIT)
        lights.extend(ctx.get(led.o) for led in pins.leds)

    async def speaker(ctx: Any) -> None:
        ctx.set(pins.uart.rx.i, 1)
        await ctx.tick().repeat(3 * CYCLES_PER_BIT)
        await send(ctx, pins.uart.rx.i, question)

    simulator.add_testbench(listener)
    simulator.add_testbench(speaker, background=True)
    simulator.run()

    text = greeting(board, SLOW)
    assert text == f"OpenD1 on {name}, 0.016 MHz, 1000 baud\r\n".encode()
    assert bytes(byte for byte, _ in heard) == text + question + text
    # The light goes on when the first line has been sent and off when the second has.
    assert {light for _, light in heard[: len(text) - 1]} == {0}
    assert {light for _, light in heard[len(text) : -1]} == {1}
    assert lights[0] == 0
    assert lights[1:2] == [len(question) % 2] * (board.leds > 1)


def test_hello_refuses_a_rate_that_the_clock_cannot_make() -> None:
    with pytest.raises(ValueError, match="baud"):
        DESIGNS["hello"].top(BOARDS["ulx3s-85f"], replace(SLOW, baud=SLOW.clock_hz))
