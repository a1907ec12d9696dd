# SPDX-License-Identifier: Apache-2.0
"""SystemVerilog that replaces the arithmetic macros in simulators, bit for bit and cycle for cycle.

The modules keep state and timing; the arithmetic is C++ (``arithmetic.h``), called once per operation through DPI-C. A cycle
without an operation costs next to nothing.
"""

from __future__ import annotations

from pathlib import Path

from golden.config import NodeConfig
from golden.isa import INSTRUCTIONS, Instruction, Unit
from golden.layout import BIAS_BITS, ZERO_STATE, Flag
from rtl.core.random_lanes import SEEDS, random_name
from rtl.matrix.array import MatrixOp, matrix_entries, matrix_name
from rtl.matrix.timing import convert_cycles, matrix_latency_cycles
from rtl.simd.operations import operation, sub_operation
from rtl.simd.timing import ONE_LANE_FUNCTIONS, ONE_LANE_STAGES, SIMD_STAGES, has_one_lane, iterative_cycles, one_lane_cycles
from rtl.simd.unit import simd_name

__all__ = [
    "MACRO_HEADERS",
    "MACRO_SOURCES",
    "macro_verilog",
    "matrix_macro_verilog",
    "random_macro_verilog",
    "simd_macro_verilog",
]

_FOLDER = Path(__file__).parent

#: C++ to compile with the modules, and what it includes.
MACRO_SOURCES = tuple(sorted(_FOLDER.glob("*.cpp")))
MACRO_HEADERS = tuple(sorted(_FOLDER.glob("*.h")))

#: A power of two of lines holds the operands or results that wait.
_QUEUE_DEPTH = 8
_QUEUE_BITS = _QUEUE_DEPTH.bit_length() - 1

#: Cycles are counted modulo a power of two, which is larger than any wait.
_TIME_BITS = 12

_RANDOM_BITS = 24
_FLAG_BITS = len(Flag)


