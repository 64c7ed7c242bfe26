"""A COCO JSON with its images as a dataset that Ultralytics reads: labels as .txt, one outline per object."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from pycocotools import mask as coco_mask

Points = npt.NDArray[np.float64]


def write_yolo_dataset(coco: Path, images: Path, folder: Path, *, limit: int | None = None) -> Path:
    """Write labels and links to the images below `folder`; returns the data set's yaml. Crowd regions are left out."""
    data = json.loads(coco.read_text())
    classes = {category["id"]: i for i, category in enumerate(sorted(data["categories"], key=lambda c: c["id"]))}
    names = [category["name"] for category in sorted(data["categories"], key=lambda c: c["id"])]
    entries = [e for e in data["images"] if (images / Path(e["file_name"]).name).is_file()][:limit]
    for part in ("images", "labels"):
        (folder / part / "val").mkdir(parents=True)
    lines: dict[int, list[str]] = {entry["id"]: [] for entry in entries}
    sizes = {entry["id"]: (entry["width"], entry["height"]) for entry in entries}
    for annotation in data["annotations"]:
        if annotation["image_id"] in lines and not annotation.get("iscrowd"):
            outline = joined(outlines(annotation["segmentation"], sizes[annotation["image_id"]]))
            values = (outline / sizes[annotation["image_id"]]).ravel()
            row = " ".join(f"{value:.6f}" for value in values)
            lines[annotation["image_id"]].append(f"{classes[annotation['category_id']]} {row}")
    for entry in entries:
        name = Path(entry["file_name"]).name
        (folder / "images" / "val" / name).symlink_to((images / name).resolve())
        label = folder / "labels" / "val" / f"{Path(name).stem}.txt"
        label.write_text("\n".join(lines[entry["id"]]) + "\n" * bool(lines[entry["id"]]))
    document: dict[str, Any] = {"path": str(folder), "train": "images/val", "val": "images/val"}
    text = "".join(f"{key}: {value}\n" for key, value in document.items())
    (folder / "data.yaml").write_text(text + "names:\n" + "".join(f"  {i}: {n}\n" for i, n in enumerate(names)))
    return folder / "data.yaml"


def write_as_coco(coco: Path, images: Path, folder: Path) -> Path:
    """The same as Ultralytics expects COCO itself, so that its `val` also scores by COCO's rules; returns the yaml."""
    data = write_yolo_dataset(coco, images, folder)
    (folder / "annotations").mkdir()
    (folder / "annotations" / "instances_val2017.json").symlink_to(coco.resolve())
    names = sorted(path.name for path in (folder / "images" / "val").iterdir())
    (folder / "val2017.txt").write_text("".join(f"./images/val/{name}\n" for name in names))
    data.write_text(data.read_text().replace("\nval: images/val\n", "\nval: val2017.txt\n"))
    return data


def outlines(segmentation: Any, size_wh: tuple[int, int]) -> list[Points]:
    """The polygons of a segmentation, traced where it is run lengths."""
    if isinstance(segmentation, list):
        return [np.asarray(part, float).reshape(-1, 2) for part in segmentation]
    width, height = size_wh
    rle = segmentation
    if isinstance(rle["counts"], list):
        rle = coco_mask.frPyObjects(rle, height, width)
    contours, _ = cv2.findContours(coco_mask.decode(rle), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    return [contour.reshape(-1, 2).astype(float) for contour in contours if len(contour) > 2]


def joined(parts: list[Points]) -> Points:
    """One outline of several: each next one is walked around from the vertex that is nearest to it, and back."""
    outline, *rest = parts
    while rest:
        distances = [np.linalg.norm(outline[:, None] - part[None], axis=2) for part in rest]
        index = int(np.argmin([d.min() for d in distances]))
        part = rest.pop(index)
        a, b = np.unravel_index(int(distances[index].argmin()), distances[index].shape)
        loop = np.concatenate([np.roll(part, -int(b), axis=0), part[[b]]])
        outline = np.concatenate([outline[: a + 1], loop, outline[a:]])
    return outline
