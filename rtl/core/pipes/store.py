# SPDX-License-Identifier: Apache-2.0
"""The pipe of everything that leaves the core: stores, accumulator stores, requests to the network."""

from amaranth.hdl import C, Cat, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from golden.config import NodeConfig
from golden.layout import (
    LIST_DESCRIPTOR_BYTES,
    OFFSET_BITS,
    SRAM_BASE,
    TAG_NUMBER_BITS,
    TOHOST_PAYLOAD_BITS,
    Cause,
    FormatKind,
    Port,
)
from rtl.core.addresses import in_sram, line_of
from rtl.core.decoder import is_list_start
from rtl.core.format_table import FormatLayout
from rtl.core.pipes.bundles import commit, enter_x, in_window, pipe_members, write_scalar
from rtl.interfaces import GlobalAddressLayout, WritePort
from rtl.matrix.timing import convert_cycles

__all__ = ["StorePipe"]


class StorePipe(wiring.Component):
    """Writes SRAM, a line per cycle, or sends a request; stalls in X until SRAM grants. Whether it traps is certain at first.

    Accumulator stores write one accumulator line per cycle, or as fast as the converters go.

    Members
    -------
    Those of :func:`rtl.core.pipes.bundles.pipe_members`, and
    write : Out(WritePort)
    stored : Out(1)
        Anything is stored.
    vs2 : In(8 * line_bytes)
        Vector operand of the instruction in X.
    tohost : In(64)
        Address of ``tohost``.
    redirect : Out(1), target : Out(64)
        A store to ``tohost`` ends the program: what follows it is not to be executed.
    exiting : Out(1), exit : Out(1), exit_value : Out(64)
        Such a store is in X; it leaves X at the end of the cycle; what it stores.
    named : In(FormatLayout)
        The format descriptor of the thread in X that its instruction names.
    accumulator_entry, accumulator_line : Out; accumulator_data : In(8 * line_bytes)
        Read port of the matrix array.
    convert, convert_format, convert_stochastic : Out; converted : In(8 * line_bytes)
        Its converters.
    draw, advance : Out(1)
        Generators of random bits of the thread in X.
    convert_flags_valid : Out(1)
        The converters' flags are raised in the thread in X.
    tx_* : Out
        Network request, as in CoreNetworkPort.
    list_start : Out(1)
        Where the configuration has lists: the instruction in X starts that whose descriptor lies at ``list_offset`` : Out(21).
    list_in_x : Out(1)
        It is in X, whether it starts one or not.
    """

    def __init__(self, config: NodeConfig):
        self.config = config
        line = 8 * config.line_bytes
        lists = {"list_start": Out(1), "list_in_x": Out(1), "list_offset": Out(OFFSET_BITS)} if config.lists else {}
        super().__init__(
            {
                **pipe_members(),
                **lists,
                "write": Out(WritePort(config)),
                "stored": Out(1),
                "vs2": In(line),
                "tohost": In(64),
                "redirect": Out(1),
                "target": Out(64),
                "exiting": Out(1),
                "exit": Out(1),
                "exit_value": Out(64),
                "named": In(FormatLayout()),
                "accumulator_entry": Out(range(config.threads * config.accumulators)),
                "accumulator_line": Out(range(config.accumulator_lines)),
                "accumulator_data": In(line),
                "convert": Out(1),
                "convert_format": Out(FormatLayout()),
                "convert_stochastic": Out(1),
                "converted": In(line),
                "draw": Out(1),
                "advance": Out(1),
                "convert_flags_valid": Out(1),
                "tx_valid": Out(1),
                "tx_read": Out(1),
                "tx_address": Out(GlobalAddressLayout()),
                "tx_mask": Out(config.line_bytes),
                "tx_data": Out(line),
                "tx_post": Out(1),
                "tx_sem": Out(5),
                "tx_tag": Out(TAG_NUMBER_BITS),
            }
        )

    def elaborate(self, platform):
        m = Module()
        config = self.config
        line_bytes = config.line_bytes
        byte_bits = ceil_log2(line_bytes)
        x = enter_x(m, self)
        decoded, insn = x.entry.decoded, x.entry.insn
        rd, rs1, size = insn[7:12], insn[15:20], insn[12:14]
        stores = decoded.store | decoded.vector_store | decoded.accumulator_store
        remote = decoded.nwrite | decoded.nread | decoded.nsd
        starts_list = decoded.nsd & is_list_start(insn) if config.lists else None

        # -- address -----------------------------------------------------------------------------------------------
        # The format that an accumulator store rounds to, and its tile.
        format_, scale = Signal(FormatLayout()), Signal(2)
        with m.If(decoded.named_format):
            m.d.comb += format_.eq(self.named)
        wide = format_.kind == FormatKind.FP32
        narrow = (format_.kind == FormatKind.CFP8_143) | (format_.kind == FormatKind.CFP8_152)
        # Logarithm of the bytes of an element.
        m.d.comb += scale.eq(Mux(wide | ~decoded.converts, 2, ~narrow))
        tile_log = ceil_log2(config.accumulator_bytes // 4)
        # What a post-increment by a tile in a named format adds; where there is one, the immediate is 0.
        tile = Signal(tile_log + 3)
        with m.If(decoded.named_format & decoded.post_rs1):
            m.d.comb += tile[tile_log:].eq(1 << scale)
        total, address = Signal(64), Signal(64)
        m.d.comb += [
            total.eq(x.rs1 + Cat(decoded.immediate | tile, decoded.immediate[31].replicate(32))),
            address.eq(Mux(decoded.post_rs1, x.rs1, total)),
        ]

        # -- checks ------------------------------------------------------------------------------------------------
        low_bits, fits = Signal(byte_bits), Signal()
        with m.If(decoded.store):
            m.d.comb += low_bits.eq((1 << size) - 1)
        with m.Elif(decoded.nsd):
            m.d.comb += low_bits.eq(7)
        with m.Elif(decoded.accumulator_store):
            m.d.comb += low_bits.eq((C(1 << tile_log, byte_bits + 3) << scale) - 1)
        with m.Else():
            m.d.comb += low_bits.eq(line_bytes - 1)
        destination = Signal(GlobalAddressLayout())
        m.d.comb += [fits.eq(in_sram(config, address)), destination.eq(address)]
        with m.If(decoded.accumulator_store), m.Switch(scale):
            for log in range(3):
                with m.Case(log):
                    m.d.comb += fits.eq(in_sram(config, address, 1 << tile_log + log))
        with m.Elif(remote):
            # A rectangle of nodes cannot be read.
            rectangle = (destination.exit == Port.LOCAL) & destination.upper.any()
            m.d.comb += fits.eq((destination.exit <= max(Port)) & ~(decoded.nread & rectangle))
        misaligned, trap, cause = Signal(), Signal(), Signal(6)
        split = (address[:byte_bits] & low_bits).any()
        if config.lists:
            with m.If(starts_list):
                m.d.comb += fits.eq(in_sram(config, address, LIST_DESCRIPTOR_BYTES))
            split |= starts_list & (address[:OFFSET_BITS] % LIST_DESCRIPTOR_BYTES).any()
        m.d.comb += [
            misaligned.eq(split),
            trap.eq(misaligned | ~fits),
            cause.eq(Mux(misaligned, Cause.STORE_MISALIGNED, Cause.STORE_ACCESS_FAULT)),
        ]
        with m.If(decoded.nread | starts_list if config.lists else decoded.nread):
            m.d.comb += cause.eq(Mux(misaligned, Cause.LOAD_MISALIGNED, Cause.LOAD_ACCESS_FAULT))
        # In later cycles, what is in X has passed its checks.
        good = Signal()
        m.d.comb += good.eq(self.x_valid & ~self.killed & ~(self.first & trap))

        # -- accumulator lines, converted ones later ---------------------------------------------------------------
        row = Signal(range(config.accumulator_lines))
        last_row = row == config.accumulator_lines - 1
        # Converting: the line that ``row`` counts has been or is being converted, or ``converting`` is the next to be.
        primed, converting = Signal(), Signal.like(row)
        entry_bits = ceil_log2(config.accumulators)

        def entry(thread, number):
            return Cat(number[:entry_bits], thread)

        granted, stores_accumulator = Signal(), Signal()
        m.d.comb += [
            granted.eq(good & self.write.grant),
            stores_accumulator.eq(good & decoded.accumulator_store),
            converting.eq(row + primed),
            self.convert.eq(stores_accumulator & decoded.converts & ~(primed & (last_row | ~granted))),
            self.convert_format.eq(format_),
            self.convert_stochastic.eq(decoded.stochastic),
        ]
        # The line stays where it is read while it is converted.
        convert_takes = convert_cycles(config)
        converting_left, conversion_ends, converted_now = Signal(range(convert_takes)), Signal(), Signal()
        converted_line = Signal.like(row)
        if convert_takes == 1:
            m.d.comb += [conversion_ends.eq(self.convert), converted_line.eq(converting + self.convert)]
        else:
            with m.If(self.convert):
                m.d.sync += converting_left.eq(convert_takes - 1)
            with m.Elif(converting_left != 0):
                m.d.sync += converting_left.eq(converting_left - 1)
            m.d.comb += [
                conversion_ends.eq(converting_left == 1),
                converted_line.eq(Mux(converting_left > 1, row, converting)),
            ]
        m.d.sync += converted_now.eq(conversion_ends)
        issued = self.issue.entry.insn[7:12]
        with m.If(stores_accumulator & ~(granted & last_row)):
            m.d.comb += [
                self.accumulator_entry.eq(entry(x.thread, rd)),
                self.accumulator_line.eq(Mux(decoded.converts, converted_line, row + granted)),
            ]
        with m.Else():
            m.d.comb += self.accumulator_entry.eq(entry(self.issue.thread, issued))
        with m.If(stores_accumulator & granted):
            m.d.sync += row.eq(Mux(last_row, 0, row + 1))
        with m.If(stores_accumulator & decoded.converts):
            m.d.sync += primed.eq(~(granted & last_row))
        m.d.comb += [
            self.draw.eq(self.x_valid & decoded.stochastic),
            self.advance.eq(conversion_ends),
            self.convert_flags_valid.eq(converted_now),
        ]

        # -- what is stored or sent: a scalar in all places that it may go to, a register, an accumulator's line ---
        scalar_data, scalar_size = Signal(64), Signal(2)
        m.d.comb += scalar_size.eq(Mux(decoded.nsd, 3, size))
        with m.Switch(scalar_size):
            for log in range(4):
                with m.Case(log):
                    m.d.comb += [
                        scalar_data.eq(x.rs2[: 8 << log].replicate(8 >> log)),
                        self.exit_value.eq(x.rs2[: 8 << log]),
                    ]
        # Accumulator lines go to a quarter of an SRAM line each, or to two or four, counted in ``place``; none has an offset.
        quarter_bits = byte_bits - 2
        place = Signal(OFFSET_BITS - quarter_bits)
        m.d.comb += place.eq(x.rs1[quarter_bits:OFFSET_BITS] + (row << scale))
        outgoing, outgoing_mask = Signal(8 * line_bytes), Signal(line_bytes)
        with m.If(decoded.accumulator_store):
            m.d.comb += self.write.address.eq(place[2:])
            with m.If(~decoded.converts):
                m.d.comb += [outgoing.eq(self.accumulator_data), outgoing_mask.eq(~0)]
            with m.Else(), m.Switch(scale):
                for log in range(3):
                    with m.Case(log):
                        part = line_bytes >> 2 - log
                        m.d.comb += [
                            outgoing.eq(self.converted[: 8 * part].replicate(4 >> log)),
                            outgoing_mask.eq(((1 << part) - 1) << (place[log:2] << quarter_bits + log)),
                        ]
        with m.Else():
            m.d.comb += self.write.address.eq(line_of(config, address))
            with m.If(decoded.vector_store | decoded.nwrite):
                m.d.comb += [outgoing.eq(self.vs2), outgoing_mask.eq(~0)]
            with m.Else():
                m.d.comb += [
                    outgoing.eq(scalar_data.replicate(line_bytes // 8)),
                    outgoing_mask.eq(((1 << (1 << scalar_size)) - 1) << address[:byte_bits]),
                ]
        finishes, exits = Signal(), Signal()
        m.d.comb += [
            # Requests do not wait for the checks: what traps writes no byte.
            self.write.req.eq(self.x_valid & stores & ((primed & (converting_left == 0)) | ~decoded.converts)),
            self.write.mask.eq(Mux(good, outgoing_mask, 0)),
            self.write.data.eq(outgoing),
            self.stored.eq(granted & stores),
            finishes.eq(~stores | (granted & (last_row | ~decoded.accumulator_store))),
            self.stall.eq(good & ~finishes),
            exits.eq(
                decoded.store
                & self.exit_value[0]
                & ~self.exit_value[TOHOST_PAYLOAD_BITS:].any()
                & (address[:OFFSET_BITS] == self.tohost[:OFFSET_BITS])
                & (self.tohost[OFFSET_BITS:] == SRAM_BASE >> OFFSET_BITS)
            ),
            self.exiting.eq(self.x_valid & exits),
            self.exit.eq(good & finishes & exits),
            self.redirect.eq(self.first & exits),
            self.target.eq(in_window((x.entry.pc + 1)[: len(x.entry.pc)])),
            self.bad.eq(self.first & (trap | exits)),
            *write_scalar(self, rs1, total, decoded.post_rs1),
            *commit(self, self.first & ~self.killed, trap, cause, address),
        ]

        if config.lists:
            m.d.comb += [
                self.list_start.eq(good & starts_list),
                self.list_in_x.eq(self.x_valid & starts_list),
                self.list_offset.eq(address),
            ]
        m.d.comb += [
            self.tx_valid.eq(good & remote & ~starts_list if config.lists else good & remote),
            self.tx_read.eq(decoded.nread),
            self.tx_address.eq(destination),
            self.tx_tag.eq(Cat(Mux(decoded.nread, rd, 0), x.thread, decoded.nread)),
            self.tx_post.eq(decoded.nwrite & insn[25]),
            self.tx_sem.eq(Mux(self.tx_post, rd, 0)),
            self.tx_data.eq(outgoing),
            # A post alone writes no byte.
            self.tx_mask.eq(Mux(decoded.nwrite & insn[27], 0, outgoing_mask)),
        ]
        return m
