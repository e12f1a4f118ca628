"""Dynamic or static: what follows for four uses from what was measured and found out.

Nothing here is known beforehand. Each sentence of evidence has a figure, a line or a reason that
came from the model at hand; what was not tried is said to be not known.
"""

from __future__ import annotations

from collections.abc import Iterator

from inspector.exported import Check
from inspector.language import counted, listed, sentence, sentences
from inspector.records import Overlay, Recording, Source, StaticGraph
from inspector.stages import Advice, BatchTiming, Measurement, ModelFacts, Timing

STATIC = ("script", "trace", "frozen", "optimised", "compile")
NOTICEABLE = 1.1
"""A ratio of medians below this is called no difference, unless the quartiles lie apart."""

_TITLES = {
    "research": sentence("Research and debugging"),
    "deployment": sentence("Deployment"),
    "serving": sentence("Serving many requests"),
    "interactive": sentence("Interactive use"),
}


def advice(
    facts: ModelFacts, timing: Timing | None = None, batches: BatchTiming | None = None
) -> tuple[Advice, ...]:
    """Choose between the dynamic model and a static graph for each of four uses.

    Args:
        facts: what was found out about the model, see `model_facts`.
        timing: its variants' times, of `measure`.
        batches: the same over batch sizes, of `sweep_batch`.

    Returns:
        One piece of advice for research, deployment, serving and interactive use, in this order.
    """
    case = _Case(facts, timing, batches)
    return case.research(), case.deployment(), case.serving(), case.interactive()


def model_facts(
    model: str,
    *,
    script: StaticGraph | str | None = None,
    trace: StaticGraph | str | None = None,
    recording: Recording | None = None,
    overlay: Overlay | None = None,
) -> ModelFacts:
    """Gather facts from records.

    Args:
        model: its name.
        script: the scripted graph, or the reason why there is none; None: not tried.
        trace: likewise.
        recording: of one run.
        overlay: of that run on the graph, for where the two part.
    """
    divergence = overlay.first_divergence if overlay is not None else None
    decisions = None
    if recording is not None:
        steering = {d.source: None for d in recording.decisions if d.source is not None}
        decisions = tuple(steering)
    return ModelFacts(
        model=model,
        scripts=None if script is None else isinstance(script, StaticGraph),
        script_reason=script if isinstance(script, str) else "",
        traces=None if trace is None else isinstance(trace, StaticGraph),
        trace_reason=trace if isinstance(trace, str) else "",
        ops=None if recording is None else len(recording.ops),
        decisions=decisions,
        divergence="" if divergence is None else divergence.reason,
        divergence_source=None if divergence is None else divergence.source,
    )


