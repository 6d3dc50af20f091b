"""The one command, run as anybody runs it, in small copies of the course whose packages are wheels of a few lines: no network."""

import ast
import hashlib
import http.server
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import zipfile
from collections import namedtuple
from pathlib import Path

import pytest
from strange import obey_modes

import course
from tools import console, doctor, install, lab, processes, versions

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the signals are those of Unix")
EN = console.speaker("en")
ROOT = console.ROOT
OLD_PYTHONS_READ = ("course.py", "tools/__init__.py", "tools/console.py")
KNOWN_TO_3_6 = set("argparse errno os pathlib platform re signal subprocess sys tools typing unicodedata".split())
DiskUsage = namedtuple("DiskUsage", "total used free")

# What stands in for pytest, tools/build.py and tools/versions.py: it says how it was called and ends as it is told to.
ECHO = """import os, sys
print("ran", sys.prefix, *sys.argv, flush=True)
sys.exit(int(os.environ.get("STATUS", 3)))
"""
# And for JupyterLab: a server that answers to its token alone, and then ends as it is told to, or stays.
JUPYTERLAB = """import http.server, os, pathlib, sys
class Status(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.server.asked = self.path == "/api/status?token=" + os.environ["JUPYTER_TOKEN"]
        self.send_response(200 if self.server.asked else 403)
        self.end_headers()
port = next(int(word.partition("=")[2]) for word in sys.argv if word.startswith("--ServerApp.port="))
server = http.server.HTTPServer(("127.0.0.1", port), Status)
server.asked = False
settings = pathlib.Path(os.environ["JUPYTER_CONFIG_PATH"].split(os.pathsep)[0]) / "labconfig/page_config.json"
print(*sys.argv[1:], "path=" + os.environ["PYTHONPATH"], settings.read_text(), flush=True)
while not server.asked or "STATUS" not in os.environ:
    server.handle_request()
sys.exit(int(os.environ["STATUS"]))
"""
PACKAGES = {
    "torch-2.13.0": {"torch/__init__.py": ""},
    "jupyterlab-4.4.0": {"jupyterlab/__init__.py": "", "jupyterlab/__main__.py": JUPYTERLAB},
    "pytest-9.0": {"pytest/__init__.py": "", "pytest/__main__.py": ECHO},
    "bundle-1.0": {
        f"{name}.py": "" for name in "transformers matplotlib xdist nbval jupytext nbformat nbclient nbconvert".split()
    },
}
HOUSE = {
    "requirements.txt": "# models\ntorch>=2.6\n\nbundle>=1,<3  # many\njupyterlab>=4\npytest>=8\n",
    "constraints/tested.txt": "# exact\n" + "".join(f"{package.replace('-', '==')}\n" for package in PACKAGES),
    "tests/test_it.py": "",
    "benchmarks/run.py": ECHO,
    **{
        path.relative_to(ROOT).as_posix(): path.read_text("utf-8")
        for path in [ROOT / "course.py", *(ROOT / "tools").rglob("*.*[yn]")]
    },
    "tools/book/build_book.py": ECHO,
    "tools/book/requirements.txt": "finder==1.0\n",
    "tools/build.py": ECHO,
    "tools/versions.py": ECHO,
    "data/pocket-clip/model.safetensors": "weights",
    "data/pocket-clip/config.json": "{}",
}


def make_wheel(folder, package, modules):
    """A package for pip, such as "torch-2.13.0": {path: text} of its modules."""
    name, version = package.split("-")
    kind = "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    notes = {"METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n", "WHEEL": kind}
    files = modules | {f"{package}.dist-info/{note}": text for note, text in notes.items()}
    record = f"{package}.dist-info/RECORD"
    path = folder / f"{package}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as wheel:
        for file, text in [*files.items(), (record, "".join(f"{file},,\n" for file in [*files, record]))]:
            wheel.writestr(file, text)
    return path


