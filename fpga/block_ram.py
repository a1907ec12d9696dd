# SPDX-License-Identifier: Apache-2.0
"""A memory that becomes block RAM and nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

__all__ = ["BlockRam"]


class BlockRam(wiring.Component):
    """One write port, one read port whose data come in the next cycle.

    What a read returns that meets a write to the same row is undefined: block RAM differs there, and logic around it that
    makes it defined costs more than the rest of a small design. Nothing here asks for a row before it was written.

    Parameters
    ----------
    width, depth : int
    init : sequence of int
        Contents when the device starts; not restored by a reset.

    Members
    -------
    write : In(addr, data, en)
    read : In(addr), Out(data)
    """

    def __init__(self, width: int, depth: int, *, init: Sequence[int] = ()):
        self.width = width
        self.depth = depth
        self.init = tuple(init)
        super().__init__(
            {
                "write": In(wiring.Signature({"addr": Out(range(depth)), "data": Out(width), "en": Out(1)})),
                "read": In(wiring.Signature({"addr": Out(range(depth)), "data": In(width)})),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        # Yosys merges the register of the data into the memory, and heeds the second attribute only then.
        m.submodules.memory = memory = Memory(
            shape=self.width, depth=self.depth, init=list(self.init), attrs={"ram_style": "block", "no_rw_check": 1}
        )
        write, read = memory.write_port(), memory.read_port(domain="comb")
        data = Signal(self.width, reset_less=True)
        m.d.comb += [
            write.addr.eq(self.write.addr),
            write.data.eq(self.write.data),
            write.en.eq(self.write.en),
            read.addr.eq(self.read.addr),
            self.read.data.eq(data),
        ]
        m.d.sync += data.eq(read.data)
        return m
