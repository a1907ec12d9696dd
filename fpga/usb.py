# SPDX-License-Identifier: Apache-2.0
"""USB devices as Linux lists them: whether a board is plugged in, and whether the user may open it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

__all__ = ["UsbDevice", "find_usb"]


@dataclass(frozen=True)
class UsbDevice:
    """A device that is plugged in.

    Attributes
    ----------
    ident : str
        Vendor and product, ``0403:6015``.
    node : Path
        What a program opens.
    allowed : bool
        Whether the user may read and write it.
    """

    ident: str
    node: Path
    allowed: bool


def find_usb(ident: str, root: Path = Path("/")) -> list[UsbDevice] | None:
    """The devices of that vendor and product; None where the system does not list devices like Linux.

    Parameters
    ----------
    ident : str
        ``vendor:product``, four hexadecimal digits each.
    root : Path
        What ``/sys`` and ``/dev`` are looked up in.
    """
    listed = root / "sys/bus/usb/devices"
    if not listed.is_dir():
        return None
    found = []
    for device in sorted(listed.iterdir()):
        try:
            vendor, product = ((device / name).read_text().strip() for name in ("idVendor", "idProduct"))
            bus, number = (int((device / name).read_text()) for name in ("busnum", "devnum"))
        except (OSError, ValueError):
            continue  # an interface, or unplugged meanwhile
        if f"{vendor}:{product}" == ident:
            node = root / "dev/bus/usb" / f"{bus:03}" / f"{number:03}"
            found.append(UsbDevice(ident, node, os.access(node, os.R_OK | os.W_OK)))
    return found
