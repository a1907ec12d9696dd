# SPDX-License-Identifier: Apache-2.0
"""What the tops and the build flow need to know about a board."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import Any

__all__ = ["FAMILIES", "WITHOUT_NODES", "WITH_NODES", "Board"]

#: Families of FPGA that there is a flow for.
FAMILIES = ("ecp5", "ice40", "gowin")

#: Designs of boards that have no room for a node: a `nano` takes 19,200 LUTs, 37 multipliers of 18 bits and 42 block RAMs of
#: 18 kbit of an ECP5, and an LFE5U-25F has 28 multipliers.
WITHOUT_NODES = ("blinky", "hello", "memory")
WITH_NODES = (*WITHOUT_NODES, "node", "array")


@dataclass(frozen=True, kw_only=True)
class Board:
    """A board that nodes run on. Pins come from its Amaranth platform.

    Parameters
    ----------
    name : str
        As the command line has it.
    title : str
        For people, with the FPGA.
    family : str
        One of :data:`FAMILIES`.
    platform : str
        ``module:class`` of the Amaranth platform; imported when it is needed.
    oscillator_hz : int
        The platform's default clock.
    node_hz : int, optional
        Clock of the nodes, from a PLL if it is not the oscillator's; 0 stands for the oscillator's.
    config : str
        Preset that is built if none is named.
    rows, columns : int
        Array that is built if none is named.
    device : str
        The FPGA as nextpnr names it: ``85k``, ``up5k``, ``GW2AR-LV18QN88C8/I7``.
    package : str
        The package as nextpnr names it; empty where ``device`` holds it.
    speed : int or str
        Speed grade as nextpnr takes it; empty where ``device`` holds it or there is one only.
    database : str
        Of a Gowin part: the family whose description nextpnr and gowin_pack use; empty elsewhere.
    uart : (str, int)
        Resource of the serial line to the host, with ``rx`` and ``tx`` among its signals.
    uart_signals : tuple of str
        All of its signals.
    leds : int
        Lights, resources ``led`` 0 and up.
    reset_button : (str, int) or None
        Resource of a button that resets the design.
    designs : tuple of str
        Designs that fit after synthesis, the largest last.
    default_design : str, optional
        What is built if nothing is named; the largest, but ``node`` where the array has one node, unless it is given.
    programmer : tuple of str
        Program and arguments that load a bitstream; ``{bitstream}`` stands for its file.
    usb : str
        Vendor and product of the USB device that the programmer opens, ``0403:6015``.
    serial : str
        One sentence: which USB chip has the serial line, or which pins need an adapter.
    source : str
        Where the pins are documented, a URL.
    tier : int
        1: nodes run on it, and a campaign builds it; 2: part of a node, or not built by campaigns.

    Raises
    ------
    ValueError
        If the family is unknown or no design fits.
    """

    name: str
    title: str
    family: str
    platform: str
    oscillator_hz: int
    node_hz: int = 0
    config: str
    rows: int = 1
    columns: int = 1
    device: str
    package: str = ""
    speed: int | str = ""
    database: str = ""
    uart: tuple[str, int] = ("uart", 0)
    uart_signals: tuple[str, ...] = ("rx", "tx")
    leds: int = 0
    reset_button: tuple[str, int] | None = None
    designs: tuple[str, ...]
    default_design: str = ""
    programmer: tuple[str, ...]
    usb: str
    serial: str
    source: str
    tier: int = 1

    def __post_init__(self) -> None:
        if self.family not in FAMILIES:
            raise ValueError(f"board {self.name}: family '{self.family}' is not one of {', '.join(FAMILIES)}")
        if not self.designs:
            raise ValueError(f"board {self.name}: no design fits")
        if not self.node_hz:
            object.__setattr__(self, "node_hz", self.oscillator_hz)
        if not self.default_design:
            largest = self.designs[-1]
            one_node = largest == "array" and self.rows * self.columns == 1 and "node" in self.designs
            object.__setattr__(self, "default_design", "node" if one_node else largest)
        if self.default_design not in self.designs:
            raise ValueError(f"board {self.name}: '{self.default_design}' is not one of its designs, {', '.join(self.designs)}")

    @property
    def clock(self) -> str:
        """The nodes' clock for people, and the oscillator's where a PLL makes it."""
        clock = f"{self.node_hz / 1e6:g} MHz"
        return clock if self.node_hz == self.oscillator_hz else f"{clock} from {self.oscillator_hz / 1e6:g}"

    def make_platform(self) -> Any:
        """A platform to prepare one design with."""
        module, _, name = self.platform.partition(":")
        return getattr(importlib.import_module(module), name)()
