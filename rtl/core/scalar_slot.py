# SPDX-License-Identifier: Apache-2.0
"""The scalar/vector slot: stages X, M and W of everything but matrix operations."""

from functools import partial

from amaranth.hdl import C, Cat, Module, Mux, Signal, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from golden.config import NodeConfig
from golden.isa import INSTRUCTIONS
from golden.layout import (
    GLOBAL_ADDRESS_BITS,
    OFFSET_BITS,
    SEMAPHORE_ID_BITS,
    SEMAPHORE_VALUE_BITS,
    SRAM_BASE,
    TAG_BITS,
    Cause,
    FormatKind,
    Port,
)
from rtl.core.addresses import in_sram, line_of
from rtl.core.alu import Alu
from rtl.core.bundles import IssueLayout, RetireLayout, write_scalar
from rtl.core.csr import CsrOp, TrapLayout
from rtl.core.decoder import TRANSPOSE_OPERATIONS, AluOp, transpose_group
from rtl.core.divider import DivideOp, Divider
from rtl.core.format_table import FormatLayout
from rtl.core.multiplier import Multiplier, MultiplyOp
from rtl.core.registered_grant import of_last_cycle, registers_grants
from rtl.core.result_slots import ResultSlots
from rtl.core.scalar_registers import ScalarWrites
from rtl.interfaces import GlobalAddressLayout, ReadPort, WritePort, line_address_bits
from rtl.matrix.timing import convert_cycles
from rtl.simd.timing import has_one_lane

__all__ = ["ScalarSlot"]


