"""Where the toolchain is: on PATH, in the private environment or in the vendor's docker image, in this order."""

from __future__ import annotations

import functools
import itertools
import os
import re
import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from edgekit.compilation.toolchain.recipe import DOCKER_IMAGE, RECIPE_NAME
from edgekit.compilation.toolchain.run import CommandLine, ask
from edgekit.errors import DataError, ToolchainError
from edgekit.files import read_json

COMMANDS = ("hb_mapper", "hb_model_modifier", "hb_model_info", "hbdk-cc")  # without these nothing compiles
SIMULATOR_COMMANDS = ("hb_extract_hbm", "hbdk-sim")  # run a compiled .bin off-device, where they are
KINDS = ("path", "private", "docker")
RECORD_NAME = "toolchain.json"  # what the install wrote last: steps done, versions when all were
# Variables of the caller's Python that would lead the vendor's commands to other packages.
FOREIGN_PYTHON = ("PYTHONPATH", "PYTHONHOME", "PYTHONSTARTUP", "VIRTUAL_ENV", "__PYVENV_LAUNCHER__")
VERSION = re.compile(r"((?:runtime )?version):?\s+(\d[\w.]*)")
_container_numbers = itertools.count(1)


@dataclass(frozen=True, slots=True)
class Toolchain:
    """A usable toolchain: `kind` is one of KINDS, `location` the folder of its commands or the docker image."""

    kind: str
    location: str

    def command(self, name: str, *arguments: str, folders: Sequence[Path] = ()) -> CommandLine:
        """How to start the command `name`; `folders` are those it may write to and read from (docker mounts them)."""
        return COMMAND_LINES[self.kind](self.location, (name, *arguments), folders)

    def versions(self) -> Mapping[str, str]:
        """The versions that its commands report, such as {"hb_mapper": "1.24.3", "hbdk": "3.49.15"}."""
        return _recorded_versions(self) or query_versions(self)

    def has(self, name: str) -> bool:
        """Return whether the command `name` is in it; a docker image is taken to be whole."""
        return self.kind == "docker" or shutil.which(name, path=self.location) is not None


def find_toolchain(kinds: Iterable[str] = KINDS) -> Toolchain:
    """Find the vendor's toolchain.

    Args:
        kinds: Where to look, in this order: "path", "private", "docker".

    Returns:
        The first one that is usable.

    Raises:
        ToolchainError: None is; the message says what was looked for and why not.
    """
    reasons = []
    for kind in kinds:
        toolchain = FINDERS[kind]()
        if isinstance(toolchain, Toolchain):
            return toolchain
        reasons.append(toolchain)
    raise ToolchainError(
        f"no toolchain is here ({'; '.join(reasons)})",
        hint="edgekit toolchain install makes a private one; --toolchain sim compiles without it",
    )


def data_folder() -> Path:
    """The user's data folder for edgekit: $XDG_DATA_HOME or ~/.local/share, then `edgekit`."""
    base = os.environ.get("XDG_DATA_HOME", "")
    return (Path(base) if Path(base).is_absolute() else Path.home() / ".local" / "share") / "edgekit"


def private_folder() -> Path:
    """Where the private environment lies or would lie."""
    return data_folder() / "toolchain" / RECIPE_NAME


def private_bin() -> Path:
    """The folder of the private environment's commands."""
    return private_folder() / "venv" / "bin"


def query_versions(toolchain: Toolchain) -> Mapping[str, str]:
    """The versions as the commands themselves say them; raises ToolchainError where one does not answer."""
    mapper = _query_version(toolchain, "hb_mapper").get("version")
    compiler = _query_version(toolchain, "hbdk-cc")
    versions = {"hb_mapper": mapper, "hbdk": compiler.get("version"), "hbdk_runtime": compiler.get("runtime version")}
    return {name: version for name, version in versions.items() if version}


@functools.lru_cache(maxsize=16)
def _query_version(toolchain: Toolchain, name: str) -> dict[str, str]:
    """`--version` of one command as {"version": ..., "runtime version": ...}; it costs two seconds, so once."""
    text = ask(toolchain.command(name, "--version"), even_failed=True) or "nothing"
    versions = {what: version for what, version in reversed(VERSION.findall(text))}
    if not versions:
        raise ToolchainError(
            f"{name} --version of the toolchain at {toolchain.location} gives no version, "
            f"it says: {text.splitlines()[-1][:200]}",
            hint=BROKEN_HINTS[toolchain.kind],
        )
    return versions


