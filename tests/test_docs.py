"""The documentation: commands parse as they are written, examples run, diagrams are what their script draws."""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from edgekit.cli.main import COMMANDS
from edgekit.demo.scenes import render_image
from edgekit.output.writer import write_image
from tests.conftest import ROOT

PAGES = sorted((ROOT / "docs").glob("*.md"))


def console_commands(text: str) -> Iterator[str]:
    """Every `edgekit ...` line of the console blocks of a page, continued lines joined."""
    for block in re.findall(r"```(?:console|bash)\n(.*?)```", text, re.S):
        for line in block.replace("\\\n", " ").splitlines():
            if line.startswith("edgekit "):
                yield re.split(" [#>|] ?", line)[0]


def indented_commands(text: str) -> Iterator[str]:
    """Every `edgekit ...` line of the indented blocks of a page."""
    for line in text.replace("\\\n", " ").splitlines():
        if line.startswith("    edgekit "):
            yield line.strip().partition(" #")[0]


ALL_COMMANDS = [
    (page.name, command)
    for page in (*PAGES, ROOT / "README.md", ROOT / "board" / "README.md")
    for find in (console_commands, indented_commands)
    for command in find(page.read_text(encoding="utf-8"))
]


@pytest.mark.parametrize(("page", "command"), ALL_COMMANDS)
def test_commands_parse_as_they_are_written(page: str, command: str, capsys: pytest.CaptureFixture[str]) -> None:
    _, name, *arguments = shlex.split(command)
    assert name in COMMANDS, f"{page}: no command {name}"
    parser = argparse.ArgumentParser(prog=f"edgekit {name}")
    importlib.import_module(COMMANDS[name][0]).add_arguments(parser)
    try:
        parser.parse_args(arguments)
    except SystemExit:
        pytest.fail(f"{page}: {command}: {capsys.readouterr().err}")


def test_commands_named_in_text_exist() -> None:
    for page in PAGES:
        for name in re.findall(r"`edgekit ([a-z]+)", page.read_text(encoding="utf-8")):
            assert name in COMMANDS, f"{page.name}: edgekit {name}"


def test_every_command_has_a_row() -> None:
    text = (ROOT / "docs" / "commands.md").read_text(encoding="utf-8")
    assert [name for name in COMMANDS if f"`edgekit {name}`" not in text] == []


@pytest.mark.parametrize("page", [page for page in PAGES if "```python" in page.read_text(encoding="utf-8")], ids=str)
def test_examples_run(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_image(tmp_path / "image.jpg", render_image(7, (480, 360)).bgr)
    monkeypatch.chdir(tmp_path)
    model = repr(str(ROOT / "edgekit" / "demo" / "demo_seg.onnx"))
    names: dict[str, object] = {}
    for code in re.findall(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), re.S):
        exec(code.replace('"model.bin"', model), names)  # our own text, from the checkout
    assert names["session"]


def test_diagrams_are_what_their_script_draws() -> None:
    done = subprocess.run(
        [sys.executable, "tools/make_diagrams.py", "--check"], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout


def test_pages_are_in_the_navigation() -> None:
    navigation = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    assert [page.name for page in PAGES if f": {page.name}\n" not in navigation] == []


def test_the_reference_has_everything_that_is_public() -> None:
    import edgekit

    text = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
    named = set(re.findall(r"^::: ([\w.]+)$", text, re.M))
    assert [name for name in edgekit.__all__ if not name.startswith("__") and f"edgekit.{name}" not in named] == []
    for name in named:  # a module, or a name in one
        module, _, member = name.rpartition(".")
        inner = member.islower() and module != "edgekit"
        assert (not inner and hasattr(importlib.import_module(module), member)) or importlib.util.find_spec(name), name


def test_paths_that_developers_are_sent_to_exist() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    paths = re.findall(r"`([a-z_]+/[a-z_./]*(?:\.py|\.c|\.md|/))`", text)
    assert len(paths) > 20
    assert [path for path in paths if not ((ROOT / path).exists() or (ROOT / "edgekit" / path).exists())] == []


def test_images_of_pages_exist_and_are_small() -> None:
    assets = ROOT / "docs" / "assets"
    shown = {name for page in PAGES for name in re.findall(r"\]\(assets/([^)]+)\)", page.read_text(encoding="utf-8"))}
    assert {"shot-report.webp", "shot-compare.webp", "gallery-scenes.webp"} <= shown
    assert [name for name in sorted(shown) if not (assets / name).is_file()] == []
    sizes = {path.name: path.stat().st_size for path in assets.iterdir()}
    assert max(sizes.values()) < 300_000 and sum(sizes.values()) < 1_500_000


def test_every_screenshot_is_made_by_the_script() -> None:
    script = (ROOT / "tools" / "make_screenshots.py").read_text(encoding="utf-8")
    images = {path.stem for path in (ROOT / "docs" / "assets").glob("*.webp")}
    assert images and [name for name in sorted(images) if f'"{name}": draw_' not in script] == []
