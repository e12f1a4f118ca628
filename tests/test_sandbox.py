"""Programs in the sandbox that mean no harm: what they give is what they gave at home."""

from __future__ import annotations

import threading
import time

import pytest

from inspector_app.sandbox import Limits, Outcome, Program, run, running

pytestmark = pytest.mark.xdist_group("sandbox")

HAND = """\
import torch

x = torch.tensor(2.0, requires_grad=True)
y = x + 2
z = y * y * 3
z.backward()
print("z is", z.item())
"""

BRANCHING = """\
import torch


class Net(torch.nn.Module):
    def forward(self, x):
        if x.sum() > 0:
            return x * 2
        return x - 1


model = Net()
x = torch.ones(2)
model(x)
"""


def outcome(source: str, name: str = "lesson", limits: Limits | None = None, **kind) -> Outcome:
    return run(Program(source, name, **kind), limits)


def test_a_program_is_recorded_with_its_lines_under_its_own_name() -> None:
    found = outcome(HAND)
    assert (found.ended, found.reason, found.output) == ("done", "", "z is 48.0\n")
    recording = found.recording
    assert recording is not None
    assert [(op.name, op.source.line) for op in recording.ops] == [
        ("tensor", 3), ("add", 4), ("mul", 5), ("mul", 5), ("item", 7),
    ]  # fmt: skip
    assert {op.source.file for op in recording.ops} == {"lesson.py"}
    assert {len(op.stack) for op in recording.ops} == {1}, "nothing of ours is around the program"
    assert recording.sources["lesson.py"] == HAND
    assert set(recording.lines) == {"lesson.py"}
    assert recording.lines["lesson.py"][5] == 1
    # dz/dx = 6 (x + 2) = 24
    assert [step.kind for step in recording.steps] == ["backward"]
    assert recording.tensors[recording.ops[0].outputs[0]].grad.max == 24.0


def test_what_comes_before_sets_names_is_not_recorded_and_shifts_no_line() -> None:
    found = outcome(
        "y = torch.ones(length)\n", before="import torch\nlength = 3\nunseen = torch.ones(9)\n"
    )
    assert found.recording is not None
    (op,) = found.recording.ops
    assert (op.name, op.source.line) == ("ones", 1)
    assert found.recording.tensors[op.outputs[0]].shape == (3,)


def test_a_mistake_in_the_inputs_is_told_as_theirs() -> None:
    found = outcome("print(1)\n", before="length = 3\nwidth = missing\n")
    assert (found.ended, found.recording, found.line) == ("failed", None, None)
    assert "NameError" in found.reason
    assert 'File "<inputs>", line 2' in found.output
    assert "width = missing" in found.output


def test_a_plain_program_gives_its_output_and_no_graph() -> None:
    found = outcome("import torch\nprint(torch.ones(2).sum().item())\n", plain=True)
    assert (found.ended, found.output, found.recording) == ("done", "2.0\n", None)


def test_values_and_kernels_are_kept_when_asked_for() -> None:
    found = outcome("import torch\ny = torch.arange(3) * 2\n", values="full", kernels=True)
    assert found.recording is not None
    product = found.recording.ops[-1]
    assert found.recording.values[product.outputs[0]].tolist() == [0, 2, 4]
    assert [kernel.name for kernel in product.kernels] == ["aten.mul.Tensor"]


