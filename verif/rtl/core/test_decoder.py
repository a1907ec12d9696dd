# SPDX-License-Identifier: Apache-2.0
"""The decoder agrees with the instruction table on every row, on single-bit changes of every row, and on random words."""

from __future__ import annotations

import random
from typing import Any

import pytest

from golden.config import NodeConfig, preset
from golden.isa import INSTRUCTIONS, Extension, Instruction, Unit, decode
from golden.simd import random_steps, transpose_group
from rtl.core.decoder import Decoder
from sw.encoding import OPERANDS
from verif.bench import bench_seed
from verif.rtl.simulate import Simulation

IMMEDIATES = ("imm_i", "imm_s", "imm_b", "imm_j")


def is_legal(config: NodeConfig, word: int) -> bool:
    """What the contract says of a word, but for CSR numbers."""
    row = decode(word)
    if row is None or (row.mnemonic == "nlist" and not config.lists):
        return False
    rd = word >> 7 & 31
    if "md" in row.operands and rd >= config.accumulators:
        return False
    if "sem" in row.operands and rd >= config.semaphores:
        return False
    if "part" in row.operands:
        size = transpose_group(config, int(row.mnemonic.rpartition(".e")[2]))
        if (word >> 15 & 31) % size or (word >> 20 & 15) >= size:
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


CONFIGS = {name: preset(name) for name in ("d1", "medium", "small", "tiny")}


@pytest.mark.parametrize("name", CONFIGS)
def test_exactly_the_words_of_the_table_are_legal(name: str) -> None:
    config = CONFIGS[name]
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


def step(config: NodeConfig, mnemonic: str) -> int:
    """What the decoder gives for an immediate where there is none: what a post-increment adds, or the way to what follows."""
    if mnemonic in ("halt", "fence.i"):
        return 4
    if mnemonic in ("nwrite.p", "nwrite.sp"):
        return config.line_bytes
    # The tile of a named format is known in X only.
    return {"mst.f32.p": config.accumulator_bytes, "mst.bf16.p": config.accumulator_bytes // 2}.get(mnemonic, 0)


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
            if "zimm" in row.operands:
                assert decoded.immediate == word >> 15 & 31
            if not {"imm_u", "shamt", "shamtw", "zimm", *IMMEDIATES} & set(row.operands):
                assert decoded.immediate == step(config, row.mnemonic), f"{row.mnemonic} has no immediate"
            for register in ("rs1", "rs2", "vs1", "vs2", "pm", "ps1", "ps2"):
                assert decoded[f"reads_{register}"] == (register in row.operands), f"{row.mnemonic} {register}"
            for register in ("rd", "vd", "pd"):
                assert decoded[f"writes_{register}"] == (register in row.operands), f"{row.mnemonic} {register}"
            for register in ("rs1", "rs2"):
                assert decoded[f"post_{register}"] == (register in row.post_increment), f"{row.mnemonic} {register}"
            assert decoded.matrix_slot == (row.unit is Unit.MATRIX)

    simulation.run(check)


def flags_by_function(row: Instruction) -> dict[str, bool]:
    """Flags of words, M, SIMD operations, predicates, formats, gathers and accumulators, as the reference describes a row."""
    simd, function = row.unit is Unit.SIMD, row.function
    gather = row.unit is Unit.VECTOR_LOAD and "granule" in function
    step = row.mnemonic.startswith("mstep")
    store = row.unit is Unit.ACCUMULATOR_STORE
    steps = random_steps(row.mnemonic) if simd else 0
    return {
        "simd": simd,
        "multiply": row.extension is Extension.RV64M and row.mnemonic.startswith("mul"),
        "divide": row.extension is Extension.RV64M and row.mnemonic.startswith(("div", "rem")),
        "word": row.mnemonic.endswith("w")
        and row.extension in (Extension.RV64I, Extension.RV64M)
        and ("sext32" in function)
        and row.unit is not Unit.LOAD,
        "predicate": row.unit is Unit.PREDICATE,
        "setfmt": row.unit is Unit.FORMAT,
        "transpose": simd and "transpose" in function,
        "iterative": simd and any(name in row.mnemonic for name in ("vrcp", "vrsqrt", "vexp2", "vred")),
        # Operations on BF16 lanes, but for reductions, which are iterative at any rate.
        "two_passes": simd and "vred" not in row.mnemonic and ("BF16 lanes: " in function or "= BF16 of" in function),
        "stochastic": steps > 0 or (store and "stochastic" in function),
        "draws_twice": steps == 2,
        "gather_stride": gather and "rs2" in row.operands,
        "gather_index": gather and "vs2" in row.operands,
        "gather_bound": gather and "below" in function,
        "step": step and "vs1" in row.operands,
        "step_memory": step and "rs1" in row.operands,
        "named_formats": step and "fab" in row.operands,
        "clear": row.mnemonic == "mzero",
        "accumulator_load": row.mnemonic.startswith("mld"),
        "accumulator_store": store,
        "converts": store and "rounded" in function,
        "named_format": store and "fmt" in row.operands,
    }


def test_what_an_operation_needs_is_what_the_reference_says() -> None:
    config = preset("d1")
    simulation = Simulation(Decoder(config), clocked=False)
    decoder = simulation.component

    async def check(context: Any) -> None:
        for row in INSTRUCTIONS.values():
            # All operands 0 but those that must be of different parity.
            word = row.match | (1 << 15 if len(row.post_increment) == 2 else 0)
            context.set(decoder.insn, word)
            decoded = context.get(decoder.decoded)
            assert not decoded.illegal, row.mnemonic
            wanted = flags_by_function(row)
            assert {name: bool(decoded[name]) for name in wanted} == wanted, row.mnemonic

    simulation.run(check)
