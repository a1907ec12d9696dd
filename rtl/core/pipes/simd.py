# SPDX-License-Identifier: Apache-2.0
"""The pipe of SIMD operations, and of predicates."""

from amaranth.hdl import Module, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from golden.config import NodeConfig
from golden.isa import INSTRUCTIONS
from rtl.core.decoder import TRANSPOSE_OPERATIONS, transpose_group
from rtl.core.pipes.bundles import commit, enter_x, execution_members, pipe_members
from rtl.core.result_slots import ResultSlots
from rtl.core.vector_registers import RegisterNumber
from rtl.simd.timing import has_one_lane

__all__ = ["SimdNames", "SimdOperands", "SimdPipe"]

_NAMES = (
    "transpose", "reads_vs1", "reads_vs2", "writes_vd", "reads_pm", "reads_ps1", "reads_ps2", "writes_pd",
)  # fmt: skip
_MODES = ("simd", "predicate", "two_passes", "iterative", "stochastic", "draws_twice")


class SimdNames(data.StructLayout):
    """The word of an operation, and what of it names vector registers and predicates; bits are those of ``DecodedLayout``."""

    def __init__(self):
        super().__init__({"insn": 32, **dict.fromkeys(_NAMES, 1)})


class SimdOperands(data.StructLayout):
    """Its scalar operand, if it has one, and further bits of ``DecodedLayout``. ``order``: its number, if observed."""

    def __init__(self, observe: bool = False):
        super().__init__({"scalar": 64, **dict.fromkeys(_MODES, 1), **({"order": 64} if observe else {})})


