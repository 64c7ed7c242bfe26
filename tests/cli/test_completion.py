"""Completion scripts are valid in their shells, and complete commands and options there."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import get_args

import pytest

pytest.importorskip("shtab")

from edgekit.cli.completion import Shell, completion_script
from edgekit.cli.main import COMMANDS, main

SHELLS = get_args(Shell)


@pytest.fixture(scope="module")
def scripts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("completion")
    for shell in SHELLS:
        (folder / shell).write_text(completion_script(shell), encoding="utf-8")
    return {shell: folder / shell for shell in SHELLS}


def ask(shell: str, *arguments: str) -> str:
    program = shutil.which(shell)
    if program is None:
        pytest.skip(f"no {shell}")
    done = subprocess.run([program, *arguments], capture_output=True, text=True)
    assert done.returncode == 0 and not done.stderr, done.stderr
    return done.stdout


@pytest.mark.parametrize("shell", SHELLS)
def test_the_shell_reads_its_script(scripts: dict[str, Path], shell: str) -> None:
    ask(shell, "-n", str(scripts[shell]))
    text = scripts[shell].read_text(encoding="utf-8")
    assert all(command in text for command in COMMANDS)


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("edgekit cal", ["calibrate"]),
        ("edgekit compile --tool", ["--toolchain"]),
        ("edgekit co", ["compare", "compile"]),
    ],
)
def test_words_are_completed(scripts: dict[str, Path], typed: str, expected: list[str]) -> None:
    words = typed.split()
    bash = (
        f"source {scripts['bash']}; COMP_WORDS=({typed}); COMP_CWORD={len(words) - 1}; "
        f"_shtab_edgekit edgekit {words[-1]} {words[-2]}; printf '%s\\n' \"${{COMPREPLY[@]}}\""
    )
    assert set(expected) <= set(ask("bash", "-c", bash).split())
    fish = ask("fish", "--no-config", "-c", f"source {scripts['fish']}; complete -C '{typed}'")
    assert set(expected) <= {line.split("\t")[0] for line in fish.splitlines()}


def test_the_command_prints_the_script(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["completion", "bash"]) == 0
    assert capsys.readouterr().out.rstrip("\n") == completion_script("bash").rstrip("\n")
    with pytest.raises(SystemExit) as end:
        main(["completion", "tcsh"])
    assert end.value.code == 2
