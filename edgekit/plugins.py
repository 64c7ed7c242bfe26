"""Implementations by name: those that come with edgekit, and those of installed packages' entry points."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from edgekit.errors import ConfigError

__all__ = ["load_plugin", "plugins"]


def plugins(group: str, built_in: Mapping[str, str]) -> dict[str, EntryPoint]:
    """Return everything registered under a group, by name.

    Args:
        group: Name of the entry point group, such as "edgekit.compilers".
        built_in: Name -> "module:attribute" of what comes with edgekit. These need no installed metadata, so a plain
            checkout works; a package cannot replace them.

    Returns:
        The built-in entries in their order, then those of installed packages by name.
    """
    own = {name: EntryPoint(name, target, group) for name, target in built_in.items()}
    installed = sorted(entry_points(group=group), key=lambda entry: (entry.name, entry.value))
    return {**own, **{entry.name: entry for entry in reversed(installed) if entry.name not in own}}


def load_plugin(entry: EntryPoint) -> Any:
    """Return the object that an entry point names.

    Args:
        entry: One of `plugins`.

    Returns:
        The object, its module imported now.

    Raises:
        ConfigError: If the module or the attribute does not exist.
    """
    try:
        return entry.load()
    except (ImportError, AttributeError) as error:
        raise ConfigError(
            f"{entry.name!r} of {entry.group} cannot be loaded ({entry.value}: {error}), expected an importable object",
            hint="install what it needs, or remove the package that registers it",
        ) from error
