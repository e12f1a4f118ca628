"""The results of a measurement: the table, the charts, and the reasons of what failed."""

from __future__ import annotations

import streamlit as st

from inspector.language import sentence
from inspector.render.figures import batch_figure, timing_figure
from inspector.stages import BatchTiming, Machine, Measurement, Timing
from inspector_app.measuring import Measured
from inspector_app.phrases import duration, escaped, prose, say, say_count, told

_TABLE = sentence(
    "| variant | median | quartiles | runs | speed | outside ops | same result? | made in |"
)
_SIDES = "|:--|--:|--:|--:|--:|--:|:--|--:|"


def measured_view(found: Measured) -> None:
    """The table of the variants, what failed and why, and both charts."""
    timing = found.timing
    _table(timing)
    st.caption(_machine(timing.machine))
    _reasons(timing)
    left, right = st.columns(2, gap="medium")
    with left:
        _figure(timing)
    with right:
        _sweep(found)


def _machine(machine: Machine) -> str:
    return say_count(
        "{cpu} · one thread · torch {torch} · Python {python} · {device}",
        "{cpu} · {count} threads · torch {torch} · Python {python} · {device}",
        machine.threads,
        cpu=escaped(machine.cpu),
        torch=escaped(machine.torch),
        python=machine.python,
        device=machine.device,
    )


def _table(timing: Timing) -> None:
    eager = timing.row("eager")
    base = eager.median if eager is not None else None
    st.markdown("\n".join([told(_TABLE), _SIDES, *(_row(one, base) for one in timing.rows)]))
    st.caption(
        say(
            "Median and quartiles of the times of one call. *Speed* compares with eager: 2.00× "
            "is twice as fast. *Outside ops* is the share of time spent in Python or in an "
            "interpreter, an estimate good to about ten points. All variants but eager ran without "
            "gradients. The timed calls took {seconds:.1f} s of {budget:g} s allowed.",
            seconds=timing.seconds,
            budget=timing.budget,
        )
    )


def _row(row: Measurement, base: float | None) -> str:
    if row.median is None:
        return f"| {told(row.title)} | :red[{say('failed, see below')}] | | | | | | |"
    speed = "–" if base is None else f"**{base / row.median:.2f}×**"
    share = "–" if row.outside_share is None else f"~{row.outside_share:.0%}"
    spread = _spread(duration(row.first_quartile), duration(row.third_quartile))
    made = "–" if row.prepare_ms is None else duration(row.prepare_ms * 1e3)
    cells = (
        told(row.title),
        duration(row.median),
        spread,
        row.runs,
        speed,
        share,
        _same(row),
        made,
    )
    return "| " + " | ".join(str(cell).replace(" ", "\u00a0") for cell in cells) + " |"


def _spread(low: str, high: str) -> str:
    """As in "1.2 – 1.4 ms": the unit once where both have the same."""
    number, _, unit = low.partition(" ")
    return f"{number} – {high}" if high.partition(" ")[2] == unit else f"{low} – {high}"


def _same(row: Measurement) -> str:
    if row.equal is None:
        return say("not known")
    if row.equal:
        return (
            say(":green[yes]")
            if not row.difference
            else say(":green[within {gap:.1g}]", gap=row.difference)
        )
    if row.difference is None:
        return say(":red[**no**: other shapes]")
    return say(":red[**no**: off by {gap:.3g}]", gap=row.difference)


def _figure(timing: Timing) -> None:
    figure = timing_figure(timing, _theme(), translate=told)
    if figure is None:
        st.caption(say("No variant could be timed, so there is no chart."))
    else:
        st.plotly_chart(figure, width="stretch", config={"displayModeBar": False})


def _theme() -> str:
    return "dark" if st.context.theme.type == "dark" else "light"


def _reasons(timing: Timing) -> None:
    for row in timing.rows:
        if row.reason:
            st.markdown(
                say(
                    ":red[:material/error:] **{variant}** was not timed. {reason}",
                    variant=told(row.title),
                    reason=prose(row.reason),
                )
            )
        elif row.share_reason:
            st.caption(
                say("{name}: {reason}", name=told(row.title), reason=prose(row.share_reason))
            )
    for note in timing.notes:
        st.caption(f":material/info: {prose(note)}")


def _sweep(found: Measured) -> None:
    if not found.order.sizes:
        st.caption(say("Batch sizes were not measured: switch them on above and measure again."))
        return
    if found.sweep is None:
        st.info(say("There is no batch to make larger. {reason}", reason=prose(found.sweep_reason)))
        return
    figure = batch_figure(found.sweep, _theme(), translate=told)
    timed = {point.size for point in found.sweep.points if point.median is not None}
    if figure is not None and len(timed) > 1:
        st.plotly_chart(figure, width="stretch", config={"displayModeBar": False})
    else:
        st.info(
            say(
                "There is no curve to draw: other batch sizes failed in every variant. Dimension 0 "
                "of this input is probably no batch."
            )
        )
    _gaps(found.sweep, {row.reason for row in found.timing.rows})


def _gaps(sweep: BatchTiming, known: set[str]) -> None:
    """Sizes at which a variant failed, those with the same reason in one sentence.

    A variant that failed altogether has its reason, one of the `known`, above.
    """
    gaps: dict[tuple[str, str], list[int]] = {}
    for point in sweep.points:
        if point.reason and point.reason not in known:
            gaps.setdefault((point.title, point.reason), []).append(point.size)
    if not gaps:
        return
    with st.expander(say("Batch sizes that failed, and why")):
        for (title, reason), sizes in gaps.items():
            st.caption(
                say_count(
                    "**{variant}**, batch of {sizes}: {reason}",
                    "**{variant}**, batches of {sizes}: {reason}",
                    len(sizes),
                    variant=told(title),
                    sizes=", ".join(map(str, sizes)),
                    reason=prose(reason),
                )
            )
