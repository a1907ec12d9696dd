# SPDX-License-Identifier: Apache-2.0
"""MPFR as an oracle of binary32 operations with flags."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gmpy2

from golden.layout import Flag
from verif.golden import oracles


def mpfr(operation: str, operands: tuple[int, ...]) -> tuple[int, int]:
    """(code, flags) for operands that are no NaN; underflow, which MPFR tells otherwise, and denormal flags are left out."""
    context = oracles.BINARY32.copy()
    context.clear_flags()
    numbers = [oracles.to_mpfr(operand) for operand in operands]
    compute: dict[str, Callable[..., Any]] = {
        "add": context.add,
        "sub": context.sub,
        "mul": context.mul,
        "madd": context.fma,
        "msub": context.fms,
        "rcp": lambda a: context.div(gmpy2.mpfr(1), a),
        "rsqrt": context.rec_sqrt,
    }
    result = oracles.from_mpfr(compute[operation](*numbers))
    flags = Flag.INEXACT * context.inexact | Flag.OVERFLOW * context.overflow
    flags |= Flag.DIVIDE_BY_ZERO * context.divzero | Flag.INVALID * context.invalid
    return result, int(flags)
