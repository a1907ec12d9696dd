# SPDX-License-Identifier: Apache-2.0
"""The model of RV64IM and the golden node, which know nothing of each other, agree on every instruction."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from golden.config import preset
from golden.instruction import Retirement
from golden.isa import INSTRUCTIONS, Extension, Instruction
from golden.layout import SRAM_BASE, Cause
from golden.node import GoldenNode
from verif.golden.encoding import encode
from verif.rtl.core.m_oracle import operands
from verif.rtl.rvfi.model import Effect, Illegal, execute

CONFIG = preset("tiny")
ROWS = [row for row in INSTRUCTIONS.values() if row.extension in (Extension.RV64I, Extension.RV64M, Extension.ZIFENCEI)]
_PLACE = SRAM_BASE + 0x400

_OPERANDS = {
    "rd": st.integers(0, 31),
    "rs1": st.integers(0, 31),
    "rs2": st.integers(0, 31),
    "imm_i": st.integers(-0x800, 0x7FF),
    "imm_s": st.integers(-0x800, 0x7FF),
    "imm_b": st.integers(-0x100, 0xFF).map(lambda half: 2 * half),
    "imm_j": st.integers(-0x100, 0xFF).map(lambda half: 2 * half),
    "imm_u": st.integers(0, 0xF_FFFF),
    "shamt": st.integers(0, 63),
    "shamtw": st.integers(0, 31),
    "pred": st.integers(0, 15),
    "succ": st.integers(0, 15),
}


def before(word: int, data: bytes) -> bytes:
    """SRAM with the word at its place, and data everywhere else."""
    sram = (data * CONFIG.sram_bytes)[: CONFIG.sram_bytes]
    offset = _PLACE - SRAM_BASE
    return sram[:offset] + word.to_bytes(4, "little") + sram[offset + 4 :]


def run(word: int, registers: dict[int, int], sram: bytes) -> tuple[Retirement, int, bytes]:
    """What the golden node retires, where it goes on, and SRAM afterwards."""
    node = GoldenNode(CONFIG)
    seen: list[Retirement] = []
    node.on_retire = seen.append
    node.sram[:] = sram
    thread = node.threads[0]
    thread.start(_PLACE)
    for register, value in registers.items():
        thread.x[register] = value
    thread.run(1)
    return seen[0], thread.pc, bytes(node.sram)


def compare(word: int, rs1: int, rs2: int, data: bytes) -> None:
    """Both do the same with a word."""
    first, second = word >> 15 & 31, word >> 20 & 31
    registers = {register: value for register, value in ((second, rs2), (first, rs1)) if register}
    rs1, rs2 = registers.get(first, 0), registers.get(second, 0)
    sram = before(word, data)
    record, pc, after = run(word, registers, sram)
    try:
        offset = (execute(word, _PLACE, rs1, rs2, 0) or Effect()).address - SRAM_BASE
        loaded = int.from_bytes(sram[offset : offset + 8], "little") if 0 <= offset < len(sram) else 0
        effect = execute(word, _PLACE, rs1, rs2, loaded)
    except Illegal:
        assert record.cause == Cause.ILLEGAL_INSTRUCTION
        return
    assert effect is not None
    inside = offset >= 0 and offset + effect.size <= len(sram)
    bad_access = effect.size and (effect.address % effect.size or not inside)
    assert (record.cause is not None) == bool(effect.traps or effect.misaligned_target or bad_access)
    if record.cause is None:
        assert dict(record.writes) == ({effect.rd: effect.value} if effect.rd else {})
        assert pc == effect.pc
        if effect.writes:
            stored = effect.data.to_bytes(effect.size, "little")
            sram = sram[:offset] + stored + sram[offset + effect.size :]
    assert after == sram


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.mnemonic)
def test_model_and_golden_node_agree(row: Instruction) -> None:
    @settings(max_examples=60, deadline=None)
    @given(st.data())
    def check(drawn: st.DataObject) -> None:
        word = encode(row.mnemonic, *(drawn.draw(_OPERANDS[operand], operand) for operand in row.operands))
        near = st.integers(-0x900, CONFIG.sram_bytes + 0x900).map(lambda offset: SRAM_BASE + offset)
        value = st.one_of(operands(64), near)
        data = drawn.draw(st.binary(min_size=7, max_size=7), "memory")
        compare(word, drawn.draw(value, "rs1"), drawn.draw(value, "rs2"), data)

    check()


@settings(max_examples=400, deadline=None)
@given(
    opcode=st.sampled_from((0x03, 0x13, 0x1B, 0x23, 0x33, 0x3B, 0x63, 0x67)),
    rest=st.integers(0, 2**25 - 1),
    rs1=operands(64),
    rs2=operands(64),
)
def test_both_know_the_same_words_as_illegal(opcode: int, rest: int, rs1: int, rs2: int) -> None:
    compare(rest << 7 | opcode, rs1, rs2, b"\1\2\3")
