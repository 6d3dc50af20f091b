"""A real JupyterLab in a real browser: start the server, open a notebook, run it, and see what a learner would see.

Rests on playwright and the machine's own Chromium. JupyterLab answers before it is ready, so every step here waits for a fact.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlparse

from playwright.sync_api import Browser, Locator, Page, sync_playwright
from playwright.sync_api import TimeoutError as PlaywrightTimeoutError

from tools.lab import LARGE_MESSAGES

ROOT = Path(__file__).resolve().parents[2]
CHINESE = re.compile("[\u4e00-\u9fff]")
DESK = ROOT / ".browser"  # copies of notebooks and screenshots; ignores itself
SHOTS = DESK / "shots"
CHROMIUM = ["--no-sandbox", "--headless", "--disable-gpu", "--disable-quic", "--no-first-run"]
CHROMIUM += ["--disable-background-networking", "--disable-component-update", "--disable-sync"]

READY = """async () => {
    const session = window.jupyterapp?.shell?.currentWidget?.sessionContext;
    if (!session) return false;
    await session.ready;
    const kernel = session.session?.kernel;
    return kernel?.status === 'idle' && kernel?.connectionStatus === 'connected';
}"""
SPEAK = "lang => { document.documentElement.lang = lang; }"  # else Chinese would be written in the Japanese font
CLEAR = "() => { window.jupyterapp.commands.execute('notebook:clear-all-cell-outputs'); }"
RUN_ALL = "() => { window.jupyterapp.commands.execute('notebook:run-all-cells'); }"  # its promise would hang the page
CODE_CELLS = """() => window.jupyterapp.shell.currentWidget.content.widgets
    .filter(cell => cell.model.type === 'code')
    .map(cell => ({
        id: cell.model.sharedModel.id,
        count: cell.model.executionCount,
        raises: (cell.model.getMetadata('tags') || []).includes('raises-exception'),
        errors: cell.model.outputs.toJSON().filter(o => o.output_type === 'error').map(o => `${o.ename}: ${o.evalue}`),
        stderr: cell.model.outputs.toJSON().filter(o => o.name === 'stderr').map(o => o.text),
    }))"""
ALL_RAN = """() => {  // or one of them failed that was not meant to
    const cells = window.jupyterapp.shell.currentWidget.content.widgets.filter(cell => cell.model.type === 'code');
    const failed = output => output.type === 'error';
    const outputs = cells.filter(cell => !(cell.model.getMetadata('tags') || []).includes('raises-exception'))
        .flatMap(cell => Array.from({length: cell.model.outputs.length}, (_, i) => cell.model.outputs.get(i)));
    return cells.every(cell => cell.model.executionCount) || outputs.some(failed);
}"""
ANSWERED = """() => Promise.race([
    window.jupyterapp.shell.currentWidget.sessionContext.session.kernel.requestKernelInfo(),
    new Promise((_, reject) => setTimeout(() => reject(new Error('the kernel did not answer within two minutes')), 120000)),
]).then(() => null)"""
WITH_CONTROLS = """() => window.jupyterapp.shell.currentWidget.content.widgets
    .filter(cell => cell.model.type === 'code' && !(cell.model.getMetadata('tags') || []).includes('exercise'))
    .filter(cell => cell.model.outputs.toJSON().some(o => 'application/vnd.jupyter.widget-view+json' in (o.data || {})))
    .map(cell => cell.model.sharedModel.id)"""
INDEX = "id => window.jupyterapp.shell.currentWidget.content.widgets.findIndex(c => c.model.sharedModel.id === id)"
SCROLL = "index => window.jupyterapp.shell.currentWidget.content.scrollToItem(index, 'start')"
SOURCE = "index => window.jupyterapp.shell.currentWidget.content.widgets[index].model.sharedModel.getSource()"
WRITE = """([index, source]) =>
    window.jupyterapp.shell.currentWidget.content.widgets[index].model.sharedModel.setSource(source)"""
RUN = """index => {
    const notebook = window.jupyterapp.shell.currentWidget.content;
    notebook.deselectAll();
    notebook.activeCellIndex = index;
    notebook.widgets[index].model.executionCount = null;
    window.jupyterapp.commands.execute('notebook:run-cell');
}"""

# Of a cell: what its explorer shows, as pictures and words.
SHOWN = """cell => [...cell.querySelectorAll('.jp-OutputArea-output :is(figure, [role=alert])')]
    .map(element => element.outerHTML).join()"""
CONTROLS = """.jp-OutputArea-output
    :is(select, [role=slider], [contenteditable=true], input, textarea, button):not(:disabled, [type=file])"""

# Of a cell: labels and buttons whose words are wider than they are. Of a list: pixels that are left beside its widest option.
SPARE = """list => {  // pixels that are left beside the widest option, its frame and the arrow
    const style = getComputedStyle(list), pen = document.createElement('canvas').getContext('2d');
    pen.font = style.font;
    const widest = Math.max(...[...list.options].map(option => pen.measureText(option.text).width));
    return list.clientWidth - parseFloat(style.paddingLeft) - 20 - widest;
}"""
CUT_OFF = """cell => [...cell.querySelectorAll('.widget-label, .jupyter-button')].filter(element => {
    const text = document.createRange(), style = getComputedStyle(element);  // to the fraction of a pixel: it decides
    text.selectNodeContents(element);
    const room = element.getBoundingClientRect().width - parseFloat(style.paddingLeft) - parseFloat(style.paddingRight)
        - parseFloat(style.borderLeftWidth) - parseFloat(style.borderRightWidth);
    return element.offsetWidth && text.getBoundingClientRect().width > room + 0.01;
}).map(element => element.innerText)"""


def chromium() -> str | None:
    """The browser of this machine, or None."""
    return shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


@contextmanager
def running_browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=CHROMIUM)
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def running_lab() -> Iterator[Lab]:
    """JupyterLab on DESK, which lies inside the clone as work/ does, with its settings in a folder of its own."""
    DESK.mkdir(exist_ok=True)
    (DESK / ".gitignore").write_text("*\n")
    home = Path(tempfile.mkdtemp(prefix="lab-"))
    (home / "config" / "labconfig").mkdir(parents=True)
    quiet = {"disabledExtensions": {"@jupyterlab/apputils-extension:announcements": True}}
    (home / "config" / "labconfig" / "page_config.json").write_text(json.dumps(quiet))
    folders = {name: str(home / name) for name in ("config", "runtime", "data", "ipython", "settings", "workspaces")}
    port, token = free_port(), secrets.token_hex(16)
    options = [f"--ServerApp.root_dir={DESK}", f"--ServerApp.port={port}", "--ServerApp.port_retries=0"]
    options += ["--ServerApp.ip=127.0.0.1", "--ServerApp.open_browser=False", "--ServerApp.allow_root=True"]
    options += ["--LabApp.expose_app_in_browser=True", "--LabApp.extension_manager=readonly", LARGE_MESSAGES]
    options += [f"--LabApp.user_settings_dir={folders['settings']}", f"--LabApp.workspaces_dir={folders['workspaces']}"]
    environment = {
        **os.environ,
        "JUPYTER_TOKEN": token,
        "JUPYTER_CONFIG_DIR": folders["config"],
        "JUPYTER_RUNTIME_DIR": folders["runtime"],
        "JUPYTER_DATA_DIR": folders["data"],
        "IPYTHONDIR": folders["ipython"],
        "OMP_NUM_THREADS": "1",  # pocket models gain nothing from two threads, and wait long where other programs run
    }
    log = home / "server.log"
    with log.open("w") as out:
        server = subprocess.Popen(
            [sys.executable, "-m", "jupyterlab", *options],
            env=environment,
            stdout=out,
            stderr=out,
            start_new_session=True,
        )

    def clear_away() -> None:
        end(server)
        shutil.rmtree(home, ignore_errors=True)

    with taken_along(clear_away):
        try:
            wait_for_server(server, port, token, log)
            yield Lab(f"http://127.0.0.1:{port}", token)
        finally:
            clear_away()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


def wait_for_server(server: subprocess.Popen, port: int, token: str, log: Path, seconds: float = 180) -> None:
    end_of_patience = time.monotonic() + seconds
    while time.monotonic() < end_of_patience and server.poll() is None:
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/api/status?token={token}", timeout=5).close()
            return
        except OSError:
            time.sleep(0.2)
    raise RuntimeError(f"JupyterLab did not answer within {seconds} s; the end of its log:\n{log.read_text()[-2000:]}")


def end(server: subprocess.Popen) -> None:
    """Ends the server, which ends its kernels; should it have to be killed, they notice within a second that it is gone."""
    if server.poll() is None:
        os.killpg(server.pid, signal.SIGTERM)
        try:
            server.wait(15)
        except subprocess.TimeoutExpired:
            os.killpg(server.pid, signal.SIGKILL)
            server.wait()


@contextmanager
def taken_along(clear_away: Callable[[], None]) -> Iterator[None]:
    """A run that is ended from outside clears away first, and then dies of the same signal.

    Raising SystemExit instead would not do: pytest takes it for an error of the test at hand and goes on with the next.
    """

    def leave(number: int, frame: object) -> None:
        clear_away()
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)

    before = {number: signal.signal(number, leave) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@dataclass
class Lab:
    """A running JupyterLab."""

    address: str
    token: str

    @contextmanager
    def notebook(self, browser: Browser, source: Path, width: int = 1360, scale: float = 1) -> Iterator[Notebook]:
        """A copy of the notebook, open in the browser with its kernel ready; scale: pixels for each one of CSS."""
        copy = DESK / source.parent.name / source.name
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, copy)
        context = browser.new_context(viewport={"width": width, "height": 1400}, device_scale_factor=scale)
        page = context.new_page()
        notebook = Notebook(page, copy)
        notebook.watch()
        try:
            page.goto(f"{self.address}/lab/tree/{copy.relative_to(DESK).as_posix()}?token={self.token}&reset")
            page.wait_for_selector(".jp-Notebook", timeout=60_000)
            page.evaluate(SPEAK, source.parent.name)
            notebook.wait_until_idle()
            yield notebook
        finally:
            page.evaluate("() => window.jupyterapp?.shell?.currentWidget?.sessionContext?.shutdown()")
            context.close()
            copy.unlink(missing_ok=True)


@dataclass
class Notebook:
    """A notebook on a page, and what went on behind it."""

    page: Page
    file: Path
    strangers: list[str] = field(default_factory=list)  # addresses outside this machine that the page asked for
    complaints: list[str] = field(default_factory=list)  # errors on the browser's console

    def watch(self) -> None:
        """Take note, from now on, of whom the page asks and of what the browser complains about."""
        self.page.context.on("request", self.saw_request)
        self.page.on("websocket", self.saw_request)  # they are no requests to playwright
        self.page.on("console", lambda message: self.saw_console(message.type, message.text))
        self.page.on("pageerror", lambda error: self.saw_console("error", str(error)))

    def assert_well_behaved(self) -> None:
        """That all this time the page asked nobody outside this machine, and the browser had nothing to complain about."""
        assert self.strangers == [], "the page asked for something outside this machine"
        assert self.complaints == [], "errors on the browser's console"

    def saw_request(self, request) -> None:
        address = urlparse(request.url)
        if address.scheme not in ("data", "blob") and address.hostname not in ("127.0.0.1", "localhost"):
            self.strangers.append(request.url)

    def saw_console(self, kind: str, text: str) -> None:
        if kind == "error":
            self.complaints.append(text)

    def wait_until_idle(self, seconds: float = 120, for_seconds: float = 0.5) -> None:
        """Until the kernel has been connected and idle for half a second."""
        end_of_patience, idle_since = time.monotonic() + seconds, None
        while time.monotonic() < end_of_patience:
            now = time.monotonic()
            idle_since = (idle_since or now) if self.page.evaluate(READY) else None
            if idle_since and now - idle_since >= for_seconds:
                return
            self.page.wait_for_timeout(100)
        raise TimeoutError(f"the kernel of {self.file.name} was not idle within {seconds} s")

    def start_all(self) -> None:
        """Starts every cell, one after the other, and does not wait for them."""
        self.page.evaluate(CLEAR)  # so that a count found later is from this run
        while any(cell["count"] for cell in self.page.evaluate(CODE_CELLS)):
            self.page.wait_for_timeout(50)
        self.page.evaluate(RUN_ALL)

    def wait_for_all(self, seconds: float = 180) -> list[dict]:
        """Until every cell has run; returns id, execution count, errors and stderr of each code cell."""
        end_of_patience = time.monotonic() + seconds
        while time.monotonic() < end_of_patience and not self.page.evaluate(ALL_RAN):
            self.page.wait_for_timeout(100)
        self.wait_until_idle(for_seconds=0.1)
        return self.page.evaluate(CODE_CELLS)

    def run_all(self) -> list[dict]:
        self.start_all()
        return self.wait_for_all()

    def index(self, id: str) -> int:
        return self.page.evaluate(INDEX, id)

    def cell(self, id: str) -> Locator:
        """The cell with this id, scrolled into view: JupyterLab draws no others."""
        index = self.index(id)
        self.page.evaluate(SCROLL, index)
        cell = self.page.locator(f'.jp-Notebook .jp-Cell[data-windowed-list-index="{index}"]')
        cell.wait_for(state="visible")
        return cell

    def run_cell(self, id: str, source: str | None = None) -> Locator:
        """The cell in view, after it was run alone; source: what stands in it from now on."""
        cell, index = self.cell(id), self.index(id)
        if source is not None:
            self.page.evaluate(WRITE, [index, source])
        self.page.evaluate(RUN, index)
        ran = self.wait_for_all()[[found["id"] for found in self.page.evaluate(CODE_CELLS)].index(id)]
        assert not ran["errors"] and not ran["stderr"], ran
        return cell

    def source(self, id: str) -> str:
        """What is written in the cell."""
        return self.page.evaluate(SOURCE, self.index(id))

    def figure(self, cell: Locator) -> Locator:
        """The picture in the cell."""
        return cell.locator(".jp-OutputArea-output figure img")

    def with_controls(self) -> list[str]:
        """The ids of all cells that show controls, those of exercises excepted, which have a button for hints."""
        return self.page.evaluate(WITH_CONTROLS)

    def shown(self, cell: Locator) -> str:
        """Picture, caption or sentence in the view of the cell's explorer."""
        return cell.evaluate(SHOWN)

    def wait_for(self, fact: str, given: object, otherwise: str, seconds: float = 5) -> None:
        """Until a function on the page is true; otherwise: what it means that it never was."""
        try:
            self.page.wait_for_function(fact, arg=given, timeout=1000 * seconds)
        except PlaywrightTimeoutError:
            raise AssertionError(otherwise) from None

    def wait_for_other_view(self, cell: Locator, before: str, what: str, seconds: float = 30) -> None:
        """Until something else stands in the view of the cell's explorer than before."""
        end_of_patience = time.monotonic() + seconds
        while self.shown(cell) == before or not self.shown(cell):
            assert time.monotonic() < end_of_patience, f"{what} changed nothing within {seconds} s"
            self.page.wait_for_timeout(50)

    def wait_until_settled(self, cell: Locator) -> None:
        """Until the kernel has drawn all that the controls have told it, and the page shows it.

        A control that moves far tells the kernel of one place, and of the last one when that is drawn. The kernel answers in turn: its
        second answer comes after both.
        """
        for _ in range(2):
            self.page.evaluate(ANSWERED)
        shown, since = None, time.monotonic()
        while time.monotonic() - since < 0.2:
            if self.shown(cell) != shown:
                shown, since = self.shown(cell), time.monotonic()
            self.page.wait_for_timeout(50)

    def shoot(self, name: str) -> Path:
        """A screenshot of the page as it stands, in SHOTS."""
        path = SHOTS / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        self.page.screenshot(path=path)
        return path


@dataclass
class Reader:
    """A notebook open on a page, read by somebody who reads this language."""

    lang: str
    notebook: Notebook

    def reads_well(self, text: str) -> bool:
        """Whether the text is in the language of the notebook."""
        return bool(text) and bool(CHINESE.search(text)) is (self.lang == "zh")

    def verdict(self, cell: Locator, beginning: str) -> str:
        """The sentence in the cell that begins so, once it is there."""
        sentence = cell.get_by_role("status").filter(has_text=re.compile(f"^{re.escape(beginning)}"))
        sentence.wait_for()
        told = sentence.text_content()  # also while the page scrolls to it, when inner_text may be empty
        assert self.reads_well(told)
        return told
