"""Scripts from files that crash, loop for ever or take all memory do so to another process."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
import torch
from torch import Tensor, nn

import napari_exactile as ex
from napari_exactile import apart
from napari_exactile.apart import TrialError, tried

IGNORED = ["ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning"]
pytestmark = [pytest.mark.filterwarnings(one) for one in IGNORED]


@pytest.fixture(autouse=True)
def ended() -> Iterator[None]:
    """Each test begins without another process, and leaves none."""
    apart.end()
    yield
    apart.end()


# --- the other process --------------------------------------------------------------------------------------


def test_functions_are_called_elsewhere() -> None:
    """It returns what a function returns, in one process for several calls, and None for what raises."""
    first = tried("os:getpid")
    assert first != os.getpid()
    assert tried("os:getpid") == first
    assert tried("operator:add", 2, 3) == 5
    assert tried("operator:truediv", 1, 0) is None


def test_a_crash_ends_the_other_process_alone() -> None:
    """The sentence says by what it ended, and the next call finds another process."""
    with pytest.raises(TrialError, match=r"ended the process that tried it \(SIGABRT\)"):
        tried("os:abort")
    with pytest.raises(TrialError, match="exit code 3"):
        tried("os:_exit", 3)
    assert tried("operator:add", 2, 3) == 5


def test_what_does_not_end_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    """After so many seconds of computing, or of waiting, it is over."""
    monkeypatch.setattr(apart, "SECONDS", 1.0)
    with pytest.raises(TrialError, match="did not come to an end within 1 s of computing"):
        tried("builtins:pow", 3, 10**9)
    monkeypatch.setattr(apart, "WAITED", 1.0)
    with pytest.raises(TrialError, match="did not come to an end"):
        tried("time:sleep", 1000)


def test_what_takes_all_memory_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    """More than a share of the memory that is free is too much."""
    monkeypatch.setattr(apart, "MEMORY_SHARE", (200 << 20) / psutil.virtual_memory().available)
    with pytest.raises(TrialError, match=r"took more than the 0.2 GB of memory that were free"):
        tried("operator:mul", "x" * 1000, 10**6)
    assert tried("operator:add", 2, 3) == 5


def test_a_process_without_work_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """The process ends where it is not asked for a while, and is started again where it is."""
    first = tried("os:getpid")
    apart._PROCESSES[0].end()
    assert tried("os:getpid") != first


# --- scripts ------------------------------------------------------------------------------------------------


class Layer(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Conv2d(1, 2, 3, padding=1)


class Divides(Layer):
    """The processor ends a program that takes the remainder of a division by zero."""

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(x) * (x.shape[0] % (x.shape[1] - 1))


class Endless(Layer):
    def forward(self, x: Tensor) -> Tensor:
        number = 1
        while number > 0:
            number = number % 7 + 1
        return self.layer(x)


class Grows(Layer):
    def forward(self, x: Tensor) -> Tensor:
        found = [1]
        while len(found) > 0:
            found += found
        return self.layer(x)


def saved(network: nn.Module, folder: Path) -> Path:
    torch.jit.script(network.eval()).save(str(folder / "net.pt"))
    return folder / "net.pt"


@pytest.mark.parametrize(
    ("kind", "words"),
    [(Divides, r"ended the process that tried it \(SIGFPE\)"), (Endless, "did not come to an end within 6 s"),
     (Grows, "took more than the|did not come to an end within 6 s")],
)  # fmt: skip
def test_scripts_that_do_not_end_well_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: Callable[[], nn.Module], words: str
) -> None:
    """The refusal says what happened on which image, and it takes the limit once, not once for every size."""
    monkeypatch.setattr(apart, "SECONDS", 6.0)  # importing torch counts
    model = ex.load_model(saved(kind(), tmp_path))
    for shape in [(64, 64), (80, 64)]:
        refusal = ex.analyse(model, shape).refusals[0]
        assert re.search(rf"px in a process of its own, it ({words})", refusal.reason)
    start = time.perf_counter()
    ex.analyse(model, (96, 96))
    assert time.perf_counter() - start < 1


def test_networks_of_people_are_not_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    """A module that somebody passes, TorchScript too, is theirs: no other process is started for it."""
    monkeypatch.setattr(apart, "_running", lambda: pytest.fail("a process was started"))
    script = torch.jit.script(nn.Conv2d(1, 2, 3, padding=1).eval())
    assert ex.analyse(ex.load_model(script), (64, 64)).refusals == ()


def test_a_trial_is_made_once_for_each_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was tried on an image of one size is not tried on it again."""
    model = ex.load_model(saved(nn.Conv2d(1, 2, 3, padding=1), tmp_path))
    assert ex.analyse(model, (64, 64)).refusals == ()
    monkeypatch.setattr(apart, "_running", lambda: pytest.fail("it was tried again"))
    assert ex.analyse(model, (64, 64)).refusals == ()


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGINT for one process")
def test_inspecting_can_be_cancelled(tmp_path: Path) -> None:
    """Ctrl-C ends `exactile inspect` while a script loops, together with the process that tries it."""
    # Whoever runs the tests in the background may have let programs ignore Ctrl-C.
    start = (
        "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler); "
        "from napari_exactile.cli import main; sys.exit(main())"
    )
    command = [sys.executable, "-c", start, "inspect", str(saved(Endless(), tmp_path))]
    run = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        child = _child_that_computes(psutil.Process(run.pid))
        run.send_signal(signal.SIGINT)
        run.communicate(timeout=60)
        assert run.returncode != 0
        assert not child.is_running()
    finally:
        run.kill()
        run.communicate()


def _child_that_computes(process: psutil.Process) -> psutil.Process:
    until = time.monotonic() + 100
    while time.monotonic() < until:
        for child in process.children():
            if child.cpu_times().user > 5:  # it takes less to start
                return child
        time.sleep(0.1)
    raise AssertionError("no other process was seen")
