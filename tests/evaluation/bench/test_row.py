from __future__ import annotations

import json

import pytest

from edgekit.errors import DataError, ModelError
from edgekit.evaluation.bench.row import row_from_dict
from tests.evaluation.bench.reports import failed, row, simulated


@pytest.mark.parametrize("one", [row(), simulated(), failed(), failed(status="unfit", size_wh=None), row(box=None)])
def test_a_row_comes_back_from_json_as_it_was(one) -> None:  # type: ignore[no-untyped-def]
    assert row_from_dict(json.loads(json.dumps(one.to_dict()))) == one


def test_devices_by_the_names_of_the_command_line() -> None:
    assert row().device_name == "cpu"
    assert row(device="onnxruntime-cuda").device_name == "cuda"
    assert failed(requested="bpu").device_name == "bpu"
    assert simulated().simulated and row(device="hbdk-sim").simulated
    assert not row().simulated and not row(device="bpu").simulated


@pytest.mark.parametrize(
    "change",
    [
        {"status": "fine"},
        {"fps": "fast"},
        {"fps": float("nan")},
        {"fps": 10**400},
        {"total": {"p50": 1}},
        {"device": ["sim"]},
        {"images": "3"},
        {"error": None},
        {"notes": "a text"},
        {"size_wh": [640]},
        {"stages": []},
        {"scores": {"box": {"measure": "mAP", "value": [0.5]}}},
        {"scores": {"box": {"measure": 7, "value": 0.5}}},
        {"scores": {"box": {"measure": "mAP", "value": 0.5, "more": 1}}},
        {"unknown": 1},
    ],
)
def test_a_damaged_row_is_refused(change: dict[str, object]) -> None:
    with pytest.raises((DataError, ModelError)):
        row_from_dict({**row().to_dict(), **change})
