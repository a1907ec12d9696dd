# SPDX-License-Identifier: Apache-2.0
"""The boundary of the SRAM array macro: its name, its ports, and its simulation model."""

from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from golden.config import NodeConfig
from rtl.interfaces import line_address_bits

__all__ = ["READ_PORTS", "WRITE_PORTS", "array_signature", "holds_writes", "macro_name", "macro_verilog"]

#: Read ports in the order of the requesters' priority.
READ_PORTS = ("fetch", "scalar", "network", "load1", "load0")

#: Write ports in the order of the requesters' priority.
WRITE_PORTS = ("network", "store")


def holds_writes(config: NodeConfig) -> bool:
    """Whether a write passes a register before the array, which then gets one write per cycle, and never one of a line that is
    read in that cycle.

    Nodes whose matrix operations take several passes are made for FPGAs, where memory blocks do not promise what such a read
    returns: making up for it takes a bypass around each bank.
    """
    return config.matrix_passes > 1


def macro_name(config: NodeConfig) -> str:
    """Name of the Verilog module."""
    return f"d1_sram_{config.sram_blocks}x{config.sram_ways}x{config.bank_lines}x{config.line_bytes}"


def array_signature(config: NodeConfig) -> wiring.Signature:
    """Ports of the array but for ``clk``, as the array sees them.

    Members
    -------
    <p>_r_en : In(1), <p>_r_address : In(line number), <p>_r_data : Out(line)
        For p in :data:`READ_PORTS`. Data is defined in the cycle after ``en`` and only then.
    <p>_w_en : In(1), <p>_w_address : In(line number), <p>_w_mask : In(line_bytes), <p>_w_data : In(line)
        For p in :data:`WRITE_PORTS`. Written at the end of the cycle; a read in that cycle returns the old data.
    """
    address, line = line_address_bits(config), 8 * config.line_bytes
    members = {}
    for port in READ_PORTS:
        members |= {f"{port}_r_en": In(1), f"{port}_r_address": In(address), f"{port}_r_data": Out(line)}
    for port in WRITE_PORTS:
        members |= {f"{port}_w_en": In(1), f"{port}_w_address": In(address)}
        members |= {f"{port}_w_mask": In(config.line_bytes), f"{port}_w_data": In(line)}
    return wiring.Signature(members)


def macro_verilog(config: NodeConfig) -> str:
    """SystemVerilog of a model of the array for simulators: the lines in one array ``mem``, in the order of addresses.

    Equal to :class:`rtl.memory.banks.SramArray` in every cycle in which data is defined, and much faster in Verilator.
    ``mem`` is public, so that a simulator reaches memory by the back door. It starts as zero.
    """
    address, line = line_address_bits(config), 8 * config.line_bytes
    ports, reads, writes = ["  input logic clk"], [], []
    for p in READ_PORTS:
        ports += [
            f"  input logic {p}_r_en",
            f"  input logic [{address - 1}:0] {p}_r_address",
            f"  output logic [{line - 1}:0] {p}_r_data",
        ]
        reads.append(f"    if ({p}_r_en) {p}_r_data <= mem[{p}_r_address];")
    for p in WRITE_PORTS:
        ports += [
            f"  input logic {p}_w_en",
            f"  input logic [{address - 1}:0] {p}_w_address",
            f"  input logic [{config.line_bytes - 1}:0] {p}_w_mask",
            f"  input logic [{line - 1}:0] {p}_w_data",
        ]
        writes += [
            f"    if ({p}_w_en) begin",
            f"      if (&{p}_w_mask) mem[{p}_w_address] = {p}_w_data;",
            f"      else for (int i = 0; i < {config.line_bytes}; i++)",
            f"        if ({p}_w_mask[i]) mem[{p}_w_address][8*i +: 8] = {p}_w_data[8*i +: 8];",
            "    end",
        ]
    return "\n".join(
        [
            "// SPDX-License-Identifier: Apache-2.0",
            f"// SRAM array of {config.sram_lines} lines of {config.line_bytes} bytes: model for simulators, read first.",
            f"module {macro_name(config)} (",
            ",\n".join(ports),
            ");",
            f"  logic [{line - 1}:0] mem [0:{config.sram_lines - 1}] /*verilator public_flat_rw*/;",
            f"  initial for (int i = 0; i < {config.sram_lines}; i++) mem[i] = '0;",
            "  // One process touches the array, so writes may block: every read above them sees the old data.",
            "  /* verilator lint_off BLKSEQ */",
            "  always @(posedge clk) begin",
            *reads,
            *writes,
            "  end",
            "  /* verilator lint_on BLKSEQ */",
            "endmodule",
            "",
        ]
    )
