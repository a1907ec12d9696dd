# SPDX-License-Identifier: Apache-2.0
"""What a thread could issue in a cycle, by its own state: its oldest instructions, as far as nothing holds them back."""

from dataclasses import dataclass
from typing import ClassVar

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from golden.config import NodeConfig
from rtl.core.decoder import TRANSPOSE_OPERATIONS, is_list_start, transpose_group
from rtl.core.event_counts import StallLayout
from rtl.core.predicate_registers import PREDICATES
from rtl.frontend.entry import QueueEntry

__all__ = ["PIPES", "Grouping", "PipeKind", "QueueHazards", "ThreadHazards"]

#: The pipes. A plain integer operation goes to ``alu`` or to ``control``, whichever is free.
PIPES = ("alu", "control", "load", "store", "simd", "matrix")


class PipeKind(data.StructLayout):
    """The pipe that an instruction needs, one bit set; ``alu`` stands for both that execute plain integer operations."""

    def __init__(self):
        super().__init__(dict.fromkeys(PIPES, 1))


class QueueHazards(data.StructLayout):
    """What of a thread's vector and matrix instructions has not begun, and so holds back others that are younger.

    ``writes``, ``reads``: vector registers that SIMD operations will write, and those that they have yet to read;
    ``step_reads``: those that matrix steps have. ``predicates`` that SIMD operations will write. ``full``: the queue takes no
    further instruction; ``starved``: its oldest one waits for an operand. ``simd_waits``: SIMD operations have not begun.
    """

    def __init__(self):
        super().__init__(
            {
                **dict.fromkeys(("writes", "reads", "step_reads"), 32),
                "predicates": PREDICATES,
                "full": data.StructLayout({"simd": 1, "matrix": 1}),
                "starved": data.StructLayout({"simd": 1, "matrix": 1}),
                "simd_waits": 1,
            }
        )


class ThreadHazards(data.StructLayout):
    """What of a thread's instructions under way holds back others.

    ``scalars``, ``vectors``, ``predicates``: registers that wait for a result. ``accumulators_busy`` are not to be stored yet,
    ``accumulators_closed`` not to be operated on. ``reading``: an SRAM read of the thread has not been granted yet, or comes
    later. ``writing``: a write, likewise. ``gathering``: a gather is in X. ``held_operands``: an instruction in X still reads
    vector registers; with queues, ``queued.reads`` and ``queued.step_reads`` say which instead. ``occupying``: something stays in
    X, or behind it in a queue. ``simd_pending``: a SIMD operation may still raise flags.
    ``ungranted``: accesses to SRAM that wait for their grant, by pipe. ``loading``: the register of that one in the load pipe, a
    scalar or a vector.
    """

    def __init__(self, config: NodeConfig):
        super().__init__(
            {
                "scalars": 32,
                "vectors": 32,
                "predicates": PREDICATES,
                "accumulators_busy": config.accumulators,
                "accumulators_closed": config.accumulators,
                "reading": 1,
                "writing": 1,
                "gathering": 1,
                "held_operands": 1,
                "occupying": 1,
                "simd_pending": 1,
                "ungranted": data.StructLayout({"load": 1, "store": 1, "matrix": 1}),
                "loading": data.StructLayout({"scalar": 1, "vector": 1, "number": 5}),
                **({"queued": QueueHazards()} if config.vector_queue else {}),
            }
        )


@dataclass(frozen=True)
class _Slot:
    """Signals of one of the oldest instructions.

    ``free``: nothing under way holds it back. What does: ``for_operand``, ``for_accumulator`` among others, ``for_network``.
    ``there``: vector registers, predicates and accumulators that it operates on wait for nothing.
    ``reads``, ``writes``: SRAM. ``holds``: it may go on reading vector registers.
    """

    SIGNALS: ClassVar = (
        "free", "there", "for_operand", "for_accumulator", "for_network", "serial", "gather", "reads", "writes", "accumulator",
        "holds",
    )  # fmt: skip

    decoded: data.View
    insn: Signal
    free: Signal
    there: Signal
    for_operand: Signal
    for_accumulator: Signal
    for_network: Signal
    serial: Signal
    gather: Signal
    reads: Signal
    writes: Signal
    accumulator: Signal
    holds: Signal


