"""soft_prompt_finetune.py in fp64, so that two processes can be compared with one: started by torchrun, from test_finetune.py.

Prints "rank R wrote FILE" for every file that is put in its place.
"""

import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import torch

import soft_prompt_finetune as script
from finetuning import log, run
from helpers import files

torch.set_num_threads(1)
plain_captioner, plain_write = run.load_captioner, files.write_whole


def told_write(file, write):
    print(f"rank {os.environ.get('RANK', '0')} wrote {file.name}", flush=True)
    plain_write(file, write)


files.write_whole = log.write_whole = told_write
run.load_captioner = lambda *how: plain_captioner(*how).double()
sys.exit(script.main())
