from __future__ import annotations

import itertools

import pytest

from edgekit.output.names import output_names


def test_usual_names_where_they_are_unique() -> None:
    names = output_names(["a.jpg", "deep/b.PNG", "c.tif", "deep/000000000139.jpg"])
    assert [names.image(n) for n in ("a.jpg", "deep/b.PNG", "c.tif")] == ["a.jpg", "deep/b.PNG", "c.tif.jpg"]
    assert [names.label(n) for n in ("a.jpg", "deep/b.PNG")] == ["a.txt", "deep/b.txt"]
    assert [names.image_id(n) for n in ("a.jpg", "deep/b.PNG", "deep/000000000139.jpg")] == ["a", "b", 139]


def test_frames_of_a_video_need_not_be_known_beforehand() -> None:
    names = output_names([])
    assert (names.label("frame 3"), names.image_id("frame 3")) == ("frame 3.txt", "frame 3")


def test_labels_of_equal_stems_keep_their_suffix() -> None:
    names = output_names(["p.png", "p.jpg", "q.png"])
    assert [names.label(n) for n in ("p.png", "p.jpg", "q.png")] == ["p.png.txt", "p.jpg.txt", "q.txt"]


def test_image_ids_of_equal_stems_say_the_folder_or_the_suffix() -> None:
    names = output_names(["a/1.jpg", "b/1.jpg", "b/2.jpg"])
    assert [names.image_id(n) for n in ("a/1.jpg", "b/1.jpg", "b/2.jpg")] == ["a/1", "b/1", 2]
    names = output_names(["p.png", "p.jpg", "01.jpg", "1.jpg"])
    assert [names.image_id(n) for n in ("p.png", "p.jpg", "01.jpg", "1.jpg")] == ["p.png", "p.jpg", "01", "1"]


def test_a_image_keeps_its_own_name_against_one_that_gets_a_suffix() -> None:
    names = output_names(["a.tif", "a.tif.jpg"])
    assert [names.image(n) for n in ("a.tif", "a.tif.jpg")] == ["a.tif-2.jpg", "a.tif.jpg"]


PARTS = [
    "p.png",
    "p.jpg",
    "p.tif",
    "p.tif.jpg",
    "p.png.jpg",
    "p.png.txt.jpg",
    "p-2.png",
    "p.png-2.jpg",
    "1.jpg",
    "01.jpg",
]
PARTS += [f"{folder}/{name}" for folder in ("a", "b", "p.png") for name in ("p.png", "p.jpg", "1.jpg", "1.png")]


@pytest.mark.parametrize("count", [1, 2, 3])
def test_no_two_frames_share_an_output_or_an_id(count: int) -> None:
    for chosen in itertools.combinations(PARTS, count):
        names = output_names(chosen)
        for of in (names.image, names.label, names.image_id):
            assert len({of(name) for name in chosen}) == count, chosen
    names = output_names(PARTS)
    assert all(len({of(n) for n in PARTS}) == len(PARTS) for of in (names.image, names.label, names.image_id))


def test_digits_beyond_64_bits_stay_text() -> None:
    assert output_names([]).image_id("9" * 200 + ".jpg") == "9" * 200
    assert output_names([]).image_id("１.jpg") == "１"
