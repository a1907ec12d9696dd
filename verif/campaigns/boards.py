# SPDX-License-Identifier: Apache-2.0
"""What boards are built with, synthesised and held against what its FPGA has; placed and routed if wanted."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, field

from fpga.boards import BOARDS, Board
from fpga.build import BuildResult, Tell, build
from fpga.choice import Choice, choose
from fpga.errors import FpgaError, ToolMissing

__all__ = ["BoardOutcome", "capacity", "run", "tier_one"]

#: What FPGAs have, by family and the size in the name of the device.
#: ECP5: Lattice FPGA-DS-02012, table 1.1, with a register for each look-up table; the 12F is sold as half of a 25F, and its tools
#: know no difference. iCE40 UltraPlus: Lattice FPGA-DS-02008, table 1.1. GW2AR-18: Gowin DS226, table 1-1.
_CAPACITIES: dict[tuple[str, str], dict[str, int]] = {
    ("ecp5", "12k"): {"LUT4": 24_288, "FF": 24_288, "DSP": 28, "BRAM": 56},
    ("ecp5", "25k"): {"LUT4": 24_288, "FF": 24_288, "DSP": 28, "BRAM": 56},
    ("ecp5", "45k"): {"LUT4": 43_848, "FF": 43_848, "DSP": 72, "BRAM": 108},
    ("ecp5", "85k"): {"LUT4": 83_640, "FF": 83_640, "DSP": 156, "BRAM": 208},
    ("ice40", "up5k"): {"LUT4": 5_280, "FF": 5_280, "DSP": 8, "BRAM": 30},
    ("gowin", "GW2AR-LV18"): {"LUT4": 20_736, "FF": 15_552, "DSP": 48, "BRAM": 46},
}

#: Told of a board what is being done.
Progress = Callable[[str, str], None]


@dataclass
class BoardOutcome:
    """What a board's design came to.

    Attributes
    ----------
    board, what : str
        Name, and the design in words.
    used : dict of str to int
        Resources, by the names of reports.
    available : dict of str to int
        Of these, what the FPGA has.
    clock_mhz : float
        What the nodes run at.
    fmax_mhz : list of float
        One for each seed, if it was placed and routed.
    error : str
        Why it failed; empty if it did not.
    missing : bool
        Whether it failed because a tool is not there.
    seconds : float
    """

    board: str
    what: str
    used: dict[str, int] = field(default_factory=dict)
    available: dict[str, int] = field(default_factory=dict)
    clock_mhz: float = 0.0
    fmax_mhz: list[float] = field(default_factory=list)
    error: str = ""
    missing: bool = False
    seconds: float = 0.0

    @property
    def passed(self) -> bool:
        """Built, and it fits."""
        return not self.error

    @property
    def fmax_median_mhz(self) -> float | None:
        """Over the seeds."""
        return statistics.median(self.fmax_mhz) if self.fmax_mhz else None

    def as_dict(self) -> dict[str, object]:
        """As JSON has it."""
        return {
            "board": self.board,
            "what": self.what,
            "passed": self.passed,
            "error": self.error,
            "used": self.used,
            "available": self.available,
            "clock_mhz": self.clock_mhz,
            "fmax_mhz": self.fmax_mhz,
            "fmax_median_mhz": self.fmax_median_mhz,
            "seconds": self.seconds,
        }


def tier_one() -> list[str]:
    """Names of the boards that nodes run on."""
    return [name for name, board in BOARDS.items() if board.tier == 1]


def capacity(board: Board) -> dict[str, int]:
    """What a board's FPGA has of each resource; empty for one that is not in the table."""
    return next(
        (resources for (family, device), resources in _CAPACITIES.items()
         if family == board.family and board.device.startswith(device)),
        {},
    )  # fmt: skip


def run(
    names: Collection[str],
    progress: Progress,
    *,
    design: str | None = None,
    seeds: int = 0,
    done: Callable[[BoardOutcome], None] = lambda outcome: None,
    builder: Callable[..., BuildResult] = build,
) -> list[BoardOutcome]:
    """Build a design for boards.

    Parameters
    ----------
    names : collection of str
        Of boards.
    progress : callable
        Told what is being done.
    design : str or None
        Default: each board's largest.
    seeds : int
        Place and route with seeds 1 to this; 0 stops after synthesis.
    done : callable
        Gets every board's outcome as soon as it is there.
    builder : callable
        As :func:`fpga.build.build`.

    Raises
    ------
    FpgaError
        If there is no board of a name, or the design does not fit on one.
    """
    choices = [choose(name, design=design) for name in names]
    outcomes = []
    for choice in choices:
        outcome = _build(choice, seeds, progress, builder)
        outcomes.append(outcome)
        done(outcome)
    return outcomes


def _build(choice: Choice, seeds: int, progress: Progress, builder: Callable[..., BuildResult]) -> BoardOutcome:
    board = choice.board
    outcome = BoardOutcome(board.name, choice.design.describe(choice.settings), clock_mhz=choice.settings.clock_hz / 1e6)
    start = time.monotonic()

    def tell(prefix: str) -> Tell:
        return lambda stage, seconds, note: progress(board.name, f"{prefix}{stage}: {note}" if note else f"{prefix}{stage}")

    try:
        result = builder(board, choice.design, choice.settings, place=False, tell=tell(""))
        outcome.used = {name: resource.used for name, resource in result.report.resources.items()}
        outcome.available = capacity(board)
        excess = [
            f"{name} {outcome.used[name]:,} of {has:,}"
            for name, has in outcome.available.items()
            if outcome.used.get(name, 0) > has
        ]
        if excess:
            outcome.error = f"does not fit: {'; '.join(excess)}"
        for seed in range(1, seeds + 1) if not excess else ():
            result = builder(board, choice.design, choice.settings, seed=seed, tell=tell(f"seed {seed}, "))
            resources = result.report.resources
            outcome.used = {name: resource.used for name, resource in resources.items()}
            outcome.available |= {name: has for name, resource in resources.items() if (has := resource.available) is not None}
            if result.report.fmax_mhz is not None:
                outcome.fmax_mhz.append(result.report.fmax_mhz)
    except (FpgaError, ValueError) as error:
        outcome.error = str(error)
        outcome.missing = isinstance(error, ToolMissing)
    outcome.seconds = time.monotonic() - start
    return outcome