class SimdPipe(wiring.Component):
    """Feeds the SIMD unit, which may be occupied; goes on reading the group of a transpose meanwhile. Nothing traps.

    Members
    -------
    Those of :func:`rtl.core.pipes.bundles.pipe_members`, those of :func:`rtl.core.pipes.bundles.execution_members` with
    :class:`SimdNames` and :class:`SimdOperands`, and
    reread : Out(1), reread_first, reread_second : Out(5)
        Transposes: read these registers of what executes next, as vs1 and vs2 of the SIMD unit.
    predicate : In(2 x line_bytes)
        The predicates that a predicate operation reads.
    valid, collect, row : Out; scalar : Out(64)
        SIMD unit, which takes everything else from the instruction that executes.
    result : In(8 * line_bytes)
        Its result.
    draw, draws_twice, advance : Out(1)
        Generators of random bits of the thread that executes.
    flags_valid : Out(1)
        The unit's flags are raised in the thread that ``vector_write`` or ``predicate_write`` names.
    pending : Out(threads)
        A SIMD operation of the thread executes, or its result is to come.
    vector_write, predicate_write : Out(RegisterNumber), predicate_data : Out(line_bytes)
        Writes of a vector register, with ``result``, and of a predicate.
    busy : Out(1)

    Parameters
    ----------
    config : NodeConfig
    observe : bool
        Have the member ``x_order``.
    """

    def __init__(self, config: NodeConfig, observe: bool = False):
        self.config = config
        self._observe = observe
        super().__init__(
            {
                **pipe_members(),
                **execution_members(SimdNames(), SimdOperands(observe), observe=observe),
                "reread": Out(1),
                "reread_first": Out(5),
                "reread_second": Out(5),
                "predicate": In(data.ArrayLayout(config.line_bytes, 2)),
                "valid": Out(1),
                "collect": Out(1),
                "row": Out(3),
                "scalar": Out(64),
                "result": In(8 * config.line_bytes),
                "draw": Out(1),
                "draws_twice": Out(1),
                "advance": Out(1),
                "flags_valid": Out(1),
                "pending": Out(config.threads),
                "vector_write": Out(RegisterNumber()),
                "predicate_write": Out(RegisterNumber()),
                "predicate_data": Out(config.line_bytes),
                "busy": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        config = self.config
        x = enter_x(m, self)
        decoded = x.entry.decoded
        m.d.comb += [
            self.x_good.eq(self.x_valid & ~self.killed),
            self.x_names.insn.eq(x.entry.insn),
            *(self.x_names[name].eq(decoded[name]) for name in _NAMES),
            *(self.x_operands[mode].eq(decoded[mode]) for mode in _MODES),
            self.x_operands.scalar.eq((x.rs1 & decoded.reads_rs1.replicate(64)) | (x.rs2 & decoded.reads_rs2.replicate(64))),
            *commit(self, self.first & ~self.killed, 0, 0, 0),
        ]
        if self._observe:
            m.d.comb += self.x_operands.order.eq(self.x_order)
        if not config.vector_queue:
            m.d.comb += self.stall.eq(self.x_good & ~self.done)

        # -- what executes -----------------------------------------------------------------------------------------
        names, modes = self.names, self.operands
        insn = names.insn
        funct3, rd, rs1 = insn[12:15], insn[7:12], insn[15:20]
        m.submodules.slots = slots = ResultSlots(config)
        group_bits = ceil_log2(max(transpose_group(config, bits) for bits in TRANSPOSE_OPERATIONS))
        pairs_after_first, row = Signal(3), Signal(3)
        with m.If(names.transpose), m.Switch(insn[25:29]):
            for bits, operation in TRANSPOSE_OPERATIONS.items():
                with m.Case(operation):
                    m.d.comb += pairs_after_first.eq((transpose_group(config, bits) + 1) // 2 - 1)
        next_pair = Signal(max(1, group_bits))
        last_pair, enters, combines = Signal(), Signal(), Signal()
        m.d.comb += [
            slots.tag.valid.eq(1),
            slots.tag.thread.eq(self.thread),
            slots.tag.number.eq(rd),
            slots.tag.predicate.eq(names.writes_pd),
            slots.two_passes.eq(modes.two_passes),
            slots.iterative.eq(modes.iterative),
            slots.operation.eq(insn[12:15] | insn[5] << 3),
            # Numbers of reductions start at 7, those of the other iterative operations end at 3.
            slots.reduces.eq(insn[22:24].any()),
            slots.function.eq(insn[20:22]),
            slots.permutes.eq(insn[5] & ((funct3 == 7) | ((funct3 == 6) & insn[27:29].any()))),
            last_pair.eq(row == pairs_after_first),
            next_pair.eq((row + 1) << 1),
            enters.eq(self.good & modes.simd & last_pair & ~slots.simd_taken),
            combines.eq(self.good & ~modes.simd & ~slots.short_taken),
            self.done.eq(enters | combines),
            self.valid.eq(enters),
            self.scalar.eq(modes.scalar),
            self.collect.eq(self.good & modes.simd & ~last_pair & ~(slots.simd_taken & has_one_lane(config))),
            self.row.eq(row),
            self.reread.eq(self.collect),
            # A group starts at a multiple of its size.
            self.reread_first.eq(rs1 | next_pair),
            self.reread_second.eq(rs1 | next_pair | 1),
            slots.enter_simd.eq(enters),
            slots.enter_pair.eq(self.collect),
            slots.enter_short.eq(combines),
            self.draw.eq(self.executes & modes.stochastic),
            self.draws_twice.eq(modes.draws_twice),
            self.advance.eq(enters),
        ]
        with m.If(enters):
            m.d.sync += row.eq(0)
        with m.Elif(self.collect):
            m.d.sync += row.eq(row + 1)

        # -- predicates --------------------------------------------------------------------------------------------
        logic, logic_in_m, logic_in_w = (
            Signal(config.line_bytes, name=name, reset_less=True) for name in ("combined", "combined_in_m", "combined_in_w")
        )
        left, right = self.predicate[0], self.predicate[1]
        operations = {"pand": left & right, "por": left | right, "pxor": left ^ right, "pandn": left & ~right}
        # The numbers of these differ in their low bits, and that of the move from a scalar register in another.
        with m.If(insn[27]):
            m.d.comb += logic.eq(modes.scalar)
        with m.Else(), m.Switch(insn[25:27]):
            for mnemonic, value in operations.items():
                with m.Case(INSTRUCTIONS[mnemonic].match >> 25 & 3):
                    m.d.comb += logic.eq(value)
        m.d.sync += [logic_in_m.eq(logic), logic_in_w.eq(logic_in_m)]

        # -- results -----------------------------------------------------------------------------------------------
        due = slots.due
        for write in (self.vector_write, self.predicate_write):
            m.d.comb += [write.number.eq(due.number), write.thread.eq(due.thread)]
        m.d.comb += [
            self.vector_write.valid.eq(due.valid & ~due.predicate),
            self.predicate_write.valid.eq(due.valid & due.predicate),
            self.flags_valid.eq(due.valid & due.simd),
            self.pending.eq(slots.simd_pending),
            self.busy.eq(self.executes | slots.busy),
        ]
        with m.If(due.simd):
            m.d.comb += self.predicate_data.eq(self.result[: config.line_bytes])
        with m.Else():
            m.d.comb += self.predicate_data.eq(logic_in_w)
        with m.If(self.executes & modes.simd):
            m.d.comb += self.pending.bit_select(self.thread, 1).eq(1)
        return m
