"""Kinds that come with images: COCO JSON, YOLO data sets and labels, lists, names, the images themselves."""

from __future__ import annotations

import functools
import json
import struct
import zlib
from pathlib import Path
from random import Random
from typing import Any

from fuzzing import material
from fuzzing.kind import Kind
from fuzzing.mutate_bytes import EDGES, mutate_bytes
from fuzzing.mutate_text import mutate_text
from fuzzing.mutate_tree import mutate_json
from fuzzing.mutate_yaml import mutate_yaml

YOLO_YAML = (
    b"path: .\ntrain: images\nval: images\nnc: 3\nnames:\n  0: person\n  1: bicycle\n  2: car\n",
    b"train: images\nval:\n  - images\n  - list.txt\nnames: [person, 'no', car]\n"
    b"kpt_shape: [5, 3]\nflip_idx: [0, 2, 1, 4, 3]\n",
)
LABELS = (
    b"0 0.5 0.5 0.25 0.25\n1 0.25 0.5 0.1 0.2\n2 0.1 0.1 0.1 0.1\n",
    b"0 0.1 0.1 0.9 0.1 0.9 0.9 0.1 0.9\n1 0.2 0.2 0.4 0.2 0.4 0.4\n",
    b"0 0.5 0.5 0.25 0.25 " + b"0.5 0.5 2 " * 5 + b"\n",
)
LISTS = (
    b"images/image_000.png\nimages/image_001.png\n# a comment\n\n./images/image_002.png\n",
    b"images\\image_000.png\r\nimages/image_001.png\r\n",
)
NAMES = (b"person\nbicycle\ncar\n", b"\xef\xbb\xbfperson\r\nbicycle\r\ncar\r\n")


@functools.cache
def coco_seeds() -> tuple[bytes, ...]:
    """Instances (outlines and both forms of run lengths) and key points, on the images of `material`."""
    images = [
        {"id": 10 + i, "file_name": f"image_{i:03}.png", "width": w, "height": h}
        for i, (w, h) in enumerate(material.SIZES_WH)
    ]
    categories = [{"id": 1, "name": "person", "supercategory": "p"}, {"id": 3, "name": "car"}]
    common = {"category_id": 1, "iscrowd": 0}
    annotations: list[dict[str, Any]] = [
        {**common, "id": 1, "image_id": 10, "bbox": [4, 4, 20, 10], "area": 200.0,
         "segmentation": [[4, 4, 24, 4, 24, 14, 4, 14]]},
        {**common, "id": 2, "image_id": 11, "bbox": [1.5, 2, 8, 9], "area": 72, "category_id": 3},
        {**common, "id": 3, "image_id": 12, "bbox": [0, 0, 10, 40], "area": 400, "iscrowd": 1,
         "segmentation": {"size": [40, 40], "counts": [0, 400, 1200]}},
        {**common, "id": 4, "image_id": 12, "bbox": [0, 0, 5, 5], "area": 25,
         "segmentation": {"size": [40, 40], "counts": "01_c1"}},
    ]  # fmt: skip
    keypoints = [v for i in range(17) for v in (4 + i, 5, i % 3)]
    people = [
        {
            **common,
            "id": 1,
            "image_id": 10,
            "bbox": [4, 4, 30, 30],
            "area": 900,
            "keypoints": keypoints,
            "num_keypoints": 11,
        }
    ]
    whole = {"info": {}, "licenses": [], "images": images, "categories": categories}
    return tuple(json.dumps({**whole, "annotations": rows}).encode() for rows in (annotations, people))


def place_coco(data: bytes, folder: Path) -> Path:
    material.copy_images(folder)
    path = folder / "labels.json"
    path.write_bytes(data)
    return path


def check_truth(path: Path) -> None:
    """Read the labels, draw what the evaluation draws of them, match them with the labels themselves."""
    from edgekit.data.image_source import open_source
    from edgekit.evaluation.label_reader import load_labels

    truth = load_labels(path)
    _score(truth)
    open_source(path, frames=4).fingerprint()


