"""The private environment is made step by step, goes on after a break, and leaves nothing when removed."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import NamedTuple

import pytest

from edgekit.cli.main import main
from edgekit.compilation.toolchain import install as module
from edgekit.compilation.toolchain.find import RECORD_NAME, find_toolchain, private_bin, private_folder
from edgekit.compilation.toolchain.install import find_python, install, read_record, uninstall
from edgekit.compilation.toolchain.recipe import DOWNLOAD_MB, REQUIREMENTS, STEPS
from edgekit.errors import OutputError, ToolchainError
from tests.compilation.toolchain.stand_in import make_stand_in, small_spec, write_command

# A python3.10 that answers the question, makes an "environment" of itself and the stand-in commands, and "installs".
FAKE_PYTHON = """\
case "$*" in
  *-c*platform*) echo "$ANSWER"; exit 0;;
  *"-m venv"*) for last; do :; done
     mkdir -p "$last/bin"; cp "$0" "$last/bin/python"; cp {commands}/* "$last/bin/"; exit 0;;
  *"-m pip"*) echo "$*" >> {folder}/pip_calls; echo "Progress 1000000 of 2000000"
     case "$*" in *"/$BREAK_AT.txt"*) echo "$BREAK_SAYS"; exit 1;; esac; exit 0;;
esac
"""


class Fake(NamedTuple):
    python: Path
    folder: Path

    @property
    def installed(self) -> list[str]:
        path = self.folder / "pip_calls"
        return [Path(line.split()[-1]).stem for line in path.read_text().splitlines()] if path.exists() else []


@pytest.fixture
def fake(no_toolchain: Path, monkeypatch: pytest.MonkeyPatch) -> Fake:
    """A stand-in python3.10 on PATH."""
    commands = make_stand_in(no_toolchain / "commands", small_spec()).folder
    folder = no_toolchain / "python"
    folder.mkdir()
    python = write_command(folder / "python3.10", FAKE_PYTHON.format(commands=commands, folder=folder))
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("PYENV_ROOT", str(no_toolchain / "no_pyenv"))
    monkeypatch.setenv("UV_PYTHON_INSTALL_DIR", str(no_toolchain / "no_uv"))
    monkeypatch.setenv("ANSWER", "cpython 3 10 x86_64")
    monkeypatch.setenv("BREAK_AT", "nothing-of-this-name")
    monkeypatch.setenv("BREAK_SAYS", "ERROR: the network is gone")
    monkeypatch.setattr(module, "PYTHON_VERSION", (3, 10))
    monkeypatch.setattr("sys.version_info", (3, 12, 0, "final", 0))
    return Fake(python, folder)


def test_all_steps_in_order_then_the_versions(fake: Fake) -> None:
    reports: list[tuple[str, int, int]] = []
    versions = install(progress=lambda *report: reports.append(report))
    assert versions == {"hb_mapper": "1.24.3", "hbdk": "3.49.15", "hbdk_runtime": "3.15.55.0"}
    assert fake.installed == [step.name for step in STEPS]
    ended = dict.fromkeys(name for name, done, total in reports if done == total)
    assert list(ended) == ["environment", *(f"install {step.name}" for step in STEPS), "check"]
    assert ("install torch", 1, 776) in reports  # a download as it goes
    assert find_toolchain().kind == "private" and read_record().complete


def test_every_package_has_a_version_and_a_hash_that_pip_insists_on(fake: Fake) -> None:
    install()
    lines = (fake.folder / "pip_calls").read_text().splitlines()
    assert all({"--require-hashes", "--no-deps", "--only-binary=:all:"} < set(line.split()) for line in lines)
    written = [line for step in STEPS for line in (private_folder() / f"{step.name}.txt").read_text().splitlines()]
    assert all(re.fullmatch(r"[a-z0-9-]+==[\w.]+ --hash=sha256:[0-9a-f]{64}", line) for line in written)
    pinned = [line for line in REQUIREMENTS.read_text().splitlines() if not line.startswith("#")]
    assert sorted(written) == sorted(pinned)
    versions = dict(line.split(" ")[0].split("==") for line in written)
    assert versions["rdkx5-yolo-mapper"] == versions["dgdk"] == versions["dg-nn-toolkit"] == "1.0.0"
    assert (versions["numpy"], versions["torch"]) == ("1.23.0", "1.12.1") and int(versions["setuptools"][:2]) < 70


def test_a_wheel_of_another_hash_is_refused(tmp_path: Path) -> None:
    """By pip itself, called with the options of an install step."""
    wheel = tmp_path / "tiny_thing-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("tiny_thing-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: tiny-thing\nVersion: 1.0\n")
        archive.writestr("tiny_thing-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        archive.writestr("tiny_thing-1.0.dist-info/RECORD", "")
    requirements = tmp_path / "step.txt"
    pip = (sys.executable, "-m", "pip", "install", "--dry-run", "--no-index", "--find-links", str(tmp_path))
    options = ("--require-hashes", "--no-deps", "--only-binary=:all:", "-r", str(requirements))
    requirements.write_text(f"tiny-thing==1.0 --hash=sha256:{'0' * 64}\n")
    done = subprocess.run([*pip, *options], capture_output=True, text=True, check=False)
    assert done.returncode != 0 and f"Got        {hashlib.sha256(wheel.read_bytes()).hexdigest()}" in done.stderr


def test_done_is_done(fake: Fake) -> None:
    first = install()
    (fake.folder / "pip_calls").unlink()
    assert install() == first and fake.installed == []


@pytest.mark.parametrize("broken", [step.name for step in STEPS])
def test_a_break_at_any_step_loses_that_step_alone(fake: Fake, monkeypatch: pytest.MonkeyPatch, broken: str) -> None:
    monkeypatch.setenv("BREAK_AT", broken)
    with pytest.raises(ToolchainError, match="the network is gone") as caught:
        install()
    assert "goes on" in caught.value.hint and (private_folder() / "install.log").is_file()
    with pytest.raises(ToolchainError):
        find_toolchain()
    before = fake.installed
    monkeypatch.setenv("BREAK_AT", "nothing-of-this-name")
    install()
    assert fake.installed[len(before) :] == [step.name for step in STEPS][len(before) - 1 :]


def test_ctrl_c_in_the_middle_of_a_download(fake: Fake) -> None:
    def stop(stage: str, done: int, total: int) -> None:
        if stage == "install torch" and done == 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        install(progress=stop)
    assert read_record().steps == ("pip", "setuptools")
    install()
    assert fake.installed.count("torch") == 2 and fake.installed.count("compiler") == 1
    again = [line for line in (fake.folder / "pip_calls").read_text().splitlines() if "--force-reinstall" in line]
    assert len(again) == 1 and again[0].endswith("torch.txt")  # pip would take the half-unpacked one for whole


def test_a_disk_that_is_full_on_the_way(fake: Fake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BREAK_AT", "torch")
    monkeypatch.setenv("BREAK_SAYS", "ERROR: Could not install packages: [Errno 28] No space left on device")
    with pytest.raises(OutputError, match="No space left") as caught:
        install()
    assert "free some disk space" in caught.value.hint


def test_a_disk_that_is_too_small_is_said_before_the_download(fake: Fake, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage(fake.folder)._replace(free=500 * 10**6)
    monkeypatch.setattr("shutil.disk_usage", lambda path: usage)
    with pytest.raises(OutputError, match="500 MB free, the toolchain needs about 2800 MB"):
        install()
    assert fake.installed == []


@pytest.mark.parametrize("answer", ["cpython 3 11 x86_64", "pypy 3 10 x86_64", "cpython 3 10 aarch64", ""])
def test_another_python_is_refused(fake: Fake, monkeypatch: pytest.MonkeyPatch, answer: str) -> None:
    monkeypatch.setenv("ANSWER", answer)
    with pytest.raises(ToolchainError, match=r"no CPython 3\.10") as caught:
        find_python(fake.python)
    assert "--python" in caught.value.hint


def test_another_machine_is_refused(fake: Fake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platform.machine", lambda: "aarch64")
    with pytest.raises(ToolchainError, match="x86-64 Linux alone"):
        install()


def test_two_installs_at_once(fake: Fake) -> None:
    private_folder().parent.mkdir(parents=True)
    with (private_folder().parent / f".{private_folder().name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(ToolchainError, match="another install"):
            install()


def test_uninstall_removes_all_of_it(fake: Fake) -> None:
    install()
    assert uninstall() > 0
    assert not private_folder().exists() and uninstall() == 0


def test_a_damaged_record_starts_again(fake: Fake) -> None:
    install()
    (private_folder() / RECORD_NAME).write_text('{"steps": 7}')
    assert read_record().steps == () and install()


def test_commands_that_do_not_answer_are_an_error_at_the_end(fake: Fake) -> None:
    (fake.folder.parent / "commands" / "hb_mapper").write_text("#!/bin/sh\nexit 1\n")
    with pytest.raises(ToolchainError, match="gives no version"):
        install()
    assert not read_record().complete and private_bin().is_dir()


def test_the_size_is_named_and_nothing_begins_unasked(fake: Fake, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["toolchain", "install"]) == 1
    said = capsys.readouterr().err
    assert f"about {DOWNLOAD_MB} MB to download, 2.8 GB on disk" in said and "--yes" in said
    assert fake.installed == []


def test_the_command_installs_shows_and_removes(fake: Fake, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["toolchain", "status", "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["usable"] is None
    assert main(["toolchain", "install", "--yes"]) == 0
    assert "hb_mapper 1.24.3" in capsys.readouterr().out
    assert main(["toolchain", "status"]) == 0
    assert "1.24.3" in capsys.readouterr().out
    assert main(["toolchain", "uninstall"]) == 1 and private_folder().is_dir()
    assert main(["toolchain", "uninstall", "--yes"]) == 0 and not private_folder().exists()
