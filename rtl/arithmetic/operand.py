# SPDX-License-Identifier: Apache-2.0
"""What the matrix unit makes of an operand before it multiplies."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal, signed, unsigned
from amaranth.lib import data, enum, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from golden.layout import BIAS_BITS, FormatKind

__all__ = [
    "EXPONENT_OFFSET",
    "FLOOR_BITS",
    "OPERAND_KIND_BITS",
    "ZERO_EXPONENT",
    "Operand",
    "OperandDecoder",
    "OperandTable",
    "operand_floor",
]

#: Bits of a FormatKind that operands may have: BF16, CFP8_143 or CFP8_152.
OPERAND_KIND_BITS = 2

#: Added to the exponent of every operand, so that an exponent sum of 0 is 2**-126, the window's lowest position.
EXPONENT_OFFSET = 63

#: Largest exponent of zero operands: low enough to make any exponent sum negative, which never decides the maximum.
ZERO_EXPONENT = -193

#: Bits of an unsigned sum of two exponents.
FLOOR_BITS = 10

#: Lowest exponent that fits.
_LOWEST_EXPONENT = -256


class Operand(data.Struct):
    """A decoded operand: (-1)**sign * significand / 128 * 2**(exponent - EXPONENT_OFFSET).

    Members
    -------
    sign : unsigned(1)
    exponent : signed(9)      -70 to 191, or up to ``ZERO_EXPONENT`` for zero; anything if infinite or NaN
    significand : unsigned(8) 128 to 255, denormals normalised; 0 for zero; anything if infinite or NaN
    zero, infinite, nan : unsigned(1)
    """

    sign: unsigned(1)
    exponent: signed(9)
    significand: unsigned(8)
    zero: unsigned(1)
    infinite: unsigned(1)
    nan: unsigned(1)


def _ports(count):
    return {
        "codes": In(data.ArrayLayout(16, count)),
        "kind": In(OPERAND_KIND_BITS),
        "bias": In(BIAS_BITS),
        "operands": Out(data.ArrayLayout(Operand, count)),
    }


def _offset(m, kind, bias):
    """What turns an exponent field into an exponent: EXPONENT_OFFSET less the bias, 63 - bias or -64, made without adding."""
    offset = Signal(signed(BIAS_BITS + 1))
    with m.Switch(kind):
        with m.Case(FormatKind.CFP8_143, FormatKind.CFP8_152):
            m.d.comb += offset.eq(Cat(~bias, 0))
        with m.Default():
            m.d.comb += offset.eq(EXPONENT_OFFSET - 127)
    return offset


def operand_floor(m, kinds, biases):
    """The window's lowest position in sums of two exponents to which no offset was added, plus 512."""
    return (1 << FLOOR_BITS - 1) - sum(_offset(m, kind, bias) for kind, bias in zip(kinds, biases, strict=True))


class OperandDecoder(wiring.Component):
    """Decodes codes of one format, without a register.

    It is shared by the row or the column of units that take the operand.

    Parameters
    ----------
    count : int
        Codes decoded side by side.

    Members
    -------
    codes : In(count x 16)   codes of 8 bits in the lower half; the upper one is ignored then
    kind : In(2)             FormatKind BF16, CFP8_143 or CFP8_152; 3 acts as BF16
    bias : In(6)             of CFP8_143 and CFP8_152
    operands : Out(count x Operand)

    Source: step 1 of the matrix unit's arithmetic.
    """

    def __init__(self, count: int):
        self.count = count
        super().__init__(_ports(count))

    def elaborate(self, platform):
        m = Module()

        offset = _offset(m, self.kind, self.bias)

        for index in range(self.count):
            code = self.codes[index]
            operand = self.operands[index]
            # Only BF16 fills the exponent field, and so only it can have Inf and NaN.
            sign, field, mantissa = (
                Signal(name=f"sign{index}"),
                Signal(8, name=f"field{index}"),
                Signal(7, name=f"mantissa{index}"),
            )
            with m.Switch(self.kind):
                with m.Case(FormatKind.CFP8_143):
                    m.d.comb += [sign.eq(code[7]), field.eq(code[3:7]), mantissa.eq(code[:3] << 4)]
                with m.Case(FormatKind.CFP8_152):
                    m.d.comb += [sign.eq(code[7]), field.eq(code[2:7]), mantissa.eq(code[:2] << 5)]
                with m.Default():
                    m.d.comb += Cat(mantissa, field, sign).eq(code)
            denormal = Signal(name=f"denormal{index}")
            m.d.comb += denormal.eq(field == 0)

            # The hidden bit of a normal number leaves nothing to shift.
            shift = Signal(3, name=f"shift{index}")
            significand = Cat(mantissa, ~denormal)
            for bit in (2, 1, 0):
                distance = 1 << bit
                empty = ~significand[8 - distance :].any()
                shifted = Signal(8, name=f"significand{index}_{bit}")
                m.d.comb += [
                    shift[bit].eq(empty),
                    shifted.eq(Mux(empty, Cat(Const(0, distance), significand[: 8 - distance]), significand)),
                ]
                significand = shifted

            zero = Signal(name=f"zero{index}")
            m.d.comb += [
                zero.eq(~significand[7]),
                operand.sign.eq(sign),
                operand.exponent.eq(Mux(zero, _LOWEST_EXPONENT, (field | denormal) + offset - shift)),
                operand.significand.eq(significand),
                operand.zero.eq(zero),
                operand.infinite.eq(field.all() & ~mantissa.any()),
                operand.nan.eq(field.all() & mantissa.any()),
            ]
        return m


