# SPDX-License-Identifier: Apache-2.0
"""The pipelined core's properties, proved for so many cycles from the start of a thread, each by a process of its own."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from dataclasses import dataclass

from amaranth.hdl import UnusedElaboratable

from verif.formal.circuit import Circuit
from verif.formal.unrolled import Answer, first_cycle
from verif.rtl.core.formal.environment import START_CYCLE
from verif.rtl.core.formal.suite import FIRST_RETIREMENT, SETTINGS, bound, fails, reaches

__all__ = ["LEAST_DEPTH", "Outcome", "Progress", "names", "run"]

#: Cycles until the second instruction can show.
LEAST_DEPTH = FIRST_RETIREMENT + 1

#: Told what has been done, and how much of all that is: 0 to 1.
Progress = Callable[[str, float], None]


@dataclass(frozen=True)
class Outcome:
    """What was found of a check.

    Attributes
    ----------
    setting, check : str
    depth : int
        Cycles from the start of the thread for which it was proved, or until it fails.
    proved : bool
    reached : int or None
        Cycles until it is put to the test first; None if it never is, and then nothing is proved.
    seconds : float
        Processor time of both.
    run : list of dict of str to int
        The core's ports in each cycle from the start on, up to a failure.
    """

    setting: str
    check: str
    depth: int
    proved: bool
    reached: int | None
    seconds: float
    run: list[dict[str, int]]

    @property
    def good(self) -> bool:
        """It holds, and not of nothing."""
        return self.proved and self.reached is not None


def names() -> list[str]:
    """All checks, as ``setting/check``."""
    return [f"{setting.name}/{check.name}" for setting in SETTINGS.values() for check in setting.checks]


def _circuit(setting: str) -> Circuit:
    # What is cut away is made for its signature alone.
    warnings.simplefilter("ignore", UnusedElaboratable)
    return SETTINGS[setting].circuit()


def _since_start(answer: Answer) -> int | None:
    return None if answer.cycle is None else answer.cycle - START_CYCLE


def _decide(setting: str, name: str, circuit: Circuit, depth: int) -> Outcome:
    (check,) = (check for check in SETTINGS[setting].checks if check.name == name)
    failure = first_cycle(circuit, fails(check), bound(depth))
    # What takes long to be put to the test is looked for a little further than it is proved.
    test = first_cycle(circuit, reaches(check), bound(max(depth, 2 * LEAST_DEPTH)))
    failed_at = _since_start(failure)
    return Outcome(
        setting,
        name,
        depth if failed_at is None else failed_at,
        failed_at is None,
        _since_start(test),
        failure.seconds + test.seconds,
        failure.run[START_CYCLE:],
    )


def run(
    wanted: Collection[str],
    depth: int,
    progress: Progress = lambda what, share: None,
    *,
    processes: int | None = None,
    done: Callable[[Outcome], None] = lambda outcome: None,
) -> Sequence[Outcome]:
    """Decide checks, in any order.

    Parameters
    ----------
    wanted : collection of str
        As :func:`names` has them; a setting alone stands for all its checks.
    depth : int
        Cycles from the start of the thread, `LEAST_DEPTH` at least.
    progress : Progress
    processes : int, optional
        By default one for each core.
    done : callable
        Called with each outcome as it comes.

    Returns
    -------
    sequence of Outcome
        In the order of :func:`names`.

    Raises
    ------
    KeyError
        If there is no such check.
    ValueError
        If the depth is too small for anything to be tested.
    """
    if depth < LEAST_DEPTH:
        raise ValueError(f"depth = {depth}: nothing is tested in fewer than {LEAST_DEPTH} cycles")
    known = names()
    for name in wanted:
        if name not in known and name not in SETTINGS:
            raise KeyError(name)
    chosen = [name for name in known if name in wanted or name.split("/")[0] in wanted]
    settings = list(dict.fromkeys(name.split("/")[0] for name in chosen))
    outcomes: list[Outcome] = []
    total = len(chosen) + len(settings)
    finished = 0
    with ProcessPoolExecutor(processes or os.cpu_count() or 1) as pool:
        circuits = {pool.submit(_circuit, setting): setting for setting in settings}
        jobs: list[Future[Outcome]] = []
        for made in as_completed(circuits):
            setting, circuit = circuits[made], made.result()
            finished += 1
            progress(f"circuit {setting}", finished / total)
            for name in chosen:
                if name.split("/")[0] == setting:
                    jobs.append(pool.submit(_decide, setting, name.split("/")[1], circuit, depth))
        for job in as_completed(jobs):
            outcome = job.result()
            outcomes.append(outcome)
            finished += 1
            progress(f"{outcome.setting}/{outcome.check}", finished / total)
            done(outcome)
    return sorted(outcomes, key=lambda outcome: known.index(f"{outcome.setting}/{outcome.check}"))