@pytest.fixture(scope="module")
def wheels(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheels")
    for package, modules in PACKAGES.items():
        make_wheel(folder, package, modules)
    return folder


def notebook(text):
    cell = {"cell_type": "code", "source": text, "execution_count": 1, "outputs": [{"text": "the answer"}]}
    return json.dumps({"cells": [cell | {"metadata": {}}], "metadata": {}, "nbformat": 4, "nbformat_minor": 5})


def begin(closed):
    """What the shell and the system do before the command starts."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # a shell may have it ignored
    if sys.platform == "linux":
        obey_modes()  # root as well
    if closed:
        os.close(1)


class House:
    """A small course in a folder of its own."""

    def __init__(self, root, wheels):
        self.root, self.wheels = root, wheels
        lessons = {f"notebooks/{lang}/00_start_here.ipynb": notebook(f"lesson 00 in {lang}") for lang in ("en", "zh")}
        for name, text in (HOUSE | lessons).items():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_text(text, "utf-8")

    def start(self, *argv, packages=None, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **variables):
        """packages: what there is in the place of those of the Python that runs the tests, for --here."""
        given = [*(packages or self.wheels.glob("*.whl")), os.environ["PYTHONPATH"]] if "--here" in argv else []
        ours = {"LANGUAGE": "en", "PYTHONIOENCODING": "utf-8", "PYTHONPATH": os.pathsep.join(map(str, given))}
        ours |= {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(self.wheels), "PIP_CONFIG_FILE": os.devnull}
        ours |= {"https_proxy": "http://127.0.0.1:9", "no_proxy": "127.0.0.1"}  # nothing is asked of the internet
        return subprocess.Popen(
            [sys.executable, "-S", "course.py", *argv],
            cwd=self.root,
            env={name: value for name, value in {**os.environ, **ours, **variables}.items() if value},
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=stderr,
            encoding="utf-8",
            start_new_session=True,
            preexec_fn=lambda: begin(closed=stdout is None),
        )

    def run(self, *argv, **how):
        """Exit status and everything that was said."""
        process = self.start(*argv, **how)
        said = process.communicate()[0]
        assert "Traceback" not in said, said
        return process.returncode, said

    def ran(self, *argv, **how):
        """Of everything that was run in turn: whether by the Python of .venv, and with which words."""
        lines = [line.split() for line in self.run(*argv, **how)[1].splitlines() if line.startswith("ran ")]
        return [(where == str(self.root / ".venv"), words) for _, where, _, *words in lines]


@pytest.fixture
def house(tmp_path, wheels, monkeypatch):
    for module in (install, lab, processes):
        monkeypatch.setattr(module, "ROOT", tmp_path)
    return House(tmp_path, wheels)


@pytest.fixture(scope="module")
def installed(tmp_path_factory, wheels):
    """A house with its packages, and what was said as they came, in the place of an installation that was broken off."""
    house = House(tmp_path_factory.mktemp("house"), wheels)
    if shutil.disk_usage(house.root).free < install.count_bytes_needed("missing"):
        pytest.skip("course.py installs nothing on a disk that is so full")
    (house.root / ".venv").mkdir()
    for name in ("install.log", "half-written"):  # what a power cut leaves
        (house.root / ".venv" / name).write_text("")
    house.run("doctor", "--record")
    return house, *house.run("test")


class Stranger(http.server.BaseHTTPRequestHandler):
    """Answers whatever it is asked, but knows no token."""

    def do_GET(self):
        self.send_response(403 if "token" in self.path else 200)
        self.end_headers()


@pytest.fixture
def stranger():
    with http.server.HTTPServer(("127.0.0.1", 0), Stranger) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_port
        server.shutdown()


# Language


SPOKEN = {
    "LANG=zh_CN.UTF-8": "zh",
    "LANG=zh_TW": "zh",
    "LANG=de_DE.UTF-8": "en",
    "LANG=en_US.UTF-8 LC_ALL=zh_CN.UTF-8": "zh",
    "LANG=en_US.UTF-8 LANGUAGE=zh_CN:en": "zh",
    "LC_ALL=C.UTF-8": "zh",  # here and below the desktop says it: a Mac's, in its defaults
    "": "zh",
}


@pytest.mark.parametrize("variables", SPOKEN)
def test_the_language_is_that_of_the_locale_or_of_the_desktop(monkeypatch, tmp_path, variables):
    for name in ("LANGUAGE", "LC_ALL", "LC_MESSAGES", "LANG"):
        monkeypatch.setenv(name, dict(word.split("=") for word in variables.split()).get(name, ""))
    (tmp_path / "defaults").write_text('#!/bin/sh\nprintf \'(\\n    "zh-Hans-CN",\\n    "en-CN"\\n)\\n\'\n')
    (tmp_path / "defaults").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    monkeypatch.setattr(sys, "platform", "darwin")
    assert console.choose_language([]) == SPOKEN[variables]


def test_a_console_without_chinese_gets_english_and_no_crash(house):
    """On Windows a redirected output is often cp1252."""
    for argv in (["doctor", "--here"], ["lab", "--port", "1x"]):
        assert "???" not in house.run(*argv, "--lang", "zh", PYTHONIOENCODING="cp1252")[1]


# Installing


def test_what_was_broken_off_is_made_anew_in_four_counted_steps_and_then_the_tests_run(installed):
    house, status, said = installed
    steps = ["The last installation was not finished: .venv is made anew.", "1/4", "2/4", "3/4", "4/4"]
    assert re.findall(r"(?m)^(?:\d/4|The last .* anew\.$)", said) == steps and status == 3
    assert re.search(rf"(?m)^ran {house.root}/\.venv .*--nbval-lax.* tests notebooks$", said)
    assert not (house.root / ".venv/half-written").exists()
    log = (house.root / ".venv/install.log").read_text()
    assert re.findall("Successfully installed (.*)", log) == ["torch-2.13.0", "bundle-1.0 jupyterlab-4.4.0 pytest-9.0"]


def test_a_second_start_installs_nothing_and_where_all_is_well_the_doctor_exits_with_0(installed, monkeypatch):
    house = installed[0]
    assert "/4" not in house.run("test")[1]
    status, said = house.run("doctor", "--lang", "zh")
    assert status == 0 and "FAIL" not in said and re.search(r"OK +\.venv +已安装", said) and "内存" in said
    monkeypatch.setattr(install, "ROOT", house.root)
    monkeypatch.setattr(install, "ask_version", lambda python: "")  # it is gone
    assert install.find_state() == "broken"


def test_changed_lists_are_installed_into_the_same_venv_and_ctrl_c_ends_that_in_one_line(installed):
    house = installed[0]
    mine, lists, stamp = (house.root / name for name in (".venv/mine", "constraints/tested.txt", ".venv/course-stamp"))
    before = lists.read_text(), stamp.read_text()
    mine.write_text("")
    lists.write_text(before[0] + "# changed\n")
    assert ".venv is brought up to date" in house.run("test")[1] and mine.exists()
    lists.write_text(before[0].replace("torch==2.13.0", "torch==2.14.0"))
    with socket.create_server(("127.0.0.1", 0)) as silent:
        index = f"http://127.0.0.1:{silent.getsockname()[1]}/simple"
        process = house.start("test", PIP_NO_INDEX=None, PIP_INDEX_URL=index)
        silent.accept()  # pip asks
        os.killpg(process.pid, signal.SIGINT)
        assert process.communicate()[0].endswith("\nStopped.\n") and process.returncode == 130
    assert "the installation was not finished" in house.run("doctor")[1]
    lists.write_text(before[0])
    stamp.write_text(before[1])


def test_progress_counts_packages_and_shows_the_download():
    progress = install.Progress()
    progress.read("Collecting numpy<3,>=2.1 (from -r requirements.txt (line 4))\n")
    progress.read("  Downloading https://a.org/whl/torch-2.13.0%2Bcpu-cp312-linux_x86_64.whl (190.1 MB)\n")
    progress.read("Progress 50 of 200\n")
    assert progress.text() == f"    1/{progress.total} · torch-2.13.0+cpu 190.1 MB 25% · 0:00"
    progress.read("Requirement already satisfied: NumPy in ./lib\n")
    progress.read("Processing /opt/wheels/torch-2.13.0+cpu-cp311-cp311-linux_x86_64.whl (from torch)\n")
    progress.read("Installing collected packages: numpy, torch\n")
    assert progress.text() == f"    2/{progress.total} · unpacking 2 packages · 正在解压 2 个包 · 0:00"


def test_linux_without_gpu_takes_the_cpu_build_where_its_index_answers_in_time(monkeypatch, stranger):
    def index(system="linux", gpu=False):
        monkeypatch.setattr(sys, "platform", system)
        monkeypatch.setattr(install, "has_nvidia_gpu", lambda: gpu)
        return install.choose_torch_index()

    monkeypatch.setattr(install, "TORCH_CPU_INDEX", f"http://127.0.0.1:{stranger}")
    assert index() == ["--extra-index-url", f"http://127.0.0.1:{stranger}"]
    assert index(gpu=True) == index("darwin") == index("win32") == []
    with socket.create_server(("127.0.0.1", 0)) as silent:
        assert not install.is_answering(f"http://127.0.0.1:{silent.getsockname()[1]}/", seconds=0.2)


# What the person can put right, in one sentence


def test_an_old_python_can_read_course_py_and_is_told_which_one_is_needed(house):
    """Every one from 3.6 on that is here; and what such a one would read is what it knows."""
    for name in OLD_PYTHONS_READ:
        tree = ast.parse((ROOT / name).read_text("utf-8"), feature_version=(3, 6))
        outside = [part for node in tree.body if not isinstance(node, ast.FunctionDef) for part in ast.walk(node)]
        modules = {alias.name for node in outside if isinstance(node, ast.Import) for alias in node.names}
        assert modules | {node.module for node in outside if isinstance(node, ast.ImportFrom)} <= KNOWN_TO_3_6, name
        bases = {getattr(node.value, "id", "") for node in ast.walk(tree) if isinstance(node, ast.Subscript)}
        assert not bases & {"list", "dict", "set", "tuple", "type"}, name
    pretend = f"import runpy, sys; {'; '.join(f'import {name}' for name in sorted(KNOWN_TO_3_6 - {'tools'}))}; "
    pretend += "sys.version_info = 3, 6, 15; runpy.run_path('course.py', run_name='__main__')"
    for file in set((house.root / "tools").glob("*.py")) - {house.root / name for name in OLD_PYTHONS_READ}:
        file.write_text("what is this?")
    here = [python for minor in range(6, 11) if (python := versions.find_python(f"3.{minor}"))]
    for command in [[sys.executable, "-c", pretend], *([python, "course.py"] for python in here)]:
        for lang, sentence in {
            "en": r"needs Python 3\.11 or newer .*\.\n",
            "zh": r".*需要 Python 3\.11 .*。\n",
        }.items():
            variables = os.environ | {"LANGUAGE": lang, "PYTHONIOENCODING": "utf-8", "PYTHONPATH": ""}
            ran = subprocess.run(command, cwd=house.root, env=variables, capture_output=True, encoding="utf-8")
            assert (ran.returncode, ran.stdout) == (1, "") and re.fullmatch(f"(Ten Vectors )?{sentence}", ran.stderr), (
                ran
            )


def states(root):
    return {path: path.lstat().st_mtime_ns for path in root.rglob("*")}


BROKEN = {
    "somebody else's .venv": ("mkdir .venv; touch .venv/pyvenv.cfg", ".venv was not made by course.py: rename it"),
    "a file .venv": ("touch .venv", ".venv was not made by course.py: rename it"),
    "a link .venv that leads nowhere": ("ln -s nowhere .venv", ".venv was not made by course.py: rename it"),
    "a link .venv to elsewhere": ("ln -s data .venv", ".venv was not made by course.py: rename it"),
    "a .venv that is closed to us": ("mkdir .venv; chmod 0 .venv", ".venv was not made by course.py: rename it"),
    "no requirements": ("rm requirements.txt", "/requirements.txt is missing or damaged: "),
    "closed requirements": ("chmod 0 requirements.txt", "/requirements.txt cannot be read or written: copy"),
    "no lists": ("rm -r constraints", "/constraints/tested.txt is missing or damaged: "),
    "a file for a folder": ("rm -r constraints; touch constraints", "/tested.txt is a file where a folder must be"),
    "no tests": ("rm -r tests", "/tests is missing or damaged: "),
    "no tools": ("rm -r tools", "The folder tools beside course.py is missing or damaged: "),
    "half of tools": ("rm tools/lab.py", "tools.lab is missing or damaged: "),
    "half of a file of tools": ("echo 'def (' > tools/lab.py", "/tools/lab.py is missing or damaged: "),
}


@pytest.mark.parametrize("what", BROKEN)
def test_what_is_broken_is_told_in_one_sentence_and_nothing_is_written(house, what):
    command, sentence = BROKEN[what]
    subprocess.run(command, shell=True, cwd=house.root, check=True)
    before = states(house.root)
    status, told = house.run("test")
    assert status == 1 and sentence in told and told.count("\n") == 1, told
    if ".venv" in what:
        assert re.search(r"FAIL +\.venv +not made by course\.py\n +-> rename it", house.run("doctor")[1])
    assert states(house.root) == before
    (house.root / ".venv").is_dir() and (house.root / ".venv").chmod(0o700)


VERBS = ["lab", "models smollm2", "book", "test", "build", "build --check", "bench", "doctor", "doctor --record"]
VERBS += ["--help", "test --help"]


@pytest.mark.parametrize("output", ["closed", "full", "nobody reads it"])
def test_where_nothing_can_be_shown_one_sentence_says_so_and_nothing_is_written(house, output):
    reader, nobody = os.pipe()
    os.close(reader)
    before = states(house.root)
    with open("/dev/full", "w") as full, open(nobody, "w") as nobody:
        stdout = {"closed": None, "full": full, "nobody reads it": nobody}[output]
        for verb in VERBS:
            for here in [[], ["--here"]] if verb[0] != "-" else [[]]:
                process = house.start(*verb.split(), *here, stdout=stdout, stderr=subprocess.PIPE)
                told = process.communicate()[1]
                assert process.returncode == 1 and told.count("\n") == 1 and "output" in told, (verb, told)
    assert states(house.root) == before


def test_a_child_whose_words_nobody_reads_any_more_is_ended(house):
    (house.root / "tools/build.py").write_text("while True: print('and so on' * 100)")
    process = house.start("build", "--here", stderr=subprocess.PIPE)
    assert process.stdout.readline() == "The notebooks, from lessons/\n"
    process.stdout.close()
    assert re.fullmatch("Broken off: nobody .*\n", process.stderr.read()) and process.wait() == 1


def test_a_full_disk_and_too_little_memory_are_noticed(monkeypatch):
    monkeypatch.setattr(install, "has_nvidia_gpu", lambda: False)
    monkeypatch.setattr(doctor, "count_memory", lambda: install.GB)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: DiskUsage(10**12, 0, install.GB // 2))
    with pytest.raises(console.Problem, match=r"need 4 GB and this disk has 0\.5 GB free: make room"):
        install.check_disk("missing")
    rows = doctor.check_memory(EN), doctor.check_free_disk(True, EN)
    assert [row[1:3] for row in rows] == [(False, "1.0 GB"), (False, "0.5 GB free")] and all(row.advice for row in rows)


def test_a_busy_port_is_told_before_anything_is_installed(house):
    with socket.create_server(("127.0.0.1", 0)) as busy:
        port = str(busy.getsockname()[1])
        told = f"Port {port} is in use or not allowed: choose another with --port N.\n"
        assert house.run("lab", "--port", port) == (1, told) and not (house.root / ".venv").exists()


def test_what_pip_complains_about_becomes_advice_or_its_last_words_are_shown(capsys, tmp_path):
    log = tmp_path / "install.log"
    hashes = f"llm==1 from https://a.org/llm.whl (from -r (line 2)):\n  Expected sha256 {'a' * 64}\n       Got    {'b' * 64}\n"
    none = "ERROR: No matching distribution found for"
    for verb, output, sentence in [
        ("install", f"NewConnectionError: [Errno -3]\n{none} torch", "or set a mirror"),
        ("install", "(Caused by ProxyError('Unable to connect to proxy'))", "or set a mirror"),
        ("install", "ERROR: Could not install packages due to an OSError: [Errno 28] No space left", "No space left"),
        ("install", f"{none} torch==2.13.0", "There is no torch==2.13.0 for Python 3."),
        ("download", f"{none} llm==1 (from -r x)", "index has no llm==1; a mirror may"),
        ("download", f"DO NOT MATCH:\n    {hashes}", f"as llm==1 is not .* {'b' * 64} instead of {'a' * 64}"),
    ]:
        assert re.search(sentence, str(install.explain_pip(output, verb, sys.executable, log)))
        assert capsys.readouterr().err == ""
    words = "very long ago\n" * 1000 + "error: a compiler is missing"
    problem = install.explain_pip(words, "install", sys.executable, log)
    shown = capsys.readouterr().err
    assert shown.endswith("a compiler is missing\n") and len(shown) < 3000 and str(log) in str(problem)


def test_a_python_without_pip_is_told(tmp_path):
    assert install.ask_pip(sys.executable) > (9, 0)
    bare = tmp_path / "python"
    bare.write_text("#!/bin/sh\necho No module named pip >&2; exit 1\n")
    bare.chmod(0o755)
    with pytest.raises(console.Problem, match=f"^{bare} has no pip: {bare} -m ensurepip brings it"):
        install.ask_pip(bare)


# lab


def test_lab_copies_lessons_without_their_answers_and_a_learners_copy_is_never_overwritten(house):
    def run_lab(*argv):
        status, said = house.run("lab", "--here", "--no-browser", *argv, STATUS="3")
        assert status == 3
        return said

    said, mine = run_lab(), house.root / "work/en/00_start_here.ipynb"
    (cell,) = json.loads(mine.read_text())["cells"]
    assert cell["source"] == "lesson 00 in en" and cell["outputs"] == [] and cell["execution_count"] is None
    # quiet, local, takes large pictures (tests/browser chooses one of 12 MB), and knows where helpers are
    for word in ("announcements", "ip=127.0.0.1", "--no-browser", lab.LARGE_MESSAGES, f"path={house.root}:"):
        assert word in said
    mine.write_text(mine.read_text().replace("lesson 00", "my own lesson 00"))
    (house.root / "notebooks/en/01_inside_clip.ipynb").write_text(notebook("lesson 01"))
    said = run_lab()
    assert "new in work/en: 01_inside_clip.ipynb" in said and "has changed since" not in said
    (house.root / "notebooks/en/00_start_here.ipynb").write_text(notebook("a better lesson"))
    assert "rename or delete yours" in run_lab() and "my own lesson 00" in mine.read_text()
    assert "/lab/tree/work/zh/00_start_here.ipynb?token=" in run_lab("--lang", "zh")
    assert not (house.root / ".venv").exists()
    shutil.rmtree(house.root / "notebooks")
    assert "下载不完整" in house.run("lab", "--here", "--lang", "zh")[1]


def test_lab_tells_its_address_and_ctrl_c_ends_it(house):
    port = lab.find_free_port(None)
    process = house.start("lab", "--here", "--port", str(port), "--no-browser")
    line = next(line for line in process.stdout if line.startswith("Lesson 00 is at"))
    assert f"http://127.0.0.1:{port}/lab/tree/work/en/00_start_here.ipynb?token=" in line
    os.killpg(process.pid, signal.SIGINT)
    assert "JupyterLab has ended. Your notebooks are in work/." in process.communicate()[0] and process.returncode == 0


def test_a_stranger_on_the_port_is_not_taken_for_our_jupyterlab(stranger, house, monkeypatch, capsys):
    """Its server answers, but not to our token; ours ends, since the port is taken."""
    monkeypatch.setenv("PYTHONPATH", str(next(house.wheels.glob("jupyterlab*"))))
    with pytest.raises(console.Problem, match="JupyterLab did not start"):
        lab.serve(sys.executable, Path("work/en/00_start_here.ipynb"), stranger, False, EN)
    assert "http" not in capsys.readouterr().out


def test_the_port_is_the_first_free_one_and_is_chosen_after_the_minutes_of_installing(house, monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as busy:
        taken, served = busy.getsockname()[1], []
        monkeypatch.setattr(lab, "FIRST_PORT", taken)
        monkeypatch.setattr(lab, "choose_python", lambda *arguments: busy.close() or "python")
        monkeypatch.setattr(lab, "serve", lambda python, lesson, port, *arguments: served.append(port) or 0)
        assert lab.find_free_port(None) > taken
        assert course.main(["lab"]) == 0 and served == [taken]


# test and build, with --here and in .venv


def test_here_says_what_the_running_python_lacks(house):
    for verb, name in (("lab", "jupyterlab"), ("build", "jupytext")):
        status, said = house.run(verb, "--here", packages=house.wheels.glob("torch*"))
        assert status == 1 and re.match(rf"This Python has no {name}, .*transformers: python -m pip install -r", said)


def test_test_runs_everything_or_what_is_named_here_too_and_its_status_is_ours(house):
    """Other options, of pytest's workers for one, may stand between."""
    everything, one = "tests notebooks", "notebooks/en/00_start_here.ipynb::Cell"
    for given, asked in {
        "": everything,
        "--all": f"-m {everything}",
        "-x -k notebooks --durations=5": f"-x -k notebooks --durations=5 {everything}",
        "notebooks/zh -q": "notebooks/zh -q",
        one: one,
    }.items():
        ((in_venv, words),) = house.ran("test", "--here", *given.split())
        assert words[0] == "--nbval-lax" and " ".join(word for word in words if word in asked.split()) == asked
    assert house.run("test", "--here", STATUS="5")[0] == 5 and not in_venv and not (house.root / ".venv").exists()
    shutil.rmtree(house.root / "notebooks")  # as long as there are none, the tests run alone
    assert house.ran("test", "--here")[0][1][-1] == "tests"


def test_all_runs_the_notebooks_with_colabs_versions_too_and_fails_if_either_part_does(installed):
    house = installed[0]
    (tests, twin) = house.ran("test", "--all", "--lang", "zh", STATUS="0")
    assert twin == (True, ["colab", "notebooks", "--lang", "zh"]) and tests[0] and "colab" not in tests[1]
    assert len(house.ran("test", "--all", "-k", "tower")) == len(house.ran("test", "--all", "--here")) == 1
    assert house.run("test", "--all", STATUS="2")[0] == 2
    (house.root / "tools/versions.py").write_text("import os, sys; sys.exit(1 - int(os.environ['STATUS']))")
    assert [house.run("test", "--all", STATUS=status)[0] for status in "01"] == [1, 1]


def test_build_py_runs_with_the_same_arguments_and_its_status_is_ours(installed):
    house, given = installed[0], ["--check", "--all", "00_start_here", "02b"]
    assert house.ran("build", *given) == [(True, ["--lang", "en", *given])] and house.run("build", "--check")[0] == 3
    ((_, words),) = house.ran("build", "--here", "--no-solutions", "00", "--lang", "zh")
    assert words == ["--lang", "zh", "--no-solutions", "00"]


def test_the_book_has_what_it_alone_needs_installed_once_and_is_made_without_where_that_is_not_to_be_had(installed):
    house = installed[0]
    assert "The book is made without its search" in house.run("book")[1]
    made = make_wheel(house.wheels, "finder-1.0", {"finder.py": ""})
    assert "What this needs besides: finder==1.0" in house.run("book", "--out", "here")[1]
    made.unlink()
    ((ours, words),) = house.ran("book", "--serve", "--out", "here")
    assert ours and words == ["--lang", "en", "--serve", "--out", str(house.root / "here")]


def test_only_test_takes_unknown_arguments_and_the_others_no_abbreviations(house):
    for verb, word in (("lab", "--prot=9000"), ("lab", "--no-b"), ("build", "--ch"), ("doctor", "--rec")):
        status, said = house.run(verb, word)
        assert status == 2 and f"does not know {word}" in said


# doctor


def test_a_version_lies_in_its_range_or_not():
    for inside in ("2.13.0+cpu >=2.6", "4.57 >=4.57.0,<6", "6.31.0 >=6.17, <7", "10.0 >=9", "3.1 "):
        assert doctor.lies_in(*inside.split(" ", 1)) is True, inside
    for outside in ("2.5.1 >=2.6", "6.0.0 >=4.57,<6", "6.0.0rc1 >=4.57,<6", "0 >=0.1"):
        assert doctor.lies_in(*outside.split(" ", 1)) is False, outside


def test_every_requirement_has_a_range_that_we_can_read_and_a_tested_version_within_it():
    with pytest.raises(console.Problem, match="~=1.0"):
        doctor.lies_in("1.0", "~=1.0")
    lines = (ROOT / "constraints/tested.txt").read_text().splitlines()
    tested = dict(line.split("==") for line in lines if not line.startswith("#"))
    required = doctor.read_requirements()
    assert len(required) > 15 and all(doctor.lies_in(tested[name], supported) for name, supported in required.items())
    assert {name for names in doctor.ONLY_FOR.values() for name in names} < set(required)


def test_the_doctor_finds_what_is_wrong_with_packages_and_data(house, tmp_path):
    """Lost files too on Python 3.12 and later, where importlib.metadata leaves out of its list what is gone."""
    site, data = tmp_path / "site", house.root / "data"
    for wheel in house.wheels.glob("*.whl"):
        zipfile.ZipFile(wheel).extractall(site)
    house.run("doctor", "--record")
    assert (data / "SHA256SUMS").read_text().split("\n") == [  # the format of sha256sum
        "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a  data/pocket-clip/config.json",
        f"{hashlib.sha256(b'weights').hexdigest()}  data/pocket-clip/model.safetensors",
        "",
    ]

    def failures():
        """{what: how it was found}, each with advice."""
        status, said = house.run("doctor", "--here", packages=[site])
        found = dict(re.findall(r"(?m)^FAIL +(\S+) +(.*)\n +-> \S", said))
        assert status == bool(found) and len(found) == said.count("FAIL")
        return found, said

    found, said = failures()
    assert found == {} and re.search(r"OK +torch +2\.13\.0\n(?s:.*)OK +data/pocket-clip +2 files", said)
    shutil.rmtree(site / "torch")
    shutil.rmtree(site / "bundle-1.0.dist-info")
    shutil.rmtree(site / "jupyterlab-4.4.0.dist-info")  # what only lab needs may be missing in a running environment
    (house.root / "requirements.txt").write_text(HOUSE["requirements.txt"].replace("pytest>=8", "pytest>=9.1,<10"))
    (data / "pocket-clip/config.json").unlink()
    (data / "pocket-clip/model.safetensors").write_text("veights")
    found, said = failures()
    assert found == {
        "torch": "2.13.0, files are missing",
        "bundle": "not installed",
        "pytest": "9.0, supported is >=9.1,<10",
        "data/pocket-clip/config.json": "missing",
        "data/pocket-clip/model.safetensors": "differs from what was published",
    }
    assert re.search("OK +jupyterlab +not here; only course.py lab needs it", said)
    assert "git checkout -- data/pocket-clip/model.safetensors" in said
    (data / "SHA256SUMS").unlink()
    assert failures()[0]["data"] == "data/SHA256SUMS is missing"


def test_without_a_venv_the_doctor_says_what_to_do_and_changes_nothing(house):
    before = sorted(house.root.rglob("*"))
    status, said = house.run("doctor")
    assert status == 1 and re.search(r"FAIL +\.venv +packages are not installed yet\n +-> python course.py lab", said)
    assert sorted(house.root.rglob("*")) == before


# Stopping


def test_a_child_that_ignores_polite_requests_is_ended(monkeypatch):
    stubborn = "import signal, time; signal.signal(15, signal.SIG_IGN); print('on', flush=True); time.sleep(60)"
    child = subprocess.Popen([sys.executable, "-c", stubborn], stdout=subprocess.PIPE)
    child.stdout.readline()
    wait = child.wait
    monkeypatch.setattr(child, "wait", lambda timeout=None: wait(timeout and 0.2))
    processes.stop(child)
    assert child.poll() is not None
