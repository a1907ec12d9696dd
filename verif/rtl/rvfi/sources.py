# SPDX-License-Identifier: Apache-2.0
"""Where monitors get what they check: ports under cocotb, or records of the compiled array."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import numpy.typing as npt

from golden.config import NodeConfig
from golden.layout import SRAM_BASE
from verif.rtl.rvfi.monitor import FIELDS, RvfiInstruction, RvfiMonitor

__all__ = ["RvfiPorts", "check_records", "monitor_of"]


def monitor_of(config: NodeConfig) -> RvfiMonitor:
    """A monitor of a thread of a node."""
    return RvfiMonitor(range(SRAM_BASE, SRAM_BASE + config.sram_bytes))


class RvfiPorts:
    """The RVFI ports of a thread, ``rvfi<thread>_*`` of a handle under cocotb.

    Parameters
    ----------
    dut
        The node.
    thread : int
    """

    def __init__(self, dut: Any, thread: int):
        prefix = f"rvfi{thread}_"
        self._valid = getattr(dut, f"{prefix}valid")
        self._channels = len(self._valid)
        self._fields = {name: getattr(dut, prefix + name) for name in FIELDS}

    def sample(self) -> list[RvfiInstruction]:
        """What the channels show now."""
        valid = int(self._valid.value)
        if not valid:
            return []
        values = {name: (int(port.value), len(port) // self._channels) for name, port in self._fields.items()}
        return [
            RvfiInstruction(**{name: value >> channel * bits & (1 << bits) - 1 for name, (value, bits) in values.items()})
            for channel in range(self._channels)
            if valid >> channel & 1
        ]


def check_records(config: NodeConfig, records: npt.NDArray[np.void]) -> dict[tuple[int, int, int], RvfiMonitor]:
    """Check records of ``SimulatedArray.rvfi_records`` from reset on to the end of all programs.

    Returns
    -------
    dict
        The monitor of each thread that has executed anything, by (x, y, thread), with its instructions in program order.

    Raises
    ------
    RvfiError
    """
    monitors: dict[tuple[int, int, int], RvfiMonitor] = {}
    columns = [records[name].tolist() for name in ("cycle", "x", "y", "thread")]
    fields = [records[name].tolist() for name in FIELDS]
    rows = zip(zip(*columns, strict=True), zip(*fields, strict=True), strict=True)
    for (_, *where), shown in itertools.groupby(rows, key=lambda row: row[0]):
        monitor = monitors.setdefault((where[0], where[1], where[2]), monitor_of(config))
        monitor.cycle(RvfiInstruction(**dict(zip(FIELDS, values, strict=True))) for _, values in shown)
    for monitor in monitors.values():
        monitor.finish()
    return monitors
