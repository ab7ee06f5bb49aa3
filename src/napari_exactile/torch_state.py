"""What torch holds around a call, and what it imports on its way: neither may decide what comes out."""

from __future__ import annotations

import sys
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack, contextmanager
from functools import cache, wraps
from threading import Lock, RLock
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
Told = TypeVar("Told")
Made = TypeVar("Made")

# Devices for which somebody may have switched mixed precision on.
KINDS = ("cpu", "cuda", "mps", "xpu")


@contextmanager
def exact_arithmetic() -> Iterator[None]:
    """Compute the same numbers in every surroundings, and leave these as they were.

    In this thread, gradients, inference mode, autocast and a default device count as off. For the process,
    TF32, bfloat16 in place of float32, cuDNN's search for the fastest kernel and another default type than
    float32 are off as long as any thread is inside: TF32 keeps 10 bits of each factor's mantissa, and the
    search picks kernels by their timing, so that a tile and the whole image would not be computed alike.
    May be entered by several threads, and again inside; a generator must not yield inside, see `exactly`.
    """
    with _arithmetic.held(), _thread():
        yield


@contextmanager
def window_by_window() -> Iterator[None]:
    """Compute each output of a convolution from its own window alone, in exact arithmetic.

    cuDNN and NNPACK may transform whole blocks of pixels, in which one NaN fills the block.
    """
    with exact_arithmetic(), _windows.held():
        yield


def exactly(
    steps: Callable[P, Generator[Told, None, Made]],
) -> Callable[P, Generator[Told, None, Made]]:
    """Run each step of a generator in exact arithmetic, and what is done between them in the caller's."""

    @wraps(steps)
    def guarded(*args: P.args, **kwargs: P.kwargs) -> Generator[Told, None, Made]:
        running = steps(*args, **kwargs)
        try:
            while True:
                with exact_arithmetic():
                    try:
                        step = next(running)
                    except StopIteration as end:
                        made: Made = end.value
                        return made
                yield step
        finally:
            with exact_arithmetic():
                running.close()

    return guarded


_weights, WAIT_SECONDS = RLock(), 0.1


@contextmanager
def own_weights(check: Callable[[], object] = lambda: None) -> Iterator[None]:
    """Have the weights of all networks for this thread, to exchange them for a while or to look at them.

    A network with the weights of another device is called by torch.func.functional_call, which puts them into
    the network itself: two threads would give it back each other's, and a third take them for its own.
    `check` is called while another thread has them, and may raise to give up.
    """
    while not _weights.acquire(timeout=WAIT_SECONDS):
        check()
    try:
        yield
    finally:
        _weights.release()


@contextmanager
def _thread() -> Iterator[None]:
    """Set what torch holds for each thread."""
    import torch

    with ExitStack() as stack:
        if torch.is_inference_mode_enabled():
            # Composite operators would arrive whole, and tensors could not be changed afterwards.
            stack.enter_context(torch.inference_mode(mode=False))
        stack.enter_context(torch.no_grad())
        if torch.get_default_device().type != "cpu":
            stack.enter_context(torch.device("cpu"))
        for kind in KINDS:
            if torch.is_autocast_enabled(kind):
                stack.enter_context(torch.autocast(kind, enabled=False))
        yield


class _Process:
    """What torch holds for the process: set by the first who enters, restored after the last has left."""

    def __init__(self, settings: Callable[[], list[_Setting]]) -> None:
        self._settings, self._lock, self._inside = cache(settings), Lock(), 0
        self._before: list[Any] = []

    @contextmanager
    def held(self) -> Iterator[None]:
        """Hold our settings as long as this lasts."""
        with self._lock:
            self._inside += 1
            if self._inside == 1:
                self._before = [setting.exchange() for setting in self._settings()]
        try:
            yield
        finally:
            with self._lock:
                self._inside -= 1
                if not self._inside:
                    for setting, before in zip(self._settings(), self._before, strict=True):
                        setting.restore(before)


class _Setting:
    """One setting of torch's, and what it has to be."""

    def __init__(self, read: Callable[[], Any], write: Callable[[Any], object], ours: Any) -> None:
        self._read, self._write, self._ours = read, write, ours

    def exchange(self) -> Any:
        """Set ours and return what was set before."""
        before = self._read()
        if before != self._ours:
            self._write(self._ours)
        return before

    def restore(self, before: Any) -> None:
        """Set what was set before, unless somebody has changed it meanwhile."""
        if before != self._ours and self._read() == self._ours:
            self._write(before)


def _for_arithmetic() -> list[_Setting]:
    import torch

    backends: Any = torch.backends
    cudnn, precise = backends.cudnn, ("fp32_precision", "ieee")
    attributes = [
        *((owner, *precise) for owner in (cudnn.conv, backends.cuda.matmul)),
        *((owner, *precise) for owner in (backends.mkldnn.conv, backends.mkldnn.matmul)),
        (cudnn, "benchmark", False),
        (cudnn, "deterministic", True),
    ]
    return [
        _Setting(torch.get_default_dtype, torch.set_default_dtype, torch.float32),
        *(_attribute(owner, name, ours) for owner, name, ours in attributes),
    ]


def _for_windows() -> list[_Setting]:
    import torch

    nnpack: Any = torch.backends.nnpack
    enabled: Any = getattr(torch._C, "_get_nnpack_enabled", lambda: False)
    return [
        _attribute(torch.backends.cudnn, "enabled", False),
        _Setting(enabled, lambda value: nnpack.set_flags(bool(value)), False),
    ]


def _attribute(owner: Any, name: str, ours: Any) -> _Setting:
    return _Setting(lambda: getattr(owner, name), lambda value: setattr(owner, name, value), ours)


_arithmetic, _windows = _Process(_for_arithmetic), _Process(_for_windows)


class _Absence:
    """How many are inside `without_triton`."""

    def __init__(self) -> None:
        self.lock, self.inside = Lock(), 0


_absence = _Absence()


@contextmanager
def without_triton() -> Iterator[None]:
    """Let torch find no triton as long as this lasts, unless it has been imported before.

    What traces networks and what reads exported ones look whether triton is there by importing it. Its
    library holds an LLVM of its own, and where Mesa's drivers have loaded theirs, as for napari's window on
    Linux without NVIDIA's OpenGL, the process ends with a segmentation fault. Nothing here compiles.
    Afterwards, torch finds it again; but what it has imported meanwhile keeps its answer. May be entered by
    several threads at once.
    """
    modules: dict[str, Any] = sys.modules
    with _absence.lock:
        _absence.inside += 1
        modules.setdefault("triton", None)  # how Python notes that there is no such module
    try:
        yield
    finally:
        with _absence.lock:
            _absence.inside -= 1
            if not _absence.inside and modules.get("triton", ...) is None:
                del modules["triton"]
                _ask_anew(modules.get("torch.utils._triton"))


def _ask_anew(answers: Any) -> None:
    for name in ("has_triton_package", "has_triton"):
        getattr(getattr(answers, name, None), "cache_clear", lambda: None)()
