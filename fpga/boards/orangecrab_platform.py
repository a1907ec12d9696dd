# SPDX-License-Identifier: Apache-2.0
"""OrangeCrab's platform of amaranth-boards, with its light as three and a serial line at the header."""

from __future__ import annotations

from typing import Any

from amaranth.build import Attrs, Pins, PinsN, Resource, Subsignal
from amaranth_boards.orangecrab_r0_2 import OrangeCrabR0_2_25FPlatform, OrangeCrabR0_2_85FPlatform  # type: ignore[import-untyped]

__all__ = ["OrangeCrab25FPlatform", "OrangeCrab85FPlatform"]

_STANDARD = Attrs(IO_TYPE="LVCMOS33")

#: The colours are those of the resource ``rgb_led`` of amaranth-boards. Serial line: as ``feather_serial`` of
#: https://github.com/litex-hub/litex-boards/blob/master/litex_boards/platforms/gsd_orangecrab.py has it.
_EXTRA: list[Any] = [
    *(Resource("led", number, PinsN(pin, dir="o"), _STANDARD) for number, pin in enumerate(("K4", "M3", "J3"))),
    Resource(
        "uart", 0,
        Subsignal("rx", Pins("0", dir="i", conn=("io", 0))),
        Subsignal("tx", Pins("1", dir="o", conn=("io", 0))),
        _STANDARD,
    ),
]  # fmt: skip


class OrangeCrab25FPlatform(OrangeCrabR0_2_25FPlatform):
    """With an LFE5U-25F."""

    resources = [*OrangeCrabR0_2_25FPlatform.resources, *_EXTRA]


class OrangeCrab85FPlatform(OrangeCrabR0_2_85FPlatform):
    """With an LFE5U-85F."""

    resources = [*OrangeCrabR0_2_85FPlatform.resources, *_EXTRA]
