# SPDX-License-Identifier: Apache-2.0
"""Number formats: what a code means, and the code that a value rounds to.

Codes are unsigned NumPy arrays, values are float32 arrays. Every format here is a subset of binary32, so decoding is exact.

>>> import numpy as np
>>> decode(np.array([0x3F80, 0xC040], np.uint16), BF16)
array([ 1., -3.], dtype=float32)
>>> [hex(code) for code in encode(np.float32([1.00390625, 3.4e38]), BF16)]
['0x3f80', '0x7f80']

The configurable formats take their bias, 0 to 63, when they are made:

>>> decode(np.arange(4, dtype=np.uint8), cfp8_143(bias=7))
array([0.        , 0.00195312, 0.00390625, 0.00585938], dtype=float32)
>>> decode(encode(np.float32([0.3, 9.1, -1000]), cfp8_143(bias=9)), cfp8_143(bias=9))
array([   0.3125,    9.    , -120.    ], dtype=float32)

Stochastic rounding draws from the hardware's generators, and flags come on request:

>>> decode(encode(np.full(8, 0.3, np.float32), cfp8_143(7), "stochastic", seed=1), cfp8_143(7))
array([0.28125, 0.3125 , 0.3125 , 0.28125, 0.3125 , 0.3125 , 0.3125 ,
       0.3125 ], dtype=float32)
>>> codes, flags = encode(np.float32([0.25, 0.3, 1000]), cfp8_143(7), flags=True)
>>> flags & Flag.INEXACT != 0, flags & Flag.OVERFLOW != 0
(array([False,  True,  True]), array([False, False,  True]))
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal, overload

import numpy as np
import numpy.typing as npt

from golden.layout import BIAS_BITS, Flag, FormatDescriptor, FormatKind
from golden.random import RANDOM_BITS, RandomLanes

Codes = npt.NDArray[np.unsignedinteger[Any]]
Fp32Codes = npt.NDArray[np.uint32]
#: Flags of each element: sums of `golden.layout.Flag`.
Flags = npt.NDArray[np.uint8]
Rounding = Literal["nearest", "stochastic"]

#: Denormals of the formats without Inf and NaN are multiples of 2**(CFP_DENORMAL_SCALE - bias - mantissa_bits). 1 joins them
#: to the normal numbers, as IEEE 754 has it. The white paper prints 0; decoding would follow, and encoding wherever a value
#: does not lie in the hole that opens between the largest denormal and the smallest normal.
CFP_DENORMAL_SCALE = 1

#: Explicit bits of binary32's significand, its exponent bias, +Inf, the quiet bit of its NaNs, and the NaN of all results.
_MANTISSA_BITS = 23
_BIAS = 127
_INFINITY = 0x7F80_0000
_QUIET = 0x0040_0000
_NAN = 0x7FC0_0000

#: Elements that are worked on at once: temporary arrays of this size stay in a core's cache.
_CHUNK = 1 << 15


@dataclass(frozen=True, kw_only=True)
class Format:
    """A binary floating-point format: sign, exponent and mantissa, high to low.

    Parameters
    ----------
    name : str
        Name, for reports and assembler suffixes.
    exponent_bits : int
        2 to 8.
    mantissa_bits : int
        Explicit bits of the significand, 1 to 23.
    bias : int
        Exponent field of 1.0. At most 127, and so large that the largest magnitude is a binary32 number.
    signed : bool
        Without a sign, negative numbers are encoded as +0.
    specials : bool
        The largest exponent is Inf and NaN. Else it is numbers, and Inf, NaN and whatever is too large become the largest
        magnitude, with their sign.
    denormals : bool
        Without them, codes with exponent field 0 are read and written as +0.
    random_bits : int
        Lower bits of a random draw that stochastic rounding uses, 1 to 24.

    Raises
    ------
    ValueError
        If a parameter is outside of its range.
    """

    name: str
    exponent_bits: int
    mantissa_bits: int
    bias: int
    signed: bool = True
    specials: bool = True
    denormals: bool = True
    random_bits: int = RANDOM_BITS

    def __post_init__(self) -> None:
        largest_field = (1 << self.exponent_bits) - 1 - self.specials
        limits = {
            "exponent_bits": (2, 8),
            "mantissa_bits": (1, _MANTISSA_BITS),
            "bias": (largest_field - _BIAS, _BIAS),
            "random_bits": (1, RANDOM_BITS),
        }
        for field, (low, high) in limits.items():
            if not low <= getattr(self, field) <= high:
                raise ValueError(f"{self.name}: {field} = {getattr(self, field)} is outside of {low} to {high}")

    @property
    def bits(self) -> int:
        """Bits of a code."""
        return self.signed + self.exponent_bits + self.mantissa_bits

    @property
    def dtype(self) -> np.dtype[np.unsignedinteger[Any]]:
        """The unsigned NumPy type that holds a code."""
        return np.dtype(np.uint8 if self.bits <= 8 else np.uint16 if self.bits <= 16 else np.uint32)

    @property
    def largest(self) -> int:
        """Code of the largest finite number."""
        return (1 << self.exponent_bits + self.mantissa_bits) - 1 if not self.specials else self.infinity - 1

    @property
    def infinity(self) -> int:
        """Code of +Inf; ValueError if the format has none."""
        if not self.specials:
            raise ValueError(f"{self.name} has neither Inf nor NaN")
        return ((1 << self.exponent_bits) - 1) << self.mantissa_bits

    @property
    def canonical_nan(self) -> int:
        """The one NaN code that operations return: positive, quiet, without payload. ValueError if the format has none."""
        return self.infinity | 1 << self.mantissa_bits - 1

    @property
    def denormal_exponent(self) -> int:
        """Denormals are 0.mantissa * 2**denormal_exponent."""
        return (1 if self.specials else CFP_DENORMAL_SCALE) - self.bias


FP32 = Format(name="fp32", exponent_bits=8, mantissa_bits=23, bias=127)
BF16 = Format(name="bf16", exponent_bits=8, mantissa_bits=7, bias=127, random_bits=16)
UHP = Format(name="uhp", exponent_bits=6, mantissa_bits=10, bias=31, signed=False, denormals=False)


def _configurable(name: str, exponent_bits: int, mantissa_bits: int, bias: int) -> Format:
    try:
        bias = operator.index(bias)
    except TypeError:
        raise TypeError(f"{name}: bias must be an integer, not {type(bias).__name__}") from None
    if not 0 <= bias < 1 << BIAS_BITS:
        raise ValueError(f"{name}: bias = {bias} is outside of 0 to {(1 << BIAS_BITS) - 1}")
    return Format(name=name, exponent_bits=exponent_bits, mantissa_bits=mantissa_bits, bias=bias, specials=False)


def cfp8_143(bias: int) -> Format:
    """CFP8 with 4 bits of exponent and 3 of mantissa; bias 0 to 63."""
    return _configurable("cfp8_143", 4, 3, bias)


def cfp8_152(bias: int) -> Format:
    """CFP8 with 5 bits of exponent and 2 of mantissa; bias 0 to 63."""
    return _configurable("cfp8_152", 5, 2, bias)


def shp(bias: int) -> Format:
    """Signed half precision, CFP16 with 5 bits of exponent and 10 of mantissa; bias 0 to 63."""
    return _configurable("shp", 5, 10, bias)


def format_of(which: FormatDescriptor | FormatKind, bias: int | None = None) -> Format:
    """The format that a descriptor, or a kind and a bias, name.

    Parameters
    ----------
    which : FormatDescriptor or FormatKind
    bias : int, optional
        0 to 63, 0 if it is left out; only beside a kind. It means nothing to BF16, UHP and FP32.

    Raises
    ------
    ValueError
        If the bias is outside of its range, stands beside a descriptor, or there is no such kind.
    """
    if isinstance(which, FormatDescriptor):
        if bias is not None:
            raise ValueError(f"{which} has a bias of its own; bias = {bias} cannot be given beside it")
        descriptor = which
    else:
        descriptor = FormatDescriptor(FormatKind(which), 0 if bias is None else bias)
    match descriptor.kind:
        case FormatKind.BF16:
            return BF16
        case FormatKind.CFP8_143:
            return cfp8_143(descriptor.bias)
        case FormatKind.CFP8_152:
            return cfp8_152(descriptor.bias)
        case FormatKind.SHP:
            return shp(descriptor.bias)
        case FormatKind.UHP:
            return UHP
        case FormatKind.FP32:
            return FP32


def _chunks(size: int) -> Iterator[slice]:
    """Slices that cover an array of this size."""
    for start in range(0, size, _CHUNK):
        yield slice(start, start + _CHUNK)


# ---------------------------------------------------------------------------------------------------------------------
# Decoding
# ---------------------------------------------------------------------------------------------------------------------


def _decoded(codes: Codes, fmt: Format) -> tuple[Fp32Codes, Flags]:
    """binary32 codes and flags, by the definition of the format."""
    magnitude = (codes & ((1 << fmt.exponent_bits + fmt.mantissa_bits) - 1)).astype(np.int32)
    field = magnitude >> fmt.mantissa_bits
    fraction = magnitude & (1 << fmt.mantissa_bits) - 1
    normal = field != 0
    exponent = np.where(normal, field - fmt.bias, fmt.denormal_exponent) - fmt.mantissa_bits
    with np.errstate(over="ignore"):
        # Only the exponent of Inf and NaN overflows, and those are replaced below.
        values = np.ldexp((fraction | normal << fmt.mantissa_bits).astype(np.float32), exponent)
    if not fmt.denormals:
        values = np.where(normal, values, np.float32(0))
    wide = values.view(np.uint32)
    flags = np.where(normal | (fraction == 0), 0, Flag.DENORMAL).astype(np.uint8)
    if fmt.signed:
        wide = wide | (codes >> (fmt.bits - 1)).astype(np.uint32) << np.uint32(31)
    if fmt.specials:
        infinite, nan = magnitude == fmt.infinity, magnitude > fmt.infinity
        wide = np.where(infinite, wide & np.uint32(0x8000_0000) | np.uint32(_INFINITY), np.where(nan, np.uint32(_NAN), wide))
        flags[nan & (magnitude < fmt.canonical_nan)] = Flag.INVALID
    return wide, flags


@functools.lru_cache(maxsize=256)
def _decode_table(fmt: Format) -> tuple[Fp32Codes, Flags]:
    """binary32 codes and flags of all codes of a format of at most 16 bits."""
    return _decoded(np.arange(1 << fmt.bits, dtype=fmt.dtype), fmt)


def _native(array: npt.ArrayLike) -> npt.NDArray[Any]:
    """An array in this machine's byte order."""
    array = np.asarray(array)
    return array.astype(array.dtype.newbyteorder("="), copy=False)


