# SPDX-License-Identifier: Apache-2.0
"""Finds the campaigns of ``verif.campaigns``, which need more packages than the command itself."""

from __future__ import annotations

import importlib
from types import ModuleType

from scripts.d1.errors import CommandError, ExitCode

#: Packages whose absence is a defect of the project, and no missing extra.
_ROOMS = ("fpga", "golden", "rtl", "scripts", "sw", "verif")


def find_campaign(name: str) -> ModuleType:
    """A module of ``verif.campaigns``, or CommandError if a package that it needs is not installed."""
    try:
        return importlib.import_module(f"verif.campaigns.{name}")
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package in _ROOMS:
            raise
        raise CommandError(
            f"the campaign needs the Python package '{package}', which is not installed; it belongs to the test extras: "
            "pip install -e '.[test]', or make test",
            ExitCode.MISSING,
        ) from None
