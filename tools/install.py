"""The environment of the course, .venv: made, repaired or left alone. Rests on processes.py."""

import errno
import hashlib
import importlib.metadata
import importlib.util
import os
import platform
import re
import shutil
import subprocess
import sys
import threading
import time
import urllib.request
from pathlib import Path
from typing import NamedTuple

from tools.console import ROOT, Problem, Say
from tools.processes import run_child

GB = 1024**3
TORCH_CPU_INDEX = "https://download.pytorch.org/whl/cpu"


class Environment(NamedTuple):
    """A folder with a Python and packages of its own, and what pip installs there.

    Files and folder are relative to the folder of the course.
    """

    folder: str
    requirements: str
    constraints: str
    made_from: str = ""  # which Python; "" is the running one

    @property
    def path(self) -> Path:
        return ROOT / self.folder

    @property
    def python(self) -> Path:
        return self.path / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")

    @property
    def site_packages(self) -> list[str]:
        ways = ("lib/python*/site-packages", "Lib/site-packages")
        return [str(folder) for way in ways for folder in self.path.glob(way)]

    @property
    def stamp(self) -> Path:
        """Written last: where it is missing, an installation was begun and never finished."""
        return self.path / "course-stamp"

    @property
    def log(self) -> Path:
        return self.path / "install.log"


TESTED = Environment(".venv", "requirements.txt", "constraints/tested.txt")


def choose_python(here: bool, modules: list[str], goal: str, say: Say) -> str:
    """The Python to use, with its packages: that of .venv, or with --here the running one."""
    if not here:
        install_packages(goal, say)
        return str(TESTED.python)
    if missing := [name for name in modules if importlib.util.find_spec(name) is None]:
        names = ", ".join(missing)
        remedy = "python -m pip install -r requirements.txt -c constraints/tested.txt"
        raise Problem(
            f"This Python has no {names}: {remedy}, or leave out --here.",
            f"当前 Python 缺少 {names}：请运行 {remedy}，或者去掉 --here。",
        )
    print(goal)
    return sys.executable


def add_packages(requirements: str, say: Say) -> None:
    """Install what one verb alone needs: name==version in each line of a file."""
    wanted = (ROOT / requirements).read_text("utf-8").split()
    have = {
        f"{package.name}=={package.version}"
        for package in importlib.metadata.distributions(path=TESTED.site_packages)
    }
    if not set(wanted) <= have:
        print(say("What this needs besides: ", "另外需要：") + ", ".join(wanted))
        run_pip(["install", *wanted], TESTED.python, TESTED.log, Progress())


# What is there


def ask_version(python: str | Path) -> str:
    """ "3.12", or "" where this Python does not run: it is gone, was moved, or never worked."""
    command = [python, "-c", "import sys; print('%d.%d' % sys.version_info[:2])"]
    try:
        return subprocess.run(command, capture_output=True, text=True).stdout.strip()
    except OSError:
        return ""


def describe_contents(place: Environment) -> str:
    """What a finished installation is made of: its Python and the two lists of packages."""
    lists = [(ROOT / name).read_bytes() for name in (place.requirements, place.constraints)]
    packages = hashlib.sha256(b"".join(lists)).hexdigest()
    return f"python {ask_version(place.python)}\npackages {packages}\n"


def find_state(place: Environment = TESTED) -> str:
    """ "missing", "complete", "changed" (other lists now), "broken" or "foreign".

    Broken: begun and not finished, or its Python is gone. Foreign: no folder that course.py made.
    """
    wanted = describe_contents(place).splitlines()
    if not os.path.lexists(place.path):
        return "missing"
    try:
        names = os.listdir(place.path)
        known = place.stamp.name in names
        found = place.stamp.read_text("utf-8", "replace").splitlines() if known else []
    except OSError:  # it is a file, leads nowhere, or is closed to us
        return "foreign"
    if found == wanted:
        return "complete"
    if place.path.is_symlink() or (names and not known and place.log.name not in names):
        return "foreign"
    return "changed" if found[:1] == wanted[:1] else "broken"