def _check_format(fmt: Format) -> None:
    if not isinstance(fmt, Format):
        made = f"; call {fmt.__name__} with a bias to make one" if fmt in (cfp8_143, cfp8_152, shp) else ""
        raise TypeError(f"fmt must be a Format, not {type(fmt).__name__}{made}")


def checked_codes(codes: npt.ArrayLike, fmt: Format) -> Codes:
    """Codes of a format as an array of this machine's byte order; TypeError or ValueError if they are none, see `decode`."""
    _check_format(fmt)
    array = _native(codes)
    if array.dtype != fmt.dtype:
        raise TypeError(f"codes of {fmt.name} are {fmt.dtype}, not {array.dtype}")
    if fmt.bits < 8 * fmt.dtype.itemsize and array.size and int(array.max()) >> fmt.bits:
        raise ValueError(f"codes of {fmt.name} have {fmt.bits} bits; {int(array.max()):#x} has more")
    return array


def _decode(codes: Codes, fmt: Format, want_flags: bool) -> tuple[Fp32Codes, Flags | None]:
    flat = codes.reshape(-1)
    wide = np.empty(flat.size, np.uint32)
    flags = np.empty(flat.size, np.uint8) if want_flags else None
    table = _decode_table(fmt) if fmt.bits <= 16 else None
    for chunk in _chunks(flat.size):
        if table is None:
            wide[chunk], chunk_flags = _decoded(flat[chunk], fmt)
            if flags is not None:
                flags[chunk] = chunk_flags
        else:
            index = flat[chunk].astype(np.intp)
            # Codes are in range; mode="clip" only spares `take` the proof and a copy.
            table[0].take(index, out=wide[chunk], mode="clip")
            if flags is not None:
                table[1].take(index, out=flags[chunk], mode="clip")
    return wide.reshape(codes.shape), None if flags is None else flags.reshape(codes.shape)


