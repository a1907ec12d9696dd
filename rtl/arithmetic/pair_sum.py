# SPDX-License-Identifier: Apache-2.0
"""Four products, two per cycle, summed exactly in a window."""

from amaranth.hdl import Cat, Module, Mux, Signal, signed
from amaranth.lib import data, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from golden.config import MATRIX_K
from rtl.arithmetic.dot4 import WINDOW_BITS
from rtl.arithmetic.normalise import EXPONENT_BITS
from rtl.arithmetic.operand import FLOOR_BITS, Operand

__all__ = ["PAIR", "PAIR_SUM_CYCLES", "TOTAL_BITS", "PairSum"]

#: Products per cycle.
PAIR = MATRIX_K // 2

#: Cycles from the first pair to the sum.
PAIR_SUM_CYCLES = 9

#: Four terms of 36 bits, and a sign.
TOTAL_BITS = WINDOW_BITS + 2 + 2 + 1

_TERM_BITS = WINDOW_BITS + 2 + 1
_PRODUCT_BITS = 32

#: A product without further shift begins so many bits above the end of the window; factors are shifted by less than 16 together.
_PLACE = 20 - 15

_SIGNIFICAND_BITS = 7
_FINE_BITS = 3


class PairSum(wiring.Component):
    """The sum of four products, in units of the window's end, before it is rounded.

    A number takes two cycles, the first of them one in which ``second`` is clear: each brings a pair of operands. How far a
    product is to be shifted is known before factors are multiplied, so they are shifted themselves, by less than 16, out of
    tables in block memory; sixteens are chosen afterwards. Products are signed, so what a negative one loses when its lower bits
    are cut has to be given back.

    Members
    -------
    second : In(1)          toggles in every cycle
    a, b : In(2 x Operand)  exponents without their formats' offsets
    floor : In(10)          the lowest exponent of the window, as ``operand_floor`` has it; in both cycles
    total : Out(signed(39)) ``PAIR_SUM_CYCLES`` after the first pair, for one cycle; one less than the sum if ``missing``
    missing : Out(1)        beside it
    limit : Out(9)          beside it: what the top bit of the magnitude counts, as ``Normalise`` takes it
    special : Out(2)        beside it: +Inf, -Inf, or with both bits NaN, instead of the sum

    Source: steps 2 to 5 of the matrix unit's arithmetic.
    """

    def __init__(self):
        operands = data.ArrayLayout(Operand, PAIR)
        super().__init__(
            {
                "second": In(1),
                "a": In(operands),
                "b": In(operands),
                "floor": In(FLOOR_BITS),
                "total": Out(signed(TOTAL_BITS)),
                "missing": Out(1),
                "limit": Out(EXPONENT_BITS),
                "special": Out(2),
            }
        )

    def elaborate(self, platform):
        m = Module()

        def register(value, name, *, cycles=1, shape=None, when=None):
            """The value so many cycles later; it is taken in cycles with ``when`` only, if that is given."""
            for cycle in range(cycles):
                following = Signal(len(value) if shape is None else shape, name=f"{name}_{cycle}", reset_less=True)
                with m.If(1 if when is None else when):
                    m.d.sync += following.eq(value)
                value = following
            return value

        second = self.second
        shifted = self._factor_tables(m)

        # Cycle 0: sums of exponents, unsigned for the sake of comparisons, and the larger one. Zero is below every floor.
        exponents, lives, signs = [], [], []
        for index in range(PAIR):
            a, b = self.a[index], self.b[index]
            total = Signal(FLOOR_BITS, name=f"exponent{index}")
            m.d.comb += total.eq((a.exponent + b.exponent)[:FLOOR_BITS] ^ (1 << FLOOR_BITS - 1))
            exponents.append(total)
            lives.append(~(a.zero | b.zero))
            signs.append(a.sign ^ b.sign)
        special = register(self._special(m), "pair_special")

        # Cycle 1: compared with the floor, then with what the first pair left.
        larger = register(Mux(exponents[0] > exponents[1], *exponents), "larger")
        largest_of_pair, largest = (Signal(FLOOR_BITS, name=name, reset_less=True) for name in ("largest_of_pair", "largest"))
        before, best = Signal(FLOOR_BITS), Signal(FLOOR_BITS)
        m.d.comb += [before.eq(Mux(second, self.floor, largest_of_pair)), best.eq(Mux(larger > before, larger, before))]
        with m.If(second):
            m.d.sync += largest_of_pair.eq(best)
        with m.Else():
            m.d.sync += largest.eq(best)

        # The magnitude's top bit counts 2**3 at the window's exponent.
        floor = register(self.floor - (TOTAL_BITS - 1 - WINDOW_BITS - 1), "floor", shape=FLOOR_BITS, when=second)
        limit = register((largest - floor)[:EXPONENT_BITS], "limit", when=second)
        m.d.comb += [
            self.limit.eq(register(limit, "limit_later", cycles=2, when=second)),
            self.special.eq(register(special | register(special, "special_before"), "special", cycles=4, when=~second)),
        ]

        # Cycle 3: distances; 4: shifted factors; 5: products.
        terms, carries = [], []
        for index in range(PAIR):
            a, b = self.a[index], self.b[index]
            exponent = register(exponents[index], f"exponent{index}_later", cycles=3)
            live, sign = (
                register(each[index], f"{name}{index}_later", cycles=3) for name, each in (("live", lives), ("sign", signs))
            )
            factors = [
                register(side[index].significand[:_SIGNIFICAND_BITS], f"{name}{index}_later", cycles=3)
                for name, side in (("a", self.a), ("b", self.b))
            ]
            distance = Signal(FLOOR_BITS, name=f"distance{index}")
            m.d.comb += distance.eq(largest - exponent)
            first, other = shifted(index, *factors, sign, ~distance[: _FINE_BITS + 1])
            product = Signal(signed(_PRODUCT_BITS), name=f"product{index}", reset_less=True)
            m.d.sync += product.eq(
                register(first, f"factor_a{index}") * register(other.as_signed(), f"factor_b{index}", shape=signed(len(other)))
            )
            sixteens = register(distance[_FINE_BITS + 1 :], f"sixteens{index}")
            live, sign = register(live, f"live{index}_4"), register(sign, f"sign{index}_4")
            places = register(Cat(live & (sixteens == number) for number in range(3)), f"places{index}", cycles=1)
            term, carry = self._term(m, index, product, places, register(sign, f"sign{index}_5"), register)
            terms.append(term)
            carries.append(carry)

        # Cycle 6: the pair's sum; 8: the sum of both pairs.
        def add(x, y, carry, bits, name):
            chain = Signal(signed(bits + 1), name=f"{name}_chain")
            m.d.comb += chain.eq(Cat(carry, x).as_signed() + Cat(carry, y).as_signed())
            return register(chain[1:], name, shape=signed(bits))

        pair = add(*terms, carries[0], _TERM_BITS + 1, "pair")
        left = register(carries[1], "left")
        pair_before, left_before = register(pair, "pair_before", shape=signed(len(pair))), register(left, "left_before")
        m.d.comb += [
            self.total.eq(add(pair_before, pair, left_before, TOTAL_BITS, "total")),
            self.missing.eq(left_before),
        ]
        return m

    def _factor_tables(self, m):
        """A function that asks for shifted significands, which come in the next cycle: a's by up to 7, b's by 8, with a sign."""
        sizes = range(128, 256)
        tables = {
            "a": [value << amount for amount in range(1 << _FINE_BITS) for value in sizes],
            "b": [(-value if sign else value) << amount & 0x1FFFF for amount in (0, 8) for sign in (0, 1) for value in sizes],
        }
        bits = {"a": 8 + (1 << _FINE_BITS) - 1, "b": 8 + 8 + 1}
        memories = {}
        for side, table in tables.items():
            memory = Memory(shape=bits[side], depth=len(table), init=table, attrs={"ram_style": "block"})
            m.submodules[f"shift_{side}"] = memories[side] = memory

        def shifted(index, a, b, sign, amount):
            ports = {side: memory.read_port() for side, memory in memories.items()}
            m.d.comb += [
                ports["a"].addr.eq(Cat(a, amount[:_FINE_BITS])),
                ports["b"].addr.eq(Cat(b, sign, amount[_FINE_BITS])),
            ]
            return ports["a"].data, ports["b"].data

        return shifted

    def _special(self, m):
        """What the special operands of a pair make: bits as ``special`` has them."""
        results = []
        for a, b in zip(self.a, self.b, strict=True):
            invalid = a.nan | b.nan | a.infinite & b.zero | a.zero & b.infinite
            infinite = a.infinite | b.infinite
            negative = a.sign ^ b.sign
            results.append(Cat(invalid | infinite & ~negative, invalid | infinite & negative))
        return results[0] | results[1]

    def _term(self, m, index, product, places, sign, register):
        """The product in its place in the window, cut towards minus infinity, and whether one has to be added to it then.

        ``places`` and ``sign`` come a cycle before the product.
        """
        near, middle, far = places
        # Of the farthest, whose bits reach the lowest places only, nothing but the sign is higher up; chosen as both others.
        upper, lower = (register(place | far & sign, f"{name}{index}") for name, place in (("near", near), ("middle", middle)))
        middle, far = register(middle, f"is_middle{index}"), register(far, f"is_far{index}")
        ends = _PLACE, _PLACE - 16, _PLACE - 32
        term = Signal(signed(_TERM_BITS), name=f"term{index}")
        for bit in range(_TERM_BITS):
            sources = [product[min(bit - end, _PRODUCT_BITS - 1)] if bit >= end else 0 for end in ends]
            if bit - ends[2] < _PRODUCT_BITS:
                chosen = middle & sources[1] | far & sources[2]
            else:
                chosen = Mux(lower, upper | sources[1], upper & sources[0])
            m.d.comb += term[bit].eq(chosen)
        lost = middle & product[: -ends[1]].any() | far & product[: -ends[2]].any()
        return term, product[-1] & lost
