# SPDX-License-Identifier: Apache-2.0
"""The SIMD unit: lanes of 32 bits, permutations and the iterative unit behind one port."""

import itertools

from amaranth.hdl import C, Cat, ClockSignal, Instance, Module, Mux, ResetSignal, Signal
from amaranth.lib import data, wiring

from golden.config import NodeConfig
from golden.layout import BIAS_BITS, Flag, FormatKind
from rtl.arithmetic.format_decode import FormatDecode
from rtl.arithmetic.format_encode import FORMAT_ENCODE, FormatEncode
from rtl.simd.float_lane import FLOAT_LANE_NAME, FloatLane, FloatOp
from rtl.simd.integer_lane import IntegerLane
from rtl.simd.iterative import IterativeUnit
from rtl.simd.kind import OperationKind
from rtl.simd.one_lane import OneLaneUnit
from rtl.simd.permute import PermuteUnit
from rtl.simd.ports import RANDOM_BITS, simd_ports
from rtl.simd.small_float_lane import SMALL_FLOAT_LANE_NAME, SmallFloatLane
from rtl.simd.timing import has_one_lane, iterative_cycles

__all__ = ["SimdUnit", "simd_modules", "simd_name"]

_FLAGS = len(Flag)

#: Cycles from a lane's inputs to its outputs.
_LANE_CYCLES = 4


def simd_name(config: NodeConfig) -> str:
    """Name of the unit's module."""
    return f"d1_simd_{config.line_bytes}_{config.simd_passes}"


def simd_modules(config: NodeConfig) -> dict[str, wiring.Component]:
    """The unit and the modules that it instantiates, by name; each is to be exported as a module of that name."""
    if has_one_lane(config):
        return {SMALL_FLOAT_LANE_NAME: SmallFloatLane(), simd_name(config): OneLaneUnit(config)}
    return {
        FLOAT_LANE_NAME: FloatLane(),
        "d1_integer_lane": IntegerLane(),
        FORMAT_ENCODE: FormatEncode(),
        "d1_format_decode": FormatDecode(),
        simd_name(config): SimdUnit(config),
    }


class _Pass(data.StructLayout):
    """One pass of an operation on its way through the lanes, for what comes after them.

    ``first`` and ``last`` of the operation; ``number`` of the pass; ``iterative``: the result of the iterative unit passes.
    """

    def __init__(self, config: NodeConfig):
        lanes = config.fp32_lanes // config.simd_passes
        super().__init__(
            {
                "valid": 1,
                "first": 1,
                "last": 1,
                "iterative": 1,
                "number": max(1, (2 * config.simd_passes - 1).bit_length()),
                "op": 8,
                "kind": 3,
                "bias": BIAS_BITS,
                "c": 8 * config.line_bytes,
                "mask": config.line_bytes,
                "random": lanes * RANDOM_BITS,
                "decode_flags": lanes * _FLAGS,
            }
        )


