"""Inputs counted by the workers of `dask.distributed`: `count_on_dask`.

The inputs are read here and go out in batches; a worker runs its batch and sends back what it
counted. The scheduler gives the batch of a worker that died to another one, as a whole, and
each batch's count comes back once: so no input is counted twice. A batch that its workers die of
again and again is taken apart, and only the input that does it is left out.
"""

from __future__ import annotations

import contextlib
import logging
import pickle
import queue
import sys
import threading
import warnings
from asyncio import CancelledError
from collections.abc import Callable, Iterable, Iterator
from importlib.machinery import PathFinder
from itertools import islice
from typing import TYPE_CHECKING, Any

from inspector.capture.many import Given, Start
from inspector.capture.options import CaptureOptions
from inspector.census.counting import count
from inspector.census.tally import Tally
from inspector.counted import InputProblem
from inspector.errors import InspectorError
from inspector.language import sentence

if TYPE_CHECKING:
    from distributed import Client, Future

_LARGEST_BATCH = 32
_AHEAD = 2
"""Batches per worker that are sent out before one comes back."""

_PATIENCE = 30.0
"""Seconds to wait for a worker where there is none."""

_NOT_INSTALLED = sentence(
    "The engine needs dask.distributed, which is not installed: "
    "pip install 'torch-graph-inspector[dask]'."
)
_DIED = sentence(
    "The worker process died each time it ran this input: it may have run out of memory, or the "
    "model ended the process."
)


def count_on_dask(
    model: Callable[..., Any],
    inputs: Iterable[Given | InputProblem],
    options: CaptureOptions,
    engine: str,
    workers: int,
) -> Tally:
    """Count on other processes; the same as `count`.

    Args:
        model: what is called; sent to the workers by cloudpickle.
        inputs: read here, as the workers get on.
        options: what to keep of each run.
        engine: "dask" for a cluster of this machine's own, or the address of a scheduler.
        workers: processes of a cluster that is started.

    Raises:
        InspectorError: dask is not installed, the scheduler cannot be reached or is lost, or the
            model cannot be sent to the workers or loaded there.
    """
    packed = _packed(model, options)
    with warnings.catch_warnings(), _client(engine, workers) as client:
        # The model is sent once and kept by the scheduler, so that it outlives its workers.
        warnings.filterwarnings("ignore", "Sending large graph", UserWarning)
        return _Counting(client, packed).all(inputs)


def _packed(model: Callable[..., Any], options: CaptureOptions) -> bytes:
    try:
        import cloudpickle
    except ImportError as error:
        raise InspectorError(_NOT_INSTALLED) from error
    try:
        with _by_value(model):
            return bytes(cloudpickle.dumps((model, options, Start.now())))
    except Exception as error:  # whatever a user's class raises
        raise InspectorError(
            sentence(
                "The model cannot be sent to other processes, because it cannot be "
                "pickled ({name}: {error}). Take out what belongs to this process (open "
                "files, locks, generators), or leave `engine` out to run it here.",
                name=type(error).__name__,
                error=str(error),
            )
        ) from error


@contextlib.contextmanager
def _by_value(model: Callable[..., Any]) -> Iterator[None]:
    """Sends the model's code along if workers could not import it by the name it has here."""
    import cloudpickle

    name = getattr(model, "__module__", None) or type(model).__module__
    module = sys.modules.get(name)
    by_name = PathFinder.find_spec(name.partition(".")[0]) is not None
    if module is None or name == "__main__" or by_name:
        yield
        return
    cloudpickle.register_pickle_by_value(module)
    try:
        yield
    finally:
        cloudpickle.unregister_pickle_by_value(module)


@contextlib.contextmanager
def _client(engine: str, workers: int) -> Iterator[Client]:
    """Connected to a scheduler; to a cluster of our own, if that is asked for."""
    try:
        from distributed import Client
    except ImportError as error:
        raise InspectorError(_NOT_INSTALLED) from error
    with contextlib.ExitStack() as stack:
        if engine == "dask":
            engine = stack.enter_context(_own_cluster(workers))
        elif "://" not in engine:
            raise InspectorError(
                sentence(
                    'There is no engine {engine!r}. Leave it out to run here, or give "dask" '
                    'or the address of a scheduler, as in "tcp://localhost:8786".',
                    engine=engine,
                )
            )
        try:
            client = stack.enter_context(Client(engine, timeout=10, set_as_default=False))
        except (OSError, ValueError) as error:
            raise InspectorError(
                sentence(
                    "The scheduler at {engine} cannot be reached: {error}. Start one with "
                    '`dask scheduler` and `dask worker`, or use engine="dask".',
                    engine=engine,
                    error=str(error),
                )
            ) from error
        try:
            client.wait_for_workers(1, timeout=_PATIENCE)
        except TimeoutError as error:
            raise InspectorError(
                sentence("The scheduler at {engine} has no workers.", engine=engine)
            ) from error
        yield client


