"""Tuning the shared trained model, proven on images that it never saw, through both compilers. About 30 minutes.

pytest -m toolchain tests/tuning/test_shared.py -s
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from edgekit.evaluation.bootstrap import ratio
from edgekit.ptq.calibrator import Calibrator
from edgekit.tuning import TuneOptions, TuneResult, tune
from edgekit.tuning.builds import clippable_tensors, tensor_percentile
from edgekit.tuning.candidate import PLAIN, Candidate
from edgekit.tuning.measurement import error_intervals
from edgekit.tuning.prepare import DEFAULT_SET
from edgekit.tuning.run import SEARCH_DIR
from edgekit.tuning.workspace import Workspace
from edgekit.tuning.write import write_tuned
from tests.tuning.both_compilers import COMPILERS, Measured, ValImages, compile_both, rank_correlation

pytestmark = pytest.mark.toolchain
THIRD_LESS = 2 / 3
DEFAULT = "{}_{}".format(*DEFAULT_SET)


@dataclass(frozen=True)
class Shared:
    tuned: TuneResult
    workspace: Workspace
    val: ValImages


@pytest.fixture(scope="module")
def shared(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Shared:
    folder, coco = tmp_path_factory.mktemp("shared"), shared_data / "coco"
    tuned = tune(
        shared_data / "models/yolov8n-seg.onnx",
        coco / "images/train",
        folder,
        TuneOptions(data=coco / "instances_train.json", minutes=12, max_extra_cost=2, input_kind="rgb"),
    )
    workspace = Workspace(folder / SEARCH_DIR)
    cut = workspace.model(DEFAULT, PLAIN).job.onnx_path
    return Shared(tuned, workspace, ValImages(shared_data, folder / "val", cut))


@pytest.fixture(scope="module")
def table(shared: Shared, tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, str], Measured]:
    """(compiler, "untuned" or "tuned") -> its build on the val images."""
    yamls = {"untuned": shared.workspace.yaml(DEFAULT), "tuned": shared.tuned.yaml}
    found = {}
    for name, yaml in yamls.items():
        for compiler, build in compile_both(yaml, tmp_path_factory.mktemp(name)).items():
            found[compiler, name] = shared.val.measure(build, f"{compiler}_{name}")
            print(f"\n{compiler} {name}: {found[compiler, name]}")
    return found


@pytest.mark.parametrize("compiler", COMPILERS)
def test_the_tuned_build_keeps_every_metric(table: dict[tuple[str, str], Measured], compiler: str) -> None:
    kept = table[compiler, "tuned"].kept
    assert set(kept) == {"box", "mask"}
    assert all(one.value >= 0.99 for one in kept.values()), kept


@pytest.mark.parametrize("compiler", COMPILERS)
def test_every_output_is_a_third_nearer_to_float(table: dict[tuple[str, str], Measured], compiler: str) -> None:
    untuned, tuned = (table[compiler, name].errors.everywhere for name in ("untuned", "tuned"))
    ratios = dict(error_intervals(tuned, untuned))
    for name, one in ratios.items():
        print(f"{compiler} {name}: error over untuned {one.value:.2f} [{one.low:.2f}, {one.high:.2f}]")
    assert all(one.value <= THIRD_LESS for one in ratios.values())


@pytest.mark.parametrize("compiler", COMPILERS)
def test_detections_disagree_a_third_less(table: dict[tuple[str, str], Measured], compiler: str) -> None:
    untuned, tuned = (table[compiler, name] for name in ("untuned", "tuned"))
    one = ratio(tuned.missing, untuned.missing)
    print(f"{compiler}: disagreement over untuned {one.value:.2f} [{one.low:.2f}, {one.high:.2f}]")
    assert one.value <= THIRD_LESS and one.high < 1
    assert sum(tuned.lost) <= THIRD_LESS * sum(untuned.lost)


def test_the_simulated_compiler_ranks_candidates_as_the_real_one(
    shared: Shared, tmp_path_factory: pytest.TempPathFactory
) -> None:
    candidates = candidates_to_rank(shared)
    found: dict[str, list[Measured]] = {compiler: [] for compiler in COMPILERS}
    for name, candidate in candidates.items():
        yaml = write_tuned(shared.workspace, candidate, tmp_path_factory.mktemp("rank") / "work")
        for compiler, build in compile_both(yaml, yaml.parent.parent).items():
            found[compiler].append(shared.val.measure(build, f"rank_{compiler}_{candidate.key}"))
            print(f"\n{name}, {compiler}: {found[compiler][-1]}")
    measures = {
        "kept box and mask": lambda one: float(np.mean([kept.value for kept in one.kept.values()])),
        "agreement": lambda one: one.quality.value,
        "output error": lambda one: one.errors.everywhere.mean,
        "output error where objects are": lambda one: one.errors.weighted.mean,
    }
    ranks = {
        name: rank_correlation(*([measure(one) for one in found[compiler]] for compiler in COMPILERS))
        for name, measure in measures.items()
    }
    for name, rank in ranks.items():
        print(f"rank correlation of {len(candidates)} candidates, simulated and real, by {name}: {rank:.2f}")
    assert len(candidates) >= 6
    assert ranks["kept box and mask"] >= 0.8 and ranks["agreement"] >= 0.8
    assert ranks["output error where objects are"] >= 0.8
    assert (
        ranks["output error"] >= 0.6
    )  # KL: the vendor's saturates other tensors, to which this figure is nearly blind


def candidates_to_rank(shared: Shared) -> dict[str, Candidate]:
    """From coarse to fine: calibrators, and int16 for more and more of the sensitive layers."""
    plain = Candidate(DEFAULT)
    calibrators = [
        Calibrator("max"),
        Calibrator("kl"),
        *(Calibrator("max", p) for p in (0.99995, 0.9999, 0.9995, 0.998)),
    ]
    candidates = {str(calibrator): replace(plain, calibrator=calibrator) for calibrator in calibrators}
    tensors = sorted(clippable_tensors(shared.workspace.model(DEFAULT, PLAIN)))
    bounds = tuple((tensor, tensor_percentile(shared.workspace, plain, tensor, 0.99995)) for tensor in tensors)
    for count in (8, 24):
        int16 = frozenset[str]().union(*(point.tensors for point in shared.tuned.points[:count]))
        candidates[f"{count} layers in int16"] = replace(plain, clip_ranges=bounds).with_int16(int16)
    return candidates
