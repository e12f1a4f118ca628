"""`gradient_report`: everything about the gradients of one recording."""

from __future__ import annotations

from inspector.gradients.activations import activations_of, rectifiers_of
from inspector.gradients.model import GradientReport
from inspector.gradients.parameters import parameters_of
from inspector.gradients.readings import readings_of
from inspector.gradients.rounds import rounds_of
from inspector.gradients.trips import with_trips
from inspector.making import uncollected
from inspector.records import Recording


def gradient_report(recording: Recording) -> GradientReport:
    """Work out how gradients flowed in a recording, without running anything.

        report = gradient_report(record(model, x, loss="sum"))
        for parameter in report.parameters:
            print(parameter.name, norm_of(parameter.gradients[-1].summary))

    Args:
        recording: one backward pass or whole training steps; see `Round` for how steps are
            told apart. With `values="none"` it tells which gradients came, but no norms.

    Returns:
        The report; everything in it is empty where nothing was recorded. It takes about 0.1 s
        per 10,000 ops.
    """
    with uncollected():  # many small records: the garbage collector would take most of the time
        rounds = rounds_of(recording)
        parameters = parameters_of(recording, rounds)
        rectifiers = rectifiers_of(recording, rounds)
        activations = with_trips(recording, activations_of(recording, rounds))
        return GradientReport(
            values=recording.meta.get("values") != "none",
            rounds=rounds,
            parameters=parameters,
            activations=activations,
            rectifiers=rectifiers,
            readings=readings_of(recording, rounds, parameters, activations, rectifiers),
        )
