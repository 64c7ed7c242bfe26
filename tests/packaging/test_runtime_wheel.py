"""The board's wheel: the ring's own list and nothing else, under a name of its own, the same every time."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from edgekit.board_ring import COMMAND_MODULES, PARTS
from edgekit.errors import OutputError
from edgekit.packaging import runtime_wheel
from edgekit.packaging.libraries import PURE
from edgekit.packaging.runtime_wheel import main, runtime_files, write_runtime_wheel
from edgekit.packaging.source_version import VERSION_FILE
from edgekit.version import __version__


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One that every machine can build: without compiled kernels."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(PURE, "1")
        return write_runtime_wheel(tmp_path_factory.mktemp("wheel"))


def test_it_holds_the_ring_alone_and_has_its_own_name(wheel: Path) -> None:
    assert wheel.name.startswith("edgekit_rdk_runtime-") and wheel.name.endswith("-py3-none-any.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = [name for name in archive.namelist() if ".dist-info/" not in name]
        (metadata,) = (name for name in archive.namelist() if name.endswith("METADATA"))
        text = archive.read(metadata).decode()
        assert archive.read(VERSION_FILE).decode().split()[0] == __version__
    assert sorted(names) == sorted([*runtime_files(), VERSION_FILE])
    parts = {name.split("/")[1].removesuffix(".py") for name in names if name != VERSION_FILE}
    assert parts == {*PARTS, "cli"}
    assert {f"edgekit/{name}.py" for name in COMMAND_MODULES} <= set(names)
    assert "Name: edgekit-rdk-runtime" in text and "Requires-Dist: numpy>=1.26" in text


def test_it_is_the_same_every_time(wheel: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(PURE, "1")
    assert write_runtime_wheel(tmp_path / "again").read_bytes() == wheel.read_bytes()


def test_what_setuptools_says_is_the_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(PURE, "1")
    monkeypatch.setattr(runtime_wheel, "__version__", "no version")
    with pytest.raises(OutputError, match="no version"):
        write_runtime_wheel(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_the_command_names_what_it_wrote(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    assert "usage:" in capsys.readouterr().err
