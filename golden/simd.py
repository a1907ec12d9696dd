# SPDX-License-Identifier: Apache-2.0
"""What every SIMD instruction computes: vectors, predicates and flags from the bytes of its operands.

The arithmetic is in ``golden.fp32``, ``golden.bf16``, ``golden.integer``, ``golden.permute``, ``golden.reduction`` and
``golden.formats``; here it is put into lanes, masked, and given its mnemonics. Vectors are bytes objects of one line, lane 0
first, little endian.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt

from golden import bf16, fp32, integer, permute
from golden.config import NodeConfig
from golden.formats import Format, decode_codes, encode_codes, format_of
from golden.isa import INSTRUCTIONS, Unit
from golden.layout import FormatDescriptor, FormatKind
from golden.permute import transpose_group
from golden.reduction import Binary, reduce_neighbours

__all__ = ["SimdOperands", "SimdResult", "execute", "random_steps", "transpose_group"]

_RESET_DESCRIPTOR = FormatDescriptor(FormatKind.BF16)


@dataclass(frozen=True, eq=False, kw_only=True)
class SimdOperands:
    """What an instruction reads; what it does not need may be left out.

    Attributes
    ----------
    a, b, c : bytes
        vs1, vs2, and vd as it is before: an addend, and what stays where the mask is clear.
    scalar : int
        The scalar register, 64 bits, unsigned.
    mask : int
        Predicate pm: bit i protects byte i of the destination if it is clear. Bits beyond the line do not matter.
    descriptor : FormatDescriptor
        What ``fmt`` names.
    random : uint32 array (2, fp32_lanes), or None
        24 bits for each lane after one step of the generators, and after two.
    group : tuple of bytes
        The registers that ``vtrn`` reads, in order.
    part : int
        Which register of the transposed group ``vtrn`` returns.
    """

    a: bytes = b""
    b: bytes = b""
    c: bytes = b""
    scalar: int = 0
    mask: int = -1
    descriptor: FormatDescriptor = _RESET_DESCRIPTOR
    random: npt.NDArray[np.uint32] | None = None
    group: tuple[bytes, ...] = ()
    part: int = 0


@dataclass(frozen=True)
class SimdResult:
    """What an instruction writes.

    Attributes
    ----------
    value : bytes or None
        The vector for vd, masked bytes merged.
    predicate : int or None
        The predicate for pd, of instructions that compare; 0 where the mask is clear.
    flags : int
        ``golden.layout.Flag`` bits, of unmasked lanes only.
    """

    value: bytes | None = None
    predicate: int | None = None
    flags: int = 0


_Compute = Callable[[NodeConfig, SimdOperands], SimdResult]
_Lanes = npt.NDArray[np.unsignedinteger[Any]]
_Flags = npt.NDArray[np.uint8]
_Unary = Callable[[fp32.Codes], tuple[fp32.Codes, fp32.Flags]]
_Ternary = Callable[[fp32.Codes, fp32.Codes, fp32.Codes], tuple[fp32.Codes, fp32.Flags]]
_FloatCompare = Callable[[fp32.Codes, fp32.Codes], tuple[fp32.Truths, fp32.Flags]]
_IntegerBinary = Callable[[_Lanes, _Lanes], _Lanes]
_IntegerCompare = Callable[[_Lanes, _Lanes], fp32.Truths]

_U16, _U32 = integer.LANE_TYPES[16], integer.LANE_TYPES[32]

_TABLE: dict[str, _Compute] = {}


# ---------------------------------------------------------------------------------------------------------------------
# Lanes and masks
# ---------------------------------------------------------------------------------------------------------------------


def _lanes(line: bytes, bits: int) -> _Lanes:
    return np.frombuffer(line, integer.LANE_TYPES[bits])


def _mask_bytes(mask: int, size: int) -> _Flags | None:
    """The mask as 0 and 1 for each byte of a line of that size, or None if all are 1."""
    full = (1 << size) - 1
    if mask & full == full:
        return None
    return np.unpackbits(np.frombuffer((mask & full).to_bytes(size // 8, "little"), np.uint8), bitorder="little")


def _result(operands: SimdOperands, value: bytes, flags: _Flags | None = None) -> SimdResult:
    """The value merged into c, and the flags of lanes, which all have the same size, whose lowest byte is not masked."""
    enabled = _mask_bytes(operands.mask, len(value))
    if enabled is None:
        return SimdResult(value, None, 0 if flags is None else int(np.bitwise_or.reduce(flags)))
    merged = np.where(enabled, np.frombuffer(value, np.uint8), np.frombuffer(operands.c, np.uint8)).tobytes()
    if flags is None:
        return SimdResult(merged)
    return SimdResult(merged, None, int(np.bitwise_or.reduce(flags * enabled[:: len(value) // len(flags)])))


def _filled(config: NodeConfig, operands: SimdOperands, lane: _Lanes, flags: int = 0) -> SimdResult:
    """The result of a reduction: its one lane everywhere, and its flags, which no mask stops."""
    return SimdResult(_result(operands, permute.broadcast(lane.tobytes(), config.line_bytes)).value, None, flags)


def _predicate(operands: SimdOperands, truths: fp32.Truths, lane_bytes: int, flags: _Flags | None = None) -> SimdResult:
    """All bits of the lanes that are true, 0 where the mask is clear."""
    size = len(truths) * lane_bytes
    bits = int.from_bytes(np.packbits(np.repeat(truths, lane_bytes), bitorder="little").tobytes(), "little")
    if flags is None:
        raised = 0
    else:
        enabled = _mask_bytes(operands.mask, size)
        raised = int(np.bitwise_or.reduce(flags if enabled is None else flags * enabled[::lane_bytes]))
    return SimdResult(None, bits & operands.mask, raised)


def _draws(operands: SimdOperands, count: int) -> npt.NDArray[np.uint32]:
    """The random bits of elements 0 to count - 1: of all lanes after the first step, then after the second."""
    if operands.random is None:
        raise ValueError("a stochastic instruction needs random bits")
    return operands.random.reshape(-1)[:count]


# ---------------------------------------------------------------------------------------------------------------------
# Float lanes
# ---------------------------------------------------------------------------------------------------------------------

_FloatType = Literal["f32", "bf16", "bf16.s"]


def _float_lanes(line: bytes, lane_type: _FloatType) -> fp32.Codes:
    """binary32 codes of a vector's lanes."""
    return np.frombuffer(line, _U32) if lane_type == "f32" else bf16.widen(np.frombuffer(line, _U16))


