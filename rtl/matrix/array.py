# SPDX-License-Identifier: Apache-2.0
"""The matrix array: the elements of the matrix unit with their accumulators."""

from amaranth.hdl import Array, Cat, ClockSignal, Instance, Module, Mux, ResetSignal, Signal
from amaranth.lib import data, enum, wiring
from amaranth.lib.wiring import In, Out

from golden.config import MATRIX_K, NodeConfig
from golden.layout import BIAS_BITS, FormatKind
from rtl.arithmetic.format_encode import FLAG_BITS, FORMAT_ENCODE, KIND_BITS, RANDOM_BITS, FormatEncode
from rtl.arithmetic.operand import OPERAND_KIND_BITS, OperandDecoder
from rtl.matrix.element import MatrixElement
from rtl.matrix.tile_select import TileSelect

__all__ = ["MatrixArray", "MatrixOp", "matrix_element_name", "matrix_entries", "matrix_modules", "matrix_name"]

#: Cycles from an op to the cycle in which its first accumulator is read, and to the one at whose end it is written.
_STEP_CYCLES = 4
_WRITE_CYCLES = 5


class MatrixOp(enum.Enum, shape=2):
    """What enters the array in a cycle."""

    NONE = 0
    STEP = 1
    LOAD_LINE = 2
    CLEAR = 3


def matrix_entries(config: NodeConfig) -> int:
    """Accumulators of all threads."""
    return config.threads * config.accumulators


def matrix_name(config: NodeConfig) -> str:
    """Name of the array's module."""
    return f"d1_matrix_{config.line_bytes}_{matrix_entries(config)}_{config.matrix_passes}"


def matrix_element_name(config: NodeConfig) -> str:
    """Name of the module that the array consists of."""
    return f"d1_matrix_element_{matrix_entries(config)}_{config.matrix_passes}"


def matrix_modules(config: NodeConfig) -> dict[str, wiring.Component]:
    """The array and the modules that it instantiates, by name; each is to be exported as a module of that name."""
    return {
        FORMAT_ENCODE: FormatEncode(),
        matrix_element_name(config): MatrixElement(matrix_entries(config), config.matrix_passes),
        matrix_name(config): MatrixArray(config),
    }


