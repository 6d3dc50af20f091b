"""Runs a notebook twice in one kernel, and prints as JSON what both runs have shown and what a witness in the kernel has seen.

strange.py starts it: python -m tests.twice notebooks/en/00_start_here.ipynb [--thoroughly]. Thoroughly, the lesson runs for a third time
in the other language, and then every control is moved.
"""

import json
import sys
from pathlib import Path
from typing import Any

import nbformat
from nbformat import NotebookNode, v4

from tools import build

TESTS = Path(__file__).resolve().parent
WITNESS = f"import json, sys; sys.path.append({str(TESTS)!r}); import witness; witness.begin()"


def texts_of(outputs: list[NotebookNode]) -> list[list[str]]:
    """What outputs say, without pictures."""
    said = []
    for output in outputs:
        if output.output_type == "stream":
            said.append([output.name, output.text])
        elif output.output_type == "error":
            said.append([output.ename, output.evalue])
        else:
            said += [[kind, text] for kind, text in sorted(output.data.items()) if kind.startswith("text/")]
    return said


def asked(question: str) -> NotebookNode:
    return v4.new_code_cell(f"print(json.dumps(witness.{question}))")


def answer(cell: NotebookNode) -> Any:
    return json.loads(cell.outputs[0].text)


def main(path: Path, thoroughly: bool) -> None:
    other = path.parents[1] / ("en" if path.parent.name == "zh" else "zh") / path.name
    files = [path, path, *[other] * thoroughly]
    books = [nbformat.read(file, as_version=4).cells for file in files]
    stored = {
        file: {cell.id: texts_of(cell.outputs) for cell in build.select_code(book)} for file, book in zip(files, books)
    }
    names = [[cell.id for cell in book] for book in books]
    for turn, book in enumerate(books):
        for cell in book:
            cell.id = f"{cell.id}-{turn}"[-64:]  # no two cells of a notebook may have one id

    begin, where, end = v4.new_code_cell(WITNESS), asked("place()"), asked(f"end({thoroughly})")
    accounts = [asked("account()") for _ in books]
    setup = books[0].index(build.select_code(books[0])[0]) + 1
    books[0][setup:setup] = [begin, where]
    cells = [cell for book, account in zip(books, accounts) for cell in (*book, account)]
    build.execute(v4.new_notebook(cells=[*cells, end]), path)
    del books[0][setup : setup + 2]

    turns = [
        {
            "lang": file.parent.name,
            "compared": {
                name: [stored[file][name], texts_of(cell.outputs)]
                for name, cell in zip(ids, book)
                if "nbval-check-output" in cell.metadata.get("tags", ())
            },
            **answer(account),
        }
        for file, ids, book, account in zip(files, names, books, accounts)
    ]
    print(json.dumps({"place": answer(where), "turns": turns, **answer(end)}))


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve(), "--thoroughly" in sys.argv)
