"""The one command of the course: python course.py lab | test | build | bench | doctor.

It makes .venv beside this file, installs requirements.txt into it in the versions of constraints/tested.txt, and there starts
JupyterLab, the tests, tools/build.py or the benchmarks. Standard library only, and it parses on old Pythons too, which it answers
with one sentence.
"""

from __future__ import annotations

import argparse
import csv
import errno
import hashlib
import importlib.metadata
import importlib.util
import json
import os
import platform
import re
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import unicodedata
import urllib.request
from pathlib import Path
from typing import Callable, NamedTuple

ROOT = Path(__file__).resolve().parent
OLDEST_PYTHON = (3, 11)
TORCH_CPU_INDEX = "https://download.pytorch.org/whl/cpu"
FIRST_PORT = 8888
GB = 1024**3
# A picture file that a learner chooses goes to the kernel in one message, and without this one larger than about 10 MB never arrives:
# the server closes the connection, JupyterLab opens another, and nobody says a word. For our JupyterLab and the browser tests'.
LARGE_MESSAGES = '--ServerApp.tornado_settings={"websocket_max_message_size": 104857600}'
# What lessons never import. Missing in a running environment (Colab, for one) they are no fault there.
ONLY_FOR = {
    "jupyterlab": "course.py lab",
    "jupytext": "course.py build",
    "nbformat": "course.py build",
    "nbclient": "course.py build",
    "pytest": "course.py test",
    "pytest-xdist": "course.py test",
    "nbval": "course.py test",
    "playwright": "course.py test",
    "axe-playwright-python": "course.py test",
    "ruff": "course.py test",
    "hypothesis": "course.py test",
    "accelerate": "soft_prompt_finetune.py",
}
# For course.py test without paths: whole files and notebooks on each worker, in the order of tests/conftest.py. Not with these options.
TWO_WORKERS = ["-n", "2", "--dist=loadscope", "--no-loadscope-reorder"]
ONE_PROCESS = ("-k", "--pdb")

Say = Callable[[str, str], str]
NOT_ALLOWED = (errno.EACCES, errno.EPERM, errno.EROFS)  # errors of who may not write


class Problem(Exception):
    """What the person at the keyboard can put right: one sentence, in both languages, that says how. Shown without traceback."""

    def __init__(self, en: str, zh: str) -> None:
        super().__init__(en)
        self.texts = (en, zh)


class Environment(NamedTuple):
    """A folder with a Python and packages of its own, and what pip installs there: files, all relative to ROOT."""

    folder: str
    requirements: str
    constraints: str
    python: str = ""  # which Python it is made from; "" is the running one


TESTED = Environment(".venv", "requirements.txt", "constraints/tested.txt")  # tests/versions.py has the others


class Row(NamedTuple):
    """One line of the doctor's table; the advice is for the case that it is not OK."""

    what: str
    ok: bool
    found: str
    advice: str = ""


# Language


def speaker(lang: str) -> Say:
    """say("English", "中文") that gives the text in `lang`."""
    return lambda en, zh: zh if lang == "zh" else en


def locale_language() -> str:
    """ "zh" where the person's machine speaks Chinese, else "en"."""
    for name in ("LANGUAGE", "LC_ALL", "LC_MESSAGES", "LANG"):
        value = os.environ.get(name, "")
        if value and value.split(".")[0] not in ("C", "POSIX"):
            return "zh" if value.lower().startswith("zh") else "en"
    return "zh" if system_speaks_chinese() else "en"


def system_speaks_chinese() -> bool:
    """The language of the desktop, which Windows and macOS keep outside the environment variables."""
    try:
        if sys.platform == "win32":
            import ctypes

            return ctypes.windll.kernel32.GetUserDefaultUILanguage() & 0x3FF == 0x04
        if sys.platform == "darwin":
            languages = subprocess.run(["defaults", "read", "-g", "AppleLanguages"], capture_output=True, text=True)
            return re.sub(r"[^a-zA-Z-]", "", languages.stdout).startswith("zh")
    except (OSError, AttributeError):
        pass
    return False


# Installing


def check_python() -> None:
    if sys.version_info < OLDEST_PYTHON:
        need, have = ".".join(map(str, OLDEST_PYTHON)), platform.python_version()
        raise Problem(
            f"Ten Vectors needs Python {need} or newer and this is {have}: "
            "install one from https://www.python.org/downloads/ and start course.py with it.",
            f"《十个向量》需要 Python {need} 或更新版本，而现在是 {have}："
            "请从 https://www.python.org/downloads/ 安装，再用它运行 course.py。",
        )


def venv(place: Environment = TESTED) -> Path:
    return ROOT / place.folder


def venv_python(place: Environment = TESTED) -> Path:
    return venv(place) / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")


def venv_folders(place: Environment = TESTED) -> list[str]:
    """Where .venv keeps its packages."""
    ways = ("lib/python*/site-packages", "Lib/site-packages")
    return [str(folder) for way in ways for folder in venv(place).glob(way)]


