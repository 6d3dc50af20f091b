"""The verb lab: the learner's copies of the lessons, and JupyterLab on the first of them.

Rests on install.py.
"""

import argparse
import hashlib
import json
import os
import secrets
import socket
import subprocess
import sys
import time
from pathlib import Path

from tools.console import ROOT, Incomplete, Problem, Say
from tools.install import choose_python, is_answering
from tools.processes import put_first, stop

FIRST_PORT = 8888
# A picture file that a learner chooses goes to the kernel in one message, and without this one
# larger than about 10 MB never arrives: the server closes the connection, JupyterLab opens another,
# and nobody says a word. For our JupyterLab and the browser tests'.
LARGE_MESSAGES = '--ServerApp.tornado_settings={"websocket_max_message_size": 104857600}'


def open_lab(arguments: argparse.Namespace, say: Say) -> int:
    if arguments.port:
        find_free_port(arguments.port)  # one that is taken is named before minutes of installing
    modules = ["jupyterlab", "torch", "transformers"]
    python = choose_python(arguments.here, modules, "JupyterLab", say)
    lesson = copy_lessons(arguments.lang, say)
    return serve(python, lesson, find_free_port(arguments.port), not arguments.no_browser, say)


def find_free_port(wanted: int | None) -> int:
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
    """Copy the lessons that work/ has not got yet, and never touch one it has.

    Returns the first, relative to the folder of the course.
    """
    lessons = sorted((ROOT / "notebooks" / lang).glob("*.ipynb"))
    if not lessons:
        raise Incomplete(f"notebooks/{lang}")
    blank = {lesson.name: read_blank(lesson) for lesson in lessons}
    work = ROOT / "work" / lang
    work.mkdir(parents=True, exist_ok=True)
    for name, lesson in blank.items():
        copy = work / name
        if not copy.exists():
            print(say(f"    new in work/{lang}: {name}", f"    已复制到 work/{lang}：{name}"))
            unfinished = copy.with_suffix(".new")
            unfinished.write_text(json.dumps(lesson, ensure_ascii=False, indent=1), "utf-8")
            unfinished.replace(copy)
        elif read_origin(copy) not in (None, lesson["metadata"]["made_from"]):
            english = (
                f"    work/{lang}/{name} is yours and stays; the lesson has changed since: "
                "rename or delete yours to get the new one."
            )
            chinese = (
                f"    work/{lang}/{name} 是你的副本，不会动它；"
                "课文后来有更新：想要新的，请给你的改名，或者删掉。"
            )
            print(say(english, chinese))
    return (work / lessons[0].name).relative_to(ROOT)


def read_blank(lesson: Path) -> dict:
    """The notebook without outputs: no answer stands under its question before the cell has run."""
    try:
        notebook = json.loads(lesson.read_text(encoding="utf-8"))
        for cell in notebook["cells"]:
            if cell["cell_type"] == "code":
                cell.update(execution_count=None, outputs=[])
        cells = json.dumps(notebook["cells"], sort_keys=True).encode()
        notebook["metadata"]["made_from"] = hashlib.sha256(cells).hexdigest()[:16]
    except (ValueError, LookupError, TypeError) as error:
        raise Incomplete(lesson) from error
    return notebook


def read_origin(copy: Path) -> str | None:
    """Which state of a lesson a learner's copy was made from; None where it does not say."""
    try:
        return json.loads(copy.read_text(encoding="utf-8"))["metadata"].get("made_from")
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return None


def serve(python: str, lesson: Path, port: int, browser: bool, say: Say) -> int:
    """Run JupyterLab on the lesson until Ctrl-C."""
    page = f"/lab/tree/{lesson.as_posix()}"
    token = secrets.token_hex(16)
    command = [python, "-m", "jupyterlab", f"--ServerApp.root_dir={ROOT}"]
    command += ["--ServerApp.ip=127.0.0.1", f"--ServerApp.port={port}"]
    command += ["--ServerApp.port_retries=0", "--Application.log_level=ERROR", LARGE_MESSAGES]
    command += ["--LabApp.extension_manager=readonly", f"--LabApp.default_url={page}"]
    # not the workspaces of other projects
    command += [f"--LabApp.workspaces_dir={ROOT / 'work' / '.jupyter' / 'workspaces'}"]
    command += [] if browser else ["--no-browser"]
    command += ["--allow-root"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
    environment = {
        **os.environ,
        **put_first("PYTHONPATH", ROOT),  # so that a notebook in work/ can import helpers
        # without the extension that asks the internet for news and updates
        **put_first("JUPYTER_CONFIG_PATH", ROOT / "tools" / "jupyter"),
        "JUPYTER_TOKEN": token,
    }
    # Without a terminal to ask on, JupyterLab takes the first Ctrl-C as final.
    server = subprocess.Popen(command, cwd=ROOT, env=environment, stdin=subprocess.DEVNULL)
    try:
        # a stranger on this port would not know the token
        ours = f"http://127.0.0.1:{port}/api/status?token={token}"
        while server.poll() is None and not is_answering(ours, seconds=2):
            time.sleep(0.1)
        if server.poll():
            raise Problem(
                "JupyterLab did not start (its message is above): "
                "python course.py doctor looks for the cause.",
                "JupyterLab 没有启动（上面是它的报错）：请用 python course.py doctor 查找原因。",
            )
        address = f"http://127.0.0.1:{port}{page}?token={token}"
        english = f"Lesson 00 is at {address}\nCtrl-C ends JupyterLab."
        print(say(english, f"第 00 课：{address}\n按 Ctrl-C 结束。"))
        code = server.wait()
    except KeyboardInterrupt:
        code = 0
    finally:
        stop(server)
    english = "\nJupyterLab has ended. Your notebooks are in work/."
    print(say(english, "\nJupyterLab 已结束。你的笔记本在 work/ 里。"))
    return code
