"""Finished stages of an unfinished build: kept beside the build, so that the next run goes on behind them."""

from __future__ import annotations

import contextlib
import hashlib
import json
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from edgekit.compilation.toolchain.lock import exclusive_lock
from edgekit.errors import DataError, ToolchainError
from edgekit.files import read_json, write_json
from edgekit.records import envelope

RESUME_FOLDER = "unfinished"
STATE_NAME = "state.json"
LOCK_NAME = ".lock"


class Stages:
    """The folder `unfinished` in the build's working_dir: one folder per finished stage, and what each left to say."""

    def __init__(self, working_dir: Path, inputs: Mapping[str, str]) -> None:
        self.folder = working_dir / RESUME_FOLDER
        self._key = hashlib.sha256(json.dumps(dict(inputs), sort_keys=True).encode()).hexdigest()
        self._records: dict[str, dict[str, Any]] = {}

    @contextlib.contextmanager
    def opened(self) -> Iterator[None]:
        """Inside, this run alone works here; stages of other inputs are gone, those of the same ones are known."""
        busy = ToolchainError(
            f"another build is at work in {self.folder.parent}",
            hint="wait for it to end, or give this one another working_dir",
        )
        with exclusive_lock(self.folder / LOCK_NAME, busy=busy):
            self._records = self._load()
            yield

    def finished(self, name: str) -> dict[str, Any] | None:
        """What the stage `name` left to say, or None where it has not ended well."""
        return self._records.get(name)

    def result(self, name: str) -> Path:
        """The folder of a finished stage."""
        return self.folder / name

    def begin(self, name: str) -> Path:
        """An empty folder for the stage `name` to work in; leftovers of a broken run are gone."""
        part = self.folder / f"{name}.part"
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir()
        return part

    def finish(self, name: str, record: Mapping[str, Any]) -> None:
        """Make the stage's folder the finished one and writes down what it has to say."""
        shutil.rmtree(self.result(name), ignore_errors=True)
        (self.folder / f"{name}.part").replace(self.result(name))
        self._records[name] = dict(record)
        write_json(self.folder / STATE_NAME, {**envelope("build-stages"), "inputs": self._key, "stages": self._records})

    def clear(self) -> None:
        """Remove everything: the build has taken what it wants."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _load(self) -> dict[str, dict[str, Any]]:
        try:
            state = read_json(self.folder / STATE_NAME)
        except DataError:
            state = None
        if isinstance(state, Mapping) and state.get("inputs") == self._key:
            stages = state.get("stages")
            known = dict(stages) if isinstance(stages, Mapping) else {}
            return {name: record for name, record in known.items() if self.result(name).is_dir()}
        for path in self.folder.iterdir():
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            elif path.name != LOCK_NAME:
                path.unlink()
        return {}
