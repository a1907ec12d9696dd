# SPDX-License-Identifier: Apache-2.0
"""Independent oracle of number formats, in Python integers and fractions: slow, and sharing nothing with the model.

A format is the ascending list of its magnitudes, whose index is the code. Encoding finds the two neighbours of a number there
and decides between them. `Variant` changes one rule of that: suites prove with `WRONG` that their vectors would notice.
"""

from __future__ import annotations

import functools
from bisect import bisect_right
from dataclasses import dataclass
from fractions import Fraction

import gfloat

from verif.golden.oracles import FP32_INFINITY, FP32_NAN, fp32_round, fp32_value

INEXACT, UNDERFLOW, OVERFLOW, INVALID, DENORMAL = 1, 2, 4, 16, 32
_QUIET = 0x40_0000


@dataclass(frozen=True)
class Rules:
    """A format of at most 16 bits."""

    name: str
    exponent_bits: int
    mantissa_bits: int
    bias: int
    signed: bool = True
    specials: bool = False
    """The largest exponent is Inf and NaN."""
    flush: bool = False
    """Denormals are read and written as +0."""
    random_bits: int = 24

    @property
    def normal(self) -> int:
        """Code of the smallest normal number."""
        return 1 << self.mantissa_bits

    @property
    def top(self) -> int:
        """The first code beyond the largest number, which is Inf where there is one."""
        return (1 << self.exponent_bits) - self.specials << self.mantissa_bits

    @property
    def nan(self) -> int:
        """The canonical NaN of a format with specials."""
        return self.top + self.normal // 2

    @property
    def sign(self) -> int:
        """The sign bit, 0 if there is none."""
        return self.signed << self.exponent_bits + self.mantissa_bits

    @property
    def unit(self) -> Fraction:
        """The smallest denormal."""
        return Fraction(2) ** (1 - self.bias - self.mantissa_bits)


def cfp8_143(bias: int) -> Rules:
    """CFP8 1-4-3."""
    return Rules("cfp8_143", 4, 3, bias)


def cfp8_152(bias: int) -> Rules:
    """CFP8 1-5-2."""
    return Rules("cfp8_152", 5, 2, bias)


def shp(bias: int) -> Rules:
    """Signed half precision."""
    return Rules("shp", 5, 10, bias)


UHP = Rules("uhp", 6, 10, 31, signed=False, specials=True, flush=True)
BF16 = Rules("bf16", 8, 7, 127, specials=True, random_bits=16)


@dataclass(frozen=True, kw_only=True)
class Variant:
    """The rules of encoding; the defaults are right."""

    ties: str = "even"
    """even, away, or truncate (rounds everything towards zero)."""
    denormal_scale: int = 1
    """Denormals are multiples of 2**(denormal_scale - bias - mantissa_bits)."""
    flush_denormals: bool = False
    early_overflow: bool = False
    """Numbers that round down to the largest one overflow too."""
    early_underflow: bool = False
    """Underflow is told before rounding."""
    nan_is_positive: bool = False
    negative_zero: bool = True


RIGHT = Variant()

#: Plausible mistakes, each of which vectors must tell from the right rules.
WRONG = {
    "ties away": Variant(ties="away"),
    "truncation": Variant(ties="truncate"),
    "denormals half as large": Variant(denormal_scale=0),
    "denormals flushed": Variant(flush_denormals=True),
    "overflow before rounding": Variant(early_overflow=True),
    "underflow before rounding": Variant(early_underflow=True),
    "NaN clamped to a positive number": Variant(nan_is_positive=True),
    "no negative zero": Variant(negative_zero=False),
}


@functools.lru_cache(maxsize=200)
def magnitudes(rules: Rules, denormal_scale: int = 1) -> list[int]:
    """Magnitudes by code, up to the first one beyond the largest number, in half units so that both scales are whole."""
    result = []
    for code in range(rules.top + 1):
        field, fraction = divmod(code, rules.normal)
        result.append(2 * (rules.normal + fraction) << field - 1 if field else fraction << denormal_scale)
    return result


