# SPDX-License-Identifier: Apache-2.0
"""Matrix instructions of the golden node: addressing, formats, counters. Arithmetic is golden.matrix's and golden.formats'."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest

from golden.config import NodeConfig, preset
from golden.formats import BF16, encode_codes, format_of
from golden.isa import INSTRUCTIONS
from golden.layout import SRAM_BASE, Cause, ControlRegister, Flag, FormatDescriptor, FormatKind
from golden.matrix import matrix_step
from golden.node import GoldenNode
from golden.random import RandomLanes
from golden.thread import Thread
from verif.golden.encoding import encode, program
from verif.golden.nodes import AT, CONFIGS, DATA, HALT, bf16_operands, make, named, trapped

OPERAND_KINDS = (FormatKind.BF16, FormatKind.CFP8_143, FormatKind.CFP8_152)
FORMS = ("mm", "mp", "pm", "pp")


# -- BF16 -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("zero", [False, True])
@pytest.mark.parametrize("config", CONFIGS, ids=named)
def test_matrix_step_from_memory_advances_what_it_says(config: NodeConfig, form: str, zero: bool) -> None:
    m, n, line = config.matrix_m, config.matrix_n, config.line_bytes
    data = bf16_operands(4, 8 * line // 2)
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
    assert node.read_register(ControlRegister.LINES_LOADED) == 4


@pytest.mark.parametrize("zero", [False, True])
@pytest.mark.parametrize("config", CONFIGS, ids=named)
def test_matrix_step_from_registers(config: NodeConfig, zero: bool) -> None:
    m, n, line = config.matrix_m, config.matrix_n, config.line_bytes
    data = bf16_operands(5, line)
    step = encode("mstepz.bf16" if zero else "mstep.bf16", 0, 1, 2)
    node = make(config, [encode("vld.p", 1, 5, line), encode("vld", 2, 0, 5), step, step], data.tobytes(), {5: AT})
    a, b = data[: line // 2].reshape(m, 4), data[line // 2 :].reshape(4, n)
    once = matrix_step(np.zeros((m, n), np.uint32), a, b)
    expected = once if zero else matrix_step(once, a, b)
    np.testing.assert_array_equal(node.threads[0].accumulators.read(0), expected)
    assert node.read_register(ControlRegister.LINES_LOADED) == 2


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
    bf16 = encode_codes(codes, BF16)[0].tobytes()
    expected = codes.tobytes() + bytes(size) + bf16 + bf16
    start = DATA + 2 * size
    assert bytes(node.sram[start : start + len(expected)]) == expected
    assert bytes(node.sram[DATA + 8 * size : DATA + 9 * size]) == codes.tobytes()
    assert node.threads[0].x[5] == AT + 2 * size
    assert node.threads[0].x[6] == AT + 2 * size + 2 * size + size // 2
    assert node.read_register(ControlRegister.LINES_LOADED) == 3 * config.accumulator_lines
    assert node.read_register(ControlRegister.LINES_STORED) == 5 * config.accumulator_lines


def test_bf16_store_aligns_to_the_tile_where_it_is_smaller_than_a_line() -> None:
    config = preset("small")
    assert config.accumulator_bytes // 2 == config.line_bytes // 2 == 8
    node = make(config, [encode("mld.f32", 0, 5), encode("mst.bf16", 0, 6)], b"\x00\x00\x80\x3f" * 4, {5: AT, 6: AT + 24})
    assert bytes(node.sram[DATA + 16 : DATA + 40]) == bytes(8) + b"\x80\x3f" * 4 + bytes(8)


def test_stores_that_round_set_flags_and_others_do_not() -> None:
    config = preset("tiny")
    inexact, denormal, signalling, large = 0x3F80_0001, 0x0000_8000, 0x7F80_0001, 0x7F7F_FFFF
    for code, flags in (
        (0x3F80_0000, 0), (inexact, Flag.INEXACT), (signalling, Flag.INVALID), (large, Flag.INEXACT | Flag.OVERFLOW),
        (denormal, Flag.INEXACT | Flag.UNDERFLOW | Flag.DENORMAL),
    ):  # fmt: skip
        data = np.array([0, 0, code, 0], "<u4").tobytes()
        load = encode("mld.f32", 0, 5)
        assert make(config, [load, encode("mst.f32", 0, 5)], data, {5: AT}).threads[0].mflags == 0
        for store in (encode("mst.bf16", 0, 5), encode("mst.x", 0, 5, 0)):
            assert make(config, [load, store], data, {5: AT}).threads[0].mflags == flags


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


# -- named formats ----------------------------------------------------------------------------------------------------


def with_formats(*descriptors: tuple[int, FormatKind, int]) -> Callable[[Thread], None]:
    """Sets descriptors, (number, kind, bias)."""

    def before(thread: Thread) -> None:
        for number, kind, bias in descriptors:
            thread.formats.write(number, int(FormatDescriptor(kind, bias)))

    return before


def codes(data: bytes, kind: FormatKind) -> npt.NDArray[np.unsignedinteger]:
    """Bytes as codes of a matrix operand's format."""
    return np.frombuffer(data, "<u2" if kind is FormatKind.BF16 else "u1")