def stamp(place: Environment = TESTED) -> Path:
    """Written last: where it is missing, an installation was begun and never finished."""
    return venv(place) / "course-stamp"


def install_log(place: Environment = TESTED) -> Path:
    return venv(place) / "install.log"


def venv_python_version(place: Environment = TESTED) -> str | None:
    """ "3.12", or None where .venv has no Python that runs (gone, moved, or replaced by a newer one)."""
    try:
        answer = subprocess.run(
            [venv_python(place), "-c", "import sys; print('%d.%d' % sys.version_info[:2])"],
            capture_output=True,
            text=True,
        )
    except OSError:
        return None
    return answer.stdout.strip() or None


def fingerprint(place: Environment = TESTED) -> str:
    """What a finished installation is made of: the two lists of packages, and the Python of .venv."""
    digest = hashlib.sha256()
    for name in (place.requirements, place.constraints):
        digest.update((ROOT / name).read_bytes())
    return f"python {venv_python_version(place)}\npackages {digest.hexdigest()}\n"


def installation(place: Environment = TESTED) -> str:
    """ "missing", "broken" (begun and not finished, or its Python is gone), "changed" (other requirements) or "complete"."""
    if not venv(place).exists():
        return "missing"
    if not stamp(place).exists():
        return "broken"
    now, then = fingerprint(place).splitlines(), stamp(place).read_text(encoding="utf-8").splitlines()
    if now == then:
        return "complete"
    return "changed" if then[:1] == now[:1] else "broken"


def install(goal: str, say: Say, place: Environment = TESTED) -> None:
    """Makes or repairs .venv in three steps; the goal is the fourth. An installation that is complete is left alone."""
    state = installation(place)
    if state == "complete":
        return
    folder = place.folder
    if state == "broken":
        remove_venv(say, place)
    if state == "changed":
        print(
            say(
                f"The list of packages has changed: {folder} is brought up to date.",
                f"依赖列表有变化，现在更新 {folder}。",
            )
        )
    check_disk(state)
    if state != "changed":
        print(say(f"1/4 A Python environment of its own, in {folder}", f"1/4 新建独立的 Python 环境 {folder}"))
        make_venv(place)
    stamp(place).unlink(missing_ok=True)

    progress = Progress()
    index = torch_index()
    source = say(" (CPU build)", "（CPU 版）") if index else ""
    print("2/4 PyTorch" + source)
    pip(["torch", "-c", place.constraints, *index], progress, place)
    print(say("3/4 JupyterLab, transformers and the other packages", "3/4 JupyterLab、transformers 等其余的包"))
    pip(["-r", place.requirements, "-c", place.constraints], progress, place)

    unfinished = stamp(place).with_suffix(".new")
    unfinished.write_text(fingerprint(place), encoding="utf-8")
    unfinished.replace(stamp(place))
    print(f"4/4 {goal}")


def remove_venv(say: Say, place: Environment = TESTED) -> None:
    folder = place.folder
    if not install_log(place).exists() and any(venv(place).iterdir()):
        raise Problem(
            f"The folder {folder} was not made by course.py: rename it, or use the Python in it with --here.",
            f"文件夹 {folder} 不是 course.py 建的：请给它改名，或者用其中的 Python 加 --here 运行。",
        )
    print(
        say(f"The last installation was not finished: {folder} is made anew.", f"上次安装没有完成，现在重建 {folder}。")
    )
    try:
        shutil.rmtree(venv(place))
    except OSError as error:
        raise Problem(
            f"The old {folder} cannot be removed ({error}): close JupyterLab and whatever else uses it, and start again.",
            f"旧的 {folder} 无法删除（{error}）：请关闭正在使用它的 JupyterLab 等程序，再运行一次。",
        ) from error


def disk_needed(state: str) -> int:
    """Bytes: little once the packages are there; PyTorch with CUDA, which pip takes on Linux with a GPU, is large."""
    if state in ("complete", "changed"):
        return GB
    return 12 * GB if sys.platform == "linux" and has_nvidia_gpu() else 4 * GB


def check_disk(state: str) -> None:
    free, need = shutil.disk_usage(ROOT).free, disk_needed(state)
    if free < need:
        raise Problem(
            f"The packages need {need / GB:.0f} GB and this disk has {free / GB:.1f} GB free: make room and start again.",
            f"安装需要 {need / GB:.0f} GB，而磁盘只剩 {free / GB:.1f} GB：请腾出空间，再运行一次。",
        )


def make_venv(place: Environment = TESTED) -> None:
    venv(place).mkdir(parents=True, exist_ok=True)
    # where this is a venv, the Python it was made from
    base_python = place.python or getattr(sys, "_base_executable", sys.executable)
    with install_log(place).open("w", encoding="utf-8") as log:
        failed = subprocess.run(
            [base_python, "-m", "venv", venv(place)], stdout=log, stderr=subprocess.STDOUT
        ).returncode
    if failed:
        raise Problem(
            f"Python could not make an environment (see {install_log(place)}): on Debian and Ubuntu, "
            "sudo apt install python3-venv and start again.",
            f"Python 无法新建环境（详见 {install_log(place)}）：在 Debian 和 Ubuntu 上请先运行 "
            "sudo apt install python3-venv，再重试。",
        )


