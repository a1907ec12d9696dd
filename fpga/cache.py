# SPDX-License-Identifier: Apache-2.0
"""Results of the build flow, kept by the content of everything that they follow from."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

import platformdirs

__all__ = ["cached_folder", "content_key", "folder_of"]


def content_key(files: Mapping[str, str | bytes], *facts: str) -> str:
    """Hexadecimal digest of files and of facts beside them."""
    digest = hashlib.sha256()
    parts: list[tuple[str, bytes]] = [(name, text.encode() if isinstance(text, str) else text) for name, text in files.items()]
    parts += [("", fact.encode()) for fact in facts]
    for name, content in parts:
        # Lengths keep neighbours apart.
        digest.update(f"{len(name)} {name} {len(content)} ".encode() + content)
    return digest.hexdigest()[:32]


def folder_of(stage: str, key: str) -> Path:
    """Where a stage's result is once it has been made: in ``D1_CACHE`` or the user's cache folder."""
    return Path(os.environ.get("D1_CACHE") or platformdirs.user_cache_dir("opend1")) / "fpga" / stage / key


def cached_folder(stage: str, key: str, make: Callable[[Path], None]) -> tuple[Path, bool]:
    """The folder of a stage's result, and whether it was there already.

    It is made beside its place and renamed into it, so it is there as a
    whole or not at all; one process makes it while others wait. What is made when ``make`` raises stays beside it as
    ``<key>.partial`` until the next attempt, so that logs can be read.

    Parameters
    ----------
    stage : str
    key : str
    make : callable
        Fills the empty folder that it is given.
    """
    folder = folder_of(stage, key)
    root = folder.parent
    if folder.is_dir():
        return folder, True
    root.mkdir(parents=True, exist_ok=True)
    with open(root / f"{key}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if folder.is_dir():
            return folder, True
        partial = root / f"{key}.partial"
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir()
        make(partial)
        return partial.rename(folder), False
