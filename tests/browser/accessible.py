"""What axe-core finds wrong in an open notebook by WCAG's rules: in light and in dark, with everything unfolded that can be folded.

Rests on axe-playwright-python, which brings axe-core with it (https://github.com/dequelabs/axe-core). Looked at is what lessons make:
texts, figures, tables, controls. JupyterLab's menus, and the boxes in which code is edited, are its own.
"""

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

OURS = {"include": [[".jp-Notebook .jp-RenderedHTMLCommon"], [".jp-Notebook .jp-OutputArea-output"]]}
# axe passes over what cannot be seen, and to axe all of JupyterLab is unseen: its page is 0 pixels high and hides what is beyond
UNROLLED = """
    body { height: 100vh !important }
    body, :has(.jp-Notebook), .jp-WindowedPanel-outer { overflow: visible !important }
    * { content-visibility: visible !important }
    #jp-bottom-panel { visibility: hidden !important }
    [data-mime-type="application/vnd.jupyter.stderr"] { display: none !important }  /* errors, in JupyterLab's colours */
"""
UNFOLD = """() => document.querySelectorAll('.jp-Notebook details:not([open])').forEach(details => {
    details.open = true;
    details.classList.add('unfolded-by-test');
})"""
FOLD = """() => document.querySelectorAll('.unfolded-by-test').forEach(details => {
    details.open = false;
    details.classList.remove('unfolded-by-test');
})"""
CHANGE_THEME = "name => { window.jupyterapp.commands.execute('apputils:change-theme', {theme: `JupyterLab ${name}`}); }"
THEME_IS_THERE = """name => document.body.dataset.jpThemeName === `JupyterLab ${name}`
    && !document.querySelector('#jupyterlab-splash')"""
# What is wrong and not ours to mend: the rule, and words in the HTML of what breaks it.
OF_OTHERS = (
    # ipywidgets gives no name to a slider's handle, and Python none either; its label stands beside it (NAMELESS)
    ("aria-input-field-name", 'class="noUi-handle'),
    # the colours in which JupyterLab writes code: comments on its dark ground have 4.15 of 4.5
    ("color-contrast", 'class="ͼ'),
    # the ¶ that JupyterLab puts behind a heading while the mouse is over it
    ("link-in-text-block", 'class="jp-InternalAnchorLink"'),
)
OPTIONS = {
    "resultTypes": ["violations"],
    "checks": {"color-contrast": {"options": {"ignoreUnicode": False}}},  # ✓ is to be seen as well as letters are
}
NAMELESS = """() => [...document.querySelectorAll('.jp-Notebook .noUi-handle')]
    .filter(handle => !handle.closest('.widget-slider').querySelector('.widget-label')?.textContent.trim()).length"""


def faults(page: Page) -> list[str]:
    """Every rule that is broken by something of ours, with the theme, what breaks it and why."""
    found = [f"{count} sliders have no label"] if (count := page.evaluate(NAMELESS)) else []
    page.evaluate(UNFOLD)
    unrolled = page.add_style_tag(content=UNROLLED)
    for theme in ("Dark", "Light"):  # JupyterLab begins with the light one
        page.evaluate(CHANGE_THEME, theme)
        page.wait_for_function(THEME_IS_THERE, arg=theme)
        told = Axe().run(page, OURS, OPTIONS).response
        for rule in told["violations"]:
            for node in rule["nodes"]:
                if not any(rule["id"] == id and words in node["html"] for id, words in OF_OTHERS):
                    why = [check["message"] for way in ("any", "all", "none") for check in node[way]]
                    found.append(f"{theme}: {rule['id']}: {node['html'][:200]}: {'; '.join(why)}")
    unrolled.evaluate("style => style.remove()")
    page.evaluate(FOLD)
    return found