def has_nvidia_gpu() -> bool:
    return Path("/proc/driver/nvidia/version").exists() or shutil.which("nvidia-smi") is not None


def torch_index() -> list[str]:
    """Pip's option for PyTorch's CPU builds, on a Linux without NVIDIA GPU: there, PyPI's torch brings gigabytes of CUDA.

    Nothing elsewhere, or if that index does not answer within two seconds. A "+cpu" build counts as newer than the plain one of the
    same version, so pip takes it; the person's own index, mirror and proxy stay in force beside it.
    """
    if sys.platform != "linux" or has_nvidia_gpu() or not answers(TORCH_CPU_INDEX + "/torch/", seconds=2):
        return []
    return ["--extra-index-url", TORCH_CPU_INDEX]


def answers(url: str, seconds: float) -> bool:
    """Whether the address answers in time. It is asked in a thread, since no timeout covers the look-up of its name."""
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


class Progress:
    """A live line instead of pip's pages: packages of those in constraints/tested.txt, what pip is at, the time."""

    def __init__(self) -> None:
        pins = (ROOT / "constraints/tested.txt").read_text(encoding="utf-8")
        self.total = len(re.findall(r"^\S+==", pins, flags=re.MULTILINE))
        self.seen: set[str] = set()
        self.doing = ""
        self.percent = ""
        self.started = time.monotonic()
        self.last_drawn = self.started

    def read(self, line: str) -> None:
        """Takes notice of one line of pip's output."""
        collecting = r"\s*(?:Collecting|Requirement already satisfied:|Processing (?:\S*[/\\])?)\s*([\w.-]+)"
        if found := re.match(collecting, line):
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
        """Redraws the line in a terminal; in a log, adds one now and then."""
        columns = shutil.get_terminal_size().columns - 1
        if sys.stdout.isatty():
            print("\r" + self.text()[:columns].ljust(columns), end="", flush=True)
        elif time.monotonic() - self.last_drawn > 15:
            print(self.text())
            self.last_drawn = time.monotonic()

    def close(self) -> None:
        """Leaves the last line standing."""
        self.doing = self.percent = ""
        if sys.stdout.isatty():
            self.draw()
            print()
        else:
            print(self.text())