class _Row(enum.Enum, shape=2):
    """Parts of the table of operands; the lower seven bits of a code choose in it."""

    CFP8_143 = 0
    CFP8_152 = 1
    BF16_NORMAL = 2
    BF16_DENORMAL = 3


class _Entry(data.Struct):
    """What the table knows: the operand without sign and without offset; of normal BF16 also without its exponent field."""

    significand: unsigned(8)
    exponent: signed(9)
    fractional: unsigned(1)


def _entry(row, code):
    """What the table holds for seven bits of a code."""
    mantissa_bits = {_Row.CFP8_143: 3, _Row.CFP8_152: 2}.get(row, 7)
    mantissa, field = code % (1 << mantissa_bits), code >> mantissa_bits
    significand, exponent = mantissa << (7 - mantissa_bits), field
    if row is _Row.BF16_NORMAL or field:
        significand += 128
    elif significand:
        shift = 8 - significand.bit_length()
        significand, exponent = significand << shift, 1 - shift
    else:
        # As low as the offset, which is positive for CFP8, allows.
        exponent = _LOWEST_EXPONENT - (EXPONENT_OFFSET - 127 if row is _Row.BF16_DENORMAL else 0)
    return {"significand": significand, "exponent": exponent, "fractional": mantissa != 0}


class OperandTable(wiring.Component):
    """Decodes codes of one format as ``OperandDecoder`` does, by a table in memory; ``operands`` come in the next cycle.

    Parameters
    ----------
    count : int
        Codes decoded side by side.
    offset : bool
        Exponents are those of ``Operand``. Otherwise they lack the offset that formats have, and zero is so low that sums of its
        exponent and another one are below any ``operand_floor``.

    Members
    -------
    codes, kind, bias, operands : as of ``OperandDecoder``

    Source: step 1 of the matrix unit's arithmetic.
    """

    def __init__(self, count: int, *, offset: bool = True):
        self.count = count
        self.offset = offset
        super().__init__(_ports(count))

    def elaborate(self, platform):
        m = Module()

        def next_cycle(value, name, shape=None):
            following = Signal(len(value) if shape is None else shape, name=name, reset_less=True)
            m.d.sync += following.eq(value)
            return following

        small = Signal()
        m.d.comb += small.eq((self.kind == FormatKind.CFP8_143) | (self.kind == FormatKind.CFP8_152))
        wide = next_cycle(~small, "wide")
        offset = next_cycle(_offset(m, self.kind, self.bias), "next_offset", signed(BIAS_BITS + 1)) if self.offset else 0

        table = [_entry(row, code) for row in _Row for code in range(128)]
        for index in range(self.count):
            code, operand = self.codes[index], self.operands[index]
            # A memory reads twice in a cycle.
            if index % 2 == 0:
                memory = Memory(shape=_Entry, depth=len(table), init=table, attrs={"ram_style": "block"})
                m.submodules[f"table{index // 2}"] = memory
            port = memory.read_port()
            field = code[7:15]
            m.d.comb += [
                port.addr.eq(Cat(code[:7], Mux(small, self.kind == FormatKind.CFP8_152, ~field.any()), ~small)),
                operand.sign.eq(next_cycle(Mux(small, code[7], code[15]), f"sign{index}")),
                operand.significand.eq(port.data.significand),
                operand.zero.eq(~port.data.significand[7]),
            ]
            biased, top = Signal(signed(9), name=f"biased{index}"), next_cycle(field.all() & ~small, f"top{index}")
            m.d.comb += [
                biased.eq(port.data.exponent | Cat(next_cycle(field, f"field{index}") & wide.replicate(8), 0)),
                operand.exponent.eq(biased + offset),
                operand.infinite.eq(top & ~port.data.fractional),
                operand.nan.eq(top & port.data.fractional),
            ]
        return m
