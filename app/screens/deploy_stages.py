"""Part 1 of the page “Deploy”: the stages of optimisation, and what each changed."""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Iterator
from typing import Any

import streamlit as st

from inspector.irdiff import computes
from inspector.language import sentence
from inspector.render.figures import stages_figure
from inspector.stages import NodeChange, Stage, StageChange
from inspector_app.address import write_some
from inspector_app.deployment import stages_of
from inspector_app.phrases import escaped, prose, say, say_count, told
from inspector_app.stage_pictures import stage_picture
from inspector_app.subject import Subject

_BREAK = "  \n"
"""A new line in the same paragraph."""

_BADGES = {
    "same": ("gray", sentence("{count} the same")),
    "gone": ("red", sentence("− {count} gone")),
    "new": ("green", sentence("+ {count} new")),
    "fused": ("violet", sentence("» {count} fused")),
    "unrolled": ("blue", sentence("≡ {count} unrolled")),
    "replaced": ("orange", sentence("→ {count} replaced")),
}
"""Kind of change -> its colour and words; the graphs have the same colours, the IR the signs."""

_KINDS = {
    "same": sentence("same"),
    "gone": sentence("gone"),
    "new": sentence("new"),
    "fused": sentence("fused"),
    "unrolled": sentence("unrolled"),
    "replaced": sentence("replaced"),
}

_MEANING = {
    "same": sentence("same: not marked in the graphs."),
    "gone": sentence("gone: folded into a constant, inlined, or not needed any more."),
    "new": sentence("new: not in the graph before, such as a guard or a change of layout."),
    "fused": sentence("fused: several nodes became one kernel."),
    "unrolled": sentence("unrolled: one node and its copies, one for each trip of a loop."),
    "replaced": sentence("replaced: other nodes compute the same."),
}


def part(subject: Subject, way: str) -> None:
    """The stages of one model."""
    stages = {stage.name: stage for stage in stages_of(subject, way)}
    _show(stages, f"{subject.sample}/{subject.input}/{way}/{subject.evaluating}")


@st.fragment
def _show(stages: dict[str, Stage], key: str) -> None:
    chosen = _choose_stage(stages)
    stage = stages[chosen]
    words, chart = st.columns([3, 2], gap="medium")
    with words:
        _in_words(stage, stages)
    with chart:
        _chart(tuple(stages.values()))
    if stage.graph is None:
        return
    before = stages[stage.compared_with] if stage.compared_with is not None else None
    stage_picture(before, stage, f"{key}/{chosen}")
    if before is not None and stage.change is not None:
        _all_changes(before, stage, stage.change)


def _choose_stage(stages: dict[str, Stage]) -> str:
    asked = st.query_params.get("stage")
    if st.session_state.get("deploy/stage") not in stages:
        st.session_state["deploy/stage"] = asked if asked in stages else next(iter(stages))
    chosen = st.segmented_control(
        say("Stage"),
        list(stages),
        required=True,
        key="deploy/stage",
        format_func=lambda name: _stage_label(stages[name]),
        label_visibility="collapsed",
    )
    write_some(stage=str(chosen))
    return str(chosen)


def _stage_label(stage: Stage) -> str:
    if stage.graph is None:
        return say("{title} · refused", title=told(stage.title))
    return say("{title} · {count}", title=told(stage.title), count=len(stage.graph.nodes))


def _in_words(stage: Stage, stages: dict[str, Stage]) -> None:
    if stage.graph is None:
        st.markdown(prose(stage.sentence))
        st.warning(prose(stage.reason), icon=":material/block:")
        st.caption(say("The other stages do not need this one: choose another above."))
    elif stage.change is not None and stage.compared_with is not None:
        sentences = [prose(stage.sentence), _numbers(stage, stages[stage.compared_with])]
        st.markdown(_BREAK.join(sentences))
        _marks(stage.change)
    else:
        st.markdown(_BREAK.join([prose(stage.sentence), _count_sentence(stage)]))
    if stage.notes:
        st.caption(_BREAK.join(f":material/info: {prose(note)}" for note in stage.notes))


def _count_sentence(stage: Stage) -> str:
    total = len(stage.graph.nodes) if stage.graph is not None else 0
    return say_count(
        "It has one node; {computing} computes or steers.",
        "It has {count} nodes, of which {computing} compute or steer; the others carry constants, "
        "attributes and calls.",
        total,
        computing=f"{stage.computing:,}",
    )


