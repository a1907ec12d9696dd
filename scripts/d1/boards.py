# SPDX-License-Identifier: Apache-2.0
"""A board at a serial port, as an array to run on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from golden.config import NodeConfig
from scripts.d1.backends import OpenedArray
from scripts.d1.options import DEFAULT_BAUD, ArrayShape
from scripts.d1.report import Stages

__all__ = ["open_board"]


@contextmanager
def open_board(
    port: str, baud: int | None, config: NodeConfig | None, shape: ArrayShape | None, stages: Stages
) -> Iterator[OpenedArray]:
    """Connect to a board, which supplies what is not given.

    Parameters
    ----------
    port : str
        Path or URL of the serial line.
    baud : int or None
        Its rate; None for the default.
    config : NodeConfig or None
        What its nodes must be.
    shape : ArrayShape or None
        What its array must be.

    Raises
    ------
    fpga.errors.LinkError
        If there is no such port, or no board answers.
    fpga.errors.WrongBoard
        If the board holds something else.
    fpga.errors.ToolMissing
        If pyserial is not installed.
    """
    from fpga.board_array import BoardArray
    from fpga.errors import WrongBoard
    from fpga.link import HostLinkClient, open_port

    rate = baud or DEFAULT_BAUD
    with open_port(port, rate) as line:
        with stages.stage(f"board at {port}, {rate:,} baud") as stage:
            link = HostLinkClient(line, config)
            identity = link.identity
            there = ArrayShape(identity.rows, identity.columns)
            stage.note = f"{there} '{link.config.name}' at {identity.clock_hz / 1e6:g} MHz"
            if shape not in (None, there):
                raise WrongBoard(f"{port}: the board holds {there} nodes, not {shape}; leave out --array, or flash that array")
            array = BoardArray(link)
            array.reset()
        yield OpenedArray(
            array,
            f"{there} '{link.config.name}', board at {port}",
            {
                "config": link.config.name,
                "array": str(there),
                "backend": port,
                "arithmetic": None,
                "board": {
                    "name": identity.name,
                    "key": identity.key,
                    "clock_hz": identity.clock_hz,
                    "isa_version": identity.isa_version,
                    "protocol": identity.version,
                    "baud": rate,
                },
            },
        )
