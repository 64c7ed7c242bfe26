"""Labelled images for the bench's runs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.images import write_images


@pytest.fixture
def labels(tmp_path: Path) -> Path:
    """A COCO JSON of four made-up images, which lie beside it."""
    names = [path.name for path in write_images(tmp_path / "images", 4)]
    data = {
        "images": [{"id": i, "file_name": name, "width": 96, "height": 72} for i, name in enumerate(names)],
        "categories": [{"id": i, "name": f"thing {i}"} for i in range(3)],
        "annotations": [{"image_id": i, "category_id": i % 3, "bbox": [10, 10, 40, 30]} for i in range(4)],
    }
    (tmp_path / "labels.json").write_text(json.dumps(data))
    return tmp_path / "labels.json"
