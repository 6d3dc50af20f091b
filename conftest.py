"""For tests/ and notebooks/ alike: no network, here and in every Python that is started (tests/no_network/sitecustomize.py)."""

import importlib.util
import os
from pathlib import Path

HERE = Path(__file__).parent
NO_NETWORK = HERE / "tests" / "no_network"

spec = importlib.util.spec_from_file_location("no_network", NO_NETWORK / "sitecustomize.py")
spec.loader.exec_module(importlib.util.module_from_spec(spec))
os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(NO_NETWORK), os.environ.get("PYTHONPATH")]))


def pytest_configure(config):
    """nbval looks for its file in the current folder; this way pytest can be started from any."""
    config.option.nbval_sanitize_with = config.option.nbval_sanitize_with or str(HERE / "tests" / "nbval_sanitize.cfg")
