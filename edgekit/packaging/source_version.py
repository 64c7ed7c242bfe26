"""The version of a source tree, from its tags: `v1.2.0` is 1.2.0, five commits later 1.2.1.dev5.

It works without git, too: an archive of `git archive` names its tag in `.git_archival.txt`, a source distribution and a
built tree have the `version.txt` of the build before, and what has none of these is the fallback.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from edgekit.files import write_text
from edgekit.version import FALLBACK

__all__ = ["source_version", "write_version"]

ARCHIVAL_FILE = ".git_archival.txt"
UNTAGGED = ("0", "0.0", FALLBACK)  # what setuptools-scm begins to count from where there are no tags
VERSION_FILE = "edgekit/version.txt"
DISTRIBUTION = "edgekit-rdk"  # SETUPTOOLS_SCM_PRETEND_VERSION_FOR_EDGEKIT_RDK overrules the tags


def source_version(root: Path) -> tuple[str, str]:
    """Return the version of a source tree, and the abbreviated commit or "".

    Args:
        root: The folder of pyproject.toml.

    Returns:
        (version, commit): a PEP 440 version without a local part.
    """
    built = root / VERSION_FILE
    if built.is_file() and not (root / ".git").exists():
        version, _, commit = built.read_text(encoding="ascii").strip().partition(" ")
        return version or FALLBACK, commit
    try:
        import setuptools_scm
    except ImportError:
        return FALLBACK, ""
    commits: list[str] = []

    def follow_tags(scm: Any) -> str:
        commits.append(scm.short_node or "")
        return _version_of(scm)

    version = setuptools_scm.get_version(
        root=str(root),
        dist_name=DISTRIBUTION,
        version_scheme=follow_tags,
        local_scheme="no-local-version",
        fallback_version=FALLBACK,
    )
    commit = commits[0].removeprefix("g") if commits else ""
    return str(version), (commit or _archived_commit(root / ARCHIVAL_FILE))[:7]


def _version_of(scm: Any) -> str:
    """Return the tag, or the next version's development release; a tree without tags is the fallback."""
    from setuptools_scm.version import guess_next_dev_version

    return FALLBACK if str(scm.tag) in UNTAGGED else str(guess_next_dev_version(scm))


def _archived_commit(path: Path) -> str:
    """Return the commit that `git archive` wrote into a file of the archive; "" in a checkout."""
    lines = path.read_text(encoding="ascii", errors="replace").splitlines() if path.is_file() else []
    node = next((line.partition(": ")[2] for line in lines if line.startswith("node: ")), "")
    return "" if node.startswith("$Format") else node


def write_version(root: Path) -> str:
    """Write `version.txt` for the package that is built from `root`, and return the version.

    Args:
        root: The folder of pyproject.toml.

    Returns:
        The version.
    """
    version, commit = source_version(root)
    write_text(root / VERSION_FILE, f"{version} {commit}".strip() + "\n")
    return version