@contextlib.contextmanager
def _own_cluster(workers: int) -> Iterator[str]:
    """Worker processes on this machine; the address of their scheduler."""
    import dask
    from distributed import LocalCluster

    # A batch that killed two workers here will kill more. A new worker takes seconds, and what
    # the batch was is run once more in any case, input by input.
    with dask.config.set({"distributed.scheduler.allowed-failures": 1}):
        try:
            cluster = LocalCluster(
                n_workers=workers,
                threads_per_worker=1,  # a process can record one run at a time
                processes=True,
                dashboard_address="127.0.0.1:0",  # any port, for this machine only
                silence_logs=logging.CRITICAL,
            )
        except (OSError, RuntimeError) as error:
            raise InspectorError(
                sentence(
                    "The worker processes could not be started: {error} In a script, they "
                    "run its top level, too: call census() below `if __name__ == "
                    '"__main__":`.',
                    error=str(error),
                )
            ) from error
        with cluster:
            yield cluster.scheduler_address


class _Counting:
    """One census on one cluster."""

    def __init__(self, client: Client, packed: bytes) -> None:
        self._client = client
        self._model = client.submit(bytes, packed, pure=False)
        self._tally = Tally()
        self._pending: dict[Future[bytes], list[Given]] = {}
        self._done: queue.SimpleQueue[Future[bytes]] = queue.SimpleQueue()
        self._submitted = 0
        self._suspects: list[Given] = []

    def all(self, inputs: Iterable[Given | InputProblem]) -> Tally:
        waiting = iter(inputs)
        try:
            while self._send_out(waiting) or self._pending:
                self._collect()
            for given in self._suspects:  # one at a time: who dies now is to blame
                self._send([given])
                self._collect(alone=True)
        finally:
            self._client.cancel([*self._pending, self._model])
        return self._tally

    def _send_out(self, waiting: Iterator[Given | InputProblem]) -> bool:
        """Send batches as long as there is room; whether any was sent."""
        threads = sum(self._client.nthreads().values())
        sent = False
        while len(self._pending) < _AHEAD * max(threads, 1):
            size = min(1 + self._submitted // 4, _LARGEST_BATCH)  # small ones first: all have work
            batch = list(islice(waiting, size))
            if not batch:
                break
            self._tally.problems += [one for one in batch if isinstance(one, InputProblem)]
            self._send([one for one in batch if isinstance(one, Given)])
            sent = True
        return sent

    def _send(self, batch: list[Given]) -> None:
        packed, sendable = [], []
        for given in batch:
            try:
                packed.append(_packed_input(given))
                sendable.append(given)
            except Exception as error:  # whatever a user's class raises
                message = sentence(
                    "It cannot be sent to a worker: {type}: {error}",
                    type=type(error).__name__,
                    error=str(error),
                )
                self._tally.problems.append(InputProblem(given.position, given.label, message))
        if sendable:
            # Examples known by now are earlier than all of the batch: batches go out in order.
            known = frozenset() if self._suspects else frozenset(self._tally.groups)
            future = self._client.submit(_count_batch, self._model, packed, known, pure=False)
            self._pending[future] = sendable
            future.add_done_callback(self._done.put)
            self._submitted += 1

    def _collect(self, *, alone: bool = False) -> None:
        """Wait for a batch, and merge it."""
        if not self._pending:
            return
        future = self._next()
        batch = self._pending.pop(future)
        try:
            counted = future.result()
        except (Exception, CancelledError) as error:
            self._failed(error, batch, alone)
        else:
            self._tally.merge(pickle.loads(counted))
        future.release()

    def _next(self) -> Future[bytes]:
        """The next batch that is done."""
        while True:
            try:
                return self._done.get(timeout=_PATIENCE)
            except queue.Empty:
                if not self._client.nthreads():
                    raise InspectorError(
                        sentence(
                            "The scheduler has no workers any more: they died, or were stopped."
                        )
                    ) from None

    def _failed(self, error: BaseException, batch: list[Given], alone: bool) -> None:
        from distributed import KilledWorker

        if not isinstance(error, KilledWorker):
            raise InspectorError(
                sentence(
                    "The workers cannot run the model: {name}: {error}. They need the same "
                    "packages and the model's own code.",
                    name=type(error).__name__,
                    error=str(error),
                )
            ) from error
        if alone:
            given = batch[0]
            self._tally.problems.append(InputProblem(given.position, given.label, _DIED))
        else:
            self._suspects += batch


def _packed_input(given: Given) -> bytes:
    import cloudpickle

    return bytes(cloudpickle.dumps(given))


# -- on the worker -----------------------------------------------------------------------------

_one_at_a_time = threading.Lock()  # a worker may have several threads, a process one recording
_loaded: dict[int, tuple[bytes, tuple[Callable[..., Any], CaptureOptions, Start]]] = {}


def _count_batch(model: bytes, inputs: list[bytes], known: frozenset[str]) -> bytes:
    """What one batch gives, pickled. Of `known` variants no recording is sent back."""
    with _one_at_a_time:
        called, options, start = _unpacked(model)
        given = (pickle.loads(one) for one in inputs)
        return pickle.dumps(count(called, given, options, start, known))


def _unpacked(model: bytes) -> tuple[Callable[..., Any], CaptureOptions, Start]:
    """The model, unpickled once for all batches: each run leaves it as it was."""
    held = _loaded.get(0)
    if held is None or held[0] != model:
        held = _loaded[0] = model, pickle.loads(model)
    return held[1]
