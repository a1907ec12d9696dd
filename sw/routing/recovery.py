# SPDX-License-Identifier: Apache-2.0
"""An array whose links have died while programs ran: made ready for programs again."""

from __future__ import annotations

from typing import Protocol

from golden.layout import Kind, ThreadRegister, thread_offset
from golden.packet import Packet
from golden.semantics_network import TAG_READ, TAG_THREAD_SHIFT
from sw.backend import ArrayBackend, all_sites, write_blocks
from sw.routing.boot import set_up_routes

_VECTOR_REGISTERS = 32


class SendingBackend(ArrayBackend, Protocol):
    """A backend that sends any packet."""

    def send(self, packet: Packet) -> None:
        """Let the host send a packet."""


def recover(array: SendingBackend) -> None:
    """Lead packets around links that have died, halt all threads, and end their waiting for answers that are lost.

    Afterwards programs can be loaded and run. Memory is as it was; what vector registers hold that were waited for is 0.

    Nothing may be under way but what waits for ever. Lists that wait for answers stay as they are.

    Raises
    ------
    RoutingError
        If nodes cannot be reached any more, or the nodes' tables are too small or not there.
    """
    set_up_routes(array)
    sites = all_sites(array)
    threads = [(x, y, thread) for x, y in sites for thread in range(array.config.threads)]
    write_blocks(array, [(x, y, thread_offset(thread, ThreadRegister.STATE), bytes(8)) for x, y, thread in threads])
    data = bytes(array.config.line_bytes)
    for x, y, thread in threads:
        for register in range(_VECTOR_REGISTERS):
            # Nodes drop an answer that no register waits for.
            tag = TAG_READ | thread << TAG_THREAD_SHIFT | register
            array.send(Packet(Kind.READ_DATA, x, y, 0, tag=tag, data=data))
        # An answer of the host's own tells that they have arrived.
        array.read_register(x, y, thread_offset(thread, ThreadRegister.STATE))
