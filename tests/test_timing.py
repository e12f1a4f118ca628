"""Variants timed in turns: what is measured, in what order, and what stays as it was."""

from __future__ import annotations

import copy
import gc
import shutil
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from inspector import BatchPoint, BatchTiming, Machine, Measurement, Timing, measure, sweep_batch
from inspector.errors import TimingError
from inspector.render.figures import batch_figure, timing_figure
from inspector.torchscript.copies import copied_values, tensors_in
from inspector.torchscript.measuring import overhead, sweep, variants
from inspector.torchscript.measuring.overhead import Profile, outside_share
from inspector.torchscript.measuring.race import Course, Runner, difference, quartiles, race
from inspector.torchscript.measuring.variants import TITLES, Variant, within


class Clock:
    """Stands still unless told to go on."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def variant(name: str, call: Callable[..., Any], **more: Any) -> Variant:
    about: dict[str, Any] = {"grad": False, "evaluating": False, "prepare_ms": 0.0}
    return Variant(name, call, copied_values, **{**about, **more})


def course(clock: Clock, *args: Any, seconds: float = 1e9, runs: int = 3, **more: Any) -> Course:
    about: dict[str, Any] = {"reference": lambda _: None, "wait": lambda: None}
    return Course(args, {}, seconds=seconds, max_runs=runs, clock=clock, **{**about, **more})


def taking(clock: Clock, seconds: float, log: list[str], name: str) -> Callable[..., Tensor]:
    """A model that takes so long, and says that it was called."""

    def call(*_args: Any) -> Tensor:
        log.append(name)
        clock.now += seconds
        return torch.ones(2)

    return call


# -- the race ------------------------------------------------------------------------------


def test_variants_run_in_turns_and_the_order_moves_on_each_round() -> None:
    clock, log = Clock(), []
    runners = [variant(name, taking(clock, 1.0, log, name)) for name in "abc"]
    race(runners, course(clock, runs=4))
    warm = 3 * 4
    assert "".join(log[:warm]) == "abc" + "aaa" + "bbb" + "ccc"
    assert "".join(log[warm:]) == "abc" + "bca" + "cab" + "abc"


def test_times_are_those_of_the_calls() -> None:
    clock, log = Clock(), []
    calls = {"a": 0.25, "b": 2.0}
    made = [variant(name, taking(clock, took, log, name)) for name, took in calls.items()]
    found = race(made, course(clock, runs=3))
    assert [runner.times for runner in found] == [[0.25] * 3, [2.0] * 3]
    assert [runner.warm_up for runner in found] == [4, 4]


def test_the_time_allowed_ends_the_race_but_each_variant_runs_once() -> None:
    clock, log = Clock(), []
    made = [variant(name, taking(clock, 1.0, log, name)) for name in "ab"]
    few = race(made, course(clock, seconds=5.5, runs=100))
    assert [len(runner.times) for runner in few] == [3, 3]
    one = race(made, course(clock, seconds=0.5, runs=100))
    assert [len(runner.times) for runner in one] == [1, 1]


def test_a_slow_variant_is_warmed_up_twice_only() -> None:
    clock, log = Clock(), []
    (slow,) = race([variant("a", taking(clock, 10.0, log, "a"))], course(clock, seconds=5.0))
    assert slow.warm_up == 2


def test_copying_the_arguments_and_freeing_the_output_are_not_timed() -> None:
    clock = Clock()

    class Output:
        def __del__(self) -> None:
            clock.now += 100.0

    def fresh(args: tuple[Any, ...], kwargs: Any) -> Any:
        clock.now += 50.0
        return args, dict(kwargs)

    def call() -> Output:
        clock.now += 1.0
        return Output()

    (found,) = race([Variant("a", call, fresh, False, False, 0.0)], course(clock))
    assert found.times == [1.0] * 3


def test_a_gpu_is_waited_for_before_and_after_a_timed_call() -> None:
    clock, log = Clock(), []

    def wait() -> None:
        log.append("wait")
        clock.now += 3.0  # of the second wait: the call's kernels

    (found,) = race([variant("a", taking(clock, 1.0, log, "a"))], course(clock, runs=1, wait=wait))
    assert log[-3:] == ["wait", "a", "wait"]
    assert found.times == [4.0]


def test_what_raises_later_is_out_and_the_others_run_on() -> None:
    clock, log = Clock(), []
    calls = 0

    def fails_at_the_sixth() -> Tensor:
        nonlocal calls
        calls += 1
        if calls == 6:
            raise RuntimeError("worn out\nat length")
        return torch.ones(2)

    made = [variant("a", fails_at_the_sixth), variant("b", taking(clock, 1.0, log, "b"))]
    bad, good = race(made, course(clock, runs=5))
    assert bad.reason == "It raised RuntimeError: worn out"
    assert len(good.times) == 5


def test_garbage_is_not_collected_within_the_race_and_again_after_it() -> None:
    states = []
    race([variant("a", lambda: states.append(gc.isenabled()))], course(Clock(), runs=2))
    assert states[-2:] == [False, False]
    assert gc.isenabled()


def test_another_output_is_told_with_the_largest_difference() -> None:
    about = {"reference": lambda _: [torch.tensor([1.0, 2.0])]}
    made = [variant("a", lambda: torch.tensor([1.0, 2.5])), variant("b", lambda: torch.ones(3))]
    one, other = race(made, course(Clock(), **about))
    assert (one.difference, one.equal) == (0.5, False)
    assert (other.difference, other.equal) == (None, False)


def test_outputs_agree_within_what_their_precision_allows() -> None:
    half = torch.tensor([1.0], dtype=torch.float16)
    assert difference([half + 0.004], [half])[1] is True
    assert difference([torch.tensor([1.004])], [torch.tensor([1.0])])[1] is False
    nan = torch.tensor([float("nan")])
    assert difference([nan], [nan]) == (0.0, True)
    assert difference([], []) == (0.0, True)


def test_quartiles_are_those_of_the_textbook() -> None:
    assert quartiles([4.0, 1.0, 3.0, 2.0, 5.0]) == (2.0, 3.0, 4.0)
    assert quartiles([7.0]) == (7.0, 7.0, 7.0)
    assert quartiles([]) == (None, None, None)


# -- measure -----------------------------------------------------------------------------


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(3, 3)
        self.norm = nn.BatchNorm1d(3)

    def forward(self, x: Tensor) -> Tensor:
        x.add_(1.0)
        return torch.relu(self.norm(self.linear(x)))


class Failing(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        raise ValueError("always")


class Held(nn.Module):
    """Cannot be copied, and counts its calls."""

    def __init__(self) -> None:
        super().__init__()
        self.lock = threading.Lock()
        self.calls: Tensor
        self.register_buffer("calls", torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        self.calls += 1
        return x * 2


QUICK: dict[str, Any] = {"seconds": 0.02, "max_runs": 3}


def test_a_row_for_each_variant_with_runs_spread_and_machine() -> None:
    found = measure(Net().eval(), torch.ones(2, 3), **QUICK)
    assert [row.variant for row in found.rows] == list(variants.DEFAULT)
    for row in found.rows:
        assert row.reason == ""
        assert 1 <= row.runs <= 3
        assert row.median is not None
        assert row.first_quartile is not None
        assert row.third_quartile is not None
        assert row.fastest == min(row.samples)
        assert row.fastest <= row.first_quartile <= row.median <= row.third_quartile
        assert row.equal is True
        assert row.grad is (row.variant == "eager")
    assert found.machine.threads == torch.get_num_threads()
    assert found.machine.torch == torch.__version__
    assert found.machine.cpu
    assert found.inputs == ("2×3 float32",)
    assert found.model == "Net"
    assert found.seconds == pytest.approx(sum(sum(r.samples) for r in found.rows) / 1e6)


def test_measuring_changes_nothing() -> None:
    model = Net().train()
    x = torch.ones(2, 3)
    before, random = copy.deepcopy(model.state_dict()), torch.get_rng_state()
    attributes = [set(vars(module)) for module in model.modules()]
    measure(model, x, **QUICK)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert [set(vars(module)) for module in model.modules()] == attributes
    assert model.training
    assert model.norm.training
    assert torch.equal(x, torch.ones(2, 3))
    assert torch.equal(torch.get_rng_state(), random)
    assert all(parameter.grad is None for parameter in model.parameters())
    assert torch.is_grad_enabled()


def test_a_model_in_training_mode_is_frozen_in_evaluation_mode_and_checked_in_it() -> None:
    found = measure(Net().train(), torch.randn(4, 3), **QUICK)
    modes = {row.variant: row.training for row in found.rows}
    assert modes["eager"]
    assert modes["script"]
    assert not modes["frozen"]
    assert all(row.equal for row in found.rows)


def test_dropout_draws_the_same_numbers_in_each_variant() -> None:
    found = measure(nn.Dropout(0.5), torch.ones(50), variants=["no_grad", "script"], **QUICK)
    assert [row.difference for row in found.rows] == [0.0, 0.0]


def test_a_model_that_raises_has_rows_with_the_reason() -> None:
    found = measure(Failing(), torch.ones(2), **QUICK)
    assert all("always" in row.reason for row in found.rows)
    assert all(row.median is None and row.runs == 0 for row in found.rows)


def test_functions_have_no_frozen_variant() -> None:
    def double(x: Tensor) -> Tensor:
        return x * 2

    found = measure(double, torch.ones(2), variants=["no_grad", "frozen"], **QUICK)
    eager, frozen = found.rows
    assert eager.runs
    assert "Freezing is for modules" in frozen.reason


def test_what_does_not_script_has_the_compilers_reason_and_is_frozen_from_its_trace() -> None:
    class Any_(nn.Module):
        def forward(self, *xs: Tensor) -> Tensor:
            return xs[0] * 2

    found = measure(Any_().eval(), torch.ones(2), **QUICK)
    script = found.row("script")
    assert script is not None
    assert "cannot be scripted" in script.reason
    for name in ("trace", "frozen"):
        row = found.row(name)
        assert row is not None
        assert row.equal is True


def test_a_model_that_cannot_be_copied_runs_itself_and_is_set_back() -> None:
    model = Held()
    found = measure(model, torch.ones(2), variants=["eager", "no_grad", "frozen"], **QUICK)
    assert "cannot be copied" in found.notes[0]
    assert found.rows[0].runs
    assert "cannot be copied" in found.rows[2].reason
    assert model.calls.item() == 0


def test_outputs_and_arguments_may_be_nested() -> None:
    def split(x: dict[str, Tensor], scale: float) -> dict[str, Any]:
        return {"low": x["a"] * scale, "rest": (x["a"], None)}

    found = measure(split, {"a": torch.ones(2)}, 3.0, variants=["no_grad", "trace"], **QUICK)
    assert [row.equal for row in found.rows] == [True, True]
    assert found.inputs == ("2 float32",)
    assert len(tensors_in(split({"a": torch.ones(2)}, 3.0))) == 2


def test_keyword_arguments_are_passed_on() -> None:
    def scaled(x: Tensor, scale: float = 1.0) -> Tensor:
        assert scale == 3.0
        return x * scale

    found = measure(scaled, torch.ones(2), variants=["no_grad"], kwargs={"scale": 3.0}, **QUICK)
    assert found.rows[0].reason == ""


def test_an_unknown_variant_is_an_error_that_lists_the_known() -> None:
    with pytest.raises(TimingError, match="eager, no_grad, script"):
        measure(Net(), torch.ones(2, 3), variants=["fastest"])


# -- torch.compile -------------------------------------------------------------------------


def test_compiling_is_left_out_unless_asked_for() -> None:
    assert "compile" not in variants.DEFAULT
    assert "compile" in TITLES


def test_without_a_compiler_torch_compile_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda _name: None)
    found = measure(Net().eval(), torch.ones(2, 3), variants=["compile"], **QUICK)
    assert "no C++ compiler" in found.rows[0].reason


def test_work_beyond_its_time_is_stopped() -> None:
    threads = threading.active_count()
    ended = threading.Event()

    def endless() -> None:
        try:
            while True:
                time.sleep(0.005)
        finally:
            ended.set()

    with pytest.raises(TimingError, match=r"longer than the 0\.05 s"):
        within(0.05, endless)
    assert ended.wait(5)
    assert threading.active_count() == threads


def test_work_that_fails_hands_its_reason_on_and_work_within_its_time_is_done() -> None:
    def failing() -> None:
        raise RuntimeError("no such backend")

    with pytest.raises(TimingError, match="no such backend"):
        within(5, failing)
    done = threading.Event()
    within(5, done.set)
    assert done.is_set()


def test_the_time_to_compile_is_told_apart_from_the_time_to_run(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: f"/usr/bin/{name}")
    monkeypatch.setattr(torch, "compile", lambda model: model)
    found = measure(Net().eval(), torch.ones(2, 3), variants=["compile"], **QUICK)
    (row,) = found.rows
    assert row.prepare_ms is not None
    assert row.runs
    assert row.equal is True
    assert row.outside_share is None
    assert "not known" in row.share_reason


# -- the share of time outside of ops -------------------------------------------------------


def test_the_share_is_what_is_left_of_a_call_without_its_ops() -> None:
    # 5 ops cost the profiler 150 - 100 = 50 µs: 10 each. Off the 60 µs in ops go the three inner
    # ones and half of the two outer ones: 20 µs are left, of 100.
    assert outside_share(Profile(60.0, 2, 3), 100.0, 150.0) == pytest.approx(0.8)
    assert outside_share(Profile(60.0, 2, 3), 100.0, 100.0) == pytest.approx(0.4)


def test_the_share_stays_between_nothing_and_all_and_is_unknown_without_ops() -> None:
    assert outside_share(Profile(500.0, 1, 0), 100.0, 100.0) == 0.0
    assert outside_share(Profile(1.0, 1, 9), 100.0, 900.0) == 1.0
    assert outside_share(Profile(0.0, 0, 0), 100.0, 100.0) is None


def test_only_outermost_ops_count_and_the_first_call_does_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Event:
        def __init__(self, name: str, start: float, took: float, parent: Any = None) -> None:
            self.name, self.cpu_parent = name, parent
            self.time_range = type(
                "Range", (), {"start": start, "elapsed_us": lambda _self: took}
            )()

    events = []
    for call in range(overhead._CALLS):
        mark = Event("forward", call * 100, 60.0)
        outer = Event("aten::linear", call * 100 + 1, 1000.0 if call == 0 else 30.0, mark)
        inner = Event("aten::addmm", call * 100 + 2, 20.0, outer)
        events += [mark, outer, inner]
    found = overhead._profiles(events)
    assert found == [Profile(30.0, 1, 1)] * (overhead._CALLS - 1)
    assert overhead._profiles(events[:-1]) == []


def test_a_share_is_estimated_for_real_calls() -> None:
    found = measure(nn.Linear(4, 4), torch.ones(2, 4), variants=["no_grad"], **QUICK)
    share = found.rows[0].outside_share
    assert share is not None
    assert 0.0 <= share <= 1.0
    without = measure(
        nn.Linear(4, 4), torch.ones(2, 4), variants=["no_grad"], overhead=False, **QUICK
    )
    assert without.rows[0].outside_share is None


# -- batch sizes ---------------------------------------------------------------------------


def test_a_sweep_runs_each_variant_at_each_size() -> None:
    seen = set()

    def rows(x: Tensor, weight: Tensor) -> Tensor:
        seen.add((tuple(x.shape), tuple(weight.shape)))
        return x @ weight

    found = sweep_batch(
        rows, torch.ones(2, 3), torch.ones(3, 3), sizes=(1, 5), variants=["no_grad"], **QUICK
    )
    assert seen == {((1, 3), (3, 3)), ((5, 3), (3, 3))}
    assert [(point.variant, point.size) for point in found.points] == [
        ("no_grad", 1),
        ("no_grad", 5),
    ]
    assert found.batched == (0,)
    assert all(point.median and point.runs and point.equal for point in found.points)


def test_batches_are_the_given_rows_in_turn() -> None:
    x = torch.tensor([[1.0], [2.0]])
    (found,) = sweep._resized((x,), [0], 5)
    assert found.flatten().tolist() == [1, 2, 1, 2, 1]


def test_the_arguments_that_grow_can_be_named() -> None:
    shapes = set()

    def both(x: Tensor, y: Tensor) -> Tensor:
        shapes.add((len(x), len(y)))
        return x

    x = torch.ones(2)
    sweep_batch(both, x, x, sizes=(4,), variants=["no_grad"], batched=(1,), **QUICK)
    assert shapes == {(2, 4)}
    with pytest.raises(TimingError, match="`batched`"):
        sweep_batch(both, x, x, sizes=(4,), variants=["no_grad"], batched=(2,), **QUICK)
    with pytest.raises(TimingError, match="a row per sample"):
        sweep_batch(lambda n: torch.ones(n), 3, variants=["no_grad"])
    with pytest.raises(TimingError, match="1 or more"):
        sweep_batch(both, x, x, sizes=(0,), variants=["no_grad"])


class FixedBatch(nn.Module):
    """Eager code that a trace keeps the batch size of."""

    def forward(self, x: Tensor) -> Tensor:
        if x.shape[0] > 4:
            raise ValueError("at most four rows")
        return x * int(x.shape[0])


@pytest.mark.filterwarnings("error")
def test_a_size_that_fails_or_comes_out_wrong_is_a_gap_with_its_reason() -> None:
    found = sweep_batch(
        FixedBatch(), torch.ones(2, 3), sizes=(2, 4, 8), variants=["no_grad", "trace"], **QUICK
    )
    points = {(point.variant, point.size): point for point in found.points}
    assert points["no_grad", 4].median
    assert points["no_grad", 8].median is None
    assert "at most four rows" in points["no_grad", 8].reason
    assert points["trace", 2].median
    assert points["trace", 4].median is None  # it multiplies by two still
    assert "something else" in points["trace", 4].reason


def test_a_variant_that_cannot_be_made_is_a_gap_at_each_size() -> None:
    found = sweep_batch(
        lambda x: x, torch.ones(2), sizes=(1, 2), variants=["frozen", "no_grad"], **QUICK
    )
    assert [(p.variant, p.median is None) for p in found.points] == [
        ("frozen", True),
        ("frozen", True),
        ("no_grad", False),
        ("no_grad", False),
    ]


# -- charts --------------------------------------------------------------------------------

HERE = Machine("a CPU, 2 cores", 1, "2.13.0", "3.11")


def row(name: str, *times: float | None, **more: Any) -> Measurement:
    middle, low, high = times if times else (None, None, None)
    samples = () if middle is None else (middle,) * 10
    return Measurement(name, TITLES[name], samples, middle, low, high, low, warmup=4, **more)


def test_the_bars_are_medians_and_the_whiskers_quartiles() -> None:
    rows = (
        row("eager", 3000.0, 2500.0, 4000.0),
        row("frozen"),
        row("script", 1500.0, 1000.0, 2000.0),
    )
    figure = timing_figure(Timing("Net", rows, HERE))
    assert figure is not None
    (bars,) = figure.data
    assert list(bars.y) == ["eager", "script"]
    assert list(bars.x) == [3.0, 1.5]
    assert list(bars.error_x.array) == [1.0, 0.5]
    assert list(bars.error_x.arrayminus) == [0.5, 0.5]
    assert figure.layout.xaxis.title.text == "ms"
    assert timing_figure(Timing("Net", (row("eager"),), HERE)) is None


def test_the_sweep_is_a_line_per_variant_with_gaps() -> None:
    points = (
        BatchPoint("no_grad", "eager, no_grad", 1, 10.0),
        BatchPoint("no_grad", "eager, no_grad", 4, None, reason="out of memory"),
        BatchPoint("no_grad", "eager, no_grad", 8, 40.0),
        BatchPoint("script", "script", 1, 5.0),
    )
    figure = batch_figure(BatchTiming("Net", points, (1, 4, 8), HERE), "dark")
    assert figure is not None
    eager, script = figure.data
    assert list(eager.x) == [1, 4, 8]
    assert list(eager.y) == [10.0, None, 40.0]
    assert eager.connectgaps is False
    assert eager.marker.symbol != script.marker.symbol
    assert batch_figure(BatchTiming("Net", points[1:2], (4,), HERE)) is None


def test_the_runner_starts_without_times() -> None:
    assert Runner(variant("a", lambda: None)).times == []


# -- printed, and refused --------------------------------------------------------------------------


def test_a_timing_is_printed_as_a_table() -> None:
    rows = (
        Measurement("eager", "eager", (30.0,), 30.0, 20.0, 1500.0, equal=True),
        Measurement("script", "script", (12.0, 12.0), 12.0, 12.0, 12.0, equal=False),
        Measurement("trace", "trace", reason="It raised.\nBelow."),
    )
    machine = Machine("a CPU", 1, "2.0", "3.11")
    timing = Timing("Net", rows, machine, ("2×3 float32",), notes=("A note.",))
    assert str(timing).splitlines() == [
        "Net, 2×3 float32, cpu, 1 thread, torch 2.0",
        "variant  median   quartiles           speed  same result",
        "eager    30.0 µs  20.0 µs to 1.50 ms  1.00×  yes",
        "script   12.0 µs  12.0 µs to 12.0 µs  2.50×  no",
        "trace    –        –                   –      –            It raised.",
        "A note.",
    ]
    assert repr(timing) == "<Timing of Net: 2 of 3 variants timed>"
    assert [repr(row) for row in rows] == [
        "<Measurement of eager: 30.0 µs, 1 call>",
        "<Measurement of script: 12.0 µs, 2 calls>",
        "<Measurement of trace: It raised.\nBelow.>",
    ]


def test_a_sweep_is_printed_as_a_table() -> None:
    points = (
        BatchPoint("script", "script", 1, 5.0, 4.0, 2e6, 3, True),
        BatchPoint("script", "script", 16, reason="out of memory"),
    )
    timing = BatchTiming("Net", points, (1, 16), Machine("a CPU", 2, "2.0", "3.11"))
    assert str(timing).splitlines() == [
        "Net, cpu, 2 threads, torch 2.0",
        "variant  batch  median  quartiles         same result",
        "script   1      5.0 µs  4.0 µs to 2.00 s  yes",
        "script   16     –       –                 –            out of memory",
    ]
    assert repr(timing) == "<BatchTiming of Net: 1 of 2 points timed>"


@pytest.mark.parametrize(
    ("model", "words"),
    [
        ("abc", "The model is a str: pass a module or a function"),
        (None, "The model is None"),
        (nn.Linear, "Linear is a class: pass an instance of it"),
    ],
)
def test_what_is_no_model_is_not_timed(model: Any, words: str) -> None:
    for timed in (measure, sweep_batch):
        with pytest.raises(TimingError, match=words):
            timed(model, torch.ones(2, 3))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"seconds": -1}, "seconds is a number, 0 or more, not -1"),
        ({"seconds": "a"}, "seconds is a number, 0 or more, not 'a'"),
        ({"seconds": float("nan")}, "seconds is a number, 0 or more, not nan"),
        ({"max_runs": 0}, "max_runs is a whole number, 1 or more, not 0"),
        ({"max_runs": 1.5}, "max_runs is a whole number, 1 or more, not 1.5"),
        ({"variants": "eager"}, r"variants is a list of names: \['eager'\]"),
        ({"variants": []}, "variants is empty: name at least one of eager, no_grad"),
    ],
)
def test_wrong_options_are_told(options: dict[str, Any], words: str) -> None:
    for timed in (measure, sweep_batch):
        with pytest.raises(TimingError, match=words):
            timed(nn.Linear(3, 3), torch.ones(2, 3), **options)


def test_sizes_are_whole_numbers() -> None:
    with pytest.raises(TimingError, match="1 or more"):
        sweep_batch(nn.Linear(3, 3), torch.ones(2, 3), sizes="ab")  # type: ignore[arg-type]
