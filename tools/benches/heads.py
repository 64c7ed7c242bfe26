"""Raw heads to measure with: those of yolov8n-seg on shared images, float and as compiled, or generated ones."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from edgekit.labels import COCO_NAMES
from edgekit.ops.letterbox import Letterbox, letterbox_of
from edgekit.spec import HEAD_DTYPES, HeadSpec, InputSpec, ModelSpec, Preprocess, Role
from edgekit.text import check_choice

ROOT = Path(__file__).resolve().parent.parent.parent
SHARED = Path(os.environ.get("EDGEKIT_SHARED_DATA", ROOT.parent / "shared" / "data"))
MODEL = SHARED / "models" / "yolov8n-seg.onnx"
IMAGES = SHARED / "coco" / "images" / "val"
COMPILED = SHARED / "horizon" / "yolov8n_seg_nv12" / "yolov8n_seg_bayese_640x640_nv12_quantized_model.onnx"
GOLDEN = SHARED / "horizon" / "golden"  # of that graph: the vendor's integers for two of the images, and all scales
SIDE, CLASSES, MASKS, STRIDES = 640, 80, 32, (8, 16, 32)
GOLDEN_NAMES: dict[tuple[Role, int], str] = {  # of the cut model behind the shared builds
    ("mask", 8): "451",
    ("mask", 16): "459",
    ("mask", 32): "467",
    ("box", 8): "475",
    ("box", 16): "483",
    ("box", 32): "491",
    ("class", 8): "499",
    ("class", 16): "507",
    ("class", 32): "515",
    ("proto", 4): "443",
}
CHANNELS = {"box": 64, "class": CLASSES, "mask": MASKS, "proto": MASKS}


@dataclass(frozen=True, slots=True)
class Scene:
    """One image's raw heads and what they are."""

    name: str
    heads: dict[str, np.ndarray[Any, Any]]
    spec: ModelSpec
    letterbox: Letterbox


def float_scenes(count: int) -> list[Scene]:
    """Float heads of the first `count` shared val images by onnxruntime; generated ones where they are absent."""
    if not (MODEL.is_file() and IMAGES.is_dir()):
        return [_generated(seed) for seed in range(count)]
    import edgekit

    session = edgekit.load(MODEL)
    return [_image_scene(session, path) for path in sorted(IMAGES.glob("*.jpg"))[:count]]


def integer_scenes(count: int) -> list[Scene]:
    """The integers of the shared compiled graph for the same images; none where it is absent.

    The simulated device gives its outputs as floats, integer times scale; those of the images that the vendor's
    executor was run on are held against its integers.
    """
    golden = {path.stem.partition("_")[2]: _golden(path) for path in sorted(GOLDEN.glob("nv12_*.npz"))}
    if not (golden and COMPILED.is_file() and IMAGES.is_dir()):
        return []
    import edgekit

    session = edgekit.load(COMPILED)
    spec = _golden_spec(next(iter(golden.values())))
    scenes = []
    for path in sorted(IMAGES.glob("*.jpg"))[:count]:
        scene = _image_scene(session, path)
        heads = {head.name: _integers(scene.heads[head.name], head) for head in spec.outputs}
        for name, values in heads.items() if path.stem in golden else ():
            assert np.array_equal(values, golden[path.stem][f"int:{name}"]), (path.stem, name)
        scenes.append(Scene(path.stem, heads, spec, scene.letterbox))
    return scenes


def _integers(floats: np.ndarray[Any, Any], head: HeadSpec) -> np.ndarray[Any, Any]:
    steps = floats.astype(np.float64) / np.asarray(head.scale, np.float32)
    integers = np.rint(steps).astype(head.dtype)
    assert np.array_equal(integers.astype(np.float32) * np.asarray(head.scale, np.float32), floats), head.name
    return np.ascontiguousarray(integers)


