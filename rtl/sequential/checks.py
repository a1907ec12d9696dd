# SPDX-License-Identifier: Apache-2.0
"""What makes an access of the sequential core trap."""

from amaranth.hdl import C, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from golden.config import NodeConfig
from golden.layout import OFFSET_BITS, TOHOST_PAYLOAD_BITS, Port
from rtl.core.addresses import in_sram
from rtl.core.decoder import DecodedLayout
from rtl.interfaces import GlobalAddressLayout

__all__ = ["AccessChecks"]


class AccessChecks(wiring.Component):
    """Checks of addresses, each with a register: answers belong to the inputs of the cycle before.

    Members
    -------
    insn : In(32), decoded : In(DecodedLayout)
    address : In(64), scale : In(2)
        Of an access; of an accumulator store also the logarithm of the bytes of its elements.
    misaligned, bad : Out(1)
        It is not aligned; it lies outside of SRAM, or is no global address.
    tohost_enabled : In(1), tohost_offset : In(21), ends : Out(1)
        The access covers the address that ends the program, and what is stored (of ``b``) is a value that does.
    a, b : In(64), wide_a, wide_b : In(1)
        Operands of a matrix operation in SRAM, which may be wide: two lines.
    a_misaligned, a_bad, b_misaligned, b_bad : Out(1)
    """

    def __init__(self, config: NodeConfig):
        self.config = config
        super().__init__(
            {
                "insn": In(32),
                "decoded": In(DecodedLayout()),
                "address": In(64),
                "scale": In(2),
                "misaligned": Out(1),
                "bad": Out(1),
                "tohost_enabled": In(1),
                "tohost_offset": In(OFFSET_BITS),
                "ends": Out(1),
                "a": In(64),
                "b": In(64),
                "wide_a": In(1),
                "wide_b": In(1),
                "a_misaligned": Out(1),
                "a_bad": Out(1),
                "b_misaligned": Out(1),
                "b_bad": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        config, decoded, address = self.config, self.decoded, self.address
        line_bytes = config.line_bytes
        byte_bits = ceil_log2(line_bytes)
        quarter_tile = config.accumulator_bytes // 4

        low_bits = Signal(byte_bits)
        with m.If(decoded.load | decoded.store):
            m.d.comb += low_bits.eq((1 << self.insn[12:14]) - 1)
        with m.Elif(decoded.nsd):
            m.d.comb += low_bits.eq(7)
        with m.Elif(decoded.gather_stride | decoded.gather_index):
            m.d.comb += low_bits.eq(Mux(self.insn[25], 15, 7))
        with m.Elif(decoded.accumulator_store):
            m.d.comb += low_bits.eq((C(quarter_tile, byte_bits + 3) << self.scale) - 1)
        with m.Else():
            m.d.comb += low_bits.eq(line_bytes - 1)

        inside = Signal()
        m.d.comb += inside.eq(in_sram(config, address))
        with m.If(decoded.accumulator_store):
            with m.Switch(self.scale):
                for log in range(3):
                    with m.Case(log):
                        m.d.comb += inside.eq(in_sram(config, address, quarter_tile << log))
        # Only double words have the bits of device and command.
        asks = Signal()
        m.d.comb += asks.eq((self.insn[12:14] == 3) & self.b[TOHOST_PAYLOAD_BITS:].any())
        destination = GlobalAddressLayout()(address)
        # A rectangle of nodes cannot be read.
        rectangle = (destination.exit == Port.LOCAL) & destination.upper.any()
        remote = decoded.nwrite | decoded.nread | decoded.nsd
        m.d.sync += [
            self.misaligned.eq((address[:byte_bits] & low_bits).any()),
            self.bad.eq(Mux(remote, (destination.exit > max(Port)) | (decoded.nread & rectangle), ~inside)),
            # An access that is good lies in SRAM, so its upper bits are those of the address that is compared.
            self.ends.eq(self.tohost_enabled & self.b[0] & ~asks & (address[:OFFSET_BITS] == self.tohost_offset)),
        ]

        def operand(address, wide):
            """Whether an operand of one line, or of two, lies in SRAM."""
            return Mux(wide, in_sram(config, address, 2 * line_bytes), in_sram(config, address, line_bytes))

        a_inside = Mux(decoded.accumulator_load, in_sram(config, self.a, config.accumulator_bytes), operand(self.a, self.wide_a))
        m.d.sync += [
            self.a_misaligned.eq(self.a[:byte_bits].any()),
            self.a_bad.eq(~a_inside),
            self.b_misaligned.eq(self.b[:byte_bits].any()),
            self.b_bad.eq(~operand(self.b, self.wide_b)),
        ]
        return m