def _float_result(operands: SimdOperands, lane_type: _FloatType, codes: fp32.Codes, flags: fp32.Flags) -> SimdResult:
    """Rounded results of arithmetic, in lanes of that type."""
    if lane_type == "f32":
        return _result(operands, codes.tobytes(), flags)
    narrow, second = bf16.round_fp32(codes, _draws(operands, len(codes)) if lane_type == "bf16.s" else None)
    return _result(operands, narrow.tobytes(), flags | second)


def _moved_result(operands: SimdOperands, lane_type: _FloatType, codes: fp32.Codes, flags: fp32.Flags) -> SimdResult:
    """Results that are operands, or that differ from them in the sign only: nothing is to be rounded."""
    lanes: _Lanes = codes if lane_type == "f32" else bf16.cut(codes)
    return _result(operands, lanes.tobytes(), flags)


def _float_unary(operation: _Unary, lane_type: _FloatType) -> _Compute:
    def compute(config: NodeConfig, operands: SimdOperands) -> SimdResult:
        return _float_result(operands, lane_type, *operation(_float_lanes(operands.a, lane_type)))

    return compute


def _float_binary(operation: Binary, lane_type: _FloatType) -> _Compute:
    def compute(config: NodeConfig, operands: SimdOperands) -> SimdResult:
        a, b = _float_lanes(operands.a, lane_type), _float_lanes(operands.b, lane_type)
        return _float_result(operands, lane_type, *operation(a, b))

    return compute


