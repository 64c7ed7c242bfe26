"""The page is whole in itself, small, and right in a real browser at desk and phone width."""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
from markupsafe import escape

from edgekit.report.gather import collect
from edgekit.report.page import render_page, write_page
from edgekit.report.report import make_report
from tests.logs import synthetic
from tests.logs.synthetic_bin import compiled_bin
from tests.report.builds import FOLDER_FILES, build_of, write_files
from tests.typed import required

CHROMIUM = next(
    (path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), None
)
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--hide-scrollbars",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--force-device-scale-factor=1",
)  # fmt: skip
VOID = {"meta", "input", "br", "line", "rect", "circle", "polyline"}
LARGE = tuple(synthetic.Node(f"/model.{i // 10}/m.{i % 10}/conv/Conv", cosine=0.99 - i % 7 * 0.004) for i in range(250))
# Written into a copy of the page: what a browser makes of it, read back from the dumped document.
PROBE = """<script>
const shown = [...document.querySelectorAll("svg")].filter((svg) => svg.getBoundingClientRect().width > 0);
const report = {
  wide: document.documentElement.scrollWidth, view: innerWidth, plots: shown.length,
  dots: shown.length ? shown[0].querySelectorAll("circle").length : 0,
  next: document.querySelector(".next").getBoundingClientRect().bottom,
  requests: performance.getEntriesByType("resource").length,
};
document.body.dataset.probe = Object.entries(report).map(([key, value]) => key + "=" + Math.ceil(value)).join(" ");
</script>"""


class Nesting(HTMLParser):
    """Checks that every tag is closed in turn; collects what would be loaded from elsewhere."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.outside: list[str] = []

    def handle_starttag(self, tag, attrs):
        self.outside += [v for k, v in attrs if k in ("src", "href", "data", "srcset", "xlink:href")]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        if tag not in VOID:
            assert self.open.pop() == tag


@pytest.fixture
def whole_folder(tmp_path):
    return make_report(collect(write_files(tmp_path / "build", FOLDER_FILES)).builds[0])


def test_the_page_is_well_formed_and_loads_nothing(whole_folder):
    page = render_page([whole_folder])
    parser = Nesting()
    parser.feed(page)
    assert parser.open == []
    assert parser.outside == []
    assert not re.search(r"https?://|url\(|@import", page)
    assert "default-src 'none'" in page


def test_the_first_screen_answers_and_all_parts_are_there(whole_folder):
    page = render_page([whole_folder])
    assert page.index(str(escape(whole_folder.verdict.next_step))) < page.index("What was found")
    for title in (
        "Cosine along the graph",
        "Time per layer",
        "How busy the BPU is",
        "Thresholds",
        "Worst nodes",
        "The yaml as used",
    ):
        assert title in page, title
    for node in synthetic.NODES:
        assert f'<td class="name">{node.name}</td>' in page
    assert page.count("<svg") == 8  # four plots, each for desk and phone


def test_names_from_a_log_cannot_put_markup_into_the_page(tmp_path):
    evil = replace(synthetic.NODES[1], name="</script><script>alert(1)</script>&amp;<b>")
    report = make_report(build_of(tmp_path, log=synthetic.makertbin(nodes=(evil, *synthetic.NODES[2:]))))
    page = render_page([report])
    assert "alert(1)" in page
    assert "<script>alert" not in page
    assert "<b>" not in page.split("All 11 nodes")[1]


def test_a_model_of_250_nodes_stays_under_a_megabyte(tmp_path):
    report = make_report(build_of(tmp_path, log=synthetic.makertbin(nodes=LARGE), static=synthetic.static_perf()))
    assert len(report.facts.nodes) == 250
    assert len(render_page([report]).encode()) < 1_000_000


@pytest.mark.parametrize(
    "files",
    [
        {"log": synthetic.failed()},
        {"log": synthetic.checker()},
        {"bin": compiled_bin()},
        {"log": synthetic.makertbin()[:2500]},
    ],
)
def test_bare_builds_make_a_page_too(tmp_path, files):
    report = make_report(build_of(tmp_path, **files))
    assert report.verdict.next_step.split()[0] in render_page([report])


def test_many_builds_and_a_difference(tmp_path, whole_folder):
    other = make_report(build_of(tmp_path / "other", log=synthetic.makertbin(fps=150.5)))
    many = render_page([whole_folder, other])
    assert "2 builds" in many
    assert many.count('class="verdict') == 2
    against = render_page([whole_folder], against=other)
    assert "Against" in against
    assert "+50.0 FPS" in against


@pytest.mark.skipif(CHROMIUM is None, reason="no chromium on PATH (apt-get install chromium)")
@pytest.mark.parametrize(("width", "height"), [(1280, 900), (500, 900)])  # 500: chromium's least window
def test_a_real_browser_shows_it(tmp_path, whole_folder, width, height):
    path = tmp_path / "page.html"
    write_page(path, [whole_folder])
    probe = tmp_path / "probe.html"
    probe.write_text(path.read_text().replace("</body>", f"{PROBE}</body>"))
    found = browse(tmp_path, probe, width, height)
    assert found["wide"] <= found["view"]  # nothing sticks out sideways
    assert found["plots"] == 4  # the ones for this width, no others
    assert found["dots"] == sum(node.cosine is not None for node in synthetic.NODES)
    assert found["next"] < height  # the next step is on the first screen
    assert found["requests"] == 0


@pytest.mark.skipif(CHROMIUM is None, reason="no chromium on PATH (apt-get install chromium)")
def test_a_phone_of_360_points_shows_it(tmp_path, whole_folder):
    """In a frame of a phone's width, since the browser's own window cannot be that narrow."""
    path = tmp_path / "page.html"
    write_page(path, [whole_folder])
    inner = path.read_text().replace(
        "</body>", f"{PROBE}<script>parent.document.body.dataset.probe = document.body.dataset.probe;</script></body>"
    )
    escaped = inner.replace("&", "&amp;").replace('"', "&quot;")
    outer = tmp_path / "phone.html"
    outer.write_text(
        f'<!doctype html><body><iframe width="360" height="740" style="border:0" srcdoc="{escaped}"></iframe></body>'
    )
    found = browse(tmp_path, outer, 600, 900)
    assert (found["view"], found["wide"]) == (360, 360)
    assert found["plots"] == 4
    assert found["next"] < 740


def browse(tmp_path: Path, page: Path, width: int, height: int) -> dict[str, int]:
    """Opens a page in a fresh profile without a network and reads back what the probe saw."""
    command = [
        required(CHROMIUM), *FLAGS, f"--user-data-dir={tmp_path / 'profile'}", f"--window-size={width},{height}",
        "--virtual-time-budget=2000", "--dump-dom", page.as_uri(),
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    match = re.search(r'data-probe="([^"]*)"', done.stdout)
    assert match, done.stderr[-500:]
    return {key: int(value) for key, value in (item.split("=") for item in match[1].split())}
