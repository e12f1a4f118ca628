"""How often lines ran and which way branches went, beside debuggers, coverage and generators."""

from __future__ import annotations

import bdb
import os
import subprocess
import sys
import sysconfig
import textwrap
import threading
import trace
import types
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from lines_program import Program, differences

import inspector
from inspector.records import LineBranch, Recording

ROOT = Path(__file__).parent.parent
TRACED = pytest.mark.skipif(
    hasattr(sys, "monitoring"), reason="this Python counts by sys.monitoring, not by a tracer"
)


class Code:
    """A program in a file of its own, where line 1 is the first line of `text`."""

    def __init__(self, folder: Path, text: str) -> None:
        self.text = textwrap.dedent(text).strip() + "\n"
        self.file = str(folder / "program.py")
        Path(self.file).write_text(self.text)
        self.module = types.ModuleType("program")
        self.module.__file__ = self.file
        exec(compile(self.text, self.file, "exec"), self.module.__dict__)

    def record(self, *args: Any, **options: Any) -> Recording:
        return inspector.record(
            self.module.main, *args, options=inspector.CaptureOptions(**options)
        )

    def branches(self, recording: Recording) -> dict[str, tuple[int, int]]:
        """Source line -> (taken, not taken); the line says which kind it must be."""
        lines = self.text.splitlines()
        found = {}
        for branch in recording.branches:
            if branch.file == self.file:
                line = lines[branch.line - 1].strip()
                assert line.removeprefix("async ").startswith(branch.kind)
                found[line] = (branch.taken, branch.not_taken)
        return found


MakeCode = Callable[[str], Code]


@pytest.fixture
def code(tmp_path: Path) -> MakeCode:
    return lambda text: Code(tmp_path, text)


def ways(program: Code, *args: Any) -> dict[str, tuple[int, int]]:
    recording = program.record(*args)
    assert recording.failure is None
    return program.branches(recording)


def test_each_way_of_if_elif_for_and_while_is_counted_without_any_tensor(code: MakeCode) -> None:
    program = code("""
        def main():
            total = 0
            for n in range(7):
                if n < 2:
                    total += 1
                elif n < 5:
                    total += 2
                else:
                    total += 3
            while total > 3:
                total -= 4
            return total
    """)  # total is 2*1 + 3*2 + 2*3 = 14, then 10, 6, 2
    assert ways(program) == {
        "for n in range(7):": (7, 1),
        "if n < 2:": (2, 5),
        "elif n < 5:": (3, 2),
        "while total > 3:": (3, 1),
    }


def test_a_branch_is_a_record_of_its_file_and_line(code: MakeCode) -> None:
    program = code("def main(n):\n    if n:\n        n += 1\n    return n")
    assert program.record(1).branches == (LineBranch(program.file, 2, "if", 1, 0),)


def test_a_branch_that_was_not_reached_has_no_record(code: MakeCode) -> None:
    program = code("""
        def main(n):
            if n:
                return n
            if n == 3:
                return n
    """)
    assert ways(program, 1) == {"if n:": (1, 0)}


def test_zero_trips_break_else_and_return_are_told_apart(code: MakeCode) -> None:
    program = code("""
        def main():
            for a in ():
                pass
            for b in range(9):
                if b == 2:
                    break
            else:
                raise ValueError
            for c in range(2):
                pass
            else:
                c = 5
            while c < 3:
                pass
            while True:
                for d in range(4):
                    if d == c - 3:
                        return d
                    continue
    """)
    assert ways(program) == {
        "for a in ():": (0, 1),
        "for b in range(9):": (3, 0),
        "if b == 2:": (1, 2),
        "for c in range(2):": (2, 1),
        "while c < 3:": (0, 1),
        "for d in range(4):": (3, 0),
        "if d == c - 3:": (1, 2),
    }


