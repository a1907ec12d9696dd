# SPDX-License-Identifier: Apache-2.0
"""Issue: which thread's instruction enters which slot, with which operands."""

import contextlib

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from golden.config import NodeConfig
from rtl.core.bundles import IssueLayout, RetireLayout
from rtl.core.decoder import TRANSPOSE_OPERATIONS, transpose_group
from rtl.core.fetch import FetchedLayout
from rtl.core.predicate_registers import PREDICATES
from rtl.core.registered_grant import registers_grants
from rtl.core.scalar_registers import ScalarRegisters, ScalarWrites
from rtl.network.arbiter import RoundRobin

__all__ = ["Issue", "SlotView"]


class SlotView(data.StructLayout):
    """What issue sees of a slot: the instruction in X and what it writes, and the one in M."""

    def __init__(self):
        super().__init__({"x_valid": 1, "x": IssueLayout(), "stall": 1, "x_writes": ScalarWrites(), "retire": RetireLayout()})


class Issue(wiring.Component):
    """Hazards, arbitration and scalar operands.

    A thread's head is ready if the thread runs, the thread's instruction in X is not stalled there, and nothing that it needs
    is still on its way. Each slot takes one ready head per cycle, round-robin over threads. Scalar operands come from the
    registers or, younger first, from the instructions of the thread in X and M. Where grants of SRAM are registered, that is too
    dear: who needs pointers that a matrix operation advances waits while it is in X, and who needs what any other instruction
    has in M waits until it is written.

    Members
    -------
    heads_valid : In(threads), heads : In(threads x FetchedLayout)
    run, hold, kill : In(threads)
        ``hold`` and ``kill`` keep a thread from issuing in this cycle; ``kill`` may come late.
    take : Out(threads)
        The head has been issued.
    scalar, matrix : In(SlotView)
    scalar_valid, scalar_issue, matrix_valid, matrix_issue : Out
        To the slots.
    scalar_chosen : Out(1)
        An instruction goes to the scalar/vector slot if it is not killed.
    vector_busy : In(threads x 32), predicate_busy : In(threads x 8)
    accumulators_busy, accumulators_closed : In(threads * accumulators)
        Not to be stored yet; not to be operated on yet.
    reads_later : In(threads)
        A matrix step of the thread still reads SRAM: nothing goes to the scalar/vector slot.
    simd_pending : In(threads)
        A SIMD operation may still raise flags: CSR instructions wait.
    response_waiting : In(1)
        A read response waits for the vector registers' write port: nothing else may claim it.
    network_room : In(1)
    clear : In(1), clear_number : In(4)
        Clear these registers of all threads, as ScalarRegisters do, while nothing is in a slot.
    """

    def __init__(self, config: NodeConfig):
        self.config = config
        threads = config.threads
        super().__init__(
            {
                "heads_valid": In(threads),
                "heads": In(data.ArrayLayout(FetchedLayout(), threads)),
                "run": In(threads),
                "hold": In(threads),
                "kill": In(threads),
                "take": Out(threads),
                "scalar": In(SlotView()),
                "matrix": In(SlotView()),
                "scalar_chosen": Out(1),
                "scalar_valid": Out(1),
                "scalar_issue": Out(IssueLayout()),
                "matrix_valid": Out(1),
                "matrix_issue": Out(IssueLayout()),
                "vector_busy": In(data.ArrayLayout(32, threads)),
                "predicate_busy": In(data.ArrayLayout(PREDICATES, threads)),
                "accumulators_busy": In(threads * config.accumulators),
                "accumulators_closed": In(threads * config.accumulators),
                "reads_later": In(threads),
                "simd_pending": In(threads),
                "response_waiting": In(1),
                "network_room": In(1),
                "clear": In(1),
                "clear_number": In(4),
            }
        )

    def elaborate(self, platform):
        m = Module()
        config = self.config
        threads = config.threads
        scalar, matrix = self.scalar, self.matrix
        accumulators = config.accumulators
        accumulator_bits = ceil_log2(accumulators)

        ready_scalar, ready_matrix = Signal(threads), Signal(threads)
        operands = []
        for thread in range(threads):
            head = self.heads[thread]
            decoded, insn = head.decoded, head.insn
            rd, rs1, rs2 = insn[7:12], insn[15:20], insn[20:25]
            mine_scalar = scalar.x_valid & (scalar.x.thread == thread)
            mine_matrix = matrix.x_valid & (matrix.x.thread == thread)

            # Scalar operands, with what the thread's instructions in X and M are about to write.
            m.submodules[f"registers{thread}"] = registers = ScalarRegisters()
            in_x, in_m = Signal(ScalarWrites(), name=f"in_x{thread}"), Signal(ScalarWrites(), name=f"in_m{thread}")
            with m.If(mine_scalar):
                m.d.comb += in_x.eq(scalar.x_writes)
            waits_for_pointer = 0
            late = registers_grants(config)
            if not late:
                with m.Elif(mine_matrix):
                    m.d.comb += in_x.eq(matrix.x_writes)
            else:
                advancing = matrix.x.fetched
                for advances, pointer in (
                    (advancing.decoded.post_rs1, advancing.insn[15:20]),
                    (advancing.decoded.post_rs2, advancing.insn[20:25]),
                ):
                    needed = (decoded.reads_rs1 & (rs1 == pointer)) | (decoded.reads_rs2 & (rs2 == pointer))
                    waits_for_pointer |= mine_matrix & advances & needed
            retires_scalar = scalar.retire.valid & (scalar.retire.thread == thread)
            with m.If(retires_scalar):
                m.d.comb += in_m.eq(scalar.retire.writes)
            with m.Elif(matrix.retire.valid & (matrix.retire.thread == thread)):
                m.d.comb += in_m.eq(matrix.retire.writes)
            m.d.comb += [
                registers.writes.eq(in_m),
                registers.clear.eq(self.clear),
                registers.clear_number.eq(self.clear_number),
            ]
            values = []
            waits_for_write = 0
            for port, (number, needed) in enumerate(((rs1, decoded.reads_rs1), (rs2, decoded.reads_rs2))):
                value = Signal(64, name=f"operand{thread}_{port}")
                m.d.comb += [registers.address[port].eq(number), value.eq(registers.read[port])]
                odd = number[0]
                from_m, from_x = (writes.valid[odd] & (number[1:] == writes.number[odd]) for writes in (in_m, in_x))
                if late:
                    waits_for_write |= needed & from_m & ~from_x & retires_scalar
                with m.If(from_m):
                    m.d.comb += value.eq((matrix.retire.writes if late else in_m).data[odd])
                with m.If(from_x):
                    m.d.comb += value.eq(in_x.data[odd])
                values.append(value)
            operands.append(values)

            loading = scalar.x.fetched.insn[7:12]
            waits_for_load = (
                mine_scalar
                & scalar.x.fetched.decoded.load
                & loading.any()
                & ((decoded.reads_rs1 & (rs1 == loading)) | (decoded.reads_rs2 & (rs2 == loading)))
            )
            busy = self.vector_busy[thread]
            waits_for_vector = (
                (decoded.reads_vs1 & busy.bit_select(rs1, 1))
                | (decoded.reads_vs2 & busy.bit_select(rs2, 1))
                | (decoded.writes_vd & busy.bit_select(rd, 1))
            )
            # The other registers of a transpose's group; they start at a multiple of the group's size.
            waits_for_group = Signal(name=f"waits_for_group{thread}")
            with m.If(decoded.transpose), m.Switch(insn[25:29]):
                for bits, operation in TRANSPOSE_OPERATIONS.items():
                    group = transpose_group(config, bits)
                    with m.Case(operation):
                        m.d.comb += waits_for_group.eq(busy.word_select(rs1[ceil_log2(group) :], group).any())
            predicate_busy = self.predicate_busy[thread]
            waits_for_predicate = (
                (decoded.reads_pm & predicate_busy.bit_select(insn[29:32], 1))
                | (decoded.reads_ps1 & predicate_busy.bit_select(rs1[:3], 1))
                | (decoded.reads_ps2 & predicate_busy.bit_select(rs2[:3], 1))
                | (decoded.writes_pd & predicate_busy.bit_select(rd[:3], 1))
            )
            mine = slice(thread * accumulators, (thread + 1) * accumulators)
            accumulator = rd[:accumulator_bits]
            waits_for_accumulator = decoded.accumulator_store & self.accumulators_busy[mine].bit_select(accumulator, 1)
            follows_too_soon = self.accumulators_closed[mine].bit_select(accumulator, 1)
            waits_for_flags = decoded.csr & self.simd_pending[thread]
            remote = decoded.nwrite | decoded.nread | decoded.nsd
            claims_write_port = (decoded.writes_vd & ~decoded.nread) | decoded.writes_pd
            free = Signal(name=f"free{thread}")
            m.d.comb += free.eq(
                self.heads_valid[thread]
                & self.run[thread]
                & ~self.hold[thread]
                & ~(mine_scalar & scalar.stall)
                & ~(mine_matrix & matrix.stall)
                & ~waits_for_load
                & ~waits_for_pointer
                & ~waits_for_write
                & ~waits_for_vector
                & ~waits_for_predicate
                & ~waits_for_group
            )
            m.d.comb += [
                ready_scalar[thread].eq(
                    free
                    & ~decoded.matrix_slot
                    & ~self.reads_later[thread]
                    & ~waits_for_accumulator
                    & ~waits_for_flags
                    & ~(remote & ~self.network_room)
                    & ~(claims_write_port & self.response_waiting)
                ),
                ready_matrix[thread].eq(free & decoded.matrix_slot & ~follows_too_soon),
            ]

        taken = []
        for name, ready, view, valid, issue in (
            ("scalar", ready_scalar, scalar, self.scalar_valid, self.scalar_issue),
            ("matrix", ready_matrix, matrix, self.matrix_valid, self.matrix_issue),
        ):
            m.submodules[f"{name}_arbiter"] = arbiter = RoundRobin(threads)
            chosen = Signal(threads, name=f"{name}_chosen")
            m.d.comb += [
                arbiter.request.eq(ready),
                arbiter.serve.eq(~view.stall),
                chosen.eq(Mux(view.stall, 0, arbiter.grant)),
                valid.eq((chosen & ~self.kill).any()),
            ]
            for thread in range(threads):
                # Nobody looks at what is not valid, so the first thread's goes there where none is chosen.
                with m.If(arbiter.grant[thread]) if thread else contextlib.nullcontext():
                    m.d.comb += [
                        issue.thread.eq(thread),
                        issue.fetched.eq(self.heads[thread]),
                        issue.rs1.eq(operands[thread][0]),
                        issue.rs2.eq(operands[thread][1]),
                    ]
            taken.append(chosen)
        m.d.comb += [self.take.eq(taken[0] | taken[1]), self.scalar_chosen.eq(taken[0].any())]
        return m
