"""The sidecar of a `.bin` says what the file itself says, and refuses another model's."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from edgekit.binary.bin_format import BinInfo, read_bin
from edgekit.binary.bin_sidecar import bin_spec
from edgekit.errors import ModelError
from edgekit.spec import InputSpec, Preprocess
from tests.compilation.toolchain.stand_in import HEADS, compiled_bin, small_spec


def info_of(tmp_path: Path, **options: object) -> BinInfo:
    path = tmp_path / "small.bin"
    path.write_bytes(compiled_bin(small_spec(), **options))  # type: ignore[arg-type]
    return read_bin(path)


def test_what_the_file_says_counts(tmp_path: Path) -> None:
    spec = bin_spec(small_spec(), info_of(tmp_path, stripped=("box",)))
    assert (spec.stage, spec.march, spec.input.kind, spec.preprocess.color_range) == ("bin", "bayes-e", "nv12", "full")
    assert [(head.dtype, len(head.scale), head.axis) for head in spec.outputs[:2]] == [
        ("int32", 64, 3),
        ("float32", 0, 3),
    ]
    assert spec.tools == {"hb_mapper": "1.24.3"}


def test_integers_of_an_older_sidecar_become_floats_again(tmp_path: Path) -> None:
    stripped = bin_spec(small_spec(), info_of(tmp_path, stripped=("box",)))
    assert bin_spec(stripped, info_of(tmp_path)).head("box").dtype == "float32"


def test_the_studio_range_is_taken_over(tmp_path: Path) -> None:
    info = info_of(tmp_path)
    studio = replace(info, inputs=(replace(info.inputs[0], color_range="bt601_video"),))
    assert bin_spec(small_spec(), studio).preprocess.color_range == "studio"


@pytest.mark.parametrize(
    ("shape", "layout", "good"),
    [
        ((1, 3, 64, 96), "NCHW", True),
        ((1, 64, 96, 3), "NHWC", True),
        ((1, 3, 64, 96), "NHWC", True),  # as rgb builds with NHWC state it
        ((1, 3, 96, 64), "NCHW", False),
        ((3, 64, 96), "NCHW", False),
    ],
)
def test_the_size_in_either_layout(tmp_path: Path, shape: tuple[int, ...], layout: str, good: bool) -> None:
    info = info_of(tmp_path, kind="rgb")
    built = replace(
        info,
        inputs=(replace(info.inputs[0], shape=shape),),
        metadata={**info.metadata, "INPUT_LAYOUT_RT": f"{layout};"},
    )
    if good:
        assert bin_spec(small_spec(), built).input.layout == layout
    else:
        with pytest.raises(ModelError, match="takes images of"):
            bin_spec(small_spec(), built)


@pytest.mark.parametrize(
    "other",
    [
        small_spec(march="bayes"),
        small_spec((replace(HEADS[0], shape=(1, 8, 12, 32)), *HEADS[1:])),
        small_spec((replace(HEADS[0], name="elsewhere"), *HEADS[1:])),
        replace(small_spec(), input=InputSpec("image")),
        replace(small_spec(), preprocess=Preprocess(64, 96)),
    ],
    ids=["march", "shape", "name", "input", "size"],
)
def test_the_sidecar_of_another_model(tmp_path: Path, other: object) -> None:
    with pytest.raises(ModelError) as caught:
        bin_spec(other, info_of(tmp_path))  # type: ignore[arg-type]
    assert "--sidecar" in caught.value.hint
