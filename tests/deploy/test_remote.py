"""Pushing to a stand-in board: `ssh` and `scp` on PATH that work in a folder of this machine."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from edgekit.cli.main import main
from edgekit.deploy.bundle_writer import write_bundle
from edgekit.deploy.remote import fill_folder, push
from edgekit.errors import ConfigError, DeviceError, ModelError, OutputError
from edgekit.files import write_bytes
from edgekit.packaging.libraries import PURE
from edgekit.packaging.runtime_wheel import write_runtime_wheel
from edgekit.spec import ModelSpec, save_spec
from tests.board.test_scripts import NV12, VENDOR
from tests.conftest import ROOT

SSH = """#!/bin/sh
while [ "$1" = -o ]; do shift 2; done
echo "ssh $*" >>"$FAKE_LOG"
[ "$1" = root@board ] || { echo "ssh: connect to host $1 port 22: No route to host" >&2; exit 255; }
shift
cd "$FAKE_HOME" && exec sh -c "$*"
"""
SCP = """#!/bin/sh
while [ "$1" = -o ]; do shift 2; done
[ "$1" = -r ] && [ "$2" = -q ] || exit 9
shift 2
for last; do :; done
while [ $# -gt 1 ]; do cp -r "$1" "$FAKE_HOME/${last#root@board:}" || exit 1; shift; done
"""
PYTHON3 = """#!/bin/sh
PYTHONPATH="$FAKE_SITE" FAKE_BOARD_MODEL="$FAKE_HOME/edgekit/bundle/m.json" exec {python} "$@"
"""
HRT = """#!/bin/sh
echo '[HBRT] set log level as 0. version = {hbrt}'
echo '[DNN] Runtime version = 1.24.5_(3.15.55 HBRT)'
echo '(2025-07-24,22:03:13.225.549) [HorizonRT] The model builder version = 1.24.3'
"""
BUILT = replace(NV12, tools={"hb_mapper": "1.24.3", "hbdk_runtime": "3.15.55.0"})


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The runtime as every push builds it again, without kernels, which tests/packaging compiles."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(PURE, "1")
        return write_runtime_wheel(tmp_path_factory.mktemp("wheel"))


@pytest.fixture(autouse=True)
def one_wheel(wheel: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def copied(folder: Path) -> Path:
        folder.mkdir(parents=True, exist_ok=True)
        return Path(shutil.copy(wheel, folder))

    monkeypatch.setattr("edgekit.deploy.remote.write_runtime_wheel", copied)


@pytest.fixture
def board(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Its home folder; the commands are first on PATH."""
    home, bin_folder, site = (tmp_path / name for name in ("home", "bin", "site"))
    for folder in (home, bin_folder, site / "hobot_dnn"):
        folder.mkdir(parents=True)
    put_command(bin_folder / "ssh", SSH)
    put_command(bin_folder / "scp", SCP)
    put_command(bin_folder / "python3", PYTHON3.format(python=sys.executable))
    put_command(bin_folder / "hrt_model_exec", HRT.format(hbrt="3.15.55.0"))
    shutil.copy(ROOT / "tests" / "board_only.py", site / "sitecustomize.py")
    shutil.copy(ROOT / "tests" / "runtime" / "fake_vendor.py", site / "hobot_dnn")
    (site / "hobot_dnn" / "__init__.py").write_text("")
    (site / "hobot_dnn" / "pyeasy_dnn.py").write_text(VENDOR)
    monkeypatch.setenv("PATH", str(bin_folder), prepend=":")
    for name, value in {"FAKE_HOME": home, "FAKE_SITE": site, "FAKE_LOG": tmp_path / "log"}.items():
        monkeypatch.setenv(name, str(value))
    return home


@pytest.fixture
def bundle(tmp_path: Path) -> Callable[[ModelSpec], Path]:
    def make(spec: ModelSpec) -> Path:
        write_bytes(tmp_path / "m.bin", b"\x0a\x10real")
        save_spec(tmp_path / "m.json", spec)
        parts = {"model": tmp_path / "m.bin", "sidecar": tmp_path / "m.json"}
        return write_bundle(tmp_path / "bundle", parts, spec).folder

    return make


def put_command(path: Path, text: str) -> None:
    path.write_text(text)
    path.chmod(0o755)


def test_everything_is_there_checked_tried_and_measured(
    board: Path, bundle: Callable[[ModelSpec], Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "back.json"
    assert main(["push", "root@board", str(bundle(BUILT)), "--frames", "4", "--threads", "1", "-o", str(out)]) == 0
    assert (board / "edgekit" / "runtime" / "edgekit" / "runtime" / "session.py").is_file()
    assert not (board / "edgekit" / "runtime" / "edgekit" / "host").exists()
    report = json.loads(out.read_text())
    assert report["device"] == "bpu"
    assert [run["frames"] for run in report["runs"]] == [4]
    printed = capsys.readouterr().out
    assert "ok   BPU runtime (HBRT): 3.15.55.0 (expected at least 3.15.55.0, which built the model)" in printed
    assert "note board: unknown (expected a board of march bayes-e)" in printed
    commands = (tmp_path / "log").read_text()
    assert commands.index("install.sh") < commands.index("check.py") < commands.index("perf.py")


def test_a_second_push_replaces_the_first(board: Path, bundle: Callable[[ModelSpec], Path]) -> None:
    for _ in range(2):
        assert push("root@board", bundle(BUILT), measure=False).perf is None
    assert len(list((board / "edgekit").glob("edgekit_rdk_runtime-*.whl"))) == 1


def test_the_measurement_replaces_nothing_unasked(
    board: Path, bundle: Callable[[ModelSpec], Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "perf.json"
    out.write_text("mine")
    args = ["push", "root@board", str(bundle(BUILT)), "--frames", "4", "--threads", "1", "-o", str(out)]
    assert main(args) == 2
    assert "perf.json exists already" in capsys.readouterr().err
    assert (out.read_text(), (tmp_path / "log").exists()) == ("mine", False)
    assert main([*args, "--overwrite"]) == 0
    assert json.loads(out.read_text())["runs"]


def test_a_runtime_older_than_the_builder_is_refused_before_anything_runs(
    board: Path, bundle: Callable[[ModelSpec], Path], tmp_path: Path
) -> None:
    put_command(tmp_path / "bin" / "hrt_model_exec", HRT.format(hbrt="3.14.20.0"))
    with pytest.raises(DeviceError, match="HBRT\\) is 3.14.20.0, expected at least 3.15.55.0") as caught:
        push("root@board", bundle(BUILT))
    assert "update RDK OS" in caught.value.hint
    assert "perf.py" not in (tmp_path / "log").read_text()


def test_no_bpu_library_is_said_with_its_cure(board: Path, bundle: Callable[[ModelSpec], Path], tmp_path: Path) -> None:
    shutil.rmtree(tmp_path / "site" / "hobot_dnn")
    with pytest.raises(DeviceError, match="version check on root@board failed: BPU library is not available"):
        push("root@board", bundle(BUILT))


def test_a_board_that_is_not_there(board: Path, bundle: Callable[[ModelSpec], Path]) -> None:
    with pytest.raises(DeviceError, match="connect on root@nowhere failed: .*No route to host") as caught:
        push("root@nowhere", bundle(BUILT))
    assert "--folder DIR" in caught.value.hint


@pytest.mark.parametrize("host", ["-oProxyCommand=x", "root@a b", "", "a;b"])
def test_an_impossible_host(board: Path, bundle: Callable[[ModelSpec], Path], host: str) -> None:
    with pytest.raises(ConfigError, match="is no host"):
        push(host, bundle(BUILT))


@pytest.mark.parametrize("folder", ["/etc", "../x", "a/../../x", "-x", "a b"])
def test_an_impossible_folder(board: Path, bundle: Callable[[ModelSpec], Path], folder: str) -> None:
    with pytest.raises(ConfigError, match="no folder below the home"):
        push("root@board", bundle(BUILT), folder=folder)


def test_without_ssh(bundle: Callable[[ModelSpec], Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(DeviceError, match="ssh is not on PATH") as caught:
        push("root@board", bundle(BUILT))
    assert "--folder DIR" in caught.value.hint


def test_a_simulated_bundle_is_refused(board: Path, bundle: Callable[[ModelSpec], Path], tmp_path: Path) -> None:
    simulated = bundle(replace(BUILT, simulated=True))
    with pytest.raises(ModelError, match="simulated compiler, which no board runs"):
        push("root@board", simulated)
    assert not (tmp_path / "log").exists()


def test_a_folder_to_carry(bundle: Callable[[ModelSpec], Path], tmp_path: Path) -> None:
    folder = tmp_path / "carry"
    for _ in range(2):  # filling it again replaces what was there
        fill_folder(bundle(BUILT), folder)
    names = {path.name for path in folder.iterdir()}
    assert {"install.sh", "run.py", "perf.py", "check.py", "requirements.txt", "reference", "bundle"} < names
    assert len([name for name in names if name.endswith(".whl")]) == 1
    taken = tmp_path / "taken"
    taken.mkdir()
    (taken / "precious.txt").write_text("x")
    with pytest.raises(OutputError, match="not empty"):
        fill_folder(bundle(BUILT), taken)
    assert (taken / "precious.txt").is_file()
    (taken / "install.sh").write_text("mine")
    with pytest.raises(OutputError, match="not empty"):
        fill_folder(bundle(BUILT), taken)
    assert (taken / "install.sh").read_text() == "mine"


def test_a_bundle_is_never_replaced_while_it_is_read(bundle: Callable[[ModelSpec], Path], tmp_path: Path) -> None:
    folder = tmp_path / "carry"
    fill_folder(bundle(BUILT), folder)
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    with pytest.raises(OutputError, match="while it is read"):
        fill_folder(folder / "bundle", folder)
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before


def test_the_targets_are_counted(bundle: Callable[[ModelSpec], Path], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["push", str(bundle(BUILT))]) == 2
    assert "expected USER@HOST BUNDLE" in capsys.readouterr().err
