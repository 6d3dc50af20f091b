"""The verb doctor: what the course needs and whether it is here. Rests on install.py.

Lesson 00 shows the same list. It changes nothing, but for --record.
"""

import argparse
import csv
import hashlib
import importlib.metadata
import os
import platform
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

from tools.console import ROOT, Problem, Say, check_python, count_columns
from tools.install import GB, TESTED, count_bytes_needed, find_state

# What lessons never import. Missing in a running environment (Colab, for one) they are no fault.
ONLY_FOR = {
    "course.py lab": ["jupyterlab"],
    "course.py build": ["jupytext", "nbformat", "nbclient"],
    "course.py test": ["pytest", "pytest-xdist", "nbval", "hypothesis", "ruff", "playwright"]
    + ["axe-playwright-python"],
    "soft_prompt_finetune.py": ["accelerate"],
}


class Row(NamedTuple):
    """One line of the list; the advice is for the case that it is not OK."""

    what: str
    ok: bool
    found: str
    advice: str = ""


def report(arguments: argparse.Namespace, say: Say) -> int:
    """Print the list; 0 where all is well."""
    if arguments.record:
        record_data(say)
        return 0
    rows = list_checks(say, arguments.here)
    widest = max(count_columns(row.what) for row in rows)
    for row in rows:
        what = row.what + " " * (widest - count_columns(row.what))
        print("OK  " if row.ok else "FAIL", what, row.found, sep="  ")
        if not row.ok:
            print(" " * (widest + 6), f"-> {row.advice}")
    return 0 if all(row.ok for row in rows) else 1


def list_checks(say: Say, here: bool = True) -> list[Row]:
    """The list of the running Python, or with here=False of .venv."""
    return [
        check_running_python(say),
        *(check_packages(None, say) if here else check_venv(say)),
        *check_data(say),
        check_memory(say),
        check_free_disk(here, say),
        look_for_gpu(say),
    ]


def check_running_python(say: Say) -> Row:
    try:
        check_python()
        return Row("Python", True, platform.python_version())
    except Problem as problem:
        return Row("Python", False, platform.python_version(), say(*problem.texts))


def check_venv(say: Say) -> list[Row]:
    state = find_state()
    found = {
        "missing": say("packages are not installed yet", "还没有安装"),
        "foreign": say("not made by course.py", "不是 course.py 建的"),
        "broken": say("the installation was not finished", "安装没有完成"),
        "changed": say("the requirements have changed since", "安装之后依赖有变化"),
        "complete": say("installed", "已安装"),
    }[state]
    remedy = say(
        "python course.py lab installs the packages; in conda, on Binder or Colab, add --here",
        "运行 python course.py lab 即可安装；在 conda、Binder 或 Colab 上请加 --here",
    )
    if state == "foreign":
        remedy = say("rename it; ", "请给它改名；") + remedy
    row = Row(".venv", state == "complete", found, remedy)
    if state in ("missing", "foreign"):
        return [row]
    return [row, *check_packages(TESTED.site_packages, say)]


def check_packages(folders: list[str] | None, say: Say) -> list[Row]:
    """A row for each package of requirements.txt, in these folders; None: the running Python's."""
    where = {} if folders is None else {"path": folders}
    pip = "python -m pip install"
    remedy = reinstall = say(
        "delete the folder .venv and run python course.py lab",
        "请删除文件夹 .venv，再运行 python course.py lab",
    )
    rows = []
    for name, supported in read_requirements().items():
        package = next(iter(importlib.metadata.distributions(name=name, **where)), None)
        version = package.version if package else ""
        if folders is None:
            remedy = f"{pip} -r requirements.txt -c constraints/tested.txt"
            reinstall = f"{pip} --force-reinstall --no-deps {name}=={version}"
        users = [user for user, names in ONLY_FOR.items() if name in names and folders is None]
        if package is None and users:
            absent = say(f"not here; only {users[0]} needs it", f"未安装，只有 {users[0]} 用到它")
            rows.append(Row(name, True, absent))
        elif package is None:
            rows.append(Row(name, False, say("not installed", "未安装"), remedy))
        elif not lies_in(version, supported):
            found = version + say(f", supported is {supported}", f"，支持的版本是 {supported}")
            rows.append(Row(name, False, found, remedy))
        elif has_lost_files(package):
            found = version + say(", files are missing", "，缺少文件")
            rows.append(Row(name, False, found, reinstall))
        else:
            rows.append(Row(name, True, version))
    return rows


def read_requirements() -> dict[str, str]:
    """requirements.txt as {"torch": ">=2.6", ...}."""
    text = (ROOT / "requirements.txt").read_text("utf-8", "replace")
    return dict(re.findall(r"(?m)^(\w[\w.-]*) *([^#\n]*?) *(?:#.*)?$", text))


def lies_in(version: str, supported: str) -> bool:
    """Whether a version lies in a range such as ">=4.57,<6"."""
    for clause in filter(None, supported.split(",")):
        bound = re.fullmatch(r" *(>=|<) *(\d[\w.]*) *", clause)
        if not bound:
            raise Problem(
                f'requirements.txt, "{clause}": write >= or < and a plain version, such as >=2.6.',
                f"requirements.txt 里的“{clause}”：请写成 >= 或 < 加版本号，例如 >=2.6。",
            )
        if (parse_version(version) >= parse_version(bound[2])) != (bound[1] == ">="):
            return False
    return True


