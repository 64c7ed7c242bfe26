"""The yaml as used, from the dump in a compile log."""

from __future__ import annotations

from collections.abc import Sequence

from edgekit.errors import ConfigError

Config = dict[str, dict[str, object]]

# The yaml's fields by section. A dump that has lost the line of a section must not lend its fields to another.
FIELDS = {
    "model_parameters": "onnx_model march output_model_file_prefix working_dir layer_out_dump output_nodes "
    "remove_node_type remove_node_name debug_mode node_info log_level",
    "input_parameters": "input_name input_type_train input_layout_train input_type_rt input_layout_rt "
    "input_space_and_range input_shape input_batch norm_type mean_value scale_value",
    "calibration_parameters": "cal_data_dir cal_data_type preprocess_on calibration_type max_percentile per_channel "
    "run_on_cpu run_on_bpu optimization",
    "compiler_parameters": "compile_mode debug core_num optimize_level input_source max_time_per_fc jobs",
}
SECTION_OF = {name: section for section, names in FIELDS.items() for name in names.split()}


def config_of(lines: Sequence[str]) -> Config | None:
    """The fields by section; None where the lines are no yaml. Fields that belong to another section are left out."""
    from edgekit.data.plain_yaml import parse_yaml

    if not lines:
        return None
    try:
        loaded = parse_yaml("\n".join(lines), on_repeat=lambda note: None)  # the tool took the last one, too
    except ConfigError:
        return None
    if not isinstance(loaded, dict):
        return None
    return {
        str(name): {str(key): value for key, value in section.items() if SECTION_OF.get(key, name) == name}
        for name, section in loaded.items()
        if isinstance(section, dict)
    }
