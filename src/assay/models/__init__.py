"""Models: factories that take the shape of an input and the number of outputs when the run is built."""

from assay.models.base import models
from assay.models.centred import Centred
from assay.models.gaussian_mixture_potential import GaussianMixturePotential
from assay.models.mlp import MLP

__all__ = ["MLP", "Centred", "GaussianMixturePotential", "models"]
