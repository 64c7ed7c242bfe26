"""Lines to type to get what is missing: right for a checkout, an installed wheel and a board's runtime."""

from __future__ import annotations

import re
from importlib import metadata
from pathlib import Path
from types import SimpleNamespace

import pytest

from edgekit import install_hints
from edgekit.deploy.doctor import GAP, examine
from edgekit.install_hints import extra_hint, extra_packages, reinstall_hint, unrelated_distribution
from tests.conftest import ROOT

REQUIRES = ["numpy>=1.26", 'onnx>=1.16; extra == "host"', 'rich>=13; extra == "host"', "dask ; extra == 'tune'"]


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """As if edgekit had been installed from its wheel."""
    monkeypatch.setattr(install_hints, "CHECKOUT", tmp_path)
    monkeypatch.setattr(metadata, "requires", lambda name: REQUIRES)
    extra_packages.cache_clear()


def test_a_checkout_installs_from_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    assert extra_hint("host") == 'pip install -e ".[host]"'
    assert reinstall_hint() == 'pip install -e "."'
    monkeypatch.chdir("/")
    assert "edgekit" not in extra_hint("host").split("[")[0].removesuffix(str(ROOT)[1:])


@pytest.mark.usefixtures("installed")
def test_an_installed_edgekit_names_the_packages_of_its_own_metadata() -> None:
    assert extra_hint("host") == "pip install 'onnx>=1.16' 'rich>=13'"
    assert extra_hint("tune") == "pip install dask"
    assert "WHEEL" in reinstall_hint()


@pytest.mark.usefixtures("installed")
def test_an_unpacked_runtime_has_no_metadata(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(name: str) -> list[str]:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "requires", absent)
    assert "wheel that it came in" in extra_hint("host")


@pytest.mark.parametrize(("summary", "version"), [("A shop for kits", "3.2"), ("From a stock YOLO ONNX to ...", "")])
def test_doctor_warns_of_another_projects_edgekit(summary: str, version: str, monkeypatch: pytest.MonkeyPatch) -> None:
    other = SimpleNamespace(metadata={"Summary": summary}, version="3.2")
    monkeypatch.setattr(metadata, "distribution", lambda name: other)
    assert unrelated_distribution() == version
    checks = [check for check in examine() if check.name == "distribution name"]
    assert [check.state for check in checks] == ([GAP] if version else [])
    assert all("pip uninstall edgekit" in check.cure and "3.2" in check.value for check in checks)


def test_no_text_installs_a_name_that_belongs_to_another_project() -> None:
    """The index's `edgekit` is not this one, and `edgekit-rdk` is not on it yet: files and folders alone are named."""
    wrong = re.compile(r"""pip3? install (?:-\S+ )*["']?edgekit(?:-rdk)?(?:\[|["'\s=]|$)""", re.MULTILINE)
    folders = ("edgekit", "board", "tools", "docs", ".github")
    texts = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "Makefile"]
    texts += [p for folder in folders for p in (ROOT / folder).rglob("*") if p.suffix in (".py", ".md", ".sh", ".yml")]
    found = [str(path.relative_to(ROOT)) for path in texts if wrong.search(path.read_text(encoding="utf-8"))]
    assert found == []
