"""The one command of the course: python course.py lab | models | book | test | build | bench | doctor.

What it does stands in tools/. Any Python from 3.6 on can read this file and tools/console.py, and learns from it that it is too old.
Standard library only.
"""

import argparse
import os
import sys

if __name__ == "__main__":
    sys.dont_write_bytecode = True  # a doctor changes nothing
    sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))  # with PYTHONSAFEPATH Python does not do it
    os.environ.pop("PYTHONSAFEPATH", None)  # and neither would what we start
try:
    from tools import console
except (ImportError, SyntaxError):  # and without it nobody knows the person's language
    sys.exit(
        "The folder tools beside course.py is missing or damaged: the download is incomplete, so get the course again. / "
        "course.py 旁边的文件夹 tools 缺失或损坏：下载不完整，请重新获取本课程。"
    )


def main(words=None):
    """Exit status: 0, that of what was started, 1 where something was wrong, 2 for a command line that nobody understands."""
    return console.run_command(call_verb, words)


def call_verb(words, lang, say):
    console.check_python()
    try:
        # which an old Python cannot read
        from tools.doctor import report
        from tools.jobs import build_notebooks, fetch_model, make_book, run_benchmarks, run_tests
        from tools.lab import open_lab
    except (ImportError, SyntaxError) as error:
        raise console.Incomplete(getattr(error, "name", None) or error.filename) from error
    verbs = {"lab": open_lab, "models": fetch_model, "book": make_book, "test": run_tests}
    verbs.update({"build": build_notebooks, "bench": run_benchmarks, "doctor": report})
    parser = make_parser(lang, list(verbs))
    arguments, arguments.pytest = parser.parse_known_args(words)
    if arguments.pytest and arguments.verb != "test":
        parser.error("course.py {} does not know {}".format(arguments.verb, " ".join(arguments.pytest)))
    return verbs[arguments.verb](arguments, say)


def read_port(text):
    if not text.isdecimal() or not 0 < int(text) < 65536:
        raise argparse.ArgumentTypeError("a port is a number from 1 to 65535")
    return int(text)


def make_parser(lang, names):
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--here", action="store_true", help="use the running environment (conda ...), install nothing")
    common.add_argument(
        "--lang", choices=["en", "zh"], default=lang, help="English or 中文; default: the language of your system"
    )
    parser = argparse.ArgumentParser(prog="course.py", description="Ten Vectors / 十个向量", allow_abbrev=False)
    verbs = parser.add_subparsers(dest="verb", required=True, metavar=" | ".join(names))

    def add_verb(name, **texts):
        return verbs.add_parser(name, parents=[common], allow_abbrev=False, **texts)

    verb = add_verb("lab", help="install what is missing and open the lessons in JupyterLab")
    verb.add_argument("--port", type=read_port, metavar="N", help="default: the first free one from 8888 up")
    verb.add_argument("--no-browser", action="store_true", help="print the address and open no browser")

    verb = add_verb(
        "models", help="fetch a language model that people use (optional: 93 MB to download, 0.5 GB on disk)"
    )
    verb.add_argument("model", choices=["smollm2"], help="SmolLM2-135M-Instruct; docs/smollm2.en.md tells what it is")

    verb = add_verb("book", help="make the course as web pages that read without installing anything")
    verb.add_argument("--out", metavar="FOLDER", help="where they go; default: work/book")
    verb.add_argument("--serve", action="store_true", help="then serve them on this machine, with search")

    verb = add_verb(
        "test",
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

    verb = add_verb(
        "build", help="for contributors: make notebooks/ from lessons/, and run those whose code has changed"
    )
    verb.add_argument("lesson", nargs="*", help="a lesson's name or number (00); without any, all lessons")
    verb.add_argument("--check", action="store_true", help="change nothing, only say what is not as it must be")
    verb.add_argument("--all", action="store_true", help="run every notebook, even where its code is unchanged")
    verb.add_argument(
        "--no-solutions",
        action="store_true",
        help="for teachers: write notebooks without solutions and outputs into classroom/, and do nothing else",
    )

    verb = add_verb(
        "bench", help="measure speed and memory on this machine (some minutes) and keep them in benchmarks/"
    )
    verb.add_argument("name", nargs="*", help="a benchmark's name (context_text_step); without any, all benchmarks")

    verb = add_verb("doctor", help="check Python, packages, data, memory, disk; change nothing")
    verb.add_argument("--record", action="store_true", help="for maintainers: rewrite data/SHA256SUMS from data/")
    return parser


if __name__ == "__main__":
    sys.exit(main())