def decode_codes(codes: npt.ArrayLike, fmt: Format) -> tuple[Fp32Codes, Flags]:
    """binary32 codes of codes, exactly, and the flags that decoding sets.

    Parameters
    ----------
    codes : array of ``fmt.dtype``, any shape and byte order
    fmt : Format

    Returns
    -------
    codes : uint32 array of the same shape
        NaN of any sign and payload is the canonical one, 0x7FC00000.
    flags : uint8 array of the same shape
        `Flag.DENORMAL` for denormal codes, also where the format reads them as +0; `Flag.INVALID` for signalling NaN.

    Raises
    ------
    TypeError
        If the array has another type, which hides mistakes like values passed for codes, or ``fmt`` is no Format.
    ValueError
        If a code has more bits than the format.
    """
    wide, flags = _decode(checked_codes(codes, fmt), fmt, want_flags=True)
    assert flags is not None
    return wide, flags


@overload
def decode(codes: npt.ArrayLike, fmt: Format, *, flags: Literal[False] = False) -> npt.NDArray[np.float32]: ...
@overload
def decode(codes: npt.ArrayLike, fmt: Format, *, flags: Literal[True]) -> tuple[npt.NDArray[np.float32], Flags]: ...
def decode(
    codes: npt.ArrayLike, fmt: Format, *, flags: bool = False
) -> npt.NDArray[np.float32] | tuple[npt.NDArray[np.float32], Flags]:
    """Values of codes, exactly. A NaN of any sign and payload becomes the canonical NaN 0x7FC00000.

    Parameters
    ----------
    codes : array of ``fmt.dtype``, any shape and byte order
    fmt : Format
    flags : bool
        Return the flags of each element too, as `decode_codes` has them.

    Returns
    -------
    float32 array of the same shape, or that and a uint8 array of flags

    Raises
    ------
    TypeError
        If the array has another type, which hides mistakes like values passed for codes, or ``fmt`` is no Format.
    ValueError
        If a code has more bits than the format.

    Examples
    --------
    >>> decode(np.uint16([0x8001, 0x7FFF]), shp(bias=15))
    array([-5.9604645e-08,  1.3100800e+05], dtype=float32)
    """
    wide, each = _decode(checked_codes(codes, fmt), fmt, want_flags=flags)
    values = wide.view(np.float32)
    return values if each is None else (values, each)