def _float_ternary(operation: _Ternary, lane_type: _FloatType) -> _Compute:
    def compute(config: NodeConfig, operands: SimdOperands) -> SimdResult:
        a, b, c = (_float_lanes(line, lane_type) for line in (operands.a, operands.b, operands.c))
        return _float_result(operands, lane_type, *operation(a, b, c))

    return compute


def _float_moving(operation: Binary, lane_type: _FloatType) -> _Compute:
    def compute(config: NodeConfig, operands: SimdOperands) -> SimdResult:
        a, b = _float_lanes(operands.a, lane_type), _float_lanes(operands.b, lane_type)
        return _moved_result(operands, lane_type, *operation(a, b))

    return compute


def _float_compare(operation: _FloatCompare, lane_type: _FloatType) -> _Compute:
    lane_bytes = 4 if lane_type == "f32" else 2

    def compute(config: NodeConfig, operands: SimdOperands) -> SimdResult:
        truths, flags = operation(_float_lanes(operands.a, lane_type), _float_lanes(operands.b, lane_type))
        return _predicate(operands, truths, lane_bytes, flags)

    return compute


def _classify(lane_type: _FloatType) -> _Compute:
    result_type = _U32 if lane_type == "f32" else _U16

    def compute(config: NodeConfig, operands: SimdOperands) -> SimdResult:
        classes, _ = fp32.classify(_float_lanes(operands.a, lane_type))
        return _result(operands, classes.astype(result_type).tobytes())

    return compute


def _float_sum(lane_type: _FloatType) -> _Compute:
    def compute(config: NodeConfig, operands: SimdOperands) -> SimdResult:
        total, flags = reduce_neighbours(fp32.add, _float_lanes(operands.a, lane_type))
        if lane_type == "f32":
            return _filled(config, operands, total, flags)
        narrow, second = bf16.round_fp32(total, _draws(operands, 1) if lane_type == "bf16.s" else None)
        return _filled(config, operands, narrow, flags | int(second[0]))

    return compute


def _float_extreme(operation: Binary, lane_type: _FloatType) -> _Compute:
    def compute(config: NodeConfig, operands: SimdOperands) -> SimdResult:
        extreme, flags = reduce_neighbours(operation, _float_lanes(operands.a, lane_type))
        return _filled(config, operands, extreme if lane_type == "f32" else bf16.cut(extreme), flags)

    return compute


def _float_rows() -> None:
    multiply_adds: dict[str, _Ternary] = {
        "vmadd": fp32.fma,
        "vmsub": functools.partial(fp32.fma, negate_addend=True),
        "vnmsub": functools.partial(fp32.fma, negate_product=True),
        "vnmadd": functools.partial(fp32.fma, negate_product=True, negate_addend=True),
    }
    for lane_type in get_args(_FloatType):
        for name, binary in (("vadd", fp32.add), ("vsub", fp32.sub), ("vmul", fp32.mul)):
            _TABLE[f"{name}.{lane_type}"] = _float_binary(binary, lane_type)
        for name, ternary in multiply_adds.items():
            _TABLE[f"{name}.{lane_type}"] = _float_ternary(ternary, lane_type)
        for name, unary in (("vrcp", fp32.reciprocal), ("vrsqrt", fp32.reciprocal_root), ("vexp2", fp32.exp2)):
            _TABLE[f"{name}.{lane_type}"] = _float_unary(unary, lane_type)
        _TABLE[f"vredsum.{lane_type}"] = _float_sum(lane_type)
        if lane_type == "bf16.s":
            continue
        for name, moving in (
            ("vmin", fp32.minimum),
            ("vmax", fp32.maximum),
            ("vsgnj", fp32.sign_inject),
            ("vsgnjn", fp32.sign_inject_negated),
            ("vsgnjx", fp32.sign_inject_xor),
        ):
            _TABLE[f"{name}.{lane_type}"] = _float_moving(moving, lane_type)
        for name, compare in (("veq", fp32.equal), ("vlt", fp32.less), ("vle", fp32.less_equal)):
            _TABLE[f"{name}.{lane_type}"] = _float_compare(compare, lane_type)
        for name, extreme in (("vredmin", fp32.minimum), ("vredmax", fp32.maximum)):
            _TABLE[f"{name}.{lane_type}"] = _float_extreme(extreme, lane_type)
        _TABLE[f"vclass.{lane_type}"] = _classify(lane_type)
    # FP32 lanes in, INT32 lanes out, or the other way: nothing that `f32` lanes would treat otherwise.
    _TABLE["vcvt.i32.f32"] = _float_unary(fp32.to_int32, "f32")
    _TABLE["vcvtz.i32.f32"] = _float_unary(functools.partial(fp32.to_int32, towards_zero=True), "f32")
    _TABLE["vcvt.f32.i32"] = _float_unary(fp32.from_int32, "f32")


