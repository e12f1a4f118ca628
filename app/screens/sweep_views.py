"""What decides between the graphs of a sweep, its chart, and what no input ran."""

from __future__ import annotations

import os
from collections.abc import Iterator
from html import escape
from typing import Any

import streamlit as st

from inspector.census.text import percent_words
from inspector.counted import Branch, Census, Coverage, Leaf, Split
from inspector.records import IRNode
from inspector.render.census_figures import census_figure
from inspector_app.phrases import prose, row, say, say_count, told
from inspector_app.screens.gradients_parts import chart, theme
from inspector_app.sweepruns import Swept

_TREE_CSS = """<style>
.sweep-tree, .sweep-tree ul { list-style: none; margin: 0; padding: 0 0 0 1.1rem; }
.sweep-tree { padding-left: 0; line-height: 1.55; overflow-x: auto; }
.sweep-tree ul { border-left: 1px solid color-mix(in srgb, currentColor 30%, transparent); }
.sweep-tree li { padding: 0.15rem 0; overflow-wrap: anywhere; }
.sweep-tree .question { font-weight: 600; }
.sweep-tree .answer { border: 1px solid color-mix(in srgb, currentColor 45%, transparent);
  border-radius: 0.4rem; padding: 0 0.4rem; font-size: 0.9em; }
.sweep-tree .leaf { font-weight: 600; }
.sweep-tree .count { opacity: 0.75; }
</style>"""


def decisions_view(swept: Swept) -> None:
    """The tree of decisions, from the first to the variants."""
    tree = swept.census.tree
    if not isinstance(tree, Split):
        if len(swept.census.variants) > 1:
            st.info(say("No decision that was recorded tells these graphs apart."))
        else:
            st.info(
                say(
                    "There is one graph for all of these inputs, so nothing decides. Sweep over a"
                    " wider range, or over another control, to see whether that stays so."
                ),
                icon=":material/stacks:",
            )
        return
    st.caption(
        say(
            "In the order of the run: each question is a value that steers it, each answer leads"
            " on, and each way ends at the graph that it gives."
        )
    )
    items = "".join(_split(swept.census, tree))
    st.html(f'{_TREE_CSS}<ul class="sweep-tree"><li>{items}</li></ul>')


def _split(census: Census, split: Split) -> Iterator[str]:
    """A question and its answers as HTML."""
    yield f'<span class="question">{escape(_question(split))}</span><ul>'
    for branch in split.branches:
        yield f"<li>{''.join(_branch(census, branch))}</li>"
    yield "</ul>"


def _question(split: Split) -> str:
    return say("{question}?", question=told(split.question))


def _branch(census: Census, branch: Branch) -> Iterator[str]:
    count = say_count("1 input", "{count} inputs", branch.count)
    yield f'<span class="answer">{escape(told(branch.words))}</span> '
    yield f'<span class="count">{escape(count)}</span> '
    if isinstance(branch.then, Split):
        yield "<br>"
        yield from _split(census, branch.then)
    else:
        yield from _leaf(census, branch.then)


def _leaf(census: Census, leaf: Leaf) -> Iterator[str]:
    """The variants at the end of a way."""
    for number in leaf.variants:
        variant = census.variants[number]
        name = say("variant {number}", number=number)
        size = say_count("1 op", "{count} ops", variant.ops)
        if variant.failure is not None:
            size = row((size, say("failed")))
        yield f'→ <span class="leaf">{escape(name)}</span> ({escape(size)}) '
    if len(leaf.variants) > 1:
        alike = say("nothing that was recorded tells them apart")
        yield f'<span class="count">{escape(alike)}</span>'


# -- the chart ------------------------------------------------------------------------------------


def chart_view(swept: Swept) -> None:
    """Ops and time of each input."""
    over = {"inputs": say("input"), "files": say("file")}.get(
        swept.choice.over, swept.choice.control.replace("_", " ")
    )
    figure = census_figure(swept.census, over, theme(), translate=told)
    if figure is not None:
        described = say("Ops and time of each input, coloured and shaped by variant")
        chart(figure, described)
    st.caption(
        say(
            "The time is that of the recorded run, which is longer than a plain one: it compares"
            " inputs, not models. The first input has run once before, unmeasured: what only a"
            " first run pays for is not in it. The model's own ops count, without the loss."
        )
    )


# -- what no input ran ----------------------------------------------------------------------------


def coverage_view(swept: Swept) -> None:
    """How much of the static graph ran, what did not, and parameters that no input used."""
    census = swept.census
    _untouched(census)
    if census.coverage is None:
        st.info(
            say(
                "There is no static graph of this model to cover: {reason}",
                reason=prose(census.no_coverage),
            )
        )
    else:
        _covered(census.coverage)


def _untouched(census: Census) -> None:
    untouched = census.untouched_parameters
    if untouched:
        count = say_count(
            "1 parameter was used by no input:",
            "{count} parameters were used by no input:",
            len(untouched),
        )
        names = " ".join(f"`{name}`" for name in untouched[:40])
        if len(untouched) > 40:
            names = say("{names} and {count} more", names=names, count=len(untouched) - 40)
        st.warning(f"{count} {names}", icon=":material/visibility_off:")
    else:
        st.caption(say(":material/check: Every parameter was used by at least one input."))


def _covered(coverage: Coverage) -> None:
    st.progress(
        coverage.percent / 100,
        text=say(
            "{percent} of the {kind} ran for at least one input: {executed} of {total} IR nodes",
            percent=told(percent_words(coverage)),
            kind=say("script") if coverage.kind == "script" else say("trace"),
            executed=f"{coverage.executed:,}",
            total=f"{coverage.total:,}",
        ),
    )
    own = set(coverage.missed_own)
    if own:
        st.caption(say("Never run, by the lines of the code:"))
        _table(coverage, own)
    inside = set(coverage.missed) - own
    if inside:
        count = say_count(
            "1 node never run in the code of libraries",
            "{count} nodes never run in the code of libraries",
            len(inside),
        )
        with st.expander(count):
            _table(coverage, inside)
    if coverage.unknown:
        st.caption(
            say_count(
                "Of 1 more node it is not known whether it ran.",
                "Of {count} more nodes it is not known whether they ran.",
                len(coverage.unknown),
            )
        )


def _table(coverage: Coverage, missed: set[int]) -> None:
    rows = [_row(coverage, node) for node in coverage.graph.nodes if node.id in missed]
    wide = st.column_config.TextColumn(say("code"), width="large")
    st.dataframe(
        rows,
        hide_index=True,
        width="stretch",
        height=min(36 * (len(rows) + 1), 400),
        column_config={
            "line": st.column_config.TextColumn(say("line")),
            "code": wide if any(row["code"] for row in rows) else None,
            "node": st.column_config.TextColumn(say("IR node")),
            "module": st.column_config.TextColumn(say("module")),
        },
    )


def _row(coverage: Coverage, node: IRNode) -> dict[str, Any]:
    source = node.source
    place, code = "", ""
    if source is not None:
        place = f"{os.path.basename(source.file)}:{source.line}"
        lines = coverage.graph.sources.get(source.file, "").splitlines()
        code = lines[source.line - 1].strip() if 0 < source.line <= len(lines) else ""
    return {"line": place, "code": code, "node": node.kind, "module": node.module_path}