@pytest.mark.parametrize("kind", [{"script": "model"}, {"trace": "model(x)"}])
def test_torchscript_of_a_variable_comes_with_lines_of_the_program(kind: dict[str, str]) -> None:
    found = outcome(BRANCHING, **kind)
    assert found.static_reason == ""
    static = found.static
    assert static is not None
    assert static.kind == next(iter(kind))
    assert ("prim::If" in [node.kind for node in static.nodes]) == ("script" in kind)
    product = next(node for node in static.nodes if node.kind == "aten::mul")
    assert (product.source.file, product.source.line) == ("lesson.py", 7)
    assert static.sources == {"lesson.py": BRANCHING}
    assert static.origin is None


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ({"script": "nothing"}, "no variable `nothing`"),
        ({"script": "x"}, "neither a module nor a function"),
        ({"trace": "model"}, "takes a call"),
        ({"trace": "model(torch.ones(3))"}, "names only"),
        ({"trace": "model(x"}, "never closed"),
        ({"trace": "__import__('os').abort()"}, "names only"),
    ],
)
def test_torchscript_that_cannot_be_made_is_told_and_the_recording_kept(
    kind: dict[str, str], reason: str
) -> None:
    found = outcome(BRANCHING, **kind)
    assert (found.ended, found.static) == ("done", None)
    assert reason in found.static_reason
    assert found.recording is not None
    assert len(found.recording.ops) > 3


def test_an_exception_keeps_the_recording_and_shows_the_users_frames_alone() -> None:
    source = (
        "import torch\n\n\ndef halve(x):\n    return torch.nn.functional.linear(x, x)\n\n\n"
        "try:\n    1 / 0\nexcept ZeroDivisionError:\n    halve(torch.ones(2, 3, 4))\n"
    )
    found = outcome(source)
    assert found.ended == "failed"
    assert found.line == 5
    assert found.reason.startswith("Line 5: RuntimeError: ")
    assert found.recording is not None
    assert found.recording.failure.source.line == 5
    places = [row.strip() for row in found.output.splitlines() if row.strip().startswith("File ")]
    assert places == [
        'File "lesson.py", line 9, in <module>',
        'File "lesson.py", line 11, in <module>',
        'File "lesson.py", line 5, in halve',
    ]


def test_a_syntax_error_names_its_line() -> None:
    found = outcome("x = 1\ny = = 2\n")
    assert (found.ended, found.line, found.recording) == ("failed", 2, None)
    assert found.reason == "Line 2: SyntaxError: invalid syntax."


@pytest.mark.parametrize(
    ("source", "ended", "reason", "output"),
    [
        ("import sys\nsys.exit()", "done", "", ""),
        ("import sys\nsys.exit(0)", "done", "", ""),
        ("import sys\nsys.exit('bye')", "failed", "It ended itself with sys.exit(bye).", "bye\n"),
        ("raise KeyboardInterrupt", "failed", "Line 1: KeyboardInterrupt.", None),
        ("input('name? ')", "failed", "Line 1: EOFError: EOF when reading a line.", None),
    ],
)
def test_other_ways_to_end(source: str, ended: str, reason: str, output: str | None) -> None:
    found = outcome(source)
    assert (found.ended, found.reason) == (ended, reason)
    assert output is None or found.output == output
    assert found.recording is not None


def test_output_may_hold_any_characters_and_warnings() -> None:
    found = outcome("import warnings\nprint('żółć 你好 \\ud800')\nwarnings.warn('careful')\n")
    assert "żółć 你好 \\ud800\n" in found.output
    assert "lesson.py:3: UserWarning: careful" in found.output
    assert found.ended == "done"


def test_a_message_with_half_a_character_can_be_sent_on() -> None:
    found = outcome("raise ValueError('\\ud800')")
    assert found.reason.encode() == b"Line 1: ValueError: ?."


def test_output_is_heard_while_the_program_runs() -> None:
    heard: list[tuple[float, str]] = []
    source = "import time\nprint('one')\ntime.sleep(0.5)\nprint('two')\n"
    found = run(Program(source, "x"), heard=lambda text: heard.append((time.monotonic(), text)))
    assert "".join(text for _, text in heard) == found.output == "one\ntwo\n"
    assert heard[-1][0] - heard[0][0] > 0.3


def test_runs_know_nothing_of_each_other() -> None:
    first = outcome(
        "import builtins, os, random, sys\nbuiltins.leak = sys.leak = 1\n"
        "os.environ['LEAK'] = '1'\nopen('leak', 'w').close()\nprint(random.random())\n"
    )
    second = outcome(
        "import builtins, os, random, sys\n"
        "print(hasattr(builtins, 'leak'), hasattr(sys, 'leak'), 'LEAK' in os.environ)\n"
        "print(os.listdir('.'))\nprint(random.random())\n"
    )
    lines = second.output.splitlines()
    assert lines[:2] == ["False False False", "['lesson.py']"]
    assert first.output.strip() != lines[2], "every run begins with other random numbers"


