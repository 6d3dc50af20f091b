"""What holds of a run's folder: it is one run's alone, nothing of somebody else's is touched, and no moment to die in is a bad one."""

# ruff: noqa: F401, F811  (fixtures of another file)

import builtins
import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from test_finetune import ROOT, album, asked_for, drawn_album, looks, needs_fork, one_thread, processes

import soft_prompt_finetune as script
from finetuning import folder as folders
from finetuning import log, run
from finetuning.folder import CHECKPOINT, CURVE, FILES, LOCK, LOG, TRAINING, hold_folder, recall_settings
from finetuning.options import read_options
from finetuning.processes import AccelerateGroup
from helpers.files import read_tensors, write_tensors

# A program that takes a folder, says so, and keeps it until its input ends.
HOLDER = "from finetuning.folder import *; import sys\nwith hold_folder(Path(sys.argv[1]), False): print('held', flush=True); input()"


def hold_elsewhere(folder):
    """Another process that holds the folder."""
    process = subprocess.Popen([sys.executable, "-c", HOLDER, str(folder)], cwd=ROOT, stdin=-1, stdout=-1, text=True)
    assert process.stdout.readline() == "held\n"
    return process


@pytest.fixture(scope="module")
def done(album, tmp_path_factory):
    """A short training that is complete."""
    folder = tmp_path_factory.mktemp("done") / "run"
    assert script.main(asked_for(album, folder, "--num_epochs", "1")) == 0
    return folder


def content(file):
    """All of a safetensors file to the bit; its header has no order of its own."""
    tensors, notes = read_tensors(file)
    return {name: tensor.tolist() for name, tensor in tensors.items()}, notes


# --- whose it is -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [CHECKPOINT, LOG, CURVE, TRAINING, LOCK])
@pytest.mark.parametrize("what", ["text", "empty", "a folder", "a dead link", "tensors"])
def test_a_folder_with_such_a_file_of_somebody_else_is_refused_before_anything_is_loaded(
    tmp_path, capsys, monkeypatch, name, what
):
    monkeypatch.setattr(run, "run_config", lambda config: pytest.fail("it went on"))
    file = tmp_path / name
    if (name, what) == (LOCK, "empty"):
        pytest.skip("that is what a run leaves that was killed at once")
    if what == "a folder":
        file.mkdir()
    elif what == "a dead link":
        try:
            file.symlink_to("nowhere")
        except OSError:
            pytest.skip("no links on this system")
    elif what == "tensors":
        write_tensors(file, {"weight": torch.ones(2)}, {"settings": '{"data": "x"}'})
    else:
        file.write_text("mine" * (what == "text"))
    before = os.lstat(file)[:7], os.lstat(file).st_mtime_ns  # not when it was read
    assert script.main(["--output", str(tmp_path)]) == 1
    told = capsys.readouterr().err
    assert f"{tmp_path} holds {name}, which this script did not write" in told and told.count("\n") == 1
    assert script.main(["--resume", "--output", str(tmp_path)]) == 1
    told = capsys.readouterr().err
    assert "missing, damaged or another program's" in told
    assert list(tmp_path.iterdir()) == [file] and (os.lstat(file)[:7], os.lstat(file).st_mtime_ns) == before


@pytest.mark.parametrize("missing", [1, 100])
def test_a_training_that_is_cut_off_is_neither_gone_on_with_nor_replaced(album, tmp_path, capsys, missing):
    folder = tmp_path / "run"
    assert script.main(asked_for(album, folder)) == 0
    whole = (folder / TRAINING).read_bytes()
    (folder / TRAINING).write_bytes(whole[:-missing])
    capsys.readouterr()
    for more, told in (([], "which this script did not write"), (["--resume"], "missing, damaged or another")):
        assert script.main([*asked_for(album, folder), *more]) == 1
        assert told in capsys.readouterr().err
    (folder / TRAINING).unlink()
    assert script.main(["--resume", "--output", str(folder)]) == 1
    assert "begin in another folder" in capsys.readouterr().err


def test_other_files_in_the_folder_are_left_alone(album, tmp_path, capsys):
    folder = tmp_path / "shared"
    folder.mkdir()
    other = [
        "notes.txt",
        "big.iso.part",
        "model.123.part",
        f"{CHECKPOINT}.part",
        f"{LOG}.old.part",
        f"{TRAINING}.99999.part",
    ]
    for name in other:
        (folder / name).write_text(name)
    (folder / "sub").mkdir()
    assert script.main(asked_for(album, folder, "--num_epochs", "1")) == 0
    assert script.main(["--resume", "--output", str(folder)]) == 0
    assert {file.name for file in folder.iterdir()} == {*other, "sub", *FILES}
    assert all((folder / name).read_text() == name for name in other)


