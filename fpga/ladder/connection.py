# SPDX-License-Identifier: Apache-2.0
"""A board's nodes for a step: connected and reset."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from fpga.board_array import BoardArray
from fpga.errors import LinkError
from fpga.ladder.steps import Port
from fpga.link import HostLinkClient, open_port

__all__ = ["connected"]


@contextmanager
def connected(port: Port) -> Iterator[BoardArray]:
    """The nodes at a port, after a reset.

    Raises
    ------
    LinkError
        If there is no such port, nothing answers, or the board holds something else than it should.
    """
    with open_port(port.path, port.choice.settings.baud, comes_back=port.simulation is None) as line:
        link = HostLinkClient(line, port.config)
        there = link.identity.rows, link.identity.columns
        if port.shape not in (None, there):
            wanted, found = ("{}x{}".format(*shape) for shape in (port.shape or there, there))
            raise LinkError(f"{port.path}: the board has {found} nodes, not {wanted}; leave out --array, or flash that array")
        link.reset()
        yield BoardArray(link)
