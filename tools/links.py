"""Every address on the internet that the course names; python -m tools.links asks each of them.

Tests have no network: test_tree.py looks at the form of the addresses and at their hosts, which
stand here, each reviewed once by a person. Standard library only.
"""

import re
import subprocess
import sys
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

from tools.console import ROOT, Say, run_command

HOSTS = {
    "colab.research.google.com": "runs notebooks",
    "download.pytorch.org": "PyTorch's own packages",
    "github.com": "the code that is cited",
    "hf-mirror.com": "a mirror of Hugging Face for China",
    "nbviewer.org": "shows notebooks as they are",
    "nbgitpuller.readthedocs.io": "the tool that brings a repository to a hub",
    "mirrors.tuna.tsinghua.edu.cn": "the help pages of Tsinghua's mirrors",
    "pypi.tuna.tsinghua.edu.cn": "Tsinghua's mirror of PyPI",
    "tljh.jupyter.org": "The Littlest JupyterHub",
    "www.python.org": "where to get Python",
    "www.w3.org": "WCAG",
}
# the reader's own, or the build's
FOR_ANOTHER = (
    r"OWNER(/|%2F)REPOSITORY|^https://HUB/|^https://colab\.research\.google\.com/github$|{"
)
ADDRESS = r"https?://[^\s\"'`<>|\\（）“”，。；：、！？]+"
KINDS = (".md", ".py", ".toml", ".yml", ".txt", ".cfg")
MADE_UP = re.compile(r"tests/(browser/)?(test_|conftest|no_network)|tools/links")


def list_files() -> list[Path]:
    """What may name an address that somebody follows; the tests make some up."""
    command = ["git", "ls-files", "-co", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, encoding="utf-8").stdout
    known = [ROOT / name for name in listed.splitlines()]
    known = known or [*ROOT.glob("*.*"), *ROOT.glob("[a-z]*/**/*.*")]
    found = [path for path in known if path.is_file() and path.suffix in KINDS]
    return [path for path in found if not MADE_UP.match(path.relative_to(ROOT).as_posix())]


def find_addresses(text: str) -> list[str]:
    """The addresses in a text, without the brackets and full stops around them.

    Without those of this machine, too, and those that stand for another.
    """
    found = []
    for address in re.findall(ADDRESS, text):
        while address[-1] in ".,;:!?*_" or any(
            address[-1] == close and address.count(close) > address.count(open)
            for open, close in ("()", "[]", "{}")
        ):
            address = address[:-1]
        here = urlsplit(address).hostname in ("127.0.0.1", "localhost")
        if not here and not re.search(FOR_ANOTHER, address):
            found.append(address)
    return found


def list_addresses() -> dict[str, list[str]]:
    """Every address, and the files that name it."""
    where: dict[str, set[str]] = {}
    for path in list_files():
        for address in find_addresses(path.read_text("utf-8")):
            where.setdefault(address, set()).add(path.relative_to(ROOT).as_posix())
    return {address: sorted(places) for address, places in sorted(where.items())}


def find_faults(address: str) -> list[str]:
    """What is wrong with its form."""
    parts = urlsplit(address)
    rest = address.removeprefix(f"{parts.scheme}://{parts.netloc}")
    good = re.fullmatch(r"(/[\w.%@+~=-]+)*/?(\?[\w=&%+.-]+)?(#[\w.%-]+)?", rest)
    rules = {
        "it is not https": parts.scheme != "https",
        f"its host {parts.netloc} is not in tools/links.py: look whether it is what it should be, "
        "and add it": parts.netloc not in HOSTS,
        "it has a blank, a double slash or a sign at its end that is the sentence's": not good,
    }
    return [what for what, wrong in rules.items() if wrong]


def ask(address: str, seconds: float = 20) -> tuple[str, str]:
    """("ok", "200"), ("gone", "404 Not Found") or ("silent", why nothing came back)."""
    answer = "silent", "not asked"
    for method in ("HEAD", "GET"):  # some hosts do not answer the first
        headers = {"User-Agent": "Mozilla/5.0 (link check)"}
        request = urllib.request.Request(address, method=method, headers=headers)
        try:
            with urllib.request.urlopen(request, timeout=seconds) as response:
                return "ok", str(response.status)
        except urllib.error.HTTPError as error:
            answer = "gone", f"{error.code} {error.reason}"
        except OSError as error:
            answer = "silent", str(getattr(error, "reason", error))
    return answer


def check_links(words: list[str], lang: str, say: Say) -> int:
    places = list_addresses()
    with ThreadPoolExecutor(8) as threads:
        answers = dict(zip(places, threads.map(ask, places)))
    for kind, what in (("gone", "does not exist any more"), ("silent", "could not be reached")):
        for address in [address for address, answer in answers.items() if answer[0] == kind]:
            print(f"{address} {what} ({answers[address][1]}): {', '.join(places[address])}")
    good = sum(kind == "ok" for kind, _ in answers.values())
    print(f"{good} of {len(answers)} addresses answer.")
    return 0 if good == len(answers) else 1


if __name__ == "__main__":
    sys.exit(run_command(check_links))
