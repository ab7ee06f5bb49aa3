"""The device that is measured, and how time and memory are taken on it."""

from __future__ import annotations

import platform
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from math import inf
from pathlib import Path
from typing import Any

import torch

from gpu_rows.report import Row


class MissingError(ValueError):
    """What is asked for is not here."""


@dataclass(slots=True)
class Bench:
    """One device; `quick` asks for small rows.

    `ceilings` are filled as they are measured, in FLOP/s; `end` is when the time is over.
    """

    device: torch.device
    quick: bool
    folder: Path
    ceilings: dict[str, float] = field(default_factory=dict)
    end: float = inf

    @classmethod
    def on(cls, device: str, quick: bool, folder: Path) -> Bench:
        """Return the bench of a device; raise MissingError in a sentence where it is not here."""
        if device == "cuda" and not torch.cuda.is_available():
            raise MissingError(
                f"this PyTorch ({torch.__version__}) can use no CUDA device here: "
                "run nvidia-smi to see whether there is one, or measure with --device cpu --quick"
            )
        return cls(torch.device(device), quick, folder)

    @property
    def cuda(self) -> bool:
        """Whether it is a GPU."""
        return self.device.type == "cuda"

    @property
    def over(self) -> bool:
        """Whether the time is over."""
        return time.monotonic() > self.end

    def about(self, commit: str | None, seconds: float) -> dict[str, Any]:
        """Return what the report says of the machine before any row is measured."""
        name = torch.cuda.get_device_name(self.device) if self.cuda else platform.processor() or "CPU"
        return {
            "device": f"{name}, quick" if self.quick else name,
            "commit": commit or _commit(),
            "command": f"python bench/gpu.py {' '.join(_shown(sys.argv[1:]))}",
            "date": datetime.now(UTC).isoformat(timespec="minutes"),
            "torch": torch.__version__,
            "python": platform.python_version(),
            "seconds allowed": seconds,
        }

    def done(self) -> None:
        """Wait until the device has done all that it was given."""
        if self.cuda:
            torch.cuda.synchronize(self.device)

    def seconds(self, compute: Callable[[], Any]) -> float:
        """Return the time that something takes until the device is done with it."""
        self.done()
        start = time.perf_counter()
        compute()
        self.done()
        return time.perf_counter() - start

    def speed(self) -> float:
        """Return the multiply-accumulates per second that convolutions may reach: rows are planned by it."""
        known = self.ceilings.get("float32", 40e12 if self.cuda else 100e9)
        return 0.3 * known / 2

    def free(self) -> None:
        """Give memory back that nobody uses."""
        if self.cuda:
            torch.cuda.empty_cache()


Rows = Iterator[Row]


@dataclass(frozen=True, slots=True)
class Work:
    """Something to measure, which yields rows; `names` are those of its rows as far as they are known.

    It takes about `overhead` seconds, and those of so many multiply-accumulates.
    """

    section: str
    names: tuple[str, ...]
    measure: Callable[[], Rows]
    overhead: float
    work: float = 0.0
    proves: bool = False

    def cost(self, bench: Bench) -> float:
        """Return the seconds that it is expected to take."""
        return self.overhead + self.work / bench.speed()


def _shown(arguments: list[str]) -> list[str]:
    """Return the arguments without the folders of this machine."""
    paths = {number + 1 for number, one in enumerate(arguments) if one == "--out"}
    return ["FOLDER" if number in paths else one for number, one in enumerate(arguments)]


def _commit() -> str:
    git = shutil.which("git")
    here = Path(__file__).parent
    done = git and subprocess.run(
        [git, "describe", "--always", "--dirty", "--abbrev=9"],
        cwd=here,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout.strip() if done and done.returncode == 0 else "unknown"
