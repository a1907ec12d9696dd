# SPDX-License-Identifier: Apache-2.0
"""The operation that waits to enter the matrix array of a sequential core."""

from amaranth.hdl import Module, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from golden.config import NodeConfig
from rtl.core.format_table import FormatLayout
from rtl.matrix.array import MatrixOp
from rtl.matrix.timing import matrix_latency_cycles

__all__ = ["MatrixFeed", "MatrixOperation"]


class MatrixOperation(data.StructLayout):
    """What the matrix array is told beside the operands' lines."""

    def __init__(self, config: NodeConfig):
        super().__init__(
            {
                "op": MatrixOp,
                "entry": range(config.accumulators),
                "line": range(config.accumulator_lines),
                "zero": 1,
                "half": 1,
                "format_a": FormatLayout(),
                "format_b": FormatLayout(),
            }
        )


class MatrixFeed(wiring.Component):
    """Keeps one operation until the array may take it, and the array's distances.

    Members
    -------
    put : In(1), operation : In(MatrixOperation)
        Keep it; only while ``waits`` is clear. Its operands' lines are there two cycles later at the latest.
    waits : Out(1)
        One is kept: the lines of its operands have to stay, up to the cycle in which it enters.
    enters : Out(MatrixOperation)
        To the array; ``op`` is NONE in cycles in which nothing enters.
    drained : Out(1)
        Accumulators can be read.
    """

    def __init__(self, config: NodeConfig):
        self.config = config
        super().__init__(
            {
                "put": In(1),
                "operation": In(MatrixOperation(config)),
                "waits": Out(1),
                "enters": Out(MatrixOperation(config)),
                "drained": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        kept = Signal(MatrixOperation(self.config), reset_less=True)
        # Counts down from the cycle after an entry. The array takes the next operation after a step's cycles, but not in the
        # next cycle, and shows what it wrote at the end.
        latency = matrix_latency_cycles(self.config)
        left = Signal(range(latency))
        may, coming, ready = Signal(), Signal(), Signal()
        m.d.comb += [
            may.eq(left < latency - max(2, self.config.matrix_step_cycles) + 1),
            self.waits.eq(coming | ready),
            self.enters.eq(kept),
            self.drained.eq(~self.waits & (left == 0)),
        ]
        with m.If(~(ready & may)):
            m.d.comb += self.enters.op.eq(MatrixOp.NONE)
        with m.If(ready & may):
            m.d.sync += [ready.eq(0), left.eq(latency - 1)]
        with m.Elif(left != 0):
            m.d.sync += left.eq(left - 1)
        m.d.sync += coming.eq(self.put)
        with m.If(coming):
            m.d.sync += ready.eq(1)
        with m.If(self.put):
            m.d.sync += kept.eq(self.operation)
        return m
