"""Learning as a stage of tuning: what is kept, what the manifest says, and what a second call does."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import onnx
import pytest

from edgekit.data.image_source import ImageSource
from edgekit.errors import ConfigError, DataError
from edgekit.learn.image_pool import split_images
from edgekit.ops.image import read_image
from edgekit.ptq.calibrator import Calibrator
from edgekit.tuning import TuneOptions, TuneResult, time_budget, tune
from edgekit.tuning.candidate import LEARNED, ROUNDED, Candidate
from edgekit.tuning.learning import PERCENTILES, learn_weights, learning_notes
from edgekit.tuning.prepare import learning_source
from edgekit.tuning.search import SearchContext, SearchState
from edgekit.tuning.time_budget import SearchPlan
from edgekit.tuning.workspace import Workspace
from tests.learn.conftest import write_images
from tests.tiny_yolo import save_tiny_yolo

TINY = SearchPlan("tiny", (1, 2, 3), (0.9999,), (("diverse", 6),), 2, (0.9995,), 8, 5, 1, 6)
STEPS = 6


@pytest.fixture(scope="module")
def tuned(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, TuneResult]]:
    """A tuning that learns for a few steps; whatever that gives is taken, so that the rest of the search sees it."""
    pytest.importorskip("torch", minversion="2.1")
    from edgekit.learn import learned, training

    folder = tmp_path_factory.mktemp("learning")
    model = save_tiny_yolo(folder / "tiny.onnx", family="yolov8", num_classes=2, size_wh=(64, 64))
    images = write_images(folder / "images", 36)
    verdict: Any = learned._verdict
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(time_budget, "PLANS", (TINY,))
        patch.setattr(training, "EVALUATIONS", 2)
        patch.setattr(learned, "steps_for", lambda *args, **options: STEPS)
        patch.setattr(learned, "_verdict", lambda losses, seed: {**verdict(losses, seed), "accepted": True})
        options = TuneOptions(minutes=2.5, learn=1, max_extra_cost=0, workers=1)
        yield folder, tune(model, images, folder / "out", options)


def test_what_was_learned_is_the_candidate_that_is_written(tuned: tuple[Path, TuneResult]) -> None:
    folder, result = tuned
    assert any(step.change == f"learned in {STEPS} steps" for step in result.steps)
    candidate = result.chosen.step.candidate
    assert candidate.clip_ranges and candidate.calibrator.method == "max"
    written = onnx.load(next((folder / "out" / "tuned").glob("*.onnx")))
    operations = Counter(node.op_type for node in written.graph.node)
    assert 0 < operations["Clip"] <= len(candidate.clip_ranges)  # a layer in int16 at no cost needs none
    plain = onnx.load(next((folder / "out" / "search" / "sets").glob("*/*.onnx")))
    changed = {t.name: t.raw_data for t in plain.graph.initializer}
    assert any(changed.get(t.name, t.raw_data) != t.raw_data for t in written.graph.initializer)
    assert [o.name for o in plain.graph.output] == [o.name for o in written.graph.output]


@pytest.mark.parametrize("best", range(len(PERCENTILES)))
def test_what_was_learned_is_calibrated_by_the_percentile_that_loses_least(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, best: int
) -> None:
    pytest.importorskip("torch", minversion="2.1")
    (tmp_path / "learned.onnx").write_bytes(b"weights")
    (tmp_path / "graphs").mkdir()
    result = SimpleNamespace(accepted=True, model=tmp_path / "learned.onnx", bounds={"c": 4.0}, report={"done": 3})
    monkeypatch.setattr("edgekit.learn.learned.learn", lambda *args, **options: result)
    monkeypatch.setattr("edgekit.tuning.learning.loss", lambda measured, reference: measured / reference)
    context = SimpleNamespace(
        workspace=SimpleNamespace(
            folder=tmp_path, yaml=lambda name: tmp_path, graph_path=lambda name: tmp_path / "graphs" / f"{name}.onnx"
        ),
        untuned=Candidate("set"),
        targets=SimpleNamespace(max_extra_cost=None),
        progress=None,
        run=lambda stage, tasks: None,
        measure=lambda stage, candidates: [
            1.0 if candidate.calibrator.percentile == PERCENTILES[best] else 2.0 for candidate in candidates
        ],
        reference=lambda: 2.0,
        step=lambda change, candidate, measured, tried: (change, candidate, measured, tried),
    )
    state: Any = learn_weights(
        cast(SearchContext, context), SearchState(()), source=cast(ImageSource, None), minutes=1, seed=0
    )
    change, candidate, measured, tried = state.incumbent
    assert (change, measured, tried) == ("learned in 3 steps", 1.0, len(PERCENTILES))
    assert candidate.calibrator == Calibrator("max", PERCENTILES[best]) and candidate.clip_ranges == (("c", 4.0),)
    assert (tmp_path / "graphs" / f"{candidate.graph}.onnx").read_bytes() == b"weights"


def test_the_manifest_says_what_was_learned_from_what(tuned: tuple[Path, TuneResult]) -> None:
    folder, result = tuned
    manifest = json.loads((folder / "out" / "tuned" / "manifest.json").read_text())
    learned = manifest["learned"]
    assert learned["images"]["learned"] == 18 and learned["images"]["held_out"] == 18
    assert learned["steps"] == learned["done"] == STEPS and learned["seed"] == 0
    assert len(learned["model"]["sha256"]) == 64 and set(learned["losses"]) == {"untuned", "clips", "learned"}
    assert learned.pop("weights") in (0.0, 0.5, 1.0)
    assert json.loads((folder / "out" / "tuned" / "tune.json").read_text())["learned"] == learned
    assert any(note.startswith(f"learning: {STEPS} of {STEPS} steps") for note in result.notes)
    assert any("only 18 images were held out" in note for note in result.notes)


def test_nothing_is_measured_on_images_that_were_learned_from(tuned: tuple[Path, TuneResult]) -> None:
    folder, _ = tuned
    images = learning_source(folder / "images", TuneOptions(learn=1)).images
    learned = {str(image.path.resolve()) for image in split_images(images, seed=0)[0]}
    measured = json.loads((folder / "out" / "search" / "images.json").read_text())["images"]
    assert len(measured) == 18 and not learned & set(measured)


def test_candidates_are_measured_on_images_and_their_mirror_images(tuned: tuple[Path, TuneResult]) -> None:
    folder, _ = tuned
    workspace = Workspace(folder / "out" / "search")
    count = len(list((folder / "out" / "search" / "float_heads").glob("*.npz"))) // 2
    assert 8 <= count <= 18
    for view in range(count):
        np.testing.assert_array_equal(workspace.pixels(view), read_image(workspace.images()[view]))
        np.testing.assert_array_equal(workspace.pixels(count + view), workspace.pixels(view)[:, ::-1])
    assert not np.array_equal(workspace.float_heads(0)["class_8"], workspace.float_heads(count)["class_8"])


@pytest.mark.parametrize("count", [-1, 19, 10**400, 1.5, True, "2", None])
def test_a_damaged_count_of_mirror_images_is_refused(
    tuned: tuple[Path, TuneResult], tmp_path: Path, count: object
) -> None:
    document = json.loads((tuned[0] / "out" / "search" / "images.json").read_text())
    (tmp_path / "images.json").write_text(json.dumps({**document, "mirrored": count}))
    with pytest.raises(DataError, match="expected how many of its images are|images.json"):
        Workspace(tmp_path).pixels(0)


def test_the_same_call_gives_the_same(tuned: tuple[Path, TuneResult], monkeypatch: pytest.MonkeyPatch) -> None:
    folder, result = tuned
    options = TuneOptions(minutes=2.5, learn=1, max_extra_cost=0, workers=1)
    again = tune(folder / "tiny.onnx", folder / "images", folder / "out", options)
    assert again.chosen.step.candidate == result.chosen.step.candidate
    assert again.chosen.step.candidate.graph.startswith((LEARNED, ROUNDED, "biased"))


def test_another_budget_reads_what_was_learned(tuned: tuple[Path, TuneResult], monkeypatch: pytest.MonkeyPatch) -> None:
    from edgekit.learn import learned, training

    def never(*args: Any, **options: Any) -> None:
        raise AssertionError("it was learned already")

    folder, result = tuned
    monkeypatch.setattr(time_budget, "PLANS", (TINY,))
    monkeypatch.setattr(learned, "steps_for", lambda *args, **options: STEPS)
    monkeypatch.setattr(training, "train", never)
    options = TuneOptions(minutes=2.5, learn=1, max_extra_cost=0.5, workers=1)
    again = tune(folder / "tiny.onnx", folder / "images", folder / "out", options)
    assert again.learned == result.learned
    monkeypatch.setattr(learned, "steps_for", lambda *args, **options: STEPS + 1)
    with pytest.raises(AssertionError, match="it was learned already"):
        tune(folder / "tiny.onnx", folder / "images", folder / "out", options)


@pytest.mark.parametrize("damage", [b"", b"{}", b'{"schema": "finished-learning"}', None])
def test_a_damaged_result_is_none(tuned: tuple[Path, TuneResult], tmp_path: Path, damage: bytes | None) -> None:
    from edgekit.learn.learned import FINISHED_NAME, LEARNED_NAME, _finished

    learn = tuned[0] / "out" / "search" / "learn"
    for name in (FINISHED_NAME, LEARNED_NAME):
        shutil.copy(learn / name, tmp_path / name)
    from_what = json.loads((learn / FINISHED_NAME).read_text())["from"]
    assert _finished(tmp_path, from_what) is not None
    assert _finished(tmp_path, {**from_what, "seed": 7}) is None
    if damage is None:
        (tmp_path / LEARNED_NAME).write_bytes(b"another model")
    else:
        (tmp_path / FINISHED_NAME).write_bytes(damage)
    assert _finished(tmp_path, from_what) is None


def test_a_learning_that_gains_nothing_is_said(tuned: tuple[Path, TuneResult]) -> None:
    _, result = tuned
    report: Any = {**(result.learned or {}), "accepted": False}
    assert learning_notes(report)[0].endswith("not taken: it does not beat both for sure")


def test_too_few_images_are_refused_before_anything_is_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edgekit.tuning.options.load_torch", lambda: None)
    monkeypatch.setattr(time_budget, "PLANS", (TINY,))
    model = save_tiny_yolo(tmp_path / "tiny.onnx", family="yolov8", num_classes=2, size_wh=(64, 64))
    images = write_images(tmp_path / "images", 12)
    with pytest.raises(DataError, match="12 images in .*, expected at least 32 different ones"):
        tune(model, images, tmp_path / "out", TuneOptions(minutes=2.5, learn=1, workers=1))


def test_minutes_must_be_more_than_none(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="--learn is 0 minutes, expected more than 0"):
        tune(tmp_path / "m.onnx", tmp_path, tmp_path / "out", TuneOptions(learn=0))


def test_a_missing_torch_is_said_before_anything_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "torch", None)
    with pytest.raises(ConfigError, match="learning needs torch 2.1 or later"):
        tune(tmp_path / "no such model.onnx", tmp_path, tmp_path / "out", TuneOptions(learn=20))
