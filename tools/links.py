"""Every address on the internet that the course names. With a network, `python tests/links.py` asks each of them whether it answers.

Tests have no network: test_tree.py looks at the form of the addresses and at their hosts, which stand here, each reviewed once by a person.
"""

import re
import subprocess
import sys
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

ROOT = Path(__file__).resolve().parents[1]
HOSTS = {
    "colab.research.google.com": "runs notebooks",
    "download.pytorch.org": "PyTorch's own packages",
    "github.com": "the code that is cited",
    "hf-mirror.com": "a mirror of Hugging Face for China",
    "nbgitpuller.readthedocs.io": "the tool that brings a repository to a hub",
    "mirrors.tuna.tsinghua.edu.cn": "the help pages of Tsinghua's mirrors",
    "pypi.tuna.tsinghua.edu.cn": "Tsinghua's mirror of PyPI",
    "tljh.jupyter.org": "The Littlest JupyterHub",
    "www.python.org": "where to get Python",
    "www.w3.org": "WCAG",
}
FOR_ANOTHER = r"OWNER(/|%2F)REPOSITORY|^https://HUB/|^https://colab\.research\.google\.com/github$"  # the reader's own, or the build's
ADDRESS = r"https?://[^\s\"'`<>|\\（）“”，。；：、！？]+"
KINDS = (".md", ".py", ".toml", ".yml", ".txt", ".cfg")


def files() -> list[Path]:
    """What may name an address that somebody follows; the tests make some up."""
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, encoding="utf-8"
    ).stdout.splitlines()
    known = [ROOT / name for name in listed] or [*ROOT.glob("*.*"), *ROOT.glob("[a-z]*/**/*.*")]
    made_up = re.compile(r"tests/(browser/)?(test_|conftest|no_network|links)")
    found = [path for path in known if path.is_file() and path.suffix in KINDS]
    return [path for path in found if not made_up.match(path.relative_to(ROOT).as_posix())]


def addresses_in(text: str) -> list[str]:
    """The addresses in a text, without the brackets and full stops around them, without those of this machine and those that stand for another."""
    found = []
    for address in re.findall(ADDRESS, text):
        while address[-1] in ".,;:!?*_" or (
            address[-1] in ")]}" and address.count(address[-1]) > address.count("([{"[")]}".index(address[-1])])
        ):
            address = address[:-1]
        if not re.search(FOR_ANOTHER + "|{", address) and urlsplit(address).hostname not in ("127.0.0.1", "localhost"):
            found.append(address)
    return found


def addresses() -> dict[str, list[str]]:
    """Every address, and the files that name it."""
    where: dict[str, list[str]] = {}
    for path in files():
        for address in addresses_in(path.read_text("utf-8")):
            where.setdefault(address, []).append(path.relative_to(ROOT).as_posix())
    return {address: sorted(set(places)) for address, places in sorted(where.items())}


def faults_of(address: str) -> list[str]:
    """What is wrong with its form."""
    parts = urlsplit(address)
    rules = {
        "it is not https": parts.scheme != "https",
        f"its host {parts.netloc} is not in tests/links.py: look whether it is what it should be, and add it": parts.netloc
        not in HOSTS,
        "there is a blank, a double slash or a sign at its end that belongs to the sentence": not re.fullmatch(
            r"(/[\w.%@+~=-]+)*/?(\?[\w=&%+.-]+)?(#[\w.%-]+)?", address.removeprefix(f"{parts.scheme}://{parts.netloc}")
        ),
    }
    return [what for what, wrong in rules.items() if wrong]


def ask(address: str, seconds: float = 20) -> tuple[str, str]:
    """("ok", "200"), ("gone", "404 Not Found") or ("silent", why nothing came back)."""
    answer = "silent", "not asked"
    for method in ("HEAD", "GET"):  # some hosts do not answer the first
        request = urllib.request.Request(address, method=method, headers={"User-Agent": "Mozilla/5.0 (link check)"})
        try:
            with urllib.request.urlopen(request, timeout=seconds) as response:
                return "ok", str(response.status)
        except urllib.error.HTTPError as error:
            answer = "gone", f"{error.code} {error.reason}"
        except OSError as error:
            answer = "silent", str(getattr(error, "reason", error))
    return answer


def main() -> int:
    places = addresses()
    with ThreadPoolExecutor(8) as threads:
        answers = dict(zip(places, threads.map(ask, places)))
    for kind, words in (("gone", "does not exist any more"), ("silent", "could not be reached")):
        for address in [address for address, answer in answers.items() if answer[0] == kind]:
            print(f"{address} {words} ({answers[address][1]}): {', '.join(places[address])}")
    good = sum(kind == "ok" for kind, _ in answers.values())
    print(f"{good} of {len(answers)} addresses answer.")
    return 0 if good == len(answers) else 1


if __name__ == "__main__":
    sys.exit(main())
