"""For tests/ and notebooks/ alike: no network, here and in every Python that is started (tests/no_network).

Outputs of notebooks are compared in the tested environment only; elsewhere notebooks must run, and the
header says why no more.
"""

import importlib.metadata
import importlib.util
import os
import re
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
NO_NETWORK = HERE / "tests" / "no_network"
DECIDE_OUTPUTS = ("torch", "transformers", "matplotlib", "numpy", "ipywidgets", "pillow")

spec = importlib.util.spec_from_file_location("no_network", NO_NETWORK / "sitecustomize.py")
spec.loader.exec_module(importlib.util.module_from_spec(spec))
os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(NO_NETWORK), os.environ.get("PYTHONPATH")]))

if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # each worker, and the kernels that it starts, has a core to itself
else:
    # tests neither read nor leave pictures in anybody's own cache; workers share one. SmolLM2 alone is read there.
    os.environ.setdefault("CACHE_OUTSIDE_TESTS", os.environ.get("COURSE_CACHE", ""))
    os.environ["COURSE_CACHE"] = tempfile.mkdtemp(prefix="ten-vectors-")


def other_versions(pins, installed):
    """What differs from the tested environment, as "numpy 2.1.3 instead of 2.4.6"; a build such as +cpu does not.

    pins: the text of constraints/tested.txt; installed: {package: version}, without those that are missing.
    """
    tested = dict(re.findall(r"(?m)^([\w.-]+)==(\S+)", pins))
    here = {name: installed.get(name, "missing").partition("+")[0] for name in DECIDE_OUTPUTS}
    return [f"{name} {here[name]} instead of {tested[name]}" for name in DECIDE_OUTPUTS if here[name] != tested[name]]


def why_not_compared():
    packages = {name: next(iter(importlib.metadata.distributions(name=name)), None) for name in DECIDE_OUTPUTS}
    installed = {name: package.version for name, package in packages.items() if package}
    return ", ".join(other_versions((HERE / "constraints" / "tested.txt").read_text(encoding="utf-8"), installed))


def pytest_configure(config):
    """nbval looks for its file in the current folder; this way pytest can be started from any."""
    config.option.nbval_sanitize_with = config.option.nbval_sanitize_with or str(HERE / "tests" / "nbval_sanitize.cfg")


def pytest_report_header():
    return f"outputs are not compared: {why}" if (why := why_not_compared()) else None


def pytest_collection_modifyitems(items):
    """nbval turns the tag nbval-check-output into its option "check"."""
    notebook_cells = [item for item in items if hasattr(item, "cell_num")]
    if notebook_cells and why_not_compared():
        for item in notebook_cells:
            item.options["check"] = False
