"""Which device computes, how much memory it offers, and how it says that this was not enough."""

from __future__ import annotations

from tempfile import gettempdir

import psutil
import torch

from napari_exactile.run.plan.settings import Device

# Shares of the free memory that an automatic tile may take; the rest is for what the graph does not show.
CPU_SHARE, GPU_SHARE = 0.25, 0.6
# Shares of free memory and of free temporary disk that may be kept between passes over the image.
SCRATCH_SHARE, SCRATCH_DISK_SHARE = 0.25, 0.5


def pick_device(choice: Device) -> torch.device:
    """Return the chosen device; "auto" is CUDA where there is one. Raises ValueError where it is missing."""
    if choice == "cuda" and not torch.cuda.is_available():
        raise ValueError("there is no CUDA device that this PyTorch can use: choose the CPU or Automatic")
    cuda = choice == "cuda" or (choice == "auto" and torch.cuda.is_available())
    return torch.device("cuda" if cuda else "cpu")


def device_choices() -> dict[str, Device]:
    """Return what can be chosen here, by its name for people."""
    choices: dict[str, Device] = {"Automatic": "auto", "CPU": "cpu"}
    if torch.cuda.is_available():
        choices[f"GPU ({torch.cuda.get_device_name()})"] = "cuda"
    return choices


def free_memory(device: torch.device) -> int:
    """Return the bytes that are free now."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    return int(psutil.virtual_memory().available)


def memory_budget(device: torch.device) -> int:
    """Return the bytes that an automatic tile may take."""
    return int(free_memory(device) * (GPU_SHARE if device.type == "cuda" else CPU_SHARE))


def scratch_memory() -> int:
    """Return the bytes of main memory that tensors kept between passes may take."""
    return int(psutil.virtual_memory().available * SCRATCH_SHARE)


def scratch_budget() -> int:
    """Return the bytes of memory and temporary files that tensors kept between passes may take together."""
    return scratch_memory() + int(psutil.disk_usage(gettempdir()).free * SCRATCH_DISK_SHARE)


def is_out_of_memory(error: BaseException) -> bool:
    """Tell whether an error means that the memory was not enough, on any device."""
    words = str(error).lower()
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or (
        isinstance(error, RuntimeError) and ("out of memory" in words or "can't allocate memory" in words)
    )