# --- who holds it ----------------------------------------------------------------------------------------------------------------


def test_runs_at_the_same_time_get_folders_of_their_own_and_leave_nothing(tmp_path):
    with hold_folder(tmp_path / "runs" / "1", True) as one, hold_folder(tmp_path / "runs" / "1", True) as two:
        assert (one.name, two.name) == ("1", "2")
        (two / LOG).touch()
    assert [*tmp_path.rglob("*")] == [tmp_path / "runs", two, two / LOG]


@pytest.mark.parametrize("resume", [False, True])
def test_a_second_run_in_the_same_folder_is_refused_in_one_sentence_and_changes_nothing(
    album,
    done,
    tmp_path,
    capsys,
    monkeypatch,
    resume,
):
    monkeypatch.setattr(run, "prepare_run", lambda *how: pytest.fail("it loaded something"))
    if resume:
        shutil.copytree(done, tmp_path / "run")
    other = hold_elsewhere(tmp_path / "run")
    before = {file.name: file.read_bytes() for file in (tmp_path / "run").iterdir()}
    arguments = ["--resume", "--output", str(tmp_path / "run")] if resume else asked_for(album, tmp_path / "run")
    for _ in range(2):  # the refusal takes no lock away
        assert script.main(arguments) == 1
        told = capsys.readouterr().err
        assert told == (
            f"another process ({other.pid}) is training in {tmp_path / 'run'}: "
            "wait until it is done, or name another folder by --output\n"
        )
        assert {file.name: file.read_bytes() for file in (tmp_path / "run").iterdir()} == before
    other.communicate("\n")
    assert (tmp_path / "run").exists() == resume


def test_the_lock_of_a_killed_process_is_gone_and_only_what_it_was_writing_is_removed(tmp_path):
    other = hold_elsewhere(tmp_path)
    left, kept = f"{TRAINING}.{other.pid}.part", f"{TRAINING}.{other.pid + 1}.part"
    for name in (left, kept, f"somebody.{other.pid}.part"):
        (tmp_path / name).touch()
    other.kill()
    other.communicate()
    assert (tmp_path / LOCK).exists()
    with hold_folder(tmp_path, False):
        assert {file.name for file in tmp_path.iterdir()} == {LOCK, kept, f"somebody.{other.pid}.part"}
    assert not (tmp_path / LOCK).exists()


def test_of_many_processes_one_at_a_time_holds_the_folder(tmp_path):
    """Each that gets it makes a file that must not be there yet, and takes it away again."""
    taker = (
        "from finetuning.folder import *; from helpers.language import LearnerError; import sys, time\n"
        "folder, won, end = Path(sys.argv[1]), 0, time.monotonic() + 1.5\n"
        "while time.monotonic() < end:\n"
        "    try:\n"
        "        with hold_folder(folder, False):\n"
        "            (folder / 'one').touch(exist_ok=False); (folder / 'one').unlink(); won += 1\n"
        "    except LearnerError: pass\n"
        "print(won)"
    )
    (tmp_path / "run").mkdir()
    command = [sys.executable, "-c", taker, str(tmp_path / "run")]
    takers = [subprocess.Popen(command, cwd=ROOT, stdout=-1, stderr=-1, text=True) for _ in range(4)]
    results = [taker.communicate() for taker in takers]
    assert [errors for _, errors in results] == [""] * 4 and sum(int(won) for won, _ in results) > 20
    assert [*(tmp_path / "run").iterdir()] == []


def test_on_windows_a_byte_far_behind_the_process_id_is_locked(tmp_path, monkeypatch):
    """By its calls alone: no Windows was at hand."""
    locked = set()

    class Msvcrt:
        LK_NBLCK = 2

        @staticmethod
        def locking(number, mode, size):
            place = os.path.realpath(f"/proc/self/fd/{number}"), os.lseek(number, 0, os.SEEK_CUR), size
            if mode != 2 or place in locked:
                raise PermissionError(13, "Permission denied")
            locked.add(place)

    monkeypatch.setattr(folders.sys, "platform", "win32")
    monkeypatch.setitem(sys.modules, "msvcrt", Msvcrt)
    with hold_folder(tmp_path, False):
        assert [place[1:] for place in locked] == [(folders.LOCKED_BYTE, 1)]
        assert (tmp_path / LOCK).read_text() == f"{os.getpid()}\n"
        with pytest.raises(ValueError, match=rf"another process \({os.getpid()}\)"), hold_folder(tmp_path, False):
            pass
    assert not list(tmp_path.iterdir())