def test_a_condition_over_several_lines_is_one_branch(code: MakeCode) -> None:
    program = code("""
        def main():
            hits = 0
            for n in range(
                6,
            ):
                if (n > 1
                        and n != 3
                        or any(k > 9
                               for k in range(n))):
                    hits += 1
            return hits
    """)  # n = 2, 4, 5
    assert ways(program) == {"for n in range(": (6, 1), "if (n > 1": (3, 3)}


def test_recursion_counts_every_call_by_itself(code: MakeCode) -> None:
    program = code("""
        def main(n=5):
            if n and main(n - 1) >= 0:
                return n
            return 0
    """)
    assert ways(program) == {"if n and main(n - 1) >= 0:": (5, 1)}


def test_generators_that_take_turns_do_not_disturb_each_other(code: MakeCode) -> None:
    program = code("""
        def count(n):
            while n:
                yield n
                n -= 1
            if (yield 0):
                yield 1

        def main():
            one, two = count(3), count(2)
            next(one), next(two), next(one), next(two), next(one), next(two), next(one)
            one.send(True)
            two.close()
    """)  # one: trips 3, 2, 1, then the end; two: trips 2, 1, then the end, closed in its `if`
    assert ways(program) == {"while n:": (5, 2), "if (yield 0):": (1, 0)}


def test_coroutines_and_async_loops_are_counted(code: MakeCode) -> None:
    program = code("""
        import asyncio

        async def items():
            for i in range(3):
                await asyncio.sleep(0)
                yield i

        async def work(n):
            async for i in items():
                if i == n:
                    break
            if await asyncio.sleep(0, n):
                n += 1

        async def both():
            await asyncio.gather(work(1), work(7), work(0))

        def main():
            asyncio.run(both())
    """)
    expected = {
        "for i in range(3):": (2 + 3 + 1, 1),
        "async for i in items():": (2 + 3 + 1, 1),
        "if i == n:": (2, 4),
        "if await asyncio.sleep(0, n):": (2, 1),
    }
    if hasattr(sys, "monitoring"):
        del expected["async for i in items():"]
    assert ways(program) == expected


def test_an_exception_in_a_condition_is_neither_way(code: MakeCode) -> None:
    program = code("""
        def main():
            for value in (1, 0, "x"):
                try:
                    if 1 / value > 0:
                        raise KeyError
                except (ZeroDivisionError, TypeError, KeyError):
                    pass
            for value in Odd():
                pass

        class Odd:
            left = 2
            def __iter__(self):
                return self
            def __next__(self):
                self.left -= 1
                if self.left < 0:
                    raise StopIteration
                return self.left
    """)
    assert ways(program) == {
        'for value in (1, 0, "x"):': (3, 1),
        "if 1 / value > 0:": (1, 0),
        "for value in Odd():": (2, 1),
        "if self.left < 0:": (1, 2),
    }


def test_a_body_on_the_line_of_its_header_is_counted_where_that_shows(code: MakeCode) -> None:
    program = code("""
        def check(n):
            if n > 4: raise ValueError
            if n > 2: return n
            if n: n = 5
            else: n = 6
            return n

        def main():
            total = 0
            for n in range(9):
                if n == 7: break
                if n % 2: continue
                try:
                    total += check(n)
                except ValueError:
                    pass
            for n in range(3): total += n
            return total
    """)  # check(0), check(2), check(4), check(6)
    assert ways(program) == {
        "if n > 4: raise ValueError": (1, 3),
        "if n > 2: return n": (1, 2),
        "if n: n = 5": (1, 1),
        "for n in range(9):": (8, 0),
        "if n == 7: break": (1, 7),
        "if n % 2: continue": (3, 4),
        "for n in range(3): total += n": (3, 1),
    }


@TRACED
def test_what_a_tracer_cannot_tell_is_left_out(code: MakeCode) -> None:
    program = code("""
        def main(n):
            if n: n = 2
            while n: n -= 1
            for i in range(3):
                if i: continue
            try:
                if not n: return 3
            finally:
                n = 1
    """)
    assert ways(program, 1) == {"for i in range(3):": (3, 1)}