def matrix_macro_verilog(config: NodeConfig) -> str:
    """The module of ``rtl.matrix.array.MatrixArray``: same name, ports and timing.

    Operands wait in a queue, which costs only when they come, and the step is computed at the end of the cycle in which the
    hardware writes the last elements of its accumulator. A line is converted when the hardware begins with it.
    """
    size = config.line_bytes
    bits = 8 * size
    lines = config.accumulator_lines
    entries = matrix_entries(config)
    entry_bits = max(1, (entries - 1).bit_length())
    line_bits = max(1, (lines - 1).bit_length())
    random = _RANDOM_BITS * config.fp32_lanes
    parameters = ",\n".join(f"    inout bit [{bits - 1}:0] line{i}" for i in range(lines))
    arguments = ", ".join(f"lines[{lines} * int'(due.entry) + {i}]" for i in range(lines))
    clear = "\n".join(f"          lines[{lines} * int'(due.entry) + {i}] = '0;" for i in range(lines))
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
    input  bit [1:0] format_a,
    input  bit [1:0] format_b,
    input  bit [{BIAS_BITS - 1}:0] bias_a,
    input  bit [{BIAS_BITS - 1}:0] bias_b,
    input  bit half,
    input  bit [{entry_bits - 1}:0] read_entry,
    input  bit [{line_bits - 1}:0] read_line,
    output bit [{bits - 1}:0] read_data,
    input  bit convert,
    input  bit [2:0] convert_format,
    input  bit [{BIAS_BITS - 1}:0] convert_bias,
    input  bit convert_stochastic,
    input  bit [{random - 1}:0] convert_random,
    output bit [{bits - 1}:0] converted,
    output bit [{_FLAG_BITS - 1}:0] convert_flags
);
  import "DPI-C" function void d1_matrix_step_{size} (
    input bit [{bits - 1}:0] a,
    input bit [{bits - 1}:0] b,
    input byte unsigned format_a,
    input byte unsigned format_b,
    input byte unsigned bias_a,
    input byte unsigned bias_b,
    input bit half,
    input bit zero,
{parameters}
  );
  import "DPI-C" function byte unsigned d1_matrix_convert (
    input int line_bytes,
    input bit [{bits - 1}:0] line,
    input byte unsigned kind,
    input byte unsigned bias,
    input bit stochastic,
    input bit [{random - 1}:0] random,
    output bit [{bits - 1}:0] codes
  );

  typedef struct packed {{
    bit [1:0] op;
    bit [{entry_bits - 1}:0] entry;
    bit [{line_bits - 1}:0] line;
    bit zero;
    bit [1:0] format_a, format_b;
    bit [{BIAS_BITS - 1}:0] bias_a, bias_b;
    bit half;
    bit [{_TIME_BITS - 1}:0] cycle;
  }} control_t;

  bit [{bits - 1}:0] lines [{max(2, entries) * lines}];
  bit [{bits - 1}:0] queue_a [{_QUEUE_DEPTH}];
  bit [{bits - 1}:0] queue_b [{_QUEUE_DEPTH}];
  control_t queue [{_QUEUE_DEPTH}];
  bit [{_QUEUE_BITS - 1}:0] head, tail;
  bit [{_TIME_BITS - 1}:0] now;
  bit [{bits - 1}:0] codes;
  bit [{_FLAG_BITS - 1}:0] codes_flags;
  int remaining;
  control_t due;

  always @(posedge clk) begin
    if (convert) begin
      codes_flags = {_FLAG_BITS}'(d1_matrix_convert({size}, read_data, 8'(convert_format), 8'(convert_bias),
          convert_stochastic, convert_random, codes));
      remaining = {convert_cycles(config)};
    end
    if (remaining != 0) begin
      remaining = remaining - 1;
      if (remaining == 0) begin
        converted <= codes;
        convert_flags <= codes_flags;
      end
    end
    read_data <= lines[{lines} * int'(read_entry) + int'(read_line)];

    if (head != tail && queue[tail].cycle == now) begin
      due = queue[tail];
      case (due.op)
        {MatrixOp.STEP.value}: d1_matrix_step_{size}(queue_a[tail], queue_b[tail], 8'(due.format_a), 8'(due.format_b),
            8'(due.bias_a), 8'(due.bias_b), due.half, due.zero, {arguments});
        {MatrixOp.LOAD_LINE.value}: lines[{lines} * int'(due.entry) + int'(due.line)] = queue_a[tail];
        default: begin
{clear}
        end
      endcase
      tail = tail + 1;
    end
    if (op != {MatrixOp.NONE.value}) begin
      queue_a[head] = a;
      queue_b[head] = b;
      queue[head] = '{{op, entry, line, zero, format_a, format_b, bias_a, bias_b, half,
          {_TIME_BITS}'(now + {matrix_latency_cycles(config) - 1})}};
      head = head + 1;
    end
    now = now + 1;
    if (rst) begin
      head = '0;
      tail = '0;
      remaining = 0;
    end
  end
endmodule
"""


def simd_macro_verilog(config: NodeConfig) -> str:
    """The module of ``rtl.simd.unit.SimdUnit``: same name, ports and timing.

    An operation is computed when it enters; its result waits in a queue. That of an iterative one waits outside for as long as
    the hardware's iterative unit works, and goes into the queue then.
    """
    size = config.line_bytes
    bits = 8 * size
    random = 2 * _RANDOM_BITS * config.fp32_lanes
    passes = config.simd_passes
    stages = ONE_LANE_STAGES if has_one_lane(config) else SIMD_STAGES
    return f"""\
