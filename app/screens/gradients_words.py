"""What a gradient report shows, in sentences."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from inspector.gradients import ActivationRange, GradientReport, Reading
from inspector.language import sentence
from inspector.records import Recording
from inspector.render.cardparts import number_text
from inspector_app.phrases import row, say, say_count, together, told

ICONS = {"error": ":red[:material/error:]", "warning": ":orange[:material/warning:]"}
_NAMES = 4


def told_reading(reading: Reading, recording: Recording) -> str:
    """One reading as Markdown."""
    return _SENTENCES[reading.kind](reading, recording)


def about(report: GradientReport, recording: Recording, *kinds: str) -> str:
    """The sentences of the readings of these kinds, one after the other; "" without any."""
    found = (one for one in report.readings if one.kind in kinds)
    return together(told_reading(one, recording) for one in found)


def listed(names: Sequence[str]) -> str:
    """Names as code, the first few of them."""
    shown = row(f"`{name.replace('`', '')}`" for name in names[:_NAMES])
    if len(names) <= _NAMES:
        return shown
    return say("{names} and {count} more", names=shown, count=len(names) - _NAMES)


def times(factor: float) -> str:
    """A factor in few digits: "1,200", "35", "2.4"."""
    if factor >= 1e6:
        return f"{factor:.0e}"
    return f"{factor:,.0f}" if factor >= 9.95 else f"{factor:.1f}"


def _nonfinite(one: Reading, recording: Recording) -> str:
    origin = ""
    if one.node is not None:
        origin = say("It begins at {node}.", node=node_place(recording, one.node))
    step = 0 if one.round is None else one.round + 1
    if not one.names:
        return say("**Not finite:** in step {step} gradients are NaN or infinite. {origin}",
                   step=step, origin=origin)  # fmt: skip
    return say(
        "**Not finite:** in step {step} the gradients of {names} hold NaN or infinities. {origin}",
        step=step,
        names=listed(one.names),
        origin=origin,
    )


def node_place(recording: Recording, node: int) -> str:
    """An autograd node with the op and line that it belongs to."""
    found = recording.grad_nodes[node]
    if found.op is None:
        return f"`{found.name}`"
    source = recording.ops[found.op].source
    if source is None:
        return say("`{node}` of `{op}`", node=found.name, op=recording.ops[found.op].name)
    return say(
        "`{node}` of `{op}`, line {line}",
        node=found.name,
        op=recording.ops[found.op].name,
        line=source.line,
    )


def _ends(one: Reading) -> dict[str, str]:
    low, high = one.ends or (0.0, 0.0)
    first, last = one.names
    return {
        "first": listed([first]),
        "last": listed([last]),
        "low": number_text(low),
        "high": number_text(high),
        "times": times(one.value),
    }


_BETWEEN_WEIGHTS = {
    "vanishing": sentence(
        "Between the weights the gradient shrinks by a factor of {times}, from the last ({last}"
        " {high}) to the first ({first} {low}): **vanishing**. The first ones hardly learn."
    ),
    "shrinking": sentence(
        "Between the weights the gradient shrinks by a factor of {times}, from the last ({last}"
        " {high}) to the first ({first} {low}): noticeable, not yet vanishing."
    ),
    "exploding": sentence(
        "Between the weights the gradient grows by a factor of {times}, from the last ({last}"
        " {high}) to the first ({first} {low}): **exploding**. Clip it, or normalise in between."
    ),
    "growing": sentence(
        "Between the weights the gradient grows by a factor of {times}, from the last ({last}"
        " {high}) to the first ({first} {low}): noticeable, not yet exploding."
    ),
    "even": sentence(
        "The gradient neither vanishes nor explodes. Between the weights {first} ({low}) and"
        " {last} ({high}) are within a factor of {times}."
    ),
    "even weights": sentence(
        "Between the weights the gradient changes little: {first} ({low}) and {last} ({high}) are"
        " within a factor of {times}."
    ),
}


def _between_weights(one: Reading, recording: Recording) -> str:
    """What the weights say, and beside it the activations."""
    weights = told(_BETWEEN_WEIGHTS[one.kind]).format(**_ends(one))
    return together((weights, _beside(one, recording)))


def _beside(one: Reading, recording: Recording) -> str:
    """What the activations say beside the weights; "" where that is not known."""
    found = one.activations
    if found is None:
        return ""
    low, high = found.ends
    numbers = {
        "first": _op_words(recording, found.ops[0]),
        "last": _op_words(recording, found.ops[1]),
        "low": number_text(low),
        "high": number_text(high),
        "times": times(max(high / low, low / high)),
        "trips": _trip_words(found),
    }
    if high / low >= 1.05:
        return say(
            "Between the activations it shrinks by a factor of {times}, from {high} at the last"
            " ({last}) to {low} at the first ({first}){trips}.",
            **numbers,
        )
    if low / high >= 1.05:
        return say(
            "Between the activations it grows by a factor of {times}, from {high} at the last"
            " ({last}) to {low} at the first ({first}){trips}.",
            **numbers,
        )
    return say(
        "Between the activations the last ({last}) and the first ({first}) have the same"
        " norm, {high}{trips}.",
        **numbers,
    )


def _trip_words(found: ActivationRange) -> str:
    """How the gradient changes within the trips of a loop, as the end of a sentence."""
    if len(found.trips) < 2:
        return ""
    factors = sorted(max(ratio, 1 / ratio) for ratio in found.trips)
    numbers = {
        "count": len(found.trips), "least": times(factors[0]), "most": times(factors[-1]),
    }  # fmt: skip
    if min(found.trips) > 1:
        return say("; within each of the {count} trips of the loop it shrinks by {least} to {most}",
                   **numbers)  # fmt: skip
    if max(found.trips) < 1:
        return say("; within each of the {count} trips of the loop it grows by {least} to {most}",
                   **numbers)  # fmt: skip
    return say("; within one of the {count} trips of the loop it changes by at most {most}",
               **numbers)  # fmt: skip


def _op_words(recording: Recording, number: int) -> str:
    op = recording.ops[number]
    if op.source is None:
        return f"`{op.name}`"
    return say("`{op}`, line {line}", op=op.name, line=op.source.line)


def _no_gradient(one: Reading, _: Recording) -> str:
    return say_count(
        "{names} **never got a gradient**: the loss does not depend on it, or detach or no_grad"
        " cuts the way.",
        "{names} **never got a gradient**: the loss does not depend on them, or detach or no_grad"
        " cuts the way.",
        len(one.names),
        names=listed(one.names),
    )


def _always_zero(one: Reading, _: Recording) -> str:
    return say_count(
        "The gradient of {names} is **zero in all steps**: it does not learn.",
        "The gradients of {names} are **zero in all steps**: they do not learn.",
        len(one.names),
        names=listed(one.names),
    )


def _zero_at_last(one: Reading, _: Recording) -> str:
    return say_count(
        "The gradient of {names} is **zero in its last step**: it has stopped learning.",
        "The gradients of {names} are **zero in the last step**: they have stopped learning.",
        len(one.names),
        names=listed(one.names),
    )


def _dead(one: Reading, _: Recording) -> str:
    return say_count(
        "{names} is **dead**: from step {step} on its output is zero for every input, so no"
        " gradient passes.",
        "{names} are **dead**: from step {step} on their outputs are zero for every input, so no"
        " gradient passes.",
        len(one.names),
        names=listed(one.names),
        step=1 if one.round is None else one.round + 1,
    )


def _dead_units(one: Reading, _: Recording) -> str:
    return say_count(
        "**One unit is dead** ({names}): at the end it is zero for every input.",
        "**{count} units are dead** ({names}): at the end they are zero for every input.",
        int(one.value),
        names=listed(one.names),
    )


def _mostly_zero(one: Reading, _: Recording) -> str:
    return say(
        "{names}: up to {share:.0f} % of the output is zero, so little gradient passes.",
        names=listed(one.names),
        share=100 * one.value,
    )


def _jumping(one: Reading, _: Recording) -> str:
    return say(
        "The last update moved {names} by up to {share:.0f} % of the norm: **large steps** (about"
        " 0.1 % is usual). Try a smaller learning rate.",
        names=listed(one.names),
        share=100 * one.value,
    )


def _still(one: Reading, _: Recording) -> str:
    return say(
        "The last update moved {names} by less than 1/100,000 of the norm: next to **nothing is"
        " learned** there (about 1/1000 is usual).",
        names=listed(one.names),
    )


def _normal(one: Reading, _: Recording) -> str:
    share = number_text(one.value)
    if one.value > 3e-3:
        return say(
            "A typical update moves a weight by {share} of its norm: bolder than the usual"
            " 1/1000, as in a short training.",
            share=share,
        )
    if one.value < 3e-4:
        return say(
            "A typical update moves a weight by {share} of its norm: more cautious than the usual"
            " 1/1000.",
            share=share,
        )
    return say(
        "A typical update moves a weight by {share} of its norm: about the usual 1/1000.",
        share=share,
    )


def _no_values(_: Reading, __: Recording) -> str:
    return say(
        "This recording holds no values, and norms need them: record again with"
        ' `CaptureOptions(values="stats")`. Which gradients came is known all the same.'
    )


def _no_backward(_: Reading, __: Recording) -> str:
    return say(
        "No backward pass was recorded, so there are no gradients. Record with a loss,"
        ' as in `inspector.record(model, x, loss="sum")`, or whole training steps.'
    )


_SENTENCES: dict[str, Callable[[Reading, Recording], str]] = {
    **dict.fromkeys(_BETWEEN_WEIGHTS, _between_weights),
    "nonfinite": _nonfinite,
    "no gradient": _no_gradient,
    "always zero": _always_zero,
    "zero at last": _zero_at_last,
    "dead": _dead,
    "dead units": _dead_units,
    "mostly zero": _mostly_zero,
    "jumping": _jumping,
    "still": _still,
    "normal updates": _normal,
    "no values": _no_values,
    "no backward": _no_backward,
}


def plain(markdown: str) -> str:
    """A sentence without its marks, for those who hear the page."""
    return markdown.replace("**", "").replace("`", "").replace("\\", "")
