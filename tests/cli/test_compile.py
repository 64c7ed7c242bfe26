"""`edgekit compile` as a user runs it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from edgekit.cli.main import main
from edgekit.compilation import registry
from tests.sim.compiler.works import make_work


def test_compiles_reuses_and_names_the_next_step(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    yaml = make_work(tmp_path, images=2)
    assert main(["compile", str(yaml), "--toolchain", "sim"]) == 0
    first = capsys.readouterr()
    assert "compiled by sim (simulated" in first.out and "class_8" in first.out
    assert f"next: edgekit perf --model {tmp_path / 'out' / 'tiny_modified.bin'}" in first.out.replace("\n", "")
    assert "calibrate" in first.err
    assert main(["compile", str(yaml), "--toolchain", "sim", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["reused"] and report["simulated"] and report["toolchain"] == "sim"
    assert Path(report["files"]["bin"]).is_file() and min(report["output_cosines"].values()) > 0.99


def test_a_yaml_as_the_vendors_own_are_is_compiled_and_what_counts_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without calibration_type, and with a key that stands twice."""
    yaml = make_work(tmp_path, images=1)
    lines = [line for line in yaml.read_text().splitlines() if "calibration_type" not in line]
    march = next(line for line in lines if "march:" in line)
    lines.insert(lines.index(march), march.replace("bayes-e", "bernoulli2"))
    yaml.write_text("\n".join(lines))
    assert main(["compile", str(yaml), "--toolchain", "sim", "--json"]) == 0
    notes = json.loads(capsys.readouterr().out)["notes"]
    assert any(f"{yaml.name}: key 'march' appears twice" in note and "the last one counts" in note for note in notes)
    assert any(note.startswith("calibration: ") for note in notes), notes  # the method that was chosen by default


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["missing.yaml"], "missing.yaml"),
        (["{yaml}", "--toolchain", "gcc"], "'gcc'"),
        (["{yaml}", "--optimize", "O7"], "O7"),
    ],
)
def test_mistakes_are_two_lines(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], words: str
) -> None:
    yaml = make_work(tmp_path, images=1)
    assert main(["compile", *(a.format(yaml=yaml) for a in arguments)]) == 2
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 2 and words in lines[0]
    assert lines[0].startswith("error: ") and lines[1].startswith("hint: ")
    assert not (tmp_path / "out").exists()


class NotInstalled:
    simulated = False

    def missing(self) -> str:
        return "no hb_mapper on PATH"


def test_auto_says_why_the_result_is_simulated(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(registry.BUILT_IN, "hb_mapper", f"{__name__}:NotInstalled")
    assert main(["compile", str(make_work(tmp_path, images=1))]) == 0
    printed = capsys.readouterr().out
    assert "compiled by sim (simulated" in printed and "no hb_mapper on PATH" in printed