def pip(arguments: list[str], progress: Progress, place: Environment = TESTED) -> None:
    """pip install in .venv: its output goes to the log, a line of progress to the person. Raises Problem if it fails."""
    own_pip = next(iter(importlib.metadata.distributions(name="pip", path=venv_folders(place))))
    bar = "raw" if version_key(own_pip.version) >= (24, 1) else "off"  # "raw" gives Progress its percentages
    options = ["--no-input", "--disable-pip-version-check", "--progress-bar", bar]
    output: list[str] = []
    with install_log(place).open("a", encoding="utf-8") as log:
        process = subprocess.Popen(
            [venv_python(place), "-m", "pip", "install", *options, *arguments],
            cwd=ROOT,
            env={**os.environ, "PYTHONUTF8": "1"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
        )

        def follow() -> None:
            for line in process.stdout:
                progress.read(line)
                if not line.startswith("Progress "):
                    log.write(line)
                    output.append(line)

        reader = threading.Thread(target=follow, daemon=True)
        reader.start()
        try:
            while process.poll() is None:
                progress.draw()
                time.sleep(0.2)
        finally:
            stop(process)
            reader.join(timeout=5)
            progress.close()
    if process.returncode:
        raise pip_problem("".join(output), place)


def pip_problem(output: str, place: Environment = TESTED) -> Problem:
    """What pip's output says that went wrong, in one sentence."""
    if re.search(r"No space left on device|Errno 28\b|not enough space on the disk", output):
        return Problem(
            "The disk (or the folder for temporary files) is full: make room and start again.",
            "磁盘（或临时文件夹）已满：请腾出空间，再运行一次。",
        )
    if re.search(r"NewConnection|NameResolution|ConnectTimeout|ReadTimeout|ProxyError|Max retries|SSLError", output):
        return Problem(
            "pip cannot reach its package index: connect to the internet, or set a mirror "
            "(python -m pip config set global.index-url ADDRESS), and start again.",
            "pip 连不上软件源：请检查网络，或设置镜像（python -m pip config set global.index-url "
            "https://pypi.tuna.tsinghua.edu.cn/simple），再运行一次。",
        )
    if missing := re.search(r"No matching distribution found for (\S+)", output):
        python = venv_python_version(place) or platform.python_version()
        where = f"Python {python}, {platform.system()} {platform.machine()}"
        return Problem(
            f"There is no {missing[1]} for {where}: start course.py with another Python, 3.12 for one.",
            f"没有适用于 {where} 的 {missing[1]}：请换一个 Python（例如 3.12）运行 course.py。",
        )
    print(output[-2000:], file=sys.stderr)
    return Problem(
        f"pip failed (its last words are above, all of them in {install_log(place)}): starting again tries once more.",
        f"pip 安装失败（上面是它最后的输出，全文在 {install_log(place)}）：再运行一次即可重试。",
    )


def stop(process: subprocess.Popen) -> None:
    """Waits a moment, since Ctrl-C reaches the child as well; then asks, then insists."""
    for ask in (lambda: None, process.terminate):
        ask()
        try:
            process.wait(timeout=5)
            return
        except subprocess.TimeoutExpired:
            continue
    process.kill()
    process.wait()


def ready(here: bool, modules: list[str], goal: str, say: Say) -> str:
    """The Python to use, with its packages in place: that of .venv, or with --here the running one."""
    if not here:
        install(goal, say)
        return str(venv_python())
    missing = [name for name in modules if importlib.util.find_spec(name) is None]
    if missing:
        names = ", ".join(missing)
        raise Problem(
            f"This Python has no {names}: python -m pip install -r requirements.txt -c constraints/tested.txt, "
            "or leave out --here.",
            f"当前 Python 缺少 {names}：请运行 python -m pip install -r requirements.txt -c constraints/tested.txt，"
            "或者去掉 --here。",
        )
    return sys.executable


def with_path(name: str, folder: Path) -> dict[str, str]:
    """The environment variable `name`, a list of folders, with this one first."""
    return {name: os.pathsep.join(filter(None, [str(folder), os.environ.get(name)]))}


# lab


def lab(arguments: argparse.Namespace, say: Say) -> int:
    if arguments.port:
        free_port(arguments.port)  # one that is taken is named before minutes of installing
    python = ready(arguments.here, ["jupyterlab", "torch", "transformers"], "JupyterLab", say)
    lesson = copy_lessons(arguments.lang, say)
    return serve(python, lesson, free_port(arguments.port), not arguments.no_browser, say)


def free_port(wanted: int | None) -> int:
    """The port that was asked for, else the first free one from 8888 up."""
    for port in [wanted] if wanted else range(FIRST_PORT, FIRST_PORT + 50):
        with socket.socket() as probe:
            if sys.platform != "win32":
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue
    raise Problem(
        f"Port {wanted or FIRST_PORT} is in use or not allowed: choose another with --port N.",
        f"端口 {wanted or FIRST_PORT} 已被占用或无权使用：请用 --port N 换一个。",
    )


def copy_lessons(lang: str, say: Say) -> Path:
    """Copies lessons that work/ has not got yet, and never touches one it has. Returns the first, relative to ROOT."""
    lessons = sorted((ROOT / "notebooks" / lang).glob("*.ipynb"))
    if not lessons:
        raise Problem(
            f"There are no lessons in notebooks/{lang}: the download is incomplete, so get the course again.",
            f"notebooks/{lang} 里没有课程：下载不完整，请重新获取本课程。",
        )
    work = ROOT / "work" / lang
    work.mkdir(parents=True, exist_ok=True)
    for lesson in lessons:
        copy, blank = work / lesson.name, blank_lesson(lesson)
        if not copy.exists():
            copy.with_suffix(".new").write_text(json.dumps(blank, ensure_ascii=False, indent=1), encoding="utf-8")
            copy.with_suffix(".new").replace(copy)
            print(say(f"    new in work/{lang}: {lesson.name}", f"    已复制到 work/{lang}：{lesson.name}"))
        elif made_from(copy) not in (None, blank["metadata"]["made_from"]):
            print(
                say(
                    f"    work/{lang}/{lesson.name} is yours and stays; the lesson has changed since: "
                    "rename or delete yours to get the new one.",
                    f"    work/{lang}/{lesson.name} 是你的副本，不会动它；课文后来有更新：想要新的，请给你的改名，或者删掉。",
                )
            )
    return (work / lessons[0].name).relative_to(ROOT)


def blank_lesson(lesson: Path) -> dict:
    """The notebook without outputs, so that no answer stands under its question before anybody has run the cell."""
    notebook = json.loads(lesson.read_text(encoding="utf-8"))
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            cell.update(execution_count=None, outputs=[])
    cells = json.dumps(notebook["cells"], sort_keys=True).encode()
    notebook["metadata"]["made_from"] = hashlib.sha256(cells).hexdigest()[:16]
    return notebook


def made_from(copy: Path) -> str | None:
    """Which state of a lesson a learner's copy was made from; None where it does not say."""
    try:
        return json.loads(copy.read_text(encoding="utf-8"))["metadata"].get("made_from")
    except (OSError, ValueError, KeyError, AttributeError):
        return None


def serve(python: str, lesson: Path, port: int, browser: bool, say: Say) -> int:
    """Runs JupyterLab on the lesson until Ctrl-C."""
    page = f"/lab/tree/{lesson.as_posix()}"
    token = secrets.token_hex(16)
    command = [python, "-m", "jupyterlab", f"--ServerApp.root_dir={ROOT}", f"--LabApp.default_url={page}"]
    command += ["--ServerApp.ip=127.0.0.1", f"--ServerApp.port={port}", "--ServerApp.port_retries=0"]
    command += ["--LabApp.extension_manager=readonly", "--Application.log_level=ERROR", LARGE_MESSAGES]
    command += [f"--LabApp.workspaces_dir={ROOT / 'work' / '.jupyter' / 'workspaces'}"]  # not those of other projects
    command += [] if browser else ["--no-browser"]
    command += ["--allow-root"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
    environment = {
        **os.environ,
        **with_path("PYTHONPATH", ROOT),  # so that a notebook in work/ can import helpers
        **with_path("JUPYTER_CONFIG_PATH", quiet_settings()),
        "JUPYTER_TOKEN": token,
    }
    # Without a terminal to ask on, JupyterLab takes the first Ctrl-C as final.
    server = subprocess.Popen(command, cwd=ROOT, env=environment, stdin=subprocess.DEVNULL)
    try:
        ours = f"http://127.0.0.1:{port}/api/status?token={token}"  # a stranger on this port would not know the token
        while server.poll() is None and not answers(ours, seconds=2):
            time.sleep(0.1)
        if server.poll():
            raise Problem(
                "JupyterLab did not start (its message is above): python course.py doctor looks for the cause.",
                "JupyterLab 没有启动（上面是它的报错）：请用 python course.py doctor 查找原因。",
            )
        address = f"http://127.0.0.1:{port}{page}?token={token}"
        print(say(f"Lesson 00 is at {address}\nCtrl-C ends JupyterLab.", f"第 00 课：{address}\n按 Ctrl-C 结束。"))
        code = server.wait()
    except KeyboardInterrupt:
        code = 0
    finally:
        stop(server)
    print(say("\nJupyterLab has ended. Your notebooks are in work/.", "\nJupyterLab 已结束。你的笔记本在 work/ 里。"))
    return code


def quiet_settings() -> Path:
    """A folder of Jupyter settings with the extension switched off that asks the internet for news and updates."""
    folder = ROOT / "work" / ".jupyter"
    settings = {"disabledExtensions": {"@jupyterlab/apputils-extension:announcements": True}}
    (folder / "labconfig").mkdir(parents=True, exist_ok=True)
    (folder / "labconfig" / "page_config.json").write_text(json.dumps(settings), encoding="utf-8")
    return folder


# test


def test(arguments: argparse.Namespace, say: Say) -> int:
    goal = say("The tests, without network", "断网运行测试")
    python = ready(arguments.here, ["pytest", "xdist", "nbval", "jupytext", "torch", "transformers"], goal, say)
    status = attend([python, "-m", *pytest_command(arguments)])  # conftest.py cuts the network off
    if arguments.all and not arguments.pytest and not arguments.here:
        print(say("The notebooks with the versions of Colab", "用 Colab 的版本运行笔记本"))
        twin = attend([python, "tests/versions.py", "colab", "notebooks", "--lang", arguments.lang])
        status = status or twin
    return status


def pytest_command(arguments: argparse.Namespace) -> list[str]:
    """pytest and its options: all of tests/ and notebooks/ on two workers, or what is named, in one process that starts at once."""
    given = arguments.pytest
    command = ["pytest", "--nbval-lax", *(["-m", ""] if arguments.all else [])]
    if paths_among(given):
        return [*command, *given]
    workers = [] if any(option.startswith(ONE_PROCESS) for option in given) else TWO_WORKERS
    notebooks = ["notebooks"] if any((ROOT / "notebooks").rglob("*.ipynb")) else []
    return [*command, *workers, *given, "tests", *notebooks]


def attend(command: list[str]) -> int:
    """Runs the command to its end, and ends it if we are stopped."""
    child = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.DEVNULL)
    try:
        return child.wait()
    finally:
        stop(child)


def must_be_writable(folder: Path) -> None:
    """Raises PermissionError where nothing can be written into the folder: sooner than after minutes of work."""
    try:
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        if error.errno in NOT_ALLOWED:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(folder)) from error