def decode(code: int, rules: Rules) -> tuple[int, int]:
    """(binary32 code, flags) of a code."""
    sign = 0x8000_0000 if code & rules.sign else 0
    magnitude = code & ~rules.sign
    if rules.specials and magnitude >= rules.top:
        if magnitude == rules.top:
            return sign | FP32_INFINITY, 0
        return FP32_NAN, INVALID if magnitude < rules.nan else 0
    denormal = 0 < magnitude < rules.normal
    if rules.flush and denormal:
        return 0, DENORMAL
    value = Fraction(magnitudes(rules)[magnitude], 2) * rules.unit
    return sign | fp32_round(value), DENORMAL * denormal


def encode(fp32_code: int, rules: Rules, random: int | None = None, variant: Variant = RIGHT) -> tuple[int, int]:
    """(code, flags) of a binary32 code: to nearest, or stochastic with 24 random bits."""
    sign = rules.sign if fp32_code >> 31 else 0
    magnitude = fp32_code & 0x7FFF_FFFF
    flags = DENORMAL if 0 < magnitude < 0x80_0000 else 0
    if magnitude > FP32_INFINITY:
        if not rules.specials:
            return (0 if variant.nan_is_positive else sign) | rules.top - 1, INVALID
        return rules.nan, 0 if magnitude & _QUIET else INVALID
    if fp32_code >> 31 and magnitude and not rules.signed:
        return 0, flags | INVALID
    if magnitude == FP32_INFINITY:
        return (sign | rules.top, 0) if rules.specials else (sign | rules.top - 1, OVERFLOW | INEXACT)

    grid = magnitudes(rules, variant.denormal_scale)
    exact = 2 * fp32_value(magnitude) / rules.unit
    code = bisect_right(grid, exact.__floor__()) - 1
    tiny = code < rules.normal
    overflow = code == rules.top or (variant.early_overflow and exact > grid[rules.top - 1])
    if code < rules.top:
        share = (exact - grid[code]) / (grid[code + 1] - grid[code])
        if random is not None:
            resolution = 1 << rules.random_bits
            code += (share * resolution).__floor__() + random % resolution >= resolution
        elif variant.ties != "truncate":
            code += share > Fraction(1, 2) or (share == Fraction(1, 2) and (variant.ties == "away" or code % 2 == 1))
        overflow |= code == rules.top
    if (rules.flush or variant.flush_denormals) and code < rules.normal:
        code = 0
    if not rules.specials:
        code = min(code, rules.top - 1)
    inexact = overflow or grid[code] != exact
    if not variant.early_underflow:
        tiny = code < rules.normal
    flags |= INEXACT * inexact | OVERFLOW * overflow | UNDERFLOW * (tiny and inexact)
    if not variant.negative_zero and code == 0:
        sign = 0
    return sign | code, flags


def random_bits(seed: int, lanes: int, steps: int) -> list[list[int]]:
    """Draws of all lanes, step by step, as the definition has them."""
    states = [(seed ^ (lane + 1) * 0x9E37_79B9) % 2**32 or 0x6D2B_79F5 for lane in range(lanes)]
    draws = []
    for _ in range(steps):
        for lane, state in enumerate(states):
            state = (state ^ state << 13) % 2**32
            state = (state ^ state >> 17) % 2**32
            states[lane] = (state ^ state << 5) % 2**32
        draws.append([state >> 8 for state in states])
    return draws


def gfloat_format(rules: Rules) -> gfloat.FormatInfo:
    """The format as gfloat describes it; denormals are not flushed there."""
    return gfloat.FormatInfo(
        name=rules.name,
        k=rules.signed + rules.exponent_bits + rules.mantissa_bits,
        precision=rules.mantissa_bits + 1,
        bias=rules.bias,
        is_signed=rules.signed,
        domain=gfloat.Domain.Extended if rules.specials else gfloat.Domain.Finite,
        has_nz=rules.signed,
        num_high_nans=rules.normal - 1 if rules.specials else 0,
        has_subnormals=True,
        is_twos_complement=False,
    )