#: Kinds of A and B with two biases, and the fab that names A.
PAIRS = [
    (a, b, fab) for (a, b), fab in zip(itertools.product(OPERAND_KINDS, repeat=2), itertools.cycle((0, 15, 6, 9)), strict=False)
]
A_BIAS, B_BIAS = 9, 21


@pytest.mark.parametrize(("kind_a", "kind_b", "fab"), PAIRS)
@pytest.mark.parametrize("config", CONFIGS, ids=named)
def test_named_step_takes_the_half_of_a_register_that_it_names(
    config: NodeConfig, kind_a: FormatKind, kind_b: FormatKind, fab: int
) -> None:
    m, n, line = config.matrix_m, config.matrix_n, config.line_bytes
    data = bf16_operands(8, line).tobytes()
    formats = format_of(FormatDescriptor(kind_a, A_BIAS)), format_of(FormatDescriptor(kind_b, B_BIAS))
    set_formats = with_formats((fab, kind_a, A_BIAS), (fab ^ 1, kind_b, B_BIAS))
    for half, letter in enumerate("lh"):
        a, b = (
            codes(register if kind is FormatKind.BF16 else register[half * line // 2 :][: line // 2], kind)
            for register, kind in ((data[:line], kind_a), (data[line:], kind_b))
        )
        once = matrix_step(np.zeros((m, n), np.uint32), a.reshape(m, 4), b.reshape(4, n), *formats)
        twice = matrix_step(once, a.reshape(m, 4), b.reshape(4, n), *formats)
        for name, expected in ((f"mstep.x{letter}", twice), (f"mstepz.x{letter}", once)):
            step = encode(name, 1, 1, 2, fab)
            words = [encode("vld", 1, 0, 5), encode("vld", 2, line, 5), step, step]
            node = make(config, words, data, {5: AT}, before=set_formats)
            np.testing.assert_array_equal(node.threads[0].accumulators.read(1), expected)
            assert node.read_register(ControlRegister.MATRIX_STEPS) == 2
            assert node.read_register(ControlRegister.LINES_LOADED) == 2
            assert node.threads[0].mflags == 0


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(("kind_a", "kind_b", "fab"), PAIRS)
@pytest.mark.parametrize("config", CONFIGS, ids=named)
def test_named_step_from_memory_is_two_steps_over_consecutive_tiles(
    config: NodeConfig, kind_a: FormatKind, kind_b: FormatKind, fab: int, form: str
) -> None:
    m, n, line = config.matrix_m, config.matrix_n, config.line_bytes
    data = bf16_operands(9, 8 * line // 2).tobytes()
    formats = format_of(FormatDescriptor(kind_a, A_BIAS)), format_of(FormatDescriptor(kind_b, B_BIAS))
    tile_a, tile_b = (line if kind is FormatKind.BF16 else line // 2 for kind in (kind_a, kind_b))
    plus_a, plus_b = form[0] == "p", form[1] == "p"
    for zero in (False, True):
        step = encode(f"mstep{'z' * zero}.x.{form}", 0, 5, 6, fab)
        node = make(
            config, [step, step], data, {5: AT, 6: AT + 4 * line},
            before=with_formats((fab, kind_a, A_BIAS), (fab ^ 1, kind_b, B_BIAS)),
        )  # fmt: skip
        acc = np.zeros((m, n), np.uint32)
        for instruction in range(2):
            start_a, start_b = instruction * plus_a * 2 * tile_a, 4 * line + instruction * plus_b * 2 * tile_b
            if zero:
                acc = np.zeros((m, n), np.uint32)
            for i in range(2):
                a = codes(data[start_a + i * tile_a :][:tile_a], kind_a).reshape(m, 4)
                b = codes(data[start_b + i * tile_b :][:tile_b], kind_b).reshape(4, n)
                acc = matrix_step(acc, a, b, *formats)
        thread = node.threads[0]
        np.testing.assert_array_equal(thread.accumulators.read(0), acc)
        assert thread.x[5] == AT + 4 * tile_a * plus_a
        assert thread.x[6] == AT + 4 * line + 4 * tile_b * plus_b
        assert node.read_register(ControlRegister.MATRIX_STEPS) == 4
        assert node.read_register(ControlRegister.LINES_LOADED) == 4 * (tile_a + tile_b) // line


def test_steps_of_changing_formats_are_added_in_order() -> None:
    """1 + 2**24 - 2**24 is 0 in binary32, in any other order 1."""
    config = preset("tiny")
    one, large, minus = b"\x01\0\0\0" * 2 + bytes(8), b"\x80\x4b" * 2 + bytes(12), b"\x80\xcb" * 2 + bytes(12)
    # Code 1 of 1-4-3 is 1/8 at bias 1, and B is 8 there.
    data = one + b"\x00\x41" * 2 + bytes(12) + b"\x80\x3f" + bytes(6) + b"\x80\x3f" + bytes(6) + large + minus
    words = [
        *(encode("vld.p", register, 5, 16) for register in (1, 2, 3, 4, 6)),
        encode("mstep.xl", 0, 1, 2, 2), encode("mstep.bf16", 0, 3, 4), encode("mstep.bf16", 0, 3, 6),
        encode("mstep.bf16", 1, 3, 4), encode("mstep.bf16", 1, 3, 6), encode("mstep.xl", 1, 1, 2, 2),
    ]  # fmt: skip
    node = make(config, words, data, {5: AT}, before=with_formats((2, FormatKind.CFP8_143, 1)))
    accumulators = node.threads[0].accumulators
    assert accumulators.read(0).view(np.float32).tolist() == [[0.0, 0.0], [0.0, 0.0]]
    assert accumulators.read(1).view(np.float32).tolist() == [[1.0, 1.0], [1.0, 1.0]]


NAMED_STEPS = [name for name, row in INSTRUCTIONS.items() if name.startswith("mstep") and "fab" in row.operands]


@pytest.mark.parametrize("mnemonic", NAMED_STEPS)
def test_formats_that_the_matrix_unit_does_not_take_are_illegal_before_any_address(mnemonic: str) -> None:
    assert len(NAMED_STEPS) == 12
    config = preset("tiny")
    word = encode(mnemonic, 0, 5, 6, 4)
    for kind_a, kind_b in itertools.product(FormatKind, repeat=2):
        if kind_a in OPERAND_KINDS and kind_b in OPERAND_KINDS:
            continue
        node = trapped(config, [word], b"", {5: 1, 6: 1}, before=with_formats((4, kind_a, 7), (5, kind_b, 7)))
        assert (node.threads[0].mcause, node.threads[0].mtval) == (Cause.ILLEGAL_INSTRUCTION, word)
        assert node.read_register(ControlRegister.MATRIX_STEPS) == 0


def test_formats_are_those_at_execution() -> None:
    config = preset("tiny")
    words = [encode("mstep.xl", 0, 1, 2, 4), encode("setfmt", 5, 5), encode("mstep.xl", 0, 1, 2, 4)]
    thread = trapped(config, words, b"", {5: int(FormatDescriptor(FormatKind.SHP, 3))}).threads[0]
    assert (thread.mepc, thread.mcause) == (SRAM_BASE + 8, Cause.ILLEGAL_INSTRUCTION)


@pytest.mark.parametrize("form", FORMS)
def test_both_lines_of_a_bf16_operand_are_checked_and_a_before_b(form: str) -> None:
    config = preset("medium")
    line, end = config.line_bytes, SRAM_BASE + config.sram_bytes
    narrow, wide = FormatKind.CFP8_152, FormatKind.BF16
    last, misaligned, fault = end - line, Cause.LOAD_MISALIGNED, Cause.LOAD_ACCESS_FAULT
    for kind_a, kind_b, a, b, cause, value in (
        (wide, narrow, last, AT, fault, last),
        (wide, narrow, last, 1, fault, last),
        (wide, narrow, last + 8, 1, misaligned, last + 8),
        (narrow, wide, last, last, fault, last),
        (narrow, wide, AT, last, fault, last),
        (narrow, wide, AT, last + 1, misaligned, last + 1),
        (narrow, narrow, end, 1, fault, end),
        (narrow, narrow, last, end, fault, end),
        (narrow, narrow, SRAM_BASE - line, AT, fault, SRAM_BASE - line),
        (narrow, narrow, last + line // 2, AT, misaligned, last + line // 2),
    ):
        node = trapped(
            config,
            [encode(f"mstep.x.{form}", 0, 5, 6, 2)],
            b"",
            {5: a, 6: b},
            before=with_formats((2, kind_a, 0), (3, kind_b, 0)),
        )
        thread = node.threads[0]
        assert (thread.mcause, thread.mtval, thread.x[5], thread.x[6]) == (cause, value, a, b)
        assert node.read_register(ControlRegister.LINES_LOADED) == 0
    for kind_a, kind_b, a, b in ((narrow, narrow, last, last), (wide, wide, last - line, last - line)):
        make(config, [encode(f"mstep.x.{form}", 0, 5, 6, 2)], b"", {5: a, 6: b}, with_formats((2, kind_a, 0), (3, kind_b, 0)))


@pytest.mark.parametrize("mnemonic", [name for name, row in INSTRUCTIONS.items() if "md" in row.operands])
def test_an_accumulator_that_is_not_there_is_illegal(mnemonic: str) -> None:
    config = preset("tiny")
    row = INSTRUCTIONS[mnemonic]
    numbers = {"rs1": 5, "rs2": 6, "vs1": 1, "vs2": 2, "fmt": 0, "fab": 0}
    for number in (config.accumulators, 31):
        word = encode(mnemonic, *(number if operand == "md" else numbers[operand] for operand in row.operands))
        thread = trapped(config, [word], b"", {5: AT, 6: AT}).threads[0]
        assert (thread.mcause, thread.mtval) == (Cause.ILLEGAL_INSTRUCTION, word)


@pytest.mark.parametrize("mnemonic", [name for name, row in INSTRUCTIONS.items() if len(row.post_increment) == 2])
def test_two_registers_of_equal_parity_cannot_both_advance(mnemonic: str) -> None:
    config = preset("tiny")
    named_format = [0] * ("fab" in INSTRUCTIONS[mnemonic].operands)
    for rs1, rs2 in ((5, 7), (6, 6), (0, 8)):
        word = encode(mnemonic, 0, rs1, rs2, *named_format)
        thread = trapped(config, [word], b"", {register: AT for register in (5, 6, 7, 8)}).threads[0]
        assert (thread.mcause, thread.mtval) == (Cause.ILLEGAL_INSTRUCTION, word)
    make(config, [encode(mnemonic, 0, 6, 5, *named_format)], b"", {5: AT, 6: AT})


# -- stores of accumulators in named formats --------------------------------------------------------------------------


def accumulator_codes(config: NodeConfig) -> npt.NDArray[np.uint32]:
    """Contents of an accumulator: numbers around 1, some tiny, huge or special."""
    rng = np.random.default_rng(10)
    shape = (config.matrix_m, config.matrix_n)
    values = rng.standard_normal(shape) * 2.0 ** rng.choice((0, 3, -6, -140, 120), shape, p=(0.5, 0.2, 0.2, 0.05, 0.05))
    special = rng.random(shape) < 0.1
    return np.where(special, rng.integers(0, 1 << 32, shape, np.uint32), values.astype(np.float32).view(np.uint32))


@pytest.mark.parametrize("letters", ["", "s", "p", "sp"])
@pytest.mark.parametrize("kind", FormatKind)
@pytest.mark.parametrize("config", CONFIGS, ids=named)
def test_store_in_a_named_format_rounds_every_element(config: NodeConfig, kind: FormatKind, letters: str) -> None:
    acc = accumulator_codes(config)
    fmt = format_of(FormatDescriptor(kind, 11))
    lanes = RandomLanes(config.fp32_lanes, 0x1234)
    store = encode("mst.x" + "." * bool(letters) + letters, 1, 6, 13)
    target = AT + config.accumulator_bytes

    def before(thread: Thread) -> None:
        with_formats((13, kind, 11))(thread)
        thread.random.reseed(0x1234)

    node = make(config, [encode("mld.f32", 1, 5), store], acc.astype("<u4").tobytes(), {5: AT, 6: target}, before)
    # Element e takes the bits of lane e mod lanes after step 1 + e div lanes.
    random = None
    if "s" in letters:
        random = np.stack([lanes.step() for _ in range(config.accumulator_lines)]).reshape(acc.shape)
    encoded, each = encode_codes(acc, fmt, random)
    image, flags = encoded.astype(encoded.dtype.newbyteorder("<")).tobytes(), int(np.bitwise_or.reduce(each, axis=None))
    start = DATA + config.accumulator_bytes
    assert bytes(node.sram[start : start + len(image) + 8]) == image + bytes(8)
    thread = node.threads[0]
    assert thread.x[6] == target + len(image) * ("p" in letters)
    assert thread.mflags == flags
    assert node.read_register(ControlRegister.LINES_STORED) == config.accumulator_lines
    np.testing.assert_array_equal(thread.random.step(), lanes.step())


@pytest.mark.parametrize("kind", FormatKind)
@pytest.mark.parametrize("config", CONFIGS, ids=named)
def test_store_in_a_named_format_aligns_to_the_smaller_of_line_and_tile(config: NodeConfig, kind: FormatKind) -> None:
    size = config.matrix_m * config.matrix_n * format_of(FormatDescriptor(kind, 0)).dtype.itemsize
    alignment = min(size, config.line_bytes)
    end = SRAM_BASE + config.sram_bytes
    word, formats = encode("mst.x.sp", 0, 5, 3), with_formats((3, kind, 0))
    for address in (AT + alignment, end - size):
        make(config, [word], b"", {5: address}, formats)
    for address, cause in (
        (AT + alignment // 2, Cause.STORE_MISALIGNED),
        (end - size + alignment // 2, Cause.STORE_MISALIGNED),
        (end - size + alignment, Cause.STORE_ACCESS_FAULT),
        (SRAM_BASE - alignment, Cause.STORE_ACCESS_FAULT),
    ):
        node = trapped(config, [word], b"", {5: address}, formats)
        thread = node.threads[0]
        assert (thread.mcause, thread.mtval, thread.x[5]) == (cause, address, address)
        assert node.read_register(ControlRegister.LINES_STORED) == 0
        np.testing.assert_array_equal(thread.random.step(), RandomLanes(config.fp32_lanes).step())
