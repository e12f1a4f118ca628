"""`fingerprint`: equal for runs of equal structure, on any machine."""

from __future__ import annotations

import functools
import re
import sys
from array import array
from hashlib import blake2b

from inspector.records import ModuleCall, Op, Recording, Source

_END_OF_INPUTS, _END_OF_OUTPUTS = -1, -2
_INSTALLED = re.compile(r".*[/\\](?:site|dist)-packages[/\\]")


def fingerprint(recording: Recording) -> str:
    """32 hexadecimal digits that are equal for runs of equal structure.

    Two runs have the same structure if they ran the same functions, in the same order, at the
    same places of the code (file, line, column and the calls on the way there), in the same
    module calls, and each op got the results of the same ops, the same inputs and the same
    parameters. A loop of three trips and one of five are two structures. A run that failed
    differs from one that did not by the type of the exception and its place.

    Not looked at are values, shapes, dtypes, devices, arguments that are no tensors, and what
    ran backward (it follows from what ran forward). Files count by their name without the
    folder, those of installed packages by their path within it: so processes, machines, copies
    of a project and further recordings agree, as long as the code is the same.

    Takes linear time, at most 2 µs an op.
    """
    words: list[str] = []
    stream = array("q", _Walk(recording, words).stream())
    if sys.byteorder == "big":
        stream.byteswap()
    digest = blake2b("\0".join(words).encode("utf-8", "surrogatepass"), digest_size=16)
    digest.update(stream.tobytes())
    return digest.hexdigest()


class _Walk:
    """One way through a recording: numbers in the order of the run, and the words behind them.

    Everything gets a number when it is first met, so that equal runs give equal numbers
    whatever ids they had; what each number stands for goes into `words`, once.
    """

    def __init__(self, recording: Recording, words: list[str]) -> None:
        self._recording = recording
        self._words = words
        self._numbers: dict[str, int] = {}
        self._places: dict[tuple[int, int], int] = {}  # by id(): the recording keeps them alive
        self._frames: dict[int, str] = {}
        self._calls: dict[int | None, int] = {}
        # The inputs first: so that f(a, b) is told from f(b, a).
        self._tensors = {tensor: number for number, tensor in enumerate(recording.inputs)}
        self._next = len(self._tensors)

    def stream(self) -> list[int]:
        found: list[int] = [self._next]
        add, places, calls = found.append, self._places, self._calls
        tensors, numbers = self._tensors, self._numbers
        for op in self._recording.ops:
            place = places.get((id(op.stack), id(op.call_site)))
            add(self._place(op) if place is None else place)
            function = numbers.get(op.function)
            add(self._number(op.function) if function is None else function)
            call = calls.get(op.module_call)
            add(self._call(op.module_call) if call is None else call)
            for tensor in op.inputs:
                known = tensors.get(tensor)
                add(self._source(tensor) if known is None else known)
            add(_END_OF_INPUTS)
            for tensor in op.outputs:
                known = tensors.get(tensor)
                if known is None:
                    known = tensors[tensor] = self._next
                    self._next += 1
                add(known)
            add(_END_OF_OUTPUTS)
        self._end(found)
        return found

    def _number(self, word: str) -> int:
        known = self._numbers.get(word)
        if known is None:
            known = self._numbers[word] = len(self._words)
            self._words.append(word)
        return known

    def _place(self, op: Op) -> int:
        frames = (op.call_site, *op.stack) if op.call_site is not None else op.stack
        number = self._number("|".join([self._frame(frame) for frame in frames]) + op.phase)
        self._places[id(op.stack), id(op.call_site)] = number
        return number

    def _frame(self, source: Source) -> str:
        known = self._frames.get(id(source))
        if known is None:
            name = short_name(source.file)
            known = f"{name}:{source.line}:{source.column}:{source.function}"
            self._frames[id(source)] = known
        return known

    def _call(self, number: int | None) -> int:
        """A module call: its path and class, and which one it is of those that ran ops."""
        call: ModuleCall | None = None if number is None else self._recording.module_calls[number]
        word = "" if call is None else f"{call.path} {call.type} {len(self._calls)}"
        known = self._calls[number] = self._number(f"call {word}")
        return known

    def _source(self, tensor: int) -> int:
        """A tensor that no op of the run made: a parameter by its name, others by their order."""
        number = self._tensors[tensor] = self._next
        self._next += 1
        name = self._recording.tensors[tensor].name
        self._words.append(f"{number} is {name or 'a constant'}")
        return number

    def _end(self, found: list[int]) -> None:
        recording = self._recording
        found += [self._tensors.get(tensor, _END_OF_INPUTS) for tensor in recording.output]
        failure = recording.failure
        if failure is not None:
            place = "" if failure.source is None else self._frame(failure.source)
            self._words.append(f"failed {failure.type} {place}")
            found.append(-1 if failure.op is None else failure.op)


@functools.lru_cache(maxsize=4096)
def short_name(file: str) -> str:
    """A file's name as it is on every machine: without the folder it happens to lie in."""
    inside, found = _INSTALLED.subn("", file, count=1)
    parts = re.split(r"[/\\]", inside)
    if found:
        return "/".join(parts)
    return "/".join(parts[-2:]) if parts[-1] == "__init__.py" else parts[-1]
