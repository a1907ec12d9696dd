# SPDX-License-Identifier: Apache-2.0
"""A core for small nodes: it executes one instruction at a time, in a few states."""

from amaranth.hdl import C, Cat, ClockSignal, Instance, Module, Mux, ResetSignal, Signal
from amaranth.lib import wiring
from amaranth.utils import ceil_log2

from golden.config import NodeConfig
from golden.isa import INSTRUCTIONS
from golden.layout import MAX_UNHANDLED_ERRORS, SEMAPHORE_VALUE_BITS, FormatKind, ThreadState
from rtl.core.addresses import line_of
from rtl.core.csr import FLAG_BITS
from rtl.core.decoder import TRANSPOSE_OPERATIONS, transpose_group
from rtl.core.ports import core_members
from rtl.core.random_lanes import random_name
from rtl.matrix.array import MatrixOp, matrix_name
from rtl.sequential.access_states import access, gather
from rtl.sequential.dispatch import execute, ready
from rtl.sequential.multiply_states import multiply_divide
from rtl.sequential.parts import Parts
from rtl.sequential.scalar_states import ask_registers, jump, scalar, trap
from rtl.sequential.vector_states import enter_simd, load_accumulator, step, store_accumulator
from rtl.simd.unit import simd_name

__all__ = ["SequentialCore"]

#: Scalar registers, which are cleared one by one after reset.
_REGISTERS = 32


