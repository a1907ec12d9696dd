# SPDX-License-Identifier: Apache-2.0
"""Every SIMD instruction, on vectors of every size and with any mask, against its definition element by element."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from golden import bf16
from golden.config import NodeConfig, preset
from golden.formats import BF16, encode_codes
from golden.isa import INSTRUCTIONS, Unit
from golden.layout import Flag, FormatDescriptor, FormatKind
from golden.simd import SimdOperands, SimdResult, execute, random_steps, transpose_group
from verif.golden import simd_oracle
from verif.golden.fp32_vectors import random_triples
from verif.golden.vectors import BF16_CORNERS, FP32_CORNERS

MNEMONICS = [row.mnemonic for row in INSTRUCTIONS.values() if row.unit is Unit.SIMD]
#: One preset for each size of vectors.
CONFIGS = [preset(name) for name in ("d1", "medium", "tiny")]
#: Sets of operands for each instruction and size of vectors.
ROUNDS = 40


def lines(rng: np.random.Generator, config: NodeConfig) -> tuple[bytes, bytes, bytes]:
    """Three vectors: any bytes, corners of FP32 or BF16, or FP32 or BF16 numbers that meet each other."""
    count, kind = config.fp32_lanes, rng.integers(7)
    if kind == 0:
        return rng.bytes(config.line_bytes), rng.bytes(config.line_bytes), rng.bytes(config.line_bytes)
    if kind == 1:
        a, b, c = rng.choice(np.array(FP32_CORNERS, np.uint32), (3, count))
        return a.tobytes(), b.tobytes(), c.tobytes()
    if kind == 2:
        a, b, c = rng.choice(np.array(BF16_CORNERS, np.uint16), (3, 2 * count))
        return a.tobytes(), b.tobytes(), c.tobytes()
    if kind == 3:
        a, b, c = random_triples(rng, count)
        return a.tobytes(), b.tobytes(), c.tobytes()
    if kind == 4:
        a, b, c = ((array >> np.uint32(16)).astype(np.uint16) for array in random_triples(rng, 2 * count))
        return a.tobytes(), b.tobytes(), c.tobytes()
    if kind == 5:
        # A number and a smaller one, else zeros: sums that are exact in FP32, but not in BF16.
        sparse = np.zeros((3, 2 * count), np.uint16)
        for lanes in sparse:
            large = rng.integers(0x0400, 0x7F80)
            lanes[rng.choice(2 * count, 2, replace=False)] = large, large - 0x80 * rng.integers(0, 16) | 0x7F
        return sparse[0].tobytes(), sparse[1].tobytes(), sparse[2].tobytes()
    # Moderate numbers, whose sums, powers and codes of small formats are neither 0 nor beyond their range.
    moderate = [np.ldexp(rng.standard_normal(count), rng.integers(-12, 8)).astype(np.float32) for _ in range(3)]
    return moderate[0].tobytes(), moderate[1].tobytes(), moderate[2].tobytes()


def some_operands(rng: np.random.Generator, mnemonic: str, config: NodeConfig) -> SimdOperands:
    """Operands of every kind that instructions have."""
    a, b, c = lines(rng, config)
    full = (1 << config.line_bytes) - 1
    group: tuple[bytes, ...] = ()
    part = 0
    if mnemonic.startswith("vtrn"):
        size = transpose_group(config, int(mnemonic.removeprefix("vtrn.e")))
        group = tuple(rng.bytes(config.line_bytes) for _ in range(size))
        part = int(rng.integers(size))
    scalars = (0, 1, 3, config.line_bytes - 1, config.line_bytes, config.line_bytes + 2, 1 << 40, (1 << 64) - 1)
    draws = rng.integers(0, 1 << 24, (2, config.fp32_lanes), dtype=np.uint32)
    return SimdOperands(
        a=a, b=b, c=c,
        scalar=int(rng.choice(np.array(scalars, np.uint64))),
        mask=full if rng.random() < 0.4 else int.from_bytes(rng.bytes(config.line_bytes // 8), "little"),
        descriptor=FormatDescriptor(FormatKind(int(rng.integers(6))), int(rng.integers(64))),
        random=np.where(rng.random(draws.shape) < 0.2, np.uint32(0xFF_FFFF), draws),
        group=group, part=part,
    )  # fmt: skip


def check(mnemonic: str, config: NodeConfig, operands: SimdOperands) -> None:
    """The instruction gives what its definition says."""
    seen, expected = execute(mnemonic, config, operands), simd_oracle.compute(mnemonic, operands)
    same = (seen.value, seen.predicate, seen.flags) == (expected.value, expected.predicate, expected.flags)
    assert same, (mnemonic, config.name, operands, seen, expected)


@pytest.mark.parametrize("config", CONFIGS, ids=lambda config: str(config.line_bytes))
@pytest.mark.parametrize("mnemonic", MNEMONICS)
def test_instruction_follows_its_definition(mnemonic: str, config: NodeConfig) -> None:
    rng = np.random.default_rng([MNEMONICS.index(mnemonic), config.line_bytes])
    for _ in range(ROUNDS):
        check(mnemonic, config, some_operands(rng, mnemonic, config))


@pytest.mark.parametrize("kind", FormatKind)
@pytest.mark.parametrize("mnemonic", [name for name in MNEMONICS if ".x" in name])
def test_convert_of_every_named_format_follows_its_definition(mnemonic: str, kind: FormatKind) -> None:
    config = preset("medium")
    rng = np.random.default_rng([MNEMONICS.index(mnemonic), kind])
    for bias in (0, 7, 15, 63):
        for _ in range(8):
            operands = some_operands(rng, mnemonic, config)
            check(mnemonic, config, dataclasses.replace(operands, descriptor=FormatDescriptor(kind, bias)))


@pytest.mark.parametrize("mnemonic", MNEMONICS)
def test_instruction_looks_at_all_that_it_names_and_at_nothing_else(mnemonic: str) -> None:
    """Operands that the table does not name may be left out; each that it names changes some result."""
    config = preset("tiny")
    rng = np.random.default_rng(MNEMONICS.index(mnemonic))
    names = INSTRUCTIONS[mnemonic].operands
    fields = {"vs1": "a", "vs2": "b", "vd": "c", "rs1": "scalar", "rs2": "scalar", "pm": "mask", "fmt": "descriptor"}
    read = {fields[name] for name in names if name in fields}
    if "part" in names:
        read = read - {"a"} | {"group", "part"}
    if random_steps(mnemonic):
        read.add("random")
    changed: set[str] = set()
    for _ in range(300):
        first, second = some_operands(rng, mnemonic, config), some_operands(rng, mnemonic, config)
        needed = {name: getattr(first, name) for name in read}
        if mnemonic == "vsel":
            needed.pop("c", None)
        result = execute(mnemonic, config, SimdOperands(**needed))
        for name in needed:
            replaced = execute(mnemonic, config, SimdOperands(**{**needed, name: getattr(second, name)}))
            if replaced != result:
                changed.add(name)
    # vsel overwrites all of vd; every other instruction keeps what the mask protects.
    assert changed == (read - {"c"} if mnemonic == "vsel" else read)


@pytest.mark.parametrize(
    "mnemonic", [name for name in MNEMONICS if INSTRUCTIONS[name].syntax.startswith("vd") and name != "vsel"]
)
def test_nothing_changes_and_nothing_is_flagged_where_the_mask_is_clear(mnemonic: str) -> None:
    config = preset("medium")
    rng = np.random.default_rng(MNEMONICS.index(mnemonic))
    for _ in range(20):
        operands = dataclasses.replace(some_operands(rng, mnemonic, config), mask=0)
        result = execute(mnemonic, config, operands)
        assert result.value == operands.c
        assert result.flags == 0 or mnemonic.startswith("vred")


def test_generators_step_as_often_as_the_contract_says() -> None:
    steps = {name: random_steps(name) for name in MNEMONICS if random_steps(name)}
    lane_wise = ("vadd", "vsub", "vmul", "vmadd", "vmsub", "vnmsub", "vnmadd", "vrcp", "vrsqrt", "vexp2")
    assert steps == {
        **{f"{name}.bf16.s": 2 for name in lane_wise},
        "vredsum.bf16.s": 1,
        "vcvt.bf16.f32.s": 2,
        **{f"vcvt.x{part}.f32.s": 1 for part in range(4)},
    }


def test_the_second_step_of_bf16_operations_is_encoding() -> None:
    upper = np.arange(1 << 16, dtype=np.uint32)[:, None] << np.uint32(16)
    codes = (upper | np.array([0, 1, 0x7FFF, 0x8000, 0x8001, 0xFFFF], np.uint32)).ravel()
    codes = codes[(codes & np.uint32(0x7FFF_FFFF) <= np.uint32(0x7F80_0000)) | (codes == np.uint32(0x7FC0_0000))]
    random = np.random.default_rng(1).integers(0, 1 << 24, len(codes), dtype=np.uint32)
    for draws in (None, random, np.zeros_like(random), np.full_like(random, 0xFF_FFFF)):
        expected, flags = encode_codes(codes, BF16, draws)
        seen, raised = bf16.round_fp32(codes, draws)
        np.testing.assert_array_equal(seen, expected)
        np.testing.assert_array_equal(raised, flags & np.uint8(Flag.INEXACT | Flag.UNDERFLOW | Flag.OVERFLOW))


def test_bf16_sums_are_rounded_once_at_the_end_with_that_steps_flags() -> None:
    config = preset("tiny")
    one, half, largest, top_half = 0x3F80, 0x3B80, 0x7F7F, 0x7B00
    for lanes, total, flags in (
        # 2**-8 is half a unit of 1: one alone is lost, two are a unit.
        ((one, half), one, Flag.INEXACT),
        ((one, half, half), 0x3F81, Flag(0)),
        ((largest, top_half), 0x7F80, Flag.INEXACT | Flag.OVERFLOW),
        ((largest, largest), 0x7F80, Flag.INEXACT | Flag.OVERFLOW),
    ):
        line = np.array(lanes + (0,) * (8 - len(lanes)), np.uint16).tobytes()
        result = execute("vredsum.bf16", config, SimdOperands(a=line))
        assert result == SimdResult(np.full(8, total, np.uint16).tobytes(), None, flags)


def test_a_denormal_sum_that_is_added_further_counts_as_an_operand() -> None:
    config = preset("tiny")
    smallest, larger = 0x0080_0000, 0x0080_0001
    lanes = np.array([larger, smallest | 0x8000_0000, 0x3F80_0000, 0], np.uint32)
    result = execute("vredsum.f32", config, SimdOperands(a=lanes.tobytes()))
    assert result == SimdResult(np.full(4, 0x3F80_0000, np.uint32).tobytes(), None, Flag.INEXACT | Flag.DENORMAL)


@pytest.mark.parametrize("config", CONFIGS, ids=lambda config: str(config.line_bytes))
@pytest.mark.parametrize("bits", [8, 16, 32])
def test_transposing_twice_gives_the_group_back(bits: int, config: NodeConfig) -> None:
    size = transpose_group(config, bits)
    assert size * config.line_bytes == 64 * bits // 8
    group = tuple(np.random.default_rng(bits).bytes(config.line_bytes) for _ in range(size))

    def transposed(registers: tuple[bytes, ...]) -> tuple[bytes, ...]:
        results = [execute(f"vtrn.e{bits}", config, SimdOperands(group=registers, part=part)).value for part in range(size)]
        return tuple(result for result in results if result is not None)

    assert transposed(group) != group
    assert transposed(transposed(group)) == group


def test_missing_operands_are_refused() -> None:
    config = preset("tiny")
    line = bytes(config.line_bytes)
    with pytest.raises(ValueError, match="random bits"):
        execute("vadd.bf16.s", config, SimdOperands(a=line, b=line, c=line))
    with pytest.raises(ValueError, match="4 registers hold an 8 x 8 matrix of 8 bits, not 1"):
        execute("vtrn.e8", config, SimdOperands(group=(line,)))
    with pytest.raises(ValueError, match="part = 4"):
        execute("vtrn.e8", config, SimdOperands(group=(line,) * 4, part=4))
    with pytest.raises(KeyError):
        execute("vadd.f16", config, SimdOperands(a=line, b=line, c=line))