def paths_among(arguments: list[str]) -> list[str]:
    """Those of pytest's arguments that name tests or notebooks: tests/test_course.py::test_name, notebooks/en."""
    with_value = ("-k", "-m", "-p", "-o", "-W", "--ignore", "--deselect")
    before = ["", *arguments]
    return [
        argument
        for option, argument in zip(before, arguments)
        if option not in with_value and not argument.startswith("-") and (ROOT / argument.split("::")[0]).exists()
    ]


# build


def build(arguments: argparse.Namespace, say: Say) -> int:
    if not arguments.check:
        must_be_writable(ROOT if arguments.no_solutions else ROOT / "notebooks")
    goal = say("The notebooks, from lessons/", "由 lessons/ 生成笔记本")
    python = ready(arguments.here, ["jupytext", "nbformat", "nbclient", "torch", "transformers"], goal, say)
    options = [option for option in ("--check", "--all") if getattr(arguments, option[2:])]
    options += ["--no-solutions", "--lang", arguments.lang] if arguments.no_solutions else []
    return attend([python, "-m", "tools.build", *options, *arguments.lesson])


# bench


def bench(arguments: argparse.Namespace, say: Say) -> int:
    must_be_writable(ROOT / "benchmarks")
    goal = say("The benchmarks", "基准测试")
    python = ready(arguments.here, ["torch", "transformers", "matplotlib"], goal, say)
    return attend([python, "-m", "benchmarks.run", "--lang", arguments.lang, *arguments.name])


