# SPDX-License-Identifier: Apache-2.0
"""What all simulations share is compiled once, whichever test comes first, and quickly."""

from __future__ import annotations

import os
import signal

from scripts.collector import collect_seldom
from verif.bench import cache_folder, verilator_environment


def pytest_configure() -> None:
    """Set the environment of everything that tests start.

    Simulators of arrays and boards take the prefix of the compiler from it, as those of benches do. Hundreds of processes import
    the project: where nothing may be written beside the sources, they would compile it each time. Simulators run for so few
    cycles that it pays to compile them quickly; D1_QUICK=0 tests what users get. Shells start background jobs with interrupts
    ignored, and that is inherited: commands that tests interrupt have to hear of it.
    """
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    os.environ.setdefault("D1_QUICK", "1")
    collect_seldom()
    os.environ["OBJCACHE"] = verilator_environment()["OBJCACHE"]
    if os.environ.pop("PYTHONDONTWRITEBYTECODE", ""):
        os.environ.setdefault("PYTHONPYCACHEPREFIX", str(cache_folder() / "bytecode"))
