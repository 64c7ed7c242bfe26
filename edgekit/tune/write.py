"""The work folder that tuning ends with: prepared ONNX, calibration data, yaml and manifest, for any compiler."""

from __future__ import annotations

import os
import shutil
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from edgekit.files import atomic_path, sha256_file, write_json
from edgekit.manifest import MANIFEST_NAME
from edgekit.next_command import edgekit_command
from edgekit.ptq import PtqConfig, load_config, save_config
from edgekit.ptq.presets import CALIBRATION_DIR, reasons
from edgekit.sim.compiler.mixed_precision import node_info_for
from edgekit.spec import file_ref, load_spec, save_spec, sidecar_path
from edgekit.tune.candidate import MAX, Setting
from edgekit.tune.workspace import Work, base_subject, needed_limits
from edgekit.version import __version__

if TYPE_CHECKING:
    import onnx

REASON_OF_NODES = "measured by edgekit tune: the places whose 8 bits cost the outputs most, in 16 bits"


def write_tuned(work: Work, setting: Setting, folder: Path) -> Path:
    """Writes `folder` again for `setting`; returns the yaml. The manifest comes last and stands for the whole."""
    source = work.yaml(setting.images)
    config = tuned_config(work, setting, load_config(source))
    model = folder / Path(config.model_parameters.onnx_model).name
    original = source.parent / model.name
    with atomic_path(model) as temporary:
        _save(tuned_model(work, setting), temporary)
    spec = load_spec(sidecar_path(original))
    save_spec(sidecar_path(model), replace(spec, files={**spec.files, "model": file_ref(model)}))
    data = _link_data(source.parent / CALIBRATION_DIR, folder / CALIBRATION_DIR)
    yaml = folder / source.name
    header = f"Made by edgekit tune {__version__}; next: {edgekit_command('compile', Path(yaml.name))}"
    save_config(yaml, config, header=header, comments={**reasons(config), "node_info": REASON_OF_NODES})
    files = [model, sidecar_path(model), yaml, *data]
    rows = [{"name": path.relative_to(folder).as_posix(), "sha256": sha256_file(path)} for path in files]
    write_json(folder / MANIFEST_NAME, {"edgekit": __version__, "setting": setting.to_dict(), "files": rows})
    return yaml


def tuned_config(work: Work, setting: Setting, config: PtqConfig) -> PtqConfig:
    """`config` with what the setting chose: the calibrator and the nodes in 16 bits."""
    subject = base_subject(work.folder, setting.images, setting.graph)
    nodes = node_info_for(subject.graph, setting.wide) if setting.wide else None
    percentile = setting.percentile if setting.calibration_type == MAX else None
    return replace(
        config,
        model_parameters=replace(config.model_parameters, node_info=nodes),
        calibration_parameters=replace(
            config.calibration_parameters, calibration_type=setting.calibration_type, max_percentile=percentile
        ),
    )


def tuned_model(work: Work, setting: Setting) -> onnx.ModelProto:
    """The setting's float graph with its thresholds as Clips, which the compilers absorb."""
    import onnx

    from edgekit.tune.fold.clip import clip_outputs

    subject = base_subject(work.folder, setting.images, setting.graph)
    model = onnx.load(subject.job.onnx_path)
    limits = needed_limits(setting, subject)
    return clip_outputs(model, limits) if limits else model


def _save(model: onnx.ModelProto, path: Path) -> None:
    import onnx

    onnx.save(model, str(path))


def _link_data(source: Path, target: Path) -> list[Path]:
    """The set's files, as links where the disk allows it: nobody writes to them."""
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    paths = []
    for path in sorted(source.iterdir()):
        copy = target / path.name
        try:
            os.link(path, copy)
        except OSError:
            shutil.copyfile(path, copy)
        paths.append(copy)
    return paths
