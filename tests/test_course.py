"""The one command, with a pretended pip and JupyterLab: no network, nothing installed."""

import errno
import json
import os
import shutil
import socket
import subprocess
import sys
import threading
from collections import namedtuple

import pytest

import course

EN = course.speaker("en")
DiskUsage = namedtuple("DiskUsage", "total used free")


def notebook(text):
    """One cell of code that has been run."""
    cell = {
        "cell_type": "code",
        "source": text,
        "execution_count": 1,
        "outputs": [{"text": "the answer"}],
        "metadata": {},
    }
    return json.dumps({"cells": [cell], "metadata": {}, "nbformat": 4, "nbformat_minor": 5})


@pytest.fixture
def house(tmp_path, monkeypatch):
    """A small copy of the course in a temporary folder, on a machine with plenty of disk."""
    (tmp_path / "constraints").mkdir()
    (tmp_path / "requirements.txt").write_text("# models\ntorch>=2.6\n\nnumpy>=2.1,<3  # arrays\n")
    (tmp_path / "constraints/tested.txt").write_text("# exact\nnumpy==2.4.6\ntorch==2.13.0\n")
    for lang in ("en", "zh"):
        (tmp_path / "notebooks" / lang).mkdir(parents=True)
        (tmp_path / "notebooks" / lang / "00_start_here.ipynb").write_text(notebook(f"lesson 00 in {lang}"))
    monkeypatch.setattr(course, "ROOT", tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: DiskUsage(10**12, 0, 10**12))
    return tmp_path


@pytest.fixture
def pip_calls(house, monkeypatch):
    """Pretends to make .venv and to install; returns what pip was asked for."""
    calls = []

    def make_venv(place):
        course.venv(place).mkdir(parents=True)
        course.install_log(place).write_text("")
        calls.append(f"new {place.folder}")

    monkeypatch.setattr(course, "make_venv", make_venv)
    monkeypatch.setattr(course, "pip", lambda arguments, progress, place: calls.append(arguments))
    monkeypatch.setattr(course, "torch_index", lambda: [])
    monkeypatch.setattr(course, "venv_python_version", lambda place: "3.12")
    return calls


class Child:
    """Pretends to be a process: notes how it was started, and ends with 3."""

    started = []

    def __init__(self, command, env=None, **options):
        self.started.append((command, env))

    def poll(self):
        return None

    def wait(self, timeout=None):
        return 3

    terminate = kill = wait


@pytest.fixture
def children(monkeypatch):
    """Pretends to start processes; returns (command, environment) of each."""
    monkeypatch.setattr(Child, "started", [])
    monkeypatch.setattr(subprocess, "Popen", Child)
    return Child.started


def run(capsys, *argv):
    """Exit status and everything that was said."""
    code = course.main(list(argv))
    out, err = capsys.readouterr()
    return code, out + err


def one_sentence(text):
    return text.count("\n") == 1 and text.endswith(".\n") and "Traceback" not in text


# Language


