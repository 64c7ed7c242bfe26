from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from edgekit.errors import OutputError
from edgekit.files import is_temporary, write_text
from edgekit.output.folder import run_folder
from tests.conftest import ROOT


def write(folder: Path, *names: str, text: str = "new", overwrite: bool = False, inputs: tuple[Path, ...] = ()) -> None:
    with run_folder(folder, inputs=inputs, planned=names, overwrite=overwrite) as out:
        for name in names:
            write_text(out.take(name), text)


def files(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def test_a_run_leaves_its_outputs_and_nothing_else(tmp_path: Path) -> None:
    write(tmp_path / "out", "a.txt", "deep/b.txt")
    assert files(tmp_path) == ["out/a.txt", "out/deep/b.txt"]


def test_a_folder_that_holds_something_needs_overwrite_which_names_what_it_replaces(tmp_path: Path) -> None:
    write(tmp_path, "a.txt", "b.txt", text="old")
    with pytest.raises(OutputError, match="is not empty"):
        write(tmp_path, "c.txt")
    with run_folder(tmp_path, planned=["a.txt", "c.txt"], overwrite=True) as out:
        assert out.replaced == [tmp_path / "a.txt"]
        out.take("a.txt")
        out.take("b.txt")
        assert out.replaced == [tmp_path / "a.txt", tmp_path / "b.txt"]
    assert files(tmp_path) == ["a.txt", "b.txt"]


def test_what_is_read_is_refused_before_anything_is_written_and_on_the_way(tmp_path: Path) -> None:
    image = tmp_path / "in" / "a.txt"
    write_text(image, "image")
    with pytest.raises(OutputError, match="which is read"):
        write(tmp_path / "in", "b.txt", "a.txt", overwrite=True, inputs=(image,))
    assert files(tmp_path) == ["in/a.txt"]
    with run_folder(tmp_path / "in", inputs=(image,), overwrite=True) as out, pytest.raises(OutputError, match="read"):
        out.take("a.txt")
    assert image.read_text() == "image"


def test_a_run_that_fails_leaves_no_folder_made_for_nothing(tmp_path: Path) -> None:
    with pytest.raises(ValueError), run_folder(tmp_path / "new" / "out"):
        raise ValueError
    assert list(tmp_path.iterdir()) == []


KILLED = """
import sys, time
from pathlib import Path
from edgekit.files import atomic_path, write_text
from edgekit.output.folder import run_folder
with run_folder(Path(sys.argv[1])) as out:
    write_text(out.take("a.txt"), "half")
    with atomic_path(out.take("video.mp4")):
        print("writing", flush=True)
        time.sleep(60)
"""


@pytest.fixture
def killed(tmp_path: Path) -> Path:
    """A folder in which a run was killed while it wrote."""
    process = subprocess.Popen(
        [sys.executable, "-c", KILLED, str(tmp_path)], stdout=subprocess.PIPE, text=True, cwd=ROOT
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "writing\n"
    with pytest.raises(OutputError, match=f"in use by process {process.pid}"):
        write(tmp_path, "b.txt")
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    assert any(is_temporary(path) for path in tmp_path.iterdir())
    return tmp_path


def test_a_killed_run_can_start_again_in_its_folder(killed: Path) -> None:
    write(killed, "a.txt", "video.mp4")
    assert files(killed) == ["a.txt", "video.mp4"]
    assert (killed / "a.txt").read_text() == "new"


def test_what_others_put_there_after_the_kill_is_safe(killed: Path) -> None:
    write_text(killed / "mine.txt", "mine")
    with pytest.raises(OutputError, match="mine.txt"):
        write(killed, "mine.txt")
    assert (killed / "mine.txt").read_text() == "mine"


def test_half_written_files_alone_do_not_fill_a_folder(tmp_path: Path) -> None:
    (tmp_path / ".video.abcd_123.part.mp4").write_bytes(b"half")
    write(tmp_path, "a.txt")
    assert "a.txt" in files(tmp_path)


def test_a_run_broken_off_by_the_user_can_start_again(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), run_folder(tmp_path) as out:
        write_text(out.take("a.txt"), "half")
        raise KeyboardInterrupt
    write(tmp_path, "a.txt")
    assert (files(tmp_path), (tmp_path / "a.txt").read_text()) == (["a.txt"], "new")


def test_a_file_in_place_of_the_folder_is_named(tmp_path: Path) -> None:
    write_text(tmp_path / "file", "x")
    with pytest.raises(OutputError, match="is a file"):
        write(tmp_path / "file", "a.txt")
    for name in ("file/out", "n" * 300, "n" * 5000, "a\0b"):
        with pytest.raises(OutputError, match="cannot be written"):
            write(tmp_path / name, "a.txt")
    assert files(tmp_path) == ["file"]
