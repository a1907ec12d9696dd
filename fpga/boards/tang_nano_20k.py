# SPDX-License-Identifier: Apache-2.0
"""Sipeed Tang Nano 20K with a Gowin GW2AR."""

from __future__ import annotations

from typing import Any

from amaranth.build import Attrs, Clock, Pins, PinsN, Resource, Subsignal
from amaranth.vendor import GowinPlatform

from fpga.boards.board import WITHOUT_NODES, Board

__all__ = ["TANG_NANO_20K", "TangNano20KPlatform"]

_STANDARD = Attrs(IO_TYPE="LVCMOS33")


class TangNano20KPlatform(GowinPlatform):
    """Pins as the maker's examples have them: clock, serial line and button S1 (which is high while it is pressed) in
    ``uart/src``, lights (on while their pins are low) in ``led/flow_led/src`` of
    https://github.com/sipeed/TangNano-20K-example. Standard of the pins and button S2:
    https://github.com/litex-hub/litex-boards/blob/master/litex_boards/platforms/sipeed_tang_nano_20k.py.
    """

    part = "GW2AR-LV18QN88C8/I7"
    family = "GW2AR-18C"
    default_clk = "clk27"
    resources = [
        Resource("clk27", 0, Pins("4", dir="i"), Clock(27e6), _STANDARD),
        *(Resource("led", number, PinsN(str(15 + number), dir="o"), _STANDARD) for number in range(6)),
        Resource("button", 0, Pins("88", dir="i"), _STANDARD),
        Resource("button", 1, Pins("87", dir="i"), _STANDARD),
        Resource("uart", 0, Subsignal("rx", Pins("70", dir="i")), Subsignal("tx", Pins("69", dir="o")), _STANDARD),
    ]
    connectors: list[Any] = []


TANG_NANO_20K = Board(
    name="tang-nano-20k",
    title="Sipeed Tang Nano 20K, Gowin GW2AR-18",
    family="gowin",
    platform="fpga.boards.tang_nano_20k:TangNano20KPlatform",
    oscillator_hz=27_000_000,
    config="nano",
    device="GW2AR-LV18QN88C8/I7",
    database="GW2A-18C",
    leds=6,
    reset_button=("button", 0),
    designs=WITHOUT_NODES,
    programmer=("openFPGALoader", "--board", "tangnano20k", "{bitstream}"),
    usb="0403:6010",
    serial="USB socket (BL616), second port, usually /dev/ttyUSB1",
    source="https://github.com/sipeed/TangNano-20K-example",
    tier=2,
)
