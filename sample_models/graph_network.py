"""A graph network: in each round every edge carries one message, then every node updates."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from sample_models._sample import Annotated, Input, Literal, Sample, noise, seeded


class GraphNetwork(nn.Module):
    """Message passing, one edge at a time."""

    def __init__(self, width: int = 3, rounds: int = 2) -> None:
        super().__init__()
        self.rounds = rounds
        self.message = nn.Linear(2 * width, width)
        self.update = nn.Linear(2 * width, width)
        self.head = nn.Linear(width, 1)

    def forward(self, nodes: Tensor, edges: Tensor) -> Tensor:
        """nodes: (nodes, width), edges: (edges, 2) from and to -> (1,) for the whole graph"""
        for _ in range(self.rounds):
            inbox = torch.zeros_like(nodes)
            for edge in edges:
                source, target = int(edge[0]), int(edge[1])
                ends = torch.cat([nodes[source], nodes[target]])
                inbox[target] = inbox[target] + torch.tanh(self.message(ends))
            nodes = torch.tanh(self.update(torch.cat([nodes, inbox], dim=1)))
        return self.head(nodes.mean(dim=0))


def graph(nodes: int, *edges: tuple[int, int]) -> tuple[Tensor, Tensor]:
    return noise(nodes, 3, seed=1), torch.tensor(edges, dtype=torch.long).reshape(-1, 2)


def given(
    nodes: Annotated[int, range(1, 9), "of the graph"] = 4,
    edges: Annotated[
        Literal["chain", "ring", "star"], "a ring has one edge a node, the others one less"
    ] = "ring",
) -> tuple[Tensor, Tensor]:
    if edges == "star":
        return graph(nodes, *((outer, 0) for outer in range(1, nodes)))
    chain = [(node, node + 1) for node in range(nodes - 1)]
    return graph(nodes, *chain, *([(nodes - 1, 0)] if edges == "ring" else []))


SAMPLE = Sample(
    name="graph_network",
    title="A graph network",
    teaches="The computation graph takes the form of the data's own graph: one message an edge and"
    " round, written in place into the inbox of the node it points to.",
    inputs={
        "a chain": Input("0 to 1 to 2: two messages a round.", lambda: graph(3, (0, 1), (1, 2))),
        "a ring": Input(
            "The chain closed to a ring: three messages a round.",
            lambda: graph(3, (0, 1), (1, 2), (2, 0)),
        ),
        "a star": Input(
            "Four edges point to node 0, whose inbox is written four times a round.",
            lambda: graph(5, (1, 0), (2, 0), (3, 0), (4, 0)),
        ),
    },
    build=seeded(GraphNetwork),
    loss="sum",
    given=given,
    file=__file__,
)
