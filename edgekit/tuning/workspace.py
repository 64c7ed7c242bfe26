"""The tuning folder: calibration sets, float graphs and images by name, and what is cached of them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from edgekit.array_files import read_arrays
from edgekit.compilation.job import load_job
from edgekit.errors import DataError
from edgekit.files import atomic_path, read_json, resolved, sha256_file
from edgekit.ops.image import mirrored, read_image
from edgekit.progress import silent
from edgekit.records import as_list, check_envelope
from edgekit.sim.compiler.calibration.histogram import Histogram
from edgekit.sim.compiler.prepared_model import PreparedModel, prepare_model
from edgekit.tuning.candidate import PLAIN

if TYPE_CHECKING:
    from edgekit.compiler_api import CompileJob
    from edgekit.evaluation.labels import Labels

__all__ = ["LabelSource", "Workspace"]

SETS, GRAPHS, FLOATS, HISTOGRAMS, FRAMES, SCORED = "sets", "graphs", "float_heads", "histograms", "frames", "scored"
IMAGES_NAME, IMAGES_KIND = "images.json", "tuning-images"
REMADE = "remove the search folder; it is measured again"


@dataclass(frozen=True, slots=True)
class LabelSource:
    """Where labels come from, as `load_labels` takes it."""

    data: Path
    split: str = "val"
    images_dir: Path | None = None


class Workspace:
    """A tuning folder and the caches of what was read from it.

    Everything in it has a name, so that any process can work on it. Pickled, it is only its folder: a worker process
    opens it once, and again if the images or the model in it have changed.

    Attributes:
        folder: Absolute.
        label_source: Labels of the images to score on, None without labels.
    """

    def __init__(self, folder: Path, label_source: LabelSource | None = None) -> None:
        self.folder = resolved(folder)
        self.label_source = label_source
        self.images: Callable[[], tuple[Path, ...]] = lru_cache(1)(partial(self._listed, "images"))
        self._mirrored: Callable[[], int] = lru_cache(1)(self._count_mirrored)
        self.learned_images: Callable[[], tuple[Path, ...]] = lru_cache(1)(partial(self._listed, "learned"))
        self.job: Callable[[str], CompileJob] = lru_cache(8)(self._job)
        self.model: Callable[[str, str], PreparedModel] = lru_cache(6)(self._model)
        self.histograms: Callable[[str, str], Mapping[str, Histogram]] = lru_cache(6)(self._histograms)
        self.float_heads: Callable[[int], Mapping[str, npt.NDArray[np.float32]]] = lru_cache(64)(self._float_heads)
        self.labels: Callable[[int | None], Labels] = lru_cache(2)(self._labels)

    def __reduce__(self) -> tuple[Callable[..., Workspace], tuple[object, ...]]:
        return opened, (self.folder, self.label_source, self.fingerprint())

    def yaml(self, calibration_set: str) -> Path:
        """Return the yaml of a calibration set; raises DataError unless there is exactly one."""
        yamls = sorted((self.folder / SETS / calibration_set).glob("*.yaml"))
        if len(yamls) != 1:
            raise DataError(
                f"{self.folder / SETS / calibration_set} holds {len(yamls)} yaml files, expected one",
                hint="delete the tuning folder and begin again",
            )
        return yamls[0]

    def graph_path(self, name: str) -> Path:
        """Return the path of a float graph other than the plain one."""
        return self.folder / GRAPHS / f"{name}.onnx"

    def heads_path(self, image: int) -> Path:
        """Return where the float model's outputs on an image are kept."""
        return self.folder / FLOATS / f"{image:05d}.npz"

    def fingerprint(self) -> str:
        """Return the SHA-256 of which images are measured and with which calibration sets: 64 hex digits."""
        digest = hashlib.sha256()
        for path in sorted([self.folder / IMAGES_NAME, *self.folder.glob(f"{SETS}/*/manifest.json")]):
            digest.update(f"{path.parent.name} {sha256_file(path) if path.is_file() else ''}\n".encode())
        return digest.hexdigest()

    def pixels(self, view: int) -> npt.NDArray[np.uint8]:
        """Return an image to measure on; behind those that are mirrored, too, come their mirror images.

        What int8 does to one image is mostly chance, and another on its mirror image: both say more of a candidate.

        Args:
            view: Its number in the order in which they are measured.

        Returns:
            (H, W, 3) BGR.
        """
        count = self._mirrored()
        if not count:
            return read_image(self.images()[view])
        bgr = read_image(self.images()[view % count])
        return mirrored(bgr) if view >= count else bgr

    def _count_mirrored(self) -> int:
        document = self._document()
        count = document.get("mirrored")
        if type(count) is not int or not 0 <= count <= len(self.images()):
            path = self.folder / IMAGES_NAME
            raise DataError(f"{path}: mirrored is {count!r}, expected how many of its images are", hint=REMADE)
        return count

    def _document(self) -> Mapping[str, Any]:
        path = self.folder / IMAGES_NAME
        return check_envelope(read_json(path), IMAGES_KIND, str(path), error=DataError, hint=REMADE)

    def _listed(self, key: str) -> tuple[Path, ...]:
        rows = as_list(self._document().get(key), f"{self.folder / IMAGES_NAME}: {key}")
        return tuple(Path(row) for row in rows)

    def _job(self, calibration_set: str) -> CompileJob:
        return load_job(self.yaml(calibration_set))

    def _model(self, calibration_set: str, graph: str) -> PreparedModel:
        """Return the model of a set and a float graph, in int8 throughout."""
        job = self.job(calibration_set)
        return prepare_model(replace(job, onnx_path=self.graph_path(graph)) if graph != PLAIN else job)

    def _histograms(self, calibration_set: str, graph: str) -> Mapping[str, Histogram]:
        """Return the histogram of every tensor over the set; computed once for all workers and kept on disk."""
        path = self.folder / HISTOGRAMS / f"{calibration_set}_{graph}.npz"
        if path.is_file():
            return _read_histograms(path)
        from edgekit.sim.compiler.calibration.collect import observe

        model = self.model(calibration_set, graph)
        tensors = [model.graph.input, *(name for node in model.graph.nodes for name in node.outputs)]
        histograms = observe(model.job, model.graph, tensors, progress=silent)
        _write_histograms(path, histograms)
        return histograms

    def _float_heads(self, image: int) -> Mapping[str, npt.NDArray[np.float32]]:
        """Return the float model's outputs on an image, by name."""
        return read_arrays(self.heads_path(image), hint=REMADE)

    def _labels(self, limit: int | None) -> Labels:
        from edgekit.evaluation.label_reader import load_labels

        source = self.label_source
        assert source is not None, "only workspaces with labels score on them"
        return load_labels(source.data, split=source.split, images_dir=source.images_dir, limit=limit)


