"""The report: what is in the page, and what a real browser makes of it, clicks and keys included, without a network."""

import asyncio
import csv
import json
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import ase.io
import pytest
from ase import Atoms
from ase.build import bulk

from asegen.errors import InputError
from asegen.parallel.workforce import Workforce
from asegen.screening import Options, recipe, results
from asegen.screening.ledger import funnel
from asegen.screening.pipeline import run_stages
from asegen.screening.registry import chosen
from asegen.screening.report import write_report
from asegen.screening.stages.finite_displacements import Settings

pytest.importorskip("phonopy")
BROWSER = next(
    (path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), None
)
THREADS = Workforce(ThreadPoolExecutor(1), lambda: 1)
"""Quick to start; nothing here harms a worker."""
NASTY = "</script><script>document.title='stolen'</script><b>&"


def inputs() -> list[Atoms]:
    found = [
        bulk("CuAu", "cesiumchloride", a=3.1), bulk("CuAu", "rocksalt", a=5.6), bulk("CuAu", "zincblende", a=6.0),
        bulk("Cu", a=3.6), bulk("Cu", a=3.6) * (2, 1, 1), bulk("Cu", "sc", a=2.4), bulk("NaCl", "rocksalt", a=5.6),
        bulk("Cu", a=0.5),
    ]  # fmt: skip
    for k, atoms in enumerate(found):
        atoms.info["material_id"] = NASTY if k == 0 else f"own-{k}"
    return found


