"""Child processes: followed to their end, and ended when we are. Standard library only."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

from tools.console import ROOT


def run_child(
    command: list[str],
    take: Callable[[bytes], None] | None = None,
    wait: Callable[[], None] = lambda: None,
    variables: dict[str, str] | None = None,
) -> int:
    """Run the command in the folder of the course to its end; return its exit status.

    It is ended if we are stopped. Where its output goes to a file or a pipe it goes through us, so
    that it is ended, and an OSError raised, once that cannot be written any more.

    Args:
        take: gets each line of all that it says, instead of the person.
        wait: called all the time until it ends.
        variables: of its environment, besides ours.
    """
    child = subprocess.Popen(
        command,
        cwd=ROOT,
        env=os.environ | (variables or {}),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE if take or not sys.stdout.isatty() else None,
        stderr=subprocess.STDOUT if take else None,
    )
    faults = []

    def listen() -> None:
        if not child.stdout:
            return
        try:
            for words in child.stdout if take else iter(child.stdout.read1, b""):
                (take or pass_on)(words)
        except OSError as error:
            faults.append(error)
            child.terminate()
            stop(child)

    listener = threading.Thread(target=listen, daemon=True)
    listener.start()
    try:
        while child.poll() is None:
            wait()
            time.sleep(0.1)
    finally:
        stop(child)
        listener.join(timeout=5)  # what the child has started may outlive it
    if faults:
        raise faults[0]
    return child.returncode


def pass_on(words: bytes) -> None:
    """At once, lines that are not yet whole too."""
    sys.stdout.buffer.write(words)
    sys.stdout.buffer.flush()


def stop(child: subprocess.Popen) -> None:
    """Wait a moment, since Ctrl-C reaches the child as well; then ask, then insist."""
    for ask in (lambda: None, child.terminate, child.kill):
        ask()
        try:
            child.wait(timeout=5)
            return
        except subprocess.TimeoutExpired:
            continue


def put_first(name: str, folder: Path) -> dict[str, str]:
    """The environment variable `name`, a list of folders, with this one first."""
    return {name: os.pathsep.join(filter(None, [str(folder), os.environ.get(name)]))}
