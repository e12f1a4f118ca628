"""How long the variants of a model take, for this input, on this machine."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from numbers import Integral, Real
from typing import Any

import torch

from inspector.errors import InspectorError, TimingError
from inspector.language import sentence
from inspector.stages import Measurement, Timing
from inspector.torchscript.copies import (
    copied_model,
    copied_values,
    in_words,
    is_training,
    tensors_in,
)
from inspector.torchscript.kept import (
    attributes_kept,
    collected_warnings,
    modules_kept,
    random_state_kept,
    reached_modules,
)
from inspector.torchscript.make import no_model
from inspector.torchscript.measuring.machine import described, machine, waiting
from inspector.torchscript.measuring.overhead import hides_kernels, profiled_share
from inspector.torchscript.measuring.race import Clock, Course, Runner, quartiles, race
from inspector.torchscript.measuring.variants import DEFAULT, TITLES, Subject, Variant, make_variant
from inspector.torchscript.read import name_of

MAX_RUNS = 200
_HIDDEN = sentence("Its kernels are no ATen ops, so the share outside of them is not known.")


def measure(
    model: Any,
    *args: Any,
    variants: Sequence[str] | None = None,
    seconds: float = 3.0,
    overhead: bool = True,
    compile_limit: float = 120.0,
    max_runs: int = MAX_RUNS,
    kwargs: Mapping[str, Any] | None = None,
    clock: Clock = time.perf_counter,
) -> Timing:
    """Time variants of a model in turns.

    Copies of the model run on copies of the arguments: its parameters, buffers, mode and the
    random generators stay as they are. Of a function, what it reaches is set back. All but
    "eager" run without gradients, "frozen" and "optimised" in evaluation mode.

    Args:
        model: a module or a function.
        args: what to call it with.
        variants: of "eager", "no_grad", "script", "trace", "frozen", "optimised" and
            "compile"; None for all but "compile" (torch.compile, which may take a minute).
        seconds: how long the timed calls may take together; a slow model gets fewer, at least
            one of each variant. Making and warming up the variants comes on top.
        overhead: estimate the share of time outside of ops, see `torchscript.overhead`.
        compile_limit: seconds that torch.compile may take.
        max_runs: timed calls per variant at most.
        kwargs: keyword arguments of the model.
        clock: gives seconds; for tests.

    Returns:
        A row per variant; one that fails has the reason in place of times.

    Raises:
        TimingError: there is no such variant, `model` is neither a module nor a function, or
            `seconds` or `max_runs` is out of range.
    """
    names = known(variants)
    check_order(model, seconds, max_runs)
    with subject_of(model, args, dict(kwargs or {}), compile_limit) as (subject, notes):
        made, failed = made_variants(names, subject, clock)
        course = Course(
            subject.args,
            subject.kwargs,
            Reference(subject),
            seconds,
            max_runs,
            clock,
            waiting(args),
        )
        runners = race(made.values(), course)
        rows = {runner.variant.name: _row(runner, subject, clock, overhead) for runner in runners}
    return Timing(
        model=name_of(model),
        rows=tuple(rows.get(name) or failed[name] for name in names),
        machine=machine(args),
        inputs=described(args, dict(kwargs or {})),
        seconds=sum(sum(runner.times) for runner in runners),
        budget=seconds,
        notes=tuple(notes),
    )


def known(variants: Sequence[str] | None) -> list[str]:
    """The variants asked for, each once.

    Raises:
        TimingError: there is no such variant, or none was named.
    """
    if isinstance(variants, str):
        raise TimingError(
            sentence(
                "variants is a list of names: [{variants}], and a str was given.",
                variants=repr(variants),
            )
        )
    names = list(dict.fromkeys(DEFAULT if variants is None else variants))
    unknown = [name for name in names if name not in TITLES]
    if unknown:
        raise TimingError(
            sentence(
                "There is no variant {name}; there are: {names}.",
                name=repr(unknown[0]),
                names=", ".join(TITLES),
            )
        )
    if not names:
        raise TimingError(
            sentence("variants is empty: name at least one of {names}.", names=", ".join(TITLES))
        )
    return names


def is_count(value: Any) -> bool:
    """Whether it is a whole number, 1 or more; NumPy's count too."""
    return isinstance(value, Integral) and int(value) >= 1


def check_order(model: Any, seconds: Any, max_runs: Any) -> None:
    """Whether this can be timed at all.

    Raises:
        TimingError: it cannot; the message says what is wrong.
    """
    misfit = no_model(model)
    if misfit:
        raise TimingError(sentence("There is nothing to time. {misfit}", misfit=misfit))
    if not isinstance(seconds, Real) or not float(seconds) >= 0:
        raise TimingError(
            sentence("seconds is a number, 0 or more, not {seconds}.", seconds=repr(seconds))
        )
    if not is_count(max_runs):
        raise TimingError(
            sentence(
                "max_runs is a whole number, 1 or more, not {max_runs}.", max_runs=repr(max_runs)
            )
        )


