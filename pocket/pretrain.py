"""Train the pocket models from nothing: `python -m pocket.pretrain clip|gpt2`.

Seeded; shows what is left; saves as it goes and, called again, goes on where it was; uses a GPU
where there is one. The result goes to data/pocket-clip or data/pocket-gpt2, beside a training.json
with the settings, the time taken and the curves.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from helpers.files import DATA, find_cache_folder
from pocket import pretrain_clip, pretrain_gpt2


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m pocket.pretrain", description=__doc__)
    parser.add_argument("model", choices=["clip", "gpt2"])
    parser.add_argument(
        "--output",
        type=Path,
        help="folder to write (default: data/pocket-clip or data/pocket-gpt2)",
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--scale",
        type=float,
        default=1.0,
        help="multiplies the number of steps: 0.01 for a quick try",
    )
    parser.add_argument(
        "--restart",
        action="store_true",
        help="forget an unfinished run instead of going on with it",
    )
    options = parser.parse_args(arguments)
    output = options.output or DATA / f"pocket-{options.model}"
    state_file = (
        find_cache_folder() / f"pretrain-{options.model}-{options.seed}-{options.scale:g}.pt"
    )
    if options.restart:
        state_file.unlink(missing_ok=True)
    pretrained = {"clip": pretrain_clip, "gpt2": pretrain_gpt2}[options.model]
    pretrained.pretrain_pocket_clip(output, options.seed, options.scale, state_file)
    state_file.unlink(missing_ok=True)


if __name__ == "__main__":
    main()
