# SPDX-License-Identifier: Apache-2.0
"""The SIMD unit and the macro that replaces it, side by side, against the model: every instruction, at any allowed distance."""

from __future__ import annotations

from collections import deque
from typing import Any

import cocotb
import numpy as np
import pytest

from golden.config import NodeConfig, preset
from golden.isa import simd_iterative_cycles, simd_reduction_cycles
from rtl.macros.verilog import simd_macro_verilog
from rtl.simd.unit import simd_modules, simd_name
from verif.bench import bench_parameters, bench_rng, play, start
from verif.rtl.macros.cases import MNEMONICS, Case, draw_cases
from verif.rtl.side_by_side import run_side_by_side
from verif.rtl.simd.one_lane import ONE_LANE_STAGES, has_one_lane, one_lane_cycles

#: Preset and passes.
CONFIGS = [("tiny", 2), ("medium", 4), ("d1", 1), ("nano", 4), ("medium", 8)]

#: Cycles from the last pass of an operation to its result.
STAGES = 5

Inputs = dict[str, int]


def run(name: str, passes: int, test: str, **parameters: int) -> None:
    __tracebackhide__ = True
    config = preset(name).replace(simd_passes=passes)
    run_side_by_side(
        simd_name(config),
        simd_modules(config),
        simd_macro_verilog(config),
        test_module=__name__,
        test=test,
        parameters={"config": name, "passes": passes, **parameters},
    )


@pytest.mark.parametrize("name, passes", CONFIGS)
def test_every_instruction_gives_the_models_result_in_the_cycle_that_the_contract_names(name: str, passes: int) -> None:
    run(name, passes, "mixed_operations", rounds=4)


def test_functions_that_one_lane_finds_digit_by_digit_are_the_models() -> None:
    run("nano", 4, "functions", rounds=25)


@pytest.mark.parametrize("name, passes", [("tiny", 2), ("nano", 4)])
def test_reset_in_the_middle_of_anything_leaves_a_unit_that_works(name: str, passes: int) -> None:
    run(name, passes, "resets")


# ---------------------------------------------------------------------------------------------------------------------


def entry_cycles(config: NodeConfig, mnemonic: str) -> int:
    """Cycles before the next operation may enter."""
    return config.simd_passes * (2 if ".bf16" in mnemonic.replace("vcvt.f32.bf16", "") else 1)