# ---------------------------------------------------------------------------------------------------------------------
# Encoding
# ---------------------------------------------------------------------------------------------------------------------


def _encoded(bits: Fp32Codes, fmt: Format, random: Fp32Codes | None, want_flags: bool) -> tuple[Codes, Flags | None]:
    """Codes and flags of binary32 codes; the steps are those of docs/arithmetic.md."""
    magnitude = (bits & np.uint32(0x7FFF_FFFF)).view(np.int32)
    field = np.maximum(magnitude >> _MANTISSA_BITS, 1)
    significand = magnitude - (field - 1 << _MANTISSA_BITS)

    # Binades above the smallest normal one. From the denormals' exponent on downwards, each one more discards a bit more.
    binades = field - (_BIAS + 1 - fmt.bias)
    below = np.maximum(fmt.denormal_exponent - (1 - fmt.bias) - binades, 0)
    discarded = _MANTISSA_BITS - fmt.mantissa_bits + below
    # By 31, nothing is left of a 24-bit significand, nor of its half.
    shift = np.minimum(discarded, 31)
    code = significand >> shift
    rest = significand - (code << shift)
    if random is None:
        # Half a unit; one more than every rest if nothing is discarded. Odd codes also leave a tie.
        half = (1 << np.minimum(shift, 30)) + 1 >> 1
        code += rest + (code & 1) > half
    else:
        resolution = fmt.random_bits
        fraction = rest << np.maximum(resolution - shift, 0) >> np.clip(discarded - resolution, 0, 31)
        code += fraction + (random & np.uint32((1 << resolution) - 1)).view(np.int32) >> resolution
    code += np.maximum(binades, 0) << fmt.mantissa_bits

    limit = fmt.infinity if fmt.specials else fmt.largest
    beyond = code > fmt.largest
    result = np.minimum(code, limit)
    if not fmt.denormals:
        result = np.where(result >> fmt.mantissa_bits == 0, 0, result)
    wide = result.view(np.uint32)
    nan = magnitude > _INFINITY
    if fmt.signed:
        wide = wide | bits >> np.uint32(31) << np.uint32(fmt.bits - 1)
    else:
        negative = bits > np.uint32(0x8000_0000)
        wide = np.where(negative, np.uint32(0), wide)
    if fmt.specials:
        wide = np.where(nan, np.uint32(fmt.canonical_nan), wide)
    codes = wide.astype(fmt.dtype)
    if not want_flags:
        return codes, None

    invalid = nan & (magnitude & _QUIET == 0) if fmt.specials else nan
    if not fmt.signed:
        invalid = invalid | negative & ~nan
    # Inf overflows where there is none, and is exact elsewhere.
    rounds = ~(nan | invalid)
    overflow = rounds & beyond & (magnitude < _INFINITY + (not fmt.specials))
    inexact = rounds & ((rest != 0) | overflow | (result < code) & (magnitude < _INFINITY))
    underflow = inexact & (result >> fmt.mantissa_bits == 0)
    denormal = (magnitude - 1).view(np.uint32) < np.uint32((1 << _MANTISSA_BITS) - 1)
    flags = np.zeros(bits.shape, np.uint8)
    for flag, where in (
        (Flag.INVALID, invalid),
        (Flag.OVERFLOW, overflow),
        (Flag.INEXACT, inexact),
        (Flag.UNDERFLOW, underflow),
        (Flag.DENORMAL, denormal),
    ):
        flags |= where.view(np.uint8) * np.uint8(flag)
    return codes, flags


