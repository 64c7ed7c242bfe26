"""Dataclasses to JSON and back, and what is told of a document that is another one."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import pytest

from edgekit.errors import DataError, ModelError
from edgekit.records import check_envelope, envelope, from_json, to_json
from edgekit.version import __version__


@dataclass(frozen=True)
class Inner:
    name: str
    weight: float = 1.0

    def __post_init__(self) -> None:
        if self.weight < 0:
            raise ModelError(f"weight is {self.weight}, expected 0 or more", hint="fix it")


@dataclass(frozen=True)
class Outer:
    kind: Literal["a", "b"]
    parts: tuple[Inner, ...]
    size_wh: tuple[int, int] = (1, 2)
    named: Mapping[str, Inner] = field(default_factory=dict)
    note: str | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)


OUTER = Outer("a", (Inner("x"), Inner("y", 2.5)), (3, 4), {"z": Inner("z")}, None, {"k": [1, None]})


def test_what_is_written_is_read_again() -> None:
    assert from_json(Outer, json.loads(json.dumps(to_json(OUTER))), "it") == OUTER


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kind": "c"}, r"it\.kind: value is 'c', expected one of a, b"),
        ({"parts": [{"name": 3}]}, r"it\.parts\[0\]\.name: value is 3, expected of type str"),
        ({"parts": [{"name": "x"}, {}]}, r"it\.parts\[1\]: name is missing"),
        ({"parts": [{"name": "x", "weight": -1}]}, r"it\.parts\[0\]: weight is -1\.0, expected 0 or more"),
        ({"size_wh": [1, 2, 3]}, r"it\.size_wh: number of entries is 3, expected 2"),
        ({"named": {"z": []}}, r"it\.named\.z: value is list, expected a JSON object"),
        ({"note": 3}, r"it\.note: value is 3, expected of type str"),
        ({"other": 1}, r"it: field is 'other', expected one of kind, parts"),
    ],
)
def test_the_field_that_is_wrong_is_named(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ModelError, match=message):
        from_json(Outer, {**to_json(OUTER), **change}, "it")


def test_a_document_says_what_it_is_and_who_wrote_it() -> None:
    document = {**envelope("bundle", 2), "a": 1}
    assert document == {"schema": "edgekit.bundle/2", "edgekit": __version__, "a": 1}
    assert check_envelope(document, "bundle", "b.json", version=2) == {"a": 1}


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ({**envelope("bundle", 1)}, "b.json is of schema 'edgekit.bundle/1', expected edgekit.bundle/2"),
        ({"edgekit": "bundle", "version": 1}, "b.json is no document of this edgekit, expected edgekit.bundle/2"),
        ([], "b.json is no document"),
    ],
)
def test_other_documents_are_refused(document: object, message: str) -> None:
    with pytest.raises(DataError, match=message) as caught:
        check_envelope(document, "bundle", "b.json", version=2, error=DataError, hint="make it again")
    assert caught.value.hint == "make it again"