def test_where_the_file_system_has_no_locks_that_is_said_and_it_goes_on(tmp_path, monkeypatch, capsys, lang):
    def unlockable(held):
        raise OSError(38, "Function not implemented")

    monkeypatch.setattr(folders, "_lock_file", unlockable)
    with hold_folder(tmp_path, False):
        told = capsys.readouterr().err
    assert ("cannot lock files" if lang == "en" else "不支持文件锁") in told and told.count("\n") == 1


# --- what it remembers -----------------------------------------------------------------------------------------------------------

FIRST = '{"settings": '  # how a log begins
DAMAGED = {
    "none": None,
    "empty": "",
    "bytes": "\udcff\udcfe\0\0" * 50,
    "first line cut": lambda text: text[len(FIRST) + 5 :],
    "first line of another": lambda text: (
        '{"settings": {"data": "/nowhere.json", "num_epochs": 77}}\n' + text.split("\n", 1)[1]
    ),
    "last line cut": lambda text: text[:-20],
    "all lines twice": lambda text: text + text,
    "lines in disorder": lambda text: "\n".join(reversed(text.splitlines())),
    "other numbers": lambda text: text.replace('"loss": ', '"loss": 7'),
    "steps of another kind": lambda text: text.replace('"step": ', '"step": [{}], "was": '),
    "no object": lambda text: "[1]\n7\nnull\n" + "[" * 5000,
}


@pytest.mark.parametrize("damage", DAMAGED)
def test_whatever_happened_to_the_log_the_run_is_evaluated_and_gone_on_with_and_the_log_rebuilt(
    done, tmp_path, capsys, damage
):
    folder, file, change = tmp_path / "run", tmp_path / "run" / LOG, DAMAGED[damage]
    shutil.copytree(done, folder)
    if change is None:
        file.unlink()
    else:
        text = change(file.read_text("utf-8")) if callable(change) else change
        file.write_bytes(text.encode("utf-8", "surrogateescape"))
    assert recall_settings(folder) == recall_settings(done)
    assert script.main(["--resume", "--output", str(folder)]) == 0
    assert looks(folder) == looks(done)
    assert file.read_text("utf-8").splitlines()[0] == (done / LOG).read_text("utf-8").splitlines()[0]
    assert content(folder / CHECKPOINT) == content(done / CHECKPOINT)


def forget_settings(folder):
    """As an older version wrote the training, and with no log."""
    tensors, notes = read_tensors(folder / TRAINING)
    write_tensors(folder / TRAINING, tensors, {name: text for name, text in notes.items() if name != "settings"})
    return (folder / LOG).rename(folder / "log of old")


def test_a_run_of_an_older_version_goes_on_by_its_log_and_without_asks_for_its_options(album, done, tmp_path, capsys):
    folder = tmp_path / "run"
    shutil.copytree(done, folder)
    log = forget_settings(folder)
    assert script.main(["--resume", "--output", str(folder)]) == 1
    told = capsys.readouterr().err
    assert "does not say any more what its training was asked for: give --data" in told and told.count("\n") == 1
    assert script.main([*asked_for(album, folder, "--num_epochs", "1"), "--resume"]) == 0
    assert looks(folder) == looks(done)
    shutil.copy(log, folder / LOG)
    assert recall_settings(folder) == recall_settings(done)


@pytest.mark.parametrize(
    "content", [b"", b"\xff" * 8, b"\xff" * 100, (9).to_bytes(8, "little") + b'{"a": [1]', b"\2" + bytes(7) + b"[]"]
)
def test_a_file_that_is_no_tensors_has_no_notes(tmp_path, content):
    (tmp_path / TRAINING).write_bytes(content)
    assert folders.read_notes(tmp_path / TRAINING) == {} == recall_settings(tmp_path)


# --- killed at every write -------------------------------------------------------------------------------------------------------


class Death:
    """Counts every moment in which a process changes something in a folder, and kills it at one of them.

    Moments: before and after a file is opened to be written, in the middle of every write and after it, and before any
    other change of the folder (rename, remove, truncate, make or remove a folder). After one change is before the next.
    """

    def __init__(self, folder, moment):
        self.folder, self.moment, self.count, self.kinds = str(folder), moment, 0, Counter()
        plain = io.open

        def opened(file, mode="r", *how, **more):
            if not set(mode) & set("wax+") or not str(file).startswith(self.folder):
                return plain(file, mode, *how, **more)
            self.tick("open")
            stream = plain(file, mode, *how, **more)
            self.tick("opened")
            return Torn(stream, self)

        io.open = builtins.open = opened
        sys.addaudithook(self.hear)

    def hear(self, event, arguments):
        if event in ("os.rename", "os.remove", "os.truncate", "os.mkdir", "os.rmdir"):
            if str(arguments[0]).startswith(self.folder):
                self.tick(event)

    def tick(self, kind):
        self.count += 1
        self.kinds[kind] += 1
        if self.count == self.moment:
            os.kill(os.getpid(), signal.SIGKILL)


