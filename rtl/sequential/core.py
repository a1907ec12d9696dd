# SPDX-License-Identifier: Apache-2.0
"""A core for small nodes: it executes one instruction at a time, in a few states."""

from amaranth.hdl import C, Cat, ClockSignal, Instance, Module, Mux, ResetSignal, Signal
from amaranth.lib import enum, wiring
from amaranth.utils import ceil_log2

from golden.config import NodeConfig
from golden.isa import INSTRUCTIONS
from golden.layout import GLOBAL_ADDRESS_BITS, SEMAPHORE_VALUE_BITS, Cause, FormatKind, ThreadState
from rtl.core.addresses import line_of
from rtl.core.csr import FLAG_BITS, CsrOp
from rtl.core.decoder import TRANSPOSE_OPERATIONS, AluOp, transpose_group
from rtl.core.format_table import FormatLayout, FormatTable
from rtl.core.ports import core_members
from rtl.core.predicate_registers import PredicateRegisters
from rtl.core.random_lanes import RANDOM_BITS, random_name
from rtl.core.result_slots import ResultSlots
from rtl.core.semaphores import Semaphores
from rtl.interfaces import GlobalAddressLayout
from rtl.matrix.array import MatrixOp, matrix_name
from rtl.matrix.timing import convert_cycles
from rtl.sequential.checks import AccessChecks
from rtl.sequential.fetch import SequentialFetch
from rtl.sequential.matrix_feed import MatrixFeed
from rtl.sequential.node_registers import NodeCommand, NodeRegisters
from rtl.sequential.operands import LineChoice, OperandLines
from rtl.sequential.outgoing import Outgoing
from rtl.sequential.scalar import ResultSource, ScalarDatapath
from rtl.sequential.vectors import VectorFile
from rtl.simd.unit import simd_name

__all__ = ["SequentialCore"]

#: Scalar registers, which are cleared one by one after reset.
_REGISTERS = 32


class _Shown(enum.Enum, shape=3):
    """What a trap leaves in mtval."""

    NOTHING = 0
    PC = 1
    WORD = 2
    RS1 = 3
    RS2 = 4