class SimdUnit(wiring.Component):
    """Operations on vector registers with several lanes; docs/architecture.md has the rules of entry and the timing.

    An operation is held while its passes enter the lanes, a group of elements each: on FP32 and integers ``simd_passes`` of
    them, on BF16 those of the lower half of the register, then those of the upper half. Five cycles after a pass entered, its
    part of the result is merged with the old register under the mask.

    Parameters
    ----------
    config : NodeConfig

    Members
    -------
    Those of :func:`rtl.simd.ports.simd_ports`.
    """

    def __init__(self, config: NodeConfig):
        self.config = config
        super().__init__(simd_ports(config))

    def elaborate(self, platform):
        m = Module()
        config = self.config
        line = len(self.a)
        passes = config.simd_passes
        lanes = config.fp32_lanes // passes
        pass_bits = (passes - 1).bit_length()

        entering = OperationKind(m, "entering", self.op, self.sub)

        # -- the operation whose passes enter the lanes --------------------------------------------------------------
        held = {name: Signal.like(getattr(self, name), name=f"held_{name}") for name in
                ("op", "sub", "a", "b", "c", "mask", "format", "bias", "random")}  # fmt: skip
        active, number, iterative_passes = Signal(), Signal(range(2 * passes)), Signal()
        kind = OperationKind(m, "held", held["op"], held["sub"])
        last = Signal()
        m.d.comb += last.eq(number == Mux(kind.two_passes & ~iterative_passes, 2 * passes - 1, passes - 1))
        with m.If(active):
            m.d.sync += number.eq(number + 1)
            with m.If(last):
                m.d.sync += active.eq(0)
        with m.If(self.valid):
            m.d.sync += [target.eq(getattr(self, name)) for name, target in held.items()]
            m.d.sync += [active.eq(~entering.iterative), iterative_passes.eq(0), number.eq(0)]

        # -- the iterative unit, whose result takes part in passes of its own ------------------------------------------
        m.submodules.iterative = iterative = IterativeUnit(config)
        starts = Signal()
        m.d.sync += starts.eq(self.valid & entering.iterative)
        m.d.comb += [
            iterative.start.eq(starts),
            iterative.op.eq(held["op"]),
            iterative.sub.eq(held["sub"]),
            iterative.a.eq(held["a"]),
            iterative.mask.eq(held["mask"]),
            iterative.random.eq(held["random"]),
        ]
        cycles = iterative_cycles(config)
        remaining, iterating = Signal(range(max(cycles.values()))), Signal()
        iterative_c, iterative_mask = Signal(line), Signal(config.line_bytes)
        with m.If(self.valid & entering.iterative):
            m.d.sync += [iterating.eq(1), iterative_c.eq(self.c), iterative_mask.eq(self.mask)]
            with m.If(~entering.reduces):
                m.d.sync += remaining.eq(Mux(entering.bf16, cycles["double"], cycles["single"]) - 1)
            with m.Else():
                with m.If(entering.bf16 | entering.int16):
                    m.d.sync += remaining.eq(cycles["reduce16"] - 1)
                with m.Elif(entering.int8):
                    m.d.sync += remaining.eq(cycles["reduce8"] - 1)
                with m.Else():
                    m.d.sync += remaining.eq(cycles["reduce32"] - 1)
        with m.Elif(iterating):
            m.d.sync += remaining.eq(remaining - 1)
            with m.If(remaining == 0):
                m.d.sync += [iterating.eq(0), active.eq(1), iterative_passes.eq(1), number.eq(0)]

        # -- permutations, which take the whole line at once -----------------------------------------------------------
        m.submodules.permute = permute = PermuteUnit(config)
        for name in ("op", "sub", "a", "b", "scalar", "mask", "collect", "row"):
            m.d.comb += getattr(permute, name).eq(getattr(self, name))
        m.d.comb += permute.valid.eq(self.valid & entering.permutes)
        # The result comes after two cycles and is wanted with the last pass. Three registers are enough, since the next
        # operation enters no earlier than the passes of this one allow.
        permuted = permute.result
        strobes = [permute.valid]
        for cycle in range(1, passes + 4):
            strobe = Signal(name=f"permuted_valid{cycle}")
            m.d.sync += strobe.eq(strobes[-1])
            strobes.append(strobe)
        for cycle in (2, passes + 2, passes + 3):
            stage = Signal(line, name=f"permuted{cycle}")
            with m.If(strobes[cycle]):
                m.d.sync += stage.eq(permuted)
            permuted = stage

        # -- into the lanes --------------------------------------------------------------------------------------------
        group = number[:pass_bits]
        half = number[pass_bits]
        part = kind.operation[:2]

        def words(source):
            return source.word_select(group, 32 * lanes)

        def halves(source):
            return source.word_select(number, 16 * lanes)

        codes = Signal(32 * lanes)
        eight, sixteen = (
            held["a"].word_select(Cat(group, part), 8 * lanes),
            held["a"].word_select(Cat(group, part[0]), 16 * lanes),
        )
        decode_kind = Signal(3)
        m.d.comb += decode_kind.eq(Mux(kind.operation[2], held["format"], FormatKind.BF16))
        code_bytes = _code_bytes(decode_kind)
        flags_in, decoded = [], []
        for lane in range(lanes):
            code = codes.word_select(lane, 32)
            with m.Switch(code_bytes):
                with m.Case(0):
                    m.d.comb += code.eq(eight.word_select(lane, 8))
                with m.Case(1):
                    m.d.comb += code.eq(sixteen.word_select(lane, 16))
                with m.Default():
                    m.d.comb += code.eq(words(held["a"]).word_select(lane, 32))
            value, decode_flags = Signal(32, name=f"decoded{lane}"), Signal(_FLAGS, name=f"decode_flags{lane}")
            m.submodules[f"decode{lane}"] = Instance(
                "d1_format_decode",
                i_code=Mux(kind.decodes, code, 0),
                i_kind=decode_kind,
                i_bias=held["bias"],
                o_value=value,
                o_flags=decode_flags,
            )
            decoded.append(value)
            flags_in.append(Mux(kind.decodes, decode_flags, 0))

        float_op = Signal(FloatOp)
        with m.If(kind.converts):
            m.d.comb += float_op.eq(FloatOp.MOVE)
        with m.Elif(kind.unary):
            m.d.comb += float_op.eq(Cat(held["sub"][:4], C(1, 1)))
        with m.Else():
            m.d.comb += float_op.eq(kind.operation)

        lane_results, lane_flags, integer_results, integer_compares = [], [], [], []
        for lane in range(lanes):
            operands = []
            for name in ("a", "b", "c"):
                operand = Signal(32, name=f"lane_{name}{lane}")
                source = held[name]
                if name == "a":
                    with m.If(kind.decodes):
                        m.d.comb += operand.eq(decoded[lane])
                    with m.Elif(kind.bf16):
                        m.d.comb += operand[16:].eq(halves(source).word_select(lane, 16))
                    with m.Elif(kind.rounds_pair & half):
                        m.d.comb += operand.eq(words(held["b"]).word_select(lane, 32))
                    with m.Else():
                        m.d.comb += operand.eq(words(source).word_select(lane, 32))
                else:
                    with m.If(kind.bf16):
                        m.d.comb += operand[16:].eq(halves(source).word_select(lane, 16))
                    with m.Else():
                        m.d.comb += operand.eq(words(source).word_select(lane, 32))
                operands.append(operand)
            result, flags = Signal(32, name=f"float_result{lane}"), Signal(_FLAGS, name=f"float_flags{lane}")
            m.submodules[f"float{lane}"] = Instance(
                "d1_float_lane",
                i_clk=ClockSignal(),
                i_rst=ResetSignal(),
                i_op=float_op,
                i_a=operands[0],
                i_b=operands[1],
                i_c=operands[2],
                o_result=result,
                o_flags=flags,
            )
            lane_results.append(result)
            lane_flags.append(flags)
            integer, compare = Signal(32, name=f"integer_result{lane}"), Signal(4, name=f"integer_compare{lane}")
            m.submodules[f"integer{lane}"] = Instance(
                "d1_integer_lane",
                i_clk=ClockSignal(),
                i_rst=ResetSignal(),
                i_op=held["op"],
                **{f"i_{name}": words(held[name]).word_select(lane, 32) for name in ("a", "b")},
                o_result=integer,
                o_compare=compare,
            )
            integer_results.append(integer)
            integer_compares.append(compare)

        # -- beside the lanes ------------------------------------------------------------------------------------------
        stages = [Signal(_Pass(config), name=f"pass{cycle}") for cycle in range(_LANE_CYCLES + 1)]
        now = stages[0]
        m.d.comb += [
            now.valid.eq(active),
            now.first.eq(number == 0),
            now.last.eq(last),
            now.iterative.eq(iterative_passes),
            now.number.eq(number),
            now.op.eq(held["op"]),
            now.kind.eq(held["format"]),
            now.bias.eq(held["bias"]),
            now.c.eq(Mux(iterative_passes, iterative_c, held["c"])),
            now.mask.eq(Mux(iterative_passes, iterative_mask, held["mask"])),
            now.random.eq(held["random"].as_value().word_select(number, lanes * RANDOM_BITS)),
            now.decode_flags.eq(Cat(flags_in)),
        ]
        for before, after in itertools.pairwise(stages):
            m.d.sync += after.eq(before)

        self._merge(m, stages[-1], lane_results, lane_flags, integer_results, integer_compares, permuted, iterative)
        return m

    def _merge(self, m, done, lane_results, lane_flags, integer_results, integer_compares, permuted, iterative):
        """The last stage: round to narrow formats, put the parts where they belong, merge under the mask."""
        config = self.config
        passes = config.simd_passes
        lanes = len(lane_results)
        pass_bits = (passes - 1).bit_length()
        kind = OperationKind(m, "done", done.op, C(0, 5))
        group, number, part = done.number[:pass_bits], done.number, kind.operation[:2]

        encode_kind = Signal(3)
        # Converts to a named format have operations 8 to 15.
        names_format = kind.converts & kind.operation[3]
        m.d.comb += encode_kind.eq(Mux(names_format, done.kind, FormatKind.BF16))
        encodes = Signal()
        m.d.comb += encodes.eq(kind.bf16 | kind.rounds_pair | names_format)
        stochastic = kind.stochastic
        second_step = int(Flag.INEXACT | Flag.OVERFLOW | Flag.UNDERFLOW)
        moves_bits = Signal()
        is_class, injects = Signal(), Signal()
        m.d.comb += [
            # On BF16 lanes these are no numbers that were computed: a class, or bits with another sign.
            is_class.eq(kind.bf16 & (kind.operation == 15)),
            injects.eq(kind.bf16 & (kind.operation >= FloatOp.SGNJ.value) & (kind.operation <= FloatOp.SGNJX.value)),
            moves_bits.eq(is_class | injects),
        ]
        codes, flags = [], []
        for lane in range(lanes):
            code, code_flags = Signal(32, name=f"code{lane}"), Signal(_FLAGS, name=f"code_flags{lane}")
            m.submodules[f"encode{lane}"] = Instance(
                FORMAT_ENCODE,
                i_value=Mux(encodes, lane_results[lane], 0),
                i_kind=encode_kind,
                i_bias=done.bias,
                i_stochastic=stochastic,
                i_random=done.random.word_select(lane, RANDOM_BITS),
                o_code=code,
                o_flags=code_flags,
            )
            chosen = Signal(32, name=f"chosen{lane}")
            raised = Signal(_FLAGS, name=f"raised{lane}")
            with m.If(kind.integer):
                m.d.comb += chosen.eq(integer_results[lane])
            with m.Elif(is_class):
                m.d.comb += chosen.eq(lane_results[lane][:16])
            with m.Elif(injects):
                m.d.comb += chosen.eq(lane_results[lane][16:])
            with m.Elif(encodes):
                m.d.comb += chosen.eq(code)
            with m.Else():
                m.d.comb += chosen.eq(lane_results[lane])
            with m.If(kind.converts):
                m.d.comb += raised.eq(Mux(kind.decodes, done.decode_flags.word_select(lane, _FLAGS), code_flags))
            with m.Elif(kind.bf16 & ~moves_bits & ~kind.compares):
                m.d.comb += raised.eq(lane_flags[lane] | (code_flags & second_step))
            with m.Elif(~kind.integer & ~kind.permutes):
                m.d.comb += raised.eq(lane_flags[lane])
            codes.append(chosen)
            flags.append(raised)

        # Where the parts of a pass go: in units of 32, 16 or 8 bits per lane.
        scale = Signal(2)
        with m.If(kind.bf16 | kind.rounds_pair):
            m.d.comb += scale.eq(1)
        with m.Elif(names_format):
            m.d.comb += scale.eq(_code_bytes(done.kind))
        with m.Else():
            m.d.comb += scale.eq(2)
        whole = done.iterative | kind.permutes
        value, enable = Signal(8 * config.line_bytes), Signal(config.line_bytes)
        truth, lane_enable = Signal(config.line_bytes), Signal(lanes)
        compare_bits = [Mux(kind.integer, integer_compares[lane], lane_results[lane][0].replicate(4)) for lane in range(lanes)]
        for log in range(3):
            size = 1 << log
            bytes_per_pass = size * lanes
            where = (Cat(group, part), Mux(names_format, Cat(group, part[0]), number), group)[log]
            copies = config.line_bytes // bytes_per_pass
            with m.If(scale == log):
                m.d.comb += [
                    value.eq(Cat(code[: 8 * size] for code in codes).replicate(copies)),
                    truth.eq(Cat(bits[:size] for bits in compare_bits).replicate(copies)),
                    enable.eq(Cat((where == copy).replicate(bytes_per_pass) for copy in range(copies))),
                    lane_enable.eq(Cat(done.mask.word_select(where, bytes_per_pass)[size * lane] for lane in range(lanes))),
                ]
        with m.If(whole):
            m.d.comb += [value.eq(Mux(done.iterative, iterative.result, permuted)), enable.eq(~0)]
        # The predicate of a selection chooses, it does not mask.
        mask = Signal(config.line_bytes)
        m.d.comb += mask.eq(Mux(kind.selects & ~done.iterative, ~0, done.mask))

        new_flags = Signal(_FLAGS)
        with m.If(whole):
            with m.If(done.iterative & done.last):
                m.d.comb += new_flags.eq(iterative.flags)
        with m.Else():
            for bit in range(_FLAGS):
                m.d.comb += new_flags[bit].eq(Cat(lane[bit] & lane_enable[i] for i, lane in enumerate(flags)).any())

        before = Mux(done.first, done.c, self.result)
        with m.If(done.valid):
            m.d.sync += self.flags.eq(Mux(done.first, 0, self.flags) | new_flags)
            with m.If(kind.compares & ~done.iterative):
                held_truth = Mux(done.first, 0, self.result[: config.line_bytes])
                m.d.sync += self.result.eq((enable & truth & done.mask) | (~enable & held_truth))
            with m.Else():
                written = enable & mask
                m.d.sync += [
                    self.result.word_select(byte, 8).eq(
                        Mux(written[byte], value.word_select(byte, 8), before.word_select(byte, 8))
                    )
                    for byte in range(config.line_bytes)
                ]


def _code_bytes(kind):
    """Logarithm of the bytes of a FormatKind's codes."""
    eight = (kind == FormatKind.CFP8_143) | (kind == FormatKind.CFP8_152)
    return Mux(kind == FormatKind.FP32, 2, Mux(eight, 0, 1))
