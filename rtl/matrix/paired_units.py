# SPDX-License-Identifier: Apache-2.0
"""The units of a matrix array of many passes, with what feeds them."""

from amaranth.hdl import Array, Cat, ClockSignal, Instance, Module, Mux, ResetSignal, Signal
from amaranth.lib import data, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from golden.config import NodeConfig
from golden.layout import BIAS_BITS, FormatKind
from rtl.arithmetic.operand import FLOOR_BITS, OPERAND_KIND_BITS, Operand, OperandTable, operand_floor
from rtl.arithmetic.pair_sum import PAIR
from rtl.matrix.op import MatrixOp
from rtl.matrix.pair_select import ColumnPairSelect, RowPairSelect
from rtl.matrix.paired_element import LOAD_CYCLES, READ_CYCLES, WRITE_CYCLES
from rtl.matrix.timing import matrix_latency_cycles

__all__ = ["PairedUnits"]

#: Cycles from codes that have been selected to operands: a table, and a register.
_DECODE_CYCLES = 2

#: Elements that there is room for in the memory of words to load.
_LOAD_DEPTH = 16

_OPERANDS = ("a", "b", "format_a", "format_b", "bias_a", "bias_b", "half")


class PairedUnits(wiring.Component):
    """M x N elements, whose units take two cycles for each.

    Elements begin in every other cycle of the clock, those of an op two or three cycles after it entered. Control follows
    operands in steps of an element, of which the second cycle counts.

    Parameters
    ----------
    config : NodeConfig
    element : str
        Name of the unit's module.

    Members
    -------
    Those of :class:`rtl.matrix.array.MatrixArray` without conversions, and

    word_lane : In(lane), word : Out(32)   if there is one unit: the word of this lane of the line that is read
    """

    def __init__(self, config: NodeConfig, element: str):
        self.config = config
        self.element = element
        bits = 8 * config.line_bytes
        #: Whether one unit serves all elements.
        self.is_single = config.matrix_passes == config.matrix_m * config.matrix_n
        entry = max(1, (config.threads * config.accumulators - 1).bit_length())
        line = max(1, (config.accumulator_lines - 1).bit_length())
        super().__init__(
            {
                "op": In(MatrixOp),
                "entry": In(entry),
                "line": In(line),
                "zero": In(1),
                "a": In(bits),
                "b": In(bits),
                "format_a": In(OPERAND_KIND_BITS),
                "format_b": In(OPERAND_KIND_BITS),
                "bias_a": In(BIAS_BITS),
                "bias_b": In(BIAS_BITS),
                "half": In(1),
                "read_entry": In(entry),
                "read_line": In(line),
                "read_data": Out(bits),
            }
            | ({"word_lane": In(range(config.fp32_lanes)), "word": Out(32)} if self.is_single else {})
        )

    def elaborate(self, platform):
        m = Module()
        config = self.config
        rows, columns, lines, lanes = config.matrix_m, config.matrix_n, config.accumulator_lines, config.fp32_lanes
        passes = config.matrix_passes
        row_turns = min(passes, rows)
        column_turns = passes // row_turns
        unit_rows, unit_columns = rows // row_turns, columns // column_turns

        # An op waits for the cycle in which an element may begin, and for the last element of the one before.
        control = data.StructLayout(
            {"op": MatrixOp, "entry": self.entry.shape(), "line": self.line.shape(), "zero": 1, "turn": exact_log2(passes)},
        )
        fields = "op", "entry", "line", "zero"
        entered = {name: Signal.like(getattr(self, name), reset_less=True) for name in (*fields, *_OPERANDS)}
        waits = Signal()
        # The op whose elements are taken, and whose turn it is.
        taken = Signal(control)
        held = {name: Signal.like(getattr(self, name), reset_less=True) for name in _OPERANDS}
        narrow = {side: Signal(name=f"narrow_{side}", reset_less=True) for side in "ab"}
        # Of an element in ``taken``, and of all that comes later, whose elements begin in the other cycles.
        taken_second, second = Signal(init=1), Signal()
        m.d.sync += [second.eq(~second), taken_second.eq(~taken_second)]
        with m.If(taken_second):
            m.d.sync += [waits.eq(0), taken.turn.eq(taken.turn + 1)]
            with m.If(waits):
                m.d.sync += [
                    *(taken[name].eq(entered[name]) for name in fields),
                    *(signal.eq(entered[name]) for name, signal in held.items()),
                    *(signal.eq(self._is_narrow(entered[f"format_{side}"])) for side, signal in narrow.items()),
                    taken.turn.eq(0),
                ]
            with m.Elif(taken.turn == passes - 1):
                m.d.sync += taken.op.eq(MatrixOp.NONE)
        with m.If(self.op != MatrixOp.NONE):
            m.d.sync += [waits.eq(1), *(signal.eq(getattr(self, name)) for name, signal in entered.items())]
        stages = []
        last = (_DECODE_CYCLES + WRITE_CYCLES) // 2
        for stage in range(last + 1):
            following = Signal(control, name=f"control{stage}")
            with m.If(second):
                m.d.sync += following.eq(stages[-1] if stages else taken)
            stages.append(following)
        step, load, write = (stages[(_DECODE_CYCLES + cycles) // 2] for cycles in (READ_CYCLES, LOAD_CYCLES, WRITE_CYCLES))
        assert matrix_latency_cycles(config) == 3 + 2 * (passes - 1) + 1 + _DECODE_CYCLES + WRITE_CYCLES + 1

        def next_cycle(value, name, when=None):
            following = Signal(len(value), name=name, reset_less=True)
            with m.If(1 if when is None else when):
                m.d.sync += following.eq(value)
            return following

        # Units take the rows of one group after the other, and then the next group of columns.
        row_group, column_group = taken.turn[: exact_log2(row_turns)], taken.turn[exact_log2(row_turns) :]
        m.submodules.select_a = select_a = RowPairSelect(rows, row_turns)
        m.submodules.select_b = select_b = ColumnPairSelect(columns, column_turns)
        m.d.comb += select_a.loads.eq(taken.op == MatrixOp.LOAD_LINE)
        operands = {}
        for side, select, group, count in (
            ("a", select_a, row_group, unit_rows),
            ("b", select_b, column_group, unit_columns),
        ):
            m.submodules[f"decode_{side}"] = decode = OperandTable(count * PAIR, offset=False)
            m.d.comb += [
                select.line.eq(held[side]),
                select.narrow.eq(narrow[side]),
                select.half.eq(held["half"]),
                select.group.eq(group),
                select.second.eq(taken_second),
                decode.codes.eq(next_cycle(select.codes.as_value(), f"codes_{side}")),
                decode.kind.eq(next_cycle(held[f"format_{side}"], f"kind_{side}")),
            ]
            decoded = next_cycle(decode.operands.as_value(), f"operands_{side}")
            width = PAIR * Operand.as_shape().size
            operands[side] = [decoded.word_select(index, width) for index in range(count)]
        floor = operand_floor(m, (held["format_a"], held["format_b"]), (held["bias_a"], held["bias_b"]))[:FLOOR_BITS]
        floor = next_cycle(next_cycle(floor, "taken_floor", taken_second), "floor", second)

        # Words to load wait in memory; reading takes a cycle.
        element = Signal(exact_log2(_LOAD_DEPTH))
        with m.If(second):
            m.d.sync += element.eq(element + 1)
        wait = (_DECODE_CYCLES + LOAD_CYCLES - 1) // 2

        def later(name, word):
            memory = Memory(shape=32, depth=_LOAD_DEPTH, init=[], attrs={"ram_style": "block", "no_rw_check": 1})
            m.submodules[name] = memory
            read, written = memory.read_port(), memory.write_port()
            m.d.comb += [
                written.en.eq(second),
                written.addr.eq(element),
                written.data.eq(word),
                read.addr.eq(element - wait),
            ]
            return Mux(load.op == MatrixOp.LOAD_LINE, read.data, 0)

        line_write = Signal(lines)
        for line in range(lines):
            with m.Switch(write.op):
                with m.Case(MatrixOp.STEP, MatrixOp.CLEAR):
                    m.d.comb += line_write[line].eq(second)
                with m.Case(MatrixOp.LOAD_LINE):
                    m.d.comb += line_write[line].eq(second & (write.line == line))

        read_lines = [Signal(len(self.a), name=f"read_data{line}") for line in range(lines)]
        read_line = Signal.like(self.read_line, name="read_line_before", reset_less=True)
        m.d.sync += read_line.eq(self.read_line)
        m.d.comb += self.read_data.eq(Array(read_lines)[read_line] if lines > 1 else read_lines[0])

        load_data, word_ports = {}, {}
        if self.is_single:
            # Lanes are elements row by row, turns are elements column by column; a line to load has rows like one that is read.
            in_row, rows_of_line = exact_log2(columns), exact_log2(lanes // columns)
            row = Cat(self.word_lane[in_row:], self.read_line[: exact_log2(lines)])
            word_ports = {
                "i_word_address": Cat(row, self.word_lane[:in_row], self.read_entry),
                "o_word": self.word,
            }
            m.d.comb += select_a.slot.eq(Cat(column_group, row_group[:rows_of_line]))
        for unit_row in range(unit_rows):
            for unit_column in range(unit_columns):
                places = []
                for turn in range(passes):
                    row = turn % row_turns * unit_rows + unit_row
                    column = turn // row_turns * unit_columns + unit_column
                    places.append(divmod(row * columns + column, lanes))
                positions = tuple(position for _, position in places)
                if positions not in load_data:
                    words = Array(held["a"].word_select(position, 32) for position in positions)
                    word = select_a.loaded if self.is_single else words[taken.turn]
                    number = len(load_data)
                    load_data[positions] = later(f"load{number}", next_cycle(word, f"loaded{number}"))
                m.submodules[f"element_{unit_row}_{unit_column}"] = Instance(
                    self.element,
                    i_clk=ClockSignal(),
                    i_rst=ResetSignal(),
                    i_second=second,
                    i_a=operands["a"][unit_row],
                    i_b=operands["b"][unit_column],
                    i_floor=floor,
                    i_step_address=Cat(step.turn, step.entry),
                    i_step_zero=step.zero,
                    i_counts=load.op == MatrixOp.STEP,
                    i_load_data=load_data[positions],
                    i_write=Cat(line_write[line] & (write.turn == turn) for turn, (line, _) in enumerate(places)),
                    i_write_address=Cat(write.turn, write.entry),
                    i_read_entry=self.read_entry,
                    o_read_data=Cat(read_lines[line].word_select(position, 32) for line, position in places),
                    **word_ports,
                )
        return m

    @staticmethod
    def _is_narrow(kind):
        """Whether codes have 8 bits."""
        return (kind == FormatKind.CFP8_143) | (kind == FormatKind.CFP8_152)
