"""One tensor on a card: dimensions with their meaning, memory, relatives, statistics, history.

What is short is on the card from the start. The history over the run is asked for when a card
is looked at (`history_json`), and so are the numbers (`values.values_json`).
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property

from inspector.language import sentence
from inspector.records import Op, Recording, TensorInfo, TensorSummary
from inspector.render.cardparts import Card, bytes_text, stats
from inspector.render.values import What, values_json
from inspector.render.why_answer import Offers
from inspector.tensors_about import History, Relative, TensorsAbout, contiguous_strides, strides_of
from inspector.views import words
from inspector.views.index import ViewIndex

RELATIVES = 6
"""Values of an alias family on a card; the history has more."""

_MEMORY, _GRADIENT = sentence("memory"), sentence("gradient")

INLINE = 8
"""Values up to which a card carries them all: as many as any recording keeps."""


class TensorCards:
    """Makes the tensor columns of one recording's cards.

    Args:
        recording: what ran.
        inline: tensors of at most this many values have them on the card; the others are
            asked for. A page without a server may want more of them.
        index: of the recording, where there is one.
    """

    def __init__(
        self,
        recording: Recording,
        inline: int = INLINE,
        index: ViewIndex | None = None,
    ) -> None:
        self._recording = recording
        self._index = index
        self._inline = inline
        self.offers = Offers(recording)

    @cached_property
    def about(self) -> TensorsAbout:
        """What is known of the tensors; read from the recording when it is first needed."""
        return TensorsAbout(self._recording, self._index.flow if self._index else None)

    def value(self, tensor: TensorInfo, role: str) -> Card:
        """One tensor value with its statistics."""
        card = self._column(tensor, role, "value", tensor.summary)
        called = tensor.name or tensor.variable
        card.update(
            name=f"%{tensor.id}" + (f" {called}" if called else ""),
            dtype=tensor.dtype,
            device=tensor.device,
            facts=list(self._facts(tensor)),
            family=self._family(tensor, RELATIVES),
            whys=self.offers.of_value(tensor),
        )
        return card

    def gradient(self, tensor: TensorInfo) -> Card:
        """The gradient that reached a tensor."""
        card = self._column(tensor, _GRADIENT, "grad", tensor.grad)
        card.update(name=f"%{tensor.id}", whys=self.offers.of_gradient(tensor))
        return card

    def history(self, tensor: int) -> Card:
        """Where a tensor comes from and what becomes of it, as links to ops.

        Raises:
            KeyError: the recording has no such tensor.
        """
        about = self.about
        return {
            "tensor": tensor,
            "producers": self._links(about.producers(tensor)),
            "consumers": self._links(about.consumers(tensor)),
            "family": self._family(self._recording.tensors[tensor], 4 * RELATIVES),
        }

    def _column(
        self, tensor: TensorInfo, role: str, what: What, summary: TensorSummary | None
    ) -> Card:
        card = stats(summary, tensor.dtype if what == "value" else "")
        card.update(
            id=tensor.id,
            what=what,
            role=role,
            shape=words.dimensions(tensor.shape),
            dims=list(zip(tensor.shape, self.about.axes(tensor.id), strict=True)),
        )
        if summary is not None and summary.numel <= self._inline:
            card["values"] = values_json(self.about, tensor.id, what=what)
        return card

    def _facts(self, tensor: TensorInfo) -> Iterable[tuple[str, str]]:
        yield _MEMORY, bytes_text(tensor.nbytes)
        strides = strides_of(tensor)
        if strides is not None and strides != contiguous_strides(tensor.shape):
            yield sentence("strides"), f"({', '.join(map(str, strides))})"
        if tensor.layout != "strided":
            yield sentence("layout"), tensor.layout
        if tensor.version:
            yield sentence("version"), str(tensor.version)

    def _family(self, tensor: TensorInfo, most: int) -> Card | None:
        """Those that share the tensor's memory; None if it is alone there."""
        if self.about.is_alone(tensor.id):
            return None
        near, more = self.about.relatives(tensor.id, most)
        rows = [self._relative(one, tensor.id) for one in near]
        return {"rows": rows, "more": more, "writes": any(r.how == "write" for r in near)}

    def _relative(self, one: Relative, own: int) -> Card:
        info = self._recording.tensors[one.tensor]
        op = None if one.op is None else self._recording.ops[one.op]
        return {
            "tensor": one.tensor,
            "name": info.name or info.variable or "",
            "shape": words.dimensions(info.shape),
            "how": one.how,
            "text": _how(one.how, op),
            "op": one.op,
            "own": one.tensor == own,
            "version": one.version,
        }

    def _links(self, history: History) -> Card:
        ops = self._recording.ops
        rows = [
            {
                "op": link.op,
                "name": ops[link.op].name,
                "distance": link.distance,
                "module": words.op_module(self._recording, ops[link.op]),
                "shape": self._made(ops[link.op]),
            }
            for link in history.links
        ]
        return {"rows": rows, "more": history.more, "atLeast": history.at_least}

    def _made(self, op: Op) -> str:
        """The shape of what an op gives; that of the first, where it gives several."""
        if not op.outputs:
            return ""
        return words.shape(self._recording.tensors[op.outputs[0]])


def _how(how: str, op: Op | None) -> str:
    """How a value came into memory that it shares."""
    called = "" if op is None else f"{op.name} [{op.id}]"
    if how == "memory":
        return sentence("made by {op}", op=called) if op else sentence("came from outside")
    if how == "view":
        return sentence("view by {op}", op=called)
    if how == "write":
        return sentence("written by {op}", op=called)
    return sentence("changed outside of the recorded ops")


def dimensions_text(shape: tuple[int, ...], axes: tuple[str, ...]) -> str:
    """As in "N 4 × C 3 × 8 × 8": sizes with the names that are known.

    >>> dimensions_text((4, 3, 8), ("N", "C", ""))
    'N 4 × C 3 × 8'
    """
    return " × ".join(f"{name} {size}".strip() for size, name in zip(shape, axes, strict=True))
