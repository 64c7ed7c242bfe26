from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from edgekit.cli.main import COMMANDS, main
from edgekit.version import __version__
from tests.conftest import ROOT
from tests.sim.test_device import image_graph

HEAVY = ("numpy", "cv2", "onnx", "onnxruntime", "yaml", "jinja2", "rich", "pycocotools", "matplotlib")


PROBE = """
import contextlib, io, json, sys
from edgekit.cli.main import COMMANDS, main
shown = {}
for command in ("", *COMMANDS):
    with contextlib.redirect_stdout(io.StringIO()) as said, contextlib.suppress(SystemExit):
        main([word for word in (command, "--help") if word])
    shown[command] = [said.getvalue(), [name for name in sys.argv[1:] if name in sys.modules]]
print(json.dumps(shown))
"""


@pytest.fixture(scope="module")
def helps() -> dict[str, tuple[str, list[str]]]:
    """The help of every command, and the heavy libraries that are loaded after it; one process shows them all."""
    run = subprocess.run([sys.executable, "-c", PROBE, *HEAVY], capture_output=True, text=True, cwd=ROOT)
    assert run.returncode == 0, run.stderr
    shown: dict[str, tuple[str, list[str]]] = json.loads(run.stdout)
    return shown


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_help_names_the_command_and_loads_nothing_heavy(helps: dict[str, tuple[str, list[str]]], command: str) -> None:
    said, loaded = helps[command]
    assert f"usage: edgekit {command}".strip() in said
    assert loaded == []


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main(["--version"])
    assert end.value.code == 0
    assert __version__ in capsys.readouterr().out


def test_no_command_shows_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    out = capsys.readouterr().out
    assert all(command in out for command in COMMANDS)


def test_an_unknown_command_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main(["fly"])
    assert end.value.code == 2
    assert "fly" in capsys.readouterr().err


def test_a_mistake_is_two_lines_and_code_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "--model", "none.bin", "--source", "none.jpg"]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert [line.split(":")[0] for line in lines] == ["error", "hint"]


@pytest.mark.parametrize(
    "command",
    ["run --source x.jpg --model", "eval --model m.onnx --data", "cut -o x.onnx",
     "calibrate --images x -o w --model", "compile", "report", "strip", "verify", "push --to root@board",
     "perf --model", "bench --images x -o b --model", "compare m.onnx --images x"],
)  # fmt: skip
@pytest.mark.parametrize("suffix", [".onnx", ".bin", ".json", ".yaml", "/part.onnx"])
def test_a_path_that_no_file_system_takes_is_two_lines(
    command: str, suffix: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*command.split(), "n" * 5000 + suffix]) == 2
    said = capsys.readouterr().err
    assert [line.split(":")[0] for line in said.splitlines()][-2:] == ["error", "hint"], said[-300:]
    assert len(said) < 20_000


def test_debug_shows_the_traceback() -> None:
    from edgekit.errors import ModelError

    with pytest.raises(ModelError):
        main(["run", "--debug", "--model", "none.bin", "--source", "none.jpg"])


@pytest.mark.parametrize(
    "error, hint",
    [
        (ImportError("libGL.so.1: cannot open shared object file"), "opencv-python-headless"),
        (ModuleNotFoundError("No module named 'onnx'", name="onnx"), "[host]"),
    ],
)
def test_a_missing_library_names_what_to_install(
    error: ImportError, hint: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(args: object) -> int:
        raise error

    monkeypatch.setattr("edgekit.cli.run.run", fail)
    assert main(["run", "--model", "m.bin", "--source", "p.jpg"]) == 2
    said = capsys.readouterr().err.splitlines()
    assert str(error) in said[0]
    assert hint in said[1]


def test_a_graph_beyond_the_limit_runs_where_the_option_allows_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("EDGEKIT_GRAPH_LIMIT", "1e-9")
    path = tmp_path / "m_quantized_model.onnx"
    path.write_bytes(image_graph("nv12"))
    assert main(["verify", str(path)]) == 2
    assert "--graph-limit" in capsys.readouterr().err
    assert main(["verify", str(path), "--graph-limit", "1"]) in (0, 1)  # 1 without kernels: nothing to compare
    assert main(["verify", str(path), "--graph-limit", "much"]) == 2
    assert "'much', expected a factor" in capsys.readouterr().err
