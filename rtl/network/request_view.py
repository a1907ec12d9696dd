# SPDX-License-Identifier: Apache-2.0
"""What a request packet asks for."""

from amaranth import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from golden.config import CONTROL_PAGE_BYTES, NodeConfig
from golden.layout import Kind
from rtl.interfaces import line_address_bits
from rtl.network.router import EjectLayout

__all__ = ["RequestView"]


class RequestView(wiring.Component):
    """Tells what is to be done about a request, without a register.

    Parameters
    ----------
    config : NodeConfig

    Members
    -------
    valid : In(1), request : In(EjectLayout)
    is_write, is_read : Out(1), the kind of packet, also without ``valid``
    bad_offset : Out(1), nothing is there, or no such semaphore, or a rectangle is to be read; also without ``valid``
    fails : Out(1), undeliverable or ``bad_offset``; also without ``valid``
    sram_write, sram_read, control, failure, stray : Out(1)
        Exactly one of them with ``valid``, else none: in SRAM; in the control page; a READ or WRITE that fails; neither READ nor
        WRITE.
    line : Out(line number)
    """

    def __init__(self, config: NodeConfig):
        self.config = config
        names = ("is_write", "is_read", "bad_offset", "fails", "sram_write", "sram_read", "control", "failure", "stray")
        super().__init__(
            {"valid": In(1), "request": In(EjectLayout(config)), "line": Out(line_address_bits(config))}
            | {name: Out(1) for name in names}
        )

    def elaborate(self, platform):
        m = Module()
        config, flit = self.config, self.request.flit
        known, in_sram, in_control = Signal(), Signal(), Signal()
        m.d.comb += [
            self.is_write.eq(flit.kind == Kind.WRITE),
            self.is_read.eq(flit.kind == Kind.READ),
            known.eq(self.valid & (self.is_write | self.is_read)),
            # SRAM is whole blocks from offset 0 on, and the control page the last page of the window: high bits tell.
            in_sram.eq(flit.offset[(config.block_bytes - 1).bit_length() :].matches(*range(config.sram_blocks))),
            in_control.eq(flit.offset[(CONTROL_PAGE_BYTES - 1).bit_length() :].all()),
            self.bad_offset.eq(
                ~(in_sram | in_control)
                | (self.is_write & flit.post & (flit.sem >= config.semaphores))
                | (self.is_read & flit.upper.any())
            ),
            self.fails.eq(self.request.undeliverable | self.bad_offset),
            self.sram_write.eq(known & ~self.fails & in_sram & self.is_write),
            self.sram_read.eq(known & ~self.fails & in_sram & self.is_read),
            self.control.eq(known & ~self.fails & in_control),
            self.failure.eq(known & self.fails),
            self.stray.eq(self.valid & ~(self.is_write | self.is_read)),
            self.line.eq(flit.offset[(config.line_bytes - 1).bit_length() :]),
        ]
        return m
