# SPDX-License-Identifier: Apache-2.0
"""The matrix array: the elements of the matrix unit with their accumulators."""

from amaranth.hdl import Array, Cat, ClockSignal, Instance, Module, Mux, ResetSignal, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from golden.config import MATRIX_K, NodeConfig
from golden.layout import BIAS_BITS, FormatKind
from rtl.arithmetic.format_encode import (
    FLAG_BITS,
    FORMAT_ENCODE,
    KIND_BITS,
    RANDOM_BITS,
    SMALL_CYCLES,
    SMALL_FORMAT_ENCODE,
    FormatEncode,
)
from rtl.arithmetic.operand import OPERAND_KIND_BITS, OperandDecoder, OperandTable
from rtl.matrix.element import MatrixElement, element_cycles
from rtl.matrix.op import MatrixOp
from rtl.matrix.paired_element import PairedElement
from rtl.matrix.paired_units import PairedUnits
from rtl.matrix.tile_select import TileSelect
from rtl.matrix.timing import convert_turns, is_paired, matrix_latency_cycles

__all__ = ["MatrixArray", "MatrixOp", "matrix_element_name", "matrix_entries", "matrix_modules", "matrix_name"]


#: Inputs of steps and loads.
_OPERANDS = ("a", "b", "format_a", "format_b", "bias_a", "bias_b", "half")


def matrix_entries(config: NodeConfig) -> int:
    """Accumulators of all threads."""
    return config.threads * config.accumulators


def _has_one_unit(config: NodeConfig) -> bool:
    return config.matrix_passes == config.matrix_m * config.matrix_n


def matrix_name(config: NodeConfig) -> str:
    """Name of the array's module."""
    return f"d1_matrix_{config.line_bytes}_{matrix_entries(config)}_{config.matrix_passes}"


def matrix_element_name(config: NodeConfig) -> str:
    """Name of the module that the array consists of."""
    return f"d1_matrix_element_{matrix_entries(config)}_{config.matrix_passes}"


def matrix_modules(config: NodeConfig) -> dict[str, wiring.Component]:
    """The array and the modules that it instantiates, by name; each is to be exported as a module of that name."""
    small = config.matrix_passes > 1
    if is_paired(config):
        element = PairedElement(matrix_entries(config), config.matrix_passes, reads_words=_has_one_unit(config))
    else:
        element = MatrixElement(matrix_entries(config), config.matrix_passes)
    return {
        (SMALL_FORMAT_ENCODE if small else FORMAT_ENCODE): FormatEncode(small),
        matrix_element_name(config): element,
        matrix_name(config): MatrixArray(config),
    }


