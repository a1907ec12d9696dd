# SPDX-License-Identifier: Apache-2.0
"""Vector, SIMD and matrix instructions of the golden node: addressing here, arithmetic by golden.arithmetic and golden.matrix."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import golden.accumulators
from golden.accumulators import Accumulators
from golden.arithmetic import bf16_to_fp32, fp32_add, fp32_to_bf16
from golden.config import PRESETS, NodeConfig, preset
from golden.layout import SRAM_BASE, ControlRegister, ThreadState
from golden.matrix import matrix_step
from golden.node import GoldenNode
from verif.golden.encoding import encode, program

CONFIGS = list(PRESETS.values())
HALT = encode("halt", 0)
DATA = 0x400
AT = SRAM_BASE + DATA

Codes = npt.NDArray[np.uint16]


def named(config: NodeConfig) -> str:
    return config.name


def operands(seed: int, count: int) -> Codes:
    """BF16 codes of both signs and a wide range, with a few zeros and special values."""
    random = np.random.default_rng(seed)
    codes = random.integers(0, 1 << 16, count, np.uint16)
    plain = random.random(count) < 0.97
    near_one = (codes & 0x807F | random.integers(100, 150, count, np.uint16) << 7).astype(np.uint16)
    return np.where(plain, near_one, codes).astype(np.uint16)


def make(config: NodeConfig, words: list[int], data: bytes = b"", x: dict[int, int] | None = None) -> GoldenNode:
    """A node with data at AT and a program that has run to its end."""
    node = GoldenNode(config)
    node.load(program([*words, HALT]))
    node.sram[DATA : DATA + len(data)] = data
    for register, value in (x or {}).items():
        node.threads[0].x[register] = value
    node.threads[0].start(SRAM_BASE)
    node.run(100_000)
    assert node.threads[0].state is ThreadState.HALTED, node.threads[0].mcause
    return node


@pytest.mark.parametrize("config", CONFIGS, ids=named)
def test_vector_load_and_store_move_whole_lines(config: NodeConfig) -> None:
    line = config.line_bytes
    data = np.random.default_rng(1).bytes(4 * line)
    words = [
        encode("vld.p", 1, 5, line), encode("vld", 2, line, 5), encode("vld.p", 3, 5, -line),
        encode("vst", 1, 4 * line, 5), encode("vst.p", 2, 6, -line), encode("vst.p", 3, 6, 8),
    ]  # fmt: skip
    node = make(config, words, data, {5: AT, 6: AT + 6 * line})
    lines = [bytes(node.sram[DATA + i * line : DATA + (i + 1) * line]) for i in range(8)]
    first, third, second = data[:line], data[2 * line : 3 * line], data[line : 2 * line]
    assert lines[4:7] == [first, second, third]
    assert node.threads[0].x[5] == AT
    assert node.threads[0].x[6] == AT + 5 * line + 8


@pytest.mark.parametrize("config", CONFIGS, ids=named)
def test_simd_lanes_compute_what_the_arithmetic_says(config: NodeConfig) -> None:
    line = config.line_bytes
    a = np.random.default_rng(2).integers(0, 1 << 32, line // 4, np.uint32)
    b = np.random.default_rng(3).integers(0, 1 << 32, line // 4, np.uint32)
    words = [
        encode("vld", 1, 0, 5), encode("vld", 2, line, 5), encode("vadd.f32", 3, 1, 2), encode("vcvt.f32.bf16l", 4, 1),
        encode("vcvt.f32.bf16h", 5, 1), encode("vcvt.bf16.f32", 6, 1, 2), encode("vadd.f32", 1, 1, 1),
    ]  # fmt: skip
    v = make(config, words, a.tobytes() + b.tobytes(), {5: AT}).threads[0].v
    halves = a.view(np.uint16).reshape(2, -1)
    assert v[3] == fp32_add(a, b).tobytes()
    assert v[4] == bf16_to_fp32(halves[0]).tobytes()
    assert v[5] == bf16_to_fp32(halves[1]).tobytes()
    assert v[6] == fp32_to_bf16(a).tobytes() + fp32_to_bf16(b).tobytes()
    assert v[1] == fp32_add(a, a).tobytes()


@pytest.mark.parametrize("form", ["mm", "mp", "pm", "pp"])
@pytest.mark.parametrize("zero", [False, True])
@pytest.mark.parametrize("config", CONFIGS, ids=named)
def test_matrix_step_from_memory_advances_what_it_says(config: NodeConfig, form: str, zero: bool) -> None:
    m, n, line = config.matrix_m, config.matrix_n, config.line_bytes
    data = operands(4, 8 * line // 2)
    lines = data.reshape(8, line // 2)
    name = f"mstep{'z' * zero}.bf16.{form}"
    words = [encode(name, 1, 5, 6), encode(name, 1, 5, 6), encode("mst.f32", 1, 7)]
    node = make(config, words, data.tobytes(), {5: AT, 6: AT + 4 * line, 7: AT + 8 * line})
    acc = np.zeros((m, n), np.uint32)
    steps_a, steps_b = form[0] == "p", form[1] == "p"
    for i in range(2):
        a, b = lines[i * steps_a].reshape(m, 4), lines[4 + i * steps_b].reshape(4, n)
        acc = matrix_step(np.zeros_like(acc) if zero else acc, a, b)
    start = DATA + 8 * line
    assert bytes(node.sram[start : start + config.accumulator_bytes]) == acc.astype("<u4").tobytes()
    assert node.threads[0].x[5] == AT + 2 * line * steps_a
    assert node.threads[0].x[6] == AT + 4 * line + 2 * line * steps_b
    assert node.read_register(ControlRegister.MATRIX_STEPS) == 2


@pytest.mark.parametrize("zero", [False, True])
@pytest.mark.parametrize("config", CONFIGS, ids=named)
def test_matrix_step_from_registers(config: NodeConfig, zero: bool) -> None:
    m, n, line = config.matrix_m, config.matrix_n, config.line_bytes
    data = operands(5, line)
    step = encode("mstepz.bf16" if zero else "mstep.bf16", 0, 1, 2)
    node = make(config, [encode("vld.p", 1, 5, line), encode("vld", 2, 0, 5), step, step], data.tobytes(), {5: AT})
    a, b = data[: line // 2].reshape(m, 4), data[line // 2 :].reshape(4, n)
    once = matrix_step(np.zeros((m, n), np.uint32), a, b)
    expected = once if zero else matrix_step(once, a, b)
    np.testing.assert_array_equal(node.threads[0].accumulators.read(0), expected)


@pytest.mark.parametrize("config", CONFIGS, ids=named)
def test_accumulator_moves_between_memory_and_register(config: NodeConfig) -> None:
    size = config.accumulator_bytes
    codes = np.random.default_rng(6).integers(0, 1 << 32, size // 4, np.uint32)
    words = [
        encode("mld.f32.p", 0, 5), encode("mld.f32.p", 1, 5), encode("mld.f32", 0, 5), encode("mzero", 0),
        encode("mst.f32.p", 1, 6), encode("mst.f32.p", 0, 6), encode("mst.bf16.p", 1, 6),
        encode("mst.bf16", 1, 6), encode("mst.f32", 1, 7),
    ]  # fmt: skip
    node = make(config, words, bytes(size) + codes.tobytes(), {5: AT, 6: AT + 2 * size, 7: AT + 8 * size})
    bf16 = fp32_to_bf16(codes).tobytes()
    expected = codes.tobytes() + bytes(size) + bf16 + bf16
    start = DATA + 2 * size
    assert bytes(node.sram[start : start + len(expected)]) == expected
    assert bytes(node.sram[DATA + 8 * size : DATA + 9 * size]) == codes.tobytes()
    assert node.threads[0].x[5] == AT + 2 * size
    assert node.threads[0].x[6] == AT + 2 * size + 2 * size + size // 2


def test_bf16_store_aligns_to_the_tile_where_it_is_smaller_than_a_line() -> None:
    config = preset("small")
    assert config.accumulator_bytes // 2 == config.line_bytes // 2 == 8
    node = make(config, [encode("mld.f32", 0, 5), encode("mst.bf16", 0, 6)], b"\x00\x00\x80\x3f" * 4, {5: AT, 6: AT + 24})
    assert bytes(node.sram[DATA + 16 : DATA + 40]) == bytes(8) + b"\x80\x3f" * 4 + bytes(8)


def test_steps_use_operands_as_they_were_when_issued() -> None:
    config = preset("tiny")
    ones, twos = b"\x80\x3f" * 8, b"\x00\x40" * 8
    words = [
        encode("vld", 1, 16, 5), encode("mstep.bf16.mm", 0, 5, 5), encode("vst", 1, 0, 5), encode("mstep.bf16.mm", 1, 5, 5),
    ]  # fmt: skip
    node = make(config, words, ones + twos, {5: AT})
    accumulators = node.threads[0].accumulators
    assert accumulators.read(0).view(np.float32).tolist() == [[4.0, 4.0], [4.0, 4.0]]
    assert accumulators.read(1).view(np.float32).tolist() == [[16.0, 16.0], [16.0, 16.0]]


_ACTIONS = st.lists(
    st.tuples(
        st.sampled_from(("step", "step", "step", "restart", "clear", "load", "read")), st.integers(0, 3), st.integers(0, 99)
    ),
    max_size=40,
)


@settings(max_examples=60, deadline=None)
@given(actions=_ACTIONS, queued_max=st.sampled_from((1, 3, 8192)))
def test_lazy_accumulators_equal_one_step_after_the_other(actions: list[tuple[str, int, int]], queued_max: int) -> None:
    config = preset("small")
    m, n = config.matrix_m, config.matrix_n
    lazy = Accumulators(config)
    eager = np.zeros((config.accumulators, m, n), np.uint32)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(golden.accumulators, "QUEUED_STEPS_MAX", queued_max)
        for action, i, seed in actions:
            data = operands(seed, config.line_bytes)
            a, b = data[: 4 * m], data[4 * m :]
            if action in ("step", "restart"):
                getattr(lazy, action)(i, a.tobytes(), b.tobytes())
                start = eager[i] if action == "step" else np.zeros_like(eager[i])
                eager[i] = matrix_step(start, a.reshape(m, 4), b.reshape(4, n))
            elif action == "clear":
                lazy.clear(i)
                eager[i] = 0
            elif action == "load":
                lazy.load(i, data[: 2 * m * n].tobytes())
                eager[i] = data[: 2 * m * n].view(np.uint32).reshape(m, n)
            else:
                np.testing.assert_array_equal(lazy.read(i), eager[i])
    for i in range(config.accumulators):
        assert lazy.fp32(i) == eager[i].tobytes()
        assert lazy.bf16(i) == fp32_to_bf16(eager[i]).tobytes()


def test_steps_are_added_in_the_order_of_issue() -> None:
    """1 + 2**24 - 2**24 is 0 in binary32, -2**24 + 2**24 + 1 is 1."""
    config = preset("tiny")
    one, large, minus = (code.to_bytes(2, "little") for code in (0x3F80, 0x4B80, 0xCB80))
    a = (one + bytes(6)) * 2
    forward, backward = Accumulators(config), Accumulators(config)
    for value in (one, large, minus):
        forward.step(0, a, value * 2 + bytes(12))
    for value in (minus, large, one):
        backward.step(0, a, value * 2 + bytes(12))
    assert forward.read(0).view(np.float32).tolist() == [[0.0, 0.0], [0.0, 0.0]]
    assert backward.read(0).view(np.float32).tolist() == [[1.0, 1.0], [1.0, 1.0]]


def test_threads_have_registers_and_accumulators_of_their_own() -> None:
    config = preset("tiny")
    node = GoldenNode(config)
    ones = b"\x80\x3f" * 8
    node.load(program([encode("vld", 1, 0, 5), encode("mstep.bf16", 0, 1, 1), encode("addi", 6, 6, 1), HALT]))
    node.sram[DATA : DATA + 16] = ones
    node.threads[0].x[5] = node.threads[1].x[5] = AT
    node.threads[1].start(SRAM_BASE)
    node.run()
    assert node.threads[0].accumulators.read(0).any() == np.False_
    assert (node.threads[0].v[1], node.threads[0].x[6]) == (bytes(16), 0)
    assert node.threads[1].accumulators.read(0).view(np.float32).tolist() == [[4.0, 4.0], [4.0, 4.0]]