# Four steps


def install_packages(goal: str, say: Say, place: Environment = TESTED) -> None:
    """Make or repair an environment in three steps, unless it is complete; the goal comes next."""
    state, folder = find_state(place), place.folder
    if state == "complete":
        print(goal)
        return
    if state == "foreign":
        raise Problem(
            f"{folder} was not made by course.py: rename it "
            "(the Python of an environment of your own runs the course with --here).",
            f"{folder} 不是 course.py 建的：请给它改名（自己的环境请用其中的 Python 加 --here）。",
        )
    check_disk(state)
    if state == "broken":
        remove_environment(place, say)
    if state == "changed":
        english = f"The list of packages has changed: {folder} is brought up to date."
        print(say(english, f"依赖列表有变化，现在更新 {folder}。"))
    else:
        make_environment(place, say)
    place.stamp.unlink(missing_ok=True)

    progress = Progress()
    index = choose_torch_index()
    print("2/4 PyTorch" + (say(" (CPU build)", "（CPU 版）") if index else ""))
    torch = ["install", "torch", "-c", place.constraints, *index]
    run_pip(torch, place.python, place.log, progress)
    english = "3/4 JupyterLab, transformers and the other packages"
    print(say(english, "3/4 JupyterLab、transformers 等其余的包"))
    others = ["install", "-r", place.requirements, "-c", place.constraints]
    run_pip(others, place.python, place.log, progress)

    unfinished = place.stamp.with_suffix(".new")
    unfinished.write_text(describe_contents(place), encoding="utf-8")
    unfinished.replace(place.stamp)
    print(f"4/4 {goal}")


def count_bytes_needed(state: str) -> int:
    """Little once the packages are there; PyTorch with CUDA, for a Linux with a GPU, is large."""
    if state in ("complete", "changed"):
        return GB
    return 12 * GB if sys.platform == "linux" and has_nvidia_gpu() else 4 * GB


def check_disk(state: str) -> None:
    free, need = shutil.disk_usage(ROOT).free / GB, count_bytes_needed(state) / GB
    if free < need:
        raise Problem(
            f"The packages need {need:.0f} GB and this disk has {free:.1f} GB free: "
            "make room and start again.",
            f"安装需要 {need:.0f} GB，而磁盘只剩 {free:.1f} GB：请腾出空间，再运行一次。",
        )


def remove_environment(place: Environment, say: Say) -> None:
    english = f"The last installation was not finished: {place.folder} is made anew."
    print(say(english, f"上次安装没有完成，现在重建 {place.folder}。"))
    try:
        shutil.rmtree(place.path)
    except OSError as error:
        raise Problem(
            f"The old {place.folder} cannot be removed ({error}): close JupyterLab and whatever "
            "else uses it, and start again.",
            f"旧的 {place.folder} 无法删除（{error}）：请关闭正在使用它的 JupyterLab 等程序，"
            "再运行一次。",
        ) from error


def make_environment(place: Environment, say: Say) -> None:
    english = f"1/4 A Python environment of its own, in {place.folder}"
    print(say(english, f"1/4 新建独立的 Python 环境 {place.folder}"))
    place.path.mkdir(parents=True, exist_ok=True)
    # where this is a venv, the Python it was made from
    python = place.made_from or getattr(sys, "_base_executable", sys.executable)
    command = [python, "-m", "venv", place.path]
    with place.log.open("w", encoding="utf-8") as log:
        failed = subprocess.run(command, stdout=log, stderr=subprocess.STDOUT).returncode
    if failed:
        raise Problem(
            f"Python could not make an environment (see {place.log}): on Debian and Ubuntu, "
            "sudo apt install python3-venv and start again.",
            f"Python 无法新建环境（详见 {place.log}）：在 Debian 和 Ubuntu 上请先运行 "
            "sudo apt install python3-venv，再重试。",
        )


