"""The toolchain is found on PATH, in the private environment or in docker, in this order, or named as missing."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from edgekit.compilation.toolchain.find import (
    RECORD_NAME,
    Toolchain,
    data_folder,
    find_toolchain,
    private_bin,
    private_folder,
)
from edgekit.compilation.toolchain.recipe import DOCKER_IMAGE
from edgekit.compilation.toolchain.run import run_command
from edgekit.compilation.toolchain.status import toolchain_status
from edgekit.errors import ToolchainError
from edgekit.files import write_json
from tests.compilation.toolchain.stand_in import COMMANDS, StandIn, make_stand_in, small_spec


def make_private(tmp_path: Path, *, finished: bool = True) -> None:
    """The stand-in where the private environment would be."""
    folder = make_stand_in(tmp_path / "made", small_spec()).folder
    private_bin().parent.mkdir(parents=True)
    private_bin().symlink_to(folder)
    if finished:
        record = {"recipe": "rdkx5-1.0.0", "steps": ["pip"], "versions": {"hb_mapper": "1.24.3"}}
        write_json(private_folder() / RECORD_NAME, record)


def make_docker(stand_in: StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only docker on PATH."""
    folder = make_stand_in(stand_in.folder.parent / "docker", small_spec(), commands=["docker"]).folder
    monkeypatch.setenv("PATH", os.environ["PATH"].replace(str(stand_in.folder), str(folder)))


def test_nothing_is_here(no_toolchain: Path) -> None:
    with pytest.raises(ToolchainError, match="hb_mapper is not on PATH; no private environment in .*docker") as caught:
        find_toolchain()
    assert "edgekit toolchain install" in caught.value.hint and "sim" in caught.value.hint


def test_path_comes_first(stand_in: StandIn, tmp_path: Path) -> None:
    make_private(tmp_path)
    assert find_toolchain() == Toolchain("path", str(stand_in.folder))


def test_the_private_environment_comes_second(no_toolchain: Path) -> None:
    make_private(no_toolchain)
    found = find_toolchain()
    assert found == Toolchain("private", str(private_bin()))
    assert found.versions() == {"hb_mapper": "1.24.3"}  # as recorded: nothing is asked


def test_an_unfinished_private_environment_is_not_used(no_toolchain: Path) -> None:
    make_private(no_toolchain, finished=False)
    with pytest.raises(ToolchainError, match="is unfinished"):
        find_toolchain(["private"])


def test_docker_comes_last_and_only_with_its_image(stand_in: StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    make_docker(stand_in, monkeypatch)
    assert find_toolchain() == Toolchain("docker", DOCKER_IMAGE)
    StandIn(stand_in.folder.parent / "docker").play(image=False)
    with pytest.raises(ToolchainError, match="docker has no image"):
        find_toolchain()


@pytest.mark.parametrize("missing", COMMANDS[1:])
def test_an_incomplete_set_on_path_is_named(stand_in: StandIn, missing: str) -> None:
    (stand_in.folder / missing).unlink()
    with pytest.raises(ToolchainError, match=f"PATH has hb_mapper in .*, but no {missing}"):
        find_toolchain(["path"])


def test_versions_are_asked_for_once(stand_in: StandIn) -> None:
    found = find_toolchain()
    expected = {"hb_mapper": "1.24.3", "hbdk": "3.49.15", "hbdk_runtime": "3.15.55.0"}
    assert found.versions() == expected and found.versions() == expected
    assert stand_in.calls == ["hb_mapper --version", "hbdk-cc"]


def test_a_command_that_gives_no_version(stand_in: StandIn) -> None:
    (stand_in.folder / "hb_mapper").write_text("#!/bin/sh\nexit 1\n")
    with pytest.raises(ToolchainError, match="hb_mapper --version .* gives no version"):
        find_toolchain().versions()


def test_commands_find_each_other_and_no_foreign_packages(no_toolchain: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_private(no_toolchain)
    monkeypatch.setenv("PYTHONPATH", "/elsewhere")
    command = find_toolchain().command("hb_mapper", "--version")
    environment = command.environment()
    assert environment["PATH"].split(os.pathsep)[0] == str(private_bin())
    assert "PYTHONPATH" not in environment


def test_docker_mounts_the_folders_under_their_own_names(tmp_path: Path) -> None:
    command = Toolchain("docker", DOCKER_IMAGE).command("hb_mapper", "checker", folders=[tmp_path, tmp_path])
    text = " ".join(command.argv)
    assert text.count(f"-v {tmp_path}:{tmp_path}") == 1 and f"-w {tmp_path}" in text
    assert text.endswith(f"{DOCKER_IMAGE} hb_mapper checker") and f"--user {os.getuid()}:" in text
    name = command.argv[command.argv.index("--name") + 1]
    assert command.stop_argv == ("docker", "kill", name)


def test_a_stopped_container_is_killed_by_name(
    stand_in: StandIn, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    make_docker(stand_in, monkeypatch)
    docker = StandIn(stand_in.folder.parent / "docker")
    docker.play(hang="docker:start")
    command = find_toolchain().command("hb_mapper", "--version", folders=[tmp_path])
    with pytest.raises(ToolchainError, match="did not end within"):
        run_command(command, cwd=tmp_path, timeout_seconds=1)
    calls = (docker.folder / "calls").read_text()
    assert calls.endswith(f"docker kill {command.stop_argv[-1]}\n")


def test_the_data_folder_follows_the_standard(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert data_folder() == tmp_path / "edgekit"
    monkeypatch.setenv("XDG_DATA_HOME", "relative")  # the standard says: to be ignored
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert data_folder() == tmp_path / "home" / ".local" / "share" / "edgekit"


def test_status_shows_every_place(stand_in: StandIn) -> None:
    status = toolchain_status()
    assert [location.kind for location in status.locations] == ["path", "private", "docker"]
    assert status.usable is not None and status.usable.kind == "path" and "1.24.3" in status.usable.detail
    assert status.to_dict()["usable"] == "path"


def test_status_where_nothing_is(no_toolchain: Path) -> None:
    status = toolchain_status()
    assert status.usable is None and "edgekit toolchain install" in status.summary
