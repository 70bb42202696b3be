"""The page in a real browser, headless: on a phone, in the dark, without scripts or network."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import reports
from tests.support import results

pytestmark = pytest.mark.browser
QUIET = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--hide-scrollbars"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync", "--virtual-time-budget=4000"),
)


def chromium(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if program is None:
        pytest.skip("chromium is not installed")
    command = [program, *QUIET, f"--user-data-dir={folder / 'profile'}", *options]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)


def shot(page: Path, *options: str, size: str = "1280,900") -> np.ndarray:
    target = page.with_name("shot.png")
    chromium(page.parent, f"--screenshot={target}", f"--window-size={size}", *options, page.as_uri())
    with Image.open(target) as image:
        return np.asarray(image.convert("L"), dtype=float)


@pytest.fixture
def page(tmp_path: Path) -> Path:
    return reports.write(results.faces(), None, tmp_path, formats=["html"])[0]


def test_nothing_of_the_page_is_wider_than_a_phone(page: Path) -> None:
    frame = page.with_name("phone.html")
    probe = (
        "<iframe id=f width=360 height=2000 src=report.html></iframe><script>onload=()=>{const d=f.contentDocument;"
        "const w=[...d.querySelectorAll('body *')].filter(e=>!e.closest('.scroll')&&!e.closest('svg'))"
        ".filter(e=>e.getBoundingClientRect().right>361).map(e=>e.tagName);"
        "document.title='wide '+d.documentElement.scrollWidth+' ['+w+']'}</script>"
    )
    frame.write_text(probe)
    dom = chromium(page.parent, "--allow-file-access-from-files", "--dump-dom", frame.as_uri()).stdout

    assert re.search(r"<title>(.*?)</title>", dom)[1] == "wide 360 []"  # type: ignore[index]


def test_the_browser_has_nothing_to_complain_about(page: Path) -> None:
    done = chromium(page.parent, "--enable-logging=stderr", "--dump-dom", page.as_uri())

    assert [line for line in done.stderr.splitlines() if "CONSOLE" in line] == []


def test_hostile_names_run_nothing(tmp_path: Path) -> None:
    page = reports.write(results.hostile(), None, tmp_path, formats=["html"])[0]
    done = chromium(tmp_path, "--enable-logging=stderr", "--dump-dom", page.as_uri())

    assert ("<script" in done.stdout, "CONSOLE" in done.stderr) == (False, False)


def test_the_page_is_light_by_default_and_dark_on_request(page: Path) -> None:
    light, dark = (np.median(shot(page, f"--blink-settings=preferredColorScheme={k}")) for k in (1, 0))

    assert (light > 200, dark < 60) == (True, True)


def test_the_first_screen_names_the_gap(page: Path) -> None:
    frame = page.with_name("top.html")
    frame.write_text(
        "<iframe id=f width=1280 height=800 src=report.html></iframe><script>onload=()=>{const d=f.contentDocument;"
        "document.title=[...d.querySelectorAll('.sentence,.detail')]"
        ".filter(e=>e.getBoundingClientRect().bottom<800).map(e=>e.textContent).join(' ')}</script>"
    )
    dom = chromium(page.parent, "--allow-file-access-from-files", "--dump-dom", frame.as_uri()).stdout
    seen = re.search(r"<title>(.*?)</title>", dom)[1]  # type: ignore[index]

    assert "Black women are misjudged far more often than black men" in seen
    assert "women and men overall show no clear difference" in seen