@pytest.fixture(scope="module")
def screened(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A screening of alloys with EMT, one of each kind of end."""
    folder = tmp_path_factory.mktemp("screened")
    ase.io.write(folder / "in.extxyz", inputs())
    names = [name for name in chosen(Options("emt")) if name not in ("vasp", "espresso")]
    stages = recipe(Options("emt", stages=names, relaxer=None, best=3, cache=folder / "elements"))
    stages[-1] = replace(stages[-1], options=Settings(height=6.0, mesh=20.0))  # phonons in a second
    run_stages([folder / "in.extxyz"], folder / "run", stages, workforce=THREADS, command="asegen screen <in>")
    return folder / "run"


@pytest.fixture(scope="module")
def page(screened: Path) -> Path:
    return write_report(screened)


def data_of(page: Path) -> dict[str, Any]:
    (text,) = re.findall(r'<script type="application/json" id="data">(.*?)</script>', page.read_text())
    return json.loads(text)


def test_the_page_holds_what_the_ledger_holds(screened: Path, page: Path) -> None:
    data, found = data_of(page), results(screened)
    assert [row["id"] for row in data["rows"]] == [result.id for result in found]
    for row, result in zip(data["rows"], found, strict=True):
        assert (row["status"], row.get("reason", "")) == (result.status, result.text)
        assert row.get("e_hull") == result["e_hull"] and row["name"] == result.name
    assert {row["status"] for row in data["rows"]} >= {"ok", "duplicate", "rejected", "unsupported"}
    verdicts = {result.id for result in found if result["phonons"]}
    assert verdicts and set(data["phonons"]) == verdicts
    assert [hull["elements"] for hull in data["hulls"]["Au-Cu"]] == [["Au", "Cu"]]
    crystal = data["crystals"][found[0].id]
    assert len(crystal["positions"]) == len(crystal["species"]) and len(crystal["cell"]) == 3
    text = page.read_text()
    assert "lowest of these candidates" in text and ">on the hull<" not in text  # nothing is known but the elements
    assert "known to be stable in Au-Cu, without a candidate: " in text
    assert "asegen screen &lt;in&gt;" in text and "emt (ase" in text
    for count in funnel(screened):
        assert f"{count.entered:,} → {count.left:,}" in text


def test_nothing_comes_from_elsewhere(page: Path) -> None:
    head, _, _ = page.read_text().partition('<script type="text/plain" id="plotly">')
    assert not re.findall(r'(?:src|href)="(?!data:|#)[^"]*"|@import|url\(', head)
    assert NASTY not in head and "stolen" in head  # harmless, as JSON


def test_a_report_can_go_elsewhere_and_fails_in_one_line(screened: Path, tmp_path: Path) -> None:
    assert write_report(screened, tmp_path / "own.html").read_text() == write_report(screened).read_text()
    with pytest.raises(InputError, match="cannot write"):
        write_report(screened, tmp_path / "own.html" / "own.html")
    with pytest.raises(InputError, match="no screening"):
        write_report(tmp_path)


def test_files_that_were_moved_leave_the_rest(screened: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(screened, tmp_path / "copy")
    shutil.rmtree(copy / "phonons")
    (copy / "hulls.json").unlink()
    data = data_of(write_report(copy))
    assert data["phonons"] == {} and data["hulls"] == {} and len(data["rows"]) == len(inputs())


class Tab:
    """A page in a headless Chromium, by the DevTools protocol."""

    def __init__(self, address: str) -> None:
        self._loop = asyncio.new_event_loop()
        self._socket = self._loop.run_until_complete(self._connect(address))
        self._last = 0
        self.events: list[dict[str, Any]] = []

    async def _connect(self, address: str) -> Any:
        from tornado.websocket import websocket_connect

        return await websocket_connect(address, max_message_size=2**28)

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        self._last += 1
        message = json.dumps({"id": self._last, "method": method, "params": parameters})
        return self._loop.run_until_complete(asyncio.wait_for(self._ask(message), 60))

    async def _ask(self, message: str) -> dict[str, Any]:
        await self._socket.write_message(message)
        while True:
            answer = json.loads(await self._socket.read_message())
            if answer.get("id") == self._last:
                assert "error" not in answer, answer
                return answer["result"]
            self.events.append(answer)

    def run(self, code: str) -> Any:
        """The value of an expression in the page."""
        found = self.call("Runtime.evaluate", expression=code, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    def wait(self, code: str) -> Any:
        """The value of an expression once it is true."""
        return wait_for(lambda: self.run(code), code)

    def key(self, key: str) -> None:
        self.call("Input.dispatchKeyEvent", type="keyDown", key=key, text=key if len(key) == 1 else "")
        self.call("Input.dispatchKeyEvent", type="keyUp", key=key)

    def click(self, selector: str) -> None:
        """A real click in the middle of an element."""
        spot = self.run(
            f"(() => {{ const e = document.querySelector({selector!r}); e.scrollIntoView({{ block: 'center' }});"
            " const b = e.getBoundingClientRect(); return [b.x + b.width / 2, b.y + b.height / 2]; })()"
        )
        for kind in ("mousePressed", "mouseReleased"):
            self.call("Input.dispatchMouseEvent", type=kind, x=spot[0], y=spot[1], button="left", clickCount=1)

    def close(self) -> None:
        self._socket.close()
        self._loop.close()

    def column(self, key: str) -> list[str]:
        """The texts of a column, of the rows in sight."""
        return self.run(
            "(() => { const heads = [...document.querySelectorAll('#heads th')];"
            f" const place = heads.findIndex((e) => e.dataset.key === '{key}');"
            " return [...document.querySelectorAll('#body tr[data-id]')].map((e) => e.cells[place].textContent); })()"
        )


def wait_for(ask: Callable[[], Any], what: str) -> Any:
    for _ in range(300):
        if value := ask():
            return value
        time.sleep(0.1)
    raise AssertionError(f"never came: {what}")


@pytest.fixture
def tab(page: Path, tmp_path: Path) -> Iterator[Tab]:
    if BROWSER is None:
        pytest.skip("no Chromium on this machine")
    pytest.importorskip("tornado")
    import urllib.request

    options = (
        "--headless --no-sandbox --disable-gpu --use-angle=swiftshader --enable-unsafe-swiftshader --disable-quic"
        " --no-first-run --disable-background-networking --disable-component-update --disable-sync"
        " --window-size=1500,1000 --remote-debugging-port=0"
    ).split()
    command = [BROWSER, *options, f"--user-data-dir={tmp_path / 'profile'}", "about:blank"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as browser:
        try:
            told = tmp_path / "profile" / "DevToolsActivePort"
            port = wait_for(lambda: told.is_file() and told.read_text().split("\n")[0], "the browser")
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/json/list", timeout=30) as answer:
                (first,) = [target for target in json.load(answer) if target["type"] == "page"]
            tab = Tab(first["webSocketDebuggerUrl"])
            try:
                for domain in ("Page", "Runtime", "Network"):
                    tab.call(f"{domain}.enable")
                limits = {"latency": 0, "downloadThroughput": -1, "uploadThroughput": -1}
                tab.call("Network.emulateNetworkConditions", offline=True, **limits)
                tab.call("Page.navigate", url=page.as_uri())
                tab.wait(
                    "document.readyState === 'complete' && document.querySelectorAll('#body tr[data-id]').length > 0"
                )
                yield tab
            finally:
                tab.close()
        finally:
            browser.terminate()


def test_a_browser_sorts_filters_and_shows(tab: Tab, page: Path, tmp_path: Path) -> None:
    rows = data_of(page)["rows"]
    assert tab.run("document.getElementById('count').textContent") == f"{len(rows)} candidates"
    assert tab.run("document.title").startswith("run")  # nobody's name became a script
    # sorts
    for turn in (1, -1):
        tab.click("#heads [data-key=e_hull] button")
        wanted = sorted(turn * row["e_hull"] for row in rows if "e_hull" in row)
        energies = [float(text.replace("−", "-")) for text in tab.column("e_hull") if text]
        assert energies == pytest.approx([turn * e for e in wanted], abs=6e-4)
        assert tab.column("e_hull")[-1] == ""  # what has none stays at the end
    # filters
    tab.click("#chips [data-status=rejected]")
    assert set(tab.column("status")) == {"rejected"}
    tab.click("#reset")
    assert len(tab.column("formula")) == len(rows)
    tab.key("/")
    for letter in "225":
        tab.key(letter)
    shown = [row for row in rows if "225" in row.get("space_group", "")]
    assert len(tab.column("formula")) == len(shown) < len(rows) and all(
        "225" in text for text in tab.column("space_group")
    )
    assert tab.run("location.hash").startswith("#text=225")
    tab.key("Escape")
    tab.click("#reset")
    # shows a crystal, a hull and phonons
    tab.wait("document.querySelectorAll('#panel .js-plotly-plot').length >= 3")
    assert tab.run("document.querySelector('#panel .crystal').data.filter((t) => t.type === 'mesh3d').length") >= 1
    assert tab.run("document.querySelectorAll('#panel .crystal canvas').length") >= 1
    assert tab.run("document.querySelectorAll('#panel .plot path.js-line').length") > 10
    buttons = tab.run("[...document.querySelectorAll('.modebar-btn')].map((e) => e.dataset.title).join()")
    assert "PNG" in buttons and "loud" not in buttons  # plotly would offer to publish it
    # keys go from row to row
    first = tab.run("document.querySelector('#body tr[aria-selected=true]').dataset.id")
    tab.click("#body tr[data-id]")
    tab.key("ArrowDown")
    second = tab.run("document.querySelector('#body tr[aria-selected=true]').dataset.id")
    assert [first, second] == [row["id"] for row in rows[:2]]
    # the picture isn't empty, in the dark neither
    for theme in ("light", "dark"):
        assert tab.run("document.documentElement.dataset.theme") == theme
        tab.wait(
            "document.querySelectorAll('#panel .js-plotly-plot .gl-container, #panel .crystal canvas').length >= 1"
        )
        assert len(set(pixels(tab))) > 8
        tab.click("#theme")
    # nothing was asked of a network, nothing went wrong
    asked = [e["params"]["request"]["url"] for e in tab.events if e["method"] == "Network.requestWillBeSent"]
    assert asked and all(url.startswith(("file:", "data:", "blob:")) for url in asked)
    assert not [event for event in tab.events if event["method"] == "Runtime.exceptionThrown"]


def pixels(tab: Tab) -> list[str]:
    """Colours on a grid over the picture of the crystal, as the screen shows them."""
    import base64
    import io

    from PIL import Image

    time.sleep(0.5)  # a frame
    box = tab.run(
        "(() => { const e = document.querySelector('#panel .crystal'); e.scrollIntoView({ block: 'center' });"
        " const b = e.getBoundingClientRect(); return [b.x, b.y, b.width, b.height]; })()"
    )
    x, y, width, height = box
    shot = tab.call("Page.captureScreenshot", clip={"x": x, "y": y, "width": width, "height": height, "scale": 1})
    image = Image.open(io.BytesIO(base64.b64decode(shot["data"]))).convert("RGB").resize((40, 40))
    return [str(image.getpixel((i, j))) for i in range(40) for j in range(40)]


def test_an_address_is_a_view(tab: Tab, page: Path) -> None:
    last = data_of(page)["rows"][-1]["id"]
    tab.call("Page.navigate", url=f"{page.as_uri()}#sort=formula&down=1&id={last}")
    tab.wait(f"document.querySelector('#body tr[aria-selected=true]')?.dataset.id === '{last}'")
    assert tab.run("document.querySelector('#heads [aria-sort]').dataset.key") == "formula"
    names = tab.column("formula")
    assert [n for n in names if n] == sorted((n for n in names if n), reverse=True)


def test_the_table_can_be_saved(tab: Tab, page: Path, tmp_path: Path) -> None:
    tab.call("Page.setDownloadBehavior", behavior="allow", downloadPath=str(tmp_path))
    tab.click("#csv")
    file = tmp_path / "candidates.csv"
    wait_for(file.is_file, "the file")
    with file.open(newline="") as opened:
        table = list(csv.DictReader(opened))
    rows = data_of(page)["rows"]
    assert [(row["id"], row["status"], row["name"]) for row in table] == [
        (r["id"], r["status"], r["name"]) for r in rows
    ]