def _image_scene(session: Any, path: Path) -> Scene:
    from edgekit import read_image

    inputs, letterbox = session.prepare(read_image(path))
    heads = {name: np.ascontiguousarray(value) for name, value in session.infer(inputs).items()}
    return Scene(path.stem, heads, session.spec, letterbox)


def _golden(path: Path) -> dict[str, np.ndarray[Any, Any]]:
    with np.load(path, allow_pickle=False) as archive:
        return {name: archive[name] for name in archive.files}


def _golden_spec(arrays: dict[str, np.ndarray[Any, Any]]) -> ModelSpec:
    outputs = tuple(
        HeadSpec(
            name,
            role,
            arrays[f"int:{name}"].shape,
            stride,
            check_choice(arrays[f"int:{name}"].dtype.name, HEAD_DTYPES, name),
            tuple(float(s) for s in arrays[f"scale:{name}"]),
        )
        for (role, stride), name in GOLDEN_NAMES.items()
    )
    return _spec(outputs)


def _spec(outputs: tuple[HeadSpec, ...]) -> ModelSpec:
    return ModelSpec(
        "segment", COCO_NAMES, InputSpec("images"), Preprocess(SIDE, SIDE), outputs, stage="bin", family="yolov8"
    )


def _generated(seed: int) -> Scene:
    """Cells far below every threshold but for a few objects, each seen by a handful of neighbours."""
    rng = np.random.default_rng(seed)
    outputs, heads = [], {}
    for role, stride in GOLDEN_NAMES:
        side = SIDE // stride
        head = HeadSpec(f"{role}_{stride}", role, (1, side, side, CHANNELS[role]), stride)
        centre = -9.0 if role == "class" else 0.0
        heads[head.name] = rng.normal(centre, 1.0, head.shape).astype(np.float32)
        outputs.append(head)
    for cell in _object_cells(rng):
        stride, y, x, class_id = cell
        heads[f"class_{stride}"][0, y : y + 2, x : x + 3, class_id] = rng.uniform(0, 3, (2, 3))
    return Scene(f"generated {seed}", heads, _spec(tuple(outputs)), letterbox_of((SIDE, 480), Preprocess(SIDE, SIDE)))


def _object_cells(rng: np.random.Generator) -> Iterator[tuple[int, int, int, int]]:
    for _ in range(6):
        stride = int(rng.choice(STRIDES))
        y, x = (int(v) for v in rng.integers(0, SIDE // stride - 3, 2))
        yield stride, y, x, int(rng.integers(CLASSES))


def as_floats(scene: Scene, roles: tuple[str, ...] = tuple(CHANNELS)) -> Scene:
    """The same scene as a build that keeps the Dequantize nodes of these roles gives it."""
    outputs = tuple(
        replace(head, dtype="float32", scale=()) if head.role in roles else head for head in scene.spec.outputs
    )
    heads = {
        head.name: (
            scene.heads[head.name].astype(np.float32) * np.asarray(head.scale, np.float32)
            if head.scale and head.role in roles
            else scene.heads[head.name]
        )
        for head in scene.spec.outputs
    }
    return Scene(scene.name, heads, replace(scene.spec, outputs=outputs), scene.letterbox)


def crowded(scene: Scene, count: int) -> Scene:
    """The same heads with exactly `count` cells above 0.25, on stride 8 and far apart: as many small objects."""
    heads = dict(scene.heads)
    for stride in STRIDES:
        name = scene.spec.head("class", stride).name
        heads[name] = np.minimum(heads[name], -6)
    cells = np.random.default_rng(0).permutation(20 * 20)[:count]
    y, x = np.divmod(cells, 20)
    name = scene.spec.head("class", 8).name
    heads[name][0, y * 4 + 1, x * 4 + 1, cells % CLASSES] = 2.0
    box = scene.spec.head("box", 8).name
    heads[box] = np.zeros_like(heads[box])
    heads[box].reshape(-1, 4, 16)[..., 2] = 12.0  # every side is two cells from the centre: boxes of 32 px
    return replace(scene, heads=heads)