def _encode(bits: Fp32Codes, fmt: Format, random: Fp32Codes | None, want_flags: bool) -> tuple[Codes, Flags | None]:
    flat = bits.reshape(-1)
    flat_random = None if random is None else random.reshape(-1)
    codes = np.empty(flat.size, fmt.dtype)
    flags = np.empty(flat.size, np.uint8) if want_flags else None
    for chunk in _chunks(flat.size):
        codes[chunk], chunk_flags = _encoded(flat[chunk], fmt, None if flat_random is None else flat_random[chunk], want_flags)
        if flags is not None and chunk_flags is not None:
            flags[chunk] = chunk_flags
    return codes.reshape(bits.shape), None if flags is None else flags.reshape(bits.shape)


def encode_codes(fp32_codes: npt.ArrayLike, fmt: Format, random: Fp32Codes | None = None) -> tuple[Codes, Flags]:
    """Codes of binary32 codes, rounded, and the flags that encoding sets.

    Parameters
    ----------
    fp32_codes : uint32 array, any shape and byte order
    fmt : Format
    random : uint32 array of the same shape, optional
        24 random bits for each element, for stochastic rounding. Without it, rounding is to nearest, ties to even.

    Returns
    -------
    codes : array of ``fmt.dtype``, same shape
    flags : uint8 array of the same shape
        Sums of `Flag`.

    Raises
    ------
    TypeError
        If an array has another type, or ``fmt`` is no Format.
    ValueError
        If the shapes differ, or random numbers have more than 24 bits.
    """
    _check_format(fmt)
    bits = _native(fp32_codes)
    if bits.dtype != np.uint32:
        raise TypeError(f"binary32 codes are uint32, not {bits.dtype}")
    if random is not None:
        random = _native(random)
        if random.dtype != np.uint32:
            raise TypeError(f"random bits are uint32, not {random.dtype}")
        if random.shape != bits.shape:
            raise ValueError(f"random bits have shape {random.shape}, codes {bits.shape}; they must be equal")
        if random.size and int(random.max()) >> RANDOM_BITS:
            raise ValueError(f"random bits are 0 to 2**{RANDOM_BITS} - 1; {int(random.max()):#x} is beyond")
    codes, flags = _encode(bits, fmt, random, want_flags=True)
    assert flags is not None
    return codes, flags