def test_conditions_that_never_change_are_no_branches(code: MakeCode) -> None:
    program = code("""
        def main():
            if __debug__:
                pass
            while 1:
                if not False or main:
                    break
    """)
    assert ways(program) == {}


def test_nested_functions_and_classes_of_one_name_keep_their_own_counts(code: MakeCode) -> None:
    program = code("""
        def wrap(f):
            return f

        def main():
            @wrap
            def inner(n):
                if n:
                    return 1
                return 2
            class Box:
                if inner(0) == 2:
                    size = 1
            def again():
                def inner(n):
                    if not n:
                        return 1
                    return 2
                return inner(4)
            return [inner(n) for n in (1, 1, 0)] + [again()]
    """)
    assert ways(program) == {
        "if n:": (2, 2),
        "if inner(0) == 2:": (1, 0),
        "if not n:": (0, 1),
    }


def test_lines_are_counted_as_the_standard_librarys_trace_counts_them(code: MakeCode) -> None:
    program = code("""
        def fib(n):
            return n if n < 2 else fib(n - 1) + fib(n - 2)

        def pairs(n):
            for i in range(n):
                for j in range(i):
                    yield i, j

        def main():
            total = sum(i * j for i, j in pairs(5))
            while total > 10:
                total //= 2
                if total % 2:
                    total += fib(5)
                    continue
                total -= 3
            return {k: [v for v in range(k)] for k in range(4)}
    """)
    tracer = trace.Trace(count=True, trace=False)
    before = sys.gettrace()
    try:
        tracer.runfunc(program.module.main)
    finally:
        sys.settrace(before)
    counted = {
        line: count
        for (file, line), count in tracer.results().counts.items()
        if file == program.file
    }
    assert program.record().lines[program.file] == counted


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10**9))
def test_random_programs_agree_with_their_own_counters(
    tmp_path_factory: pytest.TempPathFactory, seed: int
) -> None:
    program = Program(seed, tmp_path_factory.mktemp("random"))
    recording = inspector.record(program.run)
    found = {
        branch.line: (branch.kind, branch.taken, branch.not_taken)
        for branch in recording.branches
        if branch.file == str(program.path)
    }
    assert recording.failure is None
    assert differences(program, found) == [], program.text


def test_the_lines_of_a_with_block_count_as_well(tmp_path: Path) -> None:
    program = Code(
        tmp_path,
        """
        import inspector
        def main():
            for i in range(4):
                pass
            with inspector.recording() as session:
                for i in range(3):
                    if i:
                        i += 1
            for i in range(2):
                pass
            return session.recording
        """,
    )
    before = sys.gettrace()
    recording = program.module.main()
    assert sys.gettrace() is before
    assert program.branches(recording) == {"for i in range(3):": (3, 1), "if i:": (2, 1)}


def test_counting_can_be_switched_off(code: MakeCode) -> None:
    recording = code("def main(n):\n    if n:\n        n += 1").record(1, lines=False)
    assert recording.lines == {}
    assert recording.branches == ()


def test_branches_are_saved_and_shown_in_order(code: MakeCode, tmp_path: Path) -> None:
    program = code("""
        def main():
            for i in range(2):
                if i:
                    helper(i)

        def helper(n):
            while n:
                n -= 1
    """)
    recording = program.record()
    assert [branch.line for branch in recording.branches] == [2, 3, 7]
    recording.save(tmp_path / "run.inspect")
    assert inspector.load(tmp_path / "run.inspect").branches == recording.branches


