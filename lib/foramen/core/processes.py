"""How processes end: with their parent, in order on a signal, and with all that they have started."""

import contextlib
import ctypes
import os
import resource
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator

PR_SET_CHILD_SUBREAPER = 36


def end_with_parent(interval: float = 0.5) -> None:
    """End this process within `interval` seconds of its parent's end, so that `kill -9` of a run leaves nothing behind.

    A process whose parent dies is adopted by another one; that works on every Unix. A notebook's kernel does the same.
    """
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(interval)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


@contextlib.contextmanager
def signals_as_interrupts() -> Iterator[None]:
    """Let SIGTERM and a closed terminal end a command as Ctrl-C does; what `nohup` made it ignore stays ignored."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)}
    heard = {number: handler for number, handler in before.items() if handler != signal.SIG_IGN}
    for number in heard:
        signal.signal(number, interrupt)
    try:
        yield
    finally:
        for number, handler in heard.items():
            signal.signal(number, handler)


def end_descendants(pid: int) -> None:
    """Kill all that a process has started, and what these have.

    No result is lost or left in parts: every file is renamed into place once it is complete.
    """
    import psutil

    with contextlib.suppress(psutil.NoSuchProcess):
        for child in psutil.Process(pid).children(recursive=True):
            with contextlib.suppress(psutil.NoSuchProcess):
                child.kill()


def end_session(process: subprocess.Popen, patience: float) -> None:
    """Interrupt a process and all that shares its session with it, as Ctrl-C does; kill what is left of it in the end.

    The process has `patience` seconds, or until the next interrupt, to end in order.
    """
    try:
        os.killpg(process.pid, signal.SIGINT)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(patience)
    finally:
        end_descendants(process.pid)
        process.kill()
        process.wait()


def adopt_orphans() -> None:
    """Become the parent of all that this process's descendants leave behind, so that `used` counts it (Linux).

    The workers of a kernel's process pool are children of a server that the kernel does not wait for.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def used(patience: float = 5.0) -> dict[str, float]:
    """Processor seconds of this process and all that it has started and seen end, and the largest's memory in MiB.

    What it has adopted has `patience` seconds to end. To be called when the work is done: it waits for all children.
    """
    deadline = time.monotonic() + patience
    with contextlib.suppress(ChildProcessError):
        while time.monotonic() < deadline:
            if os.waitpid(-1, os.WNOHANG)[0] == 0:
                time.sleep(0.05)
    both = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return {
        "processor_seconds": round(sum(each.ru_utime + each.ru_stime for each in both), 1),
        "peak_memory_mib": round(max(each.ru_maxrss for each in both) / 1024),
    }
