# SPDX-License-Identifier: Apache-2.0
"""The SIMD lanes: element-wise operations on vector registers."""

from amaranth.hdl import Cat, ClockSignal, Instance, Module, Mux, ResetSignal, Signal
from amaranth.lib import enum, wiring
from amaranth.lib.wiring import In, Out

from golden.config import NodeConfig
from rtl.arithmetic.bf16 import Bf16Round, Bf16Widen
from rtl.arithmetic.fp32_add import Fp32Add

__all__ = ["FP32_ADD_NAME", "SimdLanes", "SimdOp", "simd_modules", "simd_name"]

#: Name of the adder's module, which the lanes share.
FP32_ADD_NAME = "d1_fp32_add"


class SimdOp(enum.Enum, shape=2):
    """What the lanes do."""

    ADD_F32 = 0
    WIDEN_LOWER = 1
    WIDEN_UPPER = 2
    ROUND_BF16 = 3


def simd_name(config: NodeConfig) -> str:
    """Name of the lanes' module."""
    return f"d1_simd_{config.line_bytes}"


def simd_modules(config: NodeConfig) -> dict[str, wiring.Component]:
    """The lanes and the modules that they instantiate, by name; each is to be exported as a module of that name."""
    return {FP32_ADD_NAME: Fp32Add(), simd_name(config): SimdLanes(config)}


class SimdLanes(wiring.Component):
    """Lane-wise operations, one per cycle, with results two cycles later.

    Parameters
    ----------
    config : NodeConfig

    Members
    -------
    valid : In(1)
    op : In(SimdOp)
    a, b : In(8 * line_bytes)      ADD_F32: FP32 lanes; WIDEN: BF16 lanes in ``a``; ROUND_BF16: FP32 lanes, ``a`` the lower half
    result : Out(8 * line_bytes)   of the inputs of two cycles before, defined only if ``valid`` was set
    """

    def __init__(self, config: NodeConfig):
        self.config = config
        bits = 8 * config.line_bytes
        super().__init__({"valid": In(1), "op": In(SimdOp), "a": In(bits), "b": In(bits), "result": Out(bits)})

    def elaborate(self, platform):
        m = Module()
        lanes = self.config.fp32_lanes
        bits = len(self.a)

        sums = Signal(bits)
        for lane in range(lanes):
            m.submodules[f"adder_{lane}"] = Instance(
                FP32_ADD_NAME,
                i_clk=ClockSignal(),
                i_rst=ResetSignal(),
                i_x=self.a.word_select(lane, 32),
                i_y=self.b.word_select(lane, 32),
                o_sum=sums.word_select(lane, 32),
            )

        narrow = Signal(bits // 2)
        m.d.comb += narrow.eq(Mux(self.op == SimdOp.WIDEN_UPPER, self.a[bits // 2 :], self.a[: bits // 2]))
        widened = []
        for lane in range(lanes):
            m.submodules[f"widen_{lane}"] = widen = Bf16Widen()
            m.d.comb += widen.code.eq(narrow.word_select(lane, 16))
            widened.append(widen.wide)

        rounded = []
        for lane in range(2 * lanes):
            m.submodules[f"round_{lane}"] = rounding = Bf16Round()
            m.d.comb += rounding.wide.eq((self.a, self.b)[lane // lanes].word_select(lane % lanes, 32))
            rounded.append(rounding.code)

        converted = Signal(bits, reset_less=True)
        add = Signal(reset_less=True)
        result = Signal(bits, reset_less=True)
        with m.If(self.valid):
            m.d.sync += [
                add.eq(self.op == SimdOp.ADD_F32),
                converted.eq(Mux(self.op == SimdOp.ROUND_BF16, Cat(rounded), Cat(widened))),
            ]
        m.d.sync += result.eq(Mux(add, sums, converted))
        m.d.comb += self.result.eq(result)
        return m
