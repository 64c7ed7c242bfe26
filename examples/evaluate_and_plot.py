"""Accuracy with intervals, as a plot per class: python examples/evaluate_and_plot.py MODEL LABELS FLOAT.onnx OUTPUT.

LABELS is a COCO JSON or a YOLO dataset yaml; FLOAT.onnx is the reference that the model came from.
"""

from __future__ import annotations

import sys
from pathlib import Path

import matplotlib.pyplot as plt

import edgekit


def main(model: str, labels: str, reference: str, output: str) -> None:
    """Evaluate `model` beside `reference` and write OUTPUT/classes.png."""
    folder = Path(output)
    evaluation = edgekit.evaluate(Path(model), edgekit.load_labels(Path(labels)), folder, against=Path(reference))
    report = evaluation.to_dict()
    kept = report["kept"]["box"]
    print(f"{100 * kept['value']:.1f} % of float's box mAP [{100 * kept['low']:.1f}, {100 * kept['high']:.1f}]")
    figure, axes = plt.subplots(figsize=(8, 4), layout="constrained")
    for offset, (name, side) in zip((-0.2, 0.2), (("int8", "model"), ("float", "reference")), strict=True):
        by_class = report[side]["scores"]["box"]["by_class"]
        heights = [value["mAP50-95"] or 0 for value in by_class.values()]
        axes.bar([i + offset for i in range(len(by_class))], heights, width=0.4, label=name)
        axes.set_xticks(range(len(by_class)), list(by_class), rotation=45, ha="right")
    axes.set_ylabel("box mAP50-95")
    axes.legend()
    figure.savefig(folder / "classes.png")


if __name__ == "__main__":
    plt.switch_backend("Agg")
    main(*sys.argv[1:])
