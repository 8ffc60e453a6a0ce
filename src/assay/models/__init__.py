"""Models: factories that take the shape of an input and the number of outputs when the run is built."""

from assay.models.anp import ANP
from assay.models.base import models
from assay.models.batch_norm_mlp import BatchNormMLP
from assay.models.centred import Centred
from assay.models.cifar_resnet import cifar_resnet
from assay.models.cnp import CNP
from assay.models.film_mlp import FilmMLP
from assay.models.gaussian_mixture_potential import GaussianMixturePotential
from assay.models.gpt2 import gpt2
from assay.models.mlp import MLP
from assay.models.modified_mlp import ModifiedMLP
from assay.models.ngram import NGram
from assay.models.periodic import Periodic, PeriodicEmbedding
from assay.models.random_features import RandomFeatures
from assay.models.resnet import resnet18, resnet34, resnet50, resnet101
from assay.models.small_images import mobilenet_v2, vgg16, vgg19
from assay.models.song_unet import SongUNet
from assay.models.ssm import DiagonalSSM, S5Layer, SequenceClassifier
from assay.models.tab_mlp import TabMLP
from assay.models.vit import vit_b_16

__all__ = [
    "ANP",
    "CNP",
    "MLP",
    "BatchNormMLP",
    "Centred",
    "DiagonalSSM",
    "FilmMLP",
    "GaussianMixturePotential",
    "ModifiedMLP",
    "NGram",
    "Periodic",
    "PeriodicEmbedding",
    "RandomFeatures",
    "S5Layer",
    "SequenceClassifier",
    "SongUNet",
    "TabMLP",
    "cifar_resnet",
    "gpt2",
    "mobilenet_v2",
    "models",
    "resnet18",
    "resnet34",
    "resnet50",
    "resnet101",
    "vgg16",
    "vgg19",
    "vit_b_16",
]
