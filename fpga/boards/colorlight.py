# SPDX-License-Identifier: Apache-2.0
"""Colorlight i5 v7.0 and i9 v7.2, ECP5 modules, on Muse Lab's extension board."""

from __future__ import annotations

from typing import Any

from amaranth.build import Attrs, Clock, Pins, PinsN, Resource, Subsignal
from amaranth.vendor import LatticeECP5Platform

from fpga.boards.board import WITH_NODES, Board

__all__ = ["COLORLIGHT_I5", "COLORLIGHT_I9", "ColorlightI5Platform", "ColorlightI9Platform"]


def _resources(led: str) -> list[Any]:
    """What both modules have, and the light D2, which they have at different pins.

    Clock and light: tables of the modules. Serial line: ``src/i5/uart_tx/top.lpf`` beside them (the module's contacts 84 and
    86, which the i9 has at the same pins). That the light is on when its pin is low, and the standard of the pins:
    https://github.com/litex-hub/litex-boards/blob/master/litex_boards/platforms/colorlight_i5.py
    """
    standard = Attrs(IO_TYPE="LVCMOS33")
    return [
        Resource("clk25", 0, Pins("P3", dir="i"), Clock(25e6), standard),
        Resource("led", 0, PinsN(led, dir="o"), standard),
        Resource("uart", 0, Subsignal("rx", Pins("H18", dir="i")), Subsignal("tx", Pins("J17", dir="o")), standard),
    ]


class ColorlightI5Platform(LatticeECP5Platform):
    """Pins of the i5: https://github.com/wuxx/Colorlight-FPGA-Projects/blob/master/README.md."""

    device = "LFE5U-25F"
    package = "BG381"
    speed = "6"
    default_clk = "clk25"
    resources = _resources(led="U16")
    connectors: list[Any] = []


class ColorlightI9Platform(LatticeECP5Platform):
    """Pins of the i9: https://github.com/wuxx/Colorlight-FPGA-Projects/blob/master/colorlight_i9_v7.2.md."""

    device = "LFE5U-45F"
    package = "BG381"
    speed = "6"
    default_clk = "clk25"
    resources = _resources(led="L2")
    connectors: list[Any] = []


def _colorlight(model: str, version: str, size: int, page: str) -> Board:
    return Board(
        name=f"colorlight-{model}",
        title=f"Colorlight {model} {version} on the extension board, ECP5 LFE5U-{size}F",
        family="ecp5",
        platform=f"fpga.boards.colorlight:Colorlight{model.upper()}Platform",
        oscillator_hz=25_000_000,
        # Arrays, for which the larger one has room, are not known to reach more than the oscillator's.
        node_hz=45_000_000 if size == 25 else 0,
        config="nano",
        columns=2 if size > 25 else 1,
        device=f"{size}k",
        package="CABGA381",
        speed=6,
        leds=1,
        designs=WITH_NODES,
        default_design="node",
        programmer=("openFPGALoader", "--board", f"colorlight-{model}", "{bitstream}"),
        usb="0d28:0204",
        serial="USB socket of the extension board (DAPLink), usually /dev/ttyACM0",
        source=f"https://github.com/wuxx/Colorlight-FPGA-Projects/blob/master/{page}",
    )


COLORLIGHT_I5 = _colorlight("i5", "v7.0", 25, page="README.md")
COLORLIGHT_I9 = _colorlight("i9", "v7.2", 45, page="colorlight_i9_v7.2.md")
