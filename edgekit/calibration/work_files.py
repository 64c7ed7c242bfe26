"""The files of a work folder besides its data: their names, the yaml, and whether all of them are as recorded."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from edgekit.artifacts import MANIFEST_NAME
from edgekit.errors import OutputError
from edgekit.files import is_file, read_json
from edgekit.manifest import is_unchanged, recorded_hashes
from edgekit.next_command import edgekit_command
from edgekit.ptq import PtqConfig, save_config
from edgekit.ptq.presets import reasons
from edgekit.spec import ModelSpec, sidecar_path
from edgekit.version import __version__

__all__ = ["WorkPlan", "all_as_recorded", "refuse_unexpected_files", "write_yaml"]


@dataclass(frozen=True, slots=True)
class WorkPlan:
    """The names and settings of everything in the folder; `folders`: input name -> folder of its files."""

    model_name: str
    yaml_name: str
    config: PtqConfig
    spec: ModelSpec
    folders: Mapping[str, str] = field(default_factory=dict)

    @property
    def model_files(self) -> tuple[str, ...]:
        """Return the names of the model, its sidecar and the yaml."""
        return self.model_name, sidecar_path(Path(self.model_name)).name, self.yaml_name


def write_yaml(folder: Path, plan: WorkPlan) -> None:
    """Write the yaml, unless a finished folder is being fixed: its yaml may have been edited and is kept."""
    path = folder / plan.yaml_name
    if is_file(folder / MANIFEST_NAME) and is_file(path):
        return
    header = (
        f"Made by edgekit calibrate {__version__} for {plan.model_name}.\n"
        f"Next: {edgekit_command('compile', Path(path.name))}; editing a value here is fine, the calibration data "
        "stay as they are."
    )
    save_config(path, plan.config, header=header, comments=reasons(plan.config))


def all_as_recorded(folder: Path) -> bool:
    """Return whether the manifest is there and every file but the yaml, which users edit, is as it says."""
    manifest = folder / MANIFEST_NAME
    if not is_file(manifest):
        return False
    hashes = recorded_hashes(read_json(manifest), manifest)
    edited = {name for name in hashes if name.endswith(".yaml") and is_file(folder / name)}
    return all(name in edited or is_unchanged(folder / name, digest) for name, digest in hashes.items())


def refuse_unexpected_files(folder: Path, ours: Collection[str]) -> None:
    """Raise OutputError where a folder of samples holds other files: the compiler takes every one for a sample."""
    unexpected = sorted(path.name for path in folder.iterdir() if path.name not in ours)
    if unexpected:
        raise OutputError(
            f"{folder} holds {unexpected[0]}, which is none of its {len(ours)} calibration files",
            hint="take it out: the compiler would read it as a sample",
        )
