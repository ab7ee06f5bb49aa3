"""The machine, and the most that its device can do: matrix products in every precision, and copies."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from functools import partial

import psutil
import torch

from gpu_rows.bench import Bench, Rows, Work
from gpu_rows.report import Row

SECTION = "machine"
PRECISIONS = {
    "float32": (torch.float32, "ieee"),
    "TF32": (torch.float32, "tf32"),
    "bfloat16": (torch.bfloat16, "ieee"),
    "float16": (torch.float16, "ieee"),
    "float64": (torch.float64, "ieee"),
}
REPEATS = 5


def work(bench: Bench) -> list[Work]:
    """Return the facts, then the ceilings, which later rows are planned by."""
    names = tuple(name for name in PRECISIONS if bench.cuda or name in {"float32", "bfloat16"})
    return [
        Work(SECTION, ("facts",), partial(facts, bench), 1),
        *(Work(SECTION, (f"matrix product, {n}",), partial(product, bench, n), 1) for n in names),
        Work(SECTION, ("copy",), partial(copy, bench), 1),
    ]


def facts(bench: Bench) -> Rows:
    """Yield what is known of the machine without measuring."""
    memory = psutil.virtual_memory()
    values = {"cores": os.cpu_count(), "main memory, GB": memory.total / 1e9}
    if bench.cuda:
        card = torch.cuda.get_device_properties(bench.device)
        free, total = torch.cuda.mem_get_info(bench.device)
        values |= {
            "card": card.name,
            "its memory, GB": total / 1e9,
            "free, GB": free / 1e9,
            "multiprocessors": card.multi_processor_count,
            "CUDA": torch.version.cuda,
            "cuDNN": torch.backends.cudnn.version(),
            **_told_by_the_driver(),
        }
    yield Row(SECTION, "facts", values)


def _told_by_the_driver() -> dict[str, str]:
    """Return driver and power limit, where the driver's own program can be asked; nothing is changed."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return {}
    asked = {"driver": "driver_version", "power limit": "power.limit", "clock": "clocks.max.sm"}
    command = [program, f"--query-gpu={','.join(asked.values())}", "--format=csv,noheader", "--id=0"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)
    return (
        dict(zip(asked, map(str.strip, done.stdout.split(",")), strict=False)) if not done.returncode else {}
    )


def product(bench: Bench, name: str) -> Rows:
    """Yield the speed of a large matrix product."""
    dtype, precision = PRECISIONS[name]
    side = 8192 if bench.cuda else 1024
    one, other = (torch.rand(side, side, dtype=dtype, device=bench.device) for _ in range(2))
    matmul = torch.backends.cuda.matmul
    before = matmul.fp32_precision
    matmul.fp32_precision = precision
    try:
        seconds = best(bench, lambda: one @ other)
    finally:
        matmul.fp32_precision = before
    bench.ceilings[name] = 2 * side**3 / seconds
    yield Row(SECTION, f"matrix product, {name}", {"TFLOP/s": bench.ceilings[name] / 1e12})


def copy(bench: Bench) -> Rows:
    """Yield how fast the device copies its own memory, and to and from main memory."""
    count = 2**30 if bench.cuda else 2**26
    one = torch.zeros(count, dtype=torch.uint8, device=bench.device)
    other = torch.empty_like(one)
    values = {"GB/s": 2 * count / best(bench, lambda: other.copy_(one)) / 1e9}
    if bench.cuda:
        pinned = torch.empty(count // 4, dtype=torch.uint8, pin_memory=True)
        part = one[: count // 4]
        values["to the device, GB/s"] = count / 4 / best(bench, lambda: part.copy_(pinned)) / 1e9
        values["from the device, GB/s"] = count / 4 / best(bench, lambda: pinned.copy_(part)) / 1e9
    yield Row(SECTION, "copy", values)


def best(bench: Bench, compute: Callable[[], object]) -> float:
    """Return the least seconds of some runs, after one that warms up."""
    compute()
    return min(bench.seconds(compute) for _ in range(REPEATS))
