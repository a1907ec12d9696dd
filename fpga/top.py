# SPDX-License-Identifier: Apache-2.0
"""What goes on a board: nodes, their host link, and the pins."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, ClockDomain, ClockSignal, Elaboratable, Fragment, Module, ResetSignal, Signal
from amaranth.lib import io, wiring
from amaranth.lib.cdc import FFSynchronizer
from amaranth.lib.wiring import In, Out

from fpga.boards import Board
from fpga.clock import BoardClock
from fpga.designs import Settings
from fpga.frames import Identity
from fpga.memory_node import MemoryConfig, MemoryNode, memory_config
from fpga.mesh import Mesh, mesh_variants
from fpga.node_lights import NodeLights
from fpga.serial_host import SerialHost
from golden.config import NodeConfig
from rtl.export import convert_module, export_node
from rtl.node import Node, node_name

__all__ = ["ArrayTop", "BoardTop", "MemoryTop", "array_top", "memory_top", "node_modules"]


class ArrayTop(wiring.Component):
    """An array of nodes with its host; the complete logic of a board but for its pins.

    Parameters
    ----------
    config : NodeConfig
    rows, columns : int
        At least 1 each.
    clock_hz : int
        Frequency of the domain ``sync``, which everything runs on.
    baud : int
        Bits per second on the serial line.

    Members
    -------
    rx : In(1), tx : Out(1), the serial line
    reset : In(1), resets the nodes and what is under way to and from them
    idle, running, waiting, trapped, exited : Out(rows x columns), any thread of each node, row by row
    activity : Out(1), a frame came from the host a moment ago
    lights : Out
        Of an array: a light per node as :class:`fpga.node_lights.NodeLights` has it, then ``activity``. Of a single node:
        idle, running, waiting, trapped, exited, activity.

    Raises
    ------
    ValueError
        If there is no node, or the clock cannot make the baud rate.
    """

    def __init__(self, config: NodeConfig, rows: int, columns: int, clock_hz: int, baud: int):
        self.config = config
        self.clock_hz = clock_hz
        self.mesh = Mesh(config, rows, columns)
        identity = Identity.of(config, clock_hz=clock_hz, rows=rows, columns=columns)
        self.host = SerialHost(config, identity, baud)
        nodes = rows * columns
        states = dict.fromkeys(("idle", "running", "waiting", "trapped", "exited"), Out(nodes))
        super().__init__(
            {
                "rx": In(1),
                "tx": Out(1, init=1),
                "reset": In(1),
                **states,
                "activity": Out(1),
                "lights": Out(6 if nodes == 1 else nodes + 1),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.submodules.host = host = self.host
        m.submodules.mesh = mesh = self.mesh
        wiring.connect(m, host.link_out, mesh.link_in)
        wiring.connect(m, mesh.link_out, host.link_in)
        m.d.comb += [
            host.rx.eq(self.rx),
            self.tx.eq(host.tx),
            host.reset.eq(self.reset),
            mesh.reset.eq(host.reset_nodes),
            self.activity.eq(host.activity),
        ]
        states = ("idle", "running", "waiting", "trapped", "exited")
        m.d.comb += [getattr(self, state).eq(getattr(mesh, state)) for state in states]

        if len(self.idle) == 1:
            m.d.comb += self.lights.eq(Cat(*(getattr(self, state) for state in states), self.activity))
            return m
        m.submodules.node_lights = node_lights = NodeLights(len(self.idle), self.clock_hz)
        m.d.comb += [
            node_lights.active.eq(self.running | self.waiting),
            node_lights.trapped.eq(self.trapped),
            node_lights.reset.eq(host.reset_nodes),
            self.lights.eq(Cat(node_lights.o, self.activity)),
        ]
        return m


class MemoryTop(wiring.Component):
    """The memory of a node with its host, for boards that have no room for the rest of it.

    Parameters
    ----------
    config : MemoryConfig
    clock_hz : int
        Frequency of the domain ``sync``, which everything runs on.
    baud : int
        Bits per second on the serial line.

    Members
    -------
    rx : In(1), tx : Out(1), the serial line
    reset : In(1), drops what is under way; SRAM keeps its contents
    activity : Out(1), a frame came from the host a moment ago
    lights : Out(1), the same

    Raises
    ------
    ValueError
        If the clock cannot make the baud rate.
    """

    def __init__(self, config: MemoryConfig, clock_hz: int, baud: int):
        self.node = MemoryNode(config)
        identity = Identity.of(config, clock_hz=clock_hz, rows=1, columns=1)
        self.host = SerialHost(config, identity, baud)
        super().__init__({"rx": In(1), "tx": Out(1, init=1), "reset": In(1), "activity": Out(1), "lights": Out(1)})

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.submodules.host = host = self.host
        m.submodules.node = node = self.node
        wiring.connect(m, host.link_out, node.link_in)
        wiring.connect(m, node.link_out, host.link_in)
        m.d.comb += [
            host.rx.eq(self.rx),
            self.tx.eq(host.tx),
            host.reset.eq(self.reset),
            node.reset.eq(host.reset_nodes),
            self.activity.eq(host.activity),
            self.lights.eq(host.activity),
        ]
        return m


class BoardTop(Elaboratable):
    """The top on a board: its clock, its serial line, its lights, its reset button.

    Parameters
    ----------
    board : Board
    logic : component
        With ``rx``, ``tx``, ``reset`` and ``lights``; boards with fewer lights show the first ones.
    clock_hz : int
        Clock of the logic.

    Raises
    ------
    ClockError
        If the board cannot make that clock.
    """

    def __init__(self, board: Board, logic: Any, clock_hz: int):
        self.board = board
        self.logic = logic
        self.clock = BoardClock(board, clock_hz)

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        board, logic = self.board, self.logic
        m.submodules.clock = clock = self.clock
        m.domains.sync = ClockDomain("sync")
        m.d.comb += [ClockSignal().eq(clock.clk), ResetSignal().eq(clock.rst)]

        button = Signal()
        m.submodules.logic = logic
        m.d.comb += logic.reset.eq(button)

        uart = platform.request(*board.uart, dir=dict.fromkeys(board.uart_signals, "-"))
        m.submodules.rx = rx = io.Buffer("i", uart.rx)
        m.submodules.tx = tx = io.Buffer("o", uart.tx)
        m.d.comb += [logic.rx.eq(rx.i), tx.o.eq(logic.tx)]
        if board.reset_button is not None:
            m.submodules.button = buffer = io.Buffer("i", platform.request(*board.reset_button, dir="-"))
            m.submodules.button_synchronizer = FFSynchronizer(buffer.i, button)

        for number, light in zip(range(board.leds), logic.lights, strict=False):
            led = io.Buffer("o", platform.request("led", number, dir="-"))
            m.submodules[f"led{number}"] = led
            m.d.comb += led.o.eq(light)
        return m


def array_top(board: Board, settings: Settings) -> BoardTop:
    """The top of the designs ``node`` and ``array``.

    Raises
    ------
    ValueError
        If there is no node, or the clock cannot make the baud rate.
    ClockError
        If the board cannot make the clock.
    """
    assert settings.config is not None
    logic = ArrayTop(settings.config, settings.rows, settings.columns, settings.clock_hz, settings.baud)
    return BoardTop(board, logic, settings.clock_hz)


def memory_top(board: Board, settings: Settings) -> BoardTop:
    """The top of the design ``memory``; where block RAM is scarce, with part of the SRAM.

    Raises
    ------
    ValueError
        If the clock cannot make the baud rate.
    ClockError
        If the board cannot make the clock.
    """
    assert settings.config is not None
    logic = MemoryTop(memory_config(settings.config, board.family), settings.clock_hz, settings.baud)
    return BoardTop(board, logic, settings.clock_hz)


def node_modules(settings: Settings, arithmetic: str = "rtl", sram: str = "banks") -> dict[str, str]:
    """Verilog of the modules that the designs ``node`` and ``array`` instantiate, by file name.

    Parameters
    ----------
    settings : Settings
    arithmetic, sram : str
        As ``rtl.export.export_node`` takes them; what synthesis needs unless said otherwise.
    """
    assert settings.config is not None
    config = settings.config
    first, *others = mesh_variants(settings.rows, settings.columns)
    files = export_node(config, arithmetic=arithmetic, sram=sram, links=first)
    for links in others:
        # What a node instantiates is the same for all of them.
        node = Node(config, links)
        files[f"{node_name(links)}.v"] = convert_module(node, Fragment.get(node, None), node_name(links))
    return files
