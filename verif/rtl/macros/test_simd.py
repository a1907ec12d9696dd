# SPDX-License-Identifier: Apache-2.0
"""The SIMD unit's C++ against the golden model: every instruction on whole lines, and float operations element by element."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from golden import bf16, fp32
from golden.config import preset
from golden.formats import decode_codes, encode_codes, format_of
from golden.layout import FormatDescriptor, FormatKind
from rtl.simd.operations import operation, sub_operation
from verif.golden import fp32_vectors
from verif.rtl.macros.cases import MNEMONICS, Case, draw_case
from verif.rtl.macros.library import MacroLibrary

SIZES = {16: "tiny", 32: "medium", 64: "d1"}

Codes = npt.NDArray[np.uint32]
#: Results and flags, element by element.
Results = tuple[npt.NDArray[Any], npt.NDArray[np.uint8]]


def answer(macros: MacroLibrary, case: Case) -> tuple[int, int]:
    """Result, as the port has it, and flags of the C++."""
    operands = case.operands
    collected = np.zeros((1, len(operands.a)), np.uint8)
    *pairs, (a, b) = case.pairs
    for row, (even, odd) in enumerate(pairs):
        macros.collect(case.op, case.sub, even, odd, row, collected)
    assert operands.random is not None
    results, flags = macros.simd(
        case.op,
        case.sub,
        *(np.frombuffer(line, np.uint8)[None, :] for line in (a, b, operands.c)),
        scalars=operands.scalar,
        masks=operands.mask,
        descriptor=operands.descriptor,
        random=operands.random.reshape(1, -1),
        row=len(pairs),
        collected=collected,
    )
    return int.from_bytes(results.tobytes(), "little"), int(flags[0])


@pytest.mark.parametrize("size", SIZES)
def test_every_instruction_equals_the_model_with_flags_under_any_mask(macros: MacroLibrary, size: int) -> None:
    config = preset(SIZES[size])
    rng = np.random.default_rng(size)
    for mnemonic in MNEMONICS:
        for _ in range(60):
            case = draw_case(config, mnemonic, rng)
            seen = answer(macros, case)
            assert seen == (case.result, case.expected.flags), (case, [hex(number) for number in seen])


# ---------------------------------------------------------------------------------------------------------------------
# One element at a time, so that its flags are seen
# ---------------------------------------------------------------------------------------------------------------------

UNARY: dict[str, Callable[[Codes], Results]] = {
    "vrcp": fp32.reciprocal,
    "vrsqrt": fp32.reciprocal_root,
    "vexp2": fp32.exp2,
    "vcvt.i32": fp32.to_int32,
    "vcvtz.i32": functools.partial(fp32.to_int32, towards_zero=True),
    "vcvt.f32.i32": fp32.from_int32,
    "vclass": fp32.classify,
}
BINARY: dict[str, Callable[[Codes, Codes], Results]] = {
    "vadd": fp32.add,
    "vsub": fp32.sub,
    "vmul": fp32.mul,
    "vmin": fp32.minimum,
    "vmax": fp32.maximum,
    "veq": fp32.equal,
    "vlt": fp32.less,
    "vle": fp32.less_equal,
}
TERNARY: dict[str, Callable[[Codes, Codes, Codes], Results]] = {
    "vmadd": fp32.fma,
    "vmsub": functools.partial(fp32.fma, negate_addend=True),
    "vnmsub": functools.partial(fp32.fma, negate_product=True),
    "vnmadd": functools.partial(fp32.fma, negate_product=True, negate_addend=True),
}
#: Everything that rounds on BF16 lanes too, and so has a second step.
ROUNDED = ("vadd", "vsub", "vmul", "vrcp", "vrsqrt", "vexp2", *TERNARY)


def suite(name: str) -> tuple[Codes, ...]:
    """Operands that reach every rule of an operation."""
    arity = 1 if name in UNARY else 2 if name in BINARY else 3
    return fp32_vectors.suite(name.removeprefix("v"), arity, 100_000, seed=5)


def expected_of(name: str, operands: tuple[Codes, ...]) -> Results:
    function: Any = UNARY.get(name) or BINARY.get(name) or TERNARY[name]
    return function(*operands)


def single(macros: MacroLibrary, mnemonic: str, operands: tuple[npt.NDArray[Any], ...], **ports: Any) -> Results:
    """Results and flags of lane 0, the only one that is not masked, of lines of 16 bytes full of other numbers."""
    element = operands[0].dtype.itemsize
    lines = []
    for codes in operands:
        line = np.full((len(codes), 16 // element), 0x7F81_7F81 & (1 << 8 * element) - 1, codes.dtype)
        line[:, 0] = codes
        lines.append(line.view(np.uint8))
    sub = sub_operation(mnemonic) or 0
    results, flags = macros.simd(operation(mnemonic), sub, *lines, masks=(1 << element) - 1, **ports)
    return np.ascontiguousarray(results).view(operands[0].dtype)[:, 0], flags


def assert_equal(seen: Results, expected: Results, operands: tuple[npt.NDArray[Any], ...], what: str) -> None:
    """Fails with the first element that differs."""
    wrong = np.nonzero((seen[0] != expected[0]) | (seen[1] != expected[1]))[0]
    if len(wrong):
        i = wrong[0]
        given = ", ".join(f"{int(codes[i]):#x}" for codes in operands)
        raise AssertionError(
            f"{what} of {given} is {int(expected[0][i]):#x} with flags {int(expected[1][i]):#x}, not {int(seen[0][i]):#x} with "
            f"{int(seen[1][i]):#x}; {len(wrong)} of {len(seen[0])} differ"
        )


@pytest.mark.parametrize("name", [*UNARY, *BINARY, *TERNARY])
def test_every_fp32_operation_equals_the_model_with_flags_in_every_variant(macros: MacroLibrary, name: str) -> None:
    operands = suite(name)
    values, flags = expected_of(name, operands)
    if values.dtype == np.bool_:
        values = values * np.uint32(0xF)
    mnemonic = name if name == "vcvt.f32.i32" else f"{name}.f32"
    for variant in macros.variants():
        seen = single(macros, mnemonic, operands)
        assert_equal(seen, (values, flags), operands, f"{variant}: {mnemonic}")


@pytest.mark.parametrize("name", ROUNDED)
@pytest.mark.parametrize("suffix", ["bf16", "bf16.s"])
def test_every_bf16_operation_rounds_twice_with_flags_in_every_variant(macros: MacroLibrary, name: str, suffix: str) -> None:
    operands = tuple((codes >> np.uint32(16)).astype(np.uint16) for codes in suite(name))
    if name in UNARY:
        operands = (np.arange(1 << 16, dtype=np.uint16),)
    random = np.random.default_rng(9).integers(0, 1 << 24, len(operands[0]), dtype=np.uint32) if suffix == "bf16.s" else None
    wide, first = expected_of(name, tuple(bf16.widen(codes) for codes in operands))
    narrow, second = bf16.round_fp32(wide, random)
    draws = None if random is None else random[:, None]
    for variant in macros.variants():
        seen = single(macros, f"{name}.{suffix}", operands, random=draws)
        assert_equal(seen, (narrow, first | second), operands, f"{variant}: {name}.{suffix}")


def descriptors() -> list[FormatDescriptor]:
    """Every format, the configurable ones with the ends and the middle of their biases."""
    configurable = (FormatKind.CFP8_143, FormatKind.CFP8_152, FormatKind.SHP)
    return [
        FormatDescriptor(kind, bias) for kind in FormatKind for bias in ((0, 7, 15, 31, 62, 63) if kind in configurable else (9,))
    ]


@pytest.mark.parametrize("descriptor", descriptors(), ids=lambda each: f"{each.kind.name}-{each.bias}")
def test_every_code_decodes_as_in_the_model_with_flags(macros: MacroLibrary, descriptor: FormatDescriptor) -> None:
    fmt = format_of(descriptor)
    codes = (
        fp32_vectors.singles(np.random.default_rng(1), 50_000) if fmt.bits == 32 else np.arange(1 << fmt.bits, dtype=fmt.dtype)
    )
    lines = np.zeros((len(codes), 16 // fmt.dtype.itemsize), fmt.dtype)
    lines[:, 0] = codes
    results, flags = macros.simd(operation("vcvt.f32.x0"), 0, lines.view(np.uint8), masks=0xF, descriptor=descriptor)
    seen = np.ascontiguousarray(results).view(np.uint32)[:, 0], flags
    assert_equal(seen, decode_codes(codes, fmt), (codes,), f"{fmt}")


@pytest.mark.parametrize("descriptor", descriptors(), ids=lambda each: f"{each.kind.name}-{each.bias}")
def test_binary32_numbers_encode_as_in_the_model_with_flags(macros: MacroLibrary, descriptor: FormatDescriptor) -> None:
    fmt = format_of(descriptor)
    rng = np.random.default_rng(2)
    # Ties, their neighbours, and numbers around the format's own range.
    near = rng.integers(127 - fmt.bias - 30, 127 - fmt.bias + (1 << fmt.exponent_bits) + 4, 60_000).clip(0, 254) << 23
    fraction = rng.integers(0, 1 << 23, len(near)) >> rng.integers(0, 24, len(near)) << rng.integers(0, 24, len(near))
    sign = rng.integers(0, 2, len(near)) << 31
    numbers = np.concatenate([fp32_vectors.singles(rng, 20_000), (sign | near | fraction & 0x7F_FFFF).astype(np.uint32)])
    random = rng.integers(0, 1 << 24, len(numbers), dtype=np.uint32)
    random[::5] = rng.choice((0, 0xFF_FFFF), len(random[::5]))
    lines = np.zeros((len(numbers), 4), np.uint32)
    lines[:, 0] = numbers
    mask = (1 << fmt.dtype.itemsize) - 1
    for suffix, draws in (("", None), (".s", random)):
        op = operation(f"vcvt.x0.f32{suffix}")
        drawn = None if draws is None else draws[:, None]
        results, flags = macros.simd(op, 0, lines.view(np.uint8), masks=mask, descriptor=descriptor, random=drawn)
        seen = np.ascontiguousarray(results).view(fmt.dtype)[:, 0], flags
        assert_equal(seen, encode_codes(numbers, fmt, draws), (numbers, random), f"{fmt}{suffix}")