class SequentialCore(wiring.Component):
    """One thread, one instruction at a time; fetch, the SIMD unit and the matrix array go on meanwhile.

    An instruction passes READY, where it is taken up, EXECUTE, where scalar operands become a result or an address, ACT, where
    it traps, ends or goes on, and then states of its kind. What may never come (a response, room in the network) it waits for
    before it has done anything, and there it makes way for a start, a stop or a network error.

    Starts and stops by packets take effect in READY only. CSRs, traps and ends go through NodeRegisters.

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
        config = self.config
        m.submodules.fetch = self._fetch = SequentialFetch(config)
        m.submodules.datapath = self._datapath = ScalarDatapath(config.line_bytes)
        m.submodules.checks = self._checks = AccessChecks(config)
        m.submodules.lines = self._lines = OperandLines(config)
        m.submodules.outgoing = self._outgoing = Outgoing(config)
        m.submodules.vectors = self._vectors = VectorFile(config)
        m.submodules.predicates = self._predicates = PredicateRegisters(config)
        m.submodules.formats = self._formats = FormatTable(config)
        m.submodules.semaphores = self._semaphores = Semaphores(config)
        m.submodules.registers = self._registers = NodeRegisters(config)
        m.submodules.slots = self._slots = ResultSlots(config)
        m.submodules.feed = self._feed = MatrixFeed(config)

        self._decoded, self._insn = self._fetch.decoded, self._fetch.insn
        self._result = self._datapath.result
        self._state = Signal(ThreadState, init=ThreadState.HALTED)
        self._failed, self._failed_address = Signal(), Signal(GLOBAL_ADDRESS_BITS, reset_less=True)
        # Strobes of the states: the instruction ends, and leaves the instruction register; it has retired or trapped.
        self._finish, self._retire, self._trapped = Signal(), Signal(), Signal()
        self._cause, self._shown = Signal(6), Signal(_Shown)

        self._clear(m)
        self._connect_operands(m)
        self._connect_formats(m)
        self._connect_vectors(m)
        self._connect_simd(m)
        self._connect_matrix(m)
        self._connect_registers(m)
        self._connect_outside(m)
        with m.FSM(name="phase") as phase:
            self._begin(m)
            self._act(m)
            self._jump(m)
            self._ask_registers(m)
            self._access(m)
            self._gather(m)
            self._store_accumulator(m)
            self._load_accumulator(m)
            self._step(m)
            self._enter_simd(m)
            self._trap(m)
        m.d.comb += self.quiet.eq(
            phase.ongoing("READY")
            & ~(
                (self._state == ThreadState.RUNNING)
                | (self._waiting & self._semaphores.covered)
                | (self._failed & (self._state != ThreadState.TRAPPED))
                | self._clearing
                | self._registers.busy
                | self._fetch.busy
                | self._slots.busy
                | ~self._feed.drained
                | self.network.rx_valid
                | self.vector_write.valid
                | self.retirement[0].valid
            )
        )
        return m

    # -- everything that does not depend on the state ------------------------------------------------------------------

    def _clear(self, m):
        """LUT memories and block RAM know no reset: after it, everything in them is cleared, and nothing starts."""
        self._clearing, number = Signal(init=1), Signal(range(_REGISTERS))
        with m.If(self._clearing):
            m.d.sync += [number.eq(number + 1), self._clearing.eq(number != _REGISTERS - 1)]
        m.d.comb += [
            self._datapath.clear.eq(self._clearing),
            self._datapath.clear_number.eq(number),
            self._formats.clear.eq(self._clearing),
            self._formats.clear_number.eq(number),
        ]

    def _connect_operands(self, m):
        config, datapath, checks, lines, decoded, insn = (
            self.config, self._datapath, self._checks, self._lines, self._decoded, self._insn
        )  # fmt: skip
        wiring.connect(m, wiring.flipped(self.fetch), self._fetch.port)
        wiring.connect(m, wiring.flipped(self.load0), lines.port)
        # The register that a result goes to; jumps outlive their instruction register.
        self._rd = Signal(5, reset_less=True)
        self._granule = Signal(3)
        m.d.comb += [
            datapath.insn.eq(insn),
            datapath.decoded.eq(decoded),
            datapath.pc.eq(self._fetch.pc),
            datapath.load_line.eq(self.load0.data),
            datapath.outside.eq(self._registers.read),
            datapath.plain.eq(1),
            datapath.number.eq(Mux(decoded.post_rs1, insn[15:20], self._rd)),
            checks.insn.eq(insn),
            checks.decoded.eq(decoded),
            checks.address.eq(self._result),
            checks.a.eq(datapath.rs1),
            checks.b.eq(datapath.rs2),
            checks.tohost_enabled.eq(self._registers.tohost_enabled),
            checks.tohost_offset.eq(self._registers.tohost_offset),
            lines.line.eq(line_of(config, self._result)),
            lines.start_a.eq(line_of(config, datapath.rs1)),
            lines.start_b.eq(line_of(config, datapath.rs2)),
            lines.vector.eq(self._vectors.data),
            lines.wide.eq(insn[25]),
            lines.granule.eq(self._granule),
            lines.place.eq(self._result),
            self._fetch.run.eq(self._state == ThreadState.RUNNING),
            self._fetch.take.eq(self._finish),
            self._fetch.target.eq(Mux(self._registers.start, self._registers.start_pc, self._result)),
        ]

    def _connect_formats(self, m):
        """Formats that the instruction names, what they make of its sizes, and writes of descriptors."""
        decoded, insn, formats, registers = self._decoded, self._insn, self._formats, self._registers
        self._format, self._format_a, self._format_b = (
            Signal(FormatLayout(), name=name) for name in ("format", "format_a", "format_b")
        )
        with m.If(decoded.named_format):
            m.d.comb += self._format.eq(formats.scalar_format)
        # The table is read once per cycle: in READY the format of A, and that of B, its neighbour, from then on.
        self._first_format, self._reads_first = Signal(FormatLayout(), reset_less=True), Signal()
        with m.If(self._reads_first):
            m.d.sync += self._first_format.eq(formats.scalar_format)
        with m.If(decoded.named_formats):
            m.d.comb += [self._format_a.eq(self._first_format), self._format_b.eq(formats.scalar_format)]
        kind = self._format.kind
        narrow = (kind == FormatKind.CFP8_143) | (kind == FormatKind.CFP8_152)
        # Logarithm of the bytes of an element that an accumulator store writes.
        self._scale = Signal(2)
        # A step with named formats is two operations; an operand in BF16 fills two lines then.
        self._pair, self._wide_a, self._wide_b = Signal(), Signal(), Signal()
        self._no_operand = Signal()
        self._sets_format = Signal()
        m.d.comb += [
            formats.scalar_number.eq(
                Mux(decoded.named_formats, insn[28:32] ^ ~self._reads_first, Mux(decoded.csr, insn[20:22] << 2, insn[20:24]))
            ),
            formats.write.eq(self._sets_format | registers.write_formats),
            formats.whole.eq(registers.write_formats),
            formats.value.eq(Mux(registers.write_formats, registers.written, self._result)),
            self._scale.eq(Mux((kind == FormatKind.FP32) | ~decoded.converts, 2, ~narrow)),
            self._pair.eq(decoded.step_memory & decoded.named_formats),
            self._wide_a.eq(self._pair & (self._format_a.kind == FormatKind.BF16)),
            self._wide_b.eq(self._pair & (self._format_b.kind == FormatKind.BF16)),
            self._no_operand.eq((self._format_a.kind > FormatKind.CFP8_152) | (self._format_b.kind > FormatKind.CFP8_152)),
            self._checks.scale.eq(self._scale),
            self._checks.wide_a.eq(self._wide_a),
            self._checks.wide_b.eq(self._wide_b),
        ]

    def _connect_vectors(self, m):
        """Vector and predicate registers: who reads and writes them."""
        decoded, insn, vectors, predicates, slots = (
            self._decoded, self._insn, self._vectors, self._predicates, self._slots
        )  # fmt: skip
        rd, rs1, rs2 = insn[7:12], insn[15:20], insn[20:25]
        self._simd_result, self._writes_line, self._combines = (
            Signal(8 * self.config.line_bytes, name="simd_result"),
            Signal(name="writes_line"),
            Signal(name="combines"),
        )
        due, network = slots.due, self.network
        m.d.comb += [
            vectors.response.eq(Mux(network.error_valid, network.error_tag[:5], network.rx_tag[:5])),
            vectors.abandon.eq(network.error_valid & network.error_tag[7] & ~network.error_tag[5:7].any()),
            vectors.reserved.eq(rd),
            network.rx_ready.eq(~self._writes_line & ~due.valid),
        ]
        with m.If(due.valid):
            m.d.comb += [
                vectors.write.eq(~due.predicate),
                vectors.number.eq(due.number),
                vectors.write_data.eq(self._simd_result),
            ]
        with m.Elif(self._writes_line):
            m.d.comb += [vectors.write.eq(1), vectors.number.eq(rd), vectors.write_data.eq(self._lines.a)]
        with m.Else():
            m.d.comb += [
                # A response that no register waits for is dropped. It never comes together with an error.
                vectors.write.eq(network.rx_valid & network.rx_tag[7] & ~network.rx_tag[5:7].any() & vectors.awaited),
                vectors.number.eq(network.rx_tag),
                vectors.write_data.eq(network.rx_data),
            ]
        m.d.sync += self.vector_write.valid.eq(vectors.write)
        with m.If(vectors.write):
            m.d.sync += [
                self.vector_write.register.eq(vectors.number),
                self.vector_write.data.eq(vectors.write_data),
            ]

        # Registers of a transpose's group follow its first one, which is a multiple of the group's size.
        self._pair_number, self._last_pair = Signal(3), Signal(3)
        with m.If(decoded.transpose), m.Switch(insn[25:29]):
            for bits, operation in TRANSPOSE_OPERATIONS.items():
                with m.Case(operation):
                    m.d.comb += self._last_pair.eq((transpose_group(self.config, bits) + 1) // 2 - 1)
        # Operand B is read first, then A.
        self._register_a, self._register_b = Signal(5), Signal(5)
        m.d.comb += [
            self._register_a.eq(rs1 | (self._pair_number << 1)),
            self._register_b.eq(Mux(decoded.transpose, self._register_a | 1, rs2)),
        ]
        with m.If(decoded.vector_load | decoded.nread):
            m.d.comb += vectors.address.eq(rd)
        with m.Else():
            m.d.comb += vectors.address.eq(self._register_b)

        logic = Signal(self.config.line_bytes)
        left, right = predicates.read_data[0], predicates.read_data[1]
        operations = {"pand": left & right, "por": left | right, "pxor": left ^ right, "pandn": left & ~right}
        # The numbers of these differ in their low bits, and that of the move from a scalar register in another.
        with m.If(insn[27]):
            m.d.comb += logic.eq(self._result)
        with m.Else(), m.Switch(insn[25:27]):
            for mnemonic, value in operations.items():
                with m.Case(INSTRUCTIONS[mnemonic].match >> 25 & 3):
                    m.d.comb += logic.eq(value)
        m.d.comb += [
            predicates.read[0].eq(Mux(decoded.predicate, rs1[:3], insn[29:32])),
            predicates.read[1].eq(rs2[:3]),
            predicates.write.valid.eq(self._combines | (due.valid & due.predicate)),
            predicates.write.number.eq(Mux(self._combines, rd, due.number)),
            predicates.write_data.eq(Mux(self._combines, logic, self._simd_result)),
        ]

    def _connect_simd(self, m):
        """The SIMD unit, the generators of random bits, and the cycles of results."""
        config, decoded, insn, slots = self.config, self._decoded, self._insn, self._slots
        funct3 = insn[12:15]
        self._simd_enters, self._simd_collects = Signal(), Signal()
        self._draws, self._advances = Signal(), Signal()
        self._simd_flags = Signal(FLAG_BITS)
        # What a SIMD operation that is under way may write is left alone until it has.
        touches = (
            decoded.simd | decoded.vector_load | decoded.vector_store | decoded.nwrite | decoded.nread | decoded.step
            | decoded.predicate | decoded.csr
        )  # fmt: skip
        # A register that is being written has to be read once more.
        self._simd_waits, written = Signal(), Signal()
        m.d.sync += written.eq(slots.due.valid)
        m.d.comb += [
            self._simd_waits.eq(touches & (slots.simd_pending.any() | slots.simd_taken | written)),
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
            slots.enter_simd.eq(self._simd_enters),
            slots.enter_pair.eq(self._simd_collects),
        ]
        self._random = [Signal(RANDOM_BITS * config.fp32_lanes, name=f"{step}_random") for step in ("first", "second")]
        m.submodules.random = Instance(
            random_name(config),
            i_clk=ClockSignal(),
            i_rst=ResetSignal(),
            i_thread=C(0, 2),
            i_reseed=self._registers.reseed,
            i_seed=self._registers.written[:32],
            i_draw=self._draws & decoded.stochastic,
            i_advance=self._advances,
            i_twice=decoded.draws_twice,
            o_first=self._random[0],
            o_second=self._random[1],
        )
        m.submodules.simd = Instance(
            simd_name(config),
            i_clk=ClockSignal(),
            i_rst=ResetSignal(),
            i_valid=self._simd_enters,
            i_op=Cat(insn[25:29], funct3, ~insn[5]),
            i_sub=insn[20:25],
            i_a=self._lines.a,
            i_b=self._lines.b,
            i_c=self._vectors.data,
            i_scalar=self._result,
            i_mask=self._predicates.read_data[0],
            i_format=self._formats.scalar_format.kind,
            i_bias=self._formats.scalar_format.bias,
            i_random=Cat(self._random),
            i_collect=self._simd_collects,
            i_row=self._pair_number,
            o_result=self._simd_result,
            o_flags=self._simd_flags,
        )

    def _connect_matrix(self, m):
        """The matrix array, and the operation that the states put before it."""
        config, decoded, insn, feed = self.config, self._decoded, self._insn, self._feed
        accumulator = insn[7:12][: ceil_log2(config.accumulators)]
        self._row = Signal(range(config.accumulator_lines))
        self._row_last = self._row == config.accumulator_lines - 1
        self._accumulator_data, self._converted = (
            Signal(8 * config.line_bytes, name=name) for name in ("accumulator_data", "converted")
        )
        self._converts, self._convert_flags = Signal(), Signal(FLAG_BITS)
        enters, operation = feed.enters, feed.operation
        m.d.comb += [
            operation.op.eq(MatrixOp.STEP),
            operation.entry.eq(accumulator),
            operation.line.eq(self._row),
            operation.zero.eq(insn[25]),
            # Steps of registers name their half; those of SRAM start with the lower one.
            operation.half.eq(decoded.step & insn[26]),
            operation.format_a.eq(self._format_a),
            operation.format_b.eq(self._format_b),
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
            i_a=self._lines.a,
            i_b=self._lines.b,
            i_read_entry=accumulator,
            i_read_line=self._row,
            o_read_data=self._accumulator_data,
            i_convert=self._converts,
            i_convert_format=self._format.kind,
            i_convert_bias=self._format.bias,
            i_convert_stochastic=decoded.stochastic,
            i_convert_random=self._random[0],
            o_converted=self._converted,
            o_convert_flags=self._convert_flags,
        )

    def _connect_registers(self, m):
        """CSRs, the control page, semaphores, and the thread's way to be started, stopped and disturbed."""
        decoded, registers, semaphores, network = self._decoded, self._registers, self._semaphores, self.network
        rd = self._insn[7:12]
        amount = self._result[:SEMAPHORE_VALUE_BITS]
        self._waiting = self._state == ThreadState.WAITING
        # A conversion is done; its flags stay as they are.
        self._converted_now = Signal()
        # A line that the core reads counts, but for those of scalars.
        self._counts = Signal()
        raised = Signal(FLAG_BITS)
        with m.If(self._slots.due.valid):
            m.d.comb += raised.eq(self._simd_flags)
        wiring.connect(m, wiring.flipped(self.control), registers.control)
        # What waits makes way for these.
        self._disturbed = Signal()
        m.d.comb += [
            self._disturbed.eq(registers.event_waiting | self._failed),
            registers.x.eq(self.x),
            registers.y.eq(self.y),
            registers.cycle.eq(self.cycle),
            registers.links.eq(self.links),
            registers.semaphores.eq(semaphores.values),
            registers.state.eq(self._state),
            registers.pc.eq(self._fetch.pc),
            # The instruction that waits is still there, and what it waits for still its result.
            registers.wait.eq(Mux(self._waiting, Cat(rd, C(0, 11), amount), 0)),
            registers.semaphore_overflow.eq(semaphores.overflow),
            registers.dropped.eq(self.dropped),
            registers.stepped.eq(self._feed.enters.op == MatrixOp.STEP),
            registers.retired.eq(self._retire),
            registers.sent.eq(self.sent),
            registers.received.eq(self.received),
            registers.conflicts.eq(self.conflicts),
            registers.lines_loaded.eq(self.load0.grant & self._counts),
            registers.lines_stored.eq(self.store.grant),
            registers.number.eq(self._insn[20:32]),
            registers.operand.eq(self._result),
            registers.cause.eq(self._cause),
            registers.formats.eq(self._formats.scalar_csr),
            registers.raise_flags.eq(raised | (self._convert_flags & self._converted_now.replicate(FLAG_BITS))),
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
        with m.If(network.error_valid & ~network.error_tag[5:7].any() & ~self._failed):
            m.d.sync += [self._failed.eq(1), self._failed_address.eq(network.error_address)]
        with m.If(registers.start):
            m.d.sync += [self._state.eq(ThreadState.RUNNING), self._failed.eq(0)]
            m.d.comb += [self._fetch.redirect.eq(1)]
        with m.If(registers.stop):
            m.d.sync += self._state.eq(ThreadState.HALTED)

    def _connect_outside(self, m):
        config, decoded, outgoing, network = self.config, self._decoded, self._outgoing, self.network
        rd = self._insn[7:12]
        m.d.comb += [
            outgoing.insn.eq(self._insn),
            outgoing.decoded.eq(decoded),
            outgoing.scalar.eq(self._datapath.rs2),
            outgoing.vector.eq(self._vectors.data),
            outgoing.accumulator.eq(self._accumulator_data),
            outgoing.converted.eq(self._converted),
            outgoing.scale.eq(self._scale),
            outgoing.place.eq(self._result),
            self.store.address.eq(line_of(config, self._result)),
            self.store.data.eq(outgoing.data),
            self.store.mask.eq(outgoing.mask),
            network.tx_read.eq(decoded.nread),
            network.tx_address.eq(GlobalAddressLayout()(self._result[:GLOBAL_ADDRESS_BITS])),
            network.tx_tag.eq(Cat(Mux(decoded.nread, rd, 0), C(0, 2), decoded.nread)),
            network.tx_post.eq(decoded.nwrite & self._insn[25]),
            network.tx_sem.eq(Mux(network.tx_post, rd, 0)),
            network.tx_data.eq(outgoing.data),
            network.tx_mask.eq(outgoing.mask),
            self.running.eq(self._state == ThreadState.RUNNING),
            self.waiting.eq(self._waiting),
            self.trapped.eq(self._state == ThreadState.TRAPPED),
            self.exited.eq(self._registers.exited),
            self.retires.eq(self._retire | self._trapped),
        ]
        retirement = self.retirement[0]
        m.d.sync += [
            retirement.valid.eq(self._retire | self._trapped),
            retirement.trap.eq(self._trapped),
        ]
        with m.If(self._trapped):
            m.d.sync += [retirement.cause.eq(self._cause), retirement.value.eq(self._result)]
        number = self._datapath.number
        for parity in range(2):
            with m.If(self._datapath.write & number.any() & (number[0] == parity)):
                m.d.sync += [
                    retirement.rd_valid[parity].eq(1),
                    retirement.rd_address[parity].eq(number),
                    retirement.rd_data[parity].eq(self._result),
                ]

    # -- states --------------------------------------------------------------------------------------------------------

    def _compute(self, m):
        """Let the result register take what the ALU gives."""
        m.d.comb += self._datapath.source.eq(ResultSource.ALU)

    def _advance(self, m):
        """Let the result be the pointer after its use."""
        self._compute(m)
        # What a pointer to a tile in a named format advances by; where there is one, the immediate is 0.
        tile = C(self.config.accumulator_bytes // 4, 16) << self._scale
        m.d.comb += [
            self._datapath.from_rs1.eq(1),
            self._datapath.from_immediate.eq(1),
            self._datapath.extra.eq(Mux(self._decoded.named_format, tile, 0)),
        ]

    def _end(self, m):
        """The instruction retires and makes room for the next one."""
        m.d.comb += [self._finish.eq(1), self._retire.eq(1)]
        m.next = "READY"

    def _end_access(self, m):
        """After the last access of an instruction that may advance its pointer."""
        with m.If(self._decoded.post_rs1):
            self._advance(m)
            m.next = "WRITE"
        with m.Else():
            self._end(m)

    def _give_way(self, m):
        """What the instruction waits for may never come."""
        with m.If(self._disturbed):
            m.next = "READY"

    def _traps(self, m, cause, shown=None):
        """Trap; ``shown`` is what mtval gets, and the result register if there is nothing."""
        m.d.sync += self._cause.eq(cause)
        if shown is None:
            m.next = "TRAP"
        else:
            m.d.sync += self._shown.eq(shown)
            m.next = "SHOW"

    def _begin(self, m):
        """READY, EXECUTE and what only scalar operations need."""
        datapath, decoded, state = self._datapath, self._decoded, self._state
        shifts = (decoded.alu == AluOp.SLL) | (decoded.alu == AluOp.SRL) | (decoded.alu == AluOp.SRA)
        # What a pointer to matrix operands advances by.
        operand_bytes = Mux(self._wide_a, 2 * self.config.line_bytes, self.config.line_bytes)
        from_memory = decoded.step_memory | decoded.accumulator_load

        with m.State("READY"):
            m.d.comb += [self._registers.boundary.eq(1), self._reads_first.eq(1)]
            m.d.sync += [self._granule.eq(0), self._row.eq(0), self._pair_number.eq(0)]
            with m.If(self._registers.event_waiting):
                # A start at an address that no instruction can have.
                with m.If(self._registers.start & self._registers.start_pc[:2].any()):
                    m.next = "MISALIGNED"
            with m.Elif(self._failed & (state != ThreadState.TRAPPED)):
                m.next = "NETWORK_ERROR"
            with m.Elif(self._waiting & self._semaphores.covered):
                m.d.sync += state.eq(ThreadState.RUNNING)
            with m.Elif((state == ThreadState.RUNNING) & self._fetch.valid & ~self._clearing & ~self._registers.clearing):
                m.d.sync += self.retirement[0].rd_valid.eq(0)
                m.next = "EXECUTE"

        with m.State("EXECUTE"):
            m.d.sync += [
                self._rd.eq(self._insn[7:12]),
                self.retirement[0].pc.eq(self._fetch.pc),
                self.retirement[0].insn.eq(self._insn),
            ]
            self._compute(m)
            gathers = decoded.gather_stride | decoded.gather_index
            m.d.comb += [
                self._lines.start.eq(1),
                datapath.plain.eq(decoded.alu == AluOp.NONE),
                datapath.from_rs1.eq(decoded.reads_rs1),
                datapath.from_pc.eq(decoded.source_pc | decoded.jal | decoded.fence_i),
                # Accesses use the pointer as it is before it advances.
                datapath.from_immediate.eq(decoded.source_immediate & ~decoded.post_rs1 & ~decoded.halt),
                datapath.rs2_parts.eq((~decoded.source_immediate & ~gathers).replicate(4)),
            ]
            with m.If(from_memory):
                m.d.comb += datapath.extra.eq(Mux(decoded.accumulator_load, self.config.accumulator_bytes, operand_bytes))
            m.next = "ACT"
            with m.If(shifts):
                m.d.comb += datapath.set_shift.eq(1)
                m.next = "SHIFT"

        with m.State("SHIFT"):
            with m.If(datapath.shifts):
                m.d.comb += datapath.source.eq(ResultSource.SHIFTED)
            with m.Else():
                m.next = "WRITE"

        with m.State("WRITE"):
            m.d.comb += datapath.write.eq(1)
            self._end(m)

    def _act(self, m):
        """Which way an instruction goes."""
        decoded, insn, datapath, registers = self._decoded, self._insn, self._datapath, self._registers
        funct3 = insn[12:15]
        read_only = decoded.csr & insn[30:32].all() & ((funct3[:2] == 1) | insn[15:20].any())
        remote = decoded.nwrite | decoded.nread | decoded.nsd
        accesses = decoded.load | decoded.store | decoded.vector_store | decoded.accumulator_store | remote
        with m.State("ACT"):
            with m.If(self._fetch.fault):
                self._traps(m, Cause.INSTRUCTION_ACCESS_FAULT, _Shown.PC)
            with m.Elif(decoded.illegal | read_only | self._no_operand):
                self._traps(m, Cause.ILLEGAL_INSTRUCTION, _Shown.WORD)
            with m.Elif(decoded.ecall):
                self._traps(m, Cause.ECALL_MACHINE, _Shown.NOTHING)
            with m.Elif(decoded.ebreak):
                self._traps(m, Cause.BREAKPOINT, _Shown.PC)
            with m.Elif(decoded.jal | decoded.jalr):
                m.next = "JUMP"
            with m.Elif(decoded.branch):
                with m.If(Mux(funct3[2], datapath.less, datapath.zero) ^ funct3[0]):
                    m.next = "TARGET"
                with m.Else():
                    self._end(m)
            with m.Elif(decoded.fence_i):
                m.d.comb += [self._fetch.redirect.eq(1), self._retire.eq(1)]
                m.next = "READY"
            with m.Elif(decoded.csr | decoded.mret | decoded.halt):
                with m.If(~self._simd_waits):
                    m.d.comb += registers.go.eq(1)
                    with m.If(decoded.mret):
                        m.d.comb += registers.kind.eq(NodeCommand.MRET)
                    with m.Elif(decoded.halt):
                        m.d.comb += registers.kind.eq(NodeCommand.HALT)
                    with m.Elif((funct3[:2] == 1) | insn[15:20].any()):
                        m.d.comb += registers.op.eq(CsrOp(funct3[:2]))
                    m.next = "REGISTERS"
            with m.Elif(decoded.swait):
                with m.If(self._semaphores.covered):
                    m.d.comb += self._semaphores.take.eq(1)
                    self._end(m)
                with m.Else():
                    m.d.sync += self._state.eq(ThreadState.WAITING)
                    m.next = "READY"
            with m.Elif(decoded.spost):
                m.d.comb += self._semaphores.post.eq(1)
                self._end(m)
            with m.Elif(decoded.setfmt):
                m.d.comb += self._sets_format.eq(1)
                self._end(m)
            with m.Elif(accesses):
                m.next = "ACCESS"
            with m.Elif(decoded.vector_load):
                with m.If(~self._simd_waits & ~self._feed.waits):
                    m.d.comb += self._lines.clear.eq(1)
                    with m.If(self._vectors.waits):
                        self._give_way(m)
                    with m.Elif(decoded.gather_index):
                        m.d.comb += self._vectors.address.eq(insn[20:25])
                        m.next = "INDEX"
                    with m.Elif(decoded.gather_stride):
                        m.next = "GRANULE"
                    with m.Else():
                        m.next = "ACCESS"
            with m.Elif(decoded.step_memory | decoded.accumulator_load):
                self._act_on_operands(m)
            with m.Elif(decoded.clear):
                with m.If(~self._feed.waits):
                    m.d.comb += [self._feed.put.eq(1), self._feed.operation.op.eq(MatrixOp.CLEAR)]
                    self._end(m)
            with m.Elif(decoded.simd | decoded.step):
                with m.If(~self._simd_waits & ~self._feed.waits):
                    with m.If(self._vectors.waits & (decoded.reads_vs2 | decoded.transpose)):
                        self._give_way(m)
                    with m.Else():
                        m.d.comb += [self._lines.enter_vector.eq(1), self._vectors.address.eq(self._register_a)]
                        m.next = "OPERAND_A"
            with m.Elif(decoded.predicate):
                with m.If(~self._simd_waits):
                    with m.If(decoded.writes_pd):
                        m.d.comb += self._combines.eq(1)
                        self._end(m)
                    with m.Else():
                        m.d.comb += [
                            datapath.outside.eq(self._predicates.read_data[0]),
                            datapath.source.eq(ResultSource.OUTSIDE),
                        ]
                        m.next = "WRITE"
            with m.Else():
                m.d.comb += datapath.write.eq(decoded.writes_rd)
                self._end(m)

    def _act_on_operands(self, m):
        """ACT of matrix operations in SRAM."""
        decoded, checks, datapath, lines = self._decoded, self._checks, self._datapath, self._lines
        b = decoded.step_memory
        with m.If(checks.a_misaligned | checks.a_bad):
            self._traps(m, Mux(checks.a_misaligned, Cause.LOAD_MISALIGNED, Cause.LOAD_ACCESS_FAULT), _Shown.RS1)
        with m.Elif(b & (checks.b_misaligned | checks.b_bad)):
            self._traps(m, Mux(checks.b_misaligned, Cause.LOAD_MISALIGNED, Cause.LOAD_ACCESS_FAULT), _Shown.RS2)
        with m.Elif(~self._feed.waits):
            with m.If(decoded.accumulator_load):
                m.next = "LOAD_ROW"
            with m.Else():
                m.d.comb += [lines.wants.eq(1), lines.choice.eq(LineChoice.B), self._counts.eq(1)]
                with m.If(lines.granted):
                    # The result is the advanced pointer to A, and then that to B.
                    self._compute(m)
                    m.d.comb += [
                        lines.enter_port.eq(1),
                        datapath.write.eq(decoded.post_rs1),
                        datapath.rs2_parts.eq(~0),
                        datapath.step.eq(Mux(self._wide_b, 2 * self.config.line_bytes, self.config.line_bytes)),
                    ]
                    m.next = "STEP"

    def _jump(self, m):
        datapath, decoded = self._datapath, self._decoded
        with m.State("TARGET"):
            self._compute(m)
            m.d.comb += [datapath.from_pc.eq(1), datapath.from_immediate.eq(1)]
            m.next = "JUMP"
        with m.State("JUMP"):
            with m.If(self._result[1]):
                self._traps(m, Cause.INSTRUCTION_MISALIGNED)
            with m.Else():
                # What the instruction register holds goes with the jump; the way back does not.
                self._compute(m)
                m.d.comb += [self._fetch.redirect.eq(1), datapath.from_pc.eq(1), datapath.extra.eq(4)]
                with m.If(decoded.jal | decoded.jalr):
                    m.next = "LINK"
                with m.Else():
                    m.d.comb += self._retire.eq(1)
                    m.next = "READY"
        with m.State("LINK"):
            m.d.comb += [datapath.write.eq(1), datapath.number.eq(self._rd), self._retire.eq(1)]
            m.next = "READY"

    def _ask_registers(self, m):
        """Waiting for CSRs, and for what else the node's registers note."""
        decoded, registers = self._decoded, self._registers
        with m.State("REGISTERS"):
            with m.If(registers.done):
                m.d.comb += self._datapath.source.eq(ResultSource.OUTSIDE)
                with m.If(decoded.csr & ~registers.exists):
                    self._traps(m, Cause.ILLEGAL_INSTRUCTION, _Shown.WORD)
                with m.Elif(decoded.csr):
                    m.next = "WRITE"
                with m.Elif(decoded.mret):
                    m.next = "JUMP"
                with m.Else():
                    m.d.sync += self._state.eq(ThreadState.HALTED)
                    self._end(m)

    def _access(self, m):
        """One access to SRAM or to the network, at the address that is the result."""
        decoded, datapath, lines, network, checks = self._decoded, self._datapath, self._lines, self.network, self._checks
        insn = self._insn
        stores = decoded.store | decoded.vector_store | decoded.accumulator_store | decoded.nwrite | decoded.nsd
        vector = decoded.vector_store | decoded.nwrite | decoded.nread
        with m.State("ACCESS"):
            # An error that a register waits for comes before whatever is wrong with the instruction that names it.
            with m.If(vector & (self._simd_waits | self._vectors.waits)):
                with m.If(~self._simd_waits):
                    self._give_way(m)
            with m.Elif(checks.misaligned):
                self._traps(m, Mux(stores, Cause.STORE_MISALIGNED, Cause.LOAD_MISALIGNED))
            with m.Elif(checks.bad):
                self._traps(m, Mux(stores, Cause.STORE_ACCESS_FAULT, Cause.LOAD_ACCESS_FAULT))
            with m.Elif(decoded.load | decoded.vector_load):
                m.d.comb += [lines.wants.eq(1), self._counts.eq(decoded.vector_load), lines.enter_port.eq(decoded.vector_load)]
                with m.If(lines.granted):
                    m.next = "LOADED"
            with m.Elif(decoded.accumulator_store):
                with m.If(self._feed.drained):
                    m.next = "ROW"
            with m.Elif(decoded.store | decoded.vector_store):
                m.d.comb += self.store.req.eq(1)
                with m.If(self.store.grant):
                    with m.If(decoded.store & checks.ends & datapath.rs2[0]):
                        # What was stored becomes the result.
                        self._compute(m)
                        size = insn[12:14]
                        m.d.comb += datapath.rs2_parts.eq(Cat(1, size != 0, size >= 2, size == 3))
                        m.next = "EXIT"
                    with m.Else():
                        self._end_access(m)
            with m.Elif(network.tx_room):
                m.d.comb += [network.tx_valid.eq(1), self._vectors.reserve.eq(decoded.nread)]
                self._end_access(m)
            with m.Else():
                self._give_way(m)

        with m.State("LOADED"):
            with m.If(decoded.load):
                m.d.comb += [datapath.source.eq(ResultSource.LOADED), datapath.set_extension.eq(1)]
                m.next = "SHIFT"
            with m.Else():
                m.next = "FILL"

        with m.State("FILL"):
            m.d.comb += self._writes_line.eq(1)
            self._end_access(m)

        with m.State("EXIT"):
            m.d.comb += [self._registers.go.eq(1), self._registers.kind.eq(NodeCommand.EXIT)]
            m.next = "REGISTERS"

    def _gather(self, m):
        """Granules of a line, one after the other: at the address that is the result, or beside rs1."""
        config, decoded, datapath, lines, checks = self.config, self._decoded, self._datapath, self._lines, self._checks
        granule, wide = self._granule, self._insn[25]
        last = granule == Mux(wide, max(1, config.line_bytes // 16) - 1, config.line_bytes // 8 - 1)
        bound = datapath.rs2[32:]
        # Granules beyond the bound are neither read nor checked.
        skipped = decoded.gather_bound & (bound[-1] | (~bound[3:].any() & (bound[:3] <= granule)))

        def next_granule():
            m.d.sync += granule.eq(granule + 1)
            with m.If(last):
                m.next = "FILL"
            with m.Elif(decoded.gather_index):
                m.next = "INDEX"
            with m.Else():
                self._compute(m)
                m.d.comb += [datapath.from_result.eq(1), datapath.rs2_parts.eq(0b0111), datapath.rs2_word.eq(1)]
                m.next = "GRANULE"

        with m.State("INDEX"):
            m.d.comb += self._vectors.address.eq(self._insn[20:25])
            with m.If(self._vectors.waits):
                self._give_way(m)
            with m.Else():
                self._compute(m)
                index = self._vectors.data.word_select(granule[: ceil_log2(config.fp32_lanes)], 32)
                m.d.comb += [datapath.from_rs1.eq(1), datapath.extra.eq(index)]
                m.next = "GRANULE"

        with m.State("GRANULE"):
            m.d.comb += self._vectors.address.eq(self._insn[20:25])
            m.next = "GATHER"

        with m.State("GATHER"):
            m.d.comb += self._vectors.address.eq(self._insn[20:25])
            with m.If(skipped):
                next_granule()
            with m.Elif(checks.misaligned):
                self._traps(m, Cause.LOAD_MISALIGNED)
            with m.Elif(checks.bad):
                self._traps(m, Cause.LOAD_ACCESS_FAULT)
            with m.Else():
                m.d.comb += [lines.wants.eq(1), lines.enter_granule.eq(1), self._counts.eq(1)]
                with m.If(lines.granted):
                    m.next = "GATHERED"

        with m.State("GATHERED"):
            m.d.comb += self._vectors.address.eq(self._insn[20:25])
            next_granule()

    def _store_accumulator(self, m):
        """One line of the accumulator after the other, converted or not; the result is the address of what it becomes."""
        config, decoded, datapath = self.config, self._decoded, self._datapath
        takes = convert_cycles(config)
        left = Signal(range(max(2, takes)))

        def store():
            m.d.comb += self.store.req.eq(1)
            with m.If(self.store.grant):
                m.d.sync += self._row.eq(self._row + 1)
                with m.If(self._row_last):
                    self._end_access(m)
                with m.Else():
                    self._compute(m)
                    part = C(config.line_bytes // 4, 16) << self._scale
                    m.d.comb += [datapath.from_result.eq(1), datapath.extra.eq(part)]
                    m.next = "ROW"

        with m.State("ROW"):
            # The array is being told which line to show.
            m.next = "SHOWN"
        with m.State("SHOWN"):
            with m.If(decoded.converts):
                m.d.comb += [self._converts.eq(1), self._draws.eq(1), self._advances.eq(takes == 1)]
                m.d.sync += left.eq(takes - 1)
                m.next = "CONVERT"
            with m.Else():
                store()
        with m.State("CONVERT"):
            m.d.comb += self._draws.eq(1)
            with m.If(left != 0):
                m.d.sync += left.eq(left - 1)
                m.d.comb += self._advances.eq(left == 1)
            with m.Else():
                m.d.comb += self._converted_now.eq(1)
                store()

    def _load_accumulator(self, m):
        lines, feed = self._lines, self._feed
        with m.State("LOAD_ROW"):
            m.d.comb += [
                lines.wants.eq(~feed.waits),
                lines.choice.eq(LineChoice.A),
                lines.enter_port.eq(1),
                self._counts.eq(1),
                feed.operation.op.eq(MatrixOp.LOAD_LINE),
            ]
            with m.If(lines.granted):
                m.d.comb += [feed.put.eq(1), lines.next_a.eq(1)]
                m.d.sync += self._row.eq(self._row + 1)
                with m.If(self._row_last):
                    # The result has been the advanced pointer all the time.
                    m.d.comb += self._datapath.write.eq(self._decoded.post_rs1)
                    self._end(m)

    def _step(self, m):
        """A matrix step from SRAM: operand B has been asked for, then come A, and both again where a step is two."""
        lines, feed, decoded = self._lines, self._feed, self._decoded
        second = Signal()
        with m.State("STEP"):
            m.d.comb += [
                lines.wants.eq(1),
                lines.choice.eq(LineChoice.A),
                lines.enter_port.eq(1),
                self._counts.eq(~second | self._wide_a),
                lines.next_a.eq(self._wide_a & lines.granted),
                lines.next_b.eq(self._wide_b & lines.granted),
                feed.put.eq(lines.granted),
                self._datapath.number.eq(self._insn[20:25]),
                self._datapath.write.eq(decoded.post_rs2 & ~second & lines.granted),
            ]
            with m.If(second):
                m.d.comb += [feed.operation.half.eq(1), feed.operation.zero.eq(0)]
            with m.If(lines.granted):
                m.d.sync += second.eq(self._pair & ~second)
                with m.If(self._pair & ~second):
                    m.next = "SECOND_STEP"
                with m.Else():
                    self._end(m)
        with m.State("SECOND_STEP"):
            # An operand that has no line of its own for the second operation comes again.
            m.d.comb += [
                lines.wants.eq(~feed.waits),
                lines.choice.eq(LineChoice.B),
                lines.enter_port.eq(1),
                self._counts.eq(self._wide_b),
            ]
            with m.If(lines.granted):
                m.next = "STEP"

    def _enter_simd(self, m):
        """Vector operands of SIMD operations and of matrix steps, one register per cycle."""
        decoded, vectors, lines = self._decoded, self._vectors, self._lines
        rd = self._insn[7:12]
        with m.State("OPERAND_B"):
            with m.If(vectors.waits):
                self._give_way(m)
            with m.Else():
                m.d.comb += [lines.enter_vector.eq(1), vectors.address.eq(self._register_a)]
                m.next = "OPERAND_A"
        with m.State("OPERAND_A"):
            with m.If(vectors.waits & (decoded.reads_vs1 | decoded.transpose)):
                m.d.comb += vectors.address.eq(self._register_a)
                self._give_way(m)
            with m.Else():
                m.d.comb += [lines.enter_vector.eq(1), vectors.address.eq(rd)]
                with m.If(decoded.step):
                    m.d.comb += self._feed.put.eq(1)
                    self._end(m)
                with m.Else():
                    m.next = "ENTER"
        with m.State("ENTER"):
            m.d.comb += [vectors.address.eq(rd), self._draws.eq(1)]
            with m.If(vectors.waits & decoded.writes_vd):
                self._give_way(m)
            with m.Elif(~self._slots.simd_taken):
                with m.If(self._pair_number == self._last_pair):
                    m.d.comb += [self._simd_enters.eq(1), self._advances.eq(1)]
                    self._end(m)
                with m.Else():
                    m.d.comb += self._simd_collects.eq(1)
                    m.d.sync += self._pair_number.eq(self._pair_number + 1)
                    m.next = "NEXT_PAIR"
        with m.State("NEXT_PAIR"):
            # The number of the pair has changed; its second register is being read.
            m.next = "OPERAND_B"

    def _trap(self, m):
        datapath, registers, state = self._datapath, self._registers, self._state
        asynchronous = Signal()
        with m.State("MISALIGNED"):
            # The thread has been started, and fetch told; its pc is what is wrong.
            self._compute(m)
            m.d.comb += datapath.from_pc.eq(1)
            m.d.sync += [self._cause.eq(Cause.INSTRUCTION_MISALIGNED), asynchronous.eq(1)]
            m.next = "TRAP"
        with m.State("NETWORK_ERROR"):
            m.d.comb += [
                registers.go.eq(1),
                registers.kind.eq(NodeCommand.TRAP),
                registers.cause.eq(Cause.NETWORK_ERROR),
                registers.operand.eq(self._failed_address),
            ]
            m.d.sync += self._failed.eq(0)
            m.next = "HANDLER"
        with m.State("SHOW"):
            self._compute(m)
            m.d.comb += [
                datapath.from_pc.eq(self._shown == _Shown.PC),
                datapath.from_rs1.eq(self._shown == _Shown.RS1),
                datapath.rs2_parts.eq((self._shown == _Shown.RS2).replicate(4)),
                datapath.extra.eq(Mux(self._shown == _Shown.WORD, self._insn, 0)),
            ]
            m.next = "TRAP"
        with m.State("TRAP"):
            m.d.comb += [
                registers.go.eq(1),
                registers.kind.eq(NodeCommand.TRAP),
                self._trapped.eq(~asynchronous),
            ]
            m.d.sync += asynchronous.eq(0)
            m.next = "HANDLER"
        with m.State("HANDLER"):
            with m.If(registers.done):
                m.d.comb += datapath.source.eq(ResultSource.OUTSIDE)
                m.next = "HANDLE"
        with m.State("HANDLE"):
            with m.If(~datapath.zero & (self._waiting | (state == ThreadState.RUNNING))):
                m.d.sync += state.eq(ThreadState.RUNNING)
                m.d.comb += self._fetch.redirect.eq(1)
            with m.Else():
                m.d.sync += state.eq(ThreadState.TRAPPED)
            m.next = "READY"
