# SPDX-License-Identifier: Apache-2.0
"""What all simulations share is compiled once, whichever test comes first."""

from __future__ import annotations

import os

from verif.bench import verilator_environment


def pytest_configure() -> None:
    """Simulators of arrays and boards take the prefix of the compiler from the environment, as those of benches do."""
    os.environ["OBJCACHE"] = verilator_environment()["OBJCACHE"]