def _recorded_versions(toolchain: Toolchain) -> dict[str, str]:
    """What the install wrote down, for the private environment alone: nobody else changes that one."""
    versions = _record().get("versions") if toolchain.kind == "private" else None
    return {str(k): str(v) for k, v in versions.items()} if isinstance(versions, Mapping) else {}


def _record() -> Mapping[str, object]:
    """The install's record, empty where there is none: commands without it are those of a broken install."""
    try:
        record = read_json(private_folder() / RECORD_NAME)
    except DataError:
        return {}
    return record if isinstance(record, Mapping) else {}


def _on_path() -> Toolchain | str:
    mapper = shutil.which("hb_mapper")
    if mapper is None:
        return "hb_mapper is not on PATH"
    folder = Path(mapper).parent
    missing = [name for name in COMMANDS if not shutil.which(name)]
    if missing:
        return f"PATH has hb_mapper in {folder}, but no {missing[0]}"
    kind = "private" if folder.resolve() == private_bin().resolve() else "path"
    return Toolchain(kind, str(folder))


def _in_private_folder() -> Toolchain | str:
    folder = private_bin()
    if not private_folder().is_dir():
        return f"no private environment in {private_folder()}"
    missing = [name for name in COMMANDS if shutil.which(name, path=str(folder)) is None]
    if missing or not _record().get("versions"):
        return f"the private environment in {private_folder()} is unfinished"
    return Toolchain("private", str(folder))


def _in_docker() -> Toolchain | str:
    if shutil.which("docker") is None:
        return "docker is not on PATH"
    if ask(CommandLine(("docker", "image", "inspect", "--format", "{{.Id}}", DOCKER_IMAGE), {})) is None:
        return f"docker has no image {DOCKER_IMAGE} (or does not run)"
    return Toolchain("docker", DOCKER_IMAGE)


def _plain_command(location: str, argv: Sequence[str], folders: Sequence[Path]) -> CommandLine:
    """The commands call each other by name, so their folder stands first on PATH."""
    path = os.pathsep.join([location, os.environ.get("PATH", os.defpath)])
    clean: dict[str, str | None] = dict.fromkeys(FOREIGN_PYTHON)
    return CommandLine((str(Path(location) / argv[0]), *argv[1:]), {**clean, "PATH": path})


def _path_command(location: str, argv: Sequence[str], folders: Sequence[Path]) -> CommandLine:
    """On PATH the user's own environment rules; a command of the set may lie in another folder of it."""
    path = os.pathsep.join([location, os.environ.get("PATH", os.defpath)])
    return CommandLine((shutil.which(argv[0], path=path) or argv[0], *argv[1:]), {"PATH": path})


def _docker_command(location: str, argv: Sequence[str], folders: Sequence[Path]) -> CommandLine:
    """Folders appear in the container under their own paths, files there belong to the user, not to root."""
    name = f"edgekit-{os.getpid()}-{next(_container_numbers)}"
    mounts = [part for folder in dict.fromkeys(folders) for part in ("-v", f"{folder}:{folder}")]
    work = ("-w", str(folders[0])) if folders else ()
    user = ("--user", f"{os.getuid()}:{os.getgid()}", "-e", "HOME=/tmp", "-e", "PYTHONUNBUFFERED=1")
    run = ("docker", "run", "--rm", "--init", "--name", name, *user, *mounts, *work, location, *argv)
    return CommandLine(run, {}, stop_argv=("docker", "kill", name))


FINDERS: dict[str, Callable[[], Toolchain | str]] = {
    "path": _on_path,
    "private": _in_private_folder,
    "docker": _in_docker,
}
COMMAND_LINES: dict[str, Callable[[str, Sequence[str], Sequence[Path]], CommandLine]] = {
    "path": _path_command,
    "private": _plain_command,
    "docker": _docker_command,
}
BROKEN_HINTS = {
    "path": "call it by hand; taken off PATH, edgekit toolchain install gives a private one that works",
    "private": "edgekit toolchain uninstall, then edgekit toolchain install",
    "docker": f"docker run --rm {DOCKER_IMAGE} hb_mapper --version shows why",
}
