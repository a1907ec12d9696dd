# SPDX-License-Identifier: Apache-2.0
"""What goes on a board: a node, its host link, and the pins."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import ClockSignal, Elaboratable, Instance, Module, Mux, ResetSignal, Signal
from amaranth.lib import io, wiring
from amaranth.lib.cdc import FFSynchronizer
from amaranth.lib.wiring import In, Out

from fpga.baud import BitPeriod
from fpga.boards import Board
from fpga.designs import Settings
from fpga.frames import Identity
from fpga.host_link import HostLink
from fpga.uart_receiver import UartReceiver
from fpga.uart_transmitter import UartTransmitter
from golden.config import NodeConfig
from rtl.export import export_node
from rtl.interfaces import FlitLayout
from rtl.node import NODE_NAME

__all__ = ["BoardTop", "NodeTop", "array_top", "node_modules"]

#: ``links``: only the west one leads anywhere, to the host.
_WEST_ONLY = 0b1000

#: Cycles for which the light of the host link stays on after a frame, as a power of two.
_ACTIVITY_BITS = 20


class NodeTop(wiring.Component):
    """A node with its host at the west link; the complete logic of a board but for its pins.

    The node is an instance of the Verilog module that ``rtl.export`` makes. It counts cycles from its reset.

    Parameters
    ----------
    config : NodeConfig
    clock_hz : int
        Frequency of the domain ``sync``, which everything runs on.
    baud : int
        Bits per second on the serial line.

    Members
    -------
    rx : In(1), tx : Out(1), the serial line
    reset : In(1), resets the node and what is under way to and from it
    idle, running, waiting, trapped, exited : Out(1), any thread of the node
    activity : Out(1), a frame came from the host a moment ago
    """

    def __init__(self, config: NodeConfig, clock_hz: int, baud: int):
        self.config = config
        self.period = BitPeriod(clock_hz, baud)
        self.identity = Identity(clock_hz=clock_hz, rows=1, columns=1, descriptor=config.descriptor, key=config.key)
        super().__init__(
            {
                "rx": In(1),
                "tx": Out(1, init=1),
                "reset": In(1),
                "idle": Out(1),
                "running": Out(1),
                "waiting": Out(1),
                "trapped": Out(1),
                "exited": Out(1),
                "activity": Out(1),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.submodules.receiver = receiver = UartReceiver(self.period)
        m.submodules.transmitter = transmitter = UartTransmitter(self.period)
        m.submodules.host_link = host = HostLink(self.config, self.identity)
        wiring.connect(m, host.o, transmitter.i)
        m.d.comb += [
            receiver.line.eq(self.rx),
            self.tx.eq(transmitter.line),
            host.i_valid.eq(receiver.valid),
            host.i_data.eq(receiver.data),
            host.i_error.eq(receiver.error),
            host.reset.eq(self.reset),
        ]

        cycle = Signal(64)
        m.d.sync += cycle.eq(Mux(host.reset_nodes, 0, cycle + 1))

        running, waiting, trapped = Signal(4), Signal(4), Signal(4)
        to_host, from_host = host.link_in, host.link_out
        to_host_flit = Signal(FlitLayout(self.config).size)
        m.d.comb += [
            to_host.flit.eq(to_host_flit),
            self.running.eq(running.any()),
            self.waiting.eq(waiting.any()),
            self.trapped.eq(trapped.any()),
        ]
        pins: dict[str, Any] = {
            "i_clk": ClockSignal(),
            "i_rst": host.reset_nodes | ResetSignal(allow_reset_less=True),
            "i_x": 0,
            "i_y": 0,
            "i_links": _WEST_ONLY,
            "i_cycle": cycle,
            "i_west_in_valid": from_host.valid,
            "i_west_in_flit": from_host.flit,
            "o_west_in_credit": from_host.credit,
            "o_west_out_valid": to_host.valid,
            "o_west_out_flit": to_host_flit,
            "i_west_out_credit": to_host.credit,
            "o_idle": self.idle,
            "o_running": running,
            "o_waiting": waiting,
            "o_trapped": trapped,
            "o_exited": self.exited,
        }
        for direction in ("north", "east", "south"):
            pins |= {f"i_{direction}_in_valid": 0, f"i_{direction}_in_flit": 0, f"i_{direction}_out_credit": 0}
        m.submodules.node = Instance(NODE_NAME, **pins)

        quiet_for = Signal(_ACTIVITY_BITS + 1, init=1 << _ACTIVITY_BITS)
        m.d.comb += self.activity.eq(~quiet_for[-1])
        with m.If(host.active):
            m.d.sync += quiet_for.eq(0)
        with m.Elif(self.activity):
            m.d.sync += quiet_for.eq(quiet_for + 1)
        return m


class BoardTop(Elaboratable):
    """The top on a board: its clock, its serial line, its lights, its reset button.

    Lights, lowest first: idle, running, waiting, trapped, exited, frames from the host. Boards with fewer show the first ones.

    Parameters
    ----------
    board : Board
    config : NodeConfig
    baud : int
    """

    def __init__(self, board: Board, config: NodeConfig, baud: int):
        self.board = board
        self.node_top = NodeTop(config, board.node_hz, baud)

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        board, top = self.board, self.node_top
        button = Signal()
        m.submodules.top = top
        m.d.comb += top.reset.eq(button)

        uart = platform.request(*board.uart, dir=dict.fromkeys(board.uart_signals, "-"))
        m.submodules.rx = rx = io.Buffer("i", uart.rx)
        m.submodules.tx = tx = io.Buffer("o", uart.tx)
        m.d.comb += [top.rx.eq(rx.i), tx.o.eq(top.tx)]
        if board.reset_button is not None:
            m.submodules.button = buffer = io.Buffer("i", platform.request(*board.reset_button, dir="-"))
            m.submodules.button_synchronizer = FFSynchronizer(buffer.i, button)

        lights = (top.idle, top.running, top.waiting, top.trapped, top.exited, top.activity)
        for number, light in zip(range(board.leds), lights, strict=False):
            led = io.Buffer("o", platform.request("led", number, dir="-"))
            m.submodules[f"led{number}"] = led
            m.d.comb += led.o.eq(light)
        return m


def array_top(board: Board, settings: Settings) -> BoardTop:
    """The top of the designs ``node`` and ``array``."""
    assert settings.config is not None
    return BoardTop(board, settings.config, settings.baud)


def node_modules(settings: Settings) -> dict[str, str]:
    """Verilog of the nodes, by file name."""
    assert settings.config is not None
    return export_node(settings.config, arithmetic="rtl", sram="banks")
