# SPDX-License-Identifier: Apache-2.0
"""The matrix array: the elements of the matrix unit with their accumulators."""

from amaranth.hdl import Array, Cat, ClockSignal, Instance, Module, Mux, ResetSignal, Signal
from amaranth.lib import data, enum, wiring
from amaranth.lib.wiring import In, Out

from golden.config import MATRIX_K, NodeConfig
from rtl.arithmetic.operand import OperandDecoder
from rtl.matrix.element import MatrixElement

__all__ = ["MatrixArray", "MatrixOp", "matrix_element_name", "matrix_entries", "matrix_modules", "matrix_name"]

#: Cycles from an op to the cycle in which its accumulator is read, and to the one at whose end it is written.
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
    return f"d1_matrix_{config.line_bytes}_{matrix_entries(config)}"


def matrix_element_name(config: NodeConfig) -> str:
    """Name of the module that the array consists of."""
    return f"d1_matrix_element_{matrix_entries(config)}"


def matrix_modules(config: NodeConfig) -> dict[str, wiring.Component]:
    """The array and the modules that it instantiates, by name; each is to be exported as a module of that name."""
    return {
        matrix_element_name(config): MatrixElement(matrix_entries(config)),
        matrix_name(config): MatrixArray(config),
    }


class MatrixArray(wiring.Component):
    """M x N elements, each with an accumulator per entry.

    An op enters in any cycle and has written its accumulator six cycles later: with an op in cycle t, ops on the same entry
    that enter in t + 2 and reads addressed in t + 6 or later see it. Callers keep these distances.

    The elements are instances of ``matrix_element_name``, which is exported once.

    Parameters
    ----------
    config : NodeConfig

    Members
    -------
    op : In(MatrixOp)
    entry : In(entry)
    line : In(line of an accumulator)   of LOAD_LINE
    zero : In(1)                        of STEP: from +0 instead of from the accumulator
    a : In(8 * line_bytes)              STEP: M x 4 BF16, row-major; LOAD_LINE: two rows of N FP32
    b : In(8 * line_bytes)              STEP: 4 x N BF16, row-major
    read_entry, read_line : In
    read_data : Out(8 * line_bytes)     two rows of N FP32, addressed in the cycle before
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
                "read_entry": In(entry),
                "read_line": In(line),
                "read_data": Out(bits),
            }
        )

    def elaborate(self, platform):
        m = Module()
        config = self.config
        rows, columns, lines = config.matrix_m, config.matrix_n, config.accumulator_lines

        m.submodules.decode_a = decode_a = OperandDecoder(rows * MATRIX_K)
        m.submodules.decode_b = decode_b = OperandDecoder(MATRIX_K * columns)
        m.d.comb += [decode_a.codes.eq(self.a), decode_b.codes.eq(self.b)]

        control = data.StructLayout(
            {"op": MatrixOp, "entry": self.entry.shape(), "line": self.line.shape(), "zero": 1},
        )
        stages = [Signal(control, name=f"control{cycle}") for cycle in range(_WRITE_CYCLES + 1)]
        m.d.comb += [stages[0][field].eq(getattr(self, field)) for field in ("op", "entry", "line", "zero")]
        load_data = Mux(self.op == MatrixOp.LOAD_LINE, self.a, 0)
        for cycle in range(1, len(stages)):
            delayed = Signal(len(self.a), name=f"load_data{cycle}", reset_less=True)
            m.d.sync += [stages[cycle].eq(stages[cycle - 1]), delayed.eq(load_data)]
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

        for row in range(rows):
            a = Cat(decode_a.operands[row * MATRIX_K + k] for k in range(MATRIX_K))
            for column in range(columns):
                b = Cat(decode_b.operands[k * columns + column] for k in range(MATRIX_K))
                line, position = divmod(row * columns + column, config.fp32_lanes)
                m.submodules[f"element_{row}_{column}"] = Instance(
                    matrix_element_name(config),
                    i_clk=ClockSignal(),
                    i_rst=ResetSignal(),
                    i_a=a,
                    i_b=b,
                    i_step_entry=step.entry,
                    i_step_zero=step.zero,
                    i_write=line_write[line],
                    i_write_entry=write.entry,
                    i_load=write.op != MatrixOp.STEP,
                    i_load_data=load_data.word_select(position, 32),
                    i_read_entry=self.read_entry,
                    o_read_data=read_lines[line].word_select(position, 32),
                )
        return m