def _touches_scalar(slot, register):
    """Whether an instruction reads or writes a scalar register."""
    decoded, insn = slot.decoded, slot.insn
    return (
        (decoded.reads_rs1 & (insn[15:20] == register))
        | (decoded.reads_rs2 & (insn[20:25] == register))
        | (decoded.writes_rd & (insn[7:12] == register))
    )


def _touches_vector(slot, register):
    """Whether an instruction reads or writes a vector register; a transpose, which reads its whole group, might read any."""
    decoded, insn = slot.decoded, slot.insn
    return (
        (decoded.reads_vs1 & ((insn[15:20] == register) | decoded.transpose))
        | (decoded.reads_vs2 & (insn[20:25] == register))
        | (decoded.writes_vd & (insn[7:12] == register))
    )


def _names_vector(slot, registers):
    """Whether one of the single vector registers that an instruction reads is among some."""
    decoded, insn = slot.decoded, slot.insn
    return (decoded.reads_vs1 & registers.bit_select(insn[15:20], 1)) | (decoded.reads_vs2 & registers.bit_select(insn[20:25], 1))


def _names_predicate(slot, predicates):
    """Whether an instruction reads or writes one of some predicates."""
    decoded, insn = slot.decoded, slot.insn
    return (
        (decoded.reads_pm & predicates.bit_select(insn[29:32], 1))
        | (decoded.reads_ps1 & predicates.bit_select(insn[15:18], 1))
        | (decoded.reads_ps2 & predicates.bit_select(insn[20:23], 1))
        | (decoded.writes_pd & predicates.bit_select(insn[7:10], 1))
    )


