"""One image through a model: python examples/image.py MODEL IMAGE ANNOTATED.jpg."""

from __future__ import annotations

import sys
from pathlib import Path

import edgekit
from edgekit.output import write_image


def main(model: str, image: str, annotated: str) -> None:
    """Run `model` on `image`, print what is there and write the annotated image."""
    with edgekit.load(model, conf=0.4) as session:  # a .bin, a quantized graph, a float ONNX or a bundle
        image_bgr = edgekit.read_image(image)
        results = session.predict(image_bgr)
    for box_xyxy, score, label in zip(results.boxes_xyxy, results.scores, results.labels, strict=True):
        print(f"{label} {score:.2f} at {box_xyxy.round(1).tolist()}")
    print(f"{len(results)} objects by {results.device}")
    write_image(Path(annotated), results.draw(image_bgr))


if __name__ == "__main__":
    main(*sys.argv[1:])