class _Case:
    """The findings of one model, in sentences."""

    def __init__(
        self, facts: ModelFacts, timing: Timing | None, batches: BatchTiming | None
    ) -> None:
        self._facts = facts
        self._timing = timing
        self._batches = batches
        self._base = self._baseline()
        self._best = self._fastest()

    # -- the four uses ---------------------------------------------------------------------

    def research(self) -> Advice:
        """Trying things out, and looking for what goes wrong."""
        text = sentence(
            "Work on the dynamic model: it runs as it is written, stops at the line that fails, "
            "and follows the values of each input."
        )
        evidence = [*self._steering(), *self._parting(), *self._compile_cost()]
        return Advice("research", _TITLES["research"], "dynamic", text, tuple(evidence))

    def deployment(self) -> Advice:
        """Running without this Python code: a file that other programs load."""
        exports = [one for one in self._facts.exports if one.ok]
        evidence = [*self._makes(), *self._exports(), *self._parting()]
        text: str
        if self._is_script_sound():
            text = sentence(
                "Deploy the script: it needs no Python, and keeps the branches and loops."
            )
            choice = "static"
        elif self._is_trace_sound():
            text = sentence(
                "Deploy the trace: it needs no Python, and no value decides what this model runs."
            )
            choice = "static"
        elif exports:
            text = sentence(
                "Deploy the {kind} that could be written, checked on other inputs.",
                kind=exports[0].kind,
            )
            choice = "static"
        elif self._facts.traces:
            text = sentence(
                "Deploy the dynamic model, or a trace where all inputs take the way of the traced "
                "one: the trace has this one way built in."
            )
            choice = "dynamic"
        else:
            text = self._nothing_static()
            choice = "dynamic"
        evidence += self._disagreement()
        return Advice("deployment", _TITLES["deployment"], choice, text, tuple(evidence))

    def serving(self) -> Advice:
        """Many requests: what counts is time per sample."""
        evidence = [*self._speed(), *self._shares(), *self._batching(), *self._compile_cost()]
        if self._best is None or self._base is None:
            choice = "either"
            text = sentence("Measure first: the times of this model are not known.")
        elif self._gain() >= NOTICEABLE and self._is_apart():
            choice = "static"
            text = sentence(
                "Serve the {variant} variant: it is the fastest that is right here.",
                variant=self._best.title,
            )
        else:
            choice = "either"
            text = sentence(
                "The variants take about the same time here: choose by what is easier to run."
            )
        return Advice("serving", _TITLES["serving"], choice, text, tuple(evidence))

    def interactive(self) -> Advice:
        """One input at a time, the code changing between runs."""
        evidence = [*self._preparing(), *self._steering()]
        base, best = self._base, self._best
        if base is None or base.median is None:
            text = sentence("Stay dynamic: nothing has to be compiled before the first run.")
            choice = "dynamic"
        elif best is None or best.median is None or best.prepare_ms is None or self._gain() <= 1:
            text = sentence("Stay dynamic: no static variant was faster for a single input.")
            choice = "dynamic"
        else:
            saved = base.median - best.median
            calls = best.prepare_ms * 1e3 / saved
            choice = "dynamic" if calls > 100 else "either"
            text = sentence(
                "Making the {variant} variant took {time} and saves {saved} a call: it pays after "
                "{calls:,.0f} calls with unchanged code.",
                variant=best.title,
                time=_time(best.prepare_ms * 1e3),
                saved=_time(saved),
                calls=calls,
            )
        return Advice("interactive", _TITLES["interactive"], choice, text, tuple(evidence))

    # -- what was found out ----------------------------------------------------------------

    def _is_script_sound(self) -> bool:
        return bool(self._facts.scripts) and self._agrees("script")

    def _is_trace_sound(self) -> bool:
        no_choice = self._facts.decisions is not None and not self._facts.decisions
        parts = bool(self._facts.divergence)
        return bool(self._facts.traces) and no_choice and not parts and self._agrees("trace")

    def _agrees(self, variant: str) -> bool:
        row = self._timing.row(variant) if self._timing is not None else None
        return row is None or row.equal is not False

    def _nothing_static(self) -> str:
        if self._facts.scripts is False or self._facts.traces is False:
            return sentence(
                "Deploy the dynamic model with its Python code: no static graph of it could be "
                "made."
            )
        return sentence("Deploy the dynamic model with its Python code: no static graph was tried.")

    def _makes(self) -> Iterator[str]:
        facts = self._facts
        if facts.scripts:
            yield sentence("It scripts.")
        elif facts.scripts is not None:
            yield sentence("It does not script: {reason}", reason=facts.script_reason)
        if facts.traces:
            yield sentence("It traces.")
        elif facts.traces is not None:
            yield sentence("It does not trace: {reason}", reason=facts.trace_reason)

    def _steering(self) -> Iterator[str]:
        decisions = self._facts.decisions
        if decisions is None:
            return
        if not decisions:
            if not self._facts.divergence:
                yield sentence(
                    "No tensor's value decided what the recorded run did: a trace fixes nothing."
                )
            return
        places = listed(_place(source) for source in decisions[:4])
        if len(decisions) > 4:
            places = sentence("{places} and {n} more", places=places, n=len(decisions) - 4)
        yield counted(
            "A tensor became a Python value at a place ({places}): the trace keeps what followed "
            "for this input, and other inputs may go another way.",
            "A tensor became a Python value at {count} places ({places}): the trace keeps what "
            "followed for this input, and other inputs may go another way.",
            len(decisions),
            places=places,
        )

    def _parting(self) -> Iterator[str]:
        if self._facts.divergence:
            source, reason = self._facts.divergence_source, self._facts.divergence
            if source is None:
                yield sentence("Static graph and run part: {reason}", reason=reason)
            else:
                yield sentence(
                    "Static graph and run part at {place}: {reason}",
                    place=_place(source),
                    reason=reason,
                )

    def _exports(self) -> Iterator[str]:
        for one in self._facts.exports:
            if one.ok:
                yield sentence("{kind}: written and checked.", kind=one.kind)
            elif one.failure is not None:
                yield sentence("{kind}: refused. {reason}", kind=one.kind, reason=one.failure.words)
            else:
                failed = next((c for c in one.checks if c.passed is False), None)
                yield sentences(
                    sentence("{kind}: written, but a check failed.", kind=one.kind),
                    "" if failed is None else _check(failed),
                )

    def _disagreement(self) -> Iterator[str]:
        for row in self._timing.rows if self._timing is not None else ():
            if row.equal is False:
                if row.difference is None:
                    yield sentence(
                        "{variant} returned something else than the model.", variant=row.title
                    )
                else:
                    yield sentence(
                        "{variant} returned something else than the model by up to {gap:.3g}.",
                        variant=row.title,
                        gap=row.difference,
                    )

    # -- what was measured -----------------------------------------------------------------

    def _baseline(self) -> Measurement | None:
        """Eager without gradients, as the static variants run; else plain eager."""
        rows = [self._timing.row(name) for name in ("no_grad", "eager")] if self._timing else []
        return next((row for row in rows if row is not None and row.median is not None), None)

    def _fastest(self) -> Measurement | None:
        rows = self._timing.rows if self._timing is not None else ()
        right = [r for r in rows if r.variant in STATIC and r.median and r.equal is not False]
        return min(right, key=lambda row: row.median or 0.0, default=None)

    def _gain(self) -> float:
        """How many times as fast as eager the fastest static variant was."""
        if self._base is None or self._best is None or not self._best.median:
            return 1.0
        return (self._base.median or 0.0) / self._best.median

    def _is_apart(self) -> bool:
        """Whether the middle halves of the two variants' times do not overlap."""
        base, best = self._base, self._best
        if base is None or best is None:
            return False
        return (best.third_quartile or 0.0) < (base.first_quartile or 0.0)

    def _speed(self) -> Iterator[str]:
        base = self._base
        if base is None or self._timing is None:
            return
        for row in self._timing.rows:
            if row.variant in STATIC and row.median:
                ratio = (base.median or 0.0) / row.median
                runs = min(row.runs, base.runs)
                yield sentence(
                    "{variant} ran {ratio:.2f} times as fast as {base} ({time} against {other}; "
                    "medians of {runs} runs in turns).",
                    variant=row.title,
                    ratio=ratio,
                    base=base.title,
                    time=_time(row.median),
                    other=_time(base.median or 0.0),
                    runs=runs,
                )
            elif row.variant in STATIC and row.reason:
                yield sentence(
                    "{variant} was not timed: {reason}", variant=row.title, reason=row.reason
                )

    def _shares(self) -> Iterator[str]:
        base = self._base
        if base is not None and base.outside_share is not None:
            yield sentence(
                "About {share:.0%} of the time of {variant} was spent outside of ATen ops, mostly "
                "in Python: more than that a static graph with the same kernels cannot save.",
                share=base.outside_share,
                variant=base.title,
            )

    def _batching(self) -> Iterator[str]:
        batches = self._batches
        if batches is None or self._best is None:
            return
        points = [p for p in batches.points if p.variant == self._best.variant and p.median]
        if len(points) < 2:
            return
        small, large = points[0], points[-1]
        per_small = (small.median or 0.0) / small.size
        per_large = (large.median or 0.0) / large.size
        yield sentence(
            "{variant}: {first} per sample in batches of {small}, {then} in batches of {large}.",
            variant=small.title,
            first=_time(per_small),
            small=small.size,
            then=_time(per_large),
            large=large.size,
        )

    def _preparing(self) -> Iterator[str]:
        for row in self._timing.rows if self._timing is not None else ():
            if row.variant in STATIC and row.prepare_ms is not None:
                yield sentence(
                    "Making {variant} took {time}.",
                    variant=row.title,
                    time=_time(row.prepare_ms * 1e3),
                )

    def _compile_cost(self) -> Iterator[str]:
        row = self._timing.row("compile") if self._timing is not None else None
        if row is not None and row.prepare_ms is not None:
            yield sentence(
                "torch.compile took {time} before its first result.",
                time=_time(row.prepare_ms * 1e3),
            )


def _place(source: Source) -> str:
    name = source.file.replace("\\", "/").rpartition("/")[2]
    return sentence("{file} line {line}", file=name, line=source.line)


def _check(check: Check) -> str:
    return sentence("{check}: {detail}", check=check.name, detail=check.detail)


def _time(microseconds: float) -> str:
    """As in "12.3 µs", "4.56 ms", "1.2 s"."""
    for unit, scale in (("s", 1e6), ("ms", 1e3)):
        if abs(microseconds) >= scale:
            return f"{microseconds / scale:.3g} {unit}"
    return f"{microseconds:.3g} µs"
