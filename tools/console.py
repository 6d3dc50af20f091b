"""How every command of the course speaks and ends: in the person's language, with one sentence for
each problem and an exit status. Rests on the standard library.

An old Python reads this file too, to say that it is too old: nothing here is newer than 3.6.
"""

import errno
import os
import platform
import re
import signal
import subprocess
import sys
import unicodedata
from pathlib import Path
from typing import Callable

ROOT = Path(__file__).resolve().parents[1]
OLDEST_PYTHON = (3, 11)
NOT_ALLOWED = (errno.EACCES, errno.EPERM, errno.EROFS)  # errors of who may not read or write
FILE_OR_FOLDER = (errno.ENOTDIR, errno.EISDIR, errno.EEXIST)
DISK_FULL = (errno.ENOSPC, errno.EDQUOT)

Say = Callable[[str, str], str]


class Problem(Exception):
    """What the person at the keyboard can put right: one sentence that says how, in both languages.

    It is shown without traceback.
    """

    def __init__(self, en: str, zh: str) -> None:
        super().__init__(en)
        self.texts = (en, zh)


class Incomplete(Problem):
    """Something that comes with the course is not there, or is not as it came."""

    def __init__(self, what: object) -> None:
        super().__init__(
            f"{what} is missing or damaged: the download is incomplete, so get the course again.",
            f"{what} 缺失或损坏：下载不完整，请重新获取本课程。",
        )


def check_python() -> None:
    if sys.version_info < OLDEST_PYTHON:
        need, have = ".".join(map(str, OLDEST_PYTHON)), platform.python_version()
        raise Problem(
            f"Ten Vectors needs Python {need} or newer and this is {have}: "
            "install one from https://www.python.org/downloads/ and start course.py with it.",
            f"《十个向量》需要 Python {need} 或更新版本，而现在是 {have}："
            "请从 https://www.python.org/downloads/ 安装，再用它运行 course.py。",
        )


# Language


def speaker(lang: str) -> Say:
    """say("English", "中文") that gives the text in `lang`."""
    return lambda en, zh: zh if lang == "zh" else en


def console_speaker(lang: str) -> Say:
    """A speaker in this language where the console can show it, else in English."""
    try:
        "中文".encode(getattr(sys.stdout, "encoding", None) or "ascii")
    except UnicodeEncodeError:
        lang = "en"
    return speaker(lang)


def choose_language(words: "list[str]") -> str:
    """That of --lang on the command line, else that of the person's machine."""
    for lang in ("en", "zh"):
        if "--lang=" + lang in words or ("--lang", lang) in zip(words, words[1:]):
            return lang
    return detect_language()


def detect_language() -> str:
    """ "zh" where the person's machine speaks Chinese, else "en"."""
    for name in ("LANGUAGE", "LC_ALL", "LC_MESSAGES", "LANG"):
        value = os.environ.get(name, "")
        if value and value.split(".")[0] not in ("C", "POSIX"):
            return "zh" if value.lower().startswith("zh") else "en"
    return "zh" if is_desktop_chinese() else "en"


def is_desktop_chinese() -> bool:
    """Windows and macOS keep the language of the desktop outside the environment variables."""
    try:
        if sys.platform == "win32":
            import ctypes

            return ctypes.windll.kernel32.GetUserDefaultUILanguage() & 0x3FF == 0x04
        if sys.platform == "darwin":
            languages = subprocess.check_output(["defaults", "read", "-g", "AppleLanguages"])
            return re.sub(rb"[^a-zA-Z-]", b"", languages).startswith(b"zh")
    except (OSError, AttributeError, subprocess.CalledProcessError):
        pass
    return False


def count_columns(text: str) -> int:
    """Columns on the screen, where a Chinese character takes two."""
    return sum(2 if unicodedata.east_asian_width(letter) in "WF" else 1 for letter in text)


# From the command line to the exit status


def run_command(command: Callable[..., int], words: "list[str] | None" = None) -> int:
    """The exit status of command(words, lang, say); what a person can put right is one sentence.

    words: the command line; None takes that with which Python was started.
    """
    words = sys.argv[1:] if words is None else words
    lang = choose_language(words)
    say = console_speaker(lang)
    signal.signal(signal.SIGTERM, interrupt)
    status = 1
    try:
        if sys.stdout is None or sys.stderr is None:  # and a file opened next would be taken for it
            raise Problem(
                "The output is closed: start the command without >&- and 2>&-.",
                "输出已被关闭：请去掉 >&- 和 2>&- 再运行。",
            )
        for stream in (sys.stdout, sys.stderr):
            if hasattr(stream, "reconfigure"):
                # no character is worth a crash, and logs keep the order of what was said
                stream.reconfigure(errors="replace", line_buffering=True)
        try:
            status = command(words, lang, say)
        except SystemExit as end:
            status = int(end.code or 0)
            if not status:
                print()  # where its help cannot be written, argparse says nothing
        return status
    except Problem as problem:
        texts = problem.texts
    except OSError as error:
        status, texts = 1, explain(error)
    except KeyboardInterrupt:
        status, texts = 130, ("\nStopped.", "\n已停止。")
    print(say(*texts), file=sys.stderr or sys.stdout)
    return status


def interrupt(*signalled: object) -> None:
    raise KeyboardInterrupt


def explain(error: OSError) -> "tuple[str, str]":
    """What the operating system refused, as one sentence in both languages."""
    where = error.filename
    if error.errno == errno.EPIPE:
        return "Broken off: nobody reads the output any more.", "已中止：输出已经没有人在读了。"
    if where and error.errno in NOT_ALLOWED:
        return (
            f"{where} cannot be read or written: copy the whole course to a folder of your own "
            "and start it there.",
            f"没有读写 {where} 的权限：请把整个课程文件夹复制到你自己的目录下，在那里运行。",
        )
    if where and error.errno == errno.ENOENT:
        return Incomplete(where).texts
    if where and error.errno in FILE_OR_FOLDER:
        return (
            f"{where} is a file where a folder must be, or a folder in the place of a file: "
            "rename it and start again.",
            f"{where} 的类型不对（该是文件夹的成了文件，或者相反）：请给它改名，再运行一次。",
        )
    if error.errno in DISK_FULL:
        return (
            "The disk, the folder for temporary files or the place of the output is full: "
            "make room and start again.",
            "磁盘、临时文件夹或输出所在的位置已满：请腾出空间，再运行一次。",
        )
    return f"The system refused something: {error}.", f"系统报错，无法继续：{error}。"
