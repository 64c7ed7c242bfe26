"""Learning on the shared trained models, judged once on images that nothing was tuned on. About 40 minutes each.

pytest -m slow tests/learn/test_real.py -s
"""

from __future__ import annotations

from pathlib import Path

import pytest

from edgekit.compilation.build import compile_model
from edgekit.evaluation.bootstrap import ratio
from edgekit.evaluation.label_reader import unlabelled_images
from edgekit.evaluation.run import evaluate
from edgekit.tuning import TuneOptions, tune
from edgekit.tuning.prepare import DEFAULT_SET
from edgekit.tuning.run import SEARCH_DIR
from edgekit.tuning.workspace import Workspace

pytestmark = pytest.mark.slow
MINUTES = 20


@pytest.mark.parametrize("name", ["yolov5n", "yolo11n"])
def test_a_learned_build_disagrees_less_with_float_at_no_cost(shared_data: Path, tmp_path: Path, name: str) -> None:
    pytest.importorskip("torch", minversion="2.1")
    stock, coco = shared_data / "models" / "trained" / f"{name}.onnx", shared_data / "coco" / "images"
    if not stock.is_file() or not (coco / "unlabelled").is_dir():
        pytest.skip("the trained models or the unlabelled images are not here")
    images = tmp_path / "images.txt"
    paths = sorted([*(coco / "train").iterdir(), *(coco / "unlabelled").iterdir()])
    images.write_text("\n".join(map(str, paths)))
    tuned = tune(stock, images, tmp_path / "out", TuneOptions(minutes=12, learn=MINUTES, max_extra_cost=0))
    default = Workspace(tmp_path / "out" / SEARCH_DIR).yaml("{}_{}".format(*DEFAULT_SET))
    draws = {}
    for build, yaml in (("untuned", default), ("learned", tuned.yaml)):
        quantized = compile_model(yaml, toolchain="sim").quantized_path
        result = evaluate(quantized, unlabelled_images(coco / "val"), tmp_path / build, against=stock)
        assert result.agreement is not None
        draws[build] = 1 - result.agreement.draws
    over = ratio(draws["learned"], draws["untuned"])
    print(f"{name}: disagreement {100 * draws['untuned'][0]:.1f} -> {100 * draws['learned'][0]:.1f} %, {over}")
    for note in tuned.notes:
        print(note)
    assert tuned.learned is not None and tuned.learned["accepted"]
    assert over.high < 1