def test_other_threads_are_not_counted_and_keep_their_tracer(code: MakeCode) -> None:
    program = code("""
        import threading
        def work(n):
            if n:
                n += 1
        def main():
            thread = threading.Thread(target=work, args=(1,))
            thread.start()
            thread.join()
            work(0)
    """)
    seen: list[str] = []

    def tracer(frame: types.FrameType, event: str, arg: Any) -> None:
        seen.append(frame.f_code.co_name)

    before = threading.gettrace()
    threading.settrace(tracer)
    try:
        assert ways(program) == {"if n:": (0, 1)}
        assert threading.gettrace() is tracer
    finally:
        threading.settrace(before)  # type: ignore[arg-type]
    assert seen.count("work") == 1


# ---- beside another tracer


def under(tracer: Any, run: Callable[[], Any]) -> tuple[Any, Any]:
    """(what `run` returned, the tracer afterwards) with `tracer` set for the time of the run."""
    before = sys.gettrace()
    sys.settrace(tracer)
    try:
        result = run()
        after = sys.gettrace()
    finally:
        sys.settrace(before)
    return result, after


BUSY = """
    def leaf(n):
        if n > 1:
            return n
        raise ValueError(n)

    def numbers():
        yield 1
        yield 2

    def main():
        total = 0
        for n in numbers():
            try:
                total += leaf(n)
            except ValueError:
                total -= 1
        return total
"""
BUSY_WAYS = {"if n > 1:": (1, 1), "for n in numbers():": (2, 1)}