def iterative_cycles(config: NodeConfig, mnemonic: str) -> int:
    """Cycles in the iterative unit, 0 for operations that do not need it."""
    name, lanes, *_ = [*mnemonic.split("."), ""]
    if name in ("vrcp", "vrsqrt", "vexp2"):
        return simd_iterative_cycles(entry_cycles(config, mnemonic))
    if name.startswith("vred"):
        lane_bytes = 2 if lanes == "bf16" else int(lanes[1:]) // 8
        return simd_reduction_cycles(config.line_bytes // lane_bytes)
    return 0


class Schedule:
    """Operations in cycles, as close to each other as the contract lets them be, or a little further apart.

    Members
    -------
    cycles : list of dict
        Values of the ports in each cycle.
    due : list of (int, Case)
        Cycles in which results are there.
    """

    def __init__(self, config: NodeConfig, rng: np.random.Generator):
        self.config = config
        self.rng = rng
        self.cycles: list[Inputs] = []
        self.due: list[tuple[int, Case]] = []
        # The next cycle in which an operation may enter, and the one in which the result of the iterative unit does.
        self._free = 0
        self._virtual = -config.simd_passes

    def add(self, cases: list[Case]) -> None:
        """Enter operations, those that do not need a pair of registers also between the pairs of a transpose."""
        waiting = deque(cases)
        while waiting:
            case = waiting.popleft()
            for row, (a, b) in enumerate(case.pairs[:-1]):
                while self._may_enter_between(waiting) and self.rng.random() < 0.3:
                    self._enter(waiting.popleft())
                self._pause()
                if has_one_lane(self.config):
                    while len(self.cycles) < self._free:
                        self.cycles.append(self._idle())
                    self._free = len(self.cycles) + one_lane_cycles(self.config, case.mnemonic)
                self.cycles.append(self._ports(case, a, b, row) | {"collect": 1})
            self._enter(case)

    def _may_enter_between(self, waiting: deque[Case]) -> bool:
        """Whether the next operation may come between the pairs of a transpose."""
        simple = waiting and len(waiting[0].pairs) == 1 and "vtrn" not in waiting[0].mnemonic
        return bool(simple) and not has_one_lane(self.config)

    def finish(self) -> None:
        """Cycles until the last result is there."""
        last = max((cycle for cycle, _ in self.due), default=0)
        while len(self.cycles) <= last:
            self.cycles.append(self._idle())

    def inputs(self) -> dict[str, list[int]]:
        """Values of each port, cycle by cycle."""
        return {name: [cycle[name] for cycle in self.cycles] for name in self.cycles[0]}

    def _enter(self, case: Case) -> None:
        passes = self.config.simd_passes
        stages = STAGES
        cycles, iterations = entry_cycles(self.config, case.mnemonic), iterative_cycles(self.config, case.mnemonic)
        if has_one_lane(self.config):
            stages, cycles, iterations = ONE_LANE_STAGES, one_lane_cycles(self.config, case.mnemonic), 0
        taken = 1 if iterations else cycles
        self._pause()
        while not self._may_enter(taken, bool(iterations)):
            self.cycles.append(self._idle())
        now = len(self.cycles)
        a, b = case.pairs[-1]
        self.cycles.append(self._ports(case, a, b, len(case.pairs) - 1) | {"valid": 1})
        self._free = now + taken
        if iterations:
            self._virtual = now + iterations
            self.due.append((self._virtual + STAGES + passes, case))
        else:
            self.due.append((now + stages + cycles, case))

    def _may_enter(self, taken: int, iterates: bool) -> bool:
        now = len(self.cycles)
        after = now >= self._virtual + self.config.simd_passes
        return now >= self._free and (after or (not iterates and now + taken <= self._virtual))

    def _pause(self) -> None:
        if self.rng.random() < 0.25:
            self.cycles += [self._idle() for _ in range(int(self.rng.integers(1, 8)))]

    def _idle(self) -> Inputs:
        """Nothing enters, whatever the other ports say."""
        rng, size = self.rng, self.config.line_bytes
        wide = {name: int.from_bytes(rng.bytes(size), "little") for name in ("a", "b", "c")}
        small = {
            name: int(rng.integers(1 << bits)) for name, bits in (("op", 8), ("sub", 5), ("row", 3), ("format", 3), ("bias", 6))
        }
        return self._quiet() | wide | small

    @staticmethod
    def _quiet() -> Inputs:
        return dict.fromkeys(
            ("valid", "collect", "row", "op", "sub", "a", "b", "c", "scalar", "mask", "format", "bias", "random"), 0
        )

    def _ports(self, case: Case, a: bytes, b: bytes, row: int) -> Inputs:
        operands = case.operands
        assert operands.random is not None
        return {
            "valid": 0,
            "collect": 0,
            "row": row,
            "op": case.op,
            "sub": case.sub,
            "a": int.from_bytes(a, "little"),
            "b": int.from_bytes(b, "little"),
            "c": int.from_bytes(operands.c, "little"),
            "scalar": operands.scalar,
            "mask": operands.mask,
            "format": int(operands.descriptor.kind),
            "bias": operands.descriptor.bias,
            "random": sum(int(draw) << 24 * lane for lane, draw in enumerate(operands.random.reshape(-1))),
        }


def bench_config() -> NodeConfig:
    """The configuration of the unit on the bench."""
    return preset(bench_parameters()["config"]).replace(simd_passes=bench_parameters()["passes"])


async def compare(dut: Any, schedule: Schedule) -> None:
    """Play a schedule to hardware and macro, and compare what each answers when it is due."""
    inputs = schedule.inputs()
    for name in ("valid", "collect"):
        inputs[name].append(0)
    inputs = {name: values + values[-1:] * (len(schedule.cycles) + 1 - len(values)) for name, values in inputs.items()}
    outputs = [f"{kind}_{name}" for kind in ("rtl", "macro") for name in ("result", "flags")]
    record = await play(dut, inputs, outputs)
    wrong = []
    for kind in ("rtl", "macro"):
        for cycle, case in schedule.due:
            # Beyond a predicate, the result may be anything.
            bits = schedule.config.line_bytes * (1 if case.is_compare else 8)
            seen = record[f"{kind}_result"][cycle] & (1 << bits) - 1, record[f"{kind}_flags"][cycle]
            if seen != (case.result, case.expected.flags):
                wrong.append(
                    f"{kind}: {case.mnemonic} due in cycle {cycle} gives {seen[0]:#x} with flags {seen[1]:#x}, not "
                    f"{case.result:#x} with {case.expected.flags:#x}; {case.operands}, sub {case.sub}"
                )
    names = sorted({each.partition(" due")[0] for each in wrong})
    assert not wrong, f"{len(wrong)} results differ ({', '.join(names)}), the first one:\n{wrong[0]}"


@cocotb.test()
async def mixed_operations(dut: Any) -> None:
    config, rng = bench_config(), bench_rng()
    await start(dut)
    schedule = Schedule(config, rng)
    schedule.add(draw_cases(config, rng, bench_parameters()["rounds"] * len(MNEMONICS)))
    schedule.finish()
    await compare(dut, schedule)


@cocotb.test()
async def functions(dut: Any) -> None:
    config, rng = bench_config(), bench_rng()
    await start(dut)
    schedule = Schedule(config, rng)
    mnemonics = [name for name in MNEMONICS if name.startswith(("vrcp", "vrsqrt", "vexp2"))]
    schedule.add(draw_cases(config, rng, bench_parameters()["rounds"] * len(mnemonics), mnemonics))
    schedule.finish()
    await compare(dut, schedule)


@cocotb.test()
async def resets(dut: Any) -> None:
    config, rng = bench_config(), bench_rng()
    await start(dut)
    for _ in range(20):
        broken = Schedule(config, rng)
        broken.add(draw_cases(config, rng, 8))
        # Reset comes with the last operation.
        await play(dut, broken.inputs() | {"rst": [0] * (len(broken.cycles) - 1) + [1]}, [])
        await play(dut, {"rst": [0], "valid": [0], "collect": [0]}, [])
        schedule = Schedule(config, rng)
        schedule.add(draw_cases(config, rng, 8))
        schedule.finish()
        await compare(dut, schedule)
