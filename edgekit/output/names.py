"""Names of outputs, one for each frame and none for two: images, label files, and the image ids of COCO rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

KEPT_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp")  # an image of another kind comes out as .jpg beside its name
MAX_ID_DIGITS = 18  # ids are 64-bit integers wherever they are read


@dataclass(frozen=True, slots=True)
class OutputNames:
    """What each frame's outputs are called; frames that are not listed (of a video) get the usual name."""

    images: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    image_ids: Mapping[str, int | str] = field(default_factory=dict)

    def image(self, name: str) -> str:
        """Return the file of the annotated image, relative to the output folder."""
        return self.images.get(name, image_name(name))

    def label(self, name: str) -> str:
        """Return the label file, relative to the folder of labels."""
        return self.labels.get(name, label_name(name))

    def image_id(self, name: str) -> int | str:
        """Return the id of the frame in COCO rows."""
        return self.image_ids.get(name, image_id(name))


def output_names(names: Sequence[str]) -> OutputNames:
    """Name the outputs of frames, distinct for distinct frames.

    Args:
        names: Every frame's name, relative to the source, with "/" between folders; each once.

    Returns:
        The usual names wherever they are unique. Where several frames would share one, `p.png` and `p.jpg` get the
        labels `p.png.txt` and `p.jpg.txt`, and the images `a/1.jpg` and `b/1.jpg` the image ids "a/1" and "b/1".
    """
    return OutputNames(
        images=_distinct(names, (image_name,)),
        labels=_distinct(names, (label_name, lambda name: f"{name}.txt")),
        image_ids=_distinct(names, (image_id, _without_suffix, str)),
    )


def image_name(name: str) -> str:
    """Return the frame's own name if its kind can be written, else that with .jpg behind it."""
    return name if PurePosixPath(name).suffix.lower() in KEPT_SUFFIXES else f"{name}.jpg"


def label_name(name: str) -> str:
    """Return the name with .txt in place of its suffix, where training tools look for it."""
    return f"{_without_suffix(name)}.txt"


def image_id(name: str) -> int | str:
    """Return the number that the name consists of, as COCO's do, else the name without folder and suffix."""
    stem = PurePosixPath(name).stem
    return int(stem) if stem.isascii() and stem.isdigit() and len(stem) <= MAX_ID_DIGITS else stem


def _without_suffix(name: str) -> str:
    path = PurePosixPath(name)
    return str(path.parent / path.stem)


def numbered(name: str, number: int) -> str:
    """The name of the `number`-th output of its kind: video.mp4, video-2.mp4, video-3.mp4, ..."""
    path = PurePosixPath(name)
    return name if number == 1 else str(path.with_name(f"{path.stem}-{number}{path.suffix}"))


def _distinct(names: Sequence[str], forms: Sequence[Callable[[str], int | str]]) -> dict[str, Any]:
    """Return each name in the first of `forms` that no other name has; numbered if there is none."""
    chosen: dict[str, Any] = {}
    taken: set[int | str] = set()
    waiting = list(names)
    for form in forms:
        made = {name: form(name) for name in waiting}
        counts = Counter(made.values())
        # a name that is its own form keeps it: images a.tif and a.tif.jpg both want a.tif.jpg
        alone = [n for n in waiting if made[n] not in taken and (counts[made[n]] == 1 or made[n] == n)]
        chosen.update({name: made[name] for name in alone})
        taken.update(made[name] for name in alone)
        waiting = [name for name in waiting if name not in chosen]
    for name in waiting:
        chosen[name] = _numbered(str(forms[-1](name)), taken)
        taken.add(chosen[name])
    return chosen


def _numbered(name: str, taken: set[int | str]) -> str:
    path, number = PurePosixPath(name), 2
    while (candidate := str(path.with_name(f"{path.stem}-{number}{path.suffix}"))) in taken:
        number += 1
    return candidate
