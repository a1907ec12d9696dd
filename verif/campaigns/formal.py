# SPDX-License-Identifier: Apache-2.0
"""The pipelined core's properties, proved for so many cycles from the start of a thread, each by a process of its own.

And mistakes planted in the core, which they find.
"""

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
from verif.rtl.core.formal.planted import PLANTED, find, mistaken_circuit
from verif.rtl.core.formal.suite import FIRST_RETIREMENT, SETTINGS, bound, fails, reaches

__all__ = ["LEAST_DEPTH", "Finding", "Outcome", "Progress", "find_mistakes", "names", "run"]

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


@dataclass(frozen=True)
class Finding:
    """What came of a mistake that is planted in the core.

    Attributes
    ----------
    setting, check, mistake : str
    depth : int or None
        Cycles from the start of the thread until the check fails of it; None if it does not.
    seconds : float
        Processor time.
    """

    setting: str
    check: str
    mistake: str
    depth: int | None
    seconds: float


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


def _chosen(wanted: Collection[str]) -> list[str]:
    """The checks that are wanted, in the order of :func:`names`."""
    known = names()
    for name in wanted:
        if name not in known and name not in SETTINGS:
            raise KeyError(name)
    return [name for name in known if name in wanted or name.split("/")[0] in wanted]


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
    known, chosen = names(), _chosen(wanted)
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


def _mistaken(setting: str) -> Circuit:
    warnings.simplefilter("ignore", UnusedElaboratable)
    return mistaken_circuit(setting)


def _look(number: int, circuit: Circuit) -> Finding:
    planted = PLANTED[number]
    answer = find(circuit, planted)
    return Finding(planted.setting, planted.check.name, planted.mistake.name, _since_start(answer), answer.seconds)


def find_mistakes(
    wanted: Collection[str], progress: Progress = lambda what, share: None, *, processes: int | None = None
) -> Sequence[Finding]:
    """Have checks find the mistakes that are planted for them, each in the cycle in which it shows.

    Parameters
    ----------
    wanted : collection of str
        As of :func:`run`. Checks that no mistake is planted for are passed over.
    progress : Progress
    processes : int, optional
        By default one for each core.

    Returns
    -------
    sequence of Finding
        In the order of `PLANTED`.

    Raises
    ------
    KeyError
        If there is no such check.
    """
    chosen = _chosen(wanted)
    numbers = [number for number, planted in enumerate(PLANTED) if planted.name in chosen]
    settings = list(dict.fromkeys(PLANTED[number].setting for number in numbers))
    findings: dict[int, Finding] = {}
    total, finished = len(numbers) + len(settings), 0
    with ProcessPoolExecutor(processes or os.cpu_count() or 1) as pool:
        circuits = {pool.submit(_mistaken, setting): setting for setting in settings}
        jobs: dict[Future[Finding], int] = {}
        for made in as_completed(circuits):
            setting, circuit = circuits[made], made.result()
            finished += 1
            progress(f"circuit {setting}", finished / total)
            for number in numbers:
                if PLANTED[number].setting == setting:
                    jobs[pool.submit(_look, number, circuit)] = number
        for job in as_completed(jobs):
            findings[jobs[job]] = finding = job.result()
            finished += 1
            progress(f"{finding.setting}/{finding.check} {finding.mistake}", finished / total)
    return [findings[number] for number in numbers]