def parse_version(version: str) -> tuple[int, ...]:
    """ "2.13.0+cpu" gives (2, 13): its numbers without zeros at the end, so that 6 equals 6.0."""
    release = re.match(r"[\d.]*", version)[0]
    return tuple(map(int, re.sub(r"(\.0*)*$", "", release).split("."))) if release else ()


def has_lost_files(package: importlib.metadata.Distribution) -> bool:
    """Whether a module that pip wrote down is gone.

    Since Python 3.12 package.files leaves out what is missing, so it cannot say.
    """
    written_down = csv.reader((package.read_text("RECORD") or "").splitlines())
    modules = [name for name, *_ in written_down if name.endswith(".py")]
    return any(not package.locate_file(name).exists() for name in modules)


def check_data(say: Say) -> list[Row]:
    """A row for each folder of data/ in order, and for each file that is not as in SHA256SUMS."""
    sums = ROOT / "data" / "SHA256SUMS"
    text = sums.read_text("utf-8", "replace") if sums.is_file() else ""
    lines = [re.fullmatch(r"([0-9a-f]{64})  (.+)", line) for line in text.splitlines()]
    if not lines or not all(lines):
        advice = say(
            "the download is incomplete: git checkout -- data, or get the course again",
            "下载不完整：请运行 git checkout -- data，或重新获取本课程",
        )
        found = say("data/SHA256SUMS is missing", "缺少 data/SHA256SUMS")
        if lines:
            found = say("data/SHA256SUMS is damaged", "data/SHA256SUMS 已损坏")
        return [Row("data", False, found, advice)]
    right: dict[str, int] = {}
    wrong = []
    for expected, name in (line.groups() for line in lines):
        folder = "/".join(name.split("/")[:-1][:2])
        advice = say(
            f"git checkout -- {name} brings it back; without git, get the course again",
            f"运行 git checkout -- {name} 即可恢复；没有 git 请重新获取本课程",
        )
        if not (ROOT / name).is_file():
            wrong.append(Row(name, False, say("missing", "缺失"), advice))
        elif hash_file(ROOT / name) != expected:
            differs = say("differs from what was published", "与发布时不一致")
            wrong.append(Row(name, False, differs, advice))
        else:
            right[folder] = right.get(folder, 0) + 1
    counts = {
        folder: say(f"{count} file{'s' * (count > 1)}", f"{count} 个文件")
        for folder, count in right.items()
    }
    return [*(Row(folder, True, count) for folder, count in counts.items()), *wrong]


def record_data(say: Say) -> None:
    """Rewrite data/SHA256SUMS from the files under data/ that git does not ignore."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "data"]
    try:
        listed = subprocess.run(command, cwd=ROOT, capture_output=True, check=True).stdout
        names = listed.decode().split("\0")
    except (OSError, subprocess.CalledProcessError):  # no git: whatever is there
        names = [path.relative_to(ROOT).as_posix() for path in (ROOT / "data").rglob("*")]
    ours = {name for name in names if name != "data/SHA256SUMS" and (ROOT / name).is_file()}
    lines = [f"{hash_file(ROOT / name)}  {name}\n" for name in sorted(ours)]
    count = len(lines)
    print(say(f"data/SHA256SUMS: {count} files", f"data/SHA256SUMS：{count} 个文件"))
    (ROOT / "data" / "SHA256SUMS").write_bytes("".join(lines).encode())


def hash_file(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def check_memory(say: Say) -> Row:
    memory = count_memory()
    what = say("memory", "内存")
    if memory is None:
        return Row(what, True, say("unknown", "未知"))
    advice = say(
        "1.5 GB are needed: use a larger machine, or Colab",
        "需要 1.5 GB：请换内存更大的机器，或用 Colab",
    )
    return Row(what, memory >= 1.5 * GB, f"{memory / GB:.1f} GB", advice)


def count_memory() -> int | None:
    """Bytes of the machine's memory, or of the container's share of it; None where nobody says."""
    try:
        if sys.platform == "win32":
            import ctypes

            # MEMORYSTATUSEX: two 32-bit fields, then the total, in 64 bytes
            status = (ctypes.c_ulonglong * 8)(64)
            ctypes.windll.kernel32.GlobalMemoryStatusEx(ctypes.byref(status))
            return status[1] or None
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (OSError, ValueError, AttributeError):
        return None
    for name in ("memory.max", "memory/memory.limit_in_bytes"):
        limit = Path("/sys/fs/cgroup", name)
        if limit.exists() and (text := limit.read_text().strip()).isdigit():
            memory = min(memory, int(text))
    return memory


def check_free_disk(here: bool, say: Say) -> Row:
    free = shutil.disk_usage(ROOT).free
    need = count_bytes_needed("complete" if here else find_state())
    found = say(f"{free / GB:.1f} GB free", f"剩余 {free / GB:.1f} GB")
    advice = say(
        f"{need / GB:.0f} GB are needed: make room", f"需要 {need / GB:.0f} GB：请腾出空间"
    )
    return Row(say("disk", "磁盘"), free >= need, found, advice)


def look_for_gpu(say: Say) -> Row:
    """For information: no lesson needs a GPU."""
    name = ""
    if shutil.which("nvidia-smi"):
        command = ["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"]
        try:
            answer = subprocess.run(command, capture_output=True, text=True, timeout=10)
            name = ", ".join(answer.stdout.splitlines())
        except (OSError, subprocess.TimeoutExpired):
            pass
    elif sys.platform == "darwin" and platform.machine() == "arm64":
        name = "Apple"
    return Row("GPU", True, name or say("none, and none is needed", "没有，也不需要"))
