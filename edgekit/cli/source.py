"""`--source` of run and perf: what the board ring opens itself, and lists of images through the host's readers."""

from __future__ import annotations

import argparse
import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edgekit.runtime.sources import OnSkip, Source
    from edgekit.spec import ModelSpec


def open_model_source(source: str, spec: ModelSpec, *, on_skip: OnSkip) -> Source:
    """Open a source for a model: images, or samples where it takes more than one image or none.

    Raises:
        ConfigError: As `open_any_source`.
        DataError: There are no samples, or one of them lacks an input.
    """
    if spec.takes_one_image:
        return open_any_source(source, on_skip=on_skip)
    from edgekit.runtime.array_source import array_frames

    return array_frames(source, spec.inputs)


def open_any_source(source: str, *, on_skip: OnSkip) -> Source:
    """Open a source as `edgekit.data.frame_source` does; on a board without the host's libraries, lists are refused.

    Raises:
        ConfigError: Where a list is given and its reader is not installed.
    """
    from edgekit.errors import ConfigError
    from edgekit.runtime.sources import names_images, open_source

    if not names_images(source):
        return open_source(source, on_skip=on_skip)
    try:
        reader = importlib.import_module("edgekit.data.frame_source")
    except ImportError as error:
        raise ConfigError(
            f"--source {source} names images, and what reads such files is not installed here ({error.name})",
            hint="give the folder of the images, or a glob in quotes",
        ) from error
    opened: Source = reader.open_any_source(source, on_skip=on_skip)
    return opened


def refuse_for_arrays(args: argparse.Namespace, spec: ModelSpec) -> None:
    """Refuse what has no meaning for a model that takes more than one image or none; nothing is drawn without one."""
    from edgekit.errors import ConfigError

    if spec.takes_one_image:
        return
    for option in ("record", "track"):
        if getattr(args, option):
            raise ConfigError(
                f"--{option} is for models that take one image, and this one takes "
                f"{', '.join(item.name for item in spec.inputs)}",
                hint=f"leave --{option} out",
            )
    args.no_images = args.no_images or not spec.input.is_image