# pip


class Progress:
    """A live line: packages of those in constraints/tested.txt, what pip is at, the time."""

    def __init__(self) -> None:
        pins = (ROOT / "constraints/tested.txt").read_text("utf-8", "replace")
        self.total = len(re.findall(r"^\S+==", pins, flags=re.MULTILINE))
        self.seen: set[str] = set()
        self.doing = self.percent = ""
        self.started = self.last_drawn = time.monotonic()

    def read(self, line: str) -> None:
        """Take notice of one line of pip's output."""
        begin = r"\s*(?:Collecting|Requirement already satisfied:|Processing (?:\S*[/\\])?)\s*"
        if found := re.match(begin + r"([\w.-]+)", line):
            package = re.sub(r"-\d.*", "", found[1])  # from a local file: numpy-2.4.6-cp311-...whl
            self.seen.add(re.sub(r"[-_.]+", "-", package).lower())
        if found := re.match(r"\s*Downloading (?:\S*/)?([^\s/-]+-[^\s/-]+)\S* \((.+?)\)", line):
            self.doing, self.percent = f"{found[1]} {found[2]}".replace("%2B", "+"), ""
        elif found := re.match(r"Progress (\d+) of (\d+)", line):
            self.percent = f" {100 * int(found[1]) // max(int(found[2]), 1)}%"
        elif line.startswith("Installing collected packages:"):
            count = line.count(",") + 1
            self.doing, self.percent = f"unpacking {count} packages · 正在解压 {count} 个包", ""

    def text(self) -> str:
        seconds = int(time.monotonic() - self.started)
        parts = [f"{min(len(self.seen), self.total)}/{self.total}", self.doing + self.percent]
        return "    " + " · ".join([*filter(None, parts), f"{seconds // 60}:{seconds % 60:02d}"])

    def draw(self) -> None:
        """Redraw the line in a terminal; in a log, add one now and then."""
        columns = shutil.get_terminal_size().columns - 1
        if sys.stdout.isatty():
            print("\r" + self.text()[:columns].ljust(columns), end="", flush=True)
        elif time.monotonic() - self.last_drawn > 15:
            print(self.text())
            self.last_drawn = time.monotonic()

    def close(self) -> None:
        """Leave the last line standing."""
        self.doing = self.percent = ""
        if sys.stdout.isatty():
            self.draw()
            print()
        else:
            print(self.text())


def run_pip(
    words: list[str],
    python: str | Path,
    log: Path,
    progress: Progress,
    variables: dict[str, str] | None = None,
) -> None:
    """Run pip: its output goes to the log, a line of progress to the person.

    Args:
        words: what it is to do, such as ["install", "torch"].
        python: whose pip it is.
        log: what pip says is added to it.
        progress: gets each line too.
        variables: of pip's environment, besides ours.
    """
    # since 24.1 it has "raw", which gives Progress its percentages
    bar = "raw" if ask_pip(python) >= (24, 1) else "off"
    command = [str(python), "-X", "utf8", "-m", "pip", *words]
    command += ["--no-input", "--disable-pip-version-check", "--progress-bar", bar]
    output: list[str] = []
    with log.open("a", encoding="utf-8") as written:

        def take(told: bytes) -> None:
            line = told.decode("utf-8", "replace")
            progress.read(line)
            if not line.startswith("Progress "):
                written.write(line)
                output.append(line)

        try:
            failed = run_child(command, take, progress.draw, variables)
        finally:
            progress.close()
    if failed:
        raise explain_pip("".join(output), words[0], python, log)


