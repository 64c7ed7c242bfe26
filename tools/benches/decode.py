"""Decoding against one pass over the class tensors, against the plain flow, and with many survivors."""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # one core; before numpy is imported

import cv2
import numpy as np

from benches.heads import STRIDES, Scene, as_floats, crowded, float_scenes, integer_scenes
from benches.plain_flow import plain_decode
from edgekit.decode import DecodeOptions, Decoder
from edgekit.ops.math import sigmoid
from edgekit.results import Results, Segmentations
from edgekit.spec import ModelSpec

FEW, MANY = 10, 300
MASKS = 8
RATIOS = {  # row: (time of, over time of)
    "edgekit / one max pass over the class tensors": ("edgekit", "max"),
    "edgekit / one max pass, a maximum for each cell": ("edgekit", "max of each cell"),
    "plain flow / edgekit": ("plain flow", "edgekit"),
    f"{MANY} / {FEW} cells through the gate": ("many", "few"),
    "by numpy / one max pass": ("by numpy", "max"),
    f"{MANY} small objects / one max pass": ("many objects", "max"),
    f"{MANY} small objects by numpy / one max pass": ("many by numpy", "max"),
    f"{MASKS} full-size masks / one max pass": ("full masks", "max"),
    f"{MANY} / {FEW} small objects, generated, all kept": ("many objects", "few objects"),
}
DECODERS: dict[tuple[int, DecodeOptions | None, bool], tuple[ModelSpec, Decoder]] = {}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--images", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=15)


def run(args: argparse.Namespace) -> dict[str, float]:
    """Print the tables; return the ratios by heads and pair."""
    cv2.setNumThreads(1)
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    floats, integers = float_scenes(args.images), integer_scenes(args.images)
    ratios = _print("float heads", floats, args.rounds)
    modified = [as_floats(scene, ("class", "proto")) for scene in integers]
    if integers:
        ratios |= _print("heads of the shared modified .bin: boxes and coefficients int32", modified, args.rounds)
        ratios |= _print("all heads as integers", integers, args.rounds)
    for scene in (*floats, *modified, *integers):
        _check_same(scene)
    print("same results as the plain flow: boxes within 0.01 px, masks with IoU >= 0.99")
    return ratios


def _print(title: str, scenes: Sequence[Scene], rounds: int) -> dict[str, float]:
    measured = {id(scene): as_floats(scene) for scene in scenes}
    names = {id(scene): [scene.spec.head("class", stride).name for stride in STRIDES] for scene in scenes}

    def tensors(scene: Scene) -> list[np.ndarray[Any, Any]]:
        return [measured[id(scene)].heads[name] for name in names[id(scene)]]

    few, many = ({id(s): _options_for(s, count) for s in scenes} for count in (FEW, MANY))
    small, large = ({id(s): crowded(measured[id(s)], count) for s in scenes} for count in (FEW, MANY))
    assert [len(_decode(large[id(s)])) for s in scenes] == [MANY] * len(scenes)
    results = {id(s): _decode(s) for s in scenes}
    times = _times(
        scenes,
        {
            "max": lambda s: [tensor.max() for tensor in tensors(s)],
            "max of each cell": lambda s: [tensor.max(axis=-1) for tensor in tensors(s)],
            "edgekit": _decode,
            "by numpy": lambda s: _decode(s, compiled=False),
            "plain flow": plain_decode,
            "few": lambda s: _decode(s, few[id(s)]),
            "many": lambda s: _decode(s, many[id(s)]),
            "few objects": lambda s: _decode(small[id(s)]),
            "many objects": lambda s: _decode(large[id(s)]),
            "many by numpy": lambda s: _decode(large[id(s)], compiled=False),
            "full masks": lambda s: _full_masks(results[id(s)]),
        },
        rounds,
    )
    counts = [len(_decode(s)) for s in scenes]
    print(f"{title}: {len(scenes)} images, median {np.median(counts):.0f} objects, conf 0.25")
    print(f"  best ms of {rounds} rounds, median over the images")
    for name in ("max", "max of each cell", "edgekit", "by numpy", "plain flow"):
        print(f"  {name:18s} {np.median(times[name]):8.3f}")
    ratios = {row: float(np.median(times[over] / times[under])) for row, (over, under) in RATIOS.items()}
    for row, ratio in ratios.items():
        print(f"  {row:50s} {ratio:6.2f}")
    return {f"{title}: {row}": ratio for row, ratio in ratios.items()}


def _full_masks(results: Results) -> None:
    """As many full-size masks as MASKS says, of one object again where there are fewer."""
    assert isinstance(results, Segmentations)
    for i in range(MASKS if len(results) else 0):
        results.masks[i % len(results)]


def _decode(scene: Scene, options: DecodeOptions | None = None, *, compiled: bool = True) -> Results:
    """One frame; the decoder is bound before, as a session does."""
    key = id(scene.spec), options, compiled
    if key not in DECODERS:
        DECODERS[key] = (
            scene.spec,
            Decoder(scene.spec, options, compiled=compiled),
        )  # the spec, too, so that its id stays its own
    return DECODERS[key][1](scene.heads, scene.letterbox)


def _options_for(scene: Scene, survivors: int) -> DecodeOptions:
    """The threshold that exactly so many cells pass."""
    floats = as_floats(scene)
    best = np.concatenate([floats.heads[scene.spec.head("class", s).name].max(axis=-1).ravel() for s in STRIDES])
    best.sort()
    between = (best[-survivors] + best[-survivors - 1]) / 2
    threshold = float(sigmoid(np.asarray(between, np.float32)))
    return DecodeOptions(threshold)


def _times(
    scenes: Sequence[Scene], ways: Mapping[str, Callable[[Scene], object]], rounds: int
) -> dict[str, np.ndarray[Any, Any]]:
    """Best ms of every way for every scene, since noise only adds; all in turn, so that no heads are in the cache."""
    spent = {name: np.zeros((rounds, len(scenes))) for name in ways}
    for turn in range(rounds):
        for name, way in ways.items():
            if name == "plain flow" and turn >= 3:
                spent[name][turn] = spent[name][turn - 1]
                continue
            for index, scene in enumerate(scenes):
                begin = time.thread_time()  # of this thread alone: other processes do not count
                way(scene)
                spent[name][turn, index] = (time.thread_time() - begin) * 1000
    return {name: values.min(axis=0) for name, values in spent.items()}


def _check_same(scene: Scene) -> None:
    boxes, scores, class_ids, masks = plain_decode(scene)
    results = _decode(scene)
    assert isinstance(results, Segmentations)
    assert results.class_ids.tolist() == class_ids.tolist(), scene.name
    np.testing.assert_allclose(results.scores, scores, atol=1e-5)
    expected = scene.letterbox.undo_boxes(boxes.astype(np.float32))
    np.testing.assert_allclose(results.boxes_xyxy, expected, atol=0.01)
    for index, window in enumerate(results.masks.windows):
        (x, y), (h, w) = results.masks.corners_xy[index], window.shape
        ours, plain = window > 0, masks[index, y : y + h, x : x + w]
        assert np.logical_and(ours, plain).sum() >= 0.99 * np.logical_or(ours, plain).sum(), scene.name