# doctor


def doctor(arguments: argparse.Namespace, say: Say) -> int:
    if arguments.record:
        count = record_data()
        print(say(f"data/SHA256SUMS: {count} files", f"data/SHA256SUMS：{count} 个文件"))
        return 0
    rows = table(arguments.here, say)
    widest = max(columns(row.what) for row in rows)
    for row in rows:
        print("OK  " if row.ok else "FAIL", row.what + " " * (widest - columns(row.what)), row.found, sep="  ")
        if not row.ok:
            print(" " * (widest + 6), f"-> {row.advice}")
    return 0 if all(row.ok for row in rows) else 1


def columns(text: str) -> int:
    """Columns on the screen, where a Chinese character takes two."""
    return sum(2 if unicodedata.east_asian_width(character) in "WF" else 1 for character in text)


def checks(lang: str | None = None, here: bool = True) -> list[Row]:
    """The doctor's table, for lessons too: of the running Python, or with here=False of .venv. Changes nothing."""
    return table(here, speaker(lang or locale_language()))


def table(here: bool, say: Say) -> list[Row]:
    return [
        python_row(say),
        *(package_rows(None, say) if here else venv_rows(say)),
        *data_rows(say),
        memory_row(say),
        disk_row(here, say),
        gpu_row(say),
    ]


def python_row(say: Say) -> Row:
    try:
        check_python()
        return Row("Python", True, platform.python_version())
    except Problem as problem:
        return Row("Python", False, platform.python_version(), say(*problem.texts))


def venv_rows(say: Say) -> list[Row]:
    state = installation()
    found = {
        "missing": say("packages are not installed yet", "还没有安装"),
        "broken": say("the installation was not finished", "安装没有完成"),
        "changed": say("the requirements have changed since", "安装之后依赖有变化"),
        "complete": say("installed", "已安装"),
    }[state]
    remedy = say(
        "python course.py lab installs the packages; in conda, on Binder or Colab, add --here",
        "运行 python course.py lab 即可安装；在 conda、Binder 或 Colab 上请加 --here",
    )
    row = Row(".venv", state == "complete", found, remedy)
    return [row] if state == "missing" else [row, *package_rows(venv_folders(), say)]


def package_rows(folders: list[str] | None, say: Say) -> list[Row]:
    """One row a package of requirements.txt: its version in these folders (None: the running Python's) and our range."""
    advice = say(
        "delete the folder .venv and run python course.py lab", "请删除文件夹 .venv，再运行 python course.py lab"
    )
    if folders is None:
        advice = "python -m pip install -r requirements.txt -c constraints/tested.txt"
    where = {} if folders is None else {"path": folders}
    rows = []
    for name, supported in requirements().items():
        package = next(iter(importlib.metadata.distributions(name=name, **where)), None)
        if package is None and folders is None and name in ONLY_FOR:
            user = ONLY_FOR[name]
            rows.append(Row(name, True, say(f"not here; only {user} needs it", f"未安装，只有 {user} 用到它")))
        elif package is None:
            rows.append(Row(name, False, say("not installed", "未安装"), advice))
        elif not satisfies(package.version, supported):
            range_is = say(f", supported is {supported}", f"，支持的版本是 {supported}")
            rows.append(Row(name, False, package.version + range_is, advice))
        elif lost_files(package):
            reinstall = f"python -m pip install --force-reinstall --no-deps {name}=={package.version}"
            files_missing = package.version + say(", files are missing", "，缺少文件")
            rows.append(Row(name, False, files_missing, advice if folders else reinstall))
        else:
            rows.append(Row(name, True, package.version))
    return rows


def lost_files(package: importlib.metadata.Distribution) -> bool:
    """Whether a module that pip wrote down is gone. Since Python 3.12 package.files leaves out what is missing, so it cannot say."""
    written_down = csv.reader((package.read_text("RECORD") or "").splitlines())
    return any(name.endswith(".py") and not package.locate_file(name).exists() for name, *_ in written_down)


def requirements() -> dict[str, str]:
    """requirements.txt as {"torch": ">=2.6", ...}."""
    lines = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    matches = (re.match(r"(\w[\w.-]*)\s*([^#]*)", line) for line in lines)
    return {found[1]: found[2].strip() for found in matches if found}


