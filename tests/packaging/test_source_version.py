"""Versions follow the tags, with and without git; what has neither is the fallback."""

from __future__ import annotations

import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest

from edgekit import version as version_module
from edgekit.packaging.source_version import VERSION_FILE, source_version, write_version
from edgekit.version import FALLBACK, describe_version
from tests.conftest import ROOT

pytest.importorskip("setuptools_scm")
needs_git = pytest.mark.skipif(shutil.which("git") is None, reason="no git")


def git(folder: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=test", "-c", "user.email=test@example.com", "-c", "init.defaultBranch=main"]
    done = subprocess.run(["git", *identity, *arguments], cwd=folder, check=True, capture_output=True, text=True)
    return done.stdout.strip()


def commit(folder: Path) -> str:
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "--allow-empty", "-m", "a change")
    return git(folder, "rev-parse", "--short=7", "HEAD")


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    folder = tmp_path / "checkout"
    folder.mkdir()
    (folder / "edgekit").mkdir()
    for name in (".git_archival.txt", ".gitattributes", ".gitignore", "pyproject.toml"):
        shutil.copy(ROOT / name, folder)
    git(folder, "init", "-q")
    commit(folder)
    return folder


@needs_git
def test_a_tag_is_the_version_and_commits_after_it_are_development_releases(checkout: Path) -> None:
    git(checkout, "tag", "v1.2.0")
    assert source_version(checkout) == ("1.2.0", git(checkout, "rev-parse", "--short=7", "HEAD"))
    commit(checkout)
    head = commit(checkout)
    assert source_version(checkout) == ("1.2.1.dev2", head)


@needs_git
def test_without_tags_it_is_the_fallback_with_the_commit(checkout: Path, tmp_path: Path) -> None:
    head = commit(checkout)
    assert source_version(checkout) == (FALLBACK, head)
    git(checkout, "tag", "v1.2.0")
    commit(checkout)
    git(tmp_path, "clone", "-q", "--depth", "1", "--no-tags", checkout.as_uri(), "shallow")
    assert source_version(tmp_path / "shallow")[0] == FALLBACK


@needs_git
@pytest.mark.parametrize(("tag", "expected"), [("v1.2.0", "1.2.0"), (None, FALLBACK)])
def test_an_archive_names_its_tag(checkout: Path, tmp_path: Path, tag: str | None, expected: str) -> None:
    if tag:
        git(checkout, "tag", tag)
    git(checkout, "archive", "-o", str(tmp_path / "archive.tar"), "HEAD")
    with tarfile.open(tmp_path / "archive.tar") as archive:
        archive.extractall(tmp_path / "archive", filter="data")
    (tmp_path / "archive" / "edgekit").mkdir(exist_ok=True)
    assert source_version(tmp_path / "archive") == (expected, git(checkout, "rev-parse", "--short=7", "HEAD"))


@needs_git
def test_what_was_built_keeps_its_version_where_git_is_gone(checkout: Path) -> None:
    git(checkout, "tag", "v1.2.0")
    expected = source_version(checkout)
    assert write_version(checkout) == "1.2.0"
    assert git(checkout, "status", "--porcelain") == ""  # version.txt is ignored
    shutil.rmtree(checkout / ".git")
    assert source_version(checkout) == expected


def test_a_bare_folder_is_the_fallback(tmp_path: Path) -> None:
    assert source_version(tmp_path) == (FALLBACK, "")


def test_the_package_reads_what_the_build_wrote(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(version_module, "__file__", str(tmp_path / "version.py"))
    assert version_module._built_version() == (FALLBACK, "")
    (tmp_path / "version.txt").write_text("1.2.0 abcdef1\n")
    assert version_module._built_version() == ("1.2.0", "abcdef1")
    monkeypatch.setattr(version_module, "__version__", "1.2.0")
    monkeypatch.setattr(version_module, "__commit__", "abcdef1")
    assert describe_version() == "1.2.0 (commit abcdef1)"
    monkeypatch.setattr(version_module, "__commit__", "")
    assert describe_version() == "1.2.0"
    assert VERSION_FILE.endswith("/version.txt")


@needs_git
@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="no checkout")
def test_a_checkout_names_the_commit_that_it_is_at() -> None:
    assert git(ROOT, "rev-parse", "--short=7", "HEAD")[:7] in describe_version()
