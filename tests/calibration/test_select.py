from __future__ import annotations

import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest

from edgekit.calibration import select as selecting
from edgekit.calibration.features import standardise
from edgekit.calibration.select import Selection, select_images
from edgekit.data.image_source import open_source
from edgekit.errors import ConfigError, DataError
from tests.images import scene, write_images, write_video


def chosen_names(selection: Selection) -> list[str]:
    return [one.image.name for one in selection.chosen]


def test_first_takes_the_first_that_decode(tmp_path: Path) -> None:
    paths = write_images(tmp_path, 6)
    paths[1].write_bytes(b"broken")
    selection = select_images(open_source(tmp_path, frames=1), num=3, how="first")
    assert chosen_names(selection) == ["image_000.png", "image_002.png", "image_003.png"]
    assert [(d.name, d.reason) for d in selection.dropped] == [("image_001.png", "undecodable")]
    assert (selection.offered, selection.looked_at) == (6, 4)


def test_random_is_seeded_and_in_the_sources_order(tmp_path: Path) -> None:
    write_images(tmp_path, 30)
    source = open_source(tmp_path, frames=1)
    first, again, other = (chosen_names(select_images(source, num=8, how="random", seed=s)) for s in (1, 1, 2))
    assert first == again == sorted(first)
    assert first != other
    assert len(set(first)) == 8


def test_diverse_drops_near_duplicates_and_undecodable_files_and_says_so(tmp_path: Path) -> None:
    paths = write_images(tmp_path, 8)
    shutil.copy(paths[2], tmp_path / "image_100.png")
    cv2.imwrite(str(tmp_path / "image_101.jpg"), scene(3), [cv2.IMWRITE_JPEG_QUALITY, 70])
    cv2.imwrite(str(tmp_path / "image_102.png"), cv2.resize(scene(4), (192, 144)))
    (tmp_path / "image_103.jpg").write_bytes(b"")
    selection = select_images(open_source(tmp_path, frames=1), num=20)
    assert chosen_names(selection) == [p.name for p in paths]
    assert {d.name: (d.reason, d.detail.rpartition(" ")[2]) for d in selection.dropped if "near" in d.reason} == {
        "image_100.png": ("near-duplicate", "image_002.png"),
        "image_101.jpg": ("near-duplicate", "image_003.png"),
        "image_102.png": ("near-duplicate", "image_004.png"),
    }
    assert [d.reason for d in selection.dropped if d.name == "image_103.jpg"] == ["undecodable"]


def test_dim_images_that_differ_are_no_duplicates(tmp_path: Path) -> None:
    for i in range(4):
        cv2.imwrite(str(tmp_path / f"{i}.png"), scene(i) // 12)
    assert len(select_images(open_source(tmp_path, frames=1), num=4).chosen) == 4


def test_diverse_takes_one_of_every_kind_before_a_second_of_any(tmp_path: Path) -> None:
    """Ninety evenings and three odd images: the odd ones are in, once each."""
    rng = np.random.default_rng(0)
    for i in range(60):
        dusk = np.clip(rng.normal((60, 50, 70), 3) + rng.normal(0, 14, (6, 8, 3)), 0, 255).astype(np.uint8)
        cv2.imwrite(str(tmp_path / f"dusk_{i:02d}.png"), cv2.resize(dusk, (80, 60), interpolation=cv2.INTER_CUBIC))
    noon = np.full((60, 80, 3), (250, 200, 150), np.uint8)
    noon[30:] = (80, 220, 240)
    checks = np.kron(np.indices((12, 16)).sum(axis=0) % 2, np.ones((5, 5)))[..., None].repeat(3, 2) * 255
    red = np.full((60, 80, 3), (20, 20, 220), np.uint8)
    for name, image in (("noon", noon), ("checks", checks), ("red", red)):
        cv2.imwrite(str(tmp_path / f"{name}.png"), image)
    names = chosen_names(select_images(open_source(tmp_path, frames=1), num=8))
    assert {"noon.png", "checks.png", "red.png"} <= set(names)
    assert len(set(names)) == 8


def test_diverse_covers_the_source_better_than_chance() -> None:
    """The mean distance of every image to the nearest chosen one, against random choices of the same size."""
    features = standardise(np.random.default_rng(0).standard_normal((300, 32)).astype(np.float32) ** 3)

    def cover(chosen: list[int]) -> float:
        return float(np.sqrt(np.square(features[:, None] - features[chosen][None]).sum(-1).min(axis=1)).mean())

    ours = cover(selecting._cluster_representatives(features, 20))
    chance = [cover(list(np.random.default_rng(s).choice(300, 20, replace=False))) for s in range(20)]
    assert ours < min(chance)


def test_clusters_of_images_that_are_all_alike_still_give_as_many_as_asked() -> None:
    assert selecting._cluster_representatives(np.zeros((9, 32)), 4) == sorted(
        set(selecting._cluster_representatives(np.zeros((9, 32)), 4))
    )
    assert len(selecting._cluster_representatives(np.zeros((9, 32)), 4)) == 4


def test_the_same_call_chooses_the_same(tmp_path: Path) -> None:
    write_images(tmp_path, 25)
    source = open_source(tmp_path, frames=1)
    assert select_images(source, num=7) == select_images(source, num=7)


def test_of_a_large_source_a_seeded_sample_is_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(selecting, "MAX_CANDIDATES", 10)
    write_images(tmp_path, 30)
    source = open_source(tmp_path, frames=1)
    selection = select_images(source, num=5, seed=3)
    assert (selection.offered, selection.looked_at, len(selection.chosen)) == (30, 10, 5)
    assert selection == select_images(source, num=5, seed=3)
    assert chosen_names(selection) != chosen_names(select_images(source, num=5, seed=4))


def test_frames_of_a_video(tmp_path: Path) -> None:
    source = open_source(write_video(tmp_path / "v.avi", 120), frames=120)
    selection = select_images(source, num=10)
    assert [one.image.frame for one in selection.chosen] == sorted(one.image.frame for one in selection.chosen)
    assert any(d.reason == "near-duplicate" for d in selection.dropped)


def test_progress_is_told(tmp_path: Path) -> None:
    write_images(tmp_path, 5)
    told: list[tuple[str, int, int]] = []
    select_images(open_source(tmp_path, frames=1), num=3, progress=lambda *step: told.append(step))
    assert told[-1] == ("looking at images", 5, 5)


def test_illegal_options_and_hopeless_sources(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"broken")
    source = open_source(tmp_path, frames=1)
    with pytest.raises(ConfigError, match="select is 'best', expected one of diverse, random, first"):
        select_images(source, num=3, how="best")
    for num in (0, -1, 10**9):
        with pytest.raises(ConfigError, match="num is"):
            select_images(source, num=num)
    for how in ("diverse", "random", "first"):
        with pytest.raises(DataError, match="none of the 1 images could be decoded"):
            select_images(source, num=3, how=how)