// SPDX-License-Identifier: Apache-2.0
// verilator lint_off BLKSEQ
module {simd_name(config)} (
    input  bit clk,
    input  bit rst,
    input  bit valid,
    input  bit [7:0] op,
    input  bit [4:0] sub,
    input  bit [{bits - 1}:0] a,
    input  bit [{bits - 1}:0] b,
    input  bit [{bits - 1}:0] c,
    input  bit [63:0] scalar,
    input  bit [{size - 1}:0] mask,
    input  bit [2:0] format,
    input  bit [{BIAS_BITS - 1}:0] bias,
    input  bit [{random - 1}:0] random,
    input  bit collect,
    input  bit [2:0] row,
    output bit [{bits - 1}:0] result,
    output bit [{_FLAG_BITS - 1}:0] flags
);
  import "DPI-C" function byte unsigned d1_simd_operate (
    input int line_bytes,
    input byte unsigned op,
    input byte unsigned sub,
    input bit [{bits - 1}:0] a,
    input bit [{bits - 1}:0] b,
    input bit [{bits - 1}:0] c,
    input longint unsigned scalar,
    input bit [{size - 1}:0] mask,
    input byte unsigned format,
    input byte unsigned bias,
    input bit [{random - 1}:0] random,
    input byte unsigned row,
    input bit [{bits - 1}:0] collected,
    output bit [{bits - 1}:0] result
  );
  import "DPI-C" function void d1_simd_collect (
    input int line_bytes,
    input byte unsigned op,
    input byte unsigned sub,
    input bit [{bits - 1}:0] a,
    input bit [{bits - 1}:0] b,
    input byte unsigned row,
    input bit [{bits - 1}:0] collected,
    output bit [{bits - 1}:0] following
  );

  bit [{bits - 1}:0] queue_result [{_QUEUE_DEPTH}];
  bit [{_FLAG_BITS - 1}:0] queue_flags [{_QUEUE_DEPTH}];
  bit [{_TIME_BITS - 1}:0] queue_cycle [{_QUEUE_DEPTH}];
  bit [{_QUEUE_BITS - 1}:0] head, tail;
  bit [{_TIME_BITS - 1}:0] now;

  bit [{bits - 1}:0] collected;
  bit [{bits - 1}:0] made, iterated;
  bit [{_FLAG_BITS - 1}:0] made_flags, iterated_flags;
  int passes, iterations, remaining;

  always @(posedge clk) begin
    if (head != tail && queue_cycle[tail] == now) begin
      result <= queue_result[tail];
      flags <= queue_flags[tail];
      tail = tail + 1;
    end
    if (remaining != 0) begin
      remaining = remaining - 1;
      if (remaining == 0) begin
        queue_result[head] = iterated;
        queue_flags[head] = iterated_flags;
        queue_cycle[head] = now + {_TIME_BITS}'d{stages - 1 + passes};
        head = head + 1;
      end
    end
    if (collect) d1_simd_collect({size}, op, 8'(sub), a, b, 8'(row), collected, collected);
    if (valid) begin
      made_flags = {_FLAG_BITS}'(d1_simd_operate({size}, op, 8'(sub), a, b, c, scalar, mask, 8'(format), 8'(bias), random,
          8'(row), collected, made));
      passes = {passes};
      iterations = 0;
      casez ({{op, sub}})
{_simd_timing(config)}
        default: ;
      endcase
      if (iterations != 0) begin
        iterated = made;
        iterated_flags = made_flags;
        remaining = iterations;
      end else begin
        queue_result[head] = made;
        queue_flags[head] = made_flags;
        queue_cycle[head] = now + {_TIME_BITS}'({stages - 1} + passes);
        head = head + 1;
      end
    end
    now = now + 1;
    if (rst) begin
      head = '0;
      tail = '0;
      remaining = 0;
    end
  end