class ScalarSlot(wiring.Component):
    """Executes one instruction at a time per stage, in order.

    X takes one cycle, or more while SRAM does not grant, the SIMD unit is occupied, the cycle of the result is taken, or the
    instruction is one of several accesses (accumulator stores, gathers, transposes), or multiplies or divides; ``stall`` tells.
    Where grants are registered, so are checks of addresses, conditions of branches, what CSRs read and the operands of shifts:
    instructions that use them wait for a cycle. What an instruction does to its thread (trap, redirect, halt, park, exit, flush,
    mret, CSR write) strobes in its last cycle in X.

    Members
    -------
    issue_valid : In(1), issue : In(IssueLayout)
        Enters X at the end of the cycle; only while ``stall`` is 0.
    x_valid, stall : Out(1); x : Out(IssueLayout)
        The instruction in X.
    done : Out(1)
        It leaves X at the end of the cycle.
    x_writes : Out(ScalarWrites)
        What it writes, but for loads, whose data comes in M; valid even while it stalls, and if it traps.
    retire : Out(RetireLayout)
        The instruction in M with all that it writes.
    completes : Out(1)
        The instruction in X will retire without a trap.
    trap : Out(TrapLayout), redirect : Out(1), target : Out(64)
        Traps also redirect, which thread control does.
    halt, park, exit, flush, mret : Out(1)
        halt: ends with exit code rs1. park: waits for ``semaphore`` to reach ``amount``. exit: stored
        ``exit_value`` to the address ``tohost``.
    exception_pc, next_pc : In(64)
        mepc of the thread in X, and the address of its next instruction to issue.
    tohost : In(64)
    csr_number, csr_op, csr_operand : Out; csr_read, csr_exists : In
        CSR file of the thread in X.
    semaphore : Out(5), amount : Out(16), take, post : Out(1), covered : In(1)
        Change of a semaphore, and whether it holds the amount.
    scalar : Out(ReadPort), store : Out(WritePort)
    vector_req, vector_address : Out; vector_grant, vector_data : In
        A read port for lines, with the timing of ReadPort.
    loaded, stored : Out(1)
        A line is read for a vector register, or anything is stored. Instructions that trap may be granted an access too, but
        then nothing comes of it.
    vs1, vs2 : In(8 * line_bytes)
        Vector operands of the instruction in X.
    reread : Out(1), reread_first, reread_second : Out(5)
        Transposes: read these registers of the thread in X next, as vs1 and vs2.
    named : In(FormatLayout)
        The format descriptor of the thread in X that its instruction names.
    set_format : Out(1)
        Write that descriptor with rs1.
    simd_flags_valid, convert_flags_valid : Out(1)
        ``simd_flags`` are raised in the thread ``result_thread``, ``convert_flags`` in the one in X.
    draw, draws_twice, advance : Out(1)
        Generators of random bits of the thread in X.
    mask : In(line_bytes), predicate : In(2 x line_bytes)
        The predicate that masks, and those that a predicate operation reads, in X.
    accumulator_entry, accumulator_line : Out; accumulator_data : In(8 * line_bytes)
        Read port of the matrix array.
    convert, convert_format, convert_stochastic : Out; converted : In(8 * line_bytes)
        Its converters.
    simd_valid, simd_collect, simd_row : Out; simd_result : In(8 * line_bytes)
        SIMD unit, which takes everything else from the instruction in X.
    simd_scalar : Out(64)
        Of a SIMD operation: rs1 or rs2, whichever it reads.
    simd_pending : Out(threads)
        A SIMD operation of the thread is in X or later.
    vector_write, predicate_write, result_thread, result_register, vector_value, predicate_value : Out
        Write of a vector or predicate register in W.
    tx_* : Out
        Network request, as in CoreNetworkPort.
    busy : Out(1)
        Something is in X, M or W.
    """

    def __init__(self, config: NodeConfig):
        self.config = config
        line = 8 * config.line_bytes
        super().__init__(
            {
                "issue_valid": In(1),
                "issue": In(IssueLayout()),
                "x_valid": Out(1),
                "x": Out(IssueLayout()),
                "stall": Out(1),
                "done": Out(1),
                "x_writes": Out(ScalarWrites()),
                "retire": Out(RetireLayout()),
                "completes": Out(1),
                "trap": Out(TrapLayout()),
                "redirect": Out(1),
                "target": Out(64),
                "halt": Out(1),
                "park": Out(1),
                "exit": Out(1),
                "exit_value": Out(64),
                "flush": Out(1),
                "mret": Out(1),
                "exception_pc": In(64),
                "next_pc": In(64),
                "tohost": In(64),
                "csr_number": Out(12),
                "csr_op": Out(CsrOp),
                "csr_operand": Out(64),
                "csr_read": In(64),
                "csr_exists": In(1),
                "covered": In(1),
                "semaphore": Out(SEMAPHORE_ID_BITS),
                "amount": Out(SEMAPHORE_VALUE_BITS),
                "take": Out(1),
                "post": Out(1),
                "scalar": Out(ReadPort(config)),
                "store": Out(WritePort(config)),
                "vector_req": Out(1),
                "vector_address": Out(line_address_bits(config)),
                "vector_grant": In(1),
                "vector_data": In(line),
                "loaded": Out(1),
                "stored": Out(1),
                "vs1": In(line),
                "vs2": In(line),
                "reread": Out(1),
                "reread_first": Out(5),
                "reread_second": Out(5),
                "named": In(FormatLayout()),
                "set_format": Out(1),
                "simd_flags_valid": Out(1),
                "convert_flags_valid": Out(1),
                "draw": Out(1),
                "draws_twice": Out(1),
                "advance": Out(1),
                "mask": In(config.line_bytes),
                "predicate": In(data.ArrayLayout(config.line_bytes, 2)),
                "accumulator_entry": Out(range(config.threads * config.accumulators)),
                "accumulator_line": Out(range(config.accumulator_lines)),
                "accumulator_data": In(line),
                "convert": Out(1),
                "convert_format": Out(FormatLayout()),
                "convert_stochastic": Out(1),
                "converted": In(line),
                "simd_valid": Out(1),
                "simd_collect": Out(1),
                "simd_row": Out(3),
                "simd_result": In(line),
                "simd_scalar": Out(64),
                "simd_pending": Out(config.threads),
                "vector_write": Out(1),
                "predicate_write": Out(1),
                "result_thread": Out(2),
                "result_register": Out(5),
                "vector_value": Out(line),
                "predicate_value": Out(config.line_bytes),
                "tx_valid": Out(1),
                "tx_read": Out(1),
                "tx_address": Out(GlobalAddressLayout()),
                "tx_mask": Out(config.line_bytes),
                "tx_data": Out(line),
                "tx_post": Out(1),
                "tx_sem": Out(5),
                "tx_tag": Out(TAG_BITS),
                "busy": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        config = self.config
        x = Signal(IssueLayout(), reset_less=True)
        m.d.comb += self.x.eq(x)
        decoded, insn, pc = x.fetched.decoded, x.fetched.insn, x.fetched.pc
        funct3 = insn[12:15]
        rd_field, rs1_field = insn[7:12], insn[15:20]
        line_bytes = config.line_bytes
        byte_bits = ceil_log2(line_bytes)

        # The granule of a gather that the instruction in X is at.
        gather = decoded.gather_stride | decoded.gather_index
        granule = Signal(range(max(2, line_bytes // 8)))
        steps_granule, indexed = Signal(), Signal()
        total = Signal(64)
        # Addresses that are strided go on in rs1, and an index is there from the second cycle on.
        with m.If(steps_granule & decoded.gather_stride):
            m.d.sync += x.rs1.eq(total)
        with m.If(self.x_valid & decoded.gather_index):
            m.d.sync += [
                indexed.eq(1),
                decoded.immediate.eq(self.vs2.word_select((granule + steps_granule)[: len(granule)], 32)),
            ]
        with m.If(~self.stall):
            m.d.sync += [self.x_valid.eq(self.issue_valid), indexed.eq(0)]
            with m.If(self.issue_valid):
                m.d.sync += x.eq(self.issue)

        # What is kept from the cycle before is right from the second cycle on that the operands are there.
        late = registers_grants(config)
        settled, awaits = Signal(), Signal()
        if late:
            m.d.sync += settled.eq(self.stall & ~steps_granule & (indexed | ~decoded.gather_index))
        else:
            m.d.comb += settled.eq(1)
        kept = partial(of_last_cycle, m, config)

        # -- ALU, jumps, addresses ---------------------------------------------------------------------------------
        # The format that an accumulator store rounds to, and its tile.
        format_ = Signal(FormatLayout())
        with m.If(decoded.named_format):
            m.d.comb += format_.eq(self.named)
        wide = format_.kind == FormatKind.FP32
        narrow = (format_.kind == FormatKind.CFP8_143) | (format_.kind == FormatKind.CFP8_152)
        # Logarithm of the bytes of an element.
        scale = Signal(2)
        m.d.comb += scale.eq(Mux(wide | ~decoded.converts, 2, ~narrow))
        tile_log = ceil_log2(config.accumulator_bytes // 4)
        # What a post-increment by a tile in a named format adds; where there is one, the immediate is 0.
        tile = Signal(tile_log + 3)
        element = kept(1 << scale)
        with m.If(decoded.named_format & decoded.post_rs1):
            m.d.comb += tile[tile_log:].eq(element)

        # Instructions lie in the window of SRAM, else they have trapped; so the upper bits of addresses near them are known.
        within = Cat(pc[:OFFSET_BITS], C(SRAM_BASE >> OFFSET_BITS, 64 - OFFSET_BITS))
        m.submodules.alu = alu = Alu(late)
        shifts = (decoded.alu == AluOp.SLL) | (decoded.alu == AluOp.SRL) | (decoded.alu == AluOp.SRA)
        extension = Signal()
        m.d.comb += [
            alu.op.eq(decoded.alu),
            alu.word.eq(decoded.word),
            alu.a.eq(Mux(decoded.source_pc, within, Mux(decoded.reads_rs1, x.rs1, 0))),
            # Strides are signed words; indices are unsigned.
            extension.eq(Mux(decoded.source_immediate, decoded.immediate[31] & ~decoded.gather_index, x.rs2[31])),
            alu.b[:32].eq(Mux(decoded.source_immediate, decoded.immediate | tile, x.rs2[:32])),
            alu.b[32:].eq(Mux(decoded.source_immediate | decoded.gather_stride, extension.replicate(32), x.rs2[32:])),
            total.eq(alu.total),
        ]
        m.submodules.multiplier = multiplier = Multiplier()
        m.submodules.divider = divider = Divider()
        # Whatever is in X leaves it with its result, also when its thread has been stopped, so nothing is killed.
        entered, unfinished = Signal(), Signal()
        m.d.sync += entered.eq(self.stall)
        for unit, op in ((multiplier, MultiplyOp), (divider, DivideOp)):
            m.d.comb += [unit.op.eq(op(funct3[:2])), unit.word.eq(decoded.word), unit.a.eq(x.rs1), unit.b.eq(x.rs2)]
        m.d.comb += [
            multiplier.valid.eq(self.x_valid & decoded.multiply & ~entered),
            divider.start.eq(self.x_valid & decoded.divide & ~entered),
            unfinished.eq((decoded.multiply & ~multiplier.result_valid) | (decoded.divide & ~divider.done)),
        ]
        condition = Signal()
        with m.Switch(funct3[1:]):
            with m.Case(0b00):
                m.d.comb += condition.eq(alu.equal)
            with m.Case(0b10):
                m.d.comb += condition.eq(alu.less)
            with m.Case(0b11):
                m.d.comb += condition.eq(alu.less_unsigned)
        jump = Signal()
        address = Signal(64)
        near = Signal(signed(OFFSET_BITS + 2))
        relative, next_pc, target = Signal(64), Signal(64), Signal(64)
        m.d.comb += [
            jump.eq(decoded.jal | decoded.jalr | (decoded.branch & (kept(condition) ^ funct3[0]))),
            near.eq(pc[:OFFSET_BITS] + decoded.immediate[: OFFSET_BITS + 1].as_signed()),
            relative[: OFFSET_BITS + 1].eq(near),
            relative[OFFSET_BITS + 1 :].eq((SRAM_BASE >> OFFSET_BITS + 1) - near[-1]),
            next_pc[:OFFSET_BITS].eq(pc[:OFFSET_BITS] + 4),
            next_pc[OFFSET_BITS:].eq(SRAM_BASE >> OFFSET_BITS),
            address.eq(Mux(decoded.post_rs1 | decoded.gather_stride, x.rs1, total)),
        ]
        with m.If(decoded.jalr):
            m.d.comb += target.eq(Cat(C(0, 1), total[1:]))
        with m.Elif(decoded.mret):
            m.d.comb += target.eq(self.exception_pc)
        with m.Else():
            m.d.comb += target.eq(relative)

        # -- checks ------------------------------------------------------------------------------------------------
        stores = decoded.store | decoded.vector_store | decoded.accumulator_store
        local = decoded.load | decoded.vector_load | stores
        remote = decoded.nwrite | decoded.nread | decoded.nsd
        store_cause = stores | decoded.nwrite | decoded.nsd
        low_bits = Signal(byte_bits)
        wide_granule = insn[25]
        with m.If(decoded.load | decoded.store):
            m.d.comb += low_bits.eq((1 << funct3[:2]) - 1)
        with m.Elif(decoded.nsd):
            m.d.comb += low_bits.eq(7)
        with m.Elif(gather):
            m.d.comb += low_bits.eq(Mux(wide_granule, 15, 7))
        with m.Elif(decoded.accumulator_store):
            m.d.comb += low_bits.eq((C(1 << tile_log, byte_bits + 3) << scale) - 1)
        with m.Else():
            m.d.comb += low_bits.eq(line_bytes - 1)
        misaligned = kept((address[:byte_bits] & low_bits).any())
        fits = Signal()
        m.d.comb += fits.eq(in_sram(config, address))
        with m.If(decoded.accumulator_store):
            with m.Switch(scale):
                for log in range(3):
                    with m.Case(log):
                        m.d.comb += fits.eq(in_sram(config, address, 1 << tile_log + log))
        destination = Signal(GlobalAddressLayout())
        m.d.comb += destination.eq(address[:GLOBAL_ADDRESS_BITS])
        bad_global = kept(address[GLOBAL_ADDRESS_BITS:].any() | (destination.exit > max(Port)))

        writes_csr = (funct3[:2] == 1) | rs1_field.any()
        csr_illegal = decoded.csr & (~self.csr_exists | (writes_csr & insn[30:32].all()))

        # Granules beyond the bound of a gather are neither read nor checked, and there is no index in the first cycle.
        bound = x.rs2[32:]
        skipped, checked = Signal(), Signal()
        m.d.comb += [
            skipped.eq(decoded.gather_bound & (bound[-1] | (~bound[len(granule) :].any() & (bound[: len(granule)] <= granule)))),
            checked.eq(kept(~skipped & (indexed | ~decoded.gather_index))),
        ]

        bad_local = Signal()
        outside = kept(~fits)
        m.d.comb += [
            bad_local.eq(local & checked & (misaligned | outside)),
            awaits.eq(~settled & (local | remote | decoded.branch | decoded.csr | shifts)),
        ]
        # The first of these that holds.
        trap, cause = Signal(), Signal(6)
        access, shows_word, shows_pc = Signal(), Signal(), Signal()
        with m.If(x.fetched.fault):
            m.d.comb += [trap.eq(1), cause.eq(Cause.INSTRUCTION_ACCESS_FAULT), shows_pc.eq(1)]
        with m.Elif(decoded.illegal | csr_illegal):
            m.d.comb += [trap.eq(1), cause.eq(Cause.ILLEGAL_INSTRUCTION), shows_word.eq(1)]
        with m.Elif(decoded.ecall):
            m.d.comb += [trap.eq(1), cause.eq(Cause.ECALL_MACHINE)]
        with m.Elif(decoded.ebreak):
            m.d.comb += [trap.eq(1), cause.eq(Cause.BREAKPOINT), shows_pc.eq(1)]
        with m.Elif(jump & target[1]):
            m.d.comb += [trap.eq(1), cause.eq(Cause.INSTRUCTION_MISALIGNED), shows_pc.eq(~decoded.jalr), access.eq(decoded.jalr)]
        with m.Elif(misaligned & ((local & checked) | remote)):
            m.d.comb += [trap.eq(1), cause.eq(Mux(store_cause, Cause.STORE_MISALIGNED, Cause.LOAD_MISALIGNED)), access.eq(1)]
        with m.Elif(bad_local | (remote & bad_global)):
            m.d.comb += [trap.eq(1), cause.eq(Mux(store_cause, Cause.STORE_ACCESS_FAULT, Cause.LOAD_ACCESS_FAULT)), access.eq(1)]
        # Without an immediate, and that is so at a fault too, ``relative`` is the pc; only a faulty one is outside of the window,
        # and then so is what follows.
        value = Signal(64)
        shown_pc = Cat(relative[:OFFSET_BITS], Mux(x.fetched.fault, self.next_pc[OFFSET_BITS:], relative[OFFSET_BITS:]))
        m.d.comb += value.eq(
            (Cat(address[0] & ~decoded.jalr, address[1:]) & access.replicate(64))
            | (shown_pc & shows_pc.replicate(64))
            | (insn & shows_word.replicate(32))
        )

        good = Signal()
        m.d.comb += [good.eq(self.x_valid & ~trap & ~awaits), self.done.eq(self.x_valid & ~self.stall)]

        # -- accumulator stores: one accumulator line per cycle of X, converted ones later ---------------------------
        row = Signal(range(config.accumulator_lines))
        last_row = row == config.accumulator_lines - 1
        # Converting: the line that ``row`` counts has been or is being converted, or ``converting`` is the next to be.
        primed, converting = Signal(), Signal.like(row)
        issued = self.issue.fetched.insn[7:12]
        entry_bits = ceil_log2(config.accumulators)

        def entry(thread, number):
            return Cat(number[:entry_bits], thread)

        stores_accumulator = Signal()
        m.d.comb += [
            stores_accumulator.eq(good & decoded.accumulator_store),
            converting.eq(row + primed),
            self.convert.eq(stores_accumulator & decoded.converts & ~(primed & (last_row | ~self.store.grant))),
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
        reads_on = awaits | (good & ~(self.store.grant & last_row))
        with m.If(self.x_valid & decoded.accumulator_store & reads_on):
            m.d.comb += [
                self.accumulator_entry.eq(entry(x.thread, rd_field)),
                self.accumulator_line.eq(Mux(decoded.converts, converted_line, row + self.store.grant)),
            ]
        with m.Else():
            m.d.comb += self.accumulator_entry.eq(entry(self.issue.thread, issued))
        with m.If(stores_accumulator & self.store.grant):
            m.d.sync += row.eq(Mux(last_row, 0, row + 1))
        with m.If(stores_accumulator & decoded.converts):
            m.d.sync += primed.eq(~(self.store.grant & last_row))

        # -- when results are written ------------------------------------------------------------------------------
        m.submodules.slots = slots = ResultSlots(config)
        transpose_last, transpose_row = Signal(), Signal(3)
        granule_last = granule == Mux(wide_granule, max(1, line_bytes // 16) - 1, line_bytes // 8 - 1)
        last_access = ~gather | granule_last
        m.d.comb += [
            slots.tag.valid.eq(1),
            slots.tag.thread.eq(x.thread),
            slots.tag.number.eq(rd_field),
            slots.tag.predicate.eq(decoded.writes_pd),
            slots.two_passes.eq(decoded.two_passes),
            slots.iterative.eq(decoded.iterative),
            slots.operation.eq(Cat(insn[12:15], insn[5])),
            # Numbers of reductions start at 7, those of the other iterative operations end at 3.
            slots.reduces.eq(insn[22:24].any()),
            slots.function.eq(insn[20:22]),
            slots.permutes.eq(insn[5] & ((funct3 == 7) | ((funct3 == 6) & insn[27:29].any()))),
        ]

        # -- SRAM --------------------------------------------------------------------------------------------------
        line = Signal(line_address_bits(config))
        granule_done, may_load = Signal(), Signal()
        m.d.comb += [
            may_load.eq(~(slots.short_taken & last_access) & (indexed | ~decoded.gather_index)),
            line.eq(line_of(config, address)),
            # Requests do not wait for the checks: what traps reads in vain and writes no byte.
            self.scalar.req.eq(self.x_valid & decoded.load),
            self.scalar.address.eq(line),
            self.vector_req.eq(self.x_valid & decoded.vector_load & may_load & ~skipped),
            self.vector_address.eq(line),
            self.store.req.eq(self.x_valid & stores & settled & (primed & (converting_left == 0) | ~decoded.converts)),
            self.store.address.eq(line),
            # Of what traps, nothing else gets as far as waiting for something.
            self.stall.eq(
                self.x_valid
                & (
                    awaits
                    | unfinished
                    | (
                        ~bad_local
                        & (
                            (decoded.load & ~self.scalar.grant)
                            | (decoded.vector_load & (~granule_done | ~last_access))
                            | (stores & ~(self.store.grant & (last_row | ~decoded.accumulator_store)))
                            | (decoded.simd & (slots.simd_taken | ~transpose_last))
                            | (decoded.predicate & decoded.writes_pd & slots.short_taken)
                        )
                    )
                )
            ),
            self.loaded.eq(good & decoded.vector_load & ~skipped & granule_done),
            self.stored.eq(good & self.store.grant),
            # A grant may be older than what may_load says.
            granule_done.eq(may_load & (skipped | self.vector_grant)),
        ]
        # What is stored or sent: a scalar in all places that it may go to, a register, an accumulator's line.
        scalar_data = Signal(64)
        scalar_size = Mux(decoded.nsd, 3, funct3[:2])
        with m.Switch(scalar_size):
            for size in range(4):
                with m.Case(size):
                    m.d.comb += scalar_data.eq(x.rs2[: 8 << size].replicate(8 >> size))
        # Accumulator lines go to a quarter of an SRAM line each, or to two or four, counted in ``place``; none has an offset.
        quarter_bits = byte_bits - 2
        place = Signal(OFFSET_BITS - quarter_bits)
        m.d.comb += place.eq(x.rs1[quarter_bits:OFFSET_BITS] + (row << scale))
        outgoing, outgoing_mask = Signal(8 * line_bytes), Signal(line_bytes)
        with m.If(decoded.vector_store | decoded.nwrite):
            m.d.comb += [outgoing.eq(self.vs2), outgoing_mask.eq(~0)]
        with m.Elif(decoded.accumulator_store):
            m.d.comb += self.store.address.eq(place[2:])
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
            m.d.comb += [
                outgoing.eq(scalar_data.replicate(line_bytes // 8)),
                outgoing_mask.eq(((1 << (1 << scalar_size)) - 1) << address[:byte_bits]),
            ]
        m.d.comb += [self.store.data.eq(outgoing), self.store.mask.eq(Mux(good, outgoing_mask, 0))]
        to_tohost = (address[:OFFSET_BITS] == self.tohost[:OFFSET_BITS]) & (self.tohost[OFFSET_BITS:] == SRAM_BASE >> OFFSET_BITS)
        exits = decoded.store & x.rs2[0] & kept(to_tohost)
        with m.Switch(funct3[:2]):
            for size in range(4):
                with m.Case(size):
                    m.d.comb += self.exit_value.eq(x.rs2[: 8 << size])

        # -- what it does to its thread ----------------------------------------------------------------------------
        finishes = Signal()
        # Instructions that do not use SRAM never stall; saying so keeps grants out of the paths to fetch.
        m.d.comb += [
            finishes.eq(good & ~self.stall),
            self.trap.valid.eq(self.x_valid & trap & ~awaits),
            self.trap.cause.eq(cause),
            self.trap.value.eq(value),
            self.trap.pc.eq(pc),
            self.park.eq(good & decoded.swait & ~self.covered),
            self.take.eq(good & decoded.swait & self.covered),
            self.post.eq(good & decoded.spost),
            self.semaphore.eq(rd_field),
            self.amount.eq(x.rs1[:SEMAPHORE_VALUE_BITS]),
            self.halt.eq(good & decoded.halt),
            self.exit.eq(finishes & exits),
            self.completes.eq(finishes & ~self.park),
            self.flush.eq(good & decoded.fence_i),
            self.mret.eq(good & decoded.mret),
            self.redirect.eq(good & (jump | decoded.halt | decoded.fence_i | decoded.mret | self.park)),
            self.csr_number.eq(insn[20:32]),
            # Of register and immediate field, one is 0.
            self.csr_operand.eq(total),
        ]
        with m.If(good & decoded.csr & writes_csr):
            m.d.comb += self.csr_op.eq(funct3[:2])
        m.d.comb += self.set_format.eq(good & decoded.setfmt)
        m.d.comb += self.target.eq(target)

        # -- network -----------------------------------------------------------------------------------------------
        m.d.comb += [
            self.tx_valid.eq(good & remote),
            self.tx_read.eq(decoded.nread),
            self.tx_address.eq(destination),
            self.tx_tag.eq(Cat(Mux(decoded.nread, rd_field, 0), x.thread, decoded.nread)),
            self.tx_post.eq(decoded.nwrite & insn[25]),
            self.tx_sem.eq(Mux(self.tx_post, rd_field, 0)),
            self.tx_data.eq(outgoing),
            self.tx_mask.eq(outgoing_mask),
        ]

        # -- scalar results, stage M -------------------------------------------------------------------------------
        result = Signal(64)
        # The ALU's result is 0 where the result comes from elsewhere.
        elsewhere = Signal(64)
        with m.If(decoded.csr):
            m.d.comb += elsewhere.eq(kept(self.csr_read))
        with m.Elif(decoded.jal | decoded.jalr):
            m.d.comb += elsewhere.eq(next_pc)
        with m.Elif(decoded.predicate):
            m.d.comb += elsewhere.eq(self.predicate[0])
        with m.Elif(decoded.multiply):
            m.d.comb += elsewhere.eq(multiplier.result)
        with m.Elif(decoded.divide):
            m.d.comb += elsewhere.eq(divider.result)
        m.d.comb += result.eq(alu.result | elsewhere)
        register = Mux(decoded.post_rs1, rs1_field, rd_field)
        writes_register = finishes & (decoded.writes_rd | decoded.post_rs1)
        # Issue takes operands from here only when nothing in X stalls or redirects; so this need not wait for that.
        shows = self.x_valid & ~decoded.load & (decoded.writes_rd | decoded.post_rs1)
        m.d.comb += write_scalar(self.x_writes, register, result, shows)

        writes = Signal(ScalarWrites(), reset_less=True)
        load_low = Signal(byte_bits, reset_less=True)
        load_done = Signal()
        # A parked swait has not been executed: it retires when it is executed again with the semaphore covered.
        m.d.sync += [
            self.retire.valid.eq(self.done & ~self.park),
            load_done.eq(finishes & decoded.load),
        ]
        with m.If(self.x_valid):
            m.d.sync += [
                self.retire.thread.eq(x.thread),
                self.retire.pc.eq(pc),
                self.retire.insn.eq(insn),
                self.retire.trap.eq(trap),
                self.retire.cause.eq(cause),
                self.retire.value.eq(value),
                load_low.eq(address[:byte_bits]),
            ]
        m.d.sync += write_scalar(writes, register, result, writes_register)
        # Loads are aligned: an upper part of what is loaded comes from few places.
        loaded = Signal(64)
        eight = self.scalar.data.word_select(load_low[3:], 64)
        m.d.comb += [
            loaded[0:8].eq(eight.word_select(load_low[:3], 8)),
            loaded[8:16].eq(eight.word_select(load_low[1:3], 16)[8:]),
            loaded[16:32].eq(eight.word_select(load_low[2], 32)[16:]),
            loaded[32:].eq(eight[32:]),
        ]
        load_funct3 = self.retire.insn[12:15]
        load_bits, load_sign = Signal(64), Signal()
        with m.If(load_done), m.Switch(load_funct3[:2]):
            for size in range(4):
                with m.Case(size):
                    m.d.comb += [
                        load_bits.eq((1 << (8 << size)) - 1),
                        load_sign.eq(loaded[(8 << size) - 1] & ~load_funct3[2]),
                    ]
        extended = Signal(64)
        m.d.comb += [
            # Results of loads are 0 in X.
            extended.eq((loaded & load_bits) | (load_sign.replicate(64) & ~load_bits)),
            self.retire.writes.eq(writes),
            *(self.retire.writes.data[half].eq(writes.data[half] | extended) for half in range(2)),
        ]

        # -- SIMD unit and its random bits -------------------------------------------------------------------------
        enters = Signal()
        group_bits = ceil_log2(max(transpose_group(config, bits) for bits in TRANSPOSE_OPERATIONS))
        pairs_after_first = Signal(3)
        with m.If(decoded.transpose), m.Switch(insn[25:29]):
            for bits, operation in TRANSPOSE_OPERATIONS.items():
                with m.Case(operation):
                    m.d.comb += pairs_after_first.eq((transpose_group(config, bits) + 1) // 2 - 1)
        next_pair = Signal(max(1, group_bits))
        m.d.comb += [
            enters.eq(good & decoded.simd & transpose_last & ~slots.simd_taken),
            transpose_last.eq(transpose_row == pairs_after_first),
            next_pair.eq((transpose_row + 1) << 1),
            self.simd_valid.eq(enters),
            # The sum of what it reads and 0.
            self.simd_scalar.eq(total),
            self.simd_collect.eq(good & decoded.simd & ~transpose_last & ~(slots.simd_taken & has_one_lane(config))),
            self.simd_row.eq(transpose_row),
            self.reread.eq(self.simd_collect),
            # A group starts at a multiple of its size.
            self.reread_first.eq(rs1_field | next_pair),
            self.reread_second.eq(rs1_field | next_pair | 1),
            slots.enter_simd.eq(enters),
            slots.enter_pair.eq(self.simd_collect),
            slots.enter_short.eq(finishes & (decoded.vector_load | (decoded.predicate & decoded.writes_pd))),
            self.draw.eq(self.x_valid & decoded.stochastic),
            self.draws_twice.eq(decoded.draws_twice),
            self.advance.eq(enters | conversion_ends),
        ]
        with m.If(enters):
            m.d.sync += transpose_row.eq(0)
        with m.Elif(self.simd_collect):
            m.d.sync += transpose_row.eq(transpose_row + 1)

        # -- loaded lines and predicates on their way to W ---------------------------------------------------------
        line_loaded = Signal(8 * line_bytes, reset_less=True)
        loads_line, gathers, gathers_wide, gathers_zero = Signal(), Signal(), Signal(), Signal()
        gathered, gathered_from = Signal.like(granule), Signal(byte_bits)
        m.d.comb += steps_granule.eq(good & gather & granule_done)
        with m.If(steps_granule):
            m.d.sync += granule.eq(Mux(granule_last, 0, granule + 1))
        with m.If(self.trap.valid):
            m.d.sync += granule.eq(0)
        m.d.sync += [
            loads_line.eq(finishes & decoded.vector_load & ~gather),
            gathers.eq(steps_granule),
        ]
        with m.If(steps_granule):
            m.d.sync += [
                gathers_wide.eq(wide_granule),
                gathers_zero.eq(skipped),
                gathered.eq(granule),
                gathered_from.eq(address[:byte_bits]),
            ]
        # A granule of eight bytes goes into one half of sixteen; wide ones and whole lines come in halves that are in place.
        narrow_granule, zero = Signal(), Signal()
        m.d.comb += [narrow_granule.eq(gathers & ~gathers_wide), zero.eq(gathers & gathers_zero)]
        eight = self.vector_data.word_select(gathered_from[3:], 64)
        for number in range(line_bytes // 8):
            in_place = self.vector_data.word_select(number, 64)
            here = gathered == number
            if byte_bits > 4:
                sixteen = self.vector_data.word_select(gathered_from[4:], 128)
                in_place = Mux(gathers, sixteen.word_select(number % 2, 64), in_place)
                here = Mux(gathers_wide, gathered == number // 2, here)
            else:
                here = gathers_wide | here
            with m.If(loads_line | (gathers & here)):
                m.d.sync += line_loaded.word_select(number, 64).eq(Mux(narrow_granule, eight, in_place) & ~zero.replicate(64))

        logic, logic_in_m, logic_in_w = (
            Signal(line_bytes, name=name, reset_less=True) for name in ("combined", "combined_in_m", "combined_in_w")
        )
        left, right = self.predicate[0], self.predicate[1]
        operations = {"pand": left & right, "por": left | right, "pxor": left ^ right, "pandn": left & ~right}
        # The numbers of these differ in their low bits, and that of the move from a scalar register in another.
        with m.If(insn[27]):
            m.d.comb += logic.eq(x.rs1)
        with m.Else(), m.Switch(insn[25:27]):
            for mnemonic, logic_value in operations.items():
                with m.Case(INSTRUCTIONS[mnemonic].match >> 25 & 3):
                    m.d.comb += logic.eq(logic_value)
        m.d.sync += [logic_in_m.eq(logic), logic_in_w.eq(logic_in_m)]

        # -- results, stage W --------------------------------------------------------------------------------------
        due = slots.due
        m.d.comb += [
            self.vector_write.eq(due.valid & ~due.predicate),
            self.predicate_write.eq(due.valid & due.predicate),
            self.result_thread.eq(due.thread),
            self.result_register.eq(due.number),
            self.vector_value.eq(Mux(due.simd, self.simd_result, line_loaded)),
            self.predicate_value.eq(Mux(due.simd, self.simd_result[:line_bytes], logic_in_w)),
            self.simd_pending.eq(slots.simd_pending),
        ]
        with m.If(self.x_valid & decoded.simd):
            m.d.comb += self.simd_pending.bit_select(x.thread, 1).eq(1)
        # Lines that are converted in X, and SIMD results, raise flags; each for its own thread.
        m.d.comb += [
            self.simd_flags_valid.eq(due.valid & due.simd),
            self.convert_flags_valid.eq(converted_now),
            self.busy.eq(self.x_valid | self.retire.valid | load_done | slots.busy),
        ]
        return m
