"""The written yaml and ONNX through the vendor's compiler: the same widths, and as near to the float model."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import pytest

from edgekit.compilation.build import compile_model
from edgekit.files import sha256_file
from edgekit.tuning.measurement import measurement_from_json
from edgekit.tuning.run import SEARCH_DIR
from edgekit.tuning.tasks import MeasureBuild
from edgekit.tuning.workspace import Workspace
from edgekit.tuning.write import write_tuned
from tests.tuning.test_tune import material, tuned_in

pytestmark = pytest.mark.toolchain
__all__ = ["material"]  # a fixture


@dataclass(frozen=True)
class Both:
    """One candidate with int16 layers, compiled by both compilers; `int16`: its tensors, `search`: the workspace."""

    int16: tuple[str, ...]
    search: Path
    simulated: Path
    real: Path


@pytest.fixture(scope="module")
def both(material: Path, tmp_path_factory: pytest.TempPathFactory) -> Both:
    tuned = tuned_in(material, material / "real", max_extra_cost=3.0)
    search, candidate = material / "real" / SEARCH_DIR, tuned.chosen.step.candidate
    for point in tuned.points[:4]:
        candidate = candidate.with_int16(point.tensors)
    builds = {}
    for compiler in ("sim", "hb_mapper"):
        yaml = write_tuned(Workspace(search), candidate, tmp_path_factory.mktemp(compiler))
        builds[compiler] = compile_model(yaml, toolchain=compiler, optimize="O0").quantized_path
    return Both(candidate.int16, search, builds["sim"], builds["hb_mapper"])


def test_the_chosen_layers_are_int16_on_the_board(both: Both) -> None:
    bits = {}
    for node in onnx.load(both.real).graph.node:
        width = next((a.i for a in node.attribute if a.name == "output_bit"), None)
        if width is not None:
            bits |= {name.removesuffix("_quantized"): width for name in node.output}
    checked = [name for name in both.int16 if name in bits]
    assert len(checked) >= 4
    assert {bits[name] for name in checked} == {16}


def test_the_real_build_is_as_near_as_the_simulated_one(both: Both) -> None:
    real, simulated = (
        measurement_from_json(MeasureBuild(p, sha256_file(p), 4).run(Workspace(both.search))) for p in _graphs(both)
    )
    print(f"\nmean output error: simulated {simulated.everywhere.mean:.4f}, real {real.everywhere.mean:.4f}")
    assert real.everywhere.outputs == simulated.everywhere.outputs
    for one, other in ((real.everywhere, simulated.everywhere), (real.weighted, simulated.weighted)):
        assert np.all(one.by_output() < 1.5 * other.by_output() + 0.005)


def _graphs(both: Both) -> tuple[Path, Path]:
    return both.real, both.simulated
