# SPDX-License-Identifier: Apache-2.0
"""What the tops and the build flow need to know about a board."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import Any

__all__ = ["Board"]


@dataclass(frozen=True, kw_only=True)
class Board:
    """A board that nodes run on. Pins come from its Amaranth platform.

    Parameters
    ----------
    name : str
        As the command line has it.
    title : str
    platform : str
        ``module:class`` of the Amaranth platform; imported when it is needed.
    clock_hz : int
        Of the oscillator, which the design runs on.
    config : str
        Preset that is built if none is named.
    uart : (str, int)
        Resource of the serial line to the host, with ``rx`` and ``tx`` among its signals.
    uart_signals : tuple of str
        All of its signals.
    leds : int
        Lights, resources ``led`` 0 and up.
    reset_button : (str, int) or None
        Resource of a button that resets the design.
    device, package : str, speed : int
        Options of nextpnr-ecp5.
    """

    name: str
    title: str
    platform: str
    clock_hz: int
    config: str
    device: str
    package: str
    speed: int
    uart: tuple[str, int] = ("uart", 0)
    uart_signals: tuple[str, ...] = ("rx", "tx")
    leds: int = 0
    reset_button: tuple[str, int] | None = None

    def make_platform(self) -> Any:
        """A platform to prepare one design with."""
        module, _, name = self.platform.partition(":")
        return getattr(importlib.import_module(module), name)()