endmodule
"""


def _simd_timing(config: NodeConfig) -> str:
    """Items of a case statement on the encodings of operations that take other than ``simd_passes`` cycles."""
    by_action: dict[str, list[str]] = {}
    for row in INSTRUCTIONS.values():
        if row.unit is Unit.SIMD:
            action = _one_lane_action(config, row) if has_one_lane(config) else _lanes_action(config, row)
            if action:
                by_action.setdefault(action, []).append(_simd_pattern(row))
    return "\n".join(f"        {', '.join(patterns)}: {action}" for action, patterns in by_action.items())


def _lanes_action(config: NodeConfig, row: Instruction) -> str:
    """What sets the time of an operation, if it is not ``simd_passes`` cycles, in a unit with several lanes."""
    cycles = iterative_cycles(config)
    # Converts to BF16 are named like operations on BF16 lanes, and take as long.
    name, lanes, *_ = [*row.mnemonic.split("."), ""]
    double = lanes == "bf16"
    if name.startswith("vred"):
        width = "16" if double else lanes[1:]
        return f"iterations = {cycles[f'reduce{width}']};"
    if name in ("vrcp", "vrsqrt", "vexp2"):
        return f"iterations = {cycles['double' if double else 'single']};"
    return f"passes = {2 * config.simd_passes};" if double else ""


def _one_lane_action(config: NodeConfig, row: Instruction) -> str:
    """The same in a unit with one lane, where every operation is over before the next."""
    cycles = one_lane_cycles(config)
    name, lanes, *_ = [*row.mnemonic.split("."), ""]
    kind = {"bf16": "halves", "i16": "halves", "i8": "bytes"}.get(lanes, "words")
    if name.startswith("vred"):
        kind = f"reduce_{lanes}"
    elif name in ONE_LANE_FUNCTIONS:
        kind = f"{name}_{lanes}"
    elif name.startswith(("vsel", "vnarrow", "vshuf", "vslide", "vwiden", "vbc", "vtrn")):
        kind = "bytes"
    return f"passes = {cycles[kind]};"


def _simd_pattern(row: Instruction) -> str:
    """The ports ``op`` and ``sub`` of an instruction, as a pattern of bits."""
    sub = sub_operation(row.mnemonic)
    return f"13'b{operation(row.mnemonic):08b}_{'?????' if sub is None else format(sub, '05b')}"


def random_macro_verilog(config: NodeConfig) -> str:
    """The module of ``rtl.core.random_lanes.RandomLanes``: same name, ports and timing, computed only when it is used."""
    lanes, threads = config.fp32_lanes, config.threads
    seeds = ", ".join(f"32'd{seed}" for seed in SEEDS[:lanes])
    bits = _RANDOM_BITS * lanes
    index = "thread" if threads == 4 else f"int'(thread) % {threads}"
    return f"""\
// SPDX-License-Identifier: Apache-2.0
module {random_name(config)} (
    input  bit clk,
    input  bit rst,
    input  bit [1:0] thread,
    input  bit reseed,
    input  bit [31:0] seed,
    input  bit draw,
    input  bit advance,
    input  bit twice,
    output bit [{bits - 1}:0] first,
    output bit [{bits - 1}:0] second
);
  localparam bit [31:0] SEEDS [{lanes}] = '{{{seeds}}};

  bit [31:0] states [{threads}][{lanes}];
  bit [31:0] once [{lanes}];
  bit [31:0] both [{lanes}];

  function automatic bit [31:0] step(bit [31:0] state);
    bit [31:0] left = state ^ (state << 13);
    bit [31:0] right = left ^ (left >> 17);
    return right ^ (right << 5);
  endfunction

  always_comb begin
    for (int lane = 0; lane < {lanes}; lane++) begin
      once[lane] = '0;
      both[lane] = '0;
    end
    if (draw) begin
      for (int lane = 0; lane < {lanes}; lane++) begin
        once[lane] = step(states[{index}][lane]);
        both[lane] = step(once[lane]);
      end
    end
    for (int lane = 0; lane < {lanes}; lane++) begin
      first[{_RANDOM_BITS} * lane +: {_RANDOM_BITS}] = once[lane][31:{32 - _RANDOM_BITS}];
      second[{_RANDOM_BITS} * lane +: {_RANDOM_BITS}] = both[lane][31:{32 - _RANDOM_BITS}];
    end
  end

  always_ff @(posedge clk) begin
    if (rst) begin
      for (int i = 0; i < {threads}; i++) for (int lane = 0; lane < {lanes}; lane++) states[i][lane] <= SEEDS[lane];
    end else if (reseed) begin
      for (int lane = 0; lane < {lanes}; lane++)
        states[{index}][lane] <= (seed ^ SEEDS[lane]) == 0 ? 32'd{ZERO_STATE} : seed ^ SEEDS[lane];
    end else if (draw && advance) begin
      for (int lane = 0; lane < {lanes}; lane++) states[{index}][lane] <= twice ? both[lane] : once[lane];
    end
  end
endmodule
"""


def macro_verilog(config: NodeConfig) -> str:
    """Modules that replace the matrix array, the SIMD unit and the random bits of a node, to be compiled with ``MACRO_SOURCES``.

    Parameters
    ----------
    config : NodeConfig

    Returns
    -------
    str
        SystemVerilog.
    """
    return "\n".join((matrix_macro_verilog(config), simd_macro_verilog(config), random_macro_verilog(config)))
