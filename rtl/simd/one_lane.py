# SPDX-License-Identifier: Apache-2.0
"""The SIMD unit of small nodes: one lane for everything, one element after the other."""

from amaranth.hdl import C, Cat, ClockSignal, Instance, Module, Mux, ResetSignal, Signal
from amaranth.lib import data, wiring
from amaranth.lib.memory import Memory
from amaranth.utils import exact_log2

from golden.config import NodeConfig
from golden.layout import Flag, FormatKind
from rtl.arithmetic.format_encode import KIND_BITS
from rtl.arithmetic.format_round import FORMAT_ROUND_CYCLES, MOVED_KINDS, FormatRound, MovedNumber
from rtl.arithmetic.fp32_fma import SUM_BITS
from rtl.arithmetic.normalise import EXPONENT_BITS
from rtl.simd.byte_source import ByteSource
from rtl.simd.digits import DIGIT_CYCLES, Digits
from rtl.simd.float_lane import FloatOp
from rtl.simd.kind import OperationKind
from rtl.simd.operations import operation, sub_operation
from rtl.simd.pairwise import PairwiseOrder
from rtl.simd.ports import RANDOM_BITS, simd_ports
from rtl.simd.small_float_lane import SMALL_FLOAT_LANE_CYCLES, SMALL_FLOAT_LANE_NAME
from rtl.simd.special import SpecialOp
from rtl.simd.timing import ONE_LANE_COMBINE_CYCLES

__all__ = ["OneLaneUnit"]

_FLAGS = len(Flag)
_SECOND_STEP = int(Flag.INEXACT | Flag.OVERFLOW | Flag.UNDERFLOW)

#: Random bits that rounding to BF16 takes, the low ones.
_BF16_RANDOM_BITS = 16

#: Cycles from the selection of words, behind which are the selection of operands in them and the lane, to the lane's result.
_LANE_CYCLES = 1 + SMALL_FLOAT_LANE_CYCLES

#: The same as for the lane to converted elements.
_CONVERTED_CYCLES = _LANE_CYCLES + FORMAT_ROUND_CYCLES

#: Cycles from an element to the one in which it goes into the result, rounded or not.
_DONE_CYCLES, _CONVERTED_DONE_CYCLES = _LANE_CYCLES + 1, _CONVERTED_CYCLES + 1

_SUM, _MINIMUM = (sub_operation(f"{name}.i32") for name in ("vredsum", "vredmin"))

#: Memory blocks have to be asked for where few words are kept.
_BLOCK = {"ram_style": "block"}


class _Pass(data.StructLayout):
    """What comes with an element on its way through the lane.

    ``address``: of its lowest byte in the result. ``counts``: its flags count. ``inexact``: it is so whatever it is. ``fills``,
    ``upper``, ``present``: what becomes of a moved byte.
    """

    def __init__(self, config: NodeConfig):
        single = ("counts", "inexact", "fills", "upper", "present")
        super().__init__(dict.fromkeys(single, 1) | {"address": range(config.line_bytes)})


