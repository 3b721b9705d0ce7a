"""Accuracy, error rates, calibration and intervals, as plain numbers; can be used alone."""

from speech_rnn.metrics.calibration import Reliability, RiskCoverage, reliability, risk_coverage
from speech_rnn.metrics.classification import (
    Accuracy,
    ClassFigures,
    accuracy,
    area_under_roc,
    confusion_matrix,
    per_class,
)
from speech_rnn.metrics.error_rates import (
    AlignedPair,
    ErrorRate,
    align_words,
    character_error_rate,
    sentence_error_rate,
    word_error_rate,
)
from speech_rnn.metrics.intervals import (
    bootstrap_interval,
    paired_difference,
    poisson_interval,
    poisson_limit,
    quantile_interval,
    wilson_interval,
)

__all__ = [
    "Accuracy",
    "AlignedPair",
    "ClassFigures",
    "ErrorRate",
    "Reliability",
    "RiskCoverage",
    "accuracy",
    "align_words",
    "area_under_roc",
    "bootstrap_interval",
    "character_error_rate",
    "confusion_matrix",
    "paired_difference",
    "per_class",
    "poisson_interval",
    "poisson_limit",
    "quantile_interval",
    "reliability",
    "risk_coverage",
    "sentence_error_rate",
    "wilson_interval",
    "word_error_rate",
]
