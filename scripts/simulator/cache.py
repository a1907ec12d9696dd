# SPDX-License-Identifier: Apache-2.0
"""A cache of built folders, keyed by what they were built from: complete or absent, and safe with several processes."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import platformdirs

from scripts.simulator.errors import SimulatorError

__all__ = ["Cache", "cache_folder", "digest"]


def cache_folder() -> Path:
    """Where built things are kept: ``D1_CACHE``, or the user's cache folder."""
    return Path(os.environ.get("D1_CACHE") or platformdirs.user_cache_dir("opend1"))


def digest(files: Iterable[tuple[str, bytes]], *facts: str) -> str:
    """Hexadecimal digest of files, as (name, content), and of facts beside them."""
    sum_ = hashlib.sha256()
    for name, content in (*files, *((f"fact {n}", fact.encode()) for n, fact in enumerate(facts))):
        # Lengths keep neighbours apart.
        sum_.update(f"{len(name)} {name} {len(content)} ".encode())
        sum_.update(content)
    return sum_.hexdigest()[:32]


class Cache:
    """Folders by key below ``<cache folder>/<kind>``.

    A folder is built beside its place and renamed into it, so that it is there as a whole or not at all. One process builds
    a key at a time; others wait for it. What a killed build left behind is removed by the next one of the same key.

    Parameters
    ----------
    kind : str
        Name of the subfolder.
    """

    def __init__(self, kind: str):
        self.folder = cache_folder() / kind

    def find(self, key: str) -> Path | None:
        """The folder of a key, or None if it was not built yet."""
        path = self.folder / key
        return path if path.is_dir() else None

    def build(self, key: str, make: Callable[[Path], None], waiting: Callable[[], None] = lambda: None) -> Path:
        """The folder of a key, built by ``make(folder)`` if there is none.

        Parameters
        ----------
        key : str
        make : callable
            Fills the empty folder that it is given. What it raises goes through, and nothing is kept.
        waiting : callable
            Called once if another process is building the same key.

        Raises
        ------
        SimulatorError
            If the cache cannot be written.
        """
        found = self.find(key)
        if found is not None:
            return found
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with self._locked(key, waiting):
                found = self.find(key)
                if found is not None:
                    return found
                partial = self.folder / f"{key}.partial"
                shutil.rmtree(partial, ignore_errors=True)
                partial.mkdir()
                try:
                    make(partial)
                    return partial.rename(self.folder / key)
                finally:
                    shutil.rmtree(partial, ignore_errors=True)
        except OSError as error:
            raise SimulatorError(f"cannot write the cache in {self.folder}: {error}; D1_CACHE can name another folder") from error

    @contextlib.contextmanager
    def _locked(self, key: str, waiting: Callable[[], None]) -> Iterator[None]:
        """Holds the key's lock, which ends with the process at the latest."""
        with open(self.folder / f"{key}.lock", "w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                waiting()
                fcntl.flock(lock, fcntl.LOCK_EX)
            yield
