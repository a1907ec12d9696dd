# SPDX-License-Identifier: Apache-2.0
"""What a thread could issue in a cycle, by its own state: its oldest instructions, as far as nothing holds them back."""

from dataclasses import dataclass
from typing import ClassVar

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from golden.config import NodeConfig
from rtl.core.decoder import TRANSPOSE_OPERATIONS, transpose_group
from rtl.core.predicate_registers import PREDICATES
from rtl.frontend.entry import QueueEntry

__all__ = ["PIPES", "Grouping", "PipeKind", "ThreadState"]

#: The pipes. A plain integer operation goes to ``alu`` or to ``control``, whichever is free.
PIPES = ("alu", "control", "load", "store", "simd", "matrix")


class PipeKind(data.StructLayout):
    """The pipe that an instruction needs, one bit set; ``alu`` stands for both that execute plain integer operations."""

    def __init__(self):
        super().__init__(dict.fromkeys(PIPES, 1))


class ThreadState(data.StructLayout):
    """What of a thread's instructions under way holds back others.

    ``scalars``, ``vectors``, ``predicates``: registers that wait for a result. ``accumulators_busy`` are not to be stored yet,
    ``accumulators_closed`` not to be operated on. ``reading``: an SRAM read of the thread has not been granted yet, or comes
    later. ``writing``: a write, likewise. ``gathering``: a gather is in X. ``held_operands``: an instruction in X still reads
    vector registers. ``occupying``: something stays in X. ``simd_pending``: a SIMD operation may still raise flags.
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
            }
        )


@dataclass(frozen=True)
class _Slot:
    """Signals of one of the oldest instructions.

    ``free``: nothing under way holds it back. ``reads``, ``writes``: SRAM. ``holds``: it may go on reading vector registers.
    """

    SIGNALS: ClassVar = ("free", "serial", "gather", "reads", "writes", "accumulator", "holds")

    decoded: data.View
    insn: Signal
    free: Signal
    serial: Signal
    gather: Signal
    reads: Signal
    writes: Signal
    accumulator: Signal
    holds: Signal


class Grouping(wiring.Component):
    """Hazards of one thread, without a register.

    An instruction is ``ready`` if it may be issued in this cycle provided that all older ones are. What the threads share (pipes,
    generators of random bits) is not looked at here.

    Program order within a thread is kept by these rules. A register that an older instruction will write is not read or written.
    A read of SRAM is issued when all older writes have been granted, a write or a request to the network when all older reads
    have been; one cycle never has both. Instructions that change what others depend on in other ways (CSRs, format descriptors,
    semaphores, ``fence.i``, ``halt``, traps on purpose) are issued alone, when nothing of the thread stays in X. A gather is
    issued last, and nothing else until it leaves X.

    Members
    -------
    heads : In(issue_width x QueueEntry), valid : In(issue_width)
        The thread's oldest instructions.
    runs : In(1)
        The thread may issue at all.
    state : In(ThreadState)
    response_waiting : In(1)
        A read response waits for the vector registers' write port: no load may claim it.
    network_room : In(1)
    division_room : In(1)
        No division is under way.
    ready : Out(issue_width)
    kinds : Out(issue_width x PipeKind)
    """

    def __init__(self, config: NodeConfig):
        self.config = config
        width = config.issue_width
        super().__init__(
            {
                "heads": In(QueueEntry()).array(width),
                "valid": In(width),
                "runs": In(1),
                "state": In(ThreadState(config)),
                "response_waiting": In(1),
                "network_room": In(1),
                "division_room": In(1),
                "ready": Out(width),
                "kinds": Out(data.ArrayLayout(PipeKind(), width)),
            }
        )

    def elaborate(self, platform):
        m = Module()
        slots = [self._slot(m, number) for number in range(self.config.issue_width)]
        for number, slot in enumerate(slots):
            before = slots[:number]
            together = ~Cat(self._conflict(older, slot) for older in before).any() if before else 1
            m.d.comb += self.ready[number].eq(self.valid[number] & self.runs & slot.free & together)
        return m

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
        waits_for_vector = (
            (decoded.reads_vs1 & state.vectors.bit_select(rs1, 1))
            | (decoded.reads_vs2 & state.vectors.bit_select(rs2, 1))
            | (decoded.writes_vd & (state.vectors.bit_select(rd, 1) | state.held_operands))
        )
        # The other registers of a transpose's group; they start at a multiple of the group's size.
        waits_for_group = Signal(name=f"waits_for_group{number}")
        with m.If(decoded.transpose), m.Switch(insn[25:29]):
            for bits, operation in TRANSPOSE_OPERATIONS.items():
                group = transpose_group(config, bits)
                with m.Case(operation):
                    m.d.comb += waits_for_group.eq(state.vectors.word_select(rs1[ceil_log2(group) :], group).any())
        waits_for_predicate = (
            (decoded.reads_pm & state.predicates.bit_select(insn[29:32], 1))
            | (decoded.reads_ps1 & state.predicates.bit_select(rs1[:3], 1))
            | (decoded.reads_ps2 & state.predicates.bit_select(rs2[:3], 1))
            | (decoded.writes_pd & state.predicates.bit_select(rd[:3], 1))
        )
        accumulator = rd[: ceil_log2(config.accumulators)]
        waits_for_accumulator = (decoded.accumulator_store & state.accumulators_busy.bit_select(accumulator, 1)) | (
            decoded.matrix_slot & state.accumulators_closed.bit_select(accumulator, 1)
        )
        waits_for_memory = (slot.reads & state.writing) | (slot.writes & state.reading)
        waits_for_others = slot.serial & (state.occupying | state.reading | (decoded.csr & state.simd_pending))
        waits_for_divider = decoded.divide & ~self.division_room
        waits_for_network = (remote & ~self.network_room) | (decoded.vector_load & self.response_waiting)
        m.d.comb += slot.free.eq(
            ~(
                state.gathering
                | waits_for_scalar
                | waits_for_vector
                | waits_for_group
                | waits_for_predicate
                | waits_for_accumulator
                | waits_for_memory
                | waits_for_others
                | waits_for_divider
                | waits_for_network
            )
        )
        return slot

    def _conflict(self, older, younger):
        """Whether two instructions may not be issued in one cycle."""
        mine, his = younger.decoded, older.decoded
        rd, rs1, rs2 = younger.insn[7:12], younger.insn[15:20], younger.insn[20:25]
        older_rd = older.insn[7:12]

        def touches(register):
            return (
                (mine.reads_rs1 & (rs1 == register)) | (mine.reads_rs2 & (rs2 == register)) | (mine.writes_rd & (rd == register))
            )

        scalar = (
            (his.writes_rd & older_rd.any() & touches(older_rd))
            | (his.post_rs1 & touches(older.insn[15:20]))
            | (his.post_rs2 & touches(older.insn[20:25]))
        )
        # A transpose reads its whole group.
        vector = his.writes_vd & (
            (mine.reads_vs1 & ((rs1 == older_rd) | mine.transpose))
            | (mine.reads_vs2 & (rs2 == older_rd))
            | (mine.writes_vd & (rd == older_rd))
        )
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
