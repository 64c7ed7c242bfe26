"""Every command that is printed behind `next:` is parsed by the real parsers, and those that can run here are run."""

from __future__ import annotations

import argparse
import ast
import importlib
import json
import re
import shlex
from pathlib import Path

import pytest

from edgekit.cli.main import COMMANDS, main
from edgekit.next_command import edgekit_command, trial_command
from edgekit.report.rules import RULES
from tests.conftest import ROOT
from tests.images import write_images
from tests.package_sources import MODULES, syntax_tree
from tests.tiny_yolo import save_tiny_yolo

ODD = "it's a $HOME *folder* (1)"  # blanks, quotes and what a shell expands


def parse(command: str) -> argparse.Namespace:
    """The arguments of a printed command, by the parser of its command; fails where that refuses them."""
    program, name, *words = shlex.split(command)
    assert program == "edgekit"
    parser = argparse.ArgumentParser()
    importlib.import_module(COMMANDS[name][0]).add_arguments(parser)
    return parser.parse_args(words)


def next_commands(printed: str) -> list[str]:
    """What stands behind every `next:` of an output."""
    return [line.partition("next: ")[2] for line in printed.splitlines() if line.startswith("next: ")]


def test_words_are_quoted_and_paths_are_no_options() -> None:
    for path in (Path("a b"), Path(ODD), Path("~/x"), Path("ä;rm"), Path("-x.yaml")):
        words = shlex.split(edgekit_command("compile", path))
        assert words[:2] == ["edgekit", "compile"]
        assert Path(words[2]) == path
        assert not words[2].startswith("-")
        assert parse(edgekit_command("compile", path)).yaml == path


@pytest.mark.parametrize(
    ("path", "quoted"),
    [
        (r"C:\models\best.onnx", r"C:\models\best.onnx"),
        (r"C:\my models\best.onnx", r'"C:\my models\best.onnx"'),
        (r"D:\a&b\(1).onnx", r'"D:\a&b\(1).onnx"'),
        ("-x.yaml", "./-x.yaml"),
    ],
)
def test_commands_for_windows_keep_backslashes_and_use_its_quotes(
    path: str, quoted: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    word = Path(path) if path.startswith("-") else path
    monkeypatch.setattr("edgekit.next_command.os.name", "nt")
    command = edgekit_command("cut", word)
    monkeypatch.undo()
    assert command == f"edgekit cut {quoted}"


@pytest.mark.parametrize(
    "manifest",
    [
        None,
        "[]",
        "{",
        '{"request": 3}',
        '{"request": {"source": 3}}',
        '{"request": {"source": "none"}}',
        '{"request": {"source": "a\\u0000b"}}',
        '{"request": {"source": "manifest.json", "images_dir": "images"}}',
    ],
)
def test_a_model_whose_images_are_not_known_is_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, manifest: str | None
) -> None:
    monkeypatch.chdir(tmp_path)
    if manifest is not None:
        Path("manifest.json").write_text(manifest)
    assert parse(trial_command(Path("m.bin"), Path())).model == "m.bin"
    assert trial_command(Path("m.bin"), Path()) == "edgekit perf --model m.bin"


@pytest.mark.parametrize("name", ["images", "list.txt", "a.png", "v.mp4", "coco.json"])
def test_the_images_that_calibrated_a_model_try_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.chdir(tmp_path)
    Path("images").mkdir()
    for file in ("list.txt", "a.png", "v.mp4", "coco.json"):
        Path(file).write_bytes(b"")
    Path("manifest.json").write_text(json.dumps({"request": {"source": name, "images_dir": None}}))
    assert trial_command(Path("m.bin"), Path()) == f"edgekit run --model m.bin --source {name} --frames 20"
    assert parse(trial_command(Path("m.bin"), Path())).frames == 20


def test_every_next_command_from_calibrate_to_run_runs_as_it_is_printed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / ODD
    folder.mkdir()
    monkeypatch.chdir(folder)
    model = save_tiny_yolo(folder / "my model.onnx", family="yolo11")
    write_images(folder / "my images", 6)
    assert main(["calibrate", "--model", str(model), "--images", "my images", "-o", "my work", "--num", "4"]) == 0
    (compile_it,) = next_commands(capsys.readouterr().out)
    assert main([*shlex.split(compile_it)[1:], "--toolchain", "sim"]) == 0
    (run_it,) = next_commands(capsys.readouterr().out)
    assert parse(run_it).source == "my images"
    assert main(shlex.split(run_it)[1:]) == 0
    assert len(json.loads((folder / "edgekit_run" / "results.json").read_text())["results"]) == 6
    capsys.readouterr()
    assert main(["report", "my work"]) in (0, 1)
    for command in next_commands(capsys.readouterr().out):
        if command.startswith("edgekit "):
            assert main(shlex.split(command)[1:]) == 0
    bundle = ["deploy", str(model), "--images", "my images", "-o", "my bundle", "--num", "4", "--toolchain", "sim"]
    assert main(bundle) == 0
    (run_it,) = next_commands(capsys.readouterr().out)
    assert main(shlex.split(run_it)[1:]) == 0


def test_demo_names_commands_that_the_parsers_take() -> None:
    from edgekit.cli.demo import NEXT_STEPS

    for command in NEXT_STEPS:
        parse(command)


def test_no_command_is_built_without_quoting() -> None:
    """A command with values in it, printed behind `next:`, comes from `edgekit_command`."""
    for path in MODULES:
        for node in ast.walk(syntax_tree(path)):
            parts = node.values if isinstance(node, ast.JoinedStr) else []
            texts = [str(part.value) for part in parts if isinstance(part, ast.Constant)]
            assert not any(re.search("next: .*edgekit", text, re.IGNORECASE) for text in texts), f"{path}:{node}"


def test_what_a_rule_advises_is_a_whole_command_or_no_command() -> None:
    """A literal that begins with `edgekit ` could be printed behind `next:`; there is none that does not parse."""
    assert RULES
    for name in ("report/rules.py", "report/verdict.py", "logs/failures.py"):
        tree = ast.parse((ROOT / "edgekit" / name).read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            text = str(node.value) if isinstance(node, ast.Constant) else ""
            if re.match(r"edgekit [a-z]+ ", text) and text.split()[1] in COMMANDS:
                parse(text)
