# SPDX-License-Identifier: Apache-2.0
"""The scalar/vector slot: stages X, M and W of everything but matrix operations."""

from amaranth.hdl import C, Cat, Module, Mux, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from golden.config import NodeConfig
from golden.layout import GLOBAL_ADDRESS_BITS, OFFSET_BITS, SEMAPHORE_VALUE_BITS, TAG_BITS, Cause, Port
from rtl.arithmetic.bf16 import Bf16Round
from rtl.core.addresses import in_sram, line_of
from rtl.core.alu import Alu
from rtl.core.bundles import IssueLayout, RetireLayout, write_scalar
from rtl.core.csr import CsrOp, TrapLayout
from rtl.core.scalar_registers import ScalarWrites
from rtl.core.semaphores import PostLayout
from rtl.interfaces import GlobalAddressLayout, ReadPort, WritePort, line_address_bits

__all__ = ["ScalarSlot"]


class ScalarSlot(wiring.Component):
    """Executes one instruction at a time per stage, in order.

    X takes one cycle, or more while SRAM does not grant or an accumulator store goes on; ``stall`` tells. What an instruction
    does to its thread (trap, redirect, halt, park, exit, flush, mret, CSR write) strobes in its last cycle in X.

    Members
    -------
    issue_valid : In(1), issue : In(IssueLayout)
        Enters X at the end of the cycle; only while ``stall`` is 0.
    x_valid, stall : Out(1); x : Out(IssueLayout)
        The instruction in X.
    done : Out(1)
        It leaves X at the end of the cycle.
    x_writes : Out(ScalarWrites)
        What it writes, but for loads, whose data comes in M.
    retire : Out(RetireLayout)
        The instruction in M with all that it writes.
    trap : Out(TrapLayout), redirect : Out(1), target : Out(64)
        Traps also redirect, which thread control does.
    halt, park, exit, flush, mret : Out(1)
        halt: ends with exit code rs1. park: waits for semaphore ``park_sem`` to reach ``park_amount``. exit: stored
        ``exit_value`` to the address ``tohost``.
    tohost : In(64)
    csr_number, csr_op, csr_operand : Out; csr_read, csr_exists : In
        CSR file of the thread in X.
    semaphores : In(config.semaphores x 16); take, post : Out(PostLayout)
    scalar : Out(ReadPort), store : Out(WritePort)
    vector_req, vector_address : Out; vector_grant, vector_data : In
        A read port for lines, with the timing of ReadPort.
    vs1, vs2 : In(8 * line_bytes)
        Vector operands of the instruction in X.
    accumulator_entry, accumulator_line : Out; accumulator_data : In(8 * line_bytes)
        Read port of the matrix array.
    simd_valid, simd_op : Out; simd_result : In(8 * line_bytes)
        Lanes, fed with vs1 and vs2.
    vector_write, vector_thread, vector_register, vector_value : Out
        Write of a vector register in W.
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
                "trap": Out(TrapLayout()),
                "redirect": Out(1),
                "target": Out(64),
                "halt": Out(1),
                "park": Out(1),
                "park_sem": Out(5),
                "park_amount": Out(SEMAPHORE_VALUE_BITS),
                "exit": Out(1),
                "exit_value": Out(64),
                "flush": Out(1),
                "mret": Out(1),
                "exception_pc": In(64),
                "tohost": In(64),
                "csr_number": Out(12),
                "csr_op": Out(CsrOp),
                "csr_operand": Out(64),
                "csr_read": In(64),
                "csr_exists": In(1),
                "semaphores": In(data.ArrayLayout(SEMAPHORE_VALUE_BITS, config.semaphores)),
                "take": Out(PostLayout()),
                "post": Out(PostLayout()),
                "scalar": Out(ReadPort(config)),
                "store": Out(WritePort(config)),
                "vector_req": Out(1),
                "vector_address": Out(line_address_bits(config)),
                "vector_grant": In(1),
                "vector_data": In(line),
                "vs1": In(line),
                "vs2": In(line),
                "accumulator_entry": Out(range(config.threads * config.accumulators)),
                "accumulator_line": Out(range(config.accumulator_lines)),
                "accumulator_data": In(line),
                "simd_valid": Out(1),
                "simd_op": Out(2),
                "simd_result": In(line),
                "vector_write": Out(1),
                "vector_thread": Out(2),
                "vector_register": Out(5),
                "vector_value": Out(line),
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
        x = self.x
        decoded, insn, pc = x.fetched.decoded, x.fetched.insn, x.fetched.pc
        funct3 = insn[12:15]
        rd_field, rs1_field = insn[7:12], insn[15:20]
        line_bytes = config.line_bytes
        byte_bits = ceil_log2(line_bytes)

        with m.If(~self.stall):
            m.d.sync += self.x_valid.eq(self.issue_valid)
            with m.If(self.issue_valid):
                m.d.sync += x.eq(self.issue)

        # -- ALU, jumps, addresses ---------------------------------------------------------------------------------
        immediate = Signal(64)
        m.d.comb += immediate.eq(decoded.immediate.as_signed())
        m.submodules.alu = alu = Alu()
        m.d.comb += [
            alu.op.eq(decoded.alu),
            alu.word.eq(decoded.word),
            alu.a.eq(Mux(decoded.source_pc, pc, Mux(decoded.reads_rs1, x.rs1, 0))),
            alu.b.eq(Mux(decoded.source_immediate, immediate, x.rs2)),
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
        jump_target = Signal(64)
        next_pc = Signal(64)
        address, total, step = Signal(64), Signal(64), Signal(64)
        rounds_bf16 = insn[28]
        m.d.comb += [
            jump.eq(decoded.jal | decoded.jalr | (decoded.branch & (condition ^ funct3[0]))),
            next_pc.eq(pc + 4),
            total.eq(x.rs1 + step),
            address.eq(Mux(decoded.post_rs1, x.rs1, total)),
        ]
        # What a post-increment adds; for other accesses the immediate, which is 0 where there is none.
        with m.If(decoded.accumulator_store & decoded.post_rs1):
            m.d.comb += step.eq(Mux(rounds_bf16, config.accumulator_bytes // 2, config.accumulator_bytes))
        with m.Elif(decoded.nwrite & decoded.post_rs1):
            m.d.comb += step.eq(line_bytes)
        with m.Else():
            m.d.comb += step.eq(immediate)
        with m.If(decoded.jalr):
            m.d.comb += jump_target.eq(Cat(C(0, 1), total[1:]))
        with m.Else():
            m.d.comb += jump_target.eq(pc + immediate)

        # -- checks ------------------------------------------------------------------------------------------------
        stores = decoded.store | decoded.vector_store | decoded.accumulator_store
        local = decoded.load | decoded.vector_load | stores
        remote = decoded.nwrite | decoded.nread | decoded.nsd
        store_cause = stores | decoded.nwrite | decoded.nsd
        low_bits = Signal(byte_bits)
        tile_bits = ceil_log2(min(line_bytes, config.accumulator_bytes // 2))
        with m.If(decoded.load | decoded.store):
            m.d.comb += low_bits.eq((1 << funct3[:2]) - 1)
        with m.Elif(decoded.nsd):
            m.d.comb += low_bits.eq(7)
        with m.Elif(decoded.accumulator_store & rounds_bf16):
            m.d.comb += low_bits.eq((1 << tile_bits) - 1)
        with m.Else():
            m.d.comb += low_bits.eq(line_bytes - 1)
        misaligned = (address[:byte_bits] & low_bits).any()
        fits = Signal()
        with m.If(decoded.accumulator_store):
            m.d.comb += fits.eq(
                Mux(
                    rounds_bf16,
                    in_sram(config, address, config.accumulator_bytes // 2),
                    in_sram(config, address, config.accumulator_bytes),
                )
            )
        with m.Else():
            m.d.comb += fits.eq(in_sram(config, address, 1))
        destination = Signal(GlobalAddressLayout())
        m.d.comb += destination.eq(address[:GLOBAL_ADDRESS_BITS])
        bad_global = address[GLOBAL_ADDRESS_BITS:].any() | (destination.exit > max(Port))

        writes_csr = (funct3[:2] == 1) | rs1_field.any()
        csr_illegal = decoded.csr & (~self.csr_exists | (writes_csr & insn[30:32].all()))

        cause, value = Signal(6), Signal(64)
        trap = Signal()

        def raises(cause_value, trap_value):
            return [trap.eq(1), cause.eq(cause_value), value.eq(trap_value)]

        with m.If(x.fetched.fault):
            m.d.comb += raises(Cause.INSTRUCTION_ACCESS_FAULT, pc)
        with m.Elif(decoded.illegal | csr_illegal):
            m.d.comb += raises(Cause.ILLEGAL_INSTRUCTION, insn)
        with m.Elif(decoded.ecall):
            m.d.comb += raises(Cause.ECALL_MACHINE, 0)
        with m.Elif(decoded.ebreak):
            m.d.comb += raises(Cause.BREAKPOINT, pc)
        with m.Elif(jump & jump_target[1]):
            m.d.comb += raises(Cause.INSTRUCTION_MISALIGNED, jump_target)
        with m.Elif((local | remote) & misaligned):
            m.d.comb += raises(Mux(store_cause, Cause.STORE_MISALIGNED, Cause.LOAD_MISALIGNED), address)
        with m.Elif((local & ~fits) | (remote & bad_global)):
            m.d.comb += raises(Mux(store_cause, Cause.STORE_ACCESS_FAULT, Cause.LOAD_ACCESS_FAULT), address)

        good = Signal()
        m.d.comb += [good.eq(self.x_valid & ~trap), self.done.eq(self.x_valid & ~self.stall)]

        # -- accumulator stores: one accumulator line per cycle of X -----------------------------------------------
        row = Signal(range(config.accumulator_lines))
        last_row = row == config.accumulator_lines - 1
        issued = self.issue.fetched.insn[7:12]
        entry_bits = ceil_log2(config.accumulators)

        def entry(thread, number):
            return Cat(number[:entry_bits], thread)

        with m.If(good & decoded.accumulator_store & ~(self.store.grant & last_row)):
            m.d.comb += [
                self.accumulator_entry.eq(entry(x.thread, rd_field)),
                self.accumulator_line.eq(row + self.store.grant),
            ]
        with m.Else():
            m.d.comb += self.accumulator_entry.eq(entry(self.issue.thread, issued))
        with m.If(good & decoded.accumulator_store & self.store.grant):
            m.d.sync += row.eq(Mux(last_row, 0, row + 1))
        half_line = Signal(4 * line_bytes)
        for lane in range(config.fp32_lanes):
            m.submodules[f"round{lane}"] = round_lane = Bf16Round()
            m.d.comb += [
                round_lane.wide.eq(self.accumulator_data.word_select(lane, 32)),
                half_line.word_select(lane, 16).eq(round_lane.code),
            ]

        # -- SRAM --------------------------------------------------------------------------------------------------
        line = Signal(line_address_bits(config))
        half = Signal()
        m.d.comb += [
            line.eq(line_of(config, address)),
            self.scalar.req.eq(good & decoded.load),
            self.scalar.address.eq(line),
            self.vector_req.eq(good & decoded.vector_load),
            self.vector_address.eq(line),
            self.store.req.eq(good & stores),
            self.store.address.eq(line),
            self.stall.eq(
                (self.scalar.req & ~self.scalar.grant)
                | (self.vector_req & ~self.vector_grant)
                | (self.store.req & ~(self.store.grant & (last_row | ~decoded.accumulator_store)))
            ),
        ]
        scalar_data = Signal(64)
        with m.Switch(funct3[:2]):
            for size in range(4):
                with m.Case(size):
                    m.d.comb += scalar_data.eq(x.rs2[: 8 << size].replicate(8 >> size))
        with m.If(decoded.vector_store):
            m.d.comb += [self.store.data.eq(self.vs2), self.store.mask.eq(~0)]
        with m.Elif(decoded.accumulator_store & rounds_bf16):
            # Half a line per accumulator line, in whichever half of the SRAM line it falls.
            halves = Signal(len(line) + 1)
            m.d.comb += [
                halves.eq(address[byte_bits - 1 : OFFSET_BITS] + row),
                half.eq(halves[0]),
                self.store.address.eq(halves[1:]),
                self.store.data.eq(half_line.replicate(2)),
                self.store.mask.eq(Cat((~half).replicate(line_bytes // 2), half.replicate(line_bytes // 2))),
            ]
        with m.Elif(decoded.accumulator_store):
            m.d.comb += [
                self.store.address.eq(line + row),
                self.store.data.eq(self.accumulator_data),
                self.store.mask.eq(~0),
            ]
        with m.Else():
            m.d.comb += [
                self.store.data.eq(scalar_data.replicate(line_bytes // 8)),
                self.store.mask.eq(((1 << (1 << funct3[:2])) - 1) << address[:byte_bits]),
            ]
        exits = decoded.store & (address == self.tohost) & self.tohost.any() & x.rs2[0]
        with m.Switch(funct3[:2]):
            for size in range(4):
                with m.Case(size):
                    m.d.comb += self.exit_value.eq(x.rs2[: 8 << size])

        # -- what it does to its thread ----------------------------------------------------------------------------
        number = insn[7:12]
        amount = x.rs1[:SEMAPHORE_VALUE_BITS]
        covered = Signal()
        m.d.comb += covered.eq(data_at(self.semaphores, number) >= amount)
        finishes = Signal()
        # Instructions that do not use SRAM never stall; saying so keeps grants out of the paths to fetch.
        m.d.comb += [
            finishes.eq(good & ~self.stall),
            self.trap.valid.eq(self.x_valid & trap),
            self.trap.cause.eq(cause),
            self.trap.value.eq(value),
            self.trap.pc.eq(pc),
            self.park.eq(good & decoded.swait & ~covered),
            self.park_sem.eq(number),
            self.park_amount.eq(amount),
            self.take.valid.eq(good & decoded.swait & covered),
            self.take.sem.eq(number),
            self.take.amount.eq(amount),
            self.post.valid.eq(good & decoded.spost),
            self.post.sem.eq(number),
            self.post.amount.eq(amount),
            self.halt.eq(good & decoded.halt),
            self.exit.eq(finishes & exits),
            self.flush.eq(good & decoded.fence_i),
            self.mret.eq(good & decoded.mret),
            self.redirect.eq(good & (jump | decoded.halt | decoded.fence_i | decoded.mret | self.park)),
            self.csr_number.eq(insn[20:32]),
            self.csr_operand.eq(Mux(funct3[2], rs1_field, x.rs1)),
        ]
        with m.If(good & decoded.csr & writes_csr):
            m.d.comb += self.csr_op.eq(funct3[:2])
        with m.If(jump):
            m.d.comb += self.target.eq(jump_target)
        with m.Elif(decoded.mret):
            m.d.comb += self.target.eq(self.exception_pc)
        with m.Elif(decoded.swait):
            m.d.comb += self.target.eq(pc)
        with m.Else():
            m.d.comb += self.target.eq(next_pc)

        # -- network -----------------------------------------------------------------------------------------------
        m.d.comb += [
            self.tx_valid.eq(good & remote),
            self.tx_read.eq(decoded.nread),
            self.tx_address.eq(destination),
            self.tx_tag.eq(Cat(Mux(decoded.nread, rd_field, 0), x.thread, decoded.nread)),
            self.tx_post.eq(decoded.nwrite & insn[25]),
            self.tx_sem.eq(Mux(self.tx_post, rd_field, 0)),
        ]
        with m.If(decoded.nsd):
            m.d.comb += [
                self.tx_data.eq(x.rs2.replicate(line_bytes // 8)),
                self.tx_mask.eq(0xFF << address[:byte_bits]),
            ]
        with m.Elif(decoded.nwrite):
            m.d.comb += [self.tx_data.eq(self.vs2), self.tx_mask.eq(~0)]

        # -- scalar results, stage M -------------------------------------------------------------------------------
        result = Signal(64)
        with m.If(decoded.post_rs1):
            m.d.comb += result.eq(total)
        with m.Elif(decoded.csr):
            m.d.comb += result.eq(self.csr_read)
        with m.Elif(decoded.jal | decoded.jalr):
            m.d.comb += result.eq(next_pc)
        with m.Else():
            m.d.comb += result.eq(alu.result)
        register = Mux(decoded.post_rs1, rs1_field, rd_field)
        m.d.comb += write_scalar(
            self.x_writes, register, result, finishes & (decoded.writes_rd | decoded.post_rs1) & ~decoded.load
        )

        writes = Signal(ScalarWrites())
        load_low = Signal(byte_bits)
        load_done, vector_load, simd = Signal(), Signal(), Signal()
        # A parked swait has not been executed: it retires when it is executed again with the semaphore covered.
        m.d.sync += [
            self.retire.valid.eq(self.done & ~self.park),
            load_done.eq(finishes & decoded.load),
            vector_load.eq(finishes & decoded.vector_load),
            simd.eq(finishes & decoded.simd),
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
        m.d.sync += writes.eq(self.x_writes)
        loaded, extended = Signal(64), Signal(64)
        load_funct3 = self.retire.insn[12:15]
        m.d.comb += loaded.eq(
            self.scalar.data.word_select(load_low[3:], 64) >> Cat(C(0, 3), load_low[:3])
        )  # fmt: skip
        with m.Switch(load_funct3[:2]):
            for size in range(3):
                bits = 8 << size
                with m.Case(size):
                    sign = loaded[bits - 1] & ~load_funct3[2]
                    m.d.comb += extended.eq(Cat(loaded[:bits], sign.replicate(64 - bits)))
            with m.Default():
                m.d.comb += extended.eq(loaded)
        with m.If(load_done):
            m.d.comb += write_scalar(self.retire.writes, self.retire.insn[7:12], extended, 1)
        with m.Else():
            m.d.comb += self.retire.writes.eq(writes)

        # -- vector results, stage W -------------------------------------------------------------------------------
        m.d.comb += [
            self.simd_valid.eq(good & decoded.simd),
            self.simd_op.eq(Mux(funct3[0], insn[25:27] + 1, 0)),
        ]
        from_simd = Signal()
        line_loaded = Signal(8 * line_bytes)
        m.d.sync += self.vector_write.eq(vector_load | simd)
        with m.If(vector_load | simd):
            m.d.sync += [
                self.vector_thread.eq(self.retire.thread),
                self.vector_register.eq(self.retire.insn[7:12]),
                from_simd.eq(simd),
            ]
        with m.If(vector_load):
            m.d.sync += line_loaded.eq(self.vector_data)
        m.d.comb += [
            self.vector_value.eq(Mux(from_simd, self.simd_result, line_loaded)),
            self.busy.eq(self.x_valid | self.retire.valid | load_done | vector_load | simd | self.vector_write),
        ]
        return m


def data_at(array, number):
    """Element of an array layout by a number that may be too wide; out of range gives any element."""
    return array[number[: ceil_log2(len(array))]]