class OneLaneUnit(wiring.Component):
    """Operations on vector registers with one lane of 32 bits; docs/architecture.md has the rules of entry and the timing.

    In every other cycle an element of the operation that is held enters the lane: 32 or 16 bits, or a byte, as it is of
    permutations, which pass unchanged. Behind the lane it is rounded to other formats, and goes into the result; bytes that are
    masked off come there while elements enter. Reductions go through the lane pair by pair, and their last result then once for
    each element.

    Parameters
    ----------
    config : NodeConfig
        With one FP32 lane per pass.

    Members
    -------
    Those of :func:`rtl.simd.ports.simd_ports`. ``collect`` is an operation that leaves its bytes in the result for the next.
    """

    def __init__(self, config: NodeConfig):
        if config.simd_passes != config.fp32_lanes:
            raise ValueError(f"simd_passes = {config.simd_passes} is not the number of FP32 lanes, {config.fp32_lanes}")
        self.config = config
        super().__init__(simd_ports(config))

    def elaborate(self, platform):
        m = Module()
        config = self.config
        word_bits = exact_log2(config.fp32_lanes)
        byte_bits = word_bits + 2

        # -- the operation ---------------------------------------------------------------------------------------------
        starts = Signal()
        m.d.comb += starts.eq(self.valid | self.collect)
        names = ("op", "sub", "a", "b", "c", "scalar", "mask", "bias", "random", "row")
        held = {name: Signal.like(getattr(self, name), name=f"held_{name}", reset_less=True) for name in names}
        indexed_by_scalar = self.op.matches(*map(operation, ("vslideup", "vslidedown", "vbcl.e8", "vbcl.e16", "vbcl.e32")))
        broadcast = (self.op == operation("vbc.e8")) & (self.sub >= sub_operation("vbc.e8"))
        with m.If(starts):
            m.d.sync += [target.eq(getattr(self, name)) for name, target in held.items()]
        # What the operation is, is known before it is held.
        entering_kind = OperationKind(m, "entering", self.op, self.sub)
        kind = entering_kind.held(m, starts)
        part = kind.operation[:2]

        def known(name, value):
            """A register of what is known of the operation."""
            register = Signal(len(value), name=name, reset_less=True)
            with m.If(starts):
                m.d.sync += register.eq(value)
            return register

        def of(kind):
            return named_format == kind

        converts, decodes = entering_kind.converts, entering_kind.decodes
        named_format = Signal(KIND_BITS)
        m.d.comb += named_format.eq(Mux(converts & self.op[2:4].any(), self.format, FormatKind.BF16))
        eight, thirty_two = of(FormatKind.CFP8_143) | of(FormatKind.CFP8_152), of(FormatKind.FP32)
        code_size, lane_size = Signal(2), Signal(2)
        m.d.comb += [
            code_size.eq(Mux(eight, 0, Mux(thirty_two, 2, 1))),
            lane_size.eq(
                Mux(
                    entering_kind.permutes | entering_kind.integer & entering_kind.int8,
                    0,
                    Mux(entering_kind.bf16 | entering_kind.integer & entering_kind.int16, 1, 2),
                )
            ),
        ]
        # Logarithms of the bytes of an element of the result, and of one of the first register.
        names_code = converts & self.op[3]
        size = known("size", Mux(converts, Mux(names_code, code_size, Mux(decodes, 2, 1)), lane_size))
        source_size = known("source_size", Mux(converts, Mux(decodes, code_size, 2), lane_size))
        named, names_format = known("named", named_format), known("names_format", names_code)
        has_scalar_index, broadcasts = known("has_scalar_index", indexed_by_scalar), known("broadcasts", broadcast)
        # Of a collected pair no byte is masked off, and none where the predicate selects.
        writes_all = self.collect | entering_kind.selects
        unmasked = known("unmasked", Mux(writes_all, ~0, self.mask))
        specials = known("specials", entering_kind.iterative & ~entering_kind.reduces)
        # To binary32 nothing is rounded, so its codes are decoded.
        decoding = known("decoding", decodes | names_code & thirty_two)
        unary_class = entering_kind.unary & ~entering_kind.iterative
        injects = (self.op[:4] >= FloatOp.SGNJ.value) & (self.op[:4] <= FloatOp.SGNJX.value)
        moves_bits = entering_kind.compares | unary_class | injects
        encodes = known("encodes", converts & ~decodes & ~(names_code & thirty_two) | entering_kind.bf16 & ~moves_bits)
        places = known("places", names_code & named_format.matches(*(kind.value for kind in MOVED_KINDS)))
        is_class = known("is_class", entering_kind.bf16 & unary_class)
        low_factors = (*(operation(f"{name}.i32") & 15 for name in ("vmul", "vsll", "vsrl", "vsra")),)
        second_is_low = known("second_is_low", entering_kind.integer & self.op[:4].matches(*low_factors) & (lane_size != 2))

        # -- its elements, one after the other -------------------------------------------------------------------------
        active, fresh, distributes = Signal(), Signal(), Signal()
        number, second_cycle = Signal(byte_bits), Signal()
        waits, digit_cycles = Signal(range(max(DIGIT_CYCLES.values()) + 1)), Signal(range(max(DIGIT_CYCLES.values()) + 1))
        begins_element, begins_digits = Signal(), Signal()
        m.submodules.order = order = PairwiseOrder(config, ONE_LANE_COMBINE_CYCLES)
        enters, ends = Signal(), Signal()
        m.d.comb += [
            order.size.eq(size),
            enters.eq(active & Mux(specials, (waits == 0) & ~begins_element, second_cycle) & (distributes | ~kind.reduces)),
            ends.eq(
                number[:word_bits].all()
                & (number[word_bits] | names_format | (size == 2))
                & (number[word_bits + 1] | names_format | size[1] | size[0])
            ),
        ]
        m.d.sync += second_cycle.eq(~(starts | enters | order.done))
        with m.If(enters):
            m.d.sync += number.eq(number + 1)
            with m.If(ends):
                m.d.sync += active.eq(0)
        function = held["sub"][:2]
        with m.Switch(function):
            for each, cycles in DIGIT_CYCLES.items():
                with m.Case(each):
                    m.d.comb += digit_cycles.eq(cycles)
        # An element begins in the first cycle, and in those after one has entered.
        m.d.sync += begins_element.eq(starts | enters)
        with m.If(begins_element):
            m.d.sync += waits.eq(digit_cycles - 1)
        with m.Elif(waits.any()):
            m.d.sync += waits.eq(waits - 1)
        m.d.sync += begins_digits.eq(active & specials & begins_element)
        with m.If(order.done):
            m.d.sync += distributes.eq(1)
        m.d.sync += fresh.eq(starts)
        with m.If(starts):
            m.d.sync += [active.eq(1), number.eq(0), distributes.eq(0)]
        m.d.comb += order.start.eq(fresh & kind.reduces)

        # -- where operands come from and results go to, as bytes of registers -------------------------------------------
        m.submodules.bytes = moved = ByteSource(config)
        index = Signal(byte_bits, reset_less=True)
        mask_bit = Signal(reset_less=True)
        m.d.comb += [
            moved.start.eq(starts),
            moved.op.eq(self.op),
            moved.sub.eq(self.sub),
            moved.row.eq(held["row"]),
            moved.number.eq(number),
            moved.index.eq(index),
            moved.chosen.eq(mask_bit),
            moved.far.eq(held["scalar"][byte_bits:].any()),
        ]

        def times(value, size):
            """The value times the bytes of an element."""
            product = Signal(byte_bits)
            with m.Switch(size):
                for log in range(3):
                    with m.Case(log):
                        m.d.comb += product.eq(value << log)
            return product

        # Codes fill a part of their register.
        in_source, in_result = part & kind.decodes.replicate(2), part & names_format.replicate(2)
        first, second, address = Signal(byte_bits), Signal(byte_bits), Signal(byte_bits)
        element_address = times(number | order.element | in_source << word_bits, source_size)
        use_second = kind.permutes & moved.second | kind.rounds_pair & number[word_bits]
        m.d.comb += [
            first.eq(Mux(kind.permutes, moved.source, element_address)),
            second.eq(Mux(kind.permutes, moved.plain, element_address)),
            address.eq(times(number | in_result << word_bits, size)),
        ]
        # There in the second cycle of an element.
        m.d.sync += mask_bit.eq(held["mask"].bit_select(address, 1))

        # -- words ---------------------------------------------------------------------------------------------------------
        uses_hold = Signal()
        first_word, second_word, c_word = Signal(32), Signal(32), Signal(32)
        # Each element of codes that fill a part brings another word of the other parts.
        where = Mux(names_format, number[:word_bits], address[2:])
        m.d.comb += [
            uses_hold.eq(kind.reduces & (distributes | order.use_result)),
            first_word.eq(held["a"].word_select(first[2:], 32)),
            second_word.eq(held["b"].word_select(second[2:], 32)),
            c_word.eq(held["c"].word_select(where, 32)),
        ]
        # The index is there in the second cycle of an element.
        m.d.sync += index.eq(Mux(has_scalar_index, held["scalar"], second_word.word_select(second[:2], 8)))
        taken_size = Signal(2)
        m.d.comb += taken_size.eq(Mux(uses_hold, 2, Mux(kind.permutes, moved.narrows, source_size)))

        integer = kind.integer & ~distributes
        op = Signal(FloatOp)
        with m.If(specials):
            waiting = Mux(function == SpecialOp.POWER, FloatOp.FIX.value, FloatOp.NORMALISE.value)
            # Those that round are numbered alike.
            m.d.comb += op.eq(Mux(enters, Cat(function, C(7, 3)), waiting))
        with m.Elif(decoding):
            m.d.comb += op.eq(FloatOp.DECODE)
        with m.Elif(places):
            m.d.comb += op.eq(FloatOp.PLACE)
        with m.Elif(kind.converts | kind.permutes | distributes):
            m.d.comb += op.eq(FloatOp.MOVE)
        with m.Elif(kind.reduces):
            # Numbers of integers' reductions but for sums are those of the operations on two registers, which have numbers one
            # less of floating-point ones. Sums are 0 in both.
            of_integers, of_floats = held["sub"][:4], Mux(held["sub"] == _MINIMUM, FloatOp.MIN.value, FloatOp.MAX.value)
            m.d.comb += op.eq(Mux(held["sub"] == _SUM, 0, Mux(kind.integer, of_integers, of_floats)))
        with m.Elif(kind.unary):
            m.d.comb += op.eq(Cat(held["sub"][:4], C(1, 1)))
        with m.Else():
            m.d.comb += op.eq(Cat(kind.operation, kind.integer & (held["op"][4:7] == operation("vand") >> 4)))

        selected = self._later(
            m,
            "selected",
            word=Mux(broadcasts, 0, Mux(use_second, second_word, first_word)),
            scalar=Mux(broadcasts, held["scalar"].word_select(second[2], 32), 0),
            second_word=Mux(kind.reduces, 0, second_word),
            c_word=c_word,
            # Where in its word an element of fewer bits is.
            upper_half=first[1] | taken_size[1],
            lower_byte=~first[0] & ~taken_size.any(),
            whole=taken_size[1],
            half=taken_size.any(),
            uses_hold=uses_hold,
            top=order.top,
            push=order.push,
            where=where,
            op=op,
            integer=integer,
            second=enters | order.combine | specials,
            old=active & Mux(specials, begins_element, ~second_cycle) & (distributes | ~kind.reduces),
        )

        # -- operands in them, in the upper bits ---------------------------------------------------------------------------
        hold = Signal(32, reset_less=True)
        m.submodules.stack = stack = Memory(shape=32, depth=2 << len(order.top), init=[], attrs=_BLOCK)
        top, push = stack.read_port(), stack.write_port()
        a, b, c = (Signal(32, name=f"lane_{name}") for name in "abc")

        def in_upper_bits(word):
            """The element of a word, with zeros below."""
            half = Mux(selected["upper_half"], word[16:], word[:16])
            byte = Mux(selected["lower_byte"], half[:8], half[8:])
            return Cat(word[:16] & selected["whole"].replicate(16), half[:8] & selected["half"].replicate(8), byte)

        one, other, third = (Signal(32, name=f"{name}_operand") for name in ("one", "other", "third"))
        m.d.comb += [
            one.eq(in_upper_bits(Mux(selected["uses_hold"], hold, selected["word"]) | selected["scalar"])),
            other.eq(in_upper_bits(selected["second_word"])),
            # This one is never a byte.
            third[16:].eq(Mux(selected["upper_half"], selected["c_word"][16:], selected["c_word"][:16])),
            third[:16].eq(selected["c_word"][:16] & selected["whole"].replicate(16)),
            a.eq(one),
            b.eq(other | top.data),
            c.eq(third),
        ]
        with m.If(second_is_low):
            # In the lower half as well, where it is a byte in the lowest bits.
            m.d.comb += b[:16].eq(Cat(Mux(size[0], other[16:24], other[24:]), other[24:]))
        m.d.comb += [
            # The upper half of the memory is zero.
            top.addr.eq(Cat(order.top, ~kind.reduces)),
            push.addr.eq(selected["top"]),
            push.en.eq(selected["push"]),
            push.data.eq(a),
        ]

        # -- the lane ------------------------------------------------------------------------------------------------------
        lane_result, lane_flags, moved_number = Signal(32), Signal(_FLAGS), Signal(MovedNumber)
        m.submodules.digits = digits = Digits()
        entered, entered_digits = (
            self._later(m, "entered", a=a)["a"],
            self._later(m, "entered", starts=self._later(m, "selected", starts=begins_digits)["starts"])["starts"],
        )
        fixed, normalised, normal_exponent = Signal(SUM_BITS), Signal(24), Signal(EXPONENT_BITS)
        m.submodules.float = Instance(
            SMALL_FLOAT_LANE_NAME,
            i_clk=ClockSignal(),
            i_rst=ResetSignal(),
            i_op=selected["op"],
            i_integer=selected["integer"],
            i_second=selected["second"],
            i_width=size,
            i_kind=named,
            i_bias=held["bias"],
            i_a=a,
            i_b=b,
            i_c=c,
            o_result=lane_result,
            o_flags=lane_flags,
            o_moved_number=moved_number.as_value(),
            i_accumulation=digits.accumulation,
            o_fixed=fixed,
            o_normalised=normalised,
            o_normal_exponent=normal_exponent,
        )
        m.d.comb += [
            digits.start.eq(entered_digits),
            digits.function.eq(function),
            digits.x.eq(entered),
            digits.fixed.eq(fixed),
            digits.normalised.eq(normalised),
            digits.normal_exponent.eq(normal_exponent),
        ]

        # -- beside the lane -----------------------------------------------------------------------------------------------
        now = Signal(_Pass(config))
        element, combines = enters, order.combine
        stages = [(now, element, combines)]
        for cycle in range(1, _CONVERTED_DONE_CYCLES + 1):
            stage = Signal(_Pass(config), name=f"pass{cycle}", reset_less=True)
            later_element, later_combines = Signal(name=f"element{cycle}"), Signal(name=f"combines{cycle}")
            m.d.sync += [stage.eq(stages[-1][0]), later_element.eq(stages[-1][1]), later_combines.eq(stages[-1][2])]
            stages.append((stage, later_element, later_combines))
        m.d.comb += [
            now.counts.eq(mask_bit | kind.reduces),
            now.inexact.eq(specials & digits.inexact),
            now.fills.eq(moved.fills & kind.permutes),
            now.upper.eq(moved.upper),
            now.present.eq(moved.present | ~kind.permutes),
            now.address.eq(address),
        ]
        leaving, leaves, combined = stages[_LANE_CYCLES]
        converted, leaves_converter, _ = stages[_CONVERTED_CYCLES]
        with m.If(combined):
            m.d.sync += hold.eq(lane_result)

        # -- behind the lane: converts, flags ------------------------------------------------------------------------------
        # Only BF16 takes bits of the second step, and few of them.
        lanes, high_bits = config.fp32_lanes, RANDOM_BITS - _BF16_RANDOM_BITS
        _, almost_leaves, _ = stages[_LANE_CYCLES - 1]
        draw = Signal(word_bits + 1)
        with m.If(starts):
            m.d.sync += draw.eq(0)
        with m.Elif(almost_leaves & ~kind.reduces):
            m.d.sync += draw.eq(draw + 1)
        low_random = Cat(held["random"][lane][:_BF16_RANDOM_BITS] for lane in range(2 * lanes))
        high_random = Cat(held["random"][lane][_BF16_RANDOM_BITS:] for lane in range(lanes))
        random = Cat(low_random.word_select(draw, _BF16_RANDOM_BITS), high_random.word_select(draw[:-1], high_bits))
        m.submodules.rounding = rounding = FormatRound()
        m.d.comb += [
            rounding.value.eq(lane_result),
            rounding.moved_number.eq(moved_number),
            rounding.kind.eq(named),
            rounding.bias.eq(held["bias"]),
            rounding.stochastic.eq(kind.stochastic),
            rounding.random.eq(self._later(m, "drawn", random=random)["random"]),
        ]
        # A power may be just the number that its inexact operand gives.
        tiny = ~lane_result[23:31].any()
        inexact = Mux(leaving.inexact, Flag.INEXACT.value | Mux(tiny, Flag.UNDERFLOW.value, 0), 0)
        of_lane = Mux((leaves | combined) & leaving.counts & ~places, lane_flags | inexact, 0)
        of_code = Mux(leaves_converter & converted.counts & encodes, rounding.flags, 0) & (
            _SECOND_STEP | kind.converts.replicate(_FLAGS)
        )
        with m.If(fresh):
            m.d.sync += self.flags.eq(0)
        with m.Else():
            m.d.sync += self.flags.eq(self.flags | of_lane | of_code)

        # -- into the result -----------------------------------------------------------------------------------------------
        # What is not rounded does not wait for it. A class has ten bits.
        class_bits = Cat(lane_result[:10] & is_class.replicate(10), C(0, 6))
        upper_half, moved_byte = Signal(16), self._moved_byte(m, moved, leaving, lane_result)
        m.d.comb += upper_half.eq(Mux(encodes, rounding.code, lane_result[16:] | class_bits))
        finished = self._later(
            m, "finished", result=Cat(lane_result[:16], upper_half[:8], Mux(kind.permutes, moved_byte, upper_half[8:]))
        )["result"]
        done, finishes = Signal(_Pass(config)), Signal()
        (done_here, leaves_here, _), (converted_here, leaves_converted, _) = stages[_DONE_CYCLES], stages[_CONVERTED_DONE_CYCLES]
        m.d.comb += [
            done.eq(Mux(encodes, converted_here, done_here)),
            finishes.eq(Mux(encodes, leaves_converted, leaves_here) & (done.present | ~kind.permutes)),
        ]
        top_byte, next_byte = finished[24:], finished[16:24]
        placed = (
            Mux(size[1], finished[:8], Mux(size[0], next_byte, top_byte)),
            Mux(size[1], finished[8:16], top_byte),
            Mux(size.any(), next_byte, top_byte),
            top_byte,
        )
        # Old words come beside first cycles of elements, what they become beside second ones.
        if _DONE_CYCLES % 2 == 0 or _CONVERTED_DONE_CYCLES % 2 == 0:
            raise ValueError("elements finish when others begin")
        old = Mux(selected["old"], selected["c_word"], Cat(placed))
        old_where = self._later(m, "old", where=where)["where"]
        covers = [size[1] | (done.address[1] == byte >> 1) & (size[0] | (done.address[0] == byte & 1)) for byte in range(4)]
        # A predicate has a bit for each byte.
        truth = unmasked & finished[24].replicate(config.line_bytes)
        writes = []
        for number_of_byte in range(config.line_bytes):
            word, byte = divmod(number_of_byte, 4)
            if byte == 0:
                finishes_here, begins_here, begins_all = (
                    Signal(name=f"{name}{word}") for name in ("finishes", "begins", "fills")
                )
                m.d.comb += [
                    finishes_here.eq(finishes & (done.address[2:] == word)),
                    begins_here.eq(selected["old"] & (old_where == word) & ~kind.compares),
                    begins_all.eq(begins_here & names_format),
                ]
            covered, written = Signal(name=f"covered{number_of_byte}"), Signal(name=f"written{number_of_byte}")
            m.d.comb += [
                covered.eq(finishes_here & covers[byte]),
                written.eq(begins_all | Mux(unmasked[number_of_byte], covered & ~kind.compares, begins_here)),
            ]
            writes.append((covered, written))
        for bit in range(8 * config.line_bytes):
            _, written = writes[bit // 8]
            if bit < config.line_bytes:
                covered, _ = writes[bit]
                with m.If(written | covered & kind.compares):
                    m.d.sync += self.result[bit].eq(Mux(kind.compares, truth[bit], old[bit % 32]))
            else:
                with m.If(written):
                    m.d.sync += self.result[bit].eq(old[bit % 32])
        return m

    @staticmethod
    def _later(m, prefix, **values):
        """The values in the next cycle, by name."""
        registers = {}
        for name, value in values.items():
            registers[name] = Signal(Cat(value).shape(), name=f"{prefix}_{name}", reset_less=True)
            m.d.sync += registers[name].eq(value)
        return registers

    @staticmethod
    def _moved_byte(m, moved, done, value):
        """A byte of a permutation: as it is, filled, or of an element saturated to half its bits."""
        sign, outside, narrows = value[31], Signal(), moved.narrows
        with m.If(narrows[1]):
            m.d.comb += outside.eq(Mux(moved.unsigned, value[16:].any(), (value[15:31] ^ sign.replicate(16)).any()))
        with m.Else():
            m.d.comb += outside.eq(narrows[0] & Mux(moved.unsigned, value[24:].any(), (value[23:31] ^ sign.replicate(8)).any()))
        top = Mux(narrows[0] | done.upper, sign ^ moved.unsigned, ~sign)
        byte = Signal(8)
        with m.If(done.fills):
            m.d.comb += byte.eq((sign & moved.signed).replicate(8))
        with m.Elif(outside):
            m.d.comb += byte.eq(Cat((~sign).replicate(7), top))
        with m.Elif(narrows[1]):
            m.d.comb += byte.eq(Mux(done.upper, value[8:16], value[:8]))
        with m.Else():
            m.d.comb += byte.eq(Mux(narrows[0], value[16:24], value[24:]))
        return byte