def _score(truth: Any) -> None:
    """Match one detection per image with the labels."""
    import numpy as np

    from edgekit.evaluation.classes import match_classes
    from edgekit.evaluation.coco import match
    from edgekit.evaluation.detections import ImageDetections

    classes = match_classes([name for _, name in truth.categories][:80], truth.categories)
    box, score, class_id = np.full((1, 4), 9, np.float32), np.full(1, 0.9, np.float32), np.zeros(1, np.int32)
    found = [ImageDetections(image.image_id, (64, 48), box, score, class_id) for image in truth.images]
    match(truth, found, classes, kind="box")


def place_yaml(data: bytes, folder: Path) -> Path:
    material.copy_images(folder)
    (folder / "labels").mkdir()
    for number in range(2):
        (folder / "labels" / f"image_{number:03}.txt").write_bytes(LABELS[2 if b"kpt_shape" in data else 0])
    (folder / "list.txt").write_bytes(LISTS[0])
    path = folder / "data.yaml"
    path.write_bytes(data)
    return path


def check_yolo_yaml(path: Path) -> None:
    from edgekit.data.yolo import read_dataset, split_images

    dataset = read_dataset(path)
    for split in dataset.splits:
        split_images(dataset, split)
    check_truth(path)


def place_labels(data: bytes, folder: Path) -> Path:
    keypoints = data.count(b" 2 ") > 3
    path = place_yaml(YOLO_YAML[1 if keypoints else 0], folder)
    (folder / "labels" / "image_000.txt").write_bytes(data)
    return path


def place_list(data: bytes, folder: Path) -> Path:
    material.copy_images(folder)
    path = folder / "list.txt"
    path.write_bytes(data)
    return path


def check_list(path: Path) -> None:
    from edgekit.data.image_source import open_source

    open_source(path, frames=4).fingerprint()


def place_names(data: bytes, folder: Path) -> Path:
    path = folder / "names.txt"
    path.write_bytes(data)
    return path


def check_names(path: Path) -> None:
    from edgekit.cli.run import _read_names
    from edgekit.runtime.session import load

    with load(material.heads("detect")) as session:
        session.with_names(_read_names(str(path)))


@functools.cache
def image_seeds() -> tuple[bytes, ...]:
    """The same image in every format that OpenCV writes here, and in several depths."""
    import cv2
    import numpy as np

    from tests.images import scene

    bgr = scene(1)
    deep = bgr.astype(np.uint16) * 257
    found = []
    for suffix, image in (
        *((s, bgr) for s in (".png", ".jpg", ".bmp", ".tiff", ".webp", ".ppm", ".jp2", ".avif", ".gif")),
        *((".png", p) for p in (deep, bgr[..., 0], deep[..., 0], np.dstack([bgr, bgr[..., :1]]))),
        (".tiff", deep),
    ):
        try:
            done, data = cv2.imencode(suffix, image)
        except cv2.error:
            continue
        if done:
            found.append(data.tobytes())
    return tuple(found)


def mutate_image(rng: Random, data: bytes) -> bytes:
    """Damage an image's bytes, or the sizes in its header, with a right checksum where there is one."""
    if data.startswith(b"\x89PNG") and rng.random() < 0.5:
        return _png_header(rng, data)
    if data.startswith(b"\xff\xd8") and rng.random() < 0.4:
        return _jpeg_header(rng, data)
    return mutate_bytes(rng, data)


