"""Try in another process what may crash, loop for ever or take all memory: then only that process ends."""

from __future__ import annotations

import atexit
import json
import os
import signal
import subprocess
import sys
from contextlib import suppress
from importlib import import_module
from queue import Empty, Queue
from threading import Lock, Thread, stack_size
from time import monotonic
from typing import Any

import psutil

SECONDS = 60.0  # of computing, whatever else the computer does
WAITED = 600.0  # on a clock: for what waits instead of computing
MEMORY_SHARE = 0.75  # of the memory that is free when it begins
IDLE = 60.0  # then the process ends, and gives its memory back
LOOKED = 0.02
STACK = 4 << 20  # less than here, so that what just fits there does not overflow here

# A program that was packed into one file has no interpreter beside it.
POSSIBLE = bool(sys.executable) and not getattr(sys, "frozen", False)
_SERVE = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[1]); import napari_exactile.apart as a; a.serve()"
)
_ONE_THREAD = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore"}


class TrialError(ValueError):
    """What was tried did not end well; the sentence, without a subject, says what it did instead."""


def tried(function: str, *arguments: Any) -> Any:
    """Call "package.module:function" with plain arguments in another process and return what it returns.

    The result is plain, too; it is None where the function raised: what is tried is that it ends. Raises
    TrialError where it ended the process, did not end within SECONDS of computing, or took more memory than
    there is. What interrupts the waiting, Ctrl-C say, ends the process as well. Calls come one after another.
    """
    with _LOCK:
        for _ in range(2):
            process = _running()
            try:
                return process.answer([function, arguments])
            except _IdleError:
                continue  # it ended just when it was asked
            except BaseException:
                process.end()
                raise
    raise TrialError("could not be tried in a process of its own, which ends at once")


class _IdleError(Exception):
    """The process had ended, as it had nothing to do."""


class _Process:
    """Another interpreter with the same modules, which calls functions by their names."""

    def __init__(self) -> None:
        path = [one for one in sys.path if isinstance(one, str)]
        command = [sys.executable, "-c", _SERVE, json.dumps(path)]
        try:
            self._popen = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
                env=os.environ | _ONE_THREAD, start_new_session=True,  # Ctrl-C is ours to handle
                creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
            )  # fmt: skip
            self._usage = psutil.Process(self._popen.pid)
        except (OSError, ValueError, psutil.Error) as error:
            raise TrialError(f"could not be tried in a process of its own: {error}") from error
        self._owner = os.getpid()
        self._answers: Queue[str] = Queue()
        Thread(target=self._listen, daemon=True).start()

    @property
    def alive(self) -> bool:
        """Whether it can be asked; a process that was forked from the one that started it cannot."""
        return self._popen.poll() is None and self._owner == os.getpid()

    def answer(self, request: Any) -> Any:
        """Ask, and wait for the answer within the limits."""
        free = psutil.virtual_memory().available * MEMORY_SHARE
        began, (computed, held) = monotonic(), self._used((0.0, 0))
        with suppress(OSError):
            self._write(request)
        while True:
            try:
                line = self._answers.get(timeout=LOOKED)
            except Empty:
                seconds, memory = self._used((computed, held))
                if seconds - computed > SECONDS or monotonic() - began > WAITED:
                    raise TrialError(f"did not come to an end within {SECONDS:g} s of computing") from None
                if memory - held > free:
                    raise TrialError(
                        f"took more than the {free / 1e9:.1f} GB of memory that were free"
                    ) from None
                continue
            if line:
                return json.loads(line)
            raise self._ended()

    def end(self) -> None:
        """End it, whatever it does."""
        with suppress(OSError):
            self._popen.kill()
        self._popen.wait()
        for pipe in (self._popen.stdin, self._popen.stdout):
            with suppress(OSError, AttributeError):
                pipe.close()  # type: ignore[union-attr]

    def _write(self, request: Any) -> None:
        assert self._popen.stdin is not None
        self._popen.stdin.write(json.dumps(request) + "\n")
        self._popen.stdin.flush()

    def _listen(self) -> None:
        assert self._popen.stdout is not None
        with suppress(OSError, ValueError):
            for line in self._popen.stdout:
                self._answers.put(line)
        self._answers.put("")

    def _used(self, before: tuple[float, int]) -> tuple[float, int]:
        """Return the seconds that it has computed and the bytes that it holds; `before` once it has ended."""
        try:
            times = self._usage.cpu_times()
            return times.user + times.system, self._usage.memory_info().rss
        except psutil.Error:
            return before

    def _ended(self) -> Exception:
        code = self._popen.wait()
        if code == 0:
            return _IdleError()
        with suppress(ValueError):
            return TrialError(f"ended the process that tried it ({signal.Signals(-code).name})")
        return TrialError(f"ended the process that tried it (exit code {code})")


_LOCK = Lock()
_PROCESSES: list[_Process] = []  # the one that there is


def _running() -> _Process:
    if _PROCESSES and not _PROCESSES[0].alive:
        end()
    if not _PROCESSES:
        _PROCESSES.append(_Process())
    return _PROCESSES[0]


@atexit.register
def end() -> None:
    """End the process that tries things, if there is one; the next trial starts another."""
    while _PROCESSES:
        _PROCESSES.pop().end()


def serve() -> None:
    """Call what is asked for on stdin, one request a line, until there is nobody to ask or nothing to do."""
    _go_first()
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # what is tried may print
    requests: Queue[str] = Queue()
    stack_size(STACK)
    Thread(target=_call, args=(requests, answers), daemon=True).start()
    for line in sys.stdin:
        requests.put(line)
    os._exit(0)


def _call(requests: Queue[str], answers: Any) -> None:
    while True:
        try:
            request = requests.get(timeout=IDLE)
        except Empty:
            os._exit(0)
        _limit()
        print(json.dumps(_result(*json.loads(request))), file=answers, flush=True)


def _result(function: str, arguments: list[Any]) -> Any:
    module, _, name = function.partition(":")
    try:
        return getattr(import_module(module), name)(*arguments)
    except Exception:
        return None


def _go_first() -> None:
    """Let the system end this process where memory is short, and leave no image of its memory."""
    with suppress(OSError), open("/proc/self/oom_score_adj", "w") as file:
        file.write("1000")
    with suppress(ImportError, ValueError):
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _limit() -> None:
    """End some time after the limit, also where nobody is left to see to it."""
    with suppress(ImportError, ValueError):
        import resource

        used = resource.getrusage(resource.RUSAGE_SELF)
        until = int(used.ru_utime + used.ru_stime + 2 * SECONDS)
        resource.setrlimit(resource.RLIMIT_CPU, (until, resource.getrlimit(resource.RLIMIT_CPU)[1]))
