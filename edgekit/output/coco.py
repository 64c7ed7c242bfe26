"""Results as a COCO results file, the format that pycocotools scores."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

from edgekit.output.document import atomic_stream, streamed_array
from edgekit.output.names import OutputNames
from edgekit.results import Results


@contextlib.contextmanager
def coco_sink(path: Path, names: OutputNames) -> Iterator[Callable[[str, Results], None]]:
    """Yield a function of a frame's name and results that appends its rows to a COCO results file.

    Each row also has the image's `file_name`, relative to the source. The image id is the number that the name
    consists of, as COCO's do, else the name without suffix; images never share one (see `output_names`).

    Args:
        path: The file; it appears when it is complete.
        names: The image ids of the frames.

    Yields:
        The function.
    """
    with atomic_stream(path) as stream, streamed_array(stream, "[", "\n]\n") as append:

        def write(name: str, results: Results) -> None:
            for row in results.to_coco(names.image_id(name)):
                append({"file_name": name, **row})

        yield write
