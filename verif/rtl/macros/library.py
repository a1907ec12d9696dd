# SPDX-License-Identifier: Apache-2.0
"""The macros' C++ as a library, called without a simulator."""

from __future__ import annotations

import ctypes
import platform
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from golden.config import MATRIX_K
from golden.layout import FormatDescriptor
from rtl.macros.verilog import MACRO_HEADERS, MACRO_SOURCES
from scripts.simulator.cache import Cache, digest
from scripts.simulator.toolchain import find_toolchain

Bytes = npt.NDArray[np.uint8]
Words = npt.NDArray[np.uint32]

#: Variants that may exist; of each pair of machine and compiler at least the last of its kind runs.
VARIANTS = ("avx512", "avx2", "sse2", "portable")
BASIC = {"sse2", "portable"}

_LIBRARY = "macros.so"
_FLAGS = ("-std=c++17", "-Os", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC")

#: The same function, over many operands.
_LOOPS = """
#include "arithmetic.h"
#include <cstring>
extern "C" void run_simd(long count, int line_bytes, int op, int sub, const uint32_t* a, const uint32_t* b, const uint32_t* c,
                         const unsigned long long* scalars, const unsigned long long* masks, int format, int bias,
                         const uint32_t* random, int row, const uint32_t* collected, uint32_t* results, unsigned char* flags) {
    const long words = line_bytes / 4, random_words = 2 * words * 24 / 32;
    for (long i = 0; i < count; i++) {
        uint32_t mask[2];
        std::memcpy(mask, masks + i, sizeof mask);
        flags[i] = d1_simd_operate(line_bytes, op, sub, a + words * i, b + words * i, c + words * i, scalars[i], mask, format,
                                   bias, random + random_words * i, row, collected + words * i, results + words * i);
    }
}
extern "C" void run_steps(long count, int line_bytes, const uint32_t* a, const uint32_t* b, int format_a, int format_b,
                          int bias_a, int bias_b, int half, int zero, uint32_t* lines) {
    const long words = line_bytes / 4, accumulator = line_bytes / 16 * words;
    for (long i = 0; i < count; i++, a += words, b += words, lines += accumulator) {
        if (line_bytes == 16) {
            d1_matrix_step_16(a, b, format_a, format_b, bias_a, bias_b, half, zero, lines);
        } else if (line_bytes == 32) {
            d1_matrix_step_32(a, b, format_a, format_b, bias_a, bias_b, half, zero, lines, lines + words);
        } else {
            d1_matrix_step_64(a, b, format_a, format_b, bias_a, bias_b, half, zero, lines, lines + words, lines + 2 * words,
                              lines + 3 * words);
        }
    }
}
"""


def _pointer(array: npt.NDArray[Any]) -> ctypes.c_void_p:
    assert array.flags.c_contiguous
    return ctypes.c_void_p(array.ctypes.data)


def _compiled() -> Path:
    """The library; one process of several compiles it."""

    def make(folder: Path) -> None:
        loops = folder / "loops.cpp"
        loops.write_text(_LOOPS)
        command = [str(tools.cxx), *_FLAGS, "-o", str(folder / _LIBRARY)]
        command += [f"-I{MACRO_SOURCES[0].parent}", str(loops), *map(str, MACRO_SOURCES)]
        subprocess.run(command, check=True)

    tools = find_toolchain()
    files = [(path.name, path.read_bytes()) for path in (*MACRO_SOURCES, *MACRO_HEADERS)]
    key = digest(files, _LOOPS, *_FLAGS, str(tools.cxx), tools.versions["g++"], platform.machine())
    return Cache("macros").build(key, make) / _LIBRARY


class MacroLibrary:
    """The functions of ``rtl/macros/arithmetic.h`` on NumPy arrays, from the cache or compiled now."""

    def __init__(self) -> None:
        self._library = ctypes.CDLL(str(_compiled()))
        self._library.d1_arithmetic_variant.restype = ctypes.c_char_p

    @property
    def variant(self) -> str:
        """The variant in use."""
        return str(self._library.d1_arithmetic_variant().decode())

    def select(self, name: str) -> bool:
        """Use another variant; False if there is none of this name."""
        return bool(self._library.d1_arithmetic_select(name.encode()))

    def variants(self) -> Iterator[str]:
        """Select each variant that this machine runs, then the first one again."""
        before, selected = self.variant, []
        for name in VARIANTS:
            if self.select(name):
                assert self.variant == name
                selected.append(name)
                yield name
        assert BASIC & set(selected)
        self.select(before)

    def simd(
        self,
        op: int,
        sub: int,
        a: Bytes,
        b: Bytes | None = None,
        c: Bytes | None = None,
        *,
        scalars: Sequence[int] | int = 0,
        masks: Sequence[int] | int = -1,
        descriptor: int | FormatDescriptor = 0,
        random: Words | None = None,
        row: int = 0,
        collected: Bytes | None = None,
    ) -> tuple[Bytes, Bytes]:
        """Results (n, line_bytes) and flags (n,) of one operation on lines (n, line_bytes) of bytes.

        ``random`` has draws (n, elements), as many as there are; ``scalars`` and ``masks`` may differ from line to line.
        """
        count, size = a.shape
        lines = [np.ascontiguousarray(np.zeros_like(a) if line is None else line) for line in (a, b, c)]
        full = (1 << size) - 1
        each_mask = np.broadcast_to(np.array([m & full for m in np.atleast_1d(np.array(masks, object))], np.uint64), count)
        each_scalar = np.broadcast_to(np.array(np.atleast_1d(np.array(scalars, object)), np.uint64), count)
        draws = np.zeros((count, size // 2), np.uint32)
        if random is not None:
            draws[:, : random.shape[1]] = random
        packed = np.ascontiguousarray(draws.view(np.uint8).reshape(count, -1, 4)[:, :, :3])
        fmt = int(descriptor)
        held = np.zeros_like(a) if collected is None else collected
        results, flags = np.empty_like(lines[0]), np.empty(count, np.uint8)
        arrays: list[npt.NDArray[Any]] = [*lines, np.ascontiguousarray(each_scalar), np.ascontiguousarray(each_mask)]
        self._library.run_simd(
            ctypes.c_long(count), size, op, sub, *map(_pointer, arrays), fmt >> 6, fmt & 63, _pointer(packed), row,
            _pointer(held), _pointer(results), _pointer(flags),
        )  # fmt: skip
        return results, flags

    def collect(self, op: int, sub: int, a: bytes, b: bytes, row: int, collected: Bytes) -> None:
        """A transpose takes a pair of registers."""
        pointers = [_pointer(np.frombuffer(line, np.uint8)) for line in (a, b)]
        self._library.d1_simd_collect(len(a), op, sub, *pointers, row, _pointer(collected), _pointer(collected))

    def convert(self, line: bytes, descriptor: FormatDescriptor, random: Words | None) -> tuple[bytes, int]:
        """Codes and flags of the FP32 lanes of a line, rounded by random bits if there are any."""
        draws = np.zeros(len(line) // 4, np.uint32) if random is None else random
        packed = np.ascontiguousarray(draws.view(np.uint8).reshape(-1, 4)[:, :3])
        codes = np.empty(len(line), np.uint8)
        flags = self._library.d1_matrix_convert(
            len(line), _pointer(np.frombuffer(line, np.uint8)), int(descriptor.kind), descriptor.bias, int(random is not None),
            _pointer(packed), _pointer(codes),
        )  # fmt: skip
        return codes.tobytes(), flags

    def steps(
        self,
        a: npt.NDArray[Any],
        b: npt.NDArray[Any],
        formats: tuple[FormatDescriptor, FormatDescriptor],
        accumulators: Words,
        *,
        zero: bool,
        half: int = 0,
    ) -> Words:
        """Accumulators (n, size, size) after one matrix step each, of A (n, size, 4) and B (n, 4, size)."""
        count, size, k = a.shape
        assert k == MATRIX_K
        lines = []
        for codes in (a, b):
            flat = np.ascontiguousarray(codes).reshape(count, -1)
            if flat.dtype == np.uint8:
                # What is in the other half does not matter.
                halves = np.full((count, 2, flat.shape[1]), 0x77, np.uint8)
                halves[:, half] = flat
                flat = halves.reshape(count, -1)
            lines.append(flat)
        result = np.ascontiguousarray(accumulators).copy()
        (first, second), (a_line, b_line) = formats, lines
        self._library.run_steps(
            ctypes.c_long(count), 8 * size, _pointer(a_line), _pointer(b_line), int(first.kind), int(second.kind), first.bias,
            second.bias, half, int(zero), _pointer(result),
        )  # fmt: skip
        return result