# ---------------------------------------------------------------------------------------------------------------------
# Integer lanes
# ---------------------------------------------------------------------------------------------------------------------


def _integer_binary(operation: _IntegerBinary, bits: int) -> _Compute:
    def compute(config: NodeConfig, operands: SimdOperands) -> SimdResult:
        return _result(operands, operation(_lanes(operands.a, bits), _lanes(operands.b, bits)).tobytes())

    return compute


def _integer_compare(operation: _IntegerCompare, bits: int) -> _Compute:
    def compute(config: NodeConfig, operands: SimdOperands) -> SimdResult:
        return _predicate(operands, operation(_lanes(operands.a, bits), _lanes(operands.b, bits)), bits // 8)

    return compute


def _integer_reduction(operation: integer.Reduction, bits: int) -> _Compute:
    def compute(config: NodeConfig, operands: SimdOperands) -> SimdResult:
        return _filled(config, operands, integer.reduce(_lanes(operands.a, bits), operation))

    return compute


def _integer_rows() -> None:
    binary: dict[str, _IntegerBinary] = {
        "vadd": integer.add,
        "vsub": integer.sub,
        "vmul": integer.mul,
        "vmulh": integer.mul_high,
        "vmulhu": integer.mul_high_unsigned,
        "vsll": integer.shift_left,
        "vsrl": integer.shift_right,
        "vsra": integer.shift_right_signed,
        "vmin": integer.minimum,
        "vmax": integer.maximum,
        "vminu": integer.minimum_unsigned,
        "vmaxu": integer.maximum_unsigned,
    }
    compares: dict[str, _IntegerCompare] = {"veq": integer.equal, "vlt": integer.less, "vltu": integer.less_unsigned}
    for bits in integer.LANE_TYPES:
        for name, operation in binary.items():
            _TABLE[f"{name}.i{bits}"] = _integer_binary(operation, bits)
        for name, compare in compares.items():
            _TABLE[f"{name}.i{bits}"] = _integer_compare(compare, bits)
        for reduction in get_args(integer.Reduction):
            _TABLE[f"vred{reduction}.i{bits}"] = _integer_reduction(reduction, bits)


# ---------------------------------------------------------------------------------------------------------------------
# Bits, bytes and lanes that move
# ---------------------------------------------------------------------------------------------------------------------


def _select(config: NodeConfig, operands: SimdOperands) -> SimdResult:
    enabled = _mask_bytes(operands.mask, len(operands.a))
    if enabled is None:
        return SimdResult(operands.a)
    return SimdResult(np.where(enabled, _lanes(operands.a, 8), _lanes(operands.b, 8)).tobytes())


def _slide(operation: Callable[[bytes, int], bytes]) -> _Compute:
    def compute(config: NodeConfig, operands: SimdOperands) -> SimdResult:
        return _result(operands, operation(operands.a, operands.scalar))

    return compute


def _narrow(bits: int, signed: bool) -> _Compute:
    def compute(config: NodeConfig, operands: SimdOperands) -> SimdResult:
        a, b = _lanes(operands.a, bits), _lanes(operands.b, bits)
        return _result(operands, permute.narrow(a, b, signed=signed).tobytes())

    return compute


def _widen(bits: int, half: int, signed: bool) -> _Compute:
    def compute(config: NodeConfig, operands: SimdOperands) -> SimdResult:
        return _result(operands, permute.widen(_lanes(operands.a, bits), half, signed=signed).tobytes())

    return compute


def _broadcast_scalar(bits: int) -> _Compute:
    def compute(config: NodeConfig, operands: SimdOperands) -> SimdResult:
        lane = (operands.scalar & (1 << bits) - 1).to_bytes(bits // 8, "little")
        return _result(operands, permute.broadcast(lane, config.line_bytes))

    return compute


def _broadcast_lane(bits: int) -> _Compute:
    size = bits // 8

    def compute(config: NodeConfig, operands: SimdOperands) -> SimdResult:
        start = operands.scalar * size % config.line_bytes
        return _result(operands, permute.broadcast(operands.a[start : start + size], config.line_bytes))

    return compute


def _transpose(bits: int) -> _Compute:
    def compute(config: NodeConfig, operands: SimdOperands) -> SimdResult:
        expected = transpose_group(config, bits)
        if len(operands.group) != expected:
            raise ValueError(f"{expected} registers hold an 8 x 8 matrix of {bits} bits, not {len(operands.group)}")
        if not 0 <= operands.part < expected:
            raise ValueError(f"part = {operands.part} is outside of a group of {expected} registers")
        return _result(operands, permute.transpose(operands.group, bits, operands.part))

    return compute


def _moving_rows() -> None:
    bitwise: dict[str, _IntegerBinary] = {
        "vand": np.bitwise_and,
        "vor": np.bitwise_or,
        "vxor": np.bitwise_xor,
        "vandn": lambda a, b: a & ~b,
    }
    for name, operation in bitwise.items():
        _TABLE[name] = _integer_binary(operation, 32)
    _TABLE["vsel"] = _select
    for narrow, wide in ((8, 16), (16, 32)):
        for letter, signed in (("i", True), ("u", False)):
            _TABLE[f"vnarrow.{letter}{narrow}.i{wide}"] = _narrow(wide, signed)
            for half, suffix in enumerate("lh"):
                _TABLE[f"vwiden.{letter}{wide}.{letter}{narrow}{suffix}"] = _widen(narrow, half, signed)
    _TABLE["vslideup"] = _slide(permute.slide_up)
    _TABLE["vslidedown"] = _slide(permute.slide_down)
    for bits in (8, 16, 32, 64):
        _TABLE[f"vbc.e{bits}"] = _broadcast_scalar(bits)
    for bits in (8, 16, 32):
        _TABLE[f"vshuf.e{bits}"] = _integer_binary(permute.shuffle, bits)
        _TABLE[f"vbcl.e{bits}"] = _broadcast_lane(bits)
        _TABLE[f"vtrn.e{bits}"] = _transpose(bits)


# ---------------------------------------------------------------------------------------------------------------------
# Converts between formats
# ---------------------------------------------------------------------------------------------------------------------


@functools.lru_cache(maxsize=256)
def _format(descriptor: FormatDescriptor) -> Format:
    return format_of(descriptor)


def _code_bytes(fmt: Format) -> int:
    return fmt.dtype.itemsize


def _from_bf16(half: int) -> _Compute:
    bf16_format = format_of(FormatKind.BF16)

    def compute(config: NodeConfig, operands: SimdOperands) -> SimdResult:
        count = config.fp32_lanes
        codes, flags = decode_codes(_lanes(operands.a, 16)[half * count : (half + 1) * count], bf16_format)
        return _result(operands, codes.tobytes(), flags)

    return compute


def _to_bf16(stochastic: bool) -> _Compute:
    bf16_format = format_of(FormatKind.BF16)

    def compute(config: NodeConfig, operands: SimdOperands) -> SimdResult:
        values = np.frombuffer(operands.a + operands.b, _U32)
        codes, flags = encode_codes(values, bf16_format, _draws(operands, len(values)) if stochastic else None)
        return _result(operands, codes.tobytes(), flags)

    return compute


def _from_named(part: int) -> _Compute:
    def compute(config: NodeConfig, operands: SimdOperands) -> SimdResult:
        fmt = _format(operands.descriptor)
        size = config.fp32_lanes * _code_bytes(fmt)
        start = part * size % config.line_bytes
        codes, flags = decode_codes(np.frombuffer(operands.a[start : start + size], fmt.dtype), fmt)
        return _result(operands, codes.tobytes(), flags)

    return compute


def _to_named(part: int, stochastic: bool) -> _Compute:
    def compute(config: NodeConfig, operands: SimdOperands) -> SimdResult:
        fmt = _format(operands.descriptor)
        size = config.fp32_lanes * _code_bytes(fmt)
        start = part * size % config.line_bytes
        values = np.frombuffer(operands.a, _U32)
        codes, lane_flags = encode_codes(values, fmt, _draws(operands, len(values)) if stochastic else None)
        # The rest of vd stays: as if the result had there what vd has, in lanes that set no flags.
        value = operands.c[:start] + codes.tobytes() + operands.c[start + size :]
        flags = np.zeros(config.line_bytes // _code_bytes(fmt), np.uint8)
        first = start // _code_bytes(fmt)
        flags[first : first + len(values)] = lane_flags
        return _result(operands, value, flags)

    return compute


def _convert_rows() -> None:
    for half, suffix in enumerate("lh"):
        _TABLE[f"vcvt.f32.bf16{suffix}"] = _from_bf16(half)
    for part in range(4):
        _TABLE[f"vcvt.f32.x{part}"] = _from_named(part)
    for stochastic, suffix in ((False, ""), (True, ".s")):
        _TABLE[f"vcvt.bf16.f32{suffix}"] = _to_bf16(stochastic)
        for part in range(4):
            _TABLE[f"vcvt.x{part}.f32{suffix}"] = _to_named(part, stochastic)


# ---------------------------------------------------------------------------------------------------------------------


def _random_steps() -> dict[str, int]:
    """Steps that instructions with random rounding take, by mnemonic."""
    steps = {}
    for mnemonic in _TABLE:
        if mnemonic.endswith(".s"):
            once = mnemonic.startswith(("vredsum", "vcvt.x"))
            steps[mnemonic] = 1 if once else 2
    return steps


_float_rows()
_integer_rows()
_moving_rows()
_convert_rows()

_RANDOM_STEPS = _random_steps()

_rows = {row.mnemonic for row in INSTRUCTIONS.values() if row.unit is Unit.SIMD}
if _rows != set(_TABLE):
    raise ImportError(f"SIMD instructions and their semantics differ in {', '.join(sorted(_rows ^ set(_TABLE)))}")


def execute(mnemonic: str, config: NodeConfig, operands: SimdOperands) -> SimdResult:
    """What an instruction of the SIMD unit writes.

    Parameters
    ----------
    mnemonic : str
        A row of the instruction table whose unit is `Unit.SIMD`.
    config : NodeConfig
        Gives the size of vectors.
    operands : SimdOperands
        What the instruction names; vectors of ``config.line_bytes`` bytes.

    Raises
    ------
    KeyError
        If there is no such SIMD instruction.
    ValueError
        If random bits are missing, the group has another size, or there is no such part of it.
    """
    return _TABLE[mnemonic](config, operands)


def random_steps(mnemonic: str) -> int:
    """Steps that an instruction leaves the generators of stochastic rounding on."""
    return _RANDOM_STEPS.get(mnemonic, 0)