class Torn:
    """A file whose every write may end in its middle."""

    def __init__(self, stream, death):
        self.stream, self.death = stream, death

    def __getattr__(self, name):
        return getattr(self.stream, name)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stream.close()

    def write(self, data):
        half = len(data) // 2
        for part in (data[:half], data[half:]):
            self.stream.write(part)
            self.stream.flush()
            self.death.tick("write")
        return len(data)

    def truncate(self, *size):
        self.death.tick("truncate")
        return self.stream.truncate(*size)


def die_at_every_write(place, report, evaluations):
    """In a process of its own, which makes everything ready once and forks: writes what it saw as JSON.

    For every moment of an unbroken run: what a kill there leaves, and how far from unbroken it ends when it is gone on
    with. Then the same for every moment of a run that goes on.
    """
    torch.set_num_threads(1)
    album, how = drawn_album(place / "few", 5), ["--num_epochs", "2", "--batch_size", "4"]
    ready = run.prepare_run(read_options(asked_for(album, place / "ready", *how)), AccelerateGroup())
    run.prepare_run = lambda *_: ready
    run.show.measure_and_describe = run.show_ablations = run.show.describe_best = lambda *_: ((0, 0), [])
    log.draw_losses = lambda entries, file: file.write_bytes(json.dumps(entries).encode())  # as ever, but in no time

    def attempt(folder, moment=0):
        """(signal or exit status, {kind of moment: how many}) of a run in the folder, which goes on if there is one."""
        resume = (folder / TRAINING).exists()
        told = place / "told.json"
        if not (child := os.fork()):
            with open(place / "printed", "a") as sys.stdout:
                sys.stderr = sys.stdout
                arguments = ["--resume", "--output", str(folder)] if resume else asked_for(album, folder, *how)
                config = replace(read_options(arguments), evaluations=evaluations)
                death = Death(folder, moment)
                status = run.run_config(config)
            told.write_text(json.dumps(death.kinds))
            os._exit(status)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        return status, {} if status else json.loads(told.read_text())

    def state(folder):
        names = sorted(file.name for file in folder.iterdir())
        assert len(json.loads((folder / CURVE).read_text())) == len(looks(folder))
        return names, looks(folder), content(folder / CHECKPOINT), recall_settings(folder)

    whole, seen = place / "unbroken", {}
    for kind, begun in (("begun", None), ("gone on with", place / "half")):
        shutil.copytree(begun, whole) if begun else None
        status, moments = attempt(whole)
        found, count = [], sum(moments.values())
        for moment in range(1, count + 1):
            folder = place / "killed"
            shutil.copytree(begun, folder) if begun else None
            killed, _ = attempt(folder, moment)
            names = [file.name for file in folder.iterdir()] if folder.exists() else []
            left = sorted(re.sub(r"\.\d+\.part$", ".part", name) for name in names)
            if not begun and LOG not in left and TRAINING in left and not (place / "half").exists():
                shutil.copytree(folder, place / "half")  # the worst of all: no log, and nearly all still to come
            ended, _ = attempt(folder)
            found.append([killed, left, ended, ended == 0 and state(folder) == state(whole)])
            shutil.rmtree(folder)
        seen[kind] = [status, moments, found]
        shutil.rmtree(whole)
    Path(report).write_text(json.dumps(seen))


@needs_fork
@pytest.mark.parametrize("evaluations", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_killed_at_any_write_of_any_save_it_begins_or_goes_on_and_ends_as_if_unbroken(
    tmp_path, processes, measured, evaluations
):
    begun = time.monotonic()
    process = processes.Process(target=die_at_every_write, args=(tmp_path, tmp_path / "report.json", evaluations))
    process.start()
    process.join()
    printed = (tmp_path / "printed").read_text() if (tmp_path / "printed").exists() else ""
    assert process.exitcode == 0, printed[-500:]
    seen = json.loads((tmp_path / "report.json").read_text())
    for kind, (status, moments, found) in seen.items():
        assert status == 0 and len(found) == sum(moments.values()) > 30
        assert moments["os.rename"] >= 4 and moments["write"] >= 10, moments
        faults = [
            (number, *one) for number, one in enumerate(found, 1) if one[0] != -signal.SIGKILL or one[2:] != [0, True]
        ]
        assert faults == [], (kind, faults[:3], printed[-500:])
        measured.append(f"a run {kind}, killed at {len(found)} of {len(found)} moments: {moments}")
    lefts = {tuple(left) for _, _, found in seen.values() for _, left, _, _ in found}
    assert any(TRAINING in left and LOG not in left for left in lefts), "also between the two"
    measured.append(f"    {len(lefts)} kinds of folder left behind, {time.monotonic() - begun:.0f} s")