class SequentialCore(wiring.Component):
    """One thread, one instruction at a time; fetch, the SIMD unit and the matrix array go on meanwhile.

    An instruction passes READY, where it is taken up, READ, EXECUTE, where scalar operands become a result or an address, and
    then states of its kind. What may never come (a response, room in the network) it waits for before it has done anything,
    and there it makes way for a start, a stop or a network error.

    Starts and stops by packets, and what a debugger wants, take effect in READY only. What a debugger injects is an instruction
    as any other, but its end is no retirement, and its trap is not taken. CSRs, traps and ends go through NodeRegisters.

    Parameters
    ----------
    config : NodeConfig
        With one thread.

    Members
    -------
    Those of :func:`rtl.core.ports.core_members`.
    """

    def __init__(self, config: NodeConfig):
        self.config = config
        super().__init__(core_members(config))

    def elaborate(self, platform):
        m = Module()
        p = Parts(self)
        for name in p.components:
            m.submodules[name] = getattr(p, name)

        self._clear(m, p)
        self._connect_operands(m, p)
        self._connect_formats(m, p)
        self._connect_vectors(m, p)
        self._connect_simd(m, p)
        self._connect_matrix(m, p)
        self._connect_registers(m, p)
        self._connect_outside(m, p)
        with m.FSM(name="phase") as phase:
            for add_states in (
                ready, execute, scalar, multiply_divide, jump, ask_registers, access, gather, load_accumulator,
                store_accumulator, step, enter_simd, trap,
            ):  # fmt: skip
                add_states(m, p)
        m.d.comb += self.quiet.eq(
            phase.ongoing("READY")
            & ~(
                (p.state == ThreadState.RUNNING)
                | (p.waiting & (p.semaphores.covered | p.covered))
                | (p.pending & (p.state != ThreadState.TRAPPED) & (p.state != ThreadState.STOPPED))
                | p.debug.busy
                | p.clearing
                | p.registers.busy
                | p.fetch.busy
                | p.slots.busy
                | ~p.feed.drained
                | self.network.rx_valid
                | self.vector_writes[0].valid
                | self.retirement[0].valid
            )
        )
        return m

    # -- everything that does not depend on the state ------------------------------------------------------------------

    def _clear(self, m, p):
        """LUT memories and block RAM know no reset: after it, everything in them is cleared, and nothing starts."""
        number = Signal(range(_REGISTERS))
        with m.If(p.clearing):
            m.d.sync += [number.eq(number + 1), p.clearing.eq(number != _REGISTERS - 1)]
        m.d.comb += [
            p.datapath.clear.eq(p.clearing),
            p.datapath.clear_number.eq(number),
            p.formats.clear.eq(p.clearing),
            p.formats.clear_number.eq(number),
        ]

    def _connect_operands(self, m, p):
        config, datapath, checks, lines, decoded, insn = (
            self.config, p.datapath, p.checks, p.lines, p.decoded, p.insn
        )  # fmt: skip
        wiring.connect(m, wiring.flipped(self.fetch), p.fetch.port)
        wiring.connect(m, wiring.flipped(self.load0), lines.port)
        m.d.comb += [
            datapath.insn.eq(insn),
            datapath.decoded.eq(decoded),
            datapath.pc.eq(p.fetch.pc),
            datapath.rs1_number.eq(p.fetch.rs1),
            datapath.rs2_number.eq(p.fetch.rs2),
            datapath.load_line.eq(self.load0.data),
            datapath.outside.eq(p.registers.read),
            datapath.plain.eq(1),
            p.multiply_divide.insn.eq(insn),
            p.multiply_divide.decoded.eq(decoded),
            p.multiply_divide.rs1.eq(datapath.rs1),
            p.multiply_divide.carry.eq(datapath.carry),
            p.multiply_divide.b_sign.eq(datapath.b_sign),
            datapath.number.eq(Mux(decoded.post_rs1, insn[15:20], p.rd)),
            checks.insn.eq(insn),
            checks.decoded.eq(decoded),
            checks.address.eq(p.result),
            checks.a.eq(datapath.rs1),
            checks.b.eq(datapath.rs2),
            checks.tohost_enabled.eq(p.registers.tohost_enabled),
            checks.tohost_offset.eq(p.registers.tohost_offset),
            lines.line.eq(line_of(config, p.result)),
            lines.start_a.eq(line_of(config, datapath.rs1)),
            lines.start_b.eq(line_of(config, datapath.rs2)),
            lines.vector.eq(p.vectors.data),
            lines.wide.eq(insn[25]),
            lines.granule.eq(p.granule),
            lines.place.eq(p.result),
            p.fetch.run.eq(p.state == ThreadState.RUNNING),
            p.fetch.take.eq(p.finish),
            p.fetch.keep.eq(p.debug.injecting),
            p.fetch.inject.eq(p.debug.accept),
            p.fetch.word.eq(p.registers.start_pc),
            p.fetch.target.eq(Mux(p.registers.start, p.registers.start_pc, p.result)),
        ]

    def _connect_formats(self, m, p):
        """Formats that the instruction names, what they make of its sizes, and writes of descriptors."""
        decoded, insn, formats, registers = p.decoded, p.insn, p.formats, p.registers
        with m.If(decoded.named_format):
            m.d.comb += p.format.eq(formats.scalar_format)
        with m.If(p.reads_first):
            m.d.sync += p.first_format.eq(formats.scalar_format)
        with m.If(decoded.named_formats):
            m.d.comb += [p.format_a.eq(p.first_format), p.format_b.eq(formats.scalar_format)]
        kind = p.format.kind
        narrow = (kind == FormatKind.CFP8_143) | (kind == FormatKind.CFP8_152)
        # In a register: there is time for it until an address is there to be checked.
        m.d.sync += p.scale.eq(Mux((kind == FormatKind.FP32) | ~decoded.converts, 2, ~narrow))
        m.d.comb += [
            formats.scalar_number.eq(
                Mux(decoded.named_formats, insn[28:32] ^ p.reads_second, Mux(decoded.csr, insn[20:22] << 2, insn[20:24]))
            ),
            formats.write.eq(p.sets_format | registers.write_formats),
            formats.whole.eq(registers.write_formats),
            formats.value.eq(Mux(registers.write_formats, registers.written, p.result)),
            p.pair.eq(decoded.step_memory & decoded.named_formats),
            p.wide_a.eq(p.pair & (p.format_a.kind == FormatKind.BF16)),
            p.wide_b.eq(p.pair & (p.format_b.kind == FormatKind.BF16)),
            p.no_operand.eq((p.format_a.kind > FormatKind.CFP8_152) | (p.format_b.kind > FormatKind.CFP8_152)),
            p.checks.scale.eq(p.scale),
            p.checks.wide_a.eq(p.wide_a),
            p.checks.wide_b.eq(p.wide_b),
        ]

    def _connect_vectors(self, m, p):
        """Vector and predicate registers: who reads and writes them."""
        decoded, insn, vectors, predicates, slots = (
            p.decoded, p.insn, p.vectors, p.predicates, p.slots
        )  # fmt: skip
        rd, rs1, rs2 = insn[7:12], insn[15:20], insn[20:25]
        due, network = slots.due, self.network
        m.d.comb += [
            vectors.response.eq(Mux(network.error_valid, network.error_tag[:5], network.rx_tag[:5])),
            vectors.abandon.eq(network.error_valid & network.error_tag[7] & ~network.error_tag[5:7].any()),
            vectors.reserved.eq(rd),
            network.rx_ready.eq(~p.writes_line & ~due.valid),
        ]
        with m.If(due.valid):
            m.d.comb += [
                vectors.write.eq(~due.predicate),
                vectors.number.eq(due.number),
                vectors.write_data.eq(p.simd_result),
            ]
        with m.Elif(p.writes_line):
            m.d.comb += [vectors.write.eq(1), vectors.number.eq(rd), vectors.write_data.eq(p.lines.a)]
        with m.Else():
            m.d.comb += [
                # A response that no register waits for is dropped. It never comes together with an error.
                vectors.write.eq(network.rx_valid & network.rx_tag[7] & ~network.rx_tag[5:7].any() & vectors.awaited),
                vectors.number.eq(network.rx_tag),
                vectors.write_data.eq(network.rx_data),
            ]
        m.d.sync += self.vector_writes[0].valid.eq(vectors.write)
        with m.If(vectors.write):
            m.d.sync += [
                self.vector_writes[0].register.eq(vectors.number),
                self.vector_writes[0].data.eq(vectors.write_data),
            ]

        # Registers of a transpose's group follow its first one, which is a multiple of the group's size.
        with m.If(decoded.transpose), m.Switch(insn[25:29]):
            for bits, operation in TRANSPOSE_OPERATIONS.items():
                with m.Case(operation):
                    m.d.comb += p.last_pair.eq((transpose_group(self.config, bits) + 1) // 2 - 1)
        m.d.comb += [
            p.register_a.eq(rs1 | (p.pair_number << 1)),
            p.register_b.eq(Mux(decoded.transpose, p.register_a | 1, rs2)),
        ]
        with m.If(decoded.vector_load | decoded.nread):
            m.d.comb += vectors.address.eq(rd)
        with m.Else():
            m.d.comb += vectors.address.eq(p.register_b)

        logic = Signal(self.config.line_bytes)
        left, right = predicates.read_data[0], predicates.read_data[1]
        operations = {"pand": left & right, "por": left | right, "pxor": left ^ right, "pandn": left & ~right}
        # The numbers of these differ in their low bits, and that of the move from a scalar register in another.
        with m.If(insn[27]):
            m.d.comb += logic.eq(p.result)
        with m.Else(), m.Switch(insn[25:27]):
            for mnemonic, value in operations.items():
                with m.Case(INSTRUCTIONS[mnemonic].match >> 25 & 3):
                    m.d.comb += logic.eq(value)
        m.d.comb += [
            predicates.read[0].eq(Mux(decoded.predicate, rs1[:3], insn[29:32])),
            predicates.read[1].eq(rs2[:3]),
            predicates.write.valid.eq(p.combines | (due.valid & due.predicate)),
            predicates.write.number.eq(Mux(p.combines, rd, due.number)),
            predicates.write_data.eq(Mux(p.combines, logic, p.simd_result)),
        ]

    def _connect_simd(self, m, p):
        """The SIMD unit, the generators of random bits, and the cycles of results."""
        config, decoded, insn, slots = self.config, p.decoded, p.insn, p.slots
        funct3 = insn[12:15]
        # What a SIMD operation that is under way may write is left alone until it has.
        touches = (
            decoded.simd | decoded.vector_load | decoded.vector_store | decoded.nwrite | decoded.nread | decoded.step
            | decoded.predicate | decoded.csr
        )  # fmt: skip
        # In a register: between two instructions there is time for it, and a register that is written is read once more.
        m.d.sync += p.simd_waits.eq(touches & (slots.simd_pending.any() | slots.simd_taken))
        m.d.comb += [
            slots.tag.valid.eq(1),
            slots.tag.number.eq(insn[7:12]),
            slots.tag.predicate.eq(decoded.writes_pd),
            slots.two_passes.eq(decoded.two_passes),
            slots.iterative.eq(decoded.iterative),
            slots.operation.eq(Cat(funct3, insn[5])),
            # Numbers of reductions start at 7, those of the other iterative operations end at 3.
            slots.reduces.eq(insn[22:24].any()),
            slots.function.eq(insn[20:22]),
            slots.permutes.eq(insn[5] & ((funct3 == 7) | ((funct3 == 6) & insn[27:29].any()))),
            slots.enter_simd.eq(p.simd_enters),
            slots.enter_pair.eq(p.simd_collects),
        ]
        m.submodules.random = Instance(
            random_name(config),
            i_clk=ClockSignal(),
            i_rst=ResetSignal(),
            i_thread=C(0, 2),
            i_reseed=p.registers.reseed,
            i_seed=p.registers.written[:32],
            # As long as the instruction is there: what is drawn counts when the unit is entered, and that comes late.
            i_draw=decoded.stochastic,
            i_advance=p.advances,
            i_twice=decoded.draws_twice,
            o_first=p.random[0],
            o_second=p.random[1],
        )
        m.submodules.simd = Instance(
            simd_name(config),
            i_clk=ClockSignal(),
            i_rst=ResetSignal(),
            i_valid=p.simd_enters,
            i_op=Cat(insn[25:29], funct3, ~insn[5]),
            i_sub=insn[20:25],
            i_a=p.lines.a,
            i_b=p.lines.b,
            i_c=p.vectors.data,
            i_scalar=p.result,
            i_mask=p.predicates.read_data[0],
            i_format=p.formats.scalar_format.kind,
            i_bias=p.formats.scalar_format.bias,
            i_random=Cat(p.random),
            i_collect=p.simd_collects,
            i_row=p.pair_number,
            o_result=p.simd_result,
            o_flags=p.simd_flags,
        )

    def _connect_matrix(self, m, p):
        """The matrix array, and the operation that the states put before it."""
        config, decoded, insn, feed = self.config, p.decoded, p.insn, p.feed
        accumulator = insn[7:12][: ceil_log2(config.accumulators)]
        enters, operation = feed.enters, feed.operation
        m.d.comb += [
            operation.op.eq(MatrixOp.STEP),
            operation.entry.eq(accumulator),
            operation.line.eq(p.row),
            operation.zero.eq(insn[25]),
            # Steps of registers name their half; those of SRAM start with the lower one.
            operation.half.eq(decoded.step & insn[26]),
            operation.format_a.eq(p.format_a),
            operation.format_b.eq(p.format_b),
        ]
        m.submodules.matrix_array = Instance(
            matrix_name(config),
            i_clk=ClockSignal(),
            i_rst=ResetSignal(),
            i_op=enters.op,
            i_entry=enters.entry,
            i_line=enters.line,
            i_zero=enters.zero,
            i_half=enters.half,
            # The kinds that the array takes are the lowest four; others trap.
            i_format_a=enters.format_a.kind[:2],
            i_bias_a=enters.format_a.bias,
            i_format_b=enters.format_b.kind[:2],
            i_bias_b=enters.format_b.bias,
            i_a=p.lines.a,
            i_b=p.lines.b,
            i_read_entry=accumulator,
            i_read_line=p.row,
            o_read_data=p.accumulator_data,
            i_convert=p.converts,
            i_convert_format=p.format.kind,
            i_convert_bias=p.format.bias,
            i_convert_stochastic=decoded.stochastic,
            i_convert_random=p.random[0],
            o_converted=p.converted,
            o_convert_flags=p.convert_flags,
        )

    def _connect_registers(self, m, p):
        """CSRs, the control page, semaphores, and the thread's way to be started, stopped, debugged and disturbed."""
        registers, semaphores, debug, network = p.registers, p.semaphores, p.debug, self.network
        rd = p.insn[7:12]
        amount = p.result[:SEMAPHORE_VALUE_BITS]
        m.d.comb += p.waiting.eq(p.state == ThreadState.WAITING)
        m.d.sync += p.rests.eq(0)
        # Only this thread takes from semaphores, so what was covered still is.
        m.d.sync += p.covered.eq(semaphores.covered)
        raised = Signal(FLAG_BITS)
        with m.If(p.slots.due.valid):
            m.d.comb += raised.eq(p.simd_flags)
        wiring.connect(m, wiring.flipped(self.control), registers.control)
        m.d.comb += [
            p.pending.eq(p.failed & ~p.handles_error),
            p.disturbed.eq(registers.event_waiting | (p.pending & ~debug.injecting)),
            registers.boundary.eq(p.rests),
            registers.x.eq(self.x),
            registers.y.eq(self.y),
            registers.cycle.eq(self.cycle),
            registers.links.eq(self.links),
            registers.semaphores.eq(semaphores.values),
            registers.state.eq(p.state),
            registers.pc.eq(p.fetch.pc),
            # The instruction that waits is still there, and what it waits for still its result.
            registers.unhandled_errors.eq(p.unhandled_errors),
            registers.wait.eq(Mux(p.waiting, Cat(rd, C(0, 11), amount), 0)),
            registers.semaphore_overflow.eq(semaphores.overflow),
            registers.overflowed_semaphore.eq(semaphores.overflowed),
            semaphores.clear.eq(registers.clear_overflow),
            registers.dropped.eq(self.dropped),
            registers.stepped.eq(p.feed.enters.op == MatrixOp.STEP),
            registers.retired.eq(p.retire),
            registers.injected.eq(debug.injecting),
            registers.debug_status.eq(debug.status),
            registers.sent.eq(self.sent),
            registers.received.eq(self.received),
            registers.conflicts.eq(self.conflicts),
            registers.lines_loaded.eq(self.load0.grant & p.counts),
            registers.lines_stored.eq(self.store.req & self.store.grant),
            registers.number.eq(p.insn[20:32]),
            registers.operand.eq(p.result),
            registers.cause.eq(p.cause),
            registers.formats.eq(p.formats.scalar_csr),
            registers.raise_flags.eq(raised | (p.convert_flags & p.converted_now.replicate(FLAG_BITS))),
            debug.state.eq(p.state),
            debug.command.eq(registers.command),
            debug.inject.eq(registers.inject),
            debug.written.eq(registers.start_pc),
            debug.restart.eq(registers.start | registers.stop),
            debug.retire.eq(p.retire),
            debug.cause.eq(p.cause),
            debug.control.eq(registers.debug_control),
            semaphores.number.eq(rd),
            semaphores.amount.eq(amount),
            semaphores.outside.eq(registers.post),
        ]
        # The network interface never writes a register of the control page in the cycle of a post.
        with m.If(network.post_valid):
            m.d.comb += [
                semaphores.outside.valid.eq(1),
                semaphores.outside.sem.eq(network.post_sem),
                semaphores.outside.amount.eq(network.post_amount),
            ]
        comes = Signal()
        m.d.comb += comes.eq(network.error_valid & ~network.error_tag[5:7].any())
        with m.If(comes & ~p.failed):
            m.d.sync += [p.failed.eq(1), p.failed_address.eq(network.error_address)]
        unhandled = p.unhandled_errors
        with m.If(Mux(comes, ~p.takes_error & ~unhandled.all(), p.takes_error)):
            m.d.sync += unhandled.eq(unhandled + Mux(comes, C(1, len(unhandled)), C(MAX_UNHANDLED_ERRORS, len(unhandled))))
        with m.If(registers.start):
            m.d.sync += [p.state.eq(ThreadState.RUNNING), p.failed.eq(0), p.handles_error.eq(0), unhandled.eq(0)]
            m.d.comb += [p.fetch.redirect.eq(1)]
        with m.If(registers.stop):
            m.d.sync += p.state.eq(ThreadState.HALTED)
        with m.If(debug.suspend):
            m.d.sync += p.state.eq(ThreadState.STOPPED)

    def _connect_outside(self, m, p):
        config, decoded, outgoing, network = self.config, p.decoded, p.outgoing, self.network
        rd = p.insn[7:12]
        m.d.comb += [
            outgoing.insn.eq(p.insn),
            outgoing.decoded.eq(decoded),
            outgoing.scalar.eq(p.datapath.rs2),
            outgoing.vector.eq(p.vectors.data),
            outgoing.accumulator.eq(p.accumulator_data),
            outgoing.converted.eq(p.converted),
            outgoing.scale.eq(p.scale),
            outgoing.place.eq(p.result),
            self.store.address.eq(line_of(config, p.result)),
            self.store.data.eq(outgoing.data),
            self.store.mask.eq(outgoing.mask),
            network.tx_read.eq(decoded.nread),
            network.tx_address.eq(p.result),
            network.tx_tag.eq(Cat(Mux(decoded.nread, rd, 0), C(0, 2), decoded.nread)),
            network.tx_post.eq(decoded.nwrite & p.insn[25]),
            network.tx_sem.eq(Mux(network.tx_post, rd, 0)),
            network.tx_data.eq(outgoing.data),
            # A post alone writes no byte.
            network.tx_mask.eq(Mux(decoded.nwrite & p.insn[27], 0, outgoing.mask)),
            self.running.eq(p.state == ThreadState.RUNNING),
            self.waiting.eq(p.waiting),
            self.trapped.eq(p.state == ThreadState.TRAPPED),
            self.stopped.eq(p.state == ThreadState.STOPPED),
            self.exited.eq(p.registers.exited),
            self.retires.eq(p.retire | p.trapped),
        ]
        retirement = self.retirement[0]
        m.d.sync += [
            retirement.valid.eq((p.retire & ~p.debug.injecting) | p.trapped),
            retirement.trap.eq(p.trapped),
        ]
        with m.If(p.trapped):
            m.d.sync += [retirement.cause.eq(p.cause), retirement.value.eq(p.result)]
        number = p.datapath.number
        for parity in range(2):
            with m.If(p.datapath.write & number.any() & (number[0] == parity)):
                m.d.sync += [
                    retirement.rd_valid[parity].eq(1),
                    retirement.rd_address[parity].eq(number),
                    retirement.rd_data[parity].eq(p.result),
                ]
