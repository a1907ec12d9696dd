# SPDX-License-Identifier: Apache-2.0
"""The SIMD unit of small nodes: one lane for everything, one element after the other."""

from amaranth.hdl import C, Cat, ClockSignal, Instance, Module, Mux, ResetSignal, Signal
from amaranth.lib import data, wiring
from amaranth.lib.memory import Memory
from amaranth.utils import exact_log2

from golden.config import NodeConfig
from golden.layout import BIAS_BITS, Flag, FormatKind
from rtl.arithmetic.format_encode import KIND_BITS, SMALL_CYCLES, SMALL_FORMAT_ENCODE
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

#: Those of the integer lane, with a register in front of it.
_INTEGER_CYCLES = 1 + 4

#: The same as for the lane to converted elements.
_CONVERTED_CYCLES = _LANE_CYCLES + SMALL_CYCLES

_SUM, _MINIMUM = (sub_operation(f"{name}.i32") for name in ("vredsum", "vredmin"))


class _Pass(data.StructLayout):
    """What comes with an element on its way through the lane.

    ``clears``: the flags before it belong to another operation. ``element``: it becomes part of the result; ``combines``: it is
    a result for a reduction to go on with. ``counts``: its flags count. ``integer`` to ``permutes``: where its result comes
    from. ``compares``: it is one of a predicate. ``size``: logarithm of its bytes. ``writes``: with it, the word ``where`` of
    the result is complete, to be merged with ``c`` under ``mask``, except for bytes that were not ``present``.
    """

    def __init__(self, config: NodeConfig):
        single = (
            "clears", "element", "combines", "counts", "integer", "decodes", "encodes", "converts", "is_class", "injects",
            "permutes", "compares", "stochastic", "fills", "signed", "upper", "unsigned", "present", "writes", "inexact",
        )  # fmt: skip
        super().__init__(
            dict.fromkeys(single, 1)
            | {
                "kind": KIND_BITS,
                "bias": BIAS_BITS,
                "random": RANDOM_BITS,
                "narrows": 2,
                "size": 2,
                "where": range(config.fp32_lanes),
                "mask": 4,
                "c": 32,
            }
        )


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

        converts = entering_kind.converts
        named_format, entering_size = Signal(KIND_BITS), Signal(2)
        m.d.comb += named_format.eq(Mux(converts & self.op[2:4].any(), self.format, FormatKind.BF16))
        eight, thirty_two = of(FormatKind.CFP8_143) | of(FormatKind.CFP8_152), of(FormatKind.FP32)
        # Bytes of an element of the result.
        with m.If(converts & self.op[3]):
            m.d.comb += entering_size.eq(Mux(eight, 0, Mux(thirty_two, 2, 1)))
        with m.Elif(entering_kind.permutes | (entering_kind.reduces & entering_kind.int8)):
            m.d.comb += entering_size.eq(0)
        with m.Elif(entering_kind.two_passes | (entering_kind.reduces & entering_kind.int16)):
            m.d.comb += entering_size.eq(1)
        with m.Else():
            m.d.comb += entering_size.eq(2)
        size, named = known("size", entering_size), known("named", named_format)
        eight_bits, all_bits = known("eight_bits", eight), known("all_bits", thirty_two)
        names_format = known("names_format", converts & self.op[3])
        specials = known("specials", entering_kind.iterative & ~entering_kind.reduces)
        floats = known("floats", entering_kind.bf16 | ~entering_kind.integer)

        # -- its elements, one after the other -------------------------------------------------------------------------
        active, fresh, distributes = Signal(), Signal(), Signal()
        number, following = Signal(byte_bits), Signal(byte_bits)
        waits, digit_cycles = Signal(range(max(DIGIT_CYCLES.values()) + 1)), Signal(range(max(DIGIT_CYCLES.values()) + 1))
        begins_element, begins_digits, starts_digits = Signal(), Signal(), Signal()
        m.submodules.order = order = PairwiseOrder(config, ONE_LANE_COMBINE_CYCLES)
        starts_order = Signal()
        enters, ends = Signal(), Signal()
        m.d.comb += [
            order.floats.eq(floats),
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
        # When the operand is in the lane.
        m.d.sync += [begins_digits.eq(active & specials & begins_element), starts_digits.eq(begins_digits)]
        with m.If(order.done):
            m.d.sync += distributes.eq(1)
        m.d.sync += fresh.eq(starts)
        with m.If(starts):
            m.d.sync += [active.eq(1), number.eq(0), distributes.eq(0)]
        m.d.comb += starts_order.eq(fresh & kind.reduces)

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
        widens, takes_half, takes_byte = Signal(), Signal(), Signal()
        m.d.comb += [
            uses_hold.eq(kind.reduces & (distributes | order.use_result)),
            first_word.eq(held["a"].word_select(first[2:], 32)),
            second_word.eq(held["b"].word_select(plain[2:], 32)),
            c_word.eq(held["c"].word_select(where, 32)),
            widens.eq(kind.bf16 & ~uses_hold),
            takes_half.eq((kind.decodes & ~eight_bits & ~all_bits) | moved.narrows[0] & kind.permutes | order.fold[1]),
            takes_byte.eq((kind.decodes & eight_bits) | kind.permutes & ~moved.narrows[1] | order.fold[0]),
            order.start.eq(starts_order),
        ]

        float_op, integer_op = Signal(FloatOp), Signal(8)
        m.d.comb += [float_op.eq(kind.operation), integer_op.eq(held["op"])]
        with m.If(specials):
            waiting = Mux(function == SpecialOp.POWER, FloatOp.FIX.value, FloatOp.NORMALISE.value)
            # Those that round are numbered alike.
            m.d.comb += float_op.eq(Mux(enters, Cat(function, C(7, 3)), waiting))
        with m.Elif(kind.converts | kind.permutes | distributes):
            m.d.comb += float_op.eq(FloatOp.MOVE)
        with m.Elif(kind.reduces):
            m.d.comb += [
                float_op.eq(
                    Mux(
                        held["sub"] == _SUM, FloatOp.ADD.value, Mux(held["sub"] == _MINIMUM, FloatOp.MIN.value, FloatOp.MAX.value)
                    )
                ),
                # Numbers of reductions but for sums are those of the operations on two registers.
                integer_op[:4].eq(Mux(held["sub"] == _SUM, 0, held["sub"][:4])),
            ]
        with m.Elif(kind.unary):
            m.d.comb += float_op.eq(Cat(held["sub"][:4], C(1, 1)))

        selected = self._later(
            m,
            "selected",
            word=Mux(use_second, second_word, first_word),
            second_word=second_word,
            c_word=c_word,
            place=first[:2],
            upper=number[0],
            uses_hold=uses_hold,
            widens=widens,
            takes_half=takes_half,
            takes_byte=takes_byte,
            bf16=kind.bf16,
            reduces=kind.reduces,
            top=order.top,
            push=order.push,
            float_op=float_op,
            integer_op=integer_op,
        )

        # -- operands in them ----------------------------------------------------------------------------------------------
        hold = Signal(32, reset_less=True)
        operand, half, low_byte = Signal(32), Signal(16), Signal(8)
        m.d.comb += [
            operand.eq(Mux(selected["uses_hold"], hold, selected["word"])),
            half.eq(operand.word_select(selected["place"][1], 16)),
            low_byte.eq(half.word_select(selected["place"][0], 8)),
        ]
        m.submodules.stack = stack = Memory(shape=32, depth=2 ** len(order.top), init=[])
        top, push = stack.read_port(domain="comb"), stack.write_port()
        a, b, c = (Signal(32, name=f"lane_{name}") for name in "abc")
        with m.If(selected["widens"]):
            m.d.comb += a.eq(half << 16)
        with m.Elif(selected["takes_half"]):
            m.d.comb += a.eq(half)
        with m.Elif(selected["takes_byte"]):
            m.d.comb += a.eq(low_byte)
        with m.Else():
            m.d.comb += a.eq(operand)
        with m.If(selected["reduces"]):
            m.d.comb += b.eq(top.data)
        with m.Elif(selected["bf16"]):
            m.d.comb += b.eq(selected["second_word"].word_select(selected["upper"], 16) << 16)
        with m.Else():
            m.d.comb += b.eq(selected["second_word"])
        with m.If(selected["bf16"]):
            m.d.comb += c.eq(selected["c_word"].word_select(selected["upper"], 16) << 16)
        with m.Else():
            m.d.comb += c.eq(selected["c_word"])
        m.d.comb += [
            top.addr.eq(selected["top"]),
            push.addr.eq(selected["top"]),
            push.en.eq(selected["push"]),
            push.data.eq(a),
        ]

        # -- the lane ------------------------------------------------------------------------------------------------------
        entering = self._later(m, "entering", a=a, b=b, integer_op=selected["integer_op"])
        number_result, number_flags = Signal(32), Signal(_FLAGS)
        integer_result, integer_compare = Signal(32), Signal(4)
        m.submodules.digits = digits = Digits()
        fixed, normalised, normal_exponent = Signal(SUM_BITS), Signal(24), Signal(EXPONENT_BITS)
        m.submodules.float = Instance(
            SMALL_FLOAT_LANE_NAME,
            i_clk=ClockSignal(),
            i_rst=ResetSignal(),
            i_op=selected["float_op"],
            i_a=a,
            i_b=b,
            i_c=c,
            o_result=number_result,
            o_flags=number_flags,
            i_accumulation=digits.accumulation,
            o_fixed=fixed,
            o_normalised=normalised,
            o_normal_exponent=normal_exponent,
        )
        m.submodules.integer = Instance(
            "d1_integer_lane",
            i_clk=ClockSignal(),
            i_rst=ResetSignal(),
            i_op=entering["integer_op"],
            **{f"i_{name}": entering[name] for name in "ab"},
            o_result=integer_result,
            o_compare=integer_compare,
        )
        m.d.comb += [
            digits.start.eq(starts_digits),
            digits.function.eq(function),
            digits.x.eq(entering["a"]),
            digits.fixed.eq(fixed),
            digits.normalised.eq(normalised),
            digits.normal_exponent.eq(normal_exponent),
        ]

        # Only BF16 takes bits of the second step, and few of them.
        lanes, high_bits = config.fp32_lanes, RANDOM_BITS - _BF16_RANDOM_BITS
        draw = Signal(word_bits + 1)
        low_random = Cat(held["random"][lane][:_BF16_RANDOM_BITS] for lane in range(2 * lanes))
        high_random = Cat(held["random"][lane][_BF16_RANDOM_BITS:] for lane in range(lanes))
        m.d.comb += draw.eq(Mux(kind.reduces, 0, number[: word_bits + 1]))

        # -- beside the lane -----------------------------------------------------------------------------------------------
        combines = Signal()
        now = Signal(_Pass(config))
        stages = [now]
        for cycle in range(1, _CONVERTED_CYCLES + 2):
            stage = Signal(_Pass(config), name=f"pass{cycle}", reset_less=True)
            m.d.sync += stage.eq(stages[-1])
            stages.append(stage)
        leaving, done, last = stages[_LANE_CYCLES], stages[_CONVERTED_CYCLES], stages[-1]
        m.d.comb += [
            combines.eq(order.combine),
            now.clears.eq(fresh),
            now.element.eq(enters),
            now.combines.eq(combines),
            now.counts.eq(mask_bit | kind.reduces),
            now.integer.eq(kind.integer & ~distributes),
            now.decodes.eq(kind.decodes | (names_format & size[1])),
            now.encodes.eq(kind.converts | (kind.bf16 & ~kind.compares)),
            now.converts.eq(kind.converts),
            now.is_class.eq(kind.bf16 & kind.unary & ~kind.iterative),
            now.injects.eq(kind.bf16 & (kind.operation >= FloatOp.SGNJ.value) & (kind.operation <= FloatOp.SGNJX.value)),
            now.permutes.eq(kind.permutes),
            now.compares.eq(kind.compares),
            now.stochastic.eq(kind.stochastic),
            now.inexact.eq(specials & digits.inexact),
            now.fills.eq(moved.fills & kind.permutes),
            now.signed.eq(moved.signed),
            now.narrows.eq(Mux(kind.permutes, moved.narrows, 0)),
            now.upper.eq(moved.upper),
            now.unsigned.eq(moved.unsigned),
            now.present.eq(moved.present | ~kind.permutes),
            now.writes.eq(enters & (completes | names_format)),
            now.kind.eq(named),
            now.bias.eq(held["bias"]),
            now.random.eq(Cat(low_random.word_select(draw, _BF16_RANDOM_BITS), high_random.word_select(draw[:-1], high_bits))),
            now.size.eq(size),
            now.where.eq(where),
            now.mask.eq(Mux(kind.selects, 15, Mux(names_format & ~completes, 0, held["mask"].word_select(where, 4)))),
            now.c.eq(c_word),
        ]

        # -- behind the lane: converts, flags ------------------------------------------------------------------------------
        for cycle in range(_INTEGER_CYCLES, SMALL_FLOAT_LANE_CYCLES):
            integer_result, integer_compare = self._later(
                m, f"integer{cycle}", result=integer_result, compare=integer_compare
            ).values()
        left = Signal(32)
        m.d.comb += left.eq(Mux(leaving.integer, integer_result, number_result))
        with m.If(leaving.combines):
            m.d.sync += hold.eq(left)
        code, code_flags = Signal(32), Signal(_FLAGS)
        m.submodules.encode = Instance(
            SMALL_FORMAT_ENCODE,
            i_clk=ClockSignal(),
            i_rst=ResetSignal(),
            i_value=number_result,
            i_kind=leaving.kind,
            i_bias=leaving.bias,
            i_stochastic=leaving.stochastic,
            i_random=leaving.random,
            o_code=code,
            o_flags=code_flags,
        )
        truth = Mux(leaving.integer, integer_compare, number_result[0].replicate(4))
        # What the converter's result has to wait for waits beside it.
        decoded, decode_flags = Signal(32), Signal(_FLAGS)
        held_back = {"result": left, "number_flags": number_flags, "truth": truth}
        for cycle in range(1, SMALL_CYCLES + 1):
            if cycle == SMALL_CYCLES:
                before = stages[_CONVERTED_CYCLES - 1]
                m.submodules.decode = Instance(
                    "d1_format_decode",
                    i_code=held_back["result"],
                    i_kind=before.kind,
                    i_bias=before.bias,
                    o_value=decoded,
                    o_flags=decode_flags,
                )
                held_back |= {"decoded": decoded, "decode_flags": decode_flags}
            held_back = self._later(m, f"left{cycle}", **held_back)
        result, number_flags, truth, decoded, decode_flags = held_back.values()
        moves_bits = done.is_class | done.injects
        raised = Signal(_FLAGS)
        with m.If(done.decodes):
            m.d.comb += raised.eq(decode_flags)
        with m.Elif(~done.converts & ~done.integer & ~done.permutes):
            m.d.comb += raised.eq(number_flags)
        counted = (done.element | done.combines) & done.counts
        # A power may be just the number that its inexact operand gives.
        tiny = ~result[23:31].any()
        inexact = Mux(done.inexact, Flag.INEXACT.value | Mux(tiny, Flag.UNDERFLOW.value, 0), 0)
        converted = counted & ~done.decodes & (done.converts | done.element & done.encodes & ~moves_bits)
        new = self._later(
            m,
            "new",
            flags=Mux(counted, raised | inexact, 0),
            code_flags=code_flags,
            first_step=converted & done.converts,
            second_step=converted,
        )
        of_code = Mux(new["first_step"], ~_SECOND_STEP, 0) | Mux(new["second_step"], _SECOND_STEP, 0)
        m.d.sync += self.flags.eq(Mux(last.clears, 0, self.flags) | new["flags"] | new["code_flags"] & of_code)

        # -- elements to words ---------------------------------------------------------------------------------------------
        moved_byte = self._moved_byte(m, done, result)
        upper_half, upper_byte = Signal(16), Signal(8)
        with m.If(done.injects):
            m.d.comb += upper_half.eq(result[16:])
        with m.Elif(done.encodes & ~done.is_class):
            m.d.comb += upper_half.eq(code)
        with m.Else():
            m.d.comb += upper_half.eq(result)
        m.d.comb += upper_byte.eq(Mux(done.encodes, code, moved_byte))
        word, present = Signal(32, reset_less=True), Signal(4, reset_less=True)
        whole = Mux(done.compares, truth, Mux(done.decodes, decoded, result))
        with m.If(done.element):
            m.d.sync += present.eq(Mux(done.permutes, Cat(present[1:], done.present), ~0))
            with m.Switch(done.size):
                with m.Case(0):
                    m.d.sync += word.eq(Cat(word[8:], upper_byte))
                with m.Case(1):
                    m.d.sync += word.eq(Cat(word[16:], Mux(done.compares, truth, upper_half)[:16]))
                with m.Default():
                    m.d.sync += word.eq(whole)

        # -- words to the result -------------------------------------------------------------------------------------------
        merged = Signal(32)
        m.d.comb += merged.eq(Cat(Mux(last.mask[i], word.word_select(i, 8), last.c.word_select(i, 8)) for i in range(4)))
        true = Signal(4)
        m.d.comb += true.eq(Mux(last.size[1], word[:4], Cat(word[:2], word[16:18])) & last.mask)
        with m.If(last.writes):
            for i in range(config.fp32_lanes):
                with m.If(~last.compares & (last.where == i)):
                    for byte in range(4):
                        with m.If(present[byte]):
                            m.d.sync += self.result.word_select(4 * i + byte, 8).eq(merged.word_select(byte, 8))
            with m.If(last.compares):
                m.d.sync += self.result[: config.line_bytes].word_select(last.where, 4).eq(true)
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
    def _moved_byte(m, done, value):
        """A byte of a permutation: as it is, filled, or of an element saturated to half its bits."""
        sign = Mux(done.narrows[1], value[31], value[15])
        outside = Signal()
        with m.If(done.narrows[1]):
            m.d.comb += outside.eq(Mux(done.unsigned, value[16:].any(), (value[15:] ^ sign.replicate(17)).any()))
        with m.Else():
            m.d.comb += outside.eq(
                done.narrows[0] & Mux(done.unsigned, value[8:16].any(), (value[7:16] ^ sign.replicate(9)).any())
            )
        top = Mux(done.narrows[0] | done.upper, sign ^ done.unsigned, ~sign)
        byte = Signal(8)
        with m.If(done.fills):
            m.d.comb += byte.eq((value[7] & done.signed).replicate(8))
        with m.Elif(outside):
            m.d.comb += byte.eq(Cat((~sign).replicate(7), top))
        with m.Else():
            m.d.comb += byte.eq(Mux(done.narrows[1] & done.upper, value[8:16], value[:8]))
        return byte
