# SPDX-License-Identifier: Apache-2.0
"""Bounded proofs on circuits: whether outputs can be set, cycle after cycle from reset, decided by Glucose.

Only what the outputs depend on is looked at. Gates of all cycles are shared where they are alike, and what is constant, as most
is in the first cycles after reset, costs nothing.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from pysat.solvers import Solver

from verif.formal.circuit import Circuit

__all__ = ["Answer", "first_cycle", "first_cycles"]

#: Called with the cycle that has been decided.
Progress = Callable[[int], None]


@dataclass(frozen=True)
class Answer:
    """What was found of an output.

    Attributes
    ----------
    cycle : int or None
        The first cycle in which the output can be set; None if there is none within the bound.
    cycles : int
        Cycles that were looked at.
    seconds : float
        Processor time.
    run : list of dict of str to int
        Values of all ports in each cycle up to that, if there is one.
    """

    cycle: int | None
    cycles: int
    seconds: float
    run: list[dict[str, int]]


class _Unrolled:
    """A circuit's cycles as one graph of gates, and as clauses of a solver.

    Literals of the graph are as those of circuits; each gate is a pair of literals, or None if it is free.
    """

    def __init__(self, circuit: Circuit, roots: Iterable[int], fixed: Mapping[str, int]):
        self._circuit = circuit
        gates = {gate: (a, b) for gate, a, b in circuit.ands}
        following = {latch: after for latch, after, _ in circuit.latches}
        needed: set[int] = set()
        stack = [literal & ~1 for literal in roots]
        while stack:
            literal = stack.pop()
            if literal in needed or not literal:
                continue
            needed.add(literal)
            if literal in gates:
                stack += [operand & ~1 for operand in gates[literal]]
            elif literal in following:
                stack.append(following[literal] & ~1)
        self._ands = [row for row in circuit.ands if row[0] in needed]
        self._latches = [row for row in circuit.latches if row[0] in needed]
        self._inputs = [literal for literal in circuit.inputs if literal in needed]
        self._fixed = {
            literal: value >> bit & 1 for name, value in fixed.items() for bit, literal in enumerate(circuit.ports[name])
        }
        variables = [literal for literal, *_ in (*circuit.ands, *circuit.latches)] + [*circuit.inputs, 0]
        self._size = max(variables) // 2 + 1
        self._graph: list[tuple[int, int] | None] = [None]
        self._known: dict[tuple[int, int], int] = {}
        self._cycles: list[list[int]] = []
        self._given: set[int] = {0}
        self.solver = Solver(name="glucose4")
        # Variable 1 of the solver is the graph's gate 0, which is false.
        self.solver.add_clause([-1])

    def _free(self) -> int:
        self._graph.append(None)
        return 2 * len(self._graph) - 2

    def step(self) -> None:
        """Add a cycle."""
        value = [0] * self._size
        if self._cycles:
            before = self._cycles[-1]
            for latch, after, _ in self._latches:
                value[latch >> 1] = before[after >> 1] ^ (after & 1)
        else:
            for latch, _, initial in self._latches:
                value[latch >> 1] = self._free() if initial == latch else initial
        for literal in self._inputs:
            value[literal >> 1] = self._fixed[literal] if literal in self._fixed else self._free()
        graph, known = self._graph, self._known
        for gate, a, b in self._ands:
            a, b = value[a >> 1] ^ (a & 1), value[b >> 1] ^ (b & 1)
            if a > b:
                a, b = b, a
            if a == 0 or a ^ b == 1:
                value[gate >> 1] = 0
            elif a == 1 or a == b:
                value[gate >> 1] = b
            else:
                found = known.get((a, b))
                if found is None:
                    graph.append((a, b))
                    known[a, b] = found = 2 * len(graph) - 2
                value[gate >> 1] = found
        self._cycles.append(value)

    def literal(self, literal: int, cycle: int) -> int:
        """A literal of the circuit in a cycle, as one of the graph."""
        return self._cycles[cycle][literal >> 1] ^ (literal & 1)

    def clause_literal(self, literal: int) -> int:
        """The same for the solver, which gets all clauses that it depends on."""
        stack, graph, given = [literal >> 1], self._graph, self._given
        while stack:
            gate = stack.pop()
            if gate in given:
                continue
            given.add(gate)
            operands = graph[gate]
            if operands is None:
                continue
            first, second = (-(x >> 1) - 1 if x & 1 else (x >> 1) + 1 for x in operands)
            self.solver.append_formula([[-gate - 1, first], [-gate - 1, second], [gate + 1, -first, -second]])
            stack += [operands[0] >> 1, operands[1] >> 1]
        return -(literal >> 1) - 1 if literal & 1 else (literal >> 1) + 1

    def run(self) -> list[dict[str, int]]:
        """The values that the solver found, of all ports in all cycles. What it left open is 0."""
        chosen = {abs(literal): literal > 0 for literal in self.solver.get_model()}
        values = [False] * len(self._graph)
        for gate, operands in enumerate(self._graph):
            if operands is None:
                values[gate] = gate > 0 and gate in self._given and chosen.get(gate + 1, False)
            else:
                a, b = operands
                values[gate] = values[a >> 1] != bool(a & 1) and values[b >> 1] != bool(b & 1)
        return [
            {
                name: sum((values[at[bit >> 1] >> 1] ^ at[bit >> 1] & 1 ^ bit & 1) << place for place, bit in enumerate(bits))
                for name, bits in self._circuit.ports.items()
            }
            for at in self._cycles
        ]


def first_cycles(
    circuit: Circuit,
    outputs: Sequence[str],
    cycles: int,
    *,
    start: int = 0,
    fixed: Mapping[str, int] | None = None,
    progress: Progress = lambda cycle: None,
) -> dict[str, Answer]:
    """For each one-bit output, the first of so many cycles from reset in which it can be set, from ``start`` on.

    Every assumption of the circuit is kept up to that cycle.

    Parameters
    ----------
    circuit : Circuit
    outputs : sequence of str
        They share the work; where they have little in common, asking for one at a time is faster.
    cycles : int
    start : int
        Cycles before this one are not asked about. To find something that can wait, this is faster than asking about all.
    fixed : dict of str to int, optional
        Inputs that have this value in every cycle.
    progress : Progress

    Raises
    ------
    KeyError
        If there is no such port.
    """
    began = time.process_time()
    targets = {name: circuit.ports[name][0] for name in outputs}
    answers: dict[str, Answer] = {}
    unrolled = _Unrolled(circuit, (*targets.values(), *circuit.assumptions), fixed or {})
    with unrolled.solver as solver:
        for cycle in range(cycles):
            unrolled.step()
            for assumption in circuit.assumptions:
                solver.add_clause([unrolled.clause_literal(unrolled.literal(assumption, cycle))])
            for name, target in targets.items():
                found = unrolled.literal(target, cycle)
                if name in answers or not found or cycle < start:
                    continue
                literal = unrolled.clause_literal(found)
                if solver.solve(assumptions=[literal]):
                    answers[name] = Answer(cycle, cycle + 1, time.process_time() - began, unrolled.run())
                else:
                    solver.add_clause([-literal])
            progress(cycle)
            if len(answers) == len(targets):
                break
    seconds = time.process_time() - began
    return {name: answers.get(name, Answer(None, cycles, seconds, [])) for name in outputs}


def first_cycle(
    circuit: Circuit,
    output: str,
    cycles: int,
    *,
    start: int = 0,
    fixed: Mapping[str, int] | None = None,
    progress: Progress = lambda cycle: None,
) -> Answer:
    """The same of one output."""
    return first_cycles(circuit, [output], cycles, start=start, fixed=fixed, progress=progress)[output]