def test_the_program_is_main_and_its_source_can_be_read() -> None:
    found = outcome(
        "import inspect, pickle, sys\n\n\nclass Mine:\n    pass\n\n\n"
        "print(__name__, __file__, sys.argv)\nprint(inspect.getsource(Mine), end='')\n"
        "print(type(pickle.loads(pickle.dumps(Mine()))) is Mine)\n"
    )
    assert found.output == "__main__ lesson.py ['lesson.py']\nclass Mine:\n    pass\nTrue\n"


def test_a_trace_that_does_not_end_is_given_up() -> None:
    found = outcome(
        "import torch\nonce = True\ndef f(x):\n    while not once: x = x + 1\n    return x\n"
        "x = f(torch.ones(1))\nonce = False\n",
        trace="f(x)",
        limits=Limits(seconds=2),
    )
    assert (found.ended, found.static) == ("done", None)
    assert "no time left" in found.static_reason
    assert found.recording is not None


def test_files_of_a_program_lie_in_a_folder_that_only_it_has() -> None:
    found = outcome(
        "import multiprocessing, os, tempfile\n"
        "def squared(x): return x * x\n"
        "if __name__ == '__main__':\n"
        "    with tempfile.NamedTemporaryFile() as file:\n"
        "        print(os.path.dirname(file.name) == os.getcwd() == os.path.expanduser('~'))\n"
        "    with multiprocessing.get_context('spawn').Pool(1) as pool:\n"
        "        print(pool.map(squared, [2, 3]))\n"
    )
    assert found.output == "True\n[4, 9]\n"


def test_threads_are_waited_for_and_processes_can_be_started() -> None:
    found = outcome(
        "import subprocess, sys, threading, time\n"
        "def late():\n    time.sleep(0.2)\n    print('late')\n"
        "threading.Thread(target=late).start()\n"
        "told = subprocess.run([sys.executable, '-c', 'print(6 * 7)'], capture_output=True)\n"
        "print(told.stdout)\n"
    )
    assert found.ended == "done"
    assert found.output.splitlines() in (["b'42\\n'", "late"], ["late", "b'42\\n'"])


def test_an_executor_that_was_left_open_ends_with_the_program() -> None:
    found = outcome(
        "from concurrent.futures import ThreadPoolExecutor\n"
        "pool = ThreadPoolExecutor()\npool.submit(print, 'in the pool')\n"
    )
    assert (found.ended, found.output) == ("done", "in the pool\n")


def test_a_program_can_be_stopped() -> None:
    stop = threading.Event()
    found = run(
        Program("print('on', flush=True)\nwhile True: pass", "x"),
        stop=stop,
        heard=lambda text: stop.set(),
    )
    assert (found.ended, found.output) == ("stopped", "on\n")


def test_a_program_that_waits_for_its_turn_can_be_stopped() -> None:
    ends = [threading.Event() for _ in range(running.AT_ONCE)]
    begun = threading.Semaphore(0)
    source = "import time\nprint('on')\ntime.sleep(60)"
    runs = [
        threading.Thread(
            target=run, args=(Program(source, "x"), None, end, lambda text: begun.release())
        )
        for end in ends
    ]
    for one in runs:
        one.start()
    for _ in runs:
        assert begun.acquire(timeout=30.0)
    stop = threading.Event()
    threading.Timer(0.3, stop.set).start()
    assert run(Program("print(1)", "x"), stop=stop).ended == "stopped"
    for end in ends:
        end.set()
    for one in runs:
        one.join(20.0)
    assert run(Program("print(1)", "x")).output == "1\n"


@pytest.mark.parametrize("name", ["", "a/b", "..", "a.py", "x" * 99, "a\nb"])
def test_a_name_that_is_no_files_name_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="name"):
        Program("", name)
