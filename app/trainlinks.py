"""From an autograd node of a recorded training to the same node on the page “Explore a model”.

That page shows one call of the sample. The training calls it once per step, so the nodes of each
step are those of the one call again, as long as the model did the same.
"""

from __future__ import annotations

from functools import cache
from urllib.parse import urlencode

from inspector.records import Recording
from inspector_app.phrases import language_query
from inspector_app.runs import run_sample
from inspector_app.screens.gradients_parts import Link
from inspector_app.trainruns import Choice


def graph_link_of(choice: Choice, training: Recording) -> Link:
    """Leads from a node of a training to its address on the page “Explore a model”.

    The sample is recorded there when the first link is asked for.
    """

    @cache
    def twins() -> dict[int, int]:
        shown = run_sample(choice.sample, choice.input, "script").recording
        return twins_of(training, shown)

    def link(node: int) -> str | None:
        twin = twins().get(node)
        if twin is None:
            return None
        query = {
            "sample": choice.sample,
            "input": choice.input,
            "select": f"backward/grad:{twin}",
            **language_query(),
        }
        return f"./?{urlencode(query)}"  # relative: the app may be served below a path

    return link


def twins_of(training: Recording, single: Recording) -> dict[int, int]:
    """Which node of the recording of one call each node of many calls is.

    Args:
        training: of several calls, one after the other.
        single: of one such call.

    Returns:
        Node ids of `training` to those of `single`; without the calls that ran other nodes
        (another path through the model, another loss).
    """
    names = [node.name for node in single.grad_nodes]
    passes = len({node.pass_index for node in single.grad_nodes})
    if not passes:
        return {}
    calls: dict[int, list[int]] = {}
    for node in training.grad_nodes:
        calls.setdefault(node.pass_index // passes, []).append(node.id)
    found: dict[int, int] = {}
    for nodes in calls.values():
        if [training.grad_nodes[node].name for node in nodes] == names:
            found.update(zip(nodes, (node.id for node in single.grad_nodes), strict=True))
    return found
