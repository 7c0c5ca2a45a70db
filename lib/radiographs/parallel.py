"""Many files over several processes: in order, with flat memory, outliving a decoder that crashes or has no bounds."""

import faulthandler
import os
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context, parent_process
from multiprocessing.process import BaseProcess
from typing import TypeVar

import psutil

Item = TypeVar("Item")
Result = TypeVar("Result")
CHUNK = 16
# The largest image that is read at all (MAX_PIXELS, JPEG 2000) takes 15 seconds and 1.6 GB; a usual one a tenth.
SECONDS = 30.0
MEMORY = 3 << 30  # bytes beyond what the process holds when a file is begun
CONTEXT = "forkserver" if os.name == "posix" else "spawn"  # a fork of a process with threads can hang


def available() -> int:
    """Processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def over_files(
    function: Callable[[Item], Result],
    items: Sequence[Item],
    failed: Callable[[Item, str], Result],
    processes: int | None = None,
    seconds: float = SECONDS,
) -> Iterator[Result]:
    """`function(item)` for each item, in their order, over `processes` processes (default: all available cores).

    At most a few chunks are under way, so memory does not grow with the number of items. An item that takes its process
    down (a damaged file can), or takes longer than `seconds` or more memory than MEMORY, gives `failed(item, why)`; the
    others of its chunk are done again.
    """
    processes = min(processes or available(), max(1, len(items)))
    chunks = deque(items[start : start + CHUNK] for start in range(0, len(items), CHUNK))
    pool = _pool(processes)
    running: deque[tuple[Future, Sequence[Item]]] = deque()
    try:
        while chunks or running:
            while chunks and len(running) < 3 * processes:
                chunk = chunks.popleft()
                running.append((pool.submit(_each, function, chunk, failed, seconds), chunk))
            future, chunk = running.popleft()
            try:
                yield from future.result()
            except BrokenProcessPool:
                pool.shutdown(wait=False, cancel_futures=True)
                pool = _pool(processes)
                yield from _one_by_one(function, chunk, failed, seconds)
                running = deque((pool.submit(_each, function, later, failed, seconds), later) for _, later in running)
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _each(
    function: Callable[[Item], Result], chunk: Sequence[Item], failed: Callable[[Item, str], Result], seconds: float
) -> list[Result]:
    """The results of a chunk. A decoder need not listen to signals or let go of the interpreter, so the time limit of a
    file ends the whole process.
    """
    results = []
    for item in chunk:
        faulthandler.dump_traceback_later(seconds, exit=True)
        _limit_memory()
        try:
            results.append(function(item))
        except MemoryError:
            results.append(failed(item, f"decoding takes more than {MEMORY >> 30} GB of memory"))
    faulthandler.cancel_dump_traceback_later()
    return results


def _limit_memory() -> None:
    """Let this process allocate MEMORY more, where the system can say so (Linux).

    The limit is on addresses, not on resident memory: an allocation beyond it fails at once, in Python as a
    MemoryError. A watcher would be late (a codec fills gigabytes in a second), and could not run while the codec holds
    the interpreter. It counts from what is allocated now, as libraries reserve addresses for each core of the machine.
    """
    if sys.platform == "linux":
        import resource

        hard = resource.getrlimit(resource.RLIMIT_AS)[1]
        wanted = psutil.Process().memory_info().vms + MEMORY
        resource.setrlimit(resource.RLIMIT_AS, (wanted if hard == resource.RLIM_INFINITY else min(wanted, hard), hard))


def _one_by_one(
    function: Callable[[Item], Result], chunk: Sequence[Item], failed: Callable[[Item, str], Result], seconds: float
) -> Iterator[Result]:
    """Each item in a process of its own, to find the one that takes it down."""
    pool = _pool(1)
    for item in chunk:
        started = time.monotonic()
        try:
            yield pool.submit(_each, function, [item], failed, seconds).result()[0]
        except BrokenProcessPool:
            pool = _pool(1)
            late = time.monotonic() - started >= seconds
            yield failed(item, f"decoding took longer than {seconds:g} seconds" if late else "its decoder crashed")
    pool.shutdown()


def _pool(processes: int) -> ProcessPoolExecutor:
    return ProcessPoolExecutor(processes, mp_context=get_context(CONTEXT), initializer=_be_quiet)


def end_with_parent() -> None:
    """For the processes of a pool: end when the one that opened the pool ends, even by `kill -9`."""
    if parent := parent_process():
        threading.Thread(target=_end_after, args=(parent,), daemon=True).start()


def _end_after(parent: BaseProcess) -> None:
    parent.join()
    os._exit(1)


def _be_quiet() -> None:
    """Codecs write about damaged files straight to the terminal; what is wrong is said once, in our list."""
    end_with_parent()
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