class MatrixArray(wiring.Component):
    """M x N elements, each with an accumulator per entry.

    An op enters in any cycle, but not before S = ``matrix_step_cycles`` after the one before, and has written its accumulator
    L = ``matrix_latency_cycles`` later: with an op in cycle t, ops on the same entry that enter in t + max(2, S) and reads
    addressed in t + L or later see it. Callers keep these distances. An op's inputs are sampled in the cycle in which it
    enters.

    Codes of a line come C = ``convert_cycles`` after ``convert``, which does not come again before that cycle. Until two
    cycles before it, the line stays at ``read_data``, and all inputs of the conversion but ``convert`` stay as they are.

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
    converted : Out(8 * line_bytes)     codes, packed from bit 0 on; from C cycles after ``convert`` on, until the next one
                                        inclusively
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
        word = None
        if is_paired(self.config):
            m.submodules.units = units = PairedUnits(self.config, matrix_element_name(self.config))
            m.d.comb += [
                *(getattr(units, name).eq(getattr(self, name)) for name in ("op", "entry", "line", "zero", *_OPERANDS)),
                units.read_entry.eq(self.read_entry),
                units.read_line.eq(self.read_line),
                self.read_data.eq(units.read_data),
            ]
            word = units.word if units.is_single else None
        else:
            self._units(m)
        if self.config.matrix_passes == 1:
            self._convert_line(m)
        else:
            next_turn = self._convert_in_turn(m, word)
            if word is not None:
                m.d.comb += units.word_lane.eq(next_turn)
        return m

    def _units(self, m):
        """Units that serve one element, or two in turn, those of different rows."""
        config = self.config
        rows, columns, lines, lanes = config.matrix_m, config.matrix_n, config.accumulator_lines, config.fp32_lanes
        passes = config.matrix_passes
        row_turns = min(passes, rows)
        column_turns = passes // row_turns
        unit_rows, unit_columns = rows // row_turns, columns // column_turns
        step_cycles, write_cycles = element_cycles(passes)

        # What is taken apart in a cycle: the op that enters, or else turn after turn of the one that has entered.
        turn_bits = (passes - 1).bit_length()
        control = data.StructLayout(
            {"op": MatrixOp, "entry": self.entry.shape(), "line": self.line.shape(), "zero": 1, "turn": turn_bits},
        )
        taken = Signal(control)
        held = {name: Signal.like(getattr(self, name)) for name in _OPERANDS}
        begins = Signal()
        m.d.comb += begins.eq(self.op != MatrixOp.NONE)
        with m.If(begins if passes > 1 else 1):
            m.d["sync" if passes > 1 else "comb"] += [
                *(taken[field].eq(getattr(self, field)) for field in ("op", "entry", "line", "zero")),
                *(signal.eq(getattr(self, name)) for name, signal in held.items()),
                taken.turn.eq(0),
            ]
        if passes > 1:
            with m.Else():
                m.d.sync += taken.turn.eq(taken.turn + 1)
                with m.If(taken.turn == passes - 1):
                    m.d.sync += taken.op.eq(MatrixOp.NONE)
        # Units take the rows of one group after the other, and then the next group of columns.
        row_group, column_group = (taken.turn % row_turns, taken.turn // row_turns) if passes > 1 else (0, 0)

        # Rows lie in one half of the line in each format, and rows to load alternate between the halves.
        loads = taken.op == MatrixOp.LOAD_LINE
        narrow_a = (held["format_a"] == FormatKind.CFP8_143) | (held["format_a"] == FormatKind.CFP8_152)
        upper, half_a = Signal(), Signal(len(self.a) // 2)
        if row_turns > 1:
            upper_row = Mux(loads, row_group[0], row_group[row_turns.bit_length() - 2])
            m.d.comb += [
                upper.eq(Mux(narrow_a & ~loads, held["half"], upper_row)),
                half_a.eq(Mux(upper, held["a"][len(half_a) :], held["a"][: len(half_a)])),
            ]
        m.submodules.select_a = select_a = TileSelect(rows, row_turns, halved=row_turns > 1)
        m.submodules.select_b = select_b = TileSelect(columns, column_turns, by_column=True)
        operands = {}
        for side, select, tiles, group, count in (
            ("a", select_a, half_a if row_turns > 1 else held["a"], row_group, unit_rows * MATRIX_K),
            ("b", select_b, held["b"], column_group, unit_columns * MATRIX_K),
        ):
            m.submodules[f"decode_{side}"] = decode = (OperandTable if passes > 1 else OperandDecoder)(count)
            m.d.comb += [
                select.tiles.eq(tiles),
                select.kind.eq(held[f"format_{side}"]),
                select.half.eq(held["half"]),
                select.group.eq(group),
                decode.codes.eq(select.codes),
                decode.kind.eq(held[f"format_{side}"]),
                decode.bias.eq(held[f"bias_{side}"]),
            ]
            operands[side] = [Cat(decode.operands[first : first + MATRIX_K]) for first in range(0, count, MATRIX_K)]

        decode_cycles = 1 if passes > 1 else 0
        stages = [taken]
        for cycle in range(decode_cycles + write_cycles):
            following = Signal(control, name=f"control{cycle + 1}")
            m.d.sync += following.eq(stages[-1])
            stages.append(following)
        step, write = stages[decode_cycles + step_cycles], stages[-1]
        assert matrix_latency_cycles(config) == len(stages) - 1 + passes + decode_cycles

        def later(positions):
            """The word of the line whose turn it is, when it is written; it has one of these positions in turn."""
            words = [held["a"].word_select(position, 32) for position in positions]
            loaded = Array(words)[taken.turn] if passes > 1 else words[0]
            for _ in stages[1:]:
                following = Signal(32, name="load_data", reset_less=True)
                m.d.sync += following.eq(loaded)
                loaded = following
            return loaded

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
        m.d.comb += self.read_data.eq(Array(read_lines)[read_line] if lines > 1 else read_lines[0])

        load_data = {}
        for unit_row in range(unit_rows):
            for unit_column in range(unit_columns):
                places = []
                for turn in range(passes):
                    row = turn % row_turns * unit_rows + unit_row
                    column = turn // row_turns * unit_columns + unit_column
                    places.append(divmod(row * columns + column, lanes))
                positions = tuple(position for _, position in places)
                if positions not in load_data:
                    load_data[positions] = later(positions)
                m.submodules[f"element_{unit_row}_{unit_column}"] = Instance(
                    matrix_element_name(config),
                    i_clk=ClockSignal(),
                    i_rst=ResetSignal(),
                    i_a=operands["a"][unit_row],
                    i_b=operands["b"][unit_column],
                    i_step_address=Cat(step.turn, step.entry),
                    i_step_zero=step.zero,
                    i_write=Cat(line_write[line] & (write.turn == turn) for turn, (line, _) in enumerate(places)),
                    i_write_address=Cat(write.turn, write.entry),
                    i_load=write.op == MatrixOp.LOAD_LINE,
                    i_clear=write.op == MatrixOp.CLEAR,
                    i_load_data=load_data[positions],
                    i_read_entry=self.read_entry,
                    o_read_data=Cat(read_lines[line].word_select(position, 32) for line, position in places),
                )

    def _converters(self, m, name, values, randoms, formats, **ports):
        """Codes and flags of converters side by side."""
        codes, flags = [], []
        kind, bias, stochastic = formats
        for lane, (value, random) in enumerate(zip(values, randoms, strict=True)):
            code, lane_flags = Signal(32, name=f"code{lane}"), Signal(FLAG_BITS, name=f"flags{lane}")
            m.submodules[f"encode{lane}"] = Instance(
                name,
                i_value=value,
                i_kind=kind,
                i_bias=bias,
                i_stochastic=stochastic,
                i_random=random,
                o_code=code,
                o_flags=lane_flags,
                **ports,
            )
            codes.append(code)
            flags.append(lane_flags)
        return codes, Cat(Cat(each[flag] for each in flags).any() for flag in range(FLAG_BITS))

    def _convert_line(self, m):
        """All lanes at once."""
        values, randoms = (
            [line.word_select(lane, bits) for lane in range(self.config.fp32_lanes)]
            for line, bits in ((self.read_data, 32), (self.convert_random, RANDOM_BITS))
        )
        formats = self.convert_format, self.convert_bias, self.convert_stochastic
        codes, flags = self._converters(m, FORMAT_ENCODE, values, randoms, formats)
        converted, convert_flags = (Signal.like(port, reset_less=True) for port in (self.converted, self.convert_flags))
        m.d.comb += [self.converted.eq(converted), self.convert_flags.eq(convert_flags)]
        with m.If(self.convert):
            m.d.sync += convert_flags.eq(flags)
            with m.Switch(self.convert_format):
                with m.Case(FormatKind.CFP8_143, FormatKind.CFP8_152):
                    m.d.sync += converted.eq(Cat(code[:8] for code in codes))
                with m.Case(FormatKind.FP32):
                    m.d.sync += converted.eq(Cat(codes))
                with m.Default():
                    m.d.sync += converted.eq(Cat(code[:16] for code in codes))

    def _convert_in_turn(self, m, word):
        """Groups of lanes one after the other; returns which one's turn is next.

        ``word`` is the one whose turn it is if they are read one by one.
        """
        lanes = self.config.fp32_lanes
        turns = convert_turns(self.config)
        count = lanes // turns
        turn, next_turn = Signal(range(turns)), Signal(range(turns))
        active = Signal()
        # The count goes round.
        m.d.comb += [active.eq(self.convert | (turn != 0)), next_turn.eq(turn + active)]
        m.d.sync += turn.eq(next_turn)

        def of_turn(line, bits):
            """The parts of a line that are converted side by side."""
            return line.word_select(turn, bits * count)

        def later(name, *values):
            """The values in the next cycle."""
            registers = [Signal(len(value), name=f"{name}{index}") for index, value in enumerate(values)]
            m.d.sync += [register.eq(value) for register, value in zip(registers, values, strict=True)]
            return registers

        values = of_turn(self.read_data, 32) if word is None else word
        randoms = of_turn(self.convert_random, RANDOM_BITS)
        formats = self.convert_format, self.convert_bias, self.convert_stochastic
        coded, coded_turn = active, turn
        if is_paired(self.config):
            # Words come late in a cycle.
            coded, coded_turn, values, randoms, *formats = later("taken", coded, coded_turn, values, randoms, *formats)
        codes, flags = self._converters(
            m,
            SMALL_FORMAT_ENCODE,
            [values.word_select(lane, 32) for lane in range(count)],
            [randoms.word_select(lane, RANDOM_BITS) for lane in range(count)],
            formats,
            i_clk=ClockSignal(),
            i_rst=ResetSignal(),
        )
        kind = formats[0]
        for cycle in range(SMALL_CYCLES):
            coded, coded_turn, kind = later(f"coded{cycle}_", coded, coded_turn, kind)

        # The bytes of a group, as often as they fit in the place of its codes of 32 bits.
        pattern = Signal(32 * count)
        sizes = {1: Signal(), 2: Signal(), 4: Signal()}
        m.d.comb += [
            sizes[1].eq((kind == FormatKind.CFP8_143) | (kind == FormatKind.CFP8_152)),
            sizes[4].eq(kind == FormatKind.FP32),
            sizes[2].eq(~(sizes[1] | sizes[4])),
        ]
        for size, is_size in sizes.items():
            with m.If(is_size):
                m.d.comb += pattern.eq(Cat(code[: 8 * size] for code in codes).replicate(4 // size))
        converted, convert_flags = (Signal.like(port, reset_less=True) for port in (self.converted, self.convert_flags))
        m.d.comb += [self.converted.eq(converted), self.convert_flags.eq(convert_flags)]
        for byte in range(4 * lanes):
            # The group that a byte is of, if there are as many.
            chosen = Cat(
                is_size & (coded_turn == byte // (size * count)) for size, is_size in sizes.items() if byte < size * lanes
            ).any()
            with m.If(coded & chosen):
                m.d.sync += converted.word_select(byte, 8).eq(pattern.word_select(byte % (4 * count), 8))
        with m.If(coded):
            m.d.sync += convert_flags.eq(Mux(coded_turn == 0, 0, convert_flags) | flags)
        return next_turn
