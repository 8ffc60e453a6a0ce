"""Linear separators: methods that look for a vector with a positive product with every labelled row."""

from assay.separators.base import Rows, Separator, separators
from assay.separators.logistic import LRGD, NormalizedLRGD
from assay.separators.perceptron import BatchPerceptron, NormalizedBatchPerceptron, Perceptron

__all__ = [
    "LRGD",
    "BatchPerceptron",
    "NormalizedBatchPerceptron",
    "NormalizedLRGD",
    "Perceptron",
    "Rows",
    "Separator",
    "separators",
]