class MatrixArray(wiring.Component):
    """M x N elements, each with an accumulator per entry.

    An op enters in any cycle, but not before ``matrix_passes`` cycles after the one before, and has written its accumulator
    5 + ``matrix_passes`` cycles later: with an op in cycle t, ops on the same entry that enter in t + max(2, ``matrix_passes``)
    and reads addressed in t + 5 + ``matrix_passes`` or later see it. Callers keep these distances. An op's inputs are
    sampled in the cycle in which it enters.

    There are M x N / ``matrix_passes`` units, and each serves its elements one after the other: those of one row after those of
    the row before, then those of further columns.

    Units and converters are instances of modules that ``matrix_modules`` lists, which are exported once.

    Parameters
    ----------
    config : NodeConfig

    Members
    -------
    op : In(MatrixOp)
    entry : In(entry)
    line : In(line of an accumulator)   of LOAD_LINE
    zero : In(1)                        of STEP: from +0 instead of from the accumulator
    a : In(8 * line_bytes)              STEP: M x 4 codes, row-major; LOAD_LINE: two rows of N FP32
    b : In(8 * line_bytes)              STEP: 4 x N codes, row-major
    format_a, format_b : In(2)          FormatKind BF16, CFP8_143 or CFP8_152
    bias_a, bias_b : In(6)
    half : In(1)                        which half of the line codes of 8 bits are taken from
    read_entry, read_line : In
    read_data : Out(8 * line_bytes)     two rows of N FP32, addressed in the cycle before
    convert : In(1)                     ``read_data`` of this cycle is to be converted
    convert_format : In(3)              FormatKind
    convert_bias : In(6)
    convert_stochastic : In(1)
    convert_random : In(fp32_lanes x 24)
    converted : Out(8 * line_bytes)     codes, packed from bit 0 on, from the cycle after ``convert`` until that after the next
    convert_flags : Out(6)              Flag, of all of these together
    """

    def __init__(self, config: NodeConfig):
        self.config = config
        bits = 8 * config.line_bytes
        entry = max(1, (matrix_entries(config) - 1).bit_length())
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
                "convert": In(1),
                "convert_format": In(KIND_BITS),
                "convert_bias": In(BIAS_BITS),
                "convert_stochastic": In(1),
                "convert_random": In(RANDOM_BITS * config.fp32_lanes),
                "converted": Out(bits),
                "convert_flags": Out(FLAG_BITS),
            }
        )

    def elaborate(self, platform):
        m = Module()
        config = self.config
        rows, columns, lines, lanes = config.matrix_m, config.matrix_n, config.accumulator_lines, config.fp32_lanes
        passes = config.matrix_passes
        row_turns = min(passes, rows)
        column_turns = passes // row_turns
        unit_rows, unit_columns = rows // row_turns, columns // column_turns

        # What enters in a cycle: a new op, or another turn of the last one.
        begins = Signal()
        m.d.comb += begins.eq(self.op != MatrixOp.NONE)
        turn_bits = (passes - 1).bit_length()
        control = data.StructLayout(
            {"op": MatrixOp, "entry": self.entry.shape(), "line": self.line.shape(), "zero": 1, "turn": turn_bits},
        )
        stages = [Signal(control, name=f"control{cycle}") for cycle in range(_WRITE_CYCLES + 1)]
        entering = stages[0]
        m.d.comb += [entering[field].eq(getattr(self, field)) for field in ("op", "entry", "line", "zero")]
        if passes > 1:
            following = Signal(control)
            with m.If(~begins):
                m.d.comb += entering.eq(following)
            m.d.sync += [following.eq(entering), following.turn.eq(entering.turn + 1)]
            with m.If(entering.turn == passes - 1):
                m.d.sync += following.op.eq(MatrixOp.NONE)

        def in_turn(name, groups, advance):
            """The first of ``groups`` in the cycle in which an op begins; each cycle with ``advance`` goes on to the next one."""
            if passes == 1:
                return groups[0]
            taken = [Signal.like(group, name=f"{name}{index}") for index, group in enumerate(groups)]
            kept = [Signal.like(group, name=f"{name}{index}_kept", reset_less=True) for index, group in enumerate(groups)]
            for index, group in enumerate(groups):
                m.d.comb += taken[index].eq(Mux(begins, group, kept[index]))
                m.d.sync += kept[index].eq(Mux(advance, taken[(index + 1) % len(groups)], taken[index]))
            return taken[0]

        # Units take the rows of one group after the other, and then the next group of columns.
        m.submodules.select_a = select_a = TileSelect(rows * MATRIX_K)
        m.submodules.select_b = select_b = TileSelect(MATRIX_K * columns)
        m.submodules.decode_a = decode_a = OperandDecoder(unit_rows * MATRIX_K)
        m.submodules.decode_b = decode_b = OperandDecoder(unit_columns * MATRIX_K)
        rows_of_a = [Cat(select_a.codes[row * MATRIX_K + k] for k in range(MATRIX_K)) for row in range(rows)]
        columns_of_b = [Cat(select_b.codes[k * columns + column] for k in range(MATRIX_K)) for column in range(columns)]
        row_groups = [Cat(rows_of_a[first : first + unit_rows]) for first in range(0, rows, unit_rows)]
        column_groups = [Cat(columns_of_b[first : first + unit_columns]) for first in range(0, columns, unit_columns)]
        last_row_group = (entering.turn % row_turns == row_turns - 1) if passes > 1 else 1
        m.d.comb += [
            select_a.tiles.eq(self.a),
            select_a.kind.eq(self.format_a),
            select_a.half.eq(self.half),
            select_b.tiles.eq(self.b),
            select_b.kind.eq(self.format_b),
            select_b.half.eq(self.half),
            decode_a.codes.eq(in_turn("row_group", row_groups, 1)),
            decode_a.kind.eq(in_turn("format_a", [self.format_a], 1)),
            decode_a.bias.eq(in_turn("bias_a", [self.bias_a], 1)),
            decode_b.codes.eq(in_turn("column_group", column_groups, last_row_group)),
            decode_b.kind.eq(in_turn("format_b", [self.format_b], 1)),
            decode_b.bias.eq(in_turn("bias_b", [self.bias_b], 1)),
        ]

        # A line to load stays where it is until another comes, since turns of one op follow each other.
        load_data = Mux(self.op == MatrixOp.LOAD_LINE, self.a, 0)
        for cycle in range(1, len(stages)):
            before = stages[cycle - 1]
            delayed = Signal(len(self.a), name=f"load_data{cycle}", reset_less=True)
            m.d.sync += stages[cycle].eq(before)
            loads = (before.op == MatrixOp.LOAD_LINE) | (before.op == MatrixOp.CLEAR)
            with m.If(loads & (before.turn == 0)):
                m.d.sync += delayed.eq(load_data)
            load_data = delayed
        step, write = stages[_STEP_CYCLES], stages[_WRITE_CYCLES]

        line_write = Signal(lines)
        for line in range(lines):
            with m.Switch(write.op):
                with m.Case(MatrixOp.STEP, MatrixOp.CLEAR):
                    m.d.comb += line_write[line].eq(1)
                with m.Case(MatrixOp.LOAD_LINE):
                    m.d.comb += line_write[line].eq(write.line == line)

        read_lines = [Signal(len(self.a), name=f"read_data{line}") for line in range(lines)]
        read_line = Signal.like(self.read_line, name="read_line_before", reset_less=True)
        m.d.sync += read_line.eq(self.read_line)
        m.d.comb += self.read_data.eq(Array(read_lines)[read_line])

        for unit_row in range(unit_rows):
            a = Cat(decode_a.operands[unit_row * MATRIX_K + k] for k in range(MATRIX_K))
            for unit_column in range(unit_columns):
                b = Cat(decode_b.operands[unit_column * MATRIX_K + k] for k in range(MATRIX_K))
                places = []
                for turn in range(passes):
                    row = turn % row_turns * unit_rows + unit_row
                    column = turn // row_turns * unit_columns + unit_column
                    places.append(divmod(row * columns + column, lanes))
                loaded = Array(load_data.word_select(position, 32) for _, position in places)
                m.submodules[f"element_{unit_row}_{unit_column}"] = Instance(
                    matrix_element_name(config),
                    i_clk=ClockSignal(),
                    i_rst=ResetSignal(),
                    i_a=a,
                    i_b=b,
                    i_step_address=Cat(step.turn, step.entry),
                    i_step_zero=step.zero,
                    i_write=Cat(line_write[line] & (write.turn == turn) for turn, (line, _) in enumerate(places)),
                    i_write_address=Cat(write.turn, write.entry),
                    i_load=write.op != MatrixOp.STEP,
                    i_load_data=loaded[write.turn],
                    i_read_entry=self.read_entry,
                    o_read_data=Cat(read_lines[line].word_select(position, 32) for line, position in places),
                )

        codes, flags = [], []
        for lane in range(lanes):
            code, lane_flags = Signal(32, name=f"code{lane}"), Signal(FLAG_BITS, name=f"flags{lane}")
            m.submodules[f"encode{lane}"] = Instance(
                FORMAT_ENCODE,
                i_value=self.read_data.word_select(lane, 32),
                i_kind=self.convert_format,
                i_bias=self.convert_bias,
                i_stochastic=self.convert_stochastic,
                i_random=self.convert_random.word_select(lane, RANDOM_BITS),
                o_code=code,
                o_flags=lane_flags,
            )
            codes.append(code)
            flags.append(lane_flags)
        converted, convert_flags = (Signal.like(port, reset_less=True) for port in (self.converted, self.convert_flags))
        m.d.comb += [self.converted.eq(converted), self.convert_flags.eq(convert_flags)]
        with m.If(self.convert):
            m.d.sync += convert_flags.eq(Cat(Cat(each[flag] for each in flags).any() for flag in range(FLAG_BITS)))
            with m.Switch(self.convert_format):
                with m.Case(FormatKind.CFP8_143, FormatKind.CFP8_152):
                    m.d.sync += converted.eq(Cat(code[:8] for code in codes))
                with m.Case(FormatKind.FP32):
                    m.d.sync += converted.eq(Cat(codes))
                with m.Default():
                    m.d.sync += converted.eq(Cat(code[:16] for code in codes))
        return m
