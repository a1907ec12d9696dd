# SPDX-License-Identifier: Apache-2.0
"""What a thread's queues of vector instructions hold back at issue, and what holds back the oldest instruction of each."""

from amaranth.hdl import C, Module, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from golden.config import NodeConfig
from rtl.core.decoder import TRANSPOSE_OPERATIONS, transpose_group
from rtl.core.grouping import QueueHazards
from rtl.core.pipes.matrix import MatrixNames
from rtl.core.pipes.simd import SimdNames
from rtl.core.predicate_registers import PREDICATES

__all__ = ["QueuedLayout", "ThreadQueueHazards"]

_REGISTERS = 32


class QueuedLayout(data.StructLayout):
    """A thread's part of a queue: ``unstarted`` instructions, of which the one with names ``oldest`` is the oldest if it is
    ``waiting``; and the one that ``executes`` in this cycle, and will in the next."""

    def __init__(self, config: NodeConfig, names: data.StructLayout):
        each = config.vector_queue + 1
        super().__init__(
            {
                "unstarted": each,
                "unstarted_names": data.ArrayLayout(names, each),
                "waiting": 1,
                "oldest": names,
                "executes": 1,
                "executing": names,
                "full": 1,
            }
        )


class ThreadQueueHazards(wiring.Component):
    """Hazards between the queues of one thread and all else of it, without a register.

    Whatever is under way and names a register of a queued instruction is older than that: issue lets nothing through that would
    change this (:class:`rtl.core.grouping.Grouping`). So the oldest instruction of a queue waits until the registers that it
    reads and writes wait for no result.

    Members
    -------
    simd, matrix : In(QueuedLayout)
    vectors : In(32), predicates : In(8)
        Registers that wait for a result of something that has begun.
    accumulators_closed : In(accumulators)
        Nothing may be begun on these.
    simd_ready, matrix_ready : Out(1)
        The oldest instruction may begin.
    accumulators : Out(accumulators)
        Those that matrix instructions change which have not begun.
    reading : Out(1)
        There is a matrix instruction with reads of SRAM that have not been granted.
    hazards : Out(QueueHazards)
    """

    def __init__(self, config: NodeConfig):
        self.config = config
        super().__init__(
            {
                "simd": In(QueuedLayout(config, SimdNames())),
                "matrix": In(QueuedLayout(config, MatrixNames())),
                "vectors": In(_REGISTERS),
                "predicates": In(PREDICATES),
                "accumulators_closed": In(config.accumulators),
                "simd_ready": Out(1),
                "matrix_ready": Out(1),
                "accumulators": Out(config.accumulators),
                "reading": Out(1),
                "hazards": Out(QueueHazards()),
            }
        )

    def elaborate(self, platform):
        m = Module()
        simd, matrix, hazards = self.simd, self.matrix, self.hazards
        oldest, insn = simd.oldest, simd.oldest.insn
        group = self._group(m, oldest, "oldest_group")
        m.d.comb += self.simd_ready.eq(
            ~(
                (oldest.reads_vs1 & (self.vectors & group).any())
                | (oldest.reads_vs2 & self.vectors.bit_select(insn[20:25], 1))
                | (oldest.writes_vd & self.vectors.bit_select(insn[7:12], 1))
                | (oldest.reads_pm & self.predicates.bit_select(insn[29:32], 1))
                | (oldest.reads_ps1 & self.predicates.bit_select(insn[15:18], 1))
                | (oldest.reads_ps2 & self.predicates.bit_select(insn[20:23], 1))
                | (oldest.writes_pd & self.predicates.bit_select(insn[7:10], 1))
            )
        )
        first = matrix.oldest
        m.d.comb += [
            self.matrix_ready.eq(
                ~(
                    (first.step & (self.vectors.bit_select(first.vs1, 1) | self.vectors.bit_select(first.vs2, 1)))
                    | self.accumulators_closed.bit_select(first.accumulator, 1)
                )
            ),
            hazards.full.simd.eq(simd.full),
            hazards.full.matrix.eq(matrix.full),
            hazards.starved.simd.eq(simd.waiting & ~self.simd_ready),
            hazards.starved.matrix.eq(matrix.waiting & ~self.matrix_ready),
            hazards.simd_waits.eq(simd.unstarted.any()),
        ]

        # Where nothing waits, simulators have nothing to work out.
        writes, reads, predicates, step_reads, reading = C(0), C(0), C(0), C(0), C(0)
        accumulators = C(0)
        for number, names in enumerate(simd.unstarted_names):
            valid, word = simd.unstarted[number], names.insn
            read = self._group(m, names, f"group{number}") & names.reads_vs1.replicate(_REGISTERS)
            read |= names.reads_vs2 << word[20:25]
            reads |= read & valid.replicate(_REGISTERS)
            writes |= (valid & names.writes_vd) << word[7:12]
            predicates |= (valid & names.writes_pd) << word[7:10]
        transposed = self._group(m, simd.executing, "transposed")
        for number, names in enumerate(matrix.unstarted_names):
            valid = matrix.unstarted[number]
            step_reads |= (valid & names.step) << names.vs1 | (valid & names.step) << names.vs2
            accumulators |= valid << names.accumulator
            reading |= valid & names.memory
        steps = matrix.executes & matrix.executing.step
        with m.If(simd.unstarted.any()):
            m.d.comb += [hazards.writes.eq(writes), hazards.predicates.eq(predicates & ~1)]
        with m.If(simd.unstarted.any() | simd.executes):
            still = (simd.executes & simd.executing.transpose).replicate(_REGISTERS)
            m.d.comb += hazards.reads.eq(reads | (transposed & still))
        with m.If(matrix.unstarted.any() | matrix.executes):
            m.d.comb += [
                hazards.step_reads.eq(step_reads | steps << matrix.executing.vs1 | steps << matrix.executing.vs2),
                self.accumulators.eq(accumulators),
                self.reading.eq(reading | (matrix.executes & matrix.executing.memory)),
            ]
        return m

    def _group(self, m, names, label):
        """Registers from vs1 on that an operation reads: one, or a transpose's group, which starts at a multiple of its size."""
        first, registers = names.insn[15:20], Signal(_REGISTERS, name=label)
        m.d.comb += registers.eq(1 << first)
        with m.If(names.transpose), m.Switch(names.insn[25:29]):
            for bits, operation in TRANSPOSE_OPERATIONS.items():
                size = transpose_group(self.config, bits)
                with m.Case(operation):
                    m.d.comb += registers.eq(((1 << size) - 1) << (first[ceil_log2(size) :] << ceil_log2(size)))
        return registers
