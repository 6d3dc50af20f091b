"""The tools of the browser tests: what they leave behind, what they notice, and what they find."""

import signal
import subprocess
import sys
import urllib.error
import urllib.request
from contextlib import closing

import accessible
import lab
import pytest

WAITING = """
import sys, time
sys.path[:0] = sys.argv[1:]
import accessible
import lab
with lab.running_lab() as jupyterlab:
    print(jupyterlab.address, flush=True)
    while True:
        try:
            time.sleep(60)
        except Exception:
            pass  # as pytest goes on after the errors of a test
"""


@pytest.mark.slow
def test_jupyterlab_ends_with_a_run_that_is_ended_from_outside():
    run = subprocess.Popen(
        [sys.executable, "-c", WAITING, str(lab.ROOT / "tests" / "browser"), str(lab.ROOT)],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        address = run.stdout.readline().strip()
        urllib.request.urlopen(f"{address}/api", timeout=10).close()
        run.terminate()
        assert run.wait(20) == -signal.SIGTERM
        with pytest.raises(urllib.error.URLError):
            urllib.request.urlopen(f"{address}/api", timeout=2)
    finally:
        run.kill()


ASK = """async address => {
    const socket = new WebSocket(address.replace('http', 'ws'));
    await new Promise(done => { socket.onerror = done; });
    await fetch(address, {mode: 'no-cors'}).catch(() => {});
    throw new Error('a page that asks around');
}"""


def test_whom_a_page_asks_and_what_the_browser_says_of_it_is_noticed(browser, tmp_path):
    with closing(browser.new_page()) as page:
        notebook = lab.Notebook(page, tmp_path)
        notebook.watch()
        notebook.assert_well_behaved()
        page.evaluate(f"address => {{ setTimeout(() => ({ASK})(address)); }}", "http://192.0.2.1:1/")
        page.wait_for_event("pageerror")
    assert {address.partition(":")[0] for address in notebook.strangers} == {"http", "ws"}
    assert any("a page that asks around" in complaint for complaint in notebook.complaints)
    with pytest.raises(AssertionError, match="outside this machine"):
        notebook.assert_well_behaved()


PAGE = """<html lang="en"><title>page</title><style>body { height: 0; overflow: hidden }</style><body>
    <script>window.jupyterapp = {commands: {execute: (name, {theme}) => { document.body.dataset.jpThemeName = theme; }}}</script>
    <div class="jp-Notebook" style="position: absolute; height: 500px; overflow: auto"><div class="jp-RenderedHTMLCommon">
    <div style="height: 3000px"></div>%s</div></div>"""


GOOD = "<p>Words.</p><label>name <select><option>one</select></label><img src='data:,' alt='a cat'>"
BAD = {
    "color-contrast": "<details><summary>more</summary><p style='color: #999; background: #fff'>Pale.</p></details>",
    "image-alt": "<img src='data:,'>",
    "select-name": "<select><option>one</select>",
    "button-name": "<button></button>",
    "heading-order": "<h2>A</h2><h4>B</h4>",
    "empty-table-header": "<table><tr><th></th><th>a</th></tr><tr><td>1</td><td>2</td></tr></table>",
}


def test_what_is_hard_to_see_or_to_name_is_found_wherever_it_stands(browser):
    with closing(browser.new_page()) as page:
        page.set_content(PAGE % GOOD)
        assert accessible.faults(page) == []
        page.set_content(PAGE % "".join(BAD.values()))
        found = [fault.split(": ")[1] for fault in accessible.faults(page)]
    assert sorted(found) == sorted([*BAD, *BAD]), "each once in the dark and once in the light"


def test_a_slider_without_a_label_is_found(browser):
    with closing(browser.new_page()) as page:
        slider = "<div class='noUi-handle' tabindex='0' role='slider' aria-valuenow='1'>1</div>"
        page.set_content(PAGE % f"<div class='widget-slider'><label class='widget-label'>step</label>{slider}</div>")
        assert accessible.faults(page) == []
        page.set_content(PAGE % f"<div class='widget-slider'>{slider}</div>")
        assert accessible.faults(page) == ["1 sliders have no label"]