_OPEN: dict[str, tuple[tuple[object, ...], Workspace]] = {}  # of a worker process: the workspace it was last given


def opened(folder: Path, label_source: LabelSource | None, fingerprint: str) -> Workspace:
    """Return this process's workspace of a folder, read again if it is another one or has changed."""
    identity = (folder, label_source, fingerprint)
    known, workspace = _OPEN.get("workspace", ((), None))
    if known != identity or workspace is None:
        workspace = Workspace(folder, label_source)
        _OPEN["workspace"] = identity, workspace
    return workspace


def _write_histograms(path: Path, histograms: Mapping[str, Histogram]) -> None:
    with atomic_path(path) as temporary:
        np.savez(
            temporary,
            names=np.array(list(histograms)),
            counts=np.stack([histogram.counts for histogram in histograms.values()]),
            ranges=np.array([(histogram.reach, histogram.largest) for histogram in histograms.values()]),
            tails=np.concatenate([histogram.tail for histogram in histograms.values()]),
            tail_ends=np.cumsum([histogram.tail.size for histogram in histograms.values()]),
        )


def _read_histograms(path: Path) -> dict[str, Histogram]:
    arrays = read_arrays(path, hint=REMADE)
    try:
        tails = np.split(arrays["tails"], arrays["tail_ends"][:-1])
        rows = zip(arrays["names"].tolist(), arrays["counts"], arrays["ranges"].tolist(), tails, strict=True)
        return {name: Histogram(counts, reach, largest, tail) for name, counts, (reach, largest), tail in rows}
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(f"{path} holds no histograms ({type(error).__name__}: {error})", hint=REMADE) from error