def version_key(version: str) -> tuple[int, ...]:
    """ "2.13.0+cpu" gives (2, 13): the numbers of the release, without zeros at the end, so that 6 equals 6.0."""
    numbers = [int(number) for number in re.match(r"[\d.]*", version)[0].split(".") if number]
    while numbers and numbers[-1] == 0:
        numbers.pop()
    return tuple(numbers)


def satisfies(version: str, supported: str) -> bool:
    """Whether a version lies in a range such as ">=4.57,<6". Knows >=, <=, ==, !=, > and <, the only ones we use."""
    compare = {
        ">=": lambda a, b: a >= b,
        "<=": lambda a, b: a <= b,
        "==": lambda a, b: a == b,
        "!=": lambda a, b: a != b,
        ">": lambda a, b: a > b,
        "<": lambda a, b: a < b,
    }
    clauses = [re.fullmatch(r"\s*([<>=!]=|[<>])\s*(\d[\w.]*)\s*", clause) for clause in supported.split(",") if clause]
    if not all(clauses):
        raise ValueError(
            f'"{supported}" in requirements.txt: course.py understands >=, <=, ==, !=, > and < with a plain version'
        )
    return all(compare[clause[1]](version_key(version), version_key(clause[2])) for clause in clauses)


def data_rows(say: Say) -> list[Row]:
    """Files under data/ against data/SHA256SUMS: a row for each folder in order, and one for each file that is not."""
    sums = ROOT / "data" / "SHA256SUMS"
    if not sums.exists():
        advice = say(
            "the download is incomplete: git checkout -- data, or get the course again",
            "下载不完整：请运行 git checkout -- data，或重新获取本课程",
        )
        return [Row("data", False, say("data/SHA256SUMS is missing", "缺少 data/SHA256SUMS"), advice)]
    right: dict[str, int] = {}
    wrong = []
    for line in sums.read_text(encoding="utf-8").splitlines():
        expected, name = line.split(maxsplit=1)
        folder = "/".join(name.split("/")[:-1][:2])
        advice = say(
            f"git checkout -- {name} brings it back; without git, get the course again",
            f"运行 git checkout -- {name} 即可恢复；没有 git 请重新获取本课程",
        )
        if not (ROOT / name).exists():
            wrong.append(Row(name, False, say("missing", "缺失"), advice))
        elif sha256(ROOT / name) != expected:
            wrong.append(Row(name, False, say("differs from what was published", "与发布时不一致"), advice))
        else:
            right[folder] = right.get(folder, 0) + 1
    return [
        *(
            Row(folder, True, say(f"{count} file{'s' * (count > 1)}", f"{count} 个文件"))
            for folder, count in right.items()
        ),
        *wrong,
    ]


def record_data() -> int:
    """Rewrites data/SHA256SUMS from the files under data/ that git does not ignore; returns how many."""
    try:
        command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "data"]
        names = subprocess.run(command, cwd=ROOT, capture_output=True, check=True).stdout.decode().split("\0")
    except (OSError, subprocess.CalledProcessError):  # no git: whatever is there
        names = [path.relative_to(ROOT).as_posix() for path in (ROOT / "data").rglob("*")]
    names = sorted({name for name in names if name != "data/SHA256SUMS" and (ROOT / name).is_file()})
    lines = [f"{sha256(ROOT / name)}  {name}\n" for name in names]
    (ROOT / "data" / "SHA256SUMS").write_bytes("".join(lines).encode())
    return len(lines)


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def memory_row(say: Say) -> Row:
    memory = memory_bytes()
    what = say("memory", "内存")
    if memory is None:
        return Row(what, True, say("unknown", "未知"))
    advice = say("1.5 GB are needed: use a larger machine, or Colab", "需要 1.5 GB：请换内存更大的机器，或用 Colab")
    return Row(what, memory >= 1.5 * GB, f"{memory / GB:.1f} GB", advice)