class Collector:
    """A tracer as coverage's Python one: it keeps all events of one file."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.events: list[tuple[str, str, int]] = []

    def __call__(self, frame: types.FrameType, event: str, arg: Any) -> Any:
        if frame.f_code.co_filename != self.file:
            return None
        self.events.append((frame.f_code.co_name, event, frame.f_lineno))
        return self


def test_a_coverage_like_tracer_gets_every_event_and_lines_are_counted(code: MakeCode) -> None:
    program = code(BUSY)
    alone, beside = Collector(program.file), Collector(program.file)
    under(alone, program.module.main)
    recording, after = under(beside, program.record)
    assert beside.events == alone.events
    assert after is beside
    assert program.branches(recording) == BUSY_WAYS
    # Of this file only: the test tools' garbage collection callbacks can run at any time.
    assert recording.lines[program.file] == program.record().lines[program.file]
    assert recording.notes == ()


def test_a_tracer_that_wants_opcodes_and_no_lines_gets_just_these(code: MakeCode) -> None:
    program = code(BUSY)

    def events_of(run: Callable[[], Any]) -> tuple[Counter[str], Any]:
        events: Counter[str] = Counter()

        def local(frame: types.FrameType, event: str, arg: Any) -> None:
            assert not frame.f_trace_lines
            events[event] += 1

        def tracer(frame: types.FrameType, event: str, arg: Any) -> Any:
            if frame.f_code.co_filename != program.file:
                return None
            frame.f_trace_lines = False
            frame.f_trace_opcodes = True
            return local

        return events, under(tracer, run)[0]

    alone, _ = events_of(program.module.main)
    beside, recording = events_of(program.record)
    assert beside == alone
    assert beside["line"] == 0
    assert beside["opcode"] > 20
    assert program.branches(recording) == BUSY_WAYS


def test_a_local_trace_function_that_hands_over_to_another_is_followed(code: MakeCode) -> None:
    program = code(BUSY)

    def calls_of(run: Callable[[], Any]) -> tuple[list[str], Any]:
        calls: list[str] = []

        def third(frame: types.FrameType, event: str, arg: Any) -> None:
            calls.append(f"third {event}")

        def second(frame: types.FrameType, event: str, arg: Any) -> None:
            calls.append(f"second {event}")
            frame.f_trace = third

        def first(frame: types.FrameType, event: str, arg: Any) -> Any:
            calls.append(f"first {event}")
            return second

        def tracer(frame: types.FrameType, event: str, arg: Any) -> Any:
            return first if frame.f_code.co_name == "main" else None

        return calls, under(tracer, run)[0]

    alone, _ = calls_of(program.module.main)
    beside, recording = calls_of(program.record)
    assert beside == alone
    assert {call.split()[0] for call in beside} == {"first", "second", "third"}
    assert program.branches(recording) == BUSY_WAYS


class Debugger(bdb.Bdb):
    """Stops at breakpoints and then does what it was told, as if typed at a prompt."""

    def __init__(self, *commands: str) -> None:
        super().__init__()
        self.commands = list(commands)
        self.stops: list[tuple[str, int]] = []

    def user_line(self, frame: types.FrameType) -> None:
        self.stops.append((frame.f_code.co_name, frame.f_lineno))
        command = self.commands.pop(0) if self.commands else "continue"
        if command == "step":
            self.set_step()
        elif command == "next":
            self.set_next(frame)
        elif command == "return":
            self.set_return(frame)
        elif command == "quit":
            self.set_quit()
        else:
            self.set_continue()

    def user_return(self, frame: types.FrameType, value: Any) -> None:
        self.set_step()

    def install(self, file: str, line: int) -> Any:
        self.reset()
        self.botframe = sys._getframe(1)
        self.set_break(file, line)
        self.set_continue()
        return self.trace_dispatch


@pytest.mark.parametrize(
    "commands",
    [(), ("step",) * 4, ("next",) * 4, ("return",), ("step", "return", "step")],
    ids=" ".join,
)
def test_breakpoints_are_hit_and_stepping_goes_the_same_way(
    code: MakeCode, commands: tuple[str, ...]
) -> None:
    program = code(BUSY)

    def main_with_record() -> Any:
        return program.record()

    alone, beside = Debugger(*commands), Debugger(*commands)
    try:
        under(alone.install(program.file, 2), program.module.main)
        recording, after = under(beside.install(program.file, 2), main_with_record)
    finally:
        alone.clear_all_breaks()
    stops = [stop for stop in beside.stops if stop[0] in ("leaf", "main", "numbers")]
    assert stops == [stop for stop in alone.stops if stop[0] in ("leaf", "main", "numbers")]
    assert ("leaf", 2) in stops
    assert after == beside.trace_dispatch
    assert program.branches(recording) == BUSY_WAYS


def test_quitting_the_debugger_ends_the_program_as_without_recording(code: MakeCode) -> None:
    program = code(BUSY)
    debugger = Debugger("quit")
    try:
        recording, after = under(debugger.install(program.file, 2), program.record)
    finally:
        debugger.clear_all_breaks()
    assert recording.failure.type.endswith("BdbQuit")
    assert after is None  # a tracer that raises is taken away by the interpreter


def test_a_tracer_that_the_program_sets_stays(code: MakeCode) -> None:
    program = code("""
        import sys
        def tracer(frame, event, arg):
            return None
        def work(n):
            if n:
                return n
        def main():
            work(1)
            sys.settrace(tracer)
            work(1)
    """)
    recording, after = under(None, program.record)
    assert after is program.module.tracer
    if not hasattr(sys, "monitoring"):
        assert program.branches(recording) == {"if n:": (1, 0)}
        assert any("sys.settrace" in note for note in recording.notes)


def test_a_program_that_takes_the_tracer_away_and_puts_it_back_loses_nothing(
    code: MakeCode,
) -> None:
    program = code("""
        import sys
        def work(n):
            if n:
                return n
        def main():
            tracer = sys.gettrace()
            sys.settrace(None)
            work(1)
            sys.settrace(tracer)
            work(0)
            return tracer
    """)
    recording, after = under(None, program.record)
    assert after is None
    assert recording.notes == ()
    assert program.branches(recording)["if n:"][1] == 1


def test_the_frame_of_a_with_block_gets_its_trace_function_back() -> None:
    events: list[str] = []

    def local(frame: types.FrameType, event: str, arg: Any) -> Any:
        events.append(event)
        return local

    def block() -> Any:
        frame = sys._getframe()
        with inspector.recording() as session:
            torch.ones(1)
        assert frame.f_trace is local
        return session.recording

    def tracer(frame: types.FrameType, event: str, arg: Any) -> Any:
        return local if frame.f_code is block.__code__ else None

    recording, after = under(tracer, block)
    assert after is tracer
    assert sum(recording.lines[__file__].values()) > 0
    assert events[-1] == "return"
    assert events.count("line") >= 5


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_forked_child_keeps_the_tracer_that_was_there_before() -> None:
    def child() -> int:
        pid = os.fork()
        if pid == 0:
            os._exit(17 if sys.gettrace() is tracer else 1)
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

    def tracer(frame: types.FrameType, event: str, arg: Any) -> None:
        return None

    codes: list[int] = []
    under(tracer, lambda: inspector.record(lambda: codes.append(child())))
    assert codes == [17]


# ---- sys.monitoring, in another Python, which need not have torch

MONITORED = """
import sys, types
root, first, last, folder = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
for name in ("inspector", "inspector.capture"):  # without their __init__, which need torch
    package = types.ModuleType(name)
    package.__path__ = [root + "/" + name.replace(".", "/")]
    sys.modules[name] = package
