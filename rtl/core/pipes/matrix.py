# SPDX-License-Identifier: Apache-2.0
"""The pipe of matrix operations, and the operand registers of the matrix array."""

from amaranth.hdl import Array, Cat, Module, Mux, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from golden.config import NodeConfig
from golden.layout import OFFSET_BITS, Cause, FormatKind
from rtl.core.addresses import in_sram, line_of
from rtl.core.format_table import FormatLayout
from rtl.core.pipes.bundles import commit, enter_x, execution_members, pipe_members, write_scalar
from rtl.interfaces import ReadPort, line_address_bits
from rtl.matrix.array import MatrixOp
from rtl.matrix.timing import matrix_latency_cycles

__all__ = ["DueLayout", "MatrixNames", "MatrixOperands", "MatrixPipe"]


class MatrixNames(data.StructLayout):
    """What an instruction names: its accumulator, and if it is a ``step`` from registers, those. ``memory``: it reads SRAM."""

    def __init__(self):
        super().__init__({"accumulator": 3, "step": 1, "vs1": 5, "vs2": 5, "memory": 1})


class MatrixOperands(data.StructLayout):
    """What else it needs: where its operands lie and of which format they are, and what it does.

    ``pair``: it makes two steps. ``wide_a``, ``wide_b``: that operand has two lines. ``order``: its number, if observed.
    """

    def __init__(self, config: NodeConfig, observe: bool = False):
        line_bits = line_address_bits(config)
        flags = dict.fromkeys(
            ("step_memory", "accumulator_load", "clear", "zero", "half", "pair", "wide_a", "wide_b"), 1
        )  # fmt: skip
        super().__init__(
            {
                **flags,
                "line_a": line_bits,
                "line_b": line_bits,
                "format_a": FormatLayout(),
                "format_b": FormatLayout(),
                **({"order": 64} if observe else {}),
            }
        )


class _Operation(data.StructLayout):
    """An operation of the matrix array on its way there; ``second`` and ``buffer`` are those of _SecondStep."""

    def __init__(self, entry_bits: int, line_bits: int):
        super().__init__(
            {
                "op": MatrixOp,
                "entry": entry_bits,
                "line": line_bits,
                "zero": 1,
                "half": 1,
                "format_a": FormatLayout(),
                "format_b": FormatLayout(),
                "pair": 1,
                "second": 1,
                "buffer": 1,
            }
        )


class _SecondStep(data.StructLayout):
    """The second step of an instruction that makes two. ``wide_a`` and ``wide_b``: that operand has a line of its own."""

    def __init__(self, entry_bits: int, line_bits: int):
        super().__init__(
            {
                "valid": 1,
                "entry": entry_bits,
                "format_a": FormatLayout(),
                "format_b": FormatLayout(),
                "wide_a": 1,
                "wide_b": 1,
                "line_a": line_bits,
                "line_b": line_bits,
                "buffer": 1,
            }
        )


class DueLayout(data.StructLayout):
    """The accumulator that a second step changes, and its thread; ``sends``: the step goes on its way in this cycle."""

    def __init__(self):
        super().__init__({"valid": 1, "sends": 1, "accumulator": 3, "thread": 2})


