# SPDX-License-Identifier: Apache-2.0
"""The matrix array's C++, called without a simulator: every instruction set of this machine, every floating-point mode."""

from __future__ import annotations

import ctypes
import subprocess
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from golden import formats, matrix
from golden.config import MATRIX_K, preset
from golden.formats import Codes, encode_codes, format_of
from golden.isa import INSTRUCTIONS, Unit
from golden.layout import FormatDescriptor, FormatKind
from golden.simd import SimdOperands, execute
from rtl.simd.operations import operation, sub_operation
from verif.golden import vectors
from verif.golden.oracles import OperandFormat
from verif.rtl.macros.library import MacroLibrary

BF16_PAIR = (FormatDescriptor(FormatKind.BF16), FormatDescriptor(FormatKind.BF16))


def tiles(rows: Codes, columns: Codes, size: int) -> tuple[Codes, Codes]:
    """A (n, size, 4) and B (n, 4, size) from rows and columns (n * size, 4) of single elements."""
    count = len(rows) // size
    a = rows[: count * size].reshape(count, size, MATRIX_K)
    b = columns[: count * size].reshape(count, size, MATRIX_K).swapaxes(1, 2)
    return np.ascontiguousarray(a), np.ascontiguousarray(b)


def accumulators(rng: np.random.Generator, count: int, size: int) -> npt.NDArray[np.uint32]:
    """Numbers before a step, among them those that show the sign of a sum that is zero."""
    before = vectors.addend_pairs(rng, count * size * size)[0][-count * size * size :]
    corners = np.array(vectors.FP32_CORNERS, np.uint32)
    before = np.where(rng.random(before.shape) < 0.3, rng.choice(corners, before.shape), before)
    before[rng.random(before.shape) < 0.2] = 0x8000_0000
    return before.reshape(count, size, size)


@pytest.mark.parametrize("size", [2, 4, 8])
def test_bf16_steps_of_every_variant_equal_the_model(macros: MacroLibrary, size: int) -> None:
    a, b = tiles(*vectors.all_steps(16_000, seed=3), size)
    before = accumulators(np.random.default_rng(3), len(a), size)
    expected = matrix.matrix_step(before, a, b)
    fresh = matrix.matrix_step(np.zeros_like(before), a, b)
    for name in macros.variants():
        np.testing.assert_array_equal(macros.steps(a, b, BF16_PAIR, before, zero=False), expected, name)
        np.testing.assert_array_equal(macros.steps(a, b, BF16_PAIR, before, zero=True), fresh, name)


def descriptor(fmt: OperandFormat) -> FormatDescriptor:
    kinds = {8: FormatKind.BF16, 4: FormatKind.CFP8_143, 5: FormatKind.CFP8_152}
    return FormatDescriptor(kinds[fmt.exponent_bits], fmt.bias_field)


@pytest.mark.parametrize("size", [2, 4, 8])
def test_steps_of_every_pair_of_formats_and_half_equal_the_model(macros: MacroLibrary, size: int) -> None:
    rng = np.random.default_rng(4)
    for number, steps in enumerate(vectors.format_steps(800, seed=size)):
        pair = (descriptor(steps.a_format), descriptor(steps.b_format))
        a, b = tiles(steps.a, steps.b, size)
        before = accumulators(rng, len(a), size)
        sums = matrix.step_sums(a, b, format_of(pair[0]), format_of(pair[1]))
        expected = matrix.accumulate(before, sums[None])
        for name in macros.variants():
            seen = macros.steps(a, b, pair, before, zero=False, half=number % 2)
            np.testing.assert_array_equal(seen, expected, f"{name}: {pair}")


def test_every_code_of_cfp8_and_bias_is_the_number_that_it_means(macros: MacroLibrary) -> None:
    one = np.zeros((256, 2, 2), np.uint32)
    b = np.zeros((256, MATRIX_K, 2), np.uint16)
    b[:, 0, :] = vectors.bf16(1.0)
    a = np.zeros((256, 2, MATRIX_K), np.uint8)
    a[:, 0, 0] = np.arange(256)
    for kind, bias in ((kind, bias) for kind in (FormatKind.CFP8_143, FormatKind.CFP8_152) for bias in range(64)):
        pair = (FormatDescriptor(kind, bias), BF16_PAIR[1])
        numbers = formats.decode(np.arange(256, dtype=np.uint8), format_of(pair[0]))
        for name in macros.variants():
            seen = macros.steps(a, b, pair, one, zero=True)[:, 0, 0].view(np.float32)
            np.testing.assert_array_equal(seen, numbers, f"{name}: {pair[0]}")


