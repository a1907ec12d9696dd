# SPDX-License-Identifier: Apache-2.0
"""What a sequential core is made of, and what its states have to do with."""

from amaranth.hdl import Signal
from amaranth.lib import enum

from golden.layout import GLOBAL_ADDRESS_BITS, MAX_UNHANDLED_ERRORS, ThreadState
from rtl.core.csr import FLAG_BITS
from rtl.core.format_table import FormatLayout, FormatTable
from rtl.core.predicate_registers import PredicateRegisters
from rtl.core.random_lanes import RANDOM_BITS
from rtl.core.result_slots import ResultSlots
from rtl.core.semaphores import Semaphores
from rtl.sequential.checks import AccessChecks
from rtl.sequential.debug import SequentialDebug
from rtl.sequential.fetch import SequentialFetch
from rtl.sequential.matrix_feed import MatrixFeed
from rtl.sequential.multiply_divide import MultiplyDivide
from rtl.sequential.node_registers import NodeRegisters
from rtl.sequential.operands import OperandLines
from rtl.sequential.outgoing import Outgoing
from rtl.sequential.scalar import ScalarDatapath
from rtl.sequential.vectors import VectorFile

__all__ = ["Parts", "Shown"]


class Shown(enum.Enum, shape=3):
    """What a trap leaves in mtval."""

    NOTHING = 0
    PC = 1
    WORD = 2
    RS1 = 3
    RS2 = 4


class Parts:
    """Components of a sequential core, and the signals between its states and everything that does not depend on them.

    Parameters
    ----------
    core : SequentialCore
    """

    def __init__(self, core):
        config = core.config
        line = 8 * config.line_bytes
        self.config = config
        self.network, self.store, self.retirement = core.network, core.store, core.retirement[0]

        self.fetch = SequentialFetch(config)
        self.datapath = ScalarDatapath(config.line_bytes)
        self.multiply_divide = MultiplyDivide()
        self.checks = AccessChecks(config)
        self.lines = OperandLines(config)
        self.outgoing = Outgoing(config)
        self.vectors = VectorFile(config)
        self.predicates = PredicateRegisters(config)
        self.formats = FormatTable(config)
        self.semaphores = Semaphores(config)
        self.registers = NodeRegisters(config)
        self.debug = SequentialDebug()
        self.slots = ResultSlots(config)
        self.feed = MatrixFeed(config)
        self.components = (
            "fetch", "datapath", "multiply_divide", "checks", "lines", "outgoing", "vectors", "predicates", "formats",
            "semaphores", "registers", "debug", "slots", "feed",
        )  # fmt: skip

        # The instruction, and the result of its scalar side.
        self.insn, self.decoded, self.result = self.fetch.insn, self.fetch.decoded, self.datapath.result
        # The register that a result goes to; jumps outlive their instruction register.
        self.rd = Signal(5, reset_less=True)

        # A bit above those of the result: of what a division has left over, or of a sum that goes into a product.
        self.beyond = Signal(reset_less=True)

        # The thread; whether a semaphore holds what it waits for; what waits makes way for a start, a stop and a network error.
        self.state = Signal(ThreadState, init=ThreadState.HALTED)
        self.waiting, self.covered, self.disturbed = Signal(), Signal(), Signal()
        # It has been at the beginning of an instruction in the cycle before, too, for an event that waits; nothing that stops it
        # can have come since.
        self.rests = Signal()
        self.failed, self.failed_address = Signal(), Signal(GLOBAL_ADDRESS_BITS, reset_less=True)
        # A network error was taken, and no mret or start has come since: the next one waits for it. One is pending that does not.
        self.handles_error, self.pending = Signal(), Signal()
        self.takes_error, self.unhandled_errors = Signal(), Signal(range(MAX_UNHANDLED_ERRORS + 1))
        self.clearing = Signal(init=1)
        # A trap: why, what it shows, and that no instruction has taken it.
        self.cause, self.shown, self.asynchronous = Signal(6), Signal(Shown), Signal()

        # Strobes of the states: the instruction leaves the instruction register; it retires, or ends if it is injected; it has
        # trapped.
        self.finish, self.retire, self.trapped = Signal(), Signal(), Signal()

        # Formats: that of an accumulator store with the logarithm of its bytes, those of a matrix step. The table is read once
        # per cycle: for A's format where ``reads_first`` is set, for B's, its neighbour, from then on, as a register tells.
        self.format, self.format_a, self.format_b, self.first_format = (
            Signal(FormatLayout(), name=name) for name in ("format", "format_a", "format_b", "first_format")
        )
        self.reads_first, self.reads_second, self.sets_format = Signal(), Signal(), Signal()
        self.scale = Signal(2)
        # A step with named formats is two operations; an operand in BF16 fills two lines then.
        self.pair, self.wide_a, self.wide_b, self.no_operand = Signal(), Signal(), Signal(), Signal()

        # Vector registers: the one of operand B is read first, then that of A. Groups of transposes come pair by pair.
        self.register_a, self.register_b = Signal(5), Signal(5)
        self.pair_number, self.last_pair = Signal(3), Signal(3)
        # The granule of a gather. A line that the core reads counts, but for those of scalars.
        self.granule, self.counts = Signal(3), Signal()
        # Strobes: line A goes into rd; the predicate operation takes effect.
        self.writes_line, self.combines = Signal(), Signal()

        # SIMD unit: strobes of entry, what waits for its results, and generators that advance.
        self.simd_enters, self.simd_collects, self.simd_waits = Signal(), Signal(), Signal()
        self.advances = Signal()
        self.simd_result, self.simd_flags = Signal(line), Signal(FLAG_BITS)
        self.random = [Signal(RANDOM_BITS * config.fp32_lanes, name=f"{step}_random") for step in ("first", "second")]

        # Accumulators: the row that is loaded or stored, what the array shows of it, and how that converts.
        self.row = Signal(range(config.accumulator_lines))
        self.row_last = self.row == config.accumulator_lines - 1
        self.accumulator_data, self.converted = Signal(line), Signal(line)
        self.converts, self.converted_now, self.convert_flags = Signal(), Signal(), Signal(FLAG_BITS)
