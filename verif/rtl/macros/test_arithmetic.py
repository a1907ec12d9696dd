# SPDX-License-Identifier: Apache-2.0
"""The macros' C++, called without a simulator: every instruction set of this machine, every floating-point mode."""

from __future__ import annotations

import ctypes
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from golden import matrix
from golden.config import MATRIX_K
from rtl.macros.verilog import MACRO_SOURCES
from verif.golden import vectors

#: Variants that may exist; of each pair of machine and compiler at least the last of its kind runs.
VARIANTS = ("avx512", "avx2", "sse2", "portable")
BASIC = {"sse2", "portable"}


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    path = tmp_path_factory.mktemp("macros") / "arithmetic.so"
    command = ["g++", "-std=c++17", "-Os", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", "-o", str(path)]
    subprocess.run([*command, *map(str, MACRO_SOURCES)], check=True)
    loaded = ctypes.CDLL(str(path))
    loaded.d1_arithmetic_variant.restype = ctypes.c_char_p
    return loaded


def variants(library: ctypes.CDLL) -> Iterator[str]:
    """Select each variant that this machine runs."""
    selected = []
    for name in VARIANTS:
        if library.d1_arithmetic_select(name.encode()):
            assert library.d1_arithmetic_variant().decode() == name
            selected.append(name)
            yield name
    assert BASIC & set(selected)


def step(library: ctypes.CDLL, size: int) -> Callable[[Any, Any, int, Any], None]:
    """``function(a, b, zero, accumulator)`` on contiguous arrays: one matrix step of size x size elements."""
    entry = getattr(library, f"d1_matrix_step_{8 * size}")

    def call(a: Any, b: Any, zero: int, accumulator: Any) -> None:
        lines = [ctypes.c_void_p(accumulator.ctypes.data + 8 * size * line) for line in range(size // 2)]
        entry(ctypes.c_void_p(a.ctypes.data), ctypes.c_void_p(b.ctypes.data), ctypes.c_ubyte(zero), *lines)

    return call


@pytest.mark.parametrize("size", [2, 4, 8])
def test_steps_of_every_variant_equal_the_model(library: ctypes.CDLL, size: int) -> None:
    rows, columns = vectors.all_steps(16_000, seed=3)
    count = len(rows) // size
    a = np.ascontiguousarray(rows[: count * size].reshape(count, size, MATRIX_K))
    b = np.ascontiguousarray(columns[: count * size].reshape(count, size, MATRIX_K).swapaxes(1, 2))
    rng = np.random.default_rng(3)
    before = vectors.addend_pairs(rng, count * size * size)[0][-count * size * size :]
    # Also accumulators that show the sign of a sum that is zero.
    before = np.where(rng.random(before.shape) < 0.3, rng.choice(np.array(vectors.FP32_CORNERS, np.uint32), before.shape), before)
    before[rng.random(before.shape) < 0.2] = 0x8000_0000
    expected = matrix.matrix_step(before.reshape(count, size, size), a, b)
    fresh = matrix.matrix_step(np.zeros((count, size, size), np.uint32), a, b)
    function = step(library, size)
    for name in variants(library):
        continued = before.reshape(count, size, size).copy()
        started = continued.copy()
        for i in range(count):
            function(a[i], b[i], 0, continued[i])
            function(a[i], b[i], 1, started[i])
        np.testing.assert_array_equal(continued, expected, name)
        np.testing.assert_array_equal(started, fresh, name)


def test_a_variant_that_does_not_exist_is_refused(library: ctypes.CDLL) -> None:
    before = library.d1_arithmetic_variant()
    assert not library.d1_arithmetic_select(b"abacus")
    assert library.d1_arithmetic_variant() == before


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


@pytest.mark.parametrize("which", [1, 2, 3], ids=["denormals flushed", "rounds down", "rounds to zero"])
def test_the_programs_floating_point_mode_does_not_matter_and_stays(library: ctypes.CDLL, tmp_path: Path, which: int) -> None:
    source, path = tmp_path / "modes.cpp", tmp_path / "modes.so"
    source.write_text(MODES)
    subprocess.run(["g++", "-shared", "-fPIC", "-o", str(path), str(source)], check=True)
    modes = ctypes.CDLL(str(path))
    rows, columns = vectors.all_steps(0)
    count = len(rows) // 8
    a = np.ascontiguousarray(rows[: count * 8].reshape(-1, 8, MATRIX_K))
    b = np.ascontiguousarray(columns[: count * 8].reshape(-1, 8, MATRIX_K).swapaxes(1, 2))
    expected = matrix.matrix_step(np.zeros((count, 8, 8), np.uint32), a, b)
    function = step(library, 8)
    for name in variants(library):
        accumulators = np.zeros((count, 8, 8), np.uint32)
        modes.set(which)
        try:
            before = modes.mode()
            for i in range(count):
                function(a[i], b[i], 1, accumulators[i])
            after = modes.mode()
        finally:
            modes.set(0)
        assert before == after
        np.testing.assert_array_equal(accumulators, expected, name)
