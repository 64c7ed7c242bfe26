"""A `.bin` is described from its own bytes; a damaged or foreign file is refused, never a traceback."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgekit.binary.bin_format import looks_like_bin, read_bin
from edgekit.errors import ModelError
from tests.binary.wire_writer import field, initializer, tensor


def small_bin(*, stripped: bool = False) -> bytes:
    """One nv12 input, one box head with three channel scales, one proto with a single scale."""
    box = "box" if stripped else "box_quantized"
    attribute = field(5, field(1, "axis") + field(2, 2) + field(4, 3))
    nodes = [field(1, "images") + field(2, box) + field(2, "proto_quantized") + field(3, "sub") + field(4, "BPU")]
    if not stripped:
        dequantize = field(1, "box_quantized") + field(1, "box_scale") + field(2, "box")
        nodes.append(dequantize + field(3, "box_HzDequantize") + field(4, "Dequantize") + attribute)
    proto = field(1, "proto_quantized") + field(1, "proto_scale") + field(2, "proto")
    nodes.append(proto + field(3, "proto_HzDequantize") + field(4, "Dequantize"))
    graph = b"".join(field(1, node) for node in nodes) + field(2, "tiny")
    graph += field(3, initializer("box_scale", (0.5, 0.25, 0.125)))
    graph += field(3, initializer("proto_scale", (2.0,)))
    graph += field(3, field(1, field(1, 8)) + field(5, b"\x00\xff" * 50) + field(8, "PACKED_HBM_MODEL"))
    graph += field(4, tensor("images", 3, (1, 64, 96, 3)))
    graph += field(5, tensor("box", 6 if stripped else 1, (1, 8, 12, 3)))
    graph += field(5, tensor("proto", 1, (1, 16, 24, 1)))
    graph += field(7, b"\x07")
    metadata = {"MARCH": "bayes-e", "BUILDER_VERSION": "1.24.3", "INPUT_TYPE_TRAIN": "rgb;", "CALI_TYPE": "max"}
    if stripped:
        metadata |= {
            "DELETED_NODES": "box_HzDequantize",
            "DN_M_box": "box_quantized",
            "DN_D_box_quantized_scale": "box_scale",
            "DN_D_box_quantized_axis": "3",
        }
    build = b"".join(field(1, field(1, key) + field(2, value)) for key, value in metadata.items())
    return field(1, 1) + field(2, 1) + field(5, graph) + field(6, build)


def write(tmp_path, data: bytes):
    path = tmp_path / "tiny.bin"
    path.write_bytes(data)
    return path


def test_a_bin_says_what_it_is(tmp_path):
    info = read_bin(write(tmp_path, small_bin()))
    assert (info.name, info.march) == ("tiny", "bayes-e")
    assert info.versions == {"hb_mapper": "1.24.3"}
    assert (info.inputs[0].name, info.inputs[0].kind, info.inputs[0].shape) == ("images", "nv12", (1, 64, 96, 3))
    assert info.inputs[0].train_kind == "rgb"
    assert info.dequantize_nodes == ("box_HzDequantize", "proto_HzDequantize")
    box, proto = info.outputs
    assert (box.name, box.shape, box.dtype) == ("box", (1, 8, 12, 3), "float32")
    assert (box.scales, box.scale_axis, box.dequantized_by) == ((0.5, 0.25, 0.125), 3, "box_HzDequantize")
    assert (proto.scales, proto.scale_axis) == ((2.0,), None)


def test_removed_nodes_are_known_and_the_scales_are_still_found(tmp_path):
    info = read_bin(write(tmp_path, small_bin(stripped=True)))
    assert info.deleted_nodes == ("box_HzDequantize",)
    assert info.dequantize_nodes == ("proto_HzDequantize",)
    box = info.outputs[0]
    assert (box.dtype, box.dequantized_by, box.scales, box.scale_axis) == ("int32", "", (0.5, 0.25, 0.125), 3)


@pytest.mark.parametrize("data", [b"", b"\x00" * 64, b"not a model at all", b"\x08\x01\x10\x01", b"\xff" * 40])
def test_what_is_no_bin_is_refused(tmp_path, data):
    with pytest.raises(ModelError, match=r"tiny\.bin") as error:
        read_bin(write(tmp_path, data))
    assert error.value.hint


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(ModelError, match="cannot be read"):
        read_bin(tmp_path / "none.bin")


@settings(max_examples=150, deadline=None)
@given(cut=st.integers(0, len(small_bin())), place=st.integers(0, len(small_bin()) - 1), byte=st.integers(0, 255))
def test_a_cut_or_flipped_byte_never_gives_a_traceback(tmp_path_factory, cut, place, byte):
    folder = tmp_path_factory.mktemp("bins")
    whole = small_bin()
    for data in (whole[:cut], whole[:place] + bytes([byte]) + whole[place + 1 :]):
        try:
            read_bin(write(folder, data))
        except ModelError as error:
            assert "tiny.bin" in error.message


def test_the_first_bytes_tell_a_bin():
    assert looks_like_bin(small_bin()[:16])
    assert not looks_like_bin(b"2024-08-16 14:14:00,022 file: build.py")


def test_the_real_bins(shared_data):
    folder = shared_data / "horizon" / "yolov8n_seg_nv12"
    whole, stripped = (read_bin(path) for path in sorted(folder.glob("*.bin")))
    assert whole.march == stripped.march == "bayes-e"
    assert whole.versions["hbdk_runtime"] == "3.15.55.0"
    assert len(whole.outputs) == len(whole.dequantize_nodes) == 10
    assert whole.deleted_nodes == ()
    assert len(stripped.deleted_nodes) == 6
    assert [o.dtype for o in stripped.outputs].count("int32") == 6
    for before, after in zip(whole.outputs, stripped.outputs, strict=True):
        assert (before.name, before.shape, before.scales) == (after.name, after.shape, after.scales)
        assert len(before.scales) in {1, before.shape[-1]}
    assert (whole.inputs[0].kind, whole.inputs[0].color_range) == ("nv12", "regular")