sys.path.insert(0, root + "/tests")
from pathlib import Path
from inspector.capture.branches import line_branches, line_counts
from inspector.capture.monitoring import LineMonitor
from lines_program import Program, differences

def counted(program):
    monitor = LineMonitor(lambda code: code.co_filename == str(program.path))
    assert monitor.start(None)
    program.run()
    monitor.stop()
    return monitor

for seed in range(first, last):
    program = Program(seed, Path(folder))
    monitor = counted(program)
    texts = {str(program.path): program.text}
    found = {b.line: (b.kind, b.taken, b.not_taken) for b in line_branches(monitor.flows, texts)}
    assert not differences(program, found), (differences(program, found), program.text)
    assert set(program.ways()) <= {(line, kind) for line, (kind, *_) in found.items()} | {
        (line, "inline") for line in found}
    again = {b.line: (b.kind, b.taken, b.not_taken)
             for b in line_branches(counted(Program(seed, Path(folder))).flows, texts)}
    assert again == found, "a second recording in one process counts the same"
assert all(sys.monitoring.get_tool(tool) is None for tool in range(6))

def program(monitor, n):
    assert monitor.start(sys._getframe())
    for i in range(n):
        if i:
            n += 1
    monitor.stop()
    return n
monitor = LineMonitor(lambda code: code.co_name == "program")
program(monitor, 3)
line = program.__code__.co_firstlineno
counts = line_counts(monitor.flows)[program.__code__.co_filename]
assert {at - line: counts[at] for at in counts if 2 <= at - line <= 4} == {2: 4, 3: 3, 4: 2}, counts
for tool in range(6):
    sys.monitoring.use_tool_id(tool, "taken")
assert LineMonitor(lambda code: True).start(None) is False
print("agreed")
"""


def _pythons_with_monitoring() -> list[str]:
    found = [sys.executable] if hasattr(sys, "monitoring") else []
    for folder in os.get_exec_path():
        for minor in range(12, 20):
            path = os.path.join(folder, f"python3.{minor}{sysconfig.get_config_var('EXE') or ''}")
            if os.access(path, os.X_OK) and _works(path):
                found.append(path)
    return found


def _works(path: str) -> bool:
    answer = subprocess.run(
        [path, "-c", "import sys; sys.monitoring"], capture_output=True, check=False
    )
    return answer.returncode == 0


def test_monitoring_counts_random_programs_as_they_count_themselves(tmp_path: Path) -> None:
    pythons = _pythons_with_monitoring()
    if not pythons:
        pytest.skip("no Python 3.12 or later on PATH, for counting lines by sys.monitoring")
    for python in pythons:
        answer = subprocess.run(
            [python, "-c", MONITORED, str(ROOT), "0", "40", str(tmp_path)],
            capture_output=True,
            text=True,
            check=False,
        )
        assert answer.returncode == 0, answer.stderr
        assert answer.stdout == "agreed\n"
