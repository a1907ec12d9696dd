# SPDX-License-Identifier: Apache-2.0
"""What SIMD instructions compute, element by element in Python integers: an oracle that shares nothing with the model.

It is read off the mnemonics: lanes are lists of integers, results are (code, flags) per lane, masks are looked up bit by bit.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from golden.layout import FormatKind
from golden.simd import SimdOperands
from verif.golden import format_oracle, fp32_oracle
from verif.golden.format_oracle import BF16, UHP, Rules, cfp8_143, cfp8_152, shp

#: Name of a float operation in a mnemonic -> name in the oracle of binary32.
_FLOAT = {
    **{f"v{name}": name for name in fp32_oracle.OPERATIONS if "int" not in name},
}
#: Flags of the second step of BF16 operations.
_SECOND_STEP = fp32_oracle.INEXACT | fp32_oracle.UNDERFLOW | fp32_oracle.OVERFLOW


@dataclass(frozen=True)
class Expected:
    """A vector or a predicate, and flags."""

    value: bytes | None
    predicate: int | None
    flags: int


def split(line: bytes, bits: int) -> list[int]:
    """Lanes of a vector, unsigned."""
    size = bits // 8
    return [int.from_bytes(line[i : i + size], "little") for i in range(0, len(line), size)]


def join(lanes: Sequence[int], bits: int) -> bytes:
    """A vector of lanes, each modulo its range."""
    return b"".join((lane % (1 << bits)).to_bytes(bits // 8, "little") for lane in lanes)


def signed(value: int, bits: int) -> int:
    """The two's complement number of a lane."""
    return value - (1 << bits) if value >> bits - 1 else value


def _merge(operands: SimdOperands, lanes: Sequence[int], flags: Sequence[int], bits: int) -> Expected:
    value = bytearray(join(lanes, bits))
    raised = 0
    for i in range(len(value)):
        if not operands.mask >> i & 1:
            value[i] = operands.c[i]
    for i, flag in enumerate(flags):
        if operands.mask >> i * bits // 8 & 1:
            raised |= flag
    return Expected(bytes(value), None, raised)


def _everywhere(operands: SimdOperands, lane: int, flags: int, bits: int) -> Expected:
    count = len(operands.a) * 8 // bits
    return Expected(_merge(operands, [lane] * count, [], bits).value, None, flags)


