# SPDX-License-Identifier: Apache-2.0
"""SystemVerilog that replaces the arithmetic macros in simulators, bit for bit and cycle for cycle.

The modules keep state and timing; the arithmetic is C++ (``arithmetic.cpp``), called once per operation through DPI-C. A cycle
without an operation costs next to nothing.
"""

from __future__ import annotations

from pathlib import Path

from golden.config import NodeConfig
from rtl.matrix.array import MatrixOp, matrix_entries, matrix_name
from rtl.simd.lanes import simd_name

__all__ = ["MACRO_SOURCES", "macro_verilog", "matrix_macro_verilog", "simd_macro_verilog"]

#: C++ to compile with the modules.
MACRO_SOURCES = (Path(__file__).with_name("arithmetic.cpp"),)

#: Ops wait five cycles; a power of two of lines holds their operands.
_WAITING_CYCLES = 5
_QUEUE_DEPTH = 8


def matrix_macro_verilog(config: NodeConfig) -> str:
    """The module of ``rtl.matrix.array.MatrixArray``: same name, ports and timing.

    Operands wait in a queue, which costs only when they come, and the step is computed at the end of the fifth cycle after the
    one in which it entered, when the hardware writes its accumulator.
    """
    bits = 8 * config.line_bytes
    lines = config.accumulator_lines
    entries = matrix_entries(config)
    entry_bits = max(1, (entries - 1).bit_length())
    line_bits = max(1, (lines - 1).bit_length())
    control = 2 + entry_bits + line_bits + 1
    parameters = ",\n".join(f"    inout bit [{bits - 1}:0] line{i}" for i in range(lines))
    arguments = ", ".join(f"lines[{lines} * int'(due_entry) + {i}]" for i in range(lines))
    clear = "\n".join(f"          lines[{lines} * int'(due_entry) + {i}] = '0;" for i in range(lines))
    return f"""\
// SPDX-License-Identifier: Apache-2.0
// verilator lint_off BLKSEQ
module {matrix_name(config)} (
    input  bit clk,
    input  bit rst,
    input  bit [1:0] op,
    input  bit [{entry_bits - 1}:0] entry,
    input  bit [{line_bits - 1}:0] line,
    input  bit zero,
    input  bit [{bits - 1}:0] a,
    input  bit [{bits - 1}:0] b,
    input  bit [{entry_bits - 1}:0] read_entry,
    input  bit [{line_bits - 1}:0] read_line,
    output bit [{bits - 1}:0] read_data
);
  import "DPI-C" function void d1_matrix_step_{config.line_bytes} (
    input bit [{bits - 1}:0] a,
    input bit [{bits - 1}:0] b,
    input bit zero,
{parameters}
  );

  bit [{bits - 1}:0] lines [{max(2, entries) * lines}];
  bit [{bits - 1}:0] queue_a [{_QUEUE_DEPTH}];
  bit [{bits - 1}:0] queue_b [{_QUEUE_DEPTH}];
  bit [{_QUEUE_DEPTH.bit_length() - 2}:0] head, tail;
  bit [{_WAITING_CYCLES * control - 1}:0] waiting;

  bit [1:0] due_op;
  bit [{entry_bits - 1}:0] due_entry;
  bit [{line_bits - 1}:0] due_line;
  bit due_zero;

  always @(posedge clk) begin
    read_data <= lines[{lines} * int'(read_entry) + int'(read_line)];

    {{due_op, due_entry, due_line, due_zero}} = waiting[{_WAITING_CYCLES * control - 1}:{(_WAITING_CYCLES - 1) * control}];
    if (due_op != {MatrixOp.NONE.value}) begin
      case (due_op)
        {MatrixOp.STEP.value}: d1_matrix_step_{config.line_bytes}(queue_a[tail], queue_b[tail], due_zero, {arguments});
        {MatrixOp.LOAD_LINE.value}: lines[{lines} * int'(due_entry) + int'(due_line)] = queue_a[tail];
        default: begin
{clear}
        end
      endcase
      tail = tail + 1;
    end
    if (op != {MatrixOp.NONE.value}) begin
      queue_a[head] = a;
      queue_b[head] = b;
      head = head + 1;
    end
    waiting = {{waiting[{(_WAITING_CYCLES - 1) * control - 1}:0], op, entry, line, zero}};
    if (rst) begin
      waiting = '0;
      head = '0;
      tail = '0;
    end
  end
endmodule
"""


def simd_macro_verilog(config: NodeConfig) -> str:
    """The module of ``rtl.simd.lanes.SimdLanes``: same name, ports and timing."""
    bits = 8 * config.line_bytes
    return f"""\
// SPDX-License-Identifier: Apache-2.0
// verilator lint_off BLKSEQ
module {simd_name(config)} (
    input  bit clk,
    input  bit rst,
    input  bit valid,
    input  bit [1:0] op,
    input  bit [{bits - 1}:0] a,
    input  bit [{bits - 1}:0] b,
    output bit [{bits - 1}:0] result
);
  import "DPI-C" function void d1_simd_op_{config.line_bytes} (
    input byte unsigned op,
    input bit [{bits - 1}:0] a,
    input bit [{bits - 1}:0] b,
    output bit [{bits - 1}:0] result
  );

  bit [{bits - 1}:0] waiting;
  bit is_waiting;

  always @(posedge clk) begin
    if (is_waiting) result <= waiting;
    is_waiting = valid;
    if (valid) d1_simd_op_{config.line_bytes}({{6'b0, op}}, a, b, waiting);
  end
endmodule
"""


def macro_verilog(config: NodeConfig) -> str:
    """Modules that replace the matrix array and the SIMD lanes of a node, to be compiled with ``MACRO_SOURCES``.

    Parameters
    ----------
    config : NodeConfig

    Returns
    -------
    str
        SystemVerilog.
    """
    return matrix_macro_verilog(config) + "\n" + simd_macro_verilog(config)
