from __future__ import annotations

import pytest

from edgekit.errors import DataError
from edgekit.evaluation.classes import match_classes, merge_categories


def test_by_name_whatever_the_order_and_case() -> None:
    classes = match_classes(["Dog", "cat"], [(18, "dog"), (17, "cat")])
    assert dict(classes.category_of) == {0: 18, 1: 17}
    assert dict(classes.names) == {18: "dog", 17: "cat"}
    assert classes.notes == ()


def test_classes_of_one_side_only_are_named() -> None:
    classes = match_classes(["dog", "unicorn"], [(1, "dog"), (2, "cat")])
    assert dict(classes.category_of) == {0: 1}
    assert "unicorn" in classes.notes[0] and "cat" in classes.notes[1] and "not scored" in classes.notes[1]


def test_by_order_where_nobody_named_the_models_classes() -> None:
    classes = match_classes(["class 0", "class 1"], [(90, "zebra"), (4, "ant")])
    assert dict(classes.category_of) == {0: 4, 1: 90}
    assert "order" in classes.notes[0]


def test_labels_of_something_else_are_refused() -> None:
    with pytest.raises(DataError, match=r"2 classes \(ship, plane\) and the labels' 3 \(a, b, c\) share no name"):
        match_classes(["ship", "plane"], [(1, "a"), (2, "b"), (3, "c")])


def test_categories_of_one_name_are_one_class_of_the_lowest_id() -> None:
    merged = merge_categories([(200, "person "), (1, "person"), (2, "bus"), (7, "Bus"), (9, "car")])
    assert merged.categories == ((1, "person"), (2, "bus"), (9, "car"))
    assert dict(merged.kept) == {1: 1, 200: 1, 2: 2, 7: 2, 9: 9}
    assert len(merged.notes) == 2 and "1, 200 are all called 'person'" in merged.notes[0]
    classes = match_classes(["bus", "person", "car"], merged.categories)
    assert dict(classes.category_of) == {0: 2, 1: 1, 2: 9} and classes.notes == ()


def test_a_name_that_only_the_merged_categories_have_leaves_no_false_note() -> None:
    assert merge_categories([(3, "a"), (5, "b")]).notes == ()
    assert match_classes([" Person"], [(1, "person")]).notes == ()
