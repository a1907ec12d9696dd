# SPDX-License-Identifier: Apache-2.0
"""The decoder agrees with the instruction table on every row, on single-bit changes of every row, and on random words."""

from __future__ import annotations

import random
from typing import Any

import pytest

from golden.config import NodeConfig, preset
from golden.isa import INSTRUCTIONS, Unit, decode
from rtl.core.decoder import Decoder
from sw.encoding import OPERANDS
from verif.bench import bench_seed
from verif.rtl.simulate import Simulation

IMMEDIATES = ("imm_i", "imm_s", "imm_b", "imm_j")


def is_legal(config: NodeConfig, word: int) -> bool:
    """What the contract says of a word, but for CSR numbers."""
    row = decode(word)
    if row is None:
        return False
    rd = word >> 7 & 31
    if "md" in row.operands and rd >= config.accumulators:
        return False
    if "sem" in row.operands and rd >= config.semaphores:
        return False
    return not (len(row.post_increment) == 2 and (word >> 15 ^ word >> 20) & 1 == 0)


def words(seed: int) -> list[int]:
    """Every row with random operands, each of these with every bit flipped, and random words."""
    rng = random.Random(seed)
    found = []
    for row in INSTRUCTIONS.values():
        for _ in range(3):
            word = row.match | rng.getrandbits(32) & ~row.mask
            found.append(word)
        found += [word ^ 1 << bit for bit in range(32)]
    return found + [rng.getrandbits(32) for _ in range(3000)]


@pytest.mark.parametrize("name", ["d1", "tiny"])
def test_exactly_the_words_of_the_table_are_legal(name: str) -> None:
    config = preset(name)
    simulation = Simulation(Decoder(config), clocked=False)
    decoder = simulation.component

    async def check(context: Any) -> None:
        for word in words(bench_seed()):
            context.set(decoder.insn, word)
            decoded = context.get(decoder.decoded)
            assert decoded.illegal == (not is_legal(config, word)), f"{word:#010x}"
            if decoded.illegal:
                assert decoded.as_bits() == 1 << decoded.shape()["illegal"].offset, f"{word:#010x} is illegal and does something"

    simulation.run(check)


def test_immediates_and_registers_are_those_of_the_operand_fields() -> None:
    config = preset("d1")
    simulation = Simulation(Decoder(config), clocked=False)
    decoder = simulation.component

    async def check(context: Any) -> None:
        for word in words(bench_seed() + 1):
            if not is_legal(config, word):
                continue
            row = decode(word)
            assert row is not None
            context.set(decoder.insn, word)
            decoded = context.get(decoder.decoded)
            for name in IMMEDIATES:
                if name in row.operands:
                    assert decoded.immediate == OPERANDS[name].extract(word) % 2**32, f"{row.mnemonic} {word:#010x}"
            if "imm_u" in row.operands:
                assert decoded.immediate == word & 0xFFFF_F000
            if "shamt" in row.operands or "shamtw" in row.operands:
                assert decoded.immediate & 31 == word >> 20 & 31
            if not {"imm_u", "shamt", "shamtw", *IMMEDIATES} & set(row.operands):
                assert decoded.immediate == 0, f"{row.mnemonic} has no immediate"
            for register in ("rs1", "rs2", "vs1", "vs2"):
                assert decoded[f"reads_{register}"] == (register in row.operands), f"{row.mnemonic} {register}"
            assert decoded.matrix_slot == (row.unit is Unit.MATRIX)

    simulation.run(check)
