# SPDX-License-Identifier: Apache-2.0
"""Berkeley SoftFloat as an oracle: binary32 operations with IEEE 754's flags, tininess after rounding.

What SoftFloat does not have (minimum, sign injection, classes, the denormal flag) is not here; NaN is returned as SoftFloat
makes it and is to be canonicalised.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import softfloatpy as sf

_SIGN = np.uint32(0x8000_0000)
_NAN, _INFINITY = np.uint32(0x7FC0_0000), np.uint32(0x7F80_0000)
_ONE = sf.Float32.from_bytes(bytes.fromhex("3f800000"))


def _integer(mode: sf.RoundingMode) -> Callable[[Any], Any]:
    return lambda a: sf.f32_to_i32(a, mode, True)


#: Operation -> (function of SoftFloat, operands whose sign is changed first).
_FUNCTIONS: dict[str, tuple[Callable[..., Any], tuple[int, ...]]] = {
    "add": (sf.f32_add, ()),
    "sub": (sf.f32_sub, ()),
    "mul": (sf.f32_mul, ()),
    "madd": (sf.f32_mul_add, ()),
    "msub": (sf.f32_mul_add, (2,)),
    "nmsub": (sf.f32_mul_add, (0,)),
    "nmadd": (sf.f32_mul_add, (0, 2)),
    "eq": (sf.f32_eq, ()),
    "lt": (sf.f32_lt, ()),
    "le": (sf.f32_le, ()),
    "rcp": (lambda a: sf.f32_div(_ONE, a), ()),
    "to_int": (_integer(sf.RoundingMode.NEAR_EVEN), ()),
    "to_int_zero": (_integer(sf.RoundingMode.MIN_MAG), ()),
    "from_int": (sf.i32_to_f32, ()),
}

OPERATIONS = frozenset(_FUNCTIONS)

_TRUTHS = {"eq", "lt", "le"}
_ARITHMETIC = {"add", "sub", "mul", "madd", "msub", "nmsub", "nmadd", "rcp", "to_int", "to_int_zero"}


def compute(operation: str, *operands: npt.NDArray[np.uint32]) -> tuple[npt.NDArray[np.uint32], npt.NDArray[np.uint8]]:
    """Codes (NaN canonical) and flags of an operation on arrays (n,), the denormal flag added from the operands' fields."""
    function, negated = _FUNCTIONS[operation]
    source = sf.Int32 if operation == "from_int" else sf.Float32
    columns = [memoryview((array ^ _SIGN if i in negated else array).astype(">u4").tobytes()) for i, array in enumerate(operands)]
    make, clear, seen, none = source.from_bytes, sf.set_exception_flags, sf.get_exception_flags, sf.ExceptionFlag(0)
    sf.set_tininess_mode(sf.TininessMode.AFTER_ROUNDING)
    sf.set_rounding_mode(sf.RoundingMode.NEAR_EVEN)
    results, flags = [], bytearray()
    for i in range(0, 4 * len(operands[0]), 4):
        clear(none)
        results.append(function(*[make(bytes(column[i : i + 4])) for column in columns]))
        flags.append(seen())
    raised = np.frombuffer(bytes(flags), np.uint8)
    if operation in _ARITHMETIC:
        denormal = np.any([(array & ~_SIGN) - np.uint32(1) < np.uint32(0x007F_FFFF) for array in operands], axis=0)
        raised = raised | denormal * np.uint8(32)
    if operation in _TRUTHS:
        return np.array(results, np.uint32), raised
    codes = np.frombuffer(b"".join(result.to_bytes() for result in results), ">u4").astype(np.uint32)
    if not operation.startswith("to_int"):
        codes = np.where(codes & ~_SIGN > _INFINITY, _NAN, codes)
    return codes, raised
