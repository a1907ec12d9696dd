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

_SUM, _MINIMUM = (sub_operation(f"{name}.i32") for name in ("vredsum", "vredmin"))

#: Memory blocks have to be asked for where few words are kept.
_BLOCK = {"ram_style": "block"}


class _Pass(data.StructLayout):
    """What comes with an element on its way through the lane.

    ``counts``: its flags count. ``inexact``: it is so whatever it is. ``fills``, ``upper``, ``present``: what becomes of a moved
    byte. ``writes``: with it, the word ``where`` of the result is complete, all of which is ``merged`` with the old one.
    """

    def __init__(self, config: NodeConfig):
        single = ("counts", "inexact", "fills", "upper", "present", "writes", "merges")
        super().__init__(dict.fromkeys(single, 1) | {"where": range(config.fp32_lanes)})


class OneLaneUnit(wiring.Component):
    """Operations on vector registers with one lane of 32 bits; docs/architecture.md has the rules of entry and the timing.

    In every cycle an element of the operation that is held enters the lane: 32 bits, 16 of BF16, or a byte of permutations, which
    pass unchanged. Behind the lane it is converted, put together with its neighbours to a word, and the word is merged into the
    result. Reductions go through the lane pair by pair, and their last result then once for each element. What the lane cannot
    compute is computed before it, and passes unchanged too.

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
        names = ("op", "sub", "a", "b", "c", "mask", "format", "bias", "random", "row")
        held = {name: Signal.like(getattr(self, name), name=f"held_{name}", reset_less=True) for name in names}
        scalar_operations = ("vslideup", "vslidedown", "vbcl.e8", "vbcl.e16", "vbcl.e32")
        # No operation has both a scalar and a second register.
        takes_scalar = Signal()
        broadcasts = (self.op == operation("vbc.e8")) & (self.sub >= sub_operation("vbc.e8"))
        m.d.comb += takes_scalar.eq(self.op.matches(*map(operation, scalar_operations)) | broadcasts)
        with m.If(starts):
            m.d.sync += [target.eq(getattr(self, name)) for name, target in held.items()]
            with m.If(takes_scalar):
                m.d.sync += held["b"][:64].eq(self.scalar)
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
        eight_bits, all_bits = known("eight_bits", eight), known("all_bits", thirty_two)
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
        number, following = Signal(byte_bits), Signal(byte_bits)
        waits, digit_cycles = Signal(range(max(DIGIT_CYCLES.values()) + 1)), Signal(range(max(DIGIT_CYCLES.values()) + 1))
        begins_element, begins_digits = Signal(), Signal()
        m.submodules.order = order = PairwiseOrder(config, ONE_LANE_COMBINE_CYCLES)
        enters, ends = Signal(), Signal()
        m.d.comb += [
            order.size.eq(size),
            enters.eq(active & Mux(kind.reduces, distributes, ~specials | ((waits == 0) & ~begins_element))),
            ends.eq(
                number[:word_bits].all()
                & (number[word_bits] | names_format | (size == 2))
                & (number[word_bits + 1] | names_format | size[1] | size[0])
            ),
        ]
        m.d.comb += following.eq(number + 1)
        with m.If(enters):
            m.d.sync += number.eq(following)
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

        # -- where operands come from, as bytes of registers --------------------------------------------------------------
        m.submodules.bytes = moved = ByteSource(config)
        mask_address, index = Signal(byte_bits), Signal(byte_bits, reset_less=True)
        mask_bit = Signal()
        # The index of the first byte comes with the operation, that of each other one is looked up while the one before is.
        with m.If(starts):
            m.d.sync += index.eq(Mux(takes_scalar, self.scalar, self.b))
        with m.Else():
            m.d.sync += index.eq(held["b"].word_select(moved.index_address, 8))
        m.d.comb += [
            moved.start.eq(starts),
            moved.op.eq(self.op),
            moved.sub.eq(self.sub),
            moved.row.eq(held["row"]),
            moved.number.eq(number),
            moved.following.eq(following),
            moved.index.eq(index),
            moved.chosen.eq(mask_bit),
            moved.far.eq(held["b"][byte_bits:64].any()),
        ]
        by_size = Signal(byte_bits)
        with m.Switch(size):
            for log in range(3):
                with m.Case(log):
                    m.d.comb += by_size.eq(number << log)
        of_codes = Signal(byte_bits)
        in_part = Cat(number[:word_bits], part)
        with m.If(eight_bits):
            m.d.comb += of_codes.eq(in_part)
        with m.Elif(all_bits):
            m.d.comb += of_codes.eq(number << 2)
        with m.Else():
            m.d.comb += of_codes.eq(in_part[:-1] << 1)
        plain, first, use_second = Signal(byte_bits), Signal(byte_bits), Signal()
        with m.If(kind.permutes):
            m.d.comb += [plain.eq(moved.plain), use_second.eq(moved.second)]
        with m.Elif(kind.decodes):
            m.d.comb += plain.eq(of_codes)
        with m.Elif(kind.converts):
            m.d.comb += [plain.eq(number[:word_bits] << 2), use_second.eq(kind.rounds_pair & number[word_bits])]
        with m.Elif(kind.reduces):
            m.d.comb += plain.eq(order.address)
        with m.Else():
            m.d.comb += plain.eq(by_size)
        m.d.comb += first.eq(Mux(kind.permutes & moved.indexes, moved.source, plain))
        m.d.comb += mask_address.eq(Mux(names_format, of_codes, by_size))

        # -- words of the result -------------------------------------------------------------------------------------------
        where = Signal(word_bits)
        completes = Signal()
        with m.Switch(size):
            for log in range(3):
                with m.Case(log):
                    parts = 2 - log
                    # Of a register that codes fill in part, the other words are kept, one with each code that does not complete
                    # a word: those of the following parts, in turn.
                    turn = (part + number[:parts] + 1)[:parts]
                    m.d.comb += [
                        where.eq(Mux(names_format, Cat(number[parts:word_bits], turn), number[parts : parts + word_bits])),
                        completes.eq(number[:parts].all() if parts else 1),
                    ]
        m.d.comb += mask_bit.eq(held["mask"].bit_select(mask_address, 1))

        # -- words ---------------------------------------------------------------------------------------------------------
        uses_hold = Signal()
        first_word, second_word, c_word = Signal(32), Signal(32), Signal(32)
        m.d.comb += [
            uses_hold.eq(kind.reduces & (distributes | order.use_result)),
            first_word.eq(held["a"].word_select(first[2:], 32)),
            second_word.eq(held["b"].word_select(plain[2:], 32)),
            c_word.eq(held["c"].word_select(where, 32)),
        ]
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
            word=Mux(use_second, second_word, first_word),
            second_word=second_word,
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
        )

        # -- operands in them, in the upper bits ---------------------------------------------------------------------------
        hold = Signal(32, reset_less=True)
        m.submodules.stack = stack = Memory(shape=32, depth=2 ** len(order.top), init=[], attrs=_BLOCK)
        top, push = stack.read_port(), stack.write_port()
        a, b, c = (Signal(32, name=f"lane_{name}") for name in "abc")

        def in_upper_bits(word):
            """The element of a word, with zeros below."""
            half = Mux(selected["upper_half"], word[16:], word[:16])
            byte = Mux(selected["lower_byte"], half[:8], half[8:])
            return Cat(word[:16] & selected["whole"].replicate(16), half[:8] & selected["half"].replicate(8), byte)

        second, third = (Signal(32, name=name) for name in ("second_operand", "third_operand"))
        m.d.comb += [
            second.eq(in_upper_bits(selected["second_word"])),
            # This one is never a byte.
            third[16:].eq(Mux(selected["upper_half"], selected["c_word"][16:], selected["c_word"][:16])),
            third[:16].eq(selected["c_word"][:16] & selected["whole"].replicate(16)),
            a.eq(in_upper_bits(Mux(selected["uses_hold"], hold, selected["word"]))),
            c.eq(third),
        ]
        with m.If(kind.reduces):
            m.d.comb += b.eq(top.data)
        with m.Elif(second_is_low):
            # In the lower half as well, where it is a byte in the lowest bits.
            m.d.comb += b.eq(Cat(Mux(size[0], second[16:24], second[24:]), second[24:], second[16:]))
        with m.Else():
            m.d.comb += b.eq(second)
        m.d.comb += [
            top.addr.eq(order.top),
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
        for cycle in range(1, _CONVERTED_CYCLES + 1):
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
            now.writes.eq(completes | names_format),
            now.merges.eq(~names_format | completes),
            now.where.eq(where),
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
        code = rounding.code
        # A power may be just the number that its inexact operand gives.
        tiny = ~lane_result[23:31].any()
        inexact = Mux(leaving.inexact, Flag.INEXACT.value | Mux(tiny, Flag.UNDERFLOW.value, 0), 0)
        of_lane = Mux((leaves | combined) & leaving.counts & ~places, lane_flags | inexact, 0)
        of_code = Mux(leaves_converter & converted.counts & encodes, rounding.flags, 0) & (
            _SECOND_STEP | kind.converts.replicate(_FLAGS)
        )
        new = self._later(m, "new", of_lane=of_lane, of_code=of_code)
        with m.If(fresh):
            m.d.sync += self.flags.eq(0)
        with m.Else():
            m.d.sync += self.flags.eq(self.flags | new["of_lane"] | new["of_code"])

        # -- elements to words ---------------------------------------------------------------------------------------------
        # What needs no converter does not wait for it.
        done = Signal(_Pass(config))
        finishes = Signal()
        m.d.comb += [done.eq(Mux(encodes, converted, leaving)), finishes.eq(Mux(encodes, leaves_converter, leaves))]
        moved_byte = self._moved_byte(m, moved, done, lane_result)
        upper_half, upper_byte = Signal(16), Signal(8)
        with m.If(encodes):
            m.d.comb += [upper_half.eq(code), upper_byte.eq(code[8:])]
        with m.Else():
            m.d.comb += [upper_half.eq(Mux(is_class, lane_result[:16], lane_result[16:])), upper_byte.eq(moved_byte)]
        word, present = Signal(32, reset_less=True), Signal(4, reset_less=True)
        with m.If(finishes):
            m.d.sync += present.eq(Mux(kind.permutes, Cat(present[1:], done.present), ~0))
            with m.Switch(size):
                with m.Case(0):
                    m.d.sync += word.eq(Cat(word[8:], upper_byte))
                with m.Case(1):
                    m.d.sync += word.eq(Cat(word[16:], upper_half))
                with m.Default():
                    m.d.sync += word.eq(lane_result)

        # -- words to the result -------------------------------------------------------------------------------------------
        m.submodules.old = old = Memory(shape=32, depth=config.fp32_lanes, init=[], attrs=_BLOCK)
        keep, kept = old.write_port(), old.read_port()
        m.d.comb += [
            keep.addr.eq(selected["where"]),
            keep.data.eq(selected["c_word"]),
            keep.en.eq(1),
            kept.addr.eq(done.where),
        ]
        last = self._later(m, "last", where=done.where, merges=done.merges)
        writes = Signal()
        m.d.sync += writes.eq(finishes & done.writes)
        mask = Mux(kind.selects, 15, held["mask"].word_select(last["where"], 4) & last["merges"].replicate(4))
        merged = Signal(32)
        m.d.comb += merged.eq(Cat(Mux(mask[i], word.word_select(i, 8), kept.data.word_select(i, 8)) for i in range(4)))
        with m.If(writes):
            for i in range(config.fp32_lanes):
                with m.If(~kind.compares & (last["where"] == i)):
                    for byte in range(4):
                        with m.If(present[byte]):
                            m.d.sync += self.result.word_select(4 * i + byte, 8).eq(merged.word_select(byte, 8))
            with m.If(kind.compares):
                m.d.sync += self.result[: config.line_bytes].word_select(last["where"], 4).eq(word[::8] & mask)
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