# -- the model and its variants -------------------------------------------------------------------


@contextmanager
def subject_of(
    model: Any, args: tuple[Any, ...], kwargs: dict[str, Any], compile_limit: float
) -> Iterator[tuple[Subject, list[str]]]:
    """What to measure, with nothing left behind afterwards; and what is to be said about it."""
    is_module = isinstance(model, torch.nn.Module)
    is_copied = is_module and copied_model(model) is not None
    notes: list[str] = []
    with ExitStack() as stack:
        stack.enter_context(collected_warnings())
        stack.enter_context(random_state_kept())
        if not is_copied:
            # It runs itself, and is set back.
            stack.enter_context(modules_kept(reached_modules(model)))
            stack.enter_context(attributes_kept(model))
        if is_module and not is_copied:
            notes.append(
                sentence(
                    "The model cannot be copied, so it ran itself and was set back; variants "
                    "that would change it are left out."
                )
            )

        def copied() -> Any:
            return copied_model(model) if is_copied else model

        args, kwargs = copied_values(args, kwargs)
        yield (
            Subject(copied, is_copied, is_module, is_training(model), args, kwargs, compile_limit),
            notes,
        )


def made_variants(
    names: Sequence[str], subject: Subject, clock: Clock
) -> tuple[dict[str, Variant], dict[str, Measurement]]:
    """The variants that could be made, and rows with the reason for those that could not."""
    made: dict[str, Variant] = {}
    failed: dict[str, Measurement] = {}
    for name in names:
        reason = ""
        try:
            made[name] = make_variant(name, subject, clock)
        except InspectorError as error:
            reason = error.message
        except Exception as error:  # torch refuses with every kind of exception
            reason = sentence("torch refuses this: {error}", error=in_words(error))
        if reason:
            failed[name] = Measurement(name, TITLES[name], reason=reason)
    return made, failed


class Reference:
    """What the model itself returns, from the same random numbers: in its mode, or evaluating."""

    def __init__(self, subject: Subject) -> None:
        self._subject = subject
        self._known: dict[bool, list[torch.Tensor] | None] = {}

    def __call__(self, evaluating: bool) -> list[torch.Tensor] | None:
        """All tensors of its output, in order; None where it raises."""
        if evaluating not in self._known:
            self._known[evaluating] = self._run(evaluating)
        return self._known[evaluating]

    def _run(self, evaluating: bool) -> list[torch.Tensor] | None:
        model = self._subject.copy()
        if evaluating:
            model.eval()
        args, kwargs = copied_values(self._subject.args, self._subject.kwargs)
        torch.manual_seed(0)
        try:
            with torch.no_grad():
                return tensors_in(model(*args, **kwargs))
        except Exception:  # then the variant "eager" has failed in the same way, and says so
            return None


# -- results ---------------------------------------------------------------------------


def _row(runner: Runner, subject: Subject, clock: Clock, overhead: bool) -> Measurement:
    variant = runner.variant
    low, middle, high = quartiles(runner.times)
    share, share_reason = None, ""
    if overhead and not runner.reason and middle:
        share, share_reason = _share(variant, subject, middle, clock)
    return Measurement(
        variant=variant.name,
        title=TITLES[variant.name],
        samples=tuple(time_ * 1e6 for time_ in runner.times),
        median=to_us(middle),
        first_quartile=to_us(low),
        third_quartile=to_us(high),
        fastest=to_us(min(runner.times, default=None)),
        warmup=runner.warm_up,
        prepare_ms=variant.prepare_ms,
        grad=variant.grad,
        training=subject.training and not variant.evaluating,
        difference=runner.difference,
        equal=runner.equal,
        outside_share=share,
        share_reason=share_reason,
        reason=runner.reason,
    )


def _share(
    variant: Variant, subject: Subject, median: float, clock: Clock
) -> tuple[float | None, str]:
    """The share of time outside of ops, or why it is not known."""
    if variant.name == "compile":
        return None, _HIDDEN

    def run() -> None:
        variant.run(variant.fresh(subject.args, subject.kwargs))

    run()
    if hides_kernels(variant.compiled):
        return None, _HIDDEN
    values = variant.fresh(*copied_values(subject.args, subject.kwargs))
    try:
        return profiled_share(lambda: variant.run(values), _rounds(median), clock), ""
    except Exception as error:  # a profiler of the user's may be running
        return None, sentence("The profiler could not run: {error}", error=in_words(error))


def _rounds(median: float) -> int:
    """How often to profile a few calls: a slow model once."""
    return max(1, min(5, int(0.1 / median)))


def to_us(seconds: float | None) -> float | None:
    """Seconds as microseconds."""
    return None if seconds is None else seconds * 1e6