class MatrixPipe(wiring.Component):
    """Feeds the matrix array with one operation per cycle, or per pass of it.

    A step from SRAM asks both load ports and executes until each has granted; operand A may come earlier than B and waits
    in its register. An accumulator load asks for one line per cycle and passes each as an operation of its own.

    An instruction of two steps has executed with its first one. The second waits two stages behind, since the accumulator is not
    ready before, and then goes before what executes; lines of 8-bit operands wait in one of two buffers for it, lines of BF16
    operands are read then. Where operations take several passes, the second step is the next one of all, and its operands
    need no buffers beside those of the first.

    Members
    -------
    Those of :func:`rtl.core.pipes.bundles.pipe_members`, those of :func:`rtl.core.pipes.bundles.execution_members` with
    :class:`MatrixNames` and :class:`MatrixOperands`, and
    load0, load1 : Out(ReadPort)
        Operands A and B.
    vs1_address, vs2_address : Out(7)
        Vector registers of the instruction that executes, thread in the upper bits.
    vs1, vs2 : In(8 * line_bytes)
        Their values, one cycle later.
    named_a, named_b : In(FormatLayout)
        The format descriptors of the thread in X that its instruction names.
    op, entry, line, zero, half, format_a, format_b, a, b : Out
        To the matrix array.
    accumulators_busy : Out(threads * accumulators)
        An operation on this accumulator is under way.
    accumulators_closed : Out(threads * accumulators)
        An operation on this accumulator that executes from the next cycle on would come too early.
    reads_later : Out(threads)
        An instruction of the thread may still read SRAM: nothing of the thread that could change it may be issued.
    ungranted : Out(threads)
        An access of the thread to SRAM waits for its grant.
    stepped : Out(1)
        A matrix step enters the array.
    busy : Out(1)
    due : Out(DueLayout), if observed
        The second step that has the load ports.

    Parameters
    ----------
    config : NodeConfig
    observe : bool
        Have the members ``due`` and ``x_order``.
    """

    def __init__(self, config: NodeConfig, observe: bool = False):
        self.config = config
        self._observe = observe
        line = 8 * config.line_bytes
        entries = config.threads * config.accumulators
        super().__init__(
            {
                **pipe_members(),
                **execution_members(MatrixNames(), MatrixOperands(config, observe), observe=observe),
                "load0": Out(ReadPort(config)),
                "load1": Out(ReadPort(config)),
                "vs1_address": Out(7),
                "vs2_address": Out(7),
                "vs1": In(line),
                "vs2": In(line),
                "named_a": In(FormatLayout()),
                "named_b": In(FormatLayout()),
                "op": Out(MatrixOp),
                "entry": Out(range(entries)),
                "line": Out(range(config.accumulator_lines)),
                "zero": Out(1),
                "half": Out(1),
                "format_a": Out(FormatLayout()),
                "format_b": Out(FormatLayout()),
                "a": Out(line),
                "b": Out(line),
                "accumulators_busy": Out(entries),
                "accumulators_closed": Out(entries),
                "reads_later": Out(config.threads),
                "ungranted": Out(config.threads),
                "stepped": Out(1),
                "busy": Out(1),
                **({"due": Out(DueLayout())} if observe else {}),
            }
        )

    def elaborate(self, platform):
        m = Module()
        config = self.config
        x = enter_x(m, self)
        decoded, insn = x.entry.decoded, x.entry.insn
        line_bytes = config.line_bytes
        byte_bits = ceil_log2(line_bytes)
        line_bits = line_address_bits(config)

        # -- formats -----------------------------------------------------------------------------------------------
        format_a, format_b = Signal(FormatLayout()), Signal(FormatLayout())
        with m.If(decoded.named_formats):
            m.d.comb += [format_a.eq(self.named_a), format_b.eq(self.named_b)]
        pair, wide_a, wide_b = Signal(), Signal(), Signal()
        m.d.comb += [
            pair.eq(decoded.step_memory & decoded.named_formats),
            wide_a.eq(pair & (format_a.kind == FormatKind.BF16)),
            wide_b.eq(pair & (format_b.kind == FormatKind.BF16)),
        ]
        no_operand = (format_a.kind > FormatKind.CFP8_152) | (format_b.kind > FormatKind.CFP8_152)

        # -- checks, A before B ------------------------------------------------------------------------------------
        from_memory = decoded.step_memory | decoded.accumulator_load

        def fits(address, wide):
            return Mux(wide, in_sram(config, address, 2 * line_bytes), in_sram(config, address, line_bytes))

        fits_a = Mux(decoded.accumulator_load, in_sram(config, x.rs1, config.accumulator_bytes), fits(x.rs1, wide_a))
        cause, value, trap = Signal(6), Signal(64), Signal()
        for address, used, fitting in ((x.rs2, decoded.step_memory, fits(x.rs2, wide_b)), (x.rs1, from_memory, fits_a)):
            misaligned = address[:byte_bits].any()
            with m.If(used & (misaligned | ~fitting)):
                m.d.comb += [
                    trap.eq(1),
                    cause.eq(Mux(misaligned, Cause.LOAD_MISALIGNED, Cause.LOAD_ACCESS_FAULT)),
                    value.eq(address),
                ]
        with m.If(decoded.named_formats & no_operand):
            m.d.comb += [trap.eq(1), cause.eq(Cause.ILLEGAL_INSTRUCTION), value.eq(insn)]
        # In later cycles, what is in X has passed its checks.
        m.d.comb += [
            self.x_good.eq(self.x_valid & ~self.killed & ~(self.first & trap)),
            self.bad.eq(self.first & trap),
            *commit(self, self.first & ~self.killed, trap, cause, value),
        ]
        advance_a = Mux(decoded.accumulator_load, config.accumulator_bytes, Mux(wide_a, 2 * line_bytes, line_bytes))
        advance_b = Mux(wide_b, 2 * line_bytes, line_bytes)
        # Operands lie in SRAM, else the step traps, and what follows them still lies in its window.
        next_a, next_b = Signal(64), Signal(64)
        m.d.comb += [
            next_a.eq(Cat((x.rs1[:OFFSET_BITS] + advance_a)[:OFFSET_BITS], x.rs1[OFFSET_BITS:])),
            next_b.eq(Cat((x.rs2[:OFFSET_BITS] + advance_b)[:OFFSET_BITS], x.rs2[OFFSET_BITS:])),
            *write_scalar(self, insn[15:20], next_a, decoded.post_rs1),
            *write_scalar(self, insn[20:25], next_b, decoded.post_rs2, port=1),
        ]

        # -- what executes -----------------------------------------------------------------------------------------
        x_names, x_operands = self.x_names, self.x_operands
        m.d.comb += [
            x_names.accumulator.eq(insn[7:12][: ceil_log2(config.accumulators)]),
            x_names.step.eq(decoded.step),
            x_names.vs1.eq(insn[15:20]),
            x_names.vs2.eq(insn[20:25]),
            x_names.memory.eq(from_memory),
            *(x_operands[name].eq(decoded[name]) for name in ("step_memory", "accumulator_load", "clear")),
            x_operands.zero.eq(insn[25]),
            # Steps of registers name their half; those of SRAM start with the lower one.
            x_operands.half.eq(decoded.step & insn[26]),
            x_operands.pair.eq(pair),
            x_operands.wide_a.eq(wide_a),
            x_operands.wide_b.eq(wide_b),
            x_operands.line_a.eq(line_of(config, x.rs1)),
            x_operands.line_b.eq(line_of(config, x.rs2)),
            x_operands.format_a.eq(format_a),
            x_operands.format_b.eq(format_b),
        ]
        if self._observe:
            m.d.comb += x_operands.order.eq(self.x_order)
        if not config.vector_queue:
            m.d.comb += self.stall.eq(self.x_good & ~self.done)
        names, operation, good = self.names, self.operands, self.good
        entry = Signal.like(self.entry)
        m.d.comb += entry.eq(Cat(names.accumulator[: ceil_log2(config.accumulators)], self.thread))
        row = Signal(range(config.accumulator_lines))
        last_row = row == config.accumulator_lines - 1

        # -- who sends an operation in this cycle: the second step that is due, or what executes --------------------
        # An operation that takes several passes leaves time for the second step to get ready.
        next_of_all = config.matrix_passes > 1
        step_layout = _SecondStep(len(self.entry), line_bits)
        early, due = Signal(step_layout), Signal(step_layout)
        free, sends = Signal(), Signal()
        due_sends = Signal()
        passes_left = Signal(range(config.matrix_step_cycles))
        m.d.comb += [free.eq(passes_left == 0), sends.eq(free & ~due.valid)]

        # -- operands from SRAM ------------------------------------------------------------------------------------
        have_a, have_b, due_has_a, due_has_b = (Signal(name=name) for name in ("have_a", "have_b", "due_has_a", "due_has_b"))
        line_a, line_b = operation.line_a, operation.line_b
        with m.If(due.valid):
            m.d.comb += [
                self.load0.req.eq(due.wide_a & ~due_has_a),
                self.load0.address.eq(due.line_a),
                self.load1.req.eq(due.wide_b & ~due_has_b),
                self.load1.address.eq(due.line_b),
            ]
        with m.Else():
            m.d.comb += [
                self.load0.req.eq(good & free & ((operation.step_memory & ~have_a) | operation.accumulator_load)),
                self.load0.address.eq(Mux(operation.accumulator_load, line_a + row, line_a)),
                self.load1.req.eq(good & free & operation.step_memory & ~have_b),
                self.load1.address.eq(line_b),
            ]
        got_a, got_b = have_a | self.load0.grant, have_b | self.load1.grant
        due_got_a, due_got_b = due_has_a | self.load0.grant, due_has_b | self.load1.grant
        finished = Signal()
        m.d.comb += due_sends.eq(due.valid & free & (due_got_a | ~due.wide_a) & (due_got_b | ~due.wide_b))
        with m.If(due.valid):
            m.d.sync += [due_has_a.eq(due_got_a & ~due_sends), due_has_b.eq(due_got_b & ~due_sends)]
        with m.Elif(good & operation.step_memory & free):
            m.d.sync += [have_a.eq(got_a & ~got_b), have_b.eq(got_b & ~got_a)]
        with m.If(good & operation.step_memory):
            m.d.comb += finished.eq(sends & got_a & got_b)
        with m.Elif(good & operation.accumulator_load):
            m.d.comb += finished.eq(sends & self.load0.grant & last_row)
            with m.If(sends & self.load0.grant):
                m.d.sync += row.eq(Mux(last_row, 0, row + 1))
        with m.Else():
            m.d.comb += finished.eq(sends)
        finishes = Signal()
        m.d.comb += [finishes.eq(good & finished), self.done.eq(finishes)]

        # Two buffers are enough: nothing is done while one second step is due and another comes behind it.
        buffer = Signal()
        if next_of_all:
            entered = due
            with m.If(due_sends):
                m.d.sync += due.valid.eq(0)
        else:
            entered = early
            with m.If(~due.valid | due_sends):
                m.d.sync += [due.eq(early), early.valid.eq(0)]
        with m.If(finishes & operation.pair):
            m.d.sync += [
                entered.valid.eq(1),
                entered.entry.eq(entry),
                entered.format_a.eq(operation.format_a),
                entered.format_b.eq(operation.format_b),
                entered.wide_a.eq(operation.wide_a),
                entered.wide_b.eq(operation.wide_b),
                entered.line_a.eq(line_a + 1),
                entered.line_b.eq(line_b + 1),
                entered.buffer.eq(buffer),
                buffer.eq(~buffer),
            ]

        # -- operations on their way: M, operand registers, matrix array -------------------------------------------
        operation_layout = _Operation(len(self.entry), len(self.line))
        sent, in_m, entering = Signal(operation_layout), Signal(operation_layout), Signal(operation_layout)
        m.d.comb += [
            sent.entry.eq(entry),
            sent.line.eq(row),
            sent.zero.eq(operation.zero),
            sent.half.eq(operation.half),
            sent.format_a.eq(operation.format_a),
            sent.format_b.eq(operation.format_b),
            sent.pair.eq(finishes & operation.pair),
            sent.buffer.eq(buffer),
        ]
        with m.If(due_sends):
            m.d.comb += [
                sent.op.eq(MatrixOp.STEP),
                sent.entry.eq(due.entry),
                sent.zero.eq(0),
                sent.half.eq(1),
                sent.format_a.eq(due.format_a),
                sent.format_b.eq(due.format_b),
                sent.pair.eq(0),
                sent.second.eq(1),
                sent.buffer.eq(due.buffer),
            ]
        with m.Elif(finishes & (names.step | operation.step_memory)):
            m.d.comb += sent.op.eq(MatrixOp.STEP)
        with m.Elif(good & sends & operation.accumulator_load & self.load0.grant):
            m.d.comb += sent.op.eq(MatrixOp.LOAD_LINE)
        with m.Elif(finishes & operation.clear):
            m.d.comb += sent.op.eq(MatrixOp.CLEAR)
        with m.If(sent.op.as_value().any()):
            m.d.sync += passes_left.eq(config.matrix_step_cycles - 1)
        with m.Elif(~free):
            m.d.sync += passes_left.eq(passes_left - 1)

        take_a, take_b, take_registers, for_second, second_buffer = (
            Signal(name=name) for name in ("take_a", "take_b", "take_registers", "for_second", "second_buffer")
        )
        m.d.comb += [
            self.vs1_address.eq(Cat(names.vs1, self.thread)),
            self.vs2_address.eq(Cat(names.vs2, self.thread)),
        ]
        m.d.sync += [
            in_m.eq(sent),
            entering.eq(in_m),
            take_a.eq(self.load0.req & self.load0.grant),
            take_b.eq(self.load1.req & self.load1.grant),
            take_registers.eq(finishes & names.step),
            for_second.eq(due.valid),
            second_buffer.eq(due.buffer),
        ]
        firsts, seconds = [], []
        for side, take, source, register_value in (
            ("a", take_a, self.load0.data, self.vs1),
            ("b", take_b, self.load1.data, self.vs2),
        ):
            first = Signal(8 * line_bytes, name=f"first_{side}", reset_less=True)
            if next_of_all:
                with m.If(take | take_registers):
                    m.d.sync += first.eq(Mux(take_registers, register_value, source))
                firsts.append(first)
                seconds.append(first)
                continue
            buffers = [Signal(8 * line_bytes, name=f"second_{side}{number}", reset_less=True) for number in range(2)]
            with m.If(take_registers):
                m.d.sync += first.eq(register_value)
            with m.If(take & ~for_second):
                m.d.sync += first.eq(source)
            for number in range(2):
                # The line of the first step stays for the second one, if that brings none of its own.
                with m.If(entering.pair & (entering.buffer == number)):
                    m.d.sync += buffers[number].eq(first)
                with m.If(take & for_second & (second_buffer == number)):
                    m.d.sync += buffers[number].eq(source)
            firsts.append(first)
            seconds.append(Array(buffers)[entering.buffer])
        m.d.comb += [
            self.op.eq(entering.op),
            self.entry.eq(entering.entry),
            self.line.eq(entering.line),
            self.zero.eq(entering.zero),
            self.half.eq(entering.half),
            self.format_a.eq(entering.format_a),
            self.format_b.eq(entering.format_b),
            self.a.eq(Mux(entering.second, seconds[0], firsts[0])),
            self.b.eq(Mux(entering.second, seconds[1], firsts[1])),
        ]

        # -- what issue has to know --------------------------------------------------------------------------------
        not_sent = [(self.executes, entry), (early.valid, early.entry), (due.valid, due.entry)]
        stages = [*not_sent, (in_m.op.as_value().any(), in_m.entry), (entering.op.as_value().any(), entering.entry)]
        for stage in range(1, matrix_latency_cycles(config)):
            active = Signal(name=f"active{stage}")
            where = Signal.like(self.entry, name=f"entry{stage}")
            m.d.sync += [active.eq(stages[-1][0]), where.eq(stages[-1][1])]
            stages.append((active, where))
        for number in range(len(self.accumulators_closed)):
            m.d.comb += self.accumulators_closed[number].eq(Cat(active & (where == number) for active, where in not_sent).any())
        threads_of = [(step.valid & (step.wide_a | step.wide_b), step.entry) for step in (early, due)]
        entry_bits = ceil_log2(config.accumulators)
        refused = Signal()
        m.d.comb += refused.eq((self.load0.req & ~self.load0.grant) | (self.load1.req & ~self.load1.grant))
        with m.If(refused):
            m.d.comb += self.ungranted.bit_select(Mux(due.valid, due.entry, entry)[entry_bits:], 1).eq(1)
        for thread in range(config.threads):
            m.d.comb += self.reads_later[thread].eq(
                (self.executes & operation.pair & (self.thread == thread))
                | Cat(valid & (owner[entry_bits:] == thread) for valid, owner in threads_of).any()
            )
        for number in range(len(self.accumulators_busy)):
            m.d.comb += self.accumulators_busy[number].eq(Cat(active & (where == number) for active, where in stages).any())
        m.d.comb += [
            self.stepped.eq(self.op == MatrixOp.STEP),
            self.busy.eq(Cat(active for active, _ in stages).any()),
        ]
        if self._observe:
            m.d.comb += [
                self.due.valid.eq(due.valid),
                self.due.sends.eq(due_sends),
                self.due.accumulator.eq(due.entry[:entry_bits]),
                self.due.thread.eq(due.entry[entry_bits:]),
            ]
        return m
