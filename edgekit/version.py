"""The version, in one place: nothing is imported at the top, so that reading it is free.

A build writes what the tags say into `version.txt` beside this file (`edgekit.packaging.source_version`); a checkout
that was never installed has the fallback.
"""

FALLBACK = "0.1.0.dev0"  # of a tree without tags, without git and without an earlier build
MAX_CHARACTERS = 200


def _built_version() -> tuple[str, str]:
    """Return the version and the commit that the build wrote, or the fallback and ""."""
    try:
        with open(f"{__file__.removesuffix('.py')}.txt", encoding="ascii", errors="replace") as file:  # noqa: PTH123
            version, _, commit = file.read(MAX_CHARACTERS).strip().partition(" ")
    except OSError:
        return FALLBACK, ""
    return version or FALLBACK, commit


__version__, __commit__ = _built_version()


def describe_version() -> str:
    """Return the version with the commit: of the checkout as it is now, else of the build; without either alone."""
    import shutil
    import subprocess
    from pathlib import Path

    commit = __commit__
    checkout = Path(__file__).resolve().parents[1]
    git = shutil.which("git")
    if git and (checkout / ".git").exists():
        command = [git, "-C", str(checkout), "describe", "--always", "--dirty= with changes", "--exclude=*"]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
            commit = done.stdout.strip() or commit
        except (OSError, subprocess.SubprocessError):
            pass
    return f"{__version__} (commit {commit})" if commit else __version__