class Grouping(wiring.Component):
    """Hazards of one thread, without a register.

    An instruction is ``ready`` if it may be issued in this cycle provided that all older ones are. What the threads share (pipes,
    generators of random bits) is not looked at here.

    Program order within a thread is kept by these rules. A register that an older instruction will write is not read or written.
    A read of SRAM is issued when all older writes have been granted, a write or a request to the network when all older reads
    have been; one cycle never has both. Instructions that change what others depend on in other ways (CSRs, format descriptors,
    semaphores, ``fence.i``, ``halt``, traps on purpose) are issued alone, when nothing of the thread stays in X. A gather is
    issued last, and nothing else until it leaves X.

    Where the configuration has queues, SIMD, predicate and matrix operations do not wait here for vector registers, predicates
    and accumulators that are under way, but in their queue, as long as it is not full. For those that are in a queue, others wait
    here: who reads or writes what they will write, and who writes what they have yet to read. So whatever a queued instruction
    finds under way is older. A stochastic operation waits here for its operands, since it has the generators of random bits from
    its issue on.

    Members
    -------
    heads : In(issue_width x QueueEntry), valid : In(issue_width)
        The thread's oldest instructions.
    runs : In(1)
        The thread may issue at all.
    state : In(ThreadHazards)
    response_waiting : In(1)
        A read response waits, since a load has the vector registers' write port: no further load may claim it.
    network_room : In(1), and where the configuration has lists list_room : In(1)
    division_room : In(1)
        No division is under way.
    ready : Out(issue_width)
    there : Out(issue_width), if the configuration has queues
        A SIMD, predicate or matrix operation could execute at once, as far as vector registers, predicates and accumulators go.
    wants : Out(1)
        Nothing of the thread's own holds back its oldest instruction: it waits for nothing but what the threads share, which are
        pipes, generators of random bits, divider, rooms and the write port.
    kinds : Out(issue_width x PipeKind)
    stall : Out(StallLayout)
        Why nothing is issued in this cycle, if nothing is.
    """

    def __init__(self, config: NodeConfig):
        self.config = config
        width = config.issue_width
        lists = {"list_room": In(1)} if config.lists else {}
        queues = {"there": Out(width)} if config.vector_queue else {}
        super().__init__(
            {
                **lists,
                **queues,
                "heads": In(QueueEntry()).array(width),
                "valid": In(width),
                "runs": In(1),
                "state": In(ThreadHazards(config)),
                "response_waiting": In(1),
                "network_room": In(1),
                "division_room": In(1),
                "ready": Out(width),
                "wants": Out(1),
                "kinds": Out(data.ArrayLayout(PipeKind(), width)),
                "stall": Out(StallLayout()),
            }
        )

    def elaborate(self, platform):
        m = Module()
        slots = [self._slot(m, number) for number in range(self.config.issue_width)]
        for number, slot in enumerate(slots):
            before = slots[:number]
            together = ~Cat(self._conflict(older, slot) for older in before).any() if before else 1
            m.d.comb += self.ready[number].eq(self.valid[number] & self.runs & slot.free & together)
            if self.config.vector_queue:
                m.d.comb += self.there[number].eq(slot.there)
        m.d.comb += self.wants.eq(self.valid[0] & self.runs & ~slots[0].for_operand)
        self._explain(m, slots[0])
        return m

    def _explain(self, m, oldest):
        """The first cause that applies to the oldest instruction."""
        stall, kind, ungranted, loading = self.stall, self.kinds[0], self.state.ungranted, self.state.loading
        awaits_load = (loading.scalar & _touches_scalar(oldest, loading.number)) | (
            loading.vector & _touches_vector(oldest, loading.number)
        )
        matrix_taken = self.state.queued.full.matrix if self.config.vector_queue else 1
        for_bank = (
            (ungranted.load & (self.state.gathering | oldest.serial | oldest.writes | kind.load | awaits_load))
            | (ungranted.store & (oldest.serial | oldest.reads | kind.store | oldest.for_accumulator))
            | (ungranted.matrix & (oldest.serial | oldest.writes | (kind.matrix & matrix_taken)))
        )
        with m.If(~self.valid[0] | ~self.runs):
            m.d.comb += stall.fetch.eq(1)
        with m.Elif(oldest.for_network):
            m.d.comb += stall.credit.eq(1)
        with m.Elif(for_bank):
            m.d.comb += stall.bank.eq(1)
        with m.Elif(oldest.for_operand):
            m.d.comb += stall.operand.eq(1)
        with m.Else():
            m.d.comb += stall.structural.eq(1)

    def _slot(self, m, number):
        """Signals of one of the oldest instructions."""
        config, state = self.config, self.state
        head, kind = self.heads[number], self.kinds[number]
        decoded, insn = head.decoded, head.insn
        rd, rs1, rs2 = insn[7:12], insn[15:20], insn[20:25]
        remote = decoded.nwrite | decoded.nread | decoded.nsd
        slot = _Slot(decoded, insn, *(Signal(name=f"{name}{number}") for name in _Slot.SIGNALS))
        plain = decoded.writes_rd & ~(
            decoded.jal | decoded.jalr | decoded.csr | decoded.predicate | decoded.load | decoded.multiply | decoded.divide
        )
        m.d.comb += [
            kind.matrix.eq(decoded.matrix_slot),
            kind.load.eq(decoded.load | decoded.vector_load),
            kind.store.eq(decoded.store | decoded.vector_store | decoded.accumulator_store | remote),
            kind.simd.eq(decoded.simd | (decoded.predicate & decoded.writes_pd)),
            kind.alu.eq(plain),
            kind.control.eq(~(kind.matrix | kind.load | kind.store | kind.simd | plain)),
            slot.serial.eq(
                decoded.csr | decoded.setfmt | decoded.fence_i | decoded.mret | decoded.halt | decoded.swait | decoded.spost
                | decoded.ecall | decoded.ebreak
            ),
            slot.gather.eq(decoded.gather_stride | decoded.gather_index),
            slot.reads.eq(kind.load | decoded.step_memory | decoded.accumulator_load),
            slot.writes.eq(kind.store),
            slot.accumulator.eq(decoded.matrix_slot | decoded.accumulator_store),
            slot.holds.eq(decoded.transpose | decoded.step),
        ]  # fmt: skip

        waits_for_scalar = (
            (decoded.reads_rs1 & state.scalars.bit_select(rs1, 1))
            | (decoded.reads_rs2 & state.scalars.bit_select(rs2, 1))
            | (decoded.writes_rd & state.scalars.bit_select(rd, 1))
        )
        # The other registers of a transpose's group; they start at a multiple of the group's size.
        waits_for_group = Signal(name=f"waits_for_group{number}")
        with m.If(decoded.transpose), m.Switch(insn[25:29]):
            for bits, operation in TRANSPOSE_OPERATIONS.items():
                group = transpose_group(config, bits)
                with m.Case(operation):
                    m.d.comb += waits_for_group.eq(state.vectors.word_select(rs1[ceil_log2(group) :], group).any())
        accumulator = rd[: ceil_log2(config.accumulators)]
        closed = decoded.matrix_slot & state.accumulators_closed.bit_select(accumulator, 1)
        m.d.comb += slot.there.eq(
            ~(
                _names_vector(slot, state.vectors)
                | (decoded.writes_vd & state.vectors.bit_select(rd, 1))
                | waits_for_group
                | _names_predicate(slot, state.predicates)
                | closed
            )
        )
        busy_accumulator = decoded.accumulator_store & state.accumulators_busy.bit_select(accumulator, 1)
        no_room = 0
        if config.vector_queue:
            queued = state.queued
            behind = Signal(name=f"behind{number}")
            full = (kind.simd & queued.full.simd) | (kind.matrix & queued.full.matrix)
            starved = (kind.simd & queued.starved.simd) | (kind.matrix & queued.starved.matrix)
            with m.If(kind.simd):
                m.d.comb += behind.eq(
                    (decoded.writes_vd & queued.step_reads.bit_select(rd, 1))
                    | (decoded.stochastic & (queued.simd_waits | ~slot.there))
                )
            with m.Elif(kind.matrix):
                m.d.comb += behind.eq(_names_vector(slot, queued.writes))
            with m.Else():
                named = queued.writes | queued.reads | queued.step_reads
                m.d.comb += behind.eq(
                    ~slot.there
                    | _names_vector(slot, queued.writes)
                    | (decoded.writes_vd & named.bit_select(rd, 1))
                    | _names_predicate(slot, queued.predicates)
                )
            waits_for_vector = behind | (full & starved)
            no_room = full
            m.d.comb += slot.for_accumulator.eq(busy_accumulator)
        else:
            waits_for_vector = ~slot.there | (decoded.writes_vd & state.held_operands)
            m.d.comb += slot.for_accumulator.eq(busy_accumulator | closed)
        waits_for_memory = (slot.reads & state.writing) | (slot.writes & state.reading)
        waits_for_others = slot.serial & (state.occupying | state.reading | (decoded.csr & state.simd_pending))
        waits_for_divider = decoded.divide & ~self.division_room
        room = self.network_room
        if config.lists:
            room = Mux(decoded.nsd & is_list_start(insn), self.list_room, room)
        m.d.comb += [
            slot.for_network.eq((remote & ~room) | (decoded.vector_load & self.response_waiting)),
            slot.for_operand.eq(
                state.gathering | waits_for_scalar | waits_for_vector | slot.for_accumulator | waits_for_memory | waits_for_others
            ),
            slot.free.eq(~(slot.for_operand | waits_for_divider | no_room | slot.for_network)),
        ]
        return slot

    def _conflict(self, older, younger):
        """Whether two instructions may not be issued in one cycle."""
        mine, his = younger.decoded, older.decoded
        rd, older_rd = younger.insn[7:12], older.insn[7:12]
        scalar = (
            (his.writes_rd & older_rd.any() & _touches_scalar(younger, older_rd))
            | (his.post_rs1 & _touches_scalar(younger, older.insn[15:20]))
            | (his.post_rs2 & _touches_scalar(younger, older.insn[20:25]))
        )
        vector = his.writes_vd & _touches_vector(younger, older_rd)
        if self.config.vector_queue:
            # Operands of what is queued are read later.
            vector |= mine.writes_vd & his.simd & _touches_vector(older, rd)
        predicate = his.writes_pd & (mine.reads_pm | mine.reads_ps1 | mine.reads_ps2 | mine.writes_pd)
        return (
            scalar
            | vector
            | predicate
            | (older.holds & mine.writes_vd)
            | (older.accumulator & younger.accumulator & (rd == older_rd))
            | (older.reads & younger.writes)
            | (older.writes & younger.reads)
            | older.serial
            | younger.serial
            | older.gather
        )
