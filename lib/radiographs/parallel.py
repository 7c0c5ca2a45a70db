"""Many files over several processes, in order, with flat memory, outliving a decoder that crashes. Used by
`check` and `cohort`.
"""

import os
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context, parent_process
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")
CHUNK = 16
CONTEXT = "forkserver" if os.name == "posix" else "spawn"  # a fork of a process with threads can hang


def available() -> int:
    """Processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def over_files(
    function: Callable[[Item], Result],
    items: Sequence[Item],
    crashed: Callable[[Item], Result],
    processes: int | None = None,
) -> Iterator[Result]:
    """`function(item)` for each item, in their order, over `processes` processes (default: all available
    cores).

    At most a few chunks are under way, so memory does not grow with the number of items. An item whose
    decoder takes its process down (a damaged file can) gives `crashed(item)`; the others of its chunk are
    done again.
    """
    processes = min(processes or available(), max(1, len(items)))
    chunks = deque(items[start : start + CHUNK] for start in range(0, len(items), CHUNK))
    pool = _pool(processes)
    running: deque[tuple[Future, Sequence[Item]]] = deque()
    try:
        while chunks or running:
            while chunks and len(running) < 3 * processes:
                chunk = chunks.popleft()
                running.append((pool.submit(_each, function, chunk), chunk))
            future, chunk = running.popleft()
            try:
                yield from future.result()
            except BrokenProcessPool:
                pool.shutdown(wait=False, cancel_futures=True)
                pool = _pool(processes)
                yield from _one_by_one(function, chunk, crashed)
                running = deque((pool.submit(_each, function, later), later) for _, later in running)
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _each(function: Callable[[Item], Result], chunk: Sequence[Item]) -> list[Result]:
    return [function(item) for item in chunk]


def _one_by_one(
    function: Callable[[Item], Result], chunk: Sequence[Item], crashed: Callable[[Item], Result]
) -> Iterator[Result]:
    """Each item in a process of its own, to find the one that takes it down."""
    pool = _pool(1)
    for item in chunk:
        try:
            yield pool.submit(function, item).result()
        except BrokenProcessPool:
            pool = _pool(1)
            yield crashed(item)
    pool.shutdown()


def _pool(processes: int) -> ProcessPoolExecutor:
    return ProcessPoolExecutor(processes, mp_context=get_context(CONTEXT), initializer=_be_quiet)


def end_with_parent() -> None:
    """For the processes of a pool: end when the one that opened the pool ends, even by `kill -9`."""
    threading.Thread(target=lambda: (parent_process().join(), os._exit(1)), daemon=True).start()


def _be_quiet() -> None:
    """Codecs write about damaged files straight to the terminal; what is wrong is said once, in our list."""
    end_with_parent()
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