@overload
def encode(
    values: npt.ArrayLike,
    fmt: Format,
    rounding: Rounding = "nearest",
    *,
    seed: int = 0,
    lanes: int = 16,
    flags: Literal[False] = False,
) -> Codes: ...
@overload
def encode(
    values: npt.ArrayLike,
    fmt: Format,
    rounding: Rounding = "nearest",
    *,
    seed: int = 0,
    lanes: int = 16,
    flags: Literal[True],
) -> tuple[Codes, Flags]: ...
def encode(
    values: npt.ArrayLike,
    fmt: Format,
    rounding: Rounding = "nearest",
    *,
    seed: int = 0,
    lanes: int = 16,
    flags: bool = False,
) -> Codes | tuple[Codes, Flags]:
    """Codes of float32 values, rounded to nearest with ties to even, or stochastically.

    -0 and denormals are kept where the format has them. What rounds beyond the largest magnitude becomes Inf, and NaN becomes
    ``fmt.canonical_nan``; a format without those takes its largest magnitude instead, with the sign of the value. UHP, which
    has no sign, makes +0 of negative numbers.

    Parameters
    ----------
    values : float32 array, any shape and byte order
    fmt : Format
    rounding : "nearest" or "stochastic"
        Stochastic: up with the probability that the discarded fraction has, down otherwise; unbiased, and exact values stay.
    seed, lanes : int
        Of the random bits, see `RandomLanes`: element e, counted in C order, takes lane e mod ``lanes`` after step
        1 + e div ``lanes``, as an instruction of hardware with that many FP32 lanes does after its seed was written.
    flags : bool
        Return the flags of each element too.

    Returns
    -------
    array of ``fmt.dtype``, same shape; or that and a uint8 array with a sum of `Flag` for each element

    Raises
    ------
    TypeError
        If the array has another type: a conversion to float32 first would round twice. If ``fmt`` is no Format.
    ValueError
        If another rounding is named, or seed or lanes are outside of their range.

    Examples
    --------
    >>> encode(np.float32([1.0, -0.0, 1e9]), cfp8_152(bias=15))
    array([ 60, 128, 127], dtype=uint8)
    """
    _check_format(fmt)
    array = _native(values)
    if array.dtype != np.float32:
        raise TypeError(f"values must be float32, not {array.dtype}")
    random = None
    if rounding == "stochastic":
        generators = RandomLanes(lanes, seed)
        random = generators.draw(-(-array.size // lanes)).reshape(-1)[: array.size].reshape(array.shape)
    elif rounding != "nearest":
        raise ValueError(f"rounding = {rounding!r} is neither 'nearest' nor 'stochastic'")
    codes, each = _encode(array.view(np.uint32), fmt, random, want_flags=flags)
    return codes if each is None else (codes, each)
