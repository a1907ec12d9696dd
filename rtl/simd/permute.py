# SPDX-License-Identifier: Apache-2.0
"""Operations that move bytes about within a vector, and between vectors."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from golden.config import NodeConfig
from rtl.simd.operations import operation, sub_operation

__all__ = ["PermuteUnit"]

#: Bits of an element's number in a matrix of 8 x 8; a transpose swaps the upper half with the lower.
_MATRIX_BITS = 6


def _saturated(value, *, signed):
    """A signed number in half as many bits, signed or unsigned."""
    half = len(value) // 2
    sign = value[-1]
    if signed:
        outside = value[half - 1 :].any() & ~value[half - 1 :].all()
        limit = Cat((~sign).replicate(half - 1), sign)
    else:
        outside = value[half:].any()
        limit = (~sign).replicate(half)
    return Mux(outside, limit, value[:half])


class PermuteUnit(wiring.Component):
    """Shuffles, slides, broadcasts, transposes, selections, widening and narrowing; one per cycle, with results two cycles later.

    One crossbar moves bytes: in the first cycle each byte of the result gets the number of a byte of one line, or something
    else to be; the second cycle fetches it.

    A transpose of a group of registers gathers its result from one pair of them after the other. A pair holds no more of it than
    fits in a line, so the pair is merged into one line for the crossbar. Each byte comes from just one pair: what an earlier
    transpose left behind is always replaced before the last pair.

    Parameters
    ----------
    config : NodeConfig

    Members
    -------
    valid : In(1)
        An operation is entered.
    collect : In(1), row : In(3)
        A pair of a group of registers is entered, in ``a`` and ``b``, of a transpose whose last pair comes with ``valid``;
        ``row`` counts the pairs. Other operations may come between pairs, other transposes may not.
    op : In(8), sub : In(5)
        As the SIMD unit has them: vsel, vnarrow*, vshuf*, vslide*, vwiden*, vbc*, vbcl*, vtrn*. ``sub`` of a transpose is
        the part of it, less than the registers of its group.
    a, b : In(8 * line_bytes)
    scalar : In(64)
        The scalar register, of slides and broadcasts.
    mask : In(line_bytes)
        What vsel selects by; nothing else looks at it.
    result : Out(8 * line_bytes)
        Of the operation that was entered two cycles before; undefined for others than those above. Holds until the next.
    """

    def __init__(self, config: NodeConfig):
        self.config = config
        line = 8 * config.line_bytes
        super().__init__(
            {
                "valid": In(1),
                "collect": In(1),
                "row": In(3),
                "op": In(8),
                "sub": In(5),
                "a": In(line),
                "b": In(line),
                "scalar": In(64),
                "mask": In(config.line_bytes),
                "result": Out(line),
            }
        )

    def elaborate(self, platform):
        m = Module()
        size = self.config.line_bytes
        index_bits = (size - 1).bit_length()

        # First cycle. Byte i of the result is byte index[i] of `source` where moved[i] is set, else byte i of `other`.
        source, other, moved = Signal(8 * size), Signal(8 * size), Signal(size)
        index = Signal(data.ArrayLayout(index_bits, size))
        transpose = Signal()
        m.d.comb += source.eq(self.a)
        with m.Switch(self.op):
            for bits in (8, 16, 32):
                with m.Case(operation(f"vshuf.e{bits}")):
                    lanes = [self.b.word_select(8 * i // bits, bits) for i in range(size)]
                    m.d.comb += [index.eq(Cat(self._in_lane(i, lane, bits) for i, lane in enumerate(lanes))), moved.eq(~0)]
                with m.Case(operation(f"vbcl.e{bits}")):
                    m.d.comb += [index.eq(Cat(self._in_lane(i, self.scalar, bits) for i in range(size))), moved.eq(~0)]
                with m.Case(operation(f"vtrn.e{bits}")):
                    merged, places, present = self._transpose(bits)
                    m.d.comb += [source.eq(merged), index.eq(Cat(places)), moved.eq(Cat(present)), transpose.eq(1)]
            for mnemonic, sign in (("vslideup", -1), ("vslidedown", 1)):
                with m.Case(operation(mnemonic)):
                    distance, far = self.scalar[:index_bits], self.scalar[index_bits:].any()
                    for i in range(size):
                        nearest_outside = size - i if sign > 0 else i + 1
                        m.d.comb += [
                            index[i].eq(i + sign * distance),
                            moved[i].eq(~far & (distance < nearest_outside)),
                        ]
            with m.Case(operation("vsel")):
                selected = (Mux(self.mask[i], self.a.word_select(i, 8), self.b.word_select(i, 8)) for i in range(size))
                m.d.comb += other.eq(Cat(selected))
            for wide in (32, 16):
                for kind in "iu":
                    with m.Case(operation(f"vnarrow.{kind}{wide // 2}.i{wide}")):
                        lanes = (Cat(self.a, self.b).word_select(lane, wide) for lane in range(16 * size // wide))
                        m.d.comb += other.eq(Cat(_saturated(lane, signed=kind == "i") for lane in lanes))
            with m.Case(operation("vbc.e8")):  # vwiden too
                self._widen_or_broadcast(m, index, moved, other)

        # Second cycle.
        def entered(name, value):
            """The value in the cycle after an operation or a pair was entered."""
            later = Signal.like(value, name=name, reset_less=True)
            with m.If(self.valid | self.collect):
                m.d.sync += later.eq(value)
            return later

        source, other = entered("fetch_source", source), entered("fetch_other", other)
        index, moved = entered("fetch_index", index), entered("fetch_moved", moved)
        transpose = entered("fetch_transpose", transpose)
        gather, finish = Signal(), Signal()
        m.d.sync += [gather.eq(self.collect), finish.eq(self.valid)]

        gathered, result = Signal(8 * size, reset_less=True), Signal(8 * size, reset_less=True)
        for i in range(size):
            fetched = Signal(8, name=f"fetched{i}")
            m.d.comb += fetched.eq(source.word_select(index[i], 8))
            unmoved = Mux(transpose, gathered.word_select(i, 8), other.word_select(i, 8))
            with m.If(gather & moved[i]):
                m.d.sync += gathered.word_select(i, 8).eq(fetched)
            with m.If(finish):
                m.d.sync += result.word_select(i, 8).eq(Mux(moved[i], fetched, unmoved))
        m.d.comb += self.result.eq(result)
        return m

    def _in_lane(self, i, lane, bits):
        """Number of the byte that lies in lane ``lane``, modulo the number of lanes, where byte ``i`` lies in its own."""
        inner = (bits // 8 - 1).bit_length()
        return Cat(Const(i, inner), lane[: (self.config.line_bytes - 1).bit_length() - inner])

    def _widen_or_broadcast(self, m, index, moved, other):
        """The operations on one register that share an ``op``."""
        size = self.config.line_bytes
        with m.Switch(self.sub):
            for wide in (16, 32):
                for kind in "iu":
                    for half, letter in enumerate("lh"):
                        with m.Case(sub_operation(f"vwiden.{kind}{wide}.{kind}{wide // 2}{letter}")):
                            count, first = 8 * size // wide, half * size // 2
                            narrow = [self.a.word_select(half * count + lane, wide // 2) for lane in range(count)]
                            for i in range(size):
                                lane, byte = divmod(i, wide // 8)
                                m.d.comb += [
                                    index[i].eq(first + lane * wide // 16 + byte % (wide // 16)),
                                    moved[i].eq(byte < wide // 16),
                                ]
                                if kind == "i":
                                    m.d.comb += other.word_select(i, 8).eq(narrow[lane][-1].replicate(8))
            for bits in (8, 16, 32, 64):
                with m.Case(sub_operation(f"vbc.e{bits}")):
                    m.d.comb += other.eq(self.scalar[:bits].replicate(8 * size // bits))

    def _transpose(self, bits):
        """What the pair of registers that is there gives to a transpose of ``bits``-bit elements.

        Returns
        -------
        line
            The pair, merged.
        list
            For each byte of the result, its place in that line,
        list
            and whether it is of this pair.
        """
        size = self.config.line_bytes
        elements = 8 * size // bits
        inner = (elements - 1).bit_length()
        part = list(self.sub[: _MATRIX_BITS - inner])

        def swapped(number):
            half = _MATRIX_BITS // 2
            return number[half:] + number[:half]

        def origin(element):
            """Number, in the matrix, of what comes to an element of the result, bit by bit: first its place in its register, then
            which of a pair that is, then the number of the pair."""
            return swapped([Const(element >> n, 1) for n in range(inner)] + part)

        merged, second_at = self.a, None
        if inner < _MATRIX_BITS:
            is_of_part = swapped([n >= inner for n in range(_MATRIX_BITS)])
            if is_of_part[inner]:
                merged = Mux(origin(0)[inner], self.b, self.a)
            else:
                # One bit of the places is the same in all that are needed: in the merged line it tells b from a.
                second_at = is_of_part.index(True)
                needed, lanes = origin(0)[second_at], []
                for lane in range(elements):
                    bit = 1 << second_at
                    line = self.b if lane & bit else self.a
                    lanes.append(Mux(needed, line.word_select(lane | bit, bits), line.word_select(lane & ~bit, bits)))
                merged = Cat(lanes)

        places, present = [], []
        for i in range(size):
            number = origin(8 * i // bits)
            place, pair = number[:inner], Cat(number[inner + 1 :])
            if second_at is not None:
                place[second_at] = number[inner]
            places.append(self._in_lane(i, Cat(place), bits))
            present.append(pair == self.row[: len(pair)])
        return merged, places, present