def _numbers(stage: Stage, before: Stage) -> str:
    kept = sentence(
        "Since **{before}**, {old:,} nodes became {new:,}; as many as before compute or steer: "
        "{new_computing:,}."
    )
    other = sentence(
        "Since **{before}**, {old:,} nodes became {new:,}; of those that compute or steer, "
        "{old_computing:,} became {new_computing:,}."
    )
    template = kept if before.computing == stage.computing else other
    return told(template).format(
        before=escaped(told(before.title)),
        old=sum(before.kinds.values()),
        new=sum(stage.kinds.values()),
        old_computing=before.computing,
        new_computing=stage.computing,
    )


def _marks(change: StageChange) -> None:
    """The kinds of change with their colours: what happened, and the legend of the graphs."""
    shown = [kind for kind in _BADGES if change.counts.get(kind)]
    badges = [
        f":{_BADGES[kind][0]}-badge[{told(_BADGES[kind][1]).format(count=change.counts[kind])}]"
        for kind in shown
    ]
    if set(shown) <= {"same"}:
        badges.append(say("No node that computes was changed for this model."))
    meaning = "\n\n".join(told(_MEANING[kind]) for kind in shown)
    st.markdown(" ".join(badges), help=meaning or None)
    reasons = list(_main_reasons(change))
    if reasons:
        st.caption(_BREAK.join(prose(reason) for reason in reasons))


def _main_reasons(change: StageChange) -> Iterator[str]:
    """The reasons that stand behind most changes, at most two."""
    reasons = Counter(
        (one.kind, one.reason) for one in change.changes if one.reason and one.kind != "same"
    )
    for (kind, reason), count in reasons.most_common(2):
        kind = told(_KINDS.get(kind, kind))
        yield say("{count}× {kind}: {reason}.", count=count, kind=kind, reason=told(reason))


def _chart(stages: tuple[Stage, ...]) -> None:
    theme = "dark" if st.context.theme.type == "dark" else "light"
    figure = stages_figure(stages, theme, translate=told)
    if figure is None:
        return
    titles = [told(stage.title) for stage in stages if stage.graph is not None]
    figure.update_layout(
        height=180,
        margin={"l": 36, "r": 6, "t": 30, "b": 46},
        title=say("Nodes per stage; hatched: constants, attributes, calls"),
        title_font_size=13,
        showlegend=False,
        xaxis={
            "tickmode": "array",
            "tickvals": titles,
            "ticktext": ["<br>".join(textwrap.wrap(title, 10)) for title in titles],
            "tickangle": 0,
        },
    )
    st.plotly_chart(figure, width="stretch", config={"displayModeBar": False})


def _all_changes(before: Stage, stage: Stage, change: StageChange) -> None:
    rows = _rows(before, stage, change)
    title = say_count("The one change as a table", "All {count} changes as a table", len(rows))
    with st.expander(title):
        if rows:
            st.dataframe(rows, hide_index=True, width="stretch")
        else:
            st.caption(say("Nothing changed but places and constants."))


def _rows(before: Stage, stage: Stage, change: StageChange) -> list[dict[str, Any]]:
    """Changes that look alike together, the ones that change what is computed first."""
    found: Counter[tuple[str, str, str, str]] = Counter()
    computing: dict[tuple[str, str, str, str], bool] = {}
    for one in change.changes:
        if one.kind == "same":
            continue
        row = (one.kind, _kinds(before, one.before), _kinds(stage, one.after), one.reason)
        found[row] += 1
        computing[row] = computing.get(row, False) or _is_computing(before, stage, one)
    ordered = sorted(found, key=lambda row: (not computing[row], -found[row]))
    return [
        {
            say("change"): told(_KINDS.get(row[0], row[0])),
            say("times"): found[row],
            say("nodes before"): row[1],
            say("nodes after"): row[2],
            say("why"): told(row[3]),
        }
        for row in ordered
    ]


def _is_computing(before: Stage, stage: Stage, one: NodeChange) -> bool:
    sides = ((before, one.before), (stage, one.after))
    return any(
        computes(side.graph.nodes[node])
        for side, nodes in sides
        for node in nodes
        if side.graph is not None
    )


def _kinds(stage: Stage, nodes: tuple[int, ...]) -> str:
    if stage.graph is None:
        return ""
    counted = Counter(stage.graph.nodes[node].kind for node in nodes)
    return ", ".join(kind if n == 1 else f"{n}× {kind}" for kind, n in counted.items())