@pytest.mark.parametrize(
    ("variables", "lang"),
    [
        ({"LANG": "zh_CN.UTF-8"}, "zh"),
        ({"LANG": "zh_TW"}, "zh"),
        ({"LANG": "en_GB.UTF-8"}, "en"),
        ({"LANG": "de_DE.UTF-8"}, "en"),
        ({"LANG": "en_US.UTF-8", "LC_ALL": "zh_CN.UTF-8"}, "zh"),
        ({"LANG": "en_US.UTF-8", "LANGUAGE": "zh_CN:en"}, "zh"),
    ],
)
def test_the_language_is_that_of_the_locale(monkeypatch, variables, lang):
    for name in ("LANGUAGE", "LC_ALL", "LC_MESSAGES", "LANG"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert course.locale_language() == lang


@pytest.mark.parametrize("variables", [{}, {"LANG": "C.UTF-8"}, {"LC_ALL": "POSIX"}])
def test_where_the_locale_says_nothing_the_desktop_is_asked(monkeypatch, variables):
    for name in ("LANGUAGE", "LC_ALL", "LC_MESSAGES", "LANG"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(course, "system_speaks_chinese", lambda: True)
    assert course.locale_language() == "zh"


def test_macos_keeps_its_language_in_its_defaults(monkeypatch):
    answer = '(\n    "zh-Hans-CN",\n    "en-CN"\n)\n'
    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setattr(subprocess, "run", lambda *a, **k: subprocess.CompletedProcess(a, 0, stdout=answer))
    assert course.system_speaks_chinese()


def test_problems_are_told_in_the_language_asked_for(house, capsys, monkeypatch):
    shutil.rmtree(house / "notebooks")
    monkeypatch.setattr(course, "console_speaker", course.speaker)
    assert "课程" in run(capsys, "lab", "--here", "--lang", "zh")[1]
    assert "There are no lessons" in run(capsys, "lab", "--here", "--lang", "en")[1]


@pytest.mark.parametrize("verb", ["doctor", "lab"])
def test_a_console_without_chinese_gets_english_and_no_crash(verb):
    """On Windows a redirected output is often cp1252."""
    environment = {**os.environ, "PYTHONIOENCODING": "cp1252"}
    command = [
        sys.executable,
        course.__file__,
        verb,
        "--lang",
        "zh",
        *(["--port", "1x"] if verb == "lab" else ["--here"]),
    ]
    child = subprocess.run(command, capture_output=True, env=environment)
    assert b"Traceback" not in child.stderr
    assert b"???" not in child.stdout


# Installing


def test_a_fresh_clone_installs_pytorch_first_and_then_the_rest_both_with_the_tested_versions(house, pip_calls):
    assert course.installation() == "missing"
    course.install("JupyterLab", EN)
    assert pip_calls == [
        "new .venv",
        ["torch", "-c", "constraints/tested.txt"],
        ["-r", "requirements.txt", "-c", "constraints/tested.txt"],
    ]
    assert course.installation() == "complete"


def test_the_steps_are_counted(house, pip_calls, capsys):
    course.install("JupyterLab", EN)
    assert [line[:3] for line in capsys.readouterr().out.splitlines()] == ["1/4", "2/4", "3/4", "4/4"]


def test_a_second_start_installs_nothing_and_says_nothing(house, pip_calls, capsys):
    course.install("JupyterLab", EN)
    pip_calls.clear()
    capsys.readouterr()
    course.install("JupyterLab", EN)
    assert pip_calls == []
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("name", ["requirements.txt", "constraints/tested.txt"])
def test_a_changed_requirement_is_installed_into_the_same_venv(house, pip_calls, name):
    course.install("JupyterLab", EN)
    pip_calls.clear()
    (house / name).write_text("numpy==2.4.7\n")
    assert course.installation() == "changed"
    course.install("JupyterLab", EN)
    assert "new .venv" not in pip_calls
    assert len(pip_calls) == 2
    assert course.installation() == "complete"


def test_an_installation_broken_off_is_noticed_and_made_anew(house, pip_calls, monkeypatch):
    finished = course.pip

    def broken_off(arguments, progress, place):
        raise KeyboardInterrupt

    monkeypatch.setattr(course, "pip", broken_off)
    with pytest.raises(KeyboardInterrupt):
        course.install("JupyterLab", EN)
    (house / ".venv/half-written").write_text("")
    assert course.installation() == "broken"

    monkeypatch.setattr(course, "pip", finished)
    course.install("JupyterLab", EN)
    assert not (house / ".venv/half-written").exists()
    assert course.installation() == "complete"


def test_a_change_broken_off_is_noticed_too(house, pip_calls, monkeypatch):
    course.install("JupyterLab", EN)
    (house / "requirements.txt").write_text("torch>=2.7\n")
    monkeypatch.setattr(course, "pip", lambda arguments, progress, place: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        course.install("JupyterLab", EN)
    assert course.installation() == "broken"


def test_a_venv_whose_python_has_gone_is_made_anew(house, pip_calls, monkeypatch):
    course.install("JupyterLab", EN)
    monkeypatch.setattr(course, "venv_python_version", lambda place: None)
    assert course.installation() == "broken"


def test_another_environment_has_a_folder_and_lists_of_its_own(house, pip_calls):
    twin = course.Environment(".venvs/twin", "constraints/twin.txt", "constraints/twin.txt")
    (house / "constraints/twin.txt").write_text("numpy==2.1.3\n")
    course.install("the tests", EN, twin)
    assert pip_calls == [
        "new .venvs/twin",
        ["torch", "-c", "constraints/twin.txt"],
        ["-r", "constraints/twin.txt", "-c", "constraints/twin.txt"],
    ]
    assert (course.installation(twin), course.installation()) == ("complete", "missing")
    (house / "requirements.txt").write_text("torch>=2.7\n")
    assert course.installation(twin) == "complete"
    (house / "constraints/twin.txt").write_text("numpy==2.1.2\n")
    assert course.installation(twin) == "changed"


def test_somebody_elses_venv_is_not_removed(house, pip_calls, capsys):
    (house / ".venv").mkdir()
    (house / ".venv/pyvenv.cfg").write_text("")
    code, said = run(capsys, "lab", "--lang", "en")
    assert code == 1
    assert "was not made by course.py: rename it" in said
    assert (house / ".venv/pyvenv.cfg").exists()


def test_progress_counts_packages_and_shows_the_download(house):
    progress = course.Progress()
    progress.read("Collecting numpy<3,>=2.1 (from -r requirements.txt (line 4))\n")
    progress.read("  Downloading https://a.org/whl/torch-2.13.0%2Bcpu-cp312-linux_x86_64.whl (190.1 MB)\n")
    progress.read("Progress 50 of 200\n")
    assert progress.text() == "    1/2 · torch-2.13.0+cpu 190.1 MB 25% · 0:00"
    progress.read("Requirement already satisfied: NumPy in ./lib\n")
    progress.read("Processing /opt/wheels/torch-2.13.0+cpu-cp311-cp311-linux_x86_64.whl (from torch)\n")
    progress.read("Installing collected packages: numpy, torch\n")
    assert progress.text() == "    2/2 · unpacking 2 packages · 正在解压 2 个包 · 0:00"


# PyTorch's CPU builds


def torch_index(monkeypatch, system="linux", gpu=False, answers=True):
    monkeypatch.setattr(sys, "platform", system)
    monkeypatch.setattr(course, "has_nvidia_gpu", lambda: gpu)
    monkeypatch.setattr(course, "answers", lambda url, seconds: answers and seconds == 2)
    return course.torch_index()


def test_linux_without_gpu_takes_the_cpu_build_where_its_index_answers(monkeypatch):
    assert torch_index(monkeypatch) == ["--extra-index-url", "https://download.pytorch.org/whl/cpu"]


def test_elsewhere_pip_takes_what_it_finds(monkeypatch):
    assert torch_index(monkeypatch, answers=False) == []
    assert torch_index(monkeypatch, gpu=True) == []
    assert torch_index(monkeypatch, system="darwin") == []
    assert torch_index(monkeypatch, system="win32") == []


def test_an_index_that_keeps_silent_is_given_up_in_time():
    with socket.create_server(("127.0.0.1", 0)) as silent:
        assert not course.answers(f"http://127.0.0.1:{silent.getsockname()[1]}/", seconds=0.2)
    assert not course.answers("https://example.org", seconds=30)


def test_an_index_that_answers_is_heard():
    def answer():
        connection, _ = server.accept()
        with connection:
            connection.recv(1000)
            connection.sendall(b"HTTP/1.0 200 OK\r\n\r\n")

    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=answer, daemon=True).start()
        assert course.answers(f"http://127.0.0.1:{server.getsockname()[1]}/", seconds=30)


# What the person can put right, in one sentence


@pytest.mark.parametrize("verb", ["lab", "test", "build", "doctor"])
def test_an_old_python_is_told_which_one_is_needed(capsys, monkeypatch, verb):
    monkeypatch.setattr(sys, "version_info", (3, 8, 18))
    code, said = run(capsys, verb)
    assert code == 1
    assert one_sentence(said)
    assert "needs Python 3.11 or newer" in said


def test_an_old_python_can_read_course_py():
    import ast

    with open(course.__file__, encoding="utf-8") as source:
        ast.parse(source.read(), feature_version=(3, 8))


def test_a_full_disk_is_noticed_before_anything_is_installed(house, pip_calls, capsys, monkeypatch):
    monkeypatch.setattr(course, "has_nvidia_gpu", lambda: False)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: DiskUsage(10**12, 0, 2 * course.GB))
    code, said = run(capsys, "lab", "--lang", "en")
    assert code == 1
    assert said == "The packages need 4 GB and this disk has 2.0 GB free: make room and start again.\n"
    assert pip_calls == []


def test_a_busy_port_is_named_before_anything_is_installed(house, pip_calls, capsys):
    with socket.create_server(("127.0.0.1", 0)) as busy:
        port = busy.getsockname()[1]
        code, said = run(capsys, "lab", "--lang", "en", "--port", str(port))
    assert code == 1
    assert said == f"Port {port} is in use or not allowed: choose another with --port N.\n"
    assert pip_calls == []


def test_without_a_wish_the_first_free_port_is_taken(monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as busy:
        port = busy.getsockname()[1]
        monkeypatch.setattr(course, "FIRST_PORT", port)
        assert course.free_port(None) > port


@pytest.mark.parametrize(
    ("output", "sentence"),
    [
        ("NewConnectionError: [Errno -3] Temporary failure in name resolution\nERROR: No matching distribution found for torch", "connect to the internet, or set a mirror"),
        ("(Caused by ProxyError('Unable to connect to proxy'))", "connect to the internet, or set a mirror"),
        ("ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device", "make room"),
        ("ERROR: No matching distribution found for torch==2.13.0", "There is no torch==2.13.0 for Python"),
    ],
)  # fmt: skip
def test_what_pip_complains_about_becomes_advice(output, sentence, capsys):
    problem = course.pip_problem(output)
    assert sentence in str(problem)
    assert capsys.readouterr().err == ""


def test_another_failure_of_pip_shows_its_last_words_and_names_the_log(house, capsys):
    problem = course.pip_problem("very long ago\n" * 1000 + "error: a compiler is missing")
    shown = capsys.readouterr().err
    assert shown.endswith("a compiler is missing\n")
    assert len(shown) < 3000
    assert str(house / ".venv/install.log") in str(problem)


# lab


def test_lessons_are_copied_once_and_a_learners_copy_is_never_overwritten(house):
    assert course.copy_lessons("en", EN).as_posix() == "work/en/00_start_here.ipynb"
    mine = house / "work/en/00_start_here.ipynb"
    mine.write_text("my own work")
    (house / "notebooks/en/01_inside_clip.ipynb").write_text(notebook("lesson 01"))
    assert course.copy_lessons("en", EN).as_posix() == "work/en/00_start_here.ipynb"
    assert mine.read_text() == "my own work"
    assert sorted(path.name for path in (house / "work/en").iterdir()) == [
        "00_start_here.ipynb",
        "01_inside_clip.ipynb",
    ]


def test_a_copy_holds_the_lesson_without_its_answers(house):
    copy = json.loads((house / course.copy_lessons("en", EN)).read_text())
    (cell,) = copy["cells"]
    assert cell["source"] == "lesson 00 in en" and cell["outputs"] == [] and cell["execution_count"] is None
    assert "the answer" in (house / "notebooks/en/00_start_here.ipynb").read_text()


def test_a_learner_whose_copy_is_older_than_the_lesson_is_told_how_to_get_the_new_one(house, capsys):
    copy = house / course.copy_lessons("en", EN)
    ran = json.loads(copy.read_text())
    ran["cells"][0]["source"] += "  # my own idea"
    copy.write_text(json.dumps(ran))
    course.copy_lessons("en", EN)
    assert "has changed since" not in capsys.readouterr().out
    (house / "notebooks/en/00_start_here.ipynb").write_text(notebook("a better lesson"))
    course.copy_lessons("en", EN)
    assert "rename or delete yours" in capsys.readouterr().out
    assert "my own idea" in copy.read_text()


@pytest.fixture
def served(house, pip_calls, monkeypatch):
    """Pretends to serve; returns what was to be served."""
    calls = []
    monkeypatch.setattr(course, "serve", lambda *arguments: calls.append(arguments) or 0)
    return calls


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_lab_opens_lesson_00_in_the_language_of_the_locale_or_the_option(house, served, capsys, monkeypatch, lang):
    for argv, locale in (["lab"], lang), (["lab", "--lang", lang], "en"):
        monkeypatch.setattr(course, "locale_language", lambda locale=locale: locale)
        assert run(capsys, *argv)[0] == 0
        assert served[-1][1].as_posix() == f"work/{lang}/00_start_here.ipynb"
        assert f"lesson 00 in {lang}" in (house / f"work/{lang}/00_start_here.ipynb").read_text()


def test_lab_passes_port_and_browser_on(served, capsys):
    free = course.free_port(None)
    run(capsys, "lab", "--port", str(free), "--no-browser")
    assert served[-1][2:4] == (free, False)
    run(capsys, "lab")
    assert served[-1][3] is True


def test_jupyterlab_is_quiet_local_and_knows_where_helpers_are(house, children, monkeypatch, capsys):
    monkeypatch.setattr(course, "answers", lambda url, seconds: True)
    monkeypatch.setenv("PYTHONPATH", "before")
    assert course.serve("python", course.Path("work/en/00_start_here.ipynb"), 9123, False, EN) == 3
    command, environment = children[0]
    assert "--ServerApp.ip=127.0.0.1" in command
    assert "--no-browser" in command
    assert course.LARGE_MESSAGES in command  # tests/browser chooses a picture file of 12 MB
    assert environment["PYTHONPATH"] == f"{house}{os.pathsep}before"
    settings = (house / "work/.jupyter/labconfig/page_config.json").read_text()
    assert "announcements" in settings
    assert "http://127.0.0.1:9123/lab/tree/work/en/00_start_here.ipynb?token=" in capsys.readouterr().out


def test_a_stranger_on_the_port_is_not_taken_for_our_jupyterlab(house, children, monkeypatch, capsys):
    """Its server answers, but not to our token; ours ends, since the port is taken."""
    asked = []
    monkeypatch.setattr(course, "answers", lambda url, seconds: asked.append(url))
    ends = iter([None, None, 1])
    monkeypatch.setattr(Child, "poll", lambda self: next(ends, 1))
    with pytest.raises(course.Problem, match="JupyterLab did not start"):
        course.serve("python", course.Path("work/en/00_start_here.ipynb"), 9123, False, EN)
    assert all(children[0][1]["JUPYTER_TOKEN"] in url for url in asked) and asked
    assert "http" not in capsys.readouterr().out


def test_the_port_is_chosen_after_the_minutes_of_installing(house, served, monkeypatch, capsys):
    done = []
    monkeypatch.setattr(course, "ready", lambda *arguments: done.append("installed") or "python")
    monkeypatch.setattr(course, "free_port", lambda wanted: done.append("port") or 8890)
    run(capsys, "lab")
    assert done == ["installed", "port"] and served[-1][2] == 8890


def test_a_jupyterlab_that_does_not_start_is_told(house, children, monkeypatch):
    monkeypatch.setattr(Child, "poll", lambda self: 1)
    with pytest.raises(course.Problem, match="JupyterLab did not start"):
        course.serve("python", course.Path("work/en/00_start_here.ipynb"), 9123, False, EN)


# --here


@pytest.mark.parametrize("verb", ["lab", "test", "build"])
def test_here_uses_the_running_python_and_installs_nothing(house, pip_calls, children, capsys, monkeypatch, verb):
    monkeypatch.setattr(course.importlib.util, "find_spec", lambda name: object())
    monkeypatch.setattr(course, "answers", lambda url, seconds: True)
    assert run(capsys, verb, "--here")[0] == 3
    assert children[0][0][0] == sys.executable
    assert pip_calls == []
    assert not (house / ".venv").exists()


def test_here_says_what_the_running_python_lacks(house, capsys, monkeypatch):
    monkeypatch.setattr(course.importlib.util, "find_spec", lambda name: None if name == "jupyterlab" else object())
    code, said = run(capsys, "lab", "--here", "--lang", "en")
    assert code == 1
    assert said.startswith("This Python has no jupyterlab: python -m pip install -r requirements.txt")


# test


def arguments_of(pytest_run):
    command, _ = pytest_run
    assert command[1:3] == ["-m", "pytest"]
    return command[3:]


def test_the_tests_and_all_notebooks_run_and_their_status_is_ours(house, pip_calls, children, capsys):
    assert run(capsys, "test")[0] == 3
    assert arguments_of(children[0]) == ["--nbval-lax", "tests", "notebooks"]


def test_as_long_as_there_are_no_notebooks_the_tests_run_alone(house, pip_calls, children, capsys):
    shutil.rmtree(house / "notebooks")
    run(capsys, "test")
    assert arguments_of(children[0]) == ["--nbval-lax", "tests"]


def test_all_runs_the_slow_proofs_too_and_then_the_notebooks_with_colabs_versions(pip_calls, children, capsys):
    assert run(capsys, "test", "--all", "--lang", "zh")[0] == 3
    assert arguments_of(children[0]) == ["--nbval-lax", "-m", "", "tests", "notebooks"]
    assert [command[1:] for command, _ in children[1:]] == [["tests/versions.py", "colab", "notebooks", "--lang", "zh"]]


@pytest.mark.parametrize(("statuses", "expected"), [((0, 0), 0), ((0, 1), 1), ((1, 0), 1), ((2, 1), 2)])
def test_all_fails_if_either_part_does(house, pip_calls, capsys, monkeypatch, statuses, expected):
    left = iter(statuses)
    monkeypatch.setattr(course, "attend", lambda command: next(left))
    assert run(capsys, "test", "--all")[0] == expected
    assert list(left) == []


@pytest.mark.parametrize(
    "arguments", [["--all", "--here"], ["--all", "-k", "tower"], ["--all", "--co"], ["-x"], []], ids=" ".join
)
def test_here_a_choice_of_tests_and_test_alone_make_no_other_environment(house, pip_calls, children, capsys, arguments):
    run(capsys, "test", *arguments)
    assert len(children) == 1


def test_other_arguments_go_to_pytest(pip_calls, children, capsys):
    run(capsys, "test", "-x", "-k", "notebooks", "--durations=5")
    assert arguments_of(children[0]) == ["--nbval-lax", "-x", "-k", "notebooks", "--durations=5", "tests", "notebooks"]


@pytest.mark.parametrize("path", ["notebooks/zh", "notebooks/en/00_start_here.ipynb::Cell 1"])
def test_a_path_is_run_instead_of_everything(pip_calls, children, capsys, path):
    run(capsys, "test", path, "-q")
    assert arguments_of(children[0]) == ["--nbval-lax", path, "-q"]


@pytest.mark.parametrize("verb", ["lab", "build"])
def test_only_test_takes_unknown_arguments(capsys, verb):
    with pytest.raises(SystemExit) as stopped:
        course.main([verb, "--prot=9000"])
    assert stopped.value.code == 2
    assert "does not know --prot=9000" in capsys.readouterr().err


# build


@pytest.mark.parametrize(
    "arguments", [[], ["--check"], ["--all"], ["--check", "--all", "00_start_here", "02b"]], ids=" ".join
)
def test_build_py_runs_in_venv_with_the_same_arguments_and_its_status_is_ours(
    house, pip_calls, children, capsys, arguments
):
    assert run(capsys, "build", *arguments, "--lang", "zh")[0] == 3
    assert children[0][0] == [str(course.venv_python()), "-m", "lessons.build", *arguments]
    assert course.installation() == "complete"


def test_build_says_in_whose_language_the_set_for_a_class_is_told(house, pip_calls, children, capsys):
    assert run(capsys, "build", "--no-solutions", "00", "--lang", "zh")[0] == 3
    assert children[0][0][1:] == ["-m", "lessons.build", "--no-solutions", "--lang", "zh", "00"]


def test_here_says_what_build_lacks(house, capsys, monkeypatch):
    monkeypatch.setattr(course.importlib.util, "find_spec", lambda name: None if name == "jupytext" else object())
    code, said = run(capsys, "build", "--here", "--lang", "en")
    assert (code, said[:28]) == (1, "This Python has no jupytext:")


def test_every_package_of_one_verb_only_is_a_requirement():
    assert set(course.ONLY_FOR) < set(course.requirements())


# doctor


@pytest.mark.parametrize(
    ("version", "supported", "expected"),
    [
        ("2.13.0+cpu", ">=2.6", True),
        ("2.5.1", ">=2.6", False),
        ("2.13.0", ">=2.6", True),  # thirteen, not one-three
        ("4.57.3", ">=4.57,<6", True),
        ("4.57", ">=4.57.0,<6", True),
        ("6.0.0", ">=4.57,<6", False),
        ("6.0.0rc1", ">=4.57,<6", False),
        ("6.31.0", ">=6.17, <7", True),
        ("1.0", "==1.0.0", True),
        ("1.0.1", "!=1.0", True),
        ("1.0", ">1.0", False),
        ("1.0", "<=1.0", True),
        ("3.1", "", True),
    ],
)
def test_a_version_lies_in_its_range_or_not(version, supported, expected):
    assert course.satisfies(version, supported) is expected


def test_a_range_that_we_cannot_read_is_an_error():
    with pytest.raises(ValueError, match="~=1.0"):
        course.satisfies("1.0", "~=1.0")


def test_every_range_in_requirements_can_be_read():
    assert all(course.satisfies("0", supported) is False for supported in course.requirements().values())


def test_every_requirement_has_a_tested_version_within_its_range():
    lines = (course.ROOT / "constraints/tested.txt").read_text().splitlines()
    tested = dict(line.split("==") for line in lines if not line.startswith("#"))
    assert tested["torch"] == "2.13.0"
    assert all(course.satisfies(tested[name], supported) for name, supported in course.requirements().items())


@pytest.fixture
def packages(house):
    """A folder with numpy and torch as installed packages, as the doctor sees them."""
    for name, version in ("numpy", "2.4.6"), ("torch", "2.13.0+cpu"):
        info = house / "site" / f"{name}-{version}.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        (info / "RECORD").write_text(f"{name}/__init__.py,,\n")
        (house / "site" / name).mkdir()
        (house / "site" / name / "__init__.py").write_text("")
    return house / "site"


def failures(rows):
    assert all(row.advice for row in rows if not row.ok)
    return [(row.what, row.found) for row in rows if not row.ok]


def test_good_packages_are_ok_with_their_version(packages):
    rows = course.package_rows([str(packages)], EN)
    assert [(row.what, row.ok, row.found) for row in rows] == [("torch", True, "2.13.0+cpu"), ("numpy", True, "2.4.6")]


def test_a_wrong_version_fails_with_the_supported_range(house, packages):
    (house / "requirements.txt").write_text("torch>=2.14\nnumpy>=2.1\n")
    assert failures(course.package_rows([str(packages)], EN)) == [("torch", "2.13.0+cpu, supported is >=2.14")]


def test_a_missing_package_fails(packages):
    shutil.rmtree(packages / "numpy-2.4.6.dist-info")
    assert failures(course.package_rows([str(packages)], EN)) == [("numpy", "not installed")]


def test_a_package_that_lost_its_files_fails(packages):
    shutil.rmtree(packages / "torch")
    assert failures(course.package_rows([str(packages)], EN)) == [("torch", "2.13.0+cpu, files are missing")]


def test_in_a_running_environment_what_only_lab_and_test_need_may_be_missing(house, monkeypatch):
    (house / "requirements.txt").write_text("no-such-lab-package>=1\nno-such-package>=1\n")
    monkeypatch.setitem(course.ONLY_FOR, "no-such-lab-package", "course.py lab")
    assert failures(course.package_rows(None, EN)) == [("no-such-package", "not installed")]


@pytest.fixture
def data(house):
    (house / "data/pocket-clip").mkdir(parents=True)
    (house / "data/pocket-clip/model.safetensors").write_bytes(b"weights")
    (house / "data/pocket-clip/config.json").write_bytes(b"{}")
    course.record_data()
    return house / "data"


def test_recorded_hashes_are_in_the_format_of_sha256sum(data):
    lines = (data / "SHA256SUMS").read_bytes().decode().split("\n")
    assert lines == [
        "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a  data/pocket-clip/config.json",
        f"{course.hashlib.sha256(b'weights').hexdigest()}  data/pocket-clip/model.safetensors",
        "",
    ]


def test_good_data_is_one_row_a_folder(data):
    assert [row[:3] for row in course.data_rows(EN)] == [("data/pocket-clip", True, "2 files")]


def test_a_missing_file_fails(data):
    (data / "pocket-clip/config.json").unlink()
    assert failures(course.data_rows(EN)) == [("data/pocket-clip/config.json", "missing")]


def test_a_corrupted_file_fails(data):
    (data / "pocket-clip/model.safetensors").write_bytes(b"veights")
    rows = course.data_rows(EN)
    assert failures(rows) == [("data/pocket-clip/model.safetensors", "differs from what was published")]
    assert "git checkout -- data/pocket-clip/model.safetensors" in rows[-1].advice


def test_data_without_recorded_hashes_fails(house):
    assert failures(course.data_rows(EN)) == [("data", "data/SHA256SUMS is missing")]


def test_too_little_memory_and_disk_fail(house, monkeypatch):
    monkeypatch.setattr(course, "memory_bytes", lambda: course.GB)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: DiskUsage(10**12, 0, course.GB // 2))
    assert failures([course.memory_row(EN)]) == [("memory", "1.0 GB")]
    assert failures([course.disk_row(True, EN)]) == [("disk", "0.5 GB free")]


def test_no_gpu_is_no_failure(monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda name: None)
    monkeypatch.setattr(sys, "platform", "linux")
    assert course.gpu_row(EN).ok


def test_without_a_venv_the_doctor_says_what_to_do_and_installs_nothing(house, data, pip_calls, capsys):
    code, said = run(capsys, "doctor", "--lang", "en")
    assert code == 1
    assert "FAIL  .venv" in said
    assert "-> python course.py lab installs the packages" in said
    assert pip_calls == []
    assert not (house / ".venv").exists()


def test_where_all_is_well_the_doctor_exits_with_0(house, data, pip_calls, packages, capsys, monkeypatch):
    course.install("JupyterLab", EN)
    monkeypatch.setattr(course, "venv_folders", lambda: [str(packages)])
    code, said = run(capsys, "doctor", "--lang", "en")
    assert (code, "FAIL" in said) == (0, False)


def test_the_checks_can_be_asked_for_in_either_language(house, data):
    english, chinese = course.checks("en"), course.checks("zh")
    assert [row.ok for row in english] == [row.ok for row in chinese]
    assert "内存" in [row.what for row in chinese]


# Stopping


def test_ctrl_c_ends_with_one_line_and_status_130(house, pip_calls, capsys, monkeypatch):
    def interrupted(arguments, progress, place):
        raise KeyboardInterrupt

    monkeypatch.setattr(course, "pip", interrupted)
    code, said = run(capsys, "lab", "--lang", "en")
    assert code == 130
    assert said.endswith("\nStopped.\n")


@pytest.mark.skipif(sys.platform == "win32", reason="the signals are those of Unix")
def test_a_child_that_ignores_polite_requests_is_ended(monkeypatch):
    stubborn = (
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('on', flush=True); time.sleep(60)"
    )
    child = subprocess.Popen([sys.executable, "-c", stubborn], stdout=subprocess.PIPE)
    child.stdout.readline()
    wait = child.wait
    monkeypatch.setattr(child, "wait", lambda timeout=None: wait(timeout and 0.2))
    course.stop(child)
    assert child.poll() is not None


def test_a_locked_venv_is_told_in_one_sentence(house, pip_calls, capsys, monkeypatch):
    course.install("JupyterLab", EN)
    course.stamp().unlink()

    def locked(path):
        raise OSError(errno.EACCES, "in use", str(path))

    monkeypatch.setattr(shutil, "rmtree", locked)
    code, said = run(capsys, "lab", "--lang", "en")
    assert code == 1
    assert "close JupyterLab and whatever else uses it" in said
