# SPDX-License-Identifier: Apache-2.0
"""Operations that move bytes about within a vector, and between vectors."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from golden.config import NodeConfig
from rtl.simd.operations import operation, sub_operation

__all__ = ["PermuteUnit"]

#: Widths of the elements of shuffles, broadcasts of lanes, and transposes.
_ELEMENT_BITS = (8, 16, 32)

#: Bits of the number of a row, or of a column, of a matrix to transpose.
_ROW_BITS = 3


def _saturated(value, unsigned):
    """A signed number in half as many bits, signed or unsigned."""
    half = len(value) // 2
    sign, beyond = value[-1], value[half:]
    outside = Mux(unsigned, beyond.any(), Mux(value[half - 1], ~beyond.all(), beyond.any()))
    limit = Cat((~sign).replicate(half - 1), sign ^ unsigned)
    return Mux(outside, limit, value[:half])


class PermuteUnit(wiring.Component):
    """Shuffles, slides, broadcasts, transposes, selections, widening and narrowing; one per cycle, with results two cycles later.

    One crossbar moves bytes: in the first cycle each byte of the result gets the number of a byte of one line, or something
    else to be; the second cycle fetches it.

    A transpose of a group of registers gathers its result from one pair of them after the other. A pair holds no more of it than
    fits in a line, so the pair is merged into one line for the crossbar. Each byte comes from just one pair: what an earlier
    transpose left behind is always replaced when the result is complete.

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
        m.d.comb += source.eq(self._merged())
        with m.Switch(self.op):
            for bits in _ELEMENT_BITS:
                shuffle, broadcast = operation(f"vshuf.e{bits}"), operation(f"vbcl.e{bits}")
                with m.Case(shuffle, broadcast):
                    lanes = Mux(self.op == shuffle, self.b, self.scalar[:bits].replicate(8 * size // bits))
                    m.d.comb += moved.eq(~0)
                    m.d.comb += index.eq(Cat(self._in_lane(i, lanes.word_select(8 * i // bits, bits), bits) for i in range(size)))
                with m.Case(operation(f"vtrn.e{bits}")):
                    places, present = self._transposed(bits)
                    m.d.comb += [index.eq(Cat(places)), moved.eq(Cat(present)), transpose.eq(1)]
            with m.Case(operation("vslideup"), operation("vslidedown")):
                up = self.op == operation("vslideup")
                distance, far = self.scalar[:index_bits], self.scalar[index_bits:].any()
                for i in range(size):
                    # The bit above the index tells that it lies outside, on either side.
                    place = Signal(index_bits + 1, name=f"place{i}")
                    m.d.comb += [
                        place.eq(Mux(up, -distance, distance) + i),
                        index[i].eq(place),
                        moved[i].eq(~far & ~place[-1]),
                    ]
            with m.Case(operation("vsel")):
                selected = (Mux(self.mask[i], self.a.word_select(i, 8), self.b.word_select(i, 8)) for i in range(size))
                m.d.comb += other.eq(Cat(selected))
            for wide in (16, 32):
                signed, unsigned = (operation(f"vnarrow.{kind}{wide // 2}.i{wide}") for kind in "iu")
                with m.Case(signed, unsigned):
                    lanes = (Cat(self.a, self.b).word_select(lane, wide) for lane in range(16 * size // wide))
                    m.d.comb += other.eq(Cat(_saturated(lane, self.op == unsigned) for lane in lanes))
            with m.Case(operation("vwiden.i16.i8l")):
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
        """Number of a byte: it lies in lane ``lane``, modulo their number, where byte ``i`` lies in its own."""
        inner = (bits // 8 - 1).bit_length()
        return Cat(Const(i, inner), lane[: (self.config.line_bytes - 1).bit_length() - inner])

    def _widen_or_broadcast(self, m, index, moved, other):
        """The operations on one register, which share an ``op``."""
        size = self.config.line_bytes
        with m.Switch(self.sub):
            for wide in (16, 32):
                narrow = wide // 2
                subs = {
                    (kind, half): sub_operation(f"vwiden.{kind}{wide}.{kind}{narrow}{half}") for kind in "iu" for half in "lh"
                }
                with m.Case(*subs.values()):
                    signed = self.sub.matches(*(sub for (kind, _), sub in subs.items() if kind == "i"))
                    upper = self.sub.matches(*(sub for (_, half), sub in subs.items() if half == "h"))
                    elements = Mux(upper, self.a[4 * size :], self.a[: 4 * size])
                    for i in range(size):
                        lane, byte = divmod(i, wide // 8)
                        m.d.comb += [
                            index[i].eq(Cat(Const(lane * narrow // 8 + byte, len(index[i]) - 1), upper)),
                            moved[i].eq(byte < narrow // 8),
                            other.word_select(i, 8).eq((elements.word_select(lane, narrow)[-1] & signed).replicate(8)),
                        ]
            for bits in (8, 16, 32, 64):
                with m.Case(sub_operation(f"vbc.e{bits}")):
                    m.d.comb += other.eq(self.scalar[:bits].replicate(8 * size // bits))

    def _merged(self):
        """The line that the crossbar works on: ``a``, or what a transpose needs of ``a`` and ``b``.

        Of each register a transpose needs every other eighth of a line, those that bit 0 of ``part`` selects, and the other
        eighths of ``b`` take the places between. With only half a row of the matrix in a register it needs one of the pair.
        """
        eighth = self.config.line_bytes // 8
        merging = [operation(f"vtrn.e{bits}") for bits in _ELEMENT_BITS if self._merges(bits)]
        half_rows = [operation(f"vtrn.e{bits}") for bits in _ELEMENT_BITS if self._place_bits(bits) == _ROW_BITS - 1]
        whole = Mux(self.op.matches(*half_rows) & self.sub[_ROW_BITS], self.b, self.a)
        merged = []
        for i in range(self.config.line_bytes):
            line = self.b if i & eighth else self.a
            needed = Mux(self.sub[0], line.word_select(i | eighth, 8), line.word_select(i & ~eighth, 8))
            merged.append(Mux(self.op.matches(*merging), needed, whole.word_select(i, 8)))
        return Cat(merged)

    def _place_bits(self, bits):
        """Bits of the place of an element in its register."""
        return (8 * self.config.line_bytes // bits - 1).bit_length()

    def _merges(self, bits):
        """Whether a transpose needs elements of both registers of a pair."""
        return _ROW_BITS <= self._place_bits(bits) < 2 * _ROW_BITS

    def _transposed(self, bits):
        """For each byte of a transpose of ``bits``-bit elements, its place in the merged line, and whether it is there.

        The number of an element in the matrix has six bits: of its place in its register, then of the register's number in the
        group. A transpose swaps the lower three, the column, with the upper three, the row.
        """
        inner = self._place_bits(bits)
        places, present = [], []
        for i in range(self.config.line_bytes):
            element = [Const(8 * i // bits >> n, 1) for n in range(inner)] + list(self.sub[: 2 * _ROW_BITS - inner])
            origin = element[_ROW_BITS:] + element[:_ROW_BITS]
            place, pair = origin[:inner], Cat(origin[inner + 1 :])
            if self._merges(bits):
                # Here the place has bit 0 of `part`; in the merged line, that bit tells b from a.
                place[inner - _ROW_BITS] = origin[inner]
            places.append(self._in_lane(i, Cat(place), bits))
            present.append(pair == self.row[: len(pair)])
        return places, present
