# SPDX-License-Identifier: Apache-2.0
"""A line of text on a board's serial line, and an echo: cable, port and baud rate are the right ones."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Array, Const, Elaboratable, Module, Signal
from amaranth.lib import io
from amaranth.lib.fifo import SyncFIFOBuffered

from fpga.baud import BitPeriod
from fpga.boards import Board
from fpga.designs import Settings
from fpga.uart_receiver import UartReceiver
from fpga.uart_transmitter import UartTransmitter

__all__ = ["Hello", "greeting"]

#: Bytes that wait for their echo: as many as can arrive while the line of text is sent.
_ECHO_BYTES = 128


def greeting(board: Board, settings: Settings) -> bytes:
    """The line that the board sends."""
    return f"OpenD1 on {board.name}, {settings.clock_hz / 1e6:g} MHz, {settings.baud} baud\r\n".encode()


class Hello(Elaboratable):
    """Sends a line once a second and sends back every byte that it gets, in order.

    Bytes that arrive while the line is sent are sent back after it; the line waits while bytes do. Light 0 changes with every
    line, light 1 with every byte that is sent back.

    Parameters
    ----------
    board : Board
    settings : Settings
        ``clock_hz`` and ``baud`` count.

    Raises
    ------
    ValueError
        If the clock cannot make the baud rate.
    """

    def __init__(self, board: Board, settings: Settings):
        self.board = board
        self.second = settings.clock_hz
        self.period = BitPeriod(settings.clock_hz, settings.baud)
        self.text = greeting(board, settings)

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.submodules.receiver = receiver = UartReceiver(self.period)
        m.submodules.transmitter = transmitter = UartTransmitter(self.period)
        m.submodules.echo = echo = SyncFIFOBuffered(width=8, depth=_ECHO_BYTES)
        uart = platform.request(*self.board.uart, dir=dict.fromkeys(self.board.uart_signals, "-"))
        m.submodules.rx = rx = io.Buffer("i", uart.rx)
        m.submodules.tx = tx = io.Buffer("o", uart.tx)
        m.d.comb += [
            receiver.line.eq(rx.i),
            tx.o.eq(transmitter.line),
            echo.w_data.eq(receiver.data),
            echo.w_en.eq(receiver.valid),
        ]

        timer = Signal(range(self.second))
        due = Signal(init=1)
        sending = Signal()
        position = Signal(range(len(self.text)))
        text = Array(Const(byte, 8) for byte in self.text)
        lights = Signal(2)
        with m.If(timer == self.second - 1):
            m.d.sync += [timer.eq(0), due.eq(1)]
        with m.Else():
            m.d.sync += timer.eq(timer + 1)

        out = transmitter.i
        with m.If(sending):
            m.d.comb += [out.valid.eq(1), out.payload.eq(text[position])]
            with m.If(out.ready):
                m.d.sync += position.eq(position + 1)
                with m.If(position == len(self.text) - 1):
                    m.d.sync += [position.eq(0), sending.eq(0), lights[0].eq(~lights[0])]
        with m.Else():
            m.d.comb += [out.valid.eq(echo.r_rdy), out.payload.eq(echo.r_data), echo.r_en.eq(out.ready)]
            with m.If(echo.r_rdy & out.ready):
                m.d.sync += lights[1].eq(~lights[1])
            with m.If(due & ~echo.r_rdy):
                m.d.sync += [due.eq(0), sending.eq(1)]

        for index in range(min(self.board.leds, len(lights))):
            m.submodules[f"led{index}"] = led = io.Buffer("o", platform.request("led", index, dir="-"))
            m.d.comb += led.o.eq(lights[index])
        return m