@pytest.mark.parametrize("line_bytes", [16, 32, 64])
def test_accumulator_lines_convert_to_every_format_as_in_the_model(macros: MacroLibrary, line_bytes: int) -> None:
    rng = np.random.default_rng(line_bytes)
    lanes = line_bytes // 4
    for kind in FormatKind:
        for _ in range(200):
            target = FormatDescriptor(kind, int(rng.integers(64)))
            fmt = format_of(target)
            field = rng.integers(127 - fmt.bias - 12, 127 - fmt.bias + (1 << fmt.exponent_bits) + 2, lanes).clip(0, 255)
            line = (rng.integers(0, 1 << 32, lanes) & 0x807F_FFFF | field << 23).astype(np.uint32)
            line[rng.random(lanes) < rng.choice((0, 0.5))] = 0x3F80_0000
            for draws in (None, rng.integers(0, 1 << 24, lanes, dtype=np.uint32)):
                codes, flags = encode_codes(line, fmt, draws)
                seen, raised = macros.convert(line.tobytes(), target, draws)
                assert seen == codes.tobytes().ljust(line_bytes, b"\0"), (target, line, draws)
                assert raised == int(np.bitwise_or.reduce(flags)), (target, line, draws)


def test_a_variant_that_does_not_exist_is_refused(macros: MacroLibrary) -> None:
    before = macros.variant
    assert not macros.select("abacus")
    assert macros.variant == before


MODES = """
#include <cfenv>
#if defined(__x86_64__)
#include <xmmintrin.h>
extern "C" unsigned long mode() { return _mm_getcsr() & ~0x3Fu; }
static void flush() { _mm_setcsr(_mm_getcsr() | 0x8040); }
#elif defined(__aarch64__)
extern "C" unsigned long mode() { unsigned long value; asm volatile("mrs %0, fpcr" : "=r"(value)); return value; }
static void flush() { asm volatile("msr fpcr, %0" : : "r"(mode() | 1ul << 24)); }
#endif
extern "C" void set(int which) {
    if (which == 0) std::fesetenv(FE_DFL_ENV);
    if (which == 1) flush();
    if (which == 2) std::fesetround(FE_DOWNWARD);
    if (which == 3) std::fesetround(FE_TOWARDZERO);
}
"""


@pytest.fixture(scope="session")
def modes(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    source = tmp_path_factory.mktemp("modes") / "modes.cpp"
    source.write_text(MODES)
    path: Path = source.with_suffix(".so")
    subprocess.run(["g++", "-shared", "-fPIC", "-o", str(path), str(source)], check=True)
    loaded = ctypes.CDLL(str(path))
    loaded.mode.restype = ctypes.c_ulong
    return loaded


@pytest.mark.parametrize("which", [1, 2, 3], ids=["denormals flushed", "rounds down", "rounds to zero"])
def test_the_programs_floating_point_mode_does_not_matter_and_stays(macros: MacroLibrary, modes: ctypes.CDLL, which: int) -> None:
    a, b = tiles(*vectors.all_steps(0), 8)
    nothing = np.zeros((len(a), 8, 8), np.uint32)
    expected = matrix.matrix_step(nothing, a, b)
    rng = np.random.default_rng(which)
    lines = [np.frombuffer(rng.bytes(16 * 64), np.uint8).reshape(16, 64) for _ in range(3)]
    floats = [row.mnemonic for row in INSTRUCTIONS.values() if row.unit is Unit.SIMD and row.mnemonic.endswith(".f32")]
    for name in macros.variants():
        modes.set(which)
        try:
            before = modes.mode()
            seen = macros.steps(a, b, BF16_PAIR, nothing, zero=True)
            results = [macros.simd(operation(mnemonic), sub_operation(mnemonic) or 0, *lines) for mnemonic in floats]
            after = modes.mode()
        finally:
            modes.set(0)
        assert before == after
        np.testing.assert_array_equal(seen, expected, name)
        for mnemonic, (values, flags) in zip(floats, results, strict=True):
            for i in range(16):
                operands = SimdOperands(**dict(zip("abc", (line[i].tobytes() for line in lines), strict=True)))
                wanted = execute(mnemonic, preset("d1"), operands)
                if wanted.value is not None:
                    assert (values[i].tobytes(), flags[i]) == (wanted.value, wanted.flags), (name, mnemonic)