def _png_header(rng: Random, data: bytes) -> bytes:
    """Width, height, depth and colour type of a PNG's first chunk, or a chunk put in behind it."""
    fields = list(struct.unpack(">IIBBBBB", data[16:29]))
    for _ in range(rng.choice((1, 2))):
        at = rng.randrange(7)
        sizes = (0, 1, 2, 3000, 20000, 32000, 65535, 1 << 20, 2**31 - 1, 2**31)
        fields[at] = rng.choice(sizes) if at < 2 else rng.choice((0, 1, 2, 3, 4, 6, 8, 16, 255))
    chunk = b"IHDR" + struct.pack(">IIBBBBB", *fields)
    extra = b""
    if rng.random() < 0.3:
        kind, body = (
            rng.choice((b"acTL", b"eXIf", b"iCCP", b"PLTE", b"tRNS", b"zTXt", b"IDAT")),
            rng.randbytes(rng.choice((0, 8, 300))),
        )
        extra = struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
    return data[:12] + chunk + struct.pack(">I", zlib.crc32(chunk)) + extra + data[33:]


def _jpeg_header(rng: Random, data: bytes) -> bytes:
    """Sizes of a JPEG's frame header, or an EXIF block with odd contents."""
    if rng.random() < 0.4:
        order = rng.choice((b"II*\0", b"MM\0*"))
        ends = "<" if order[0] == 73 else ">"
        entry = struct.pack(
            ends + "HHHII", 1, 0x112, rng.choice((3, 4, 2)), rng.choice((1, 0, 2**31)), rng.choice(EDGES) & 0xFFFFFFFF
        )
        body = b"Exif\0\0" + order + struct.pack(ends + "I", rng.choice((8, 8, 0, 2**31))) + entry + b"\0" * 4
        return data[:2] + b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body + data[2:]
    at = next((i for i in range(len(data) - 9) if data[i] == 0xFF and data[i + 1] in (0xC0, 0xC1, 0xC2)), 0)
    size = struct.pack(">HH", rng.choice((0, 1, 72, 16000, 65500, 65535)), rng.choice((0, 1, 96, 16000, 65500, 65535)))
    return data[: at + 5] + size + data[at + 9 :]


def place_image(data: bytes, folder: Path) -> Path:
    suffix = next((s for mark, s in MAGICS.items() if data.startswith(mark)), ".png")
    path = folder / f"image{suffix}"
    path.write_bytes(data)
    return path


MAGICS = {b"\xff\xd8": ".jpg", b"BM": ".bmp", b"II": ".tiff", b"MM": ".tiff", b"RIFF": ".webp", b"P6": ".ppm"}


def check_image(path: Path) -> None:
    """Read an image, and run a folder with it as `run` does."""
    from edgekit.ops.image import read_image
    from edgekit.runtime.sources import open_source

    for frame in open_source(str(path.parent), on_skip=lambda error: None).frames():
        del frame
    bgr = read_image(path)
    assert bgr.ndim == 3 and bgr.shape[2] == 3, "no BGR image"


def coco_command(path: Path) -> list[str]:
    return ["eval", "--model", str(material.heads("detect")), "--data", str(path), "-o", str(path.parent / "out")]


KINDS = (
    Kind("coco", "COCO JSON beside its images", coco_seeds, mutate_json, place_coco, check_truth, coco_command),
    Kind("yoloyaml", "YOLO data set yaml", lambda: YOLO_YAML, mutate_yaml, place_yaml, check_yolo_yaml, coco_command),
    Kind("labels", "YOLO label files", lambda: LABELS, mutate_text, place_labels, check_truth, coco_command),
    Kind("list", "lists of images", lambda: LISTS, mutate_text, place_list, check_list),
    Kind("names", "files of class names", lambda: NAMES, mutate_text, place_names, check_names,
         lambda path: ["run", "--model", str(material.heads("detect")), "--source", str(material.images()[0].parent),
                       "--names", str(path), "-o", str(path.parent / "out")]),
    Kind("image", "images of every format", image_seeds, mutate_image, place_image, check_image,
         lambda path: ["run", "--model", str(material.heads("detect")), "--source", str(path),
                       "-o", str(path.parent / "out")]),
)  # fmt: skip
