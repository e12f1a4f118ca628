"""How gradients flow in a recording: pure functions over the records, no torch.

report = gradient_report(recording)
report.readings                      what stands out
largest_path(recording, 0)           the way of the largest gradient in pass 0
"""

from inspector.gradients.model import (
    ActivationGradient,
    ActivationRange,
    GradientReport,
    ParameterGradients,
    PathStep,
    Reading,
    Rectifier,
    Round,
    RoundGradient,
)
from inspector.gradients.path import largest_path
from inspector.gradients.readings import HEALTHY_UPDATE, is_zero, place_of, places_of, update_ratio
from inspector.gradients.report import gradient_report
from inspector.norms import mean_abs_of, nonfinite_count, norm_of, rms_of

__all__ = [
    "HEALTHY_UPDATE", "ActivationGradient", "ActivationRange", "GradientReport",
    "ParameterGradients", "PathStep", "Reading", "Rectifier", "Round", "RoundGradient",
    "gradient_report", "is_zero", "largest_path", "mean_abs_of", "nonfinite_count", "norm_of",
    "place_of", "places_of", "rms_of", "update_ratio",
]  # fmt: skip
