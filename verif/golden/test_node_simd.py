# SPDX-License-Identifier: Apache-2.0
"""How the golden node feeds its SIMD unit: operands, masks, formats, random bits, flags. What it computes is tested elsewhere."""

from __future__ import annotations

import numpy as np
import pytest

from golden.config import NodeConfig, preset
from golden.isa import INSTRUCTIONS, Instruction, Unit
from golden.layout import SRAM_BASE, Cause, FormatDescriptor, FormatKind
from golden.random import RandomLanes
from golden.simd import SimdOperands, execute, random_steps
from golden.thread import Thread
from verif.golden.encoding import encode
from verif.golden.nodes import AT, CONFIGS, make, named, prepare, trapped

ROWS = [row for row in INSTRUCTIONS.values() if row.unit is Unit.SIMD]
SEED = 77

#: Register numbers by operand; vtrn reads its group from v16 on.
NUMBERS = {"vd": 9, "vs1": 16, "vs2": 3, "pd": 6, "pm": 5, "rs1": 10, "rs2": 12, "fmt": 11, "part": 0}


def numbers_of(row: Instruction) -> list[int]:
    return [NUMBERS[operand] for operand in row.operands]


def group_size(config: NodeConfig, row: Instruction) -> int:
    """Registers that an 8 x 8 matrix fills."""
    return max(1, 8 * 8 * int(row.mnemonic[6:]) // 8 // config.line_bytes)


def fill(thread: Thread, seed: int) -> None:
    """Vector registers, predicates, scalar registers and descriptors of any contents."""
    rng = np.random.default_rng(seed)
    line = thread.config.line_bytes
    for register in range(32):
        near = rng.standard_normal(line // 4).astype("<f4") * 100
        thread.v[register] = near.tobytes() if rng.random() < 0.6 else rng.bytes(line)
    for number in range(1, 8):
        thread.p[number] = int.from_bytes(rng.bytes(line // 8), "little")
    for register in range(1, 32):
        thread.x[register] = int.from_bytes(rng.bytes(8), "little") if rng.random() < 0.5 else int(rng.integers(0, 40))
    for number in range(16):
        thread.formats.write(number, int(rng.integers(0, 6)) << 6 | int(rng.integers(0, 64)))
    thread.random.reseed(SEED)


@pytest.mark.parametrize("config", [preset("d1"), preset("tiny")], ids=named)
@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.mnemonic)
def test_operands_reach_the_unit_and_results_come_back(row: Instruction, config: NodeConfig) -> None:
    for seed in range(2):
        before = prepare(config, []).threads[0]
        fill(before, seed)
        after = make(config, [encode(row.mnemonic, *numbers_of(row))], before=lambda thread: fill(thread, seed)).threads[0]  # noqa: B023
        v, names, steps = before.v, row.operands, random_steps(row.mnemonic)
        lanes = RandomLanes(config.fp32_lanes, SEED)
        random = np.zeros((2, config.fp32_lanes), np.uint32)
        for step in range(steps):
            random[step] = lanes.step()
        value = before.formats.read_csr(11 // 4) >> 16 * (11 % 4)
        group = tuple(v[16 + i] for i in range(group_size(config, row))) if "part" in names else ()
        result = execute(
            row.mnemonic,
            config,
            SimdOperands(
                a=v[16] or b"",
                b=v[3] or b"",
                c=v[9] or b"",
                scalar=before.x[10] if "rs1" in names else before.x[12],
                mask=before.p[5],
                descriptor=FormatDescriptor.unpack(value),
                random=random,
                group=tuple(line or b"" for line in group),
                part=0,
            ),
        )
        expected_v, expected_p = list(v), list(before.p)
        if "vd" in names:
            assert result.value is not None
            expected_v[9] = result.value
        else:
            assert result.predicate is not None
            expected_p[6] = result.predicate
        assert (after.v, after.p, after.x, after.mflags) == (expected_v, expected_p, before.x, result.flags)
        # The generators are as many steps on as the instruction takes, and no more.
        np.testing.assert_array_equal(after.random.step(), lanes.step())


@pytest.mark.parametrize("row", [row for row in ROWS if "pm" in row.optional_operands], ids=lambda row: row.mnemonic)
def test_a_mask_that_is_left_out_is_p0(row: Instruction) -> None:
    config = preset("tiny")
    numbers = numbers_of(row)[:-1]
    plain, masked = (
        make(config, [encode(row.mnemonic, *operands)], before=lambda thread: fill(thread, 5)).threads[0]
        for operands in (numbers, [*numbers, 0])
    )
    assert (plain.v, plain.p, plain.mflags) == (masked.v, masked.p, masked.mflags)


def test_compares_into_p0_do_nothing() -> None:
    config = preset("tiny")
    compares = [row.mnemonic for row in ROWS if "pd" in row.operands]
    assert len(compares) == 15
    words = [encode(mnemonic, 0, 8, 3) for mnemonic in compares]
    thread = make(config, words, before=lambda thread: fill(thread, 6)).threads[0]
    assert thread.p[0] == 0xFFFF
    assert make(config, [encode("pmv.x.p", 5, 0)], before=lambda thread: fill(thread, 6)).threads[0].x[5] == 0xFFFF


def test_a_mask_that_is_clear_still_steps_the_generators_and_sets_no_flag() -> None:
    config = preset("tiny")

    def lanes(thread: Thread) -> None:
        thread.v[1] = np.full(4, 1 / 3, "<f4").tobytes()

    thread = make(config, [encode("vcvt.x0.f32.s", 2, 1, 0, 1)], before=lanes).threads[0]
    assert (thread.v[2], thread.mflags) == (bytes(16), 0)
    np.testing.assert_array_equal(thread.random.step(), RandomLanes(4).draw(2)[1])


@pytest.mark.parametrize("bits", [8, 16, 32])
@pytest.mark.parametrize("config", CONFIGS, ids=named)
def test_transpose_takes_aligned_groups_and_parts_within_them(config: NodeConfig, bits: int) -> None:
    row = INSTRUCTIONS[f"vtrn.e{bits}"]
    size = group_size(config, row)
    for vs1 in (0, 1, 2, 4, 8, 12, 31):
        for part in {0, 1, size - 1, min(size, 15), 15}:
            word = encode(row.mnemonic, 1, vs1, part)
            if vs1 % size == 0 and part < size:
                make(config, [word])
            else:
                thread = trapped(config, [word]).threads[0]
                assert (thread.mcause, thread.mtval) == (Cause.ILLEGAL_INSTRUCTION, word)


def test_parts_of_a_transposed_group_are_its_registers() -> None:
    config = preset("tiny")
    matrix = np.arange(64, dtype="<u2").reshape(8, 8)

    def group(thread: Thread) -> None:
        for i, line in enumerate(matrix):
            thread.v[16 + i] = line.tobytes()

    words = [encode("vtrn.e16", 1 + part, 16, part) for part in range(8)]
    v = make(config, words, before=group).threads[0].v
    assert b"".join(line or b"" for line in v[1:9]) == matrix.T.tobytes()


VECTOR_OPERANDS = [
    (row, operand)
    for row in INSTRUCTIONS.values()
    for operand in row.operands
    if operand in ("vd", "vs1", "vs2") and row.unit is not Unit.NETWORK
]


@pytest.mark.parametrize(("row", "operand"), VECTOR_OPERANDS, ids=lambda case: getattr(case, "mnemonic", case))
def test_every_use_of_a_vector_register_waits_for_its_nread(row: Instruction, operand: str) -> None:
    config = preset("d1")
    numbers = {**NUMBERS, "rs1": 5, "rs2": 0, "md": 0, "fab": 0, "imm_i": 0, "imm_s": 0}
    node = prepare(config, [encode(row.mnemonic, *(numbers[name] for name in row.operands))], b"", {5: AT})
    thread = node.threads[0]
    thread.expect(numbers[operand])
    node.run()
    assert (thread.blocked, thread.pc) == (numbers[operand], SRAM_BASE)
    thread.receive(numbers[operand], bytes(config.line_bytes))
    node.run()
    assert not thread.active
    assert thread.mcause == 0


def test_transpose_waits_for_every_register_of_its_group() -> None:
    config = preset("d1")
    for register in range(8, 12):
        node = prepare(config, [encode("vtrn.e32", 1, 8, 0)])
        node.threads[0].expect(register)
        node.run()
        assert node.threads[0].blocked == register


def test_named_formats_are_those_at_execution() -> None:
    config = preset("tiny")

    def ones(thread: Thread) -> None:
        thread.v[1] = np.full(4, 1.0, "<f4").tobytes()

    words = [encode("vcvt.x0.f32", 2, 1, 3), encode("setfmt", 3, 5), encode("vcvt.x0.f32", 3, 1, 3)]
    v = make(config, words, b"", {5: int(FormatDescriptor(FormatKind.CFP8_143, 7))}, before=ones).threads[0].v
    assert v[2] == b"\x80\x3f" * 4 + bytes(8)
    assert v[3] == b"\x38" * 4 + bytes(12)