def _compared(operands: SimdOperands, results: Sequence[tuple[int, int]], bits: int) -> Expected:
    predicate = raised = 0
    for lane, (truth, flags) in enumerate(results):
        first = lane * bits // 8
        for byte in range(first, first + bits // 8):
            if truth and operands.mask >> byte & 1:
                predicate |= 1 << byte
        if operands.mask >> first & 1:
            raised |= flags
    return Expected(None, predicate, raised)


def _random(operands: SimdOperands, element: int) -> int:
    assert operands.random is not None
    lanes = operands.random.shape[1]
    return int(operands.random[element // lanes, element % lanes])


# ---------------------------------------------------------------------------------------------------------------------
# Float lanes
# ---------------------------------------------------------------------------------------------------------------------


def _float_lanes(line: bytes, bits: int) -> list[int]:
    return [lane << 32 - bits for lane in split(line, bits)]


def _float(name: str, bits: int, stochastic: bool, operands: SimdOperands) -> Expected:
    operation = _FLOAT[name]
    arity = fp32_oracle.OPERATIONS[operation]
    rows = list(zip(*(_float_lanes(line, bits) for line in (operands.a, operands.b, operands.c)[:arity]), strict=True))
    results = [fp32_oracle.compute(operation, row) for row in rows]
    if operation in ("eq", "lt", "le"):
        return _compared(operands, results, bits)
    lanes, flags = [code for code, _ in results], [flag for _, flag in results]
    if bits == 16 and operation in ("min", "max", "sgnj", "sgnjn", "sgnjx"):
        lanes = [lane >> 16 for lane in lanes]
    elif bits == 16 and operation != "class":
        second = [format_oracle.encode(lane, BF16, _random(operands, i) if stochastic else None) for i, lane in enumerate(lanes)]
        lanes = [code for code, _ in second]
        flags = [first | later & _SECOND_STEP for first, (_, later) in zip(flags, second, strict=True)]
    return _merge(operands, lanes, flags, bits)


def _float_reduction(name: str, bits: int, stochastic: bool, operands: SimdOperands) -> Expected:
    operation = {"vredsum": "add", "vredmin": "min", "vredmax": "max"}[name]
    lanes, raised = _float_lanes(operands.a, bits), 0
    while len(lanes) > 1:
        results = [fp32_oracle.compute(operation, (lanes[i], lanes[i + 1])) for i in range(0, len(lanes), 2)]
        lanes = [code for code, _ in results]
        for _, flags in results:
            raised |= flags
    result = lanes[0]
    if bits == 16 and operation == "add":
        result, flags = format_oracle.encode(result, BF16, _random(operands, 0) if stochastic else None)
        raised |= flags & _SECOND_STEP
    elif bits == 16:
        result >>= 16
    return _everywhere(operands, result, raised, bits)


# ---------------------------------------------------------------------------------------------------------------------
# Integer lanes
# ---------------------------------------------------------------------------------------------------------------------

_INTEGER: dict[str, Callable[[int, int, int], int]] = {
    "vadd": lambda a, b, bits: a + b,
    "vsub": lambda a, b, bits: a - b,
    "vmul": lambda a, b, bits: a * b,
    "vmulh": lambda a, b, bits: signed(a, bits) * signed(b, bits) >> bits,
    "vmulhu": lambda a, b, bits: a * b >> bits,
    "vsll": lambda a, b, bits: a << b % bits,
    "vsrl": lambda a, b, bits: a >> b % bits,
    "vsra": lambda a, b, bits: signed(a, bits) >> b % bits,
    "vmin": lambda a, b, bits: min(signed(a, bits), signed(b, bits)),
    "vmax": lambda a, b, bits: max(signed(a, bits), signed(b, bits)),
    "vminu": lambda a, b, bits: min(a, b),
    "vmaxu": lambda a, b, bits: max(a, b),
    "vand": lambda a, b, bits: a & b,
    "vor": lambda a, b, bits: a | b,
    "vxor": lambda a, b, bits: a ^ b,
    "vandn": lambda a, b, bits: a & ~b,
}
_INTEGER_COMPARES: dict[str, Callable[[int, int, int], bool]] = {
    "veq": lambda a, b, bits: a == b,
    "vlt": lambda a, b, bits: signed(a, bits) < signed(b, bits),
    "vltu": lambda a, b, bits: a < b,
}
_INTEGER_REDUCTIONS: dict[str, Callable[[list[int], int], int]] = {
    "vredsum": lambda lanes, bits: sum(lanes),
    "vredmin": lambda lanes, bits: min(signed(lane, bits) for lane in lanes),
    "vredmax": lambda lanes, bits: max(signed(lane, bits) for lane in lanes),
    "vredminu": lambda lanes, bits: min(lanes),
    "vredmaxu": lambda lanes, bits: max(lanes),
}


def integer(name: str, a: int, b: int, bits: int) -> int:
    """One lane of an integer operation, unsigned; comparisons give 0 or 1."""
    if name in _INTEGER_COMPARES:
        return int(_INTEGER_COMPARES[name](a, b, bits))
    return _INTEGER[name](a, b, bits) % (1 << bits)


def _integer(name: str, bits: int, operands: SimdOperands) -> Expected:
    a = split(operands.a, bits)
    if name in _INTEGER_REDUCTIONS:
        return _everywhere(operands, _INTEGER_REDUCTIONS[name](a, bits), 0, bits)
    results = [integer(name, x, y, bits) for x, y in zip(a, split(operands.b, bits), strict=True)]
    if name in _INTEGER_COMPARES:
        return _compared(operands, [(result, 0) for result in results], bits)
    return _merge(operands, results, [], bits)


# ---------------------------------------------------------------------------------------------------------------------
# Bytes and lanes that move
# ---------------------------------------------------------------------------------------------------------------------


def _shuffle(bits: int, operands: SimdOperands) -> Expected:
    a = split(operands.a, bits)
    return _merge(operands, [a[index % len(a)] for index in split(operands.b, bits)], [], bits)


def _slide(step: int, operands: SimdOperands) -> Expected:
    sources = [i + step * operands.scalar for i in range(len(operands.a))]
    return _merge(operands, [operands.a[i] if 0 <= i < len(operands.a) else 0 for i in sources], [], 8)


def _narrow(kind: str, bits: int, wide: int, operands: SimdOperands) -> Expected:
    low, high = (-(1 << bits - 1), (1 << bits - 1) - 1) if kind == "i" else (0, (1 << bits) - 1)
    lanes = [min(max(signed(lane, wide), low), high) for lane in split(operands.a, wide) + split(operands.b, wide)]
    return _merge(operands, lanes, [], bits)


def _widen(kind: str, wide: int, narrow: int, half: str, operands: SimdOperands) -> Expected:
    lanes = split(operands.a, narrow)
    lanes = lanes[len(lanes) // 2 :] if half == "h" else lanes[: len(lanes) // 2]
    return _merge(operands, [signed(lane, narrow) if kind == "i" else lane for lane in lanes], [], wide)


def _broadcast(bits: int, lane: int, operands: SimdOperands) -> Expected:
    return _merge(operands, [lane] * (len(operands.c) * 8 // bits), [], bits)


def _transpose(bits: int, operands: SimdOperands) -> Expected:
    elements = split(b"".join(operands.group), bits)
    transposed = [elements[column * 8 + row] for row in range(8) for column in range(8)]
    count = 64 // len(operands.group)
    return _merge(operands, transposed[operands.part * count : (operands.part + 1) * count], [], bits)


# ---------------------------------------------------------------------------------------------------------------------
# Converts
# ---------------------------------------------------------------------------------------------------------------------


def _rules(operands: SimdOperands) -> Rules | None:
    """What the descriptor names; None is FP32."""
    bias = operands.descriptor.bias
    return {
        FormatKind.BF16: BF16,
        FormatKind.CFP8_143: cfp8_143(bias),
        FormatKind.CFP8_152: cfp8_152(bias),
        FormatKind.SHP: shp(bias),
        FormatKind.UHP: UHP,
        FormatKind.FP32: None,
    }[operands.descriptor.kind]


def _bits(rules: Rules | None) -> int:
    return 32 if rules is None else rules.signed + rules.exponent_bits + rules.mantissa_bits


def _copy(code: int) -> tuple[int, int]:
    """FP32 to FP32."""
    if fp32_oracle.is_nan(code):
        return fp32_oracle.NAN, 0 if code & 0x0040_0000 else fp32_oracle.INVALID
    return code, fp32_oracle.DENORMAL if 0 < code & 0x7FFF_FFFF < 0x0080_0000 else 0


def _decode(rules: Rules | None, codes: Sequence[int], operands: SimdOperands) -> Expected:
    results = [_copy(code) if rules is None else format_oracle.decode(code, rules) for code in codes]
    return _merge(operands, [code for code, _ in results], [flags for _, flags in results], 32)


def _encode(rules: Rules | None, codes: Sequence[int], stochastic: bool, operands: SimdOperands) -> list[tuple[int, int]]:
    return [
        _copy(code) if rules is None else format_oracle.encode(code, rules, _random(operands, i) if stochastic else None)
        for i, code in enumerate(codes)
    ]


def _to_named(part: int, stochastic: bool, operands: SimdOperands) -> Expected:
    rules = _rules(operands)
    bits = _bits(rules)
    results = _encode(rules, split(operands.a, 32), stochastic, operands)
    lanes = split(operands.c, bits)
    flags = [0] * len(lanes)
    first = part % (32 // bits) * len(results)
    for i, (code, flag) in enumerate(results):
        lanes[first + i], flags[first + i] = code, flag
    return _merge(operands, lanes, flags, bits)


def _from_named(part: int, operands: SimdOperands) -> Expected:
    rules = _rules(operands)
    lanes, count = split(operands.a, _bits(rules)), len(operands.a) // 4
    first = part % (len(lanes) // count) * count
    return _decode(rules, lanes[first : first + count], operands)


def compute(mnemonic: str, operands: SimdOperands) -> Expected:
    """What an instruction writes. Every vector operand is given, whether it is needed or not."""
    if found := re.fullmatch(r"(vred(?:sum|min|max))\.(f32|bf16)(\.s)?", mnemonic):
        return _float_reduction(found[1], int(found[2][-2:]), found[3] is not None, operands)
    if found := re.fullmatch(r"vcvt(z?)\.i32\.f32", mnemonic):
        operation = "to_int_zero" if found[1] else "to_int"
        results = [fp32_oracle.compute(operation, (lane,)) for lane in split(operands.a, 32)]
        return _merge(operands, [code for code, _ in results], [flags for _, flags in results], 32)
    if mnemonic == "vcvt.f32.i32":
        results = [fp32_oracle.compute("from_int", (lane,)) for lane in split(operands.a, 32)]
        return _merge(operands, [code for code, _ in results], [flags for _, flags in results], 32)
    if found := re.fullmatch(r"vcvt\.f32\.bf16([lh])", mnemonic):
        lanes = split(operands.a, 16)
        half = len(lanes) // 2
        return _decode(BF16, lanes[half:] if found[1] == "h" else lanes[:half], operands)
    if found := re.fullmatch(r"vcvt\.bf16\.f32(\.s)?", mnemonic):
        results = _encode(BF16, split(operands.a + operands.b, 32), found[1] is not None, operands)
        return _merge(operands, [code for code, _ in results], [flags for _, flags in results], 16)
    if found := re.fullmatch(r"vcvt\.f32\.x(\d)", mnemonic):
        return _from_named(int(found[1]), operands)
    if found := re.fullmatch(r"vcvt\.x(\d)\.f32(\.s)?", mnemonic):
        return _to_named(int(found[1]), found[2] is not None, operands)
    if found := re.fullmatch(r"(v\w+)\.(f32|bf16)(\.s)?", mnemonic):
        return _float(found[1], int(found[2][-2:]), found[3] is not None, operands)
    if found := re.fullmatch(r"vnarrow\.([iu])(\d+)\.i(\d+)", mnemonic):
        return _narrow(found[1], int(found[2]), int(found[3]), operands)
    if found := re.fullmatch(r"vwiden\.([iu])(\d+)\.[iu](\d+)([lh])", mnemonic):
        return _widen(found[1], int(found[2]), int(found[3]), found[4], operands)
    if found := re.fullmatch(r"(v\w+)\.i(\d+)", mnemonic):
        return _integer(found[1], int(found[2]), operands)
    if mnemonic in _INTEGER:
        return _integer(mnemonic, 8, operands)
    if mnemonic == "vsel":
        chosen = [a if operands.mask >> i & 1 else b for i, (a, b) in enumerate(zip(operands.a, operands.b, strict=True))]
        return Expected(bytes(chosen), None, 0)
    if mnemonic in ("vslideup", "vslidedown"):
        return _slide(-1 if mnemonic == "vslideup" else 1, operands)
    if found := re.fullmatch(r"(vshuf|vbcl?|vtrn)\.e(\d+)", mnemonic):
        name, bits = found[1], int(found[2])
        if name == "vshuf":
            return _shuffle(bits, operands)
        if name == "vtrn":
            return _transpose(bits, operands)
        lanes = split(operands.a, bits)
        return _broadcast(bits, operands.scalar if name == "vbc" else lanes[operands.scalar % len(lanes)], operands)
    raise ValueError(f"there is no SIMD instruction {mnemonic}")