def ask_pip(python: str | Path) -> tuple[int, ...]:
    """The version of this Python's pip, such as (24, 1)."""
    command = [python, "-m", "pip", "--version"]
    told = subprocess.run(command, capture_output=True, text=True, errors="replace").stdout
    if found := re.match(r"pip (\d+)\.(\d+)", told):
        return int(found[1]), int(found[2])
    raise Problem(
        f"{python} has no pip: {python} -m ensurepip brings it; then start again.",
        f"{python} 没有 pip：请先运行 {python} -m ensurepip 装上，再运行一次。",
    )


def explain_pip(output: str, verb: str, python: str | Path, log: Path) -> Exception:
    """What pip's output says that went wrong, in one sentence; verb: "install" or "download"."""
    if re.search(r"No space left on device|Errno 28\b|not enough space on the disk", output):
        return OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    set_mirror = "python -m pip config set global.index-url"
    unreachable = "NewConnection|NameResolution|ConnectTimeout|ReadTimeout|ProxyError|Max retries"
    if re.search(f"{unreachable}|SSLError", output):
        return Problem(
            "pip cannot reach its package index: connect to the internet, or set a mirror "
            f"({set_mirror} ADDRESS), and start again.",
            f"pip 连不上软件源：请检查网络，或设置镜像（{set_mirror} "
            "https://pypi.tuna.tsinghua.edu.cn/simple），再运行一次。",
        )
    missing = re.search(r"No matching distribution found for ([^\s;(]+)", output)
    if missing and verb == "download":
        return Problem(
            f"Your package index has no {missing[1]}; a mirror may lag behind: "
            f"choose another ({set_mirror} ADDRESS) and start again.",
            f"你的软件源里没有 {missing[1]}，镜像可能还没有同步："
            f"请换一个（{set_mirror} 地址），再运行一次。",
        )
    if missing:
        where = f"Python {ask_version(python)}, {platform.system()} {platform.machine()}"
        return Problem(
            f"There is no {missing[1]} for {where}: start course.py with Python 3.12.",
            f"没有适用于 {where} 的 {missing[1]}：请用 Python 3.12 运行 course.py。",
        )
    hashes = r"(?m)^ *(\S+).*:\n +Expected sha256 (\w+)\n +Got +(\w+)"
    if wrong := re.search(hashes, output):
        name, expected, found = wrong.groups()
        return Problem(
            f"What your package index sent as {name} is not what was published (SHA-256 {found} "
            f"instead of {expected}): start again, or choose another ({set_mirror} ADDRESS).",
            f"软件源发来的 {name} 与发布时不一致（SHA-256 应为 {expected}，实为 {found}）："
            f"请再运行一次，或者换一个镜像（{set_mirror} 地址）。",
        )
    print(output[-2000:], file=sys.stderr)
    return Problem(
        f"pip failed (its last words are above, all of them in {log}): start again.",
        f"pip 运行失败（上面是它最后的输出，全文在 {log}）：再运行一次即可重试。",
    )


def choose_torch_index() -> list[str]:
    """pip's option for PyTorch's CPU builds: PyPI's torch for Linux brings gigabytes of CUDA.

    Nothing with an NVIDIA GPU, elsewhere, or if that index does not answer within two seconds.
    A "+cpu" build counts as newer than the plain one of the same version, so pip takes it; the
    person's own index, mirror and proxy stay in force beside it.
    """
    if sys.platform != "linux" or has_nvidia_gpu():
        return []
    answers = is_answering(TORCH_CPU_INDEX + "/torch/", seconds=2)
    return ["--extra-index-url", TORCH_CPU_INDEX] if answers else []


def has_nvidia_gpu() -> bool:
    return Path("/proc/driver/nvidia/version").exists() or shutil.which("nvidia-smi") is not None


def is_answering(url: str, seconds: float) -> bool:
    """Whether the address answers in time. A thread asks: no timeout covers looking up a name."""
    answer = []

    def ask() -> None:
        try:
            with urllib.request.urlopen(url, timeout=seconds) as response:
                answer.append(response.status)
        except Exception:  # whatever is wrong with it, it does not answer
            pass

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(seconds)
    return bool(answer)
