"""The doctor's table in a notebook."""

from __future__ import annotations

from helpers import language
from helpers.language import say
from helpers.notebook import Table


def doctor() -> Table:
    """The table of `python course.py doctor` for the Python that runs this notebook: folded if all is well, else what is not first."""
    import course  # the one command of the course: it lies beside helpers, in the folder that the set-up cell has found

    checks = sorted(course.checks(language.get_language()), key=lambda row: row.ok)
    rows = [("✓" if c.ok else "✗", c.what, c.found if c.ok else f"{c.found} → {c.advice}") for c in checks]
    well = say(en=f"✓ Everything is here: {len(rows)} checks.", zh=f"✓ 一切就绪：共检查 {len(rows)} 项。")
    return Table(rows, folded_under=well if checks[0].ok else "")
