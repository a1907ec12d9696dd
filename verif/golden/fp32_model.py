# SPDX-License-Identifier: Apache-2.0
"""The model's binary32 operations and their expected results, by the names of the oracles and as arrays."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from golden import fp32
from verif.golden import fp32_oracle, oracles

try:
    from verif.golden import softfloat_oracle
except ImportError:  # There are no wheels for every machine; the oracle in integers is then the only one.
    softfloat_oracle = None  # type: ignore[assignment]

Codes = npt.NDArray[np.uint32]
Flags = npt.NDArray[np.uint8]

#: Operation -> function of ``golden.fp32``. Truth values are to be taken as 0 and 1.
MODEL: dict[str, Callable[..., tuple[npt.NDArray[Any], Flags]]] = {
    "add": fp32.add,
    "sub": fp32.sub,
    "mul": fp32.mul,
    "madd": fp32.fma,
    "msub": functools.partial(fp32.fma, negate_addend=True),
    "nmsub": functools.partial(fp32.fma, negate_product=True),
    "nmadd": functools.partial(fp32.fma, negate_product=True, negate_addend=True),
    "min": fp32.minimum,
    "max": fp32.maximum,
    "sgnj": fp32.sign_inject,
    "sgnjn": fp32.sign_inject_negated,
    "sgnjx": fp32.sign_inject_xor,
    "eq": fp32.equal,
    "lt": fp32.less,
    "le": fp32.less_equal,
    "class": fp32.classify,
    "rcp": fp32.reciprocal,
    "rsqrt": fp32.reciprocal_root,
    "exp2": fp32.exp2,
    "to_int": fp32.to_int32,
    "to_int_zero": functools.partial(fp32.to_int32, towards_zero=True),
    "from_int": fp32.from_int32,
}


def model(operation: str, *operands: Codes) -> tuple[Codes, Flags]:
    """What the model computes for arrays (n,)."""
    codes, flags = MODEL[operation](*operands)
    return codes.astype(np.uint32), flags


def by_integers(operation: str, *operands: Codes, variant: fp32_oracle.Fp32Variant = fp32_oracle.RIGHT) -> tuple[Codes, Flags]:
    """What the oracle in Python integers computes for arrays (n,)."""
    rows = zip(*(array.tolist() for array in operands), strict=True)
    results = [fp32_oracle.compute(operation, row, variant) for row in rows]
    return np.array([code for code, _ in results], np.uint32), np.array([flags for _, flags in results], np.uint8)


#: Operation -> NumPy's own on float32 values, which is IEEE 754's and has no flags.
_NUMPY: dict[str, Callable[..., npt.NDArray[np.float32]]] = {
    "add": np.add,
    "sub": np.subtract,
    "mul": np.multiply,
    "rcp": lambda a: np.float32(1) / a,
}


def by_numpy(operation: str, *operands: Codes) -> Codes | None:
    """What NumPy's float32 makes of arrays (n,), with every NaN canonical; None if it has no such operation."""
    if operation not in _NUMPY:
        return None
    with np.errstate(all="ignore"):
        values = _NUMPY[operation](*(array.view(np.float32) for array in operands))
    return np.where(np.isnan(values), np.uint32(oracles.FP32_NAN), values.view(np.uint32))


#: Oracles of this machine, by name, and the operations that they have.
ORACLES: dict[str, tuple[Callable[..., tuple[Codes, Flags]], frozenset[str]]] = {
    "integers": (by_integers, frozenset(fp32_oracle.OPERATIONS)),
}
if softfloat_oracle is not None:
    ORACLES["softfloat"] = (softfloat_oracle.compute, softfloat_oracle.OPERATIONS)


def expected(operation: str, *operands: Codes) -> tuple[Codes, Flags]:
    """What the fastest oracle that has the operation computes."""
    for name in reversed(ORACLES):
        compute, operations = ORACLES[name]
        if operation in operations:
            return compute(operation, *operands)
    raise ValueError(f"there is no oracle of {operation}")
