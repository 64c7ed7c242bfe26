from __future__ import annotations

import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest

from edgekit.errors import ModelError
from edgekit.files import write_bytes
from edgekit.runtime.model_reload import ModelWatch, check_complete
from edgekit.runtime.session import Session
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


@pytest.mark.parametrize("raised", [ValueError("bad"), RecursionError(), OSError(5, "bad"), MemoryError(), KeyError(1)])
def test_whatever_a_version_raises_is_an_event_and_later_good_versions_are_taken(
    tmp_path: Path, raised: Exception
) -> None:
    path = tmp_path / "m.bin"
    write_model(path, b"one")
    failures = [raised]

    def open_session() -> Session:
        if failures:
            raise failures.pop()
        return session_on(CountingDevice())

    new: list[Session] = []
    bad: list[str] = []
    watch = ModelWatch(path, open_session, on_new=new.append, on_bad=bad.append)
    write_model(path, b"two, longer")
    watch.look()
    watch.look()
    assert new == []
    assert [type(raised).__name__ in line for line in bad] == [True]
    write_model(path, b"three, longer still")
    watch.look()
    watch.look()
    assert len(new) == 1


def test_a_sidecar_that_raises_another_error_does_not_end_the_watching(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edgekit.runtime.model_reload.INTERVAL_S", 0.01)
    path = tmp_path / "m.bin"
    write_model(path, b"one")
    taken, told = threading.Event(), threading.Event()

    def tell(why: str) -> None:
        told.set()
        raise SystemExit("the listener fails, too")

    watch = ModelWatch(path, lambda: session_on(CountingDevice()), on_new=lambda s: taken.set(), on_bad=tell)
    monkeypatch.setattr("edgekit.runtime.model_reload.load_spec", _raise_value_error)
    watch.start()
    try:
        write_model(path, b"two, longer")
        assert told.wait(5)
        monkeypatch.undo()
        monkeypatch.setattr("edgekit.runtime.model_reload.INTERVAL_S", 0.01)
        time.sleep(0.05)
        write_model(path, b"three, longer still")
        assert taken.wait(5)
    finally:
        watch.close()


def _raise_value_error(path: Path) -> None:
    raise ValueError("a scale nested four deep")
