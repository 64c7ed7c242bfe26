"""Where calibration images come from: a folder, a list, COCO JSON, a YOLO dataset or a video.

Only names are held; pixels are read one image at a time.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from edgekit.data.coco import coco_images, find_images, read_coco
from edgekit.data.image_list import Listing, images_below, is_image_name, listed_images
from edgekit.data.label_faults import Faults
from edgekit.data.video import spread_frames
from edgekit.data.yolo import read_dataset, split_images
from edgekit.datapath import exists
from edgekit.errors import DataError
from edgekit.runtime.sources import VIDEO_SUFFIXES, glob_images, is_glob

NAME_LENGTH = 60  # of the source's name in a calibration file's name


@dataclass(frozen=True, slots=True)
class Image:
    """One image of a source: an image, or the frame number `frame` of a video."""

    path: Path
    name: str
    frame: int = -1

    @property
    def stem(self) -> str:
        """Its name as a part of a file name: letters, digits, `.`, `_` and `-` only."""
        stem = re.sub(r"[^A-Za-z0-9._-]+", "_", Path(self.path.name).stem)[-NAME_LENGTH:].lstrip(".")
        return stem if self.frame < 0 else f"{stem}_f{self.frame:06d}"


@dataclass(frozen=True, slots=True)
class ImageSource:
    """Everything that a SOURCE offers, in a fixed order; `missing` are names without a file."""

    kind: str
    images: tuple[Image, ...]
    missing: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def fingerprint(self) -> str:
        """SHA-256 over names, frames and file sizes: tells whether the source changed meanwhile."""
        digest = hashlib.sha256()
        for image in self.images:
            size = image.path.stat().st_size if image.path.is_file() else -1
            digest.update(f"{image.name}\0{image.frame}\0{size}\n".encode("utf-8", "surrogateescape"))
        return digest.hexdigest()


def open_source(source: Path, *, frames: int, images_dir: Path | None = None) -> ImageSource:
    """Find the images that `source` offers.

    Args:
        source: An image, a folder, a glob, a text list, a COCO JSON, a YOLO dataset yaml (its train split) or a video.
        frames: How many frames to take of a video, spread evenly over its length.
        images_dir: Where the images of a COCO JSON lie; None tries the usual folders around it.

    Returns:
        The images in a fixed order, not yet read.

    Raises:
        DataError: There is no image at all, or the list is damaged.
    """
    source = Path(source)
    kind = source_kind(source)
    if images_dir is not None and kind != "coco":
        raise DataError(
            f"--images-dir {images_dir} was given, but {source} is a {kind}, expected a COCO JSON",
            hint="leave --images-dir out",
        )
    opened = _OPENERS[kind](source, frames, images_dir)
    if not opened.images:
        raise _nothing_in(source, opened)
    return opened


def source_kind(source: Path) -> str:
    """Which kind of source a path is, by what it is and how its name ends."""
    if is_glob(str(source)):
        return "glob"
    if not exists(source):
        raise DataError(
            f"{source} does not exist, expected a folder, glob, list (.txt), COCO JSON, dataset yaml or video",
            hint="check the path",
        )
    if source.is_dir():
        return "folder"
    kind = _KINDS.get(source.suffix.lower(), "image" if is_image_name(source.name) else "")
    if not kind:
        raise DataError(
            f"{source} has the ending {source.suffix!r}, expected a folder or one of "
            f"{', '.join(sorted(_KINDS))} or an image",
            hint="put the images into a folder and give that with --images",
        )
    return kind


def _open_folder(source: Path, frames: int, images_dir: Path | None) -> ImageSource:
    return _of_listing("folder", Listing(images_below(source)), source)


def _open_glob(source: Path, frames: int, images_dir: Path | None) -> ImageSource:
    fixed = [part for part in source.parts if not any(c in part for c in "*?[")]
    root = Path(*fixed) if fixed == list(source.parts[: len(fixed)]) else Path()
    return _of_listing("glob", Listing(tuple(glob_images(str(source)))), root)


def _open_list(source: Path, frames: int, images_dir: Path | None) -> ImageSource:
    return _of_listing("list", listed_images(source), source.parent)


def _open_coco(source: Path, frames: int, images_dir: Path | None) -> ImageSource:
    faults = Faults()
    images = coco_images(read_coco(source), location=str(source), faults=faults)
    folder, listing = find_images(images, source, images_dir=images_dir)
    return _of_listing("coco", listing, folder, faults.notes(str(source)))


def _open_dataset(source: Path, frames: int, images_dir: Path | None) -> ImageSource:
    dataset = read_dataset(source)
    split = next(iter(s for s in ("train", "val", "test") if s in dataset.splits))
    notes = () if split == "train" else (f"the dataset has no train split; its {split} split was used",)
    return _of_listing("yolo", split_images(dataset, split), dataset.root, notes)


def _open_video(source: Path, frames: int, images_dir: Path | None) -> ImageSource:
    numbers = spread_frames(source, frames)
    return ImageSource("video", tuple(Image(source, f"{source.name}#{n}", n) for n in numbers))


def _open_image(source: Path, frames: int, images_dir: Path | None) -> ImageSource:
    return ImageSource("image", (Image(source, source.name),))


_OPENERS: dict[str, Callable[[Path, int, Path | None], ImageSource]] = {
    "folder": _open_folder,
    "glob": _open_glob,
    "list": _open_list,
    "coco": _open_coco,
    "yolo": _open_dataset,
    "video": _open_video,
    "image": _open_image,
}
_KINDS = {
    ".txt": "list",
    ".json": "coco",
    ".yaml": "yolo",
    ".yml": "yolo",
    **{suffix: "video" for suffix in VIDEO_SUFFIXES},
}


def _of_listing(kind: str, listing: Listing, root: Path, notes: tuple[str, ...] = ()) -> ImageSource:
    return ImageSource(kind, tuple(Image(p, _shown(p, root)) for p in listing.paths), listing.missing, notes)


def _shown(path: Path, root: Path) -> str:
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else path.as_posix()


def _nothing_in(source: Path, opened: ImageSource) -> DataError:
    if opened.missing:
        return DataError(
            f"none of the {len(opened.missing)} images that {source} names exists (first: {opened.missing[0]})",
            hint="write the paths relative to that file, or absolute",
        )
    if opened.kind == "glob":
        return DataError(f"{source} matches no images", hint="check the pattern, and put it in quotes")
    others = sorted({p.suffix for p in source.rglob("*") if p.is_file()})[:6] if source.is_dir() else []
    contents = f"it has files ending in {', '.join(o or 'nothing' for o in others)}" if others else "it is empty"
    if {".npy", ".npz", ".rgbchw", ".rgb"} & set(others):
        hint = "give the original images; edgekit letterboxes and writes the arrays itself"
    else:
        hint = "give a folder with .jpg, .png, ... images, or a video"
    return DataError(f"{source} has no images ({contents})", hint=hint)
