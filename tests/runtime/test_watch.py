from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from edgekit.errors import ModelError
from edgekit.files import write_bytes
from edgekit.runtime.session import Session
from edgekit.runtime.watch import ModelWatch, check_complete
from edgekit.spec import FileRef, file_ref, save_spec
from tests.runtime.live_parts import SPEC, CountingDevice, session_on


def write_model(path: Path, content: bytes) -> None:
    write_bytes(path, content)
    save_spec(path.with_suffix(".json"), replace(SPEC, files={"model": file_ref(path)}))


class Log:
    def __init__(self, path: Path) -> None:
        self.new: list[Session] = []
        self.bad: list[str] = []
        self.opened = 0
        self.watch = ModelWatch(path, self._open, on_new=self.new.append, on_bad=self.bad.append)

    def _open(self) -> Session:
        self.opened += 1
        return session_on(CountingDevice())

    def look(self, times: int = 2) -> None:
        for _ in range(times):
            self.watch.look()


def test_a_new_version_is_opened_once_it_holds_still(tmp_path: Path) -> None:
    path = tmp_path / "m.bin"
    write_model(path, b"one")
    log = Log(path)
    log.look(3)
    assert log.opened == 0
    write_model(path, b"two, longer")
    log.look(1)
    assert log.opened == 0  # it may still be being written
    log.look(1)
    assert len(log.new) == 1
    log.look(3)
    assert len(log.new) == 1


def test_half_a_model_is_refused_named_once_and_taken_when_complete(tmp_path: Path) -> None:
    path = tmp_path / "m.bin"
    write_model(path, b"one")
    log = Log(path)
    path.write_bytes(b"two, but only ha")
    log.look(4)
    assert log.new == []
    assert len(log.bad) == 1
    assert "the running model goes on" in log.bad[0]
    write_model(path, b"two, but only half of it")
    log.look(2)
    assert len(log.new) == 1


def test_a_model_that_cannot_be_opened_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "m.bin"
    write_model(path, b"one")

    def refuse() -> Session:
        raise ModelError("another march", hint="")

    bad: list[str] = []
    watch = ModelWatch(path, refuse, on_new=lambda s: None, on_bad=bad.append)
    write_model(path, b"two, longer")
    watch.look()
    watch.look()
    assert "another march" in bad[0]


def test_a_model_taken_away_is_named(tmp_path: Path) -> None:
    path = tmp_path / "m.bin"
    write_model(path, b"one")
    log = Log(path)
    path.unlink()
    log.look(2)
    assert "cannot be read" in log.bad[0]


def test_a_sidecar_of_another_model_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "m.bin"
    write_model(path, b"one")
    check_complete(path)
    save_spec(path.with_suffix(".json"), replace(SPEC, files={"model": FileRef("other.bin", "0" * 64)}))
    with pytest.raises(ModelError, match="records no hash of m.bin"):
        check_complete(path)
