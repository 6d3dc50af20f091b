"""The processes that train together, through Accelerate, which also chooses the device.

https://github.com/huggingface/accelerate
"""

from __future__ import annotations

import os

import psutil
import torch
from accelerate import Accelerator
from torch import Tensor
from tqdm import tqdm

from helpers.training import ProcessGroup


class AccelerateGroup(ProcessGroup):
    """The processes that torchrun started, or the only one."""

    def __init__(self) -> None:
        """Join the processes.

        Raises ValueError where there are more of them than GPUs, or Accelerate does not know all.
        """
        processes, gpus = int(os.environ.get("LOCAL_WORLD_SIZE", 1)), torch.cuda.device_count()
        if 0 < gpus < processes:
            raise ValueError(
                f"{processes} processes were started on a machine with {gpus} "
                f"GPU{'s' * (gpus > 1)}: start one for each GPU, by --nproc_per_node={gpus}; "
                "to use the CPU instead, set CUDA_VISIBLE_DEVICES to nothing"
            )
        # only where it is told to use the CPU does it join processes on CPUs
        self.accelerator = Accelerator(cpu=not torch.accelerator.is_available())
        self.device = self.accelerator.device
        self.rank, self.size = self.accelerator.process_index, self.accelerator.num_processes
        if self.size != int(os.environ.get("WORLD_SIZE", 1)):
            raise ValueError(
                f"{os.environ['WORLD_SIZE']} processes were started, and Accelerate knows of "
                f"{self.size}: use torchrun"
            )

    def sum(self, numbers: Tensor) -> Tensor:
        """The sum over the processes, the same in each of them."""
        return self.accelerator.reduce(numbers, "sum") if self.size > 1 else numbers

    def any(self, here: bool) -> bool:
        """Whether it is so in any of the processes."""
        return bool(self.sum(torch.tensor(float(here), device=self.device)))

    def print_line(self, line: str = "") -> None:
        """Print a line, once."""
        if self.rank == 0:
            tqdm.write(line)

    @property
    def hide_bar(self) -> bool | None:
        """Whether no bar is drawn, as tqdm takes it; None: not where there is no terminal."""
        return True if self.rank else None


def measure_free_memory(device: torch.device) -> int:
    """In bytes, where tensors of this device lie."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    return psutil.virtual_memory().available