def memory_bytes() -> int | None:
    """The machine's memory, or the container's share of it; None where nobody says."""
    try:
        if sys.platform == "win32":
            import ctypes

            status = (ctypes.c_ulonglong * 8)(64)  # MEMORYSTATUSEX: two 32-bit fields, then the total, in 64 bytes
            ctypes.windll.kernel32.GlobalMemoryStatusEx(ctypes.byref(status))
            return status[1] or None
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (OSError, ValueError, AttributeError):
        return None
    for limit in (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes")):
        if limit.exists() and (text := limit.read_text().strip()).isdigit():
            memory = min(memory, int(text))
    return memory


def disk_row(here: bool, say: Say) -> Row:
    free = shutil.disk_usage(ROOT).free
    need = disk_needed("complete" if here else installation())
    found = say(f"{free / GB:.1f} GB free", f"剩余 {free / GB:.1f} GB")
    advice = say(f"{need / GB:.0f} GB are needed: make room", f"需要 {need / GB:.0f} GB：请腾出空间")
    return Row(say("disk", "磁盘"), free >= need, found, advice)


def gpu_row(say: Say) -> Row:
    """For information: no lesson needs a GPU."""
    name = ""
    if shutil.which("nvidia-smi"):
        try:
            command = ["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"]
            name = ", ".join(subprocess.run(command, capture_output=True, text=True, timeout=10).stdout.splitlines())
        except (OSError, subprocess.TimeoutExpired):
            pass
    elif sys.platform == "darwin" and platform.machine() == "arm64":
        name = "Apple"
    return Row("GPU", True, name or say("none, and none is needed", "没有，也不需要"))


# The command line


def port_number(text: str) -> int:
    if not text.isdigit() or not 0 < int(text) < 65536:
        raise argparse.ArgumentTypeError("a port is a number from 1 to 65535")
    return int(text)


def command_line() -> argparse.ArgumentParser:
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--here", action="store_true", help="use the running environment (conda ...), install nothing")
    common.add_argument("--lang", choices=["en", "zh"], help="English or 中文; default: the language of your system")

    parser = argparse.ArgumentParser(prog="course.py", description="Ten Vectors / 十个向量", allow_abbrev=False)
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="lab | test | build | bench | doctor")

    verb = verbs.add_parser("lab", parents=[common], help="install what is missing and open the lessons in JupyterLab")
    verb.add_argument("--port", type=port_number, metavar="N", help=f"default: the first free one from {FIRST_PORT} up")
    verb.add_argument("--no-browser", action="store_true", help="print the address and open no browser")
    verb.set_defaults(run=lab)

    verb = verbs.add_parser(
        "test",
        parents=[common],
        allow_abbrev=False,
        usage="course.py test [--all] [--here] [--lang en|zh] [pytest arguments]",
        help="install what is missing, run the unit tests and every notebook without network",
        description="Runs pytest over tests/ and, with nbval, over every notebook. All other arguments go to pytest (-k, -x ...); "
        "paths among them, relative to the folder of the course, are run instead of tests/ and notebooks/.",
    )
    verb.add_argument(
        "--all",
        action="store_true",
        help="slow proofs too; without pytest arguments, all notebooks with Colab's versions as well",
    )
    verb.set_defaults(run=test)

    verb = verbs.add_parser(
        "build",
        parents=[common],
        help="for contributors: make notebooks/ from lessons/, and run those whose code has changed",
    )
    verb.add_argument("lesson", nargs="*", help="a lesson's name or number (00); without any, all lessons")
    verb.add_argument("--check", action="store_true", help="change nothing, only say what is not as it must be")
    verb.add_argument("--all", action="store_true", help="run every notebook, even where its code is unchanged")
    verb.add_argument(
        "--no-solutions",
        action="store_true",
        help="for teachers: write notebooks without solutions and outputs into classroom/, and do nothing else",
    )
    verb.set_defaults(run=build)

    verb = verbs.add_parser(
        "bench",
        parents=[common],
        help="measure speed and memory on this machine (some minutes) and keep them in benchmarks/",
    )
    verb.add_argument("name", nargs="*", help="a benchmark's name (context_text_step); without any, all benchmarks")
    verb.set_defaults(run=bench)

    verb = verbs.add_parser(
        "doctor", parents=[common], help="check Python, packages, data, memory, disk; change nothing"
    )
    verb.add_argument("--record", action="store_true", help="for maintainers: rewrite data/SHA256SUMS from data/")
    verb.set_defaults(run=doctor)
    return parser


def main(argv: list[str] | None = None) -> int:
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # no character is worth a crash, and logs keep the order of what was said
            stream.reconfigure(errors="replace", line_buffering=True)
    say = console_speaker(locale_language())
    try:
        check_python()
        parser = command_line()
        arguments, arguments.pytest = parser.parse_known_args(argv)
        if arguments.pytest and arguments.verb != "test":
            parser.error(f"course.py {arguments.verb} does not know {' '.join(arguments.pytest)}")
        arguments.lang = arguments.lang or locale_language()
        say = console_speaker(arguments.lang)
        return arguments.run(arguments, say)
    except Problem as problem:
        print(say(*problem.texts), file=sys.stderr)
        return 1
    except OSError as error:
        if error.errno not in NOT_ALLOWED:
            raise
        english = (
            f"{error.filename} cannot be written: copy the whole course to a folder of your own and start it there."
        )
        chinese = f"没有写入 {error.filename} 的权限：请把整个课程文件夹复制到你自己的目录下，在那里运行。"
        print(say(english, chinese), file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(say("\nStopped.", "\n已停止。"))
        return 130


def console_speaker(lang: str) -> Say:
    """A speaker in this language where the console can show it, else in English."""
    try:
        "中文".encode(sys.stdout.encoding or "ascii")
    except UnicodeEncodeError:
        lang = "en"
    return speaker(lang)


def interrupt(number: int, frame: object) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, interrupt)
    sys.exit(main())
