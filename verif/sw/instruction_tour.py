# SPDX-License-Identifier: Apache-2.0
"""A program that executes every instruction of the table at least once, and traps and jumps on its way."""

from __future__ import annotations

from golden.config import NodeConfig
from golden.isa import INSTRUCTIONS, Instruction
from golden.list_descriptor import Dimension, ListDescriptor
from golden.program import Program
from sw.assembler import assemble

#: Operands by name, as written; x8 points to data, x16 and x17 are set before each instruction.
_OPERANDS = {
    "rd": "x5", "rs1": "x6", "rs2": "x7", "vd": "v8", "vs1": "v4", "vs2": "v3", "md": "m1", "sem": "2", "pd": "p2", "ps1": "p3",
    "ps2": "p4", "pm": "p1", "fmt": "f2", "fab": "f4", "part": "0", "imm_i": "-5", "imm_s": "0", "imm_u": "0x12345",
    "shamt": "13", "shamtw": "7", "csr": "mscratch", "zimm": "9", "pred": "iorw", "succ": "rw",
}  # fmt: skip

_SET_UP = """
_start:
    la x8, data
    la t0, handler
    csrw mtvec, t0
    li x6, 0x123456789abcdef
    mv x14, x6
    li x7, -3
    li t0, 0x0000004100400000
    csrw mformat1, t0
    csrw mseed, x6
    li t0, 0x5a5a
    pmv.p.x p1, t0
    pmv.p.x p3, t0
    pmv.p.x p4, x6
    mzero m0
    mzero m1
"""

_END = """
    jal t0, behind
    nop
behind:
    jalr t0, 8(t0)
    nop
    la t0, over
    csrw mepc, t0
    mret
    nop
over:
    .word 0
    lw t0, 1(x8)
    jal x0, far
far:
    halt zero
handler:
    csrr x31, mepc
    addi x31, x31, 4
    csrw mepc, x31
    mret
    .balign 64
data:
    .word 0x3f800000, 0xbf803f80, 0x40490fdb, 0x7f800001, 0x3f000000, 0x3e99999a, 0xc2280000, 0x00800000
    .zero 2048
    .balign 128
list:
    .dword {words}
"""

#: Semaphore that the list posts when all of it has arrived.
_LIST_SEMAPHORE = 3

#: Instructions that the fixed parts have, or that do not come back.
_ELSEWHERE = ("halt", "mret", "jal", "jalr", "ebreak")


def _written(row: Instruction, config: NodeConfig) -> list[str]:
    operands = dict(_OPERANDS)
    before: list[str] = []
    named = set(row.operands)
    if row.mnemonic.startswith("vlds"):
        before.append("    li x7, 1 << 32 | 8")
    if row.mnemonic.startswith("vldx"):
        before += ["    li t0, 16", "    vbc.e32 v3, t0"]
    if row.mnemonic.startswith(("nwrite", "npost", "nread", "nsd")):
        before += ["    csrr x16, mnode", "    la x17, data + 256", "    slli x17, x17, 43", "    srli x17, x17, 43"]
        before.append("    add x16, x16, x17")
        operands["rs1"] = "x16"
    elif row.mnemonic == "nlist":
        # From the node to itself: 128 bytes of data.
        before += ["    la x6, list", "    csrr x16, mnode", "    la x17, data", "    slli x17, x17, 43", "    srli x17, x17, 43"]
        before += ["    add x16, x16, x17", "    sd x16, 8(x6)", "    addi x16, x16, 1024", "    sd x16, 16(x6)"]
    elif "(rs1)" in row.syntax or "(rs2)" in row.syntax:
        before += ["    mv x16, x8", "    addi x17, x8, 128"]
        operands |= {"rs1": "x16", "rs2": "x17", "imm_i": "0", "imm_s": "64"}
        if "imm_s" in named:
            operands["rs2"] = "x7"
        if row.mnemonic.startswith("vlds"):
            operands["rs2"] = "x7"
    if row.mnemonic == "swait":
        before += ["    li x6, 3", "    spost 2, x6"]
    if row.mnemonic == "spost":
        before.append("    li x6, 1")
    if "part" in named:
        operands["vs1"] = "v0"
    target = f"next_{row.mnemonic.replace('.', '_')}"
    operands |= {"imm_b": target, "imm_j": target}
    syntax = row.syntax.replace("[", "").replace("]", "")
    pieces = "".join(operands.get(piece, piece) for piece in _split(syntax))
    after = [f"{target}:"] if named & {"imm_b", "imm_j"} else []
    if row.mnemonic.startswith("nread"):
        after.append("    vst v8, 192(x8)")
    if row.mnemonic == "nlist" and config.lists:
        after += ["    li t0, 1", f"    swait {_LIST_SEMAPHORE}, t0"]
    if named & {"rs1", "rs2"}:
        after += ["    mv x6, x14", "    li x7, -3"]
    return [*before, f"    {row.mnemonic} {pieces}", *after]


def _split(syntax: str) -> list[str]:
    pieces, name = [], ""
    for character in f"{syntax} ":
        if character.isalnum() or character == "_":
            name += character
        else:
            pieces += [name, character]
            name = ""
    return pieces


def instruction_tour(config: NodeConfig) -> Program:
    """The program. It starts at ``_start`` and ends with ``halt``; ``ebreak`` alone is not in it.

    A node without lists takes ``nlist`` as an illegal instruction, behind which the program goes on.
    """
    # Reset does not clear vector registers, and transposes read up to sixteen.
    loads = "".join(f"    vld v{number}, {number % 2 * config.line_bytes}(x8)\n" for number in range(16))
    lines = [line for row in INSTRUCTIONS.values() if row.mnemonic not in _ELSEWHERE for line in _written(row, config)]
    # Source and destination, 0 here, are filled in by the program.
    words = ListDescriptor(16, 0, 0, (Dimension(8, 16, 16),), post_destination=_LIST_SEMAPHORE).words()
    return assemble(_SET_UP + loads + "\n".join(lines) + _END.format(words=", ".join(map(str, words))), config=config)
