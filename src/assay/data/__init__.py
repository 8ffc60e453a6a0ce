"""Data sets: resident tensors, drawn into splits by seed, fetched and checked in one place."""

from assay.data.base import Data, Split, data
from assay.data.class_counts import ClassCounts
from assay.data.class_pair import ClassPair
from assay.data.digits_translation import DigitsTranslation
from assay.data.evolution import AllenCahn, Evolution, KuramotoSivashinsky, Lorenz63, NavierStokes2D
from assay.data.fetcher import Resource, fetch, verify_all
from assay.data.fourier_noise import fourier_noise
from assay.data.gpme import GPME
from assay.data.image_sequences import ImageSequences
from assay.data.imagenet import ImageNet
from assay.data.images import CIFAR10, CIFAR100, KMNIST, MNIST, FashionMNIST
from assay.data.label_noise import class_dependent_noise, uniform_noise
from assay.data.labelled import LabelledData
from assay.data.large_images import Kuzushiji49, TinyImageNet
from assay.data.lra import LRA
from assay.data.marginals import Marginals
from assay.data.modular import Modular
from assay.data.openml import Newsgroups, OpenMLData
from assay.data.python_tokens import PythonTokens
from assay.data.relu_teacher import ReLUTeacher
from assay.data.separable import GaussianSeparable, PerceptronWorstCase
from assay.data.signed_images import CIFAR10Signed, DigitsSigned, EDMZip, FashionMNISTSigned, MNISTSigned
from assay.data.tabular import KeelData, SklearnData
from assay.data.text import OpenWebText
from assay.data.toy2d import GaussianRing, SwissRoll

__all__ = [
    "CIFAR10",
    "CIFAR100",
    "GPME",
    "KMNIST",
    "LRA",
    "MNIST",
    "AllenCahn",
    "CIFAR10Signed",
    "ClassCounts",
    "ClassPair",
    "Data",
    "DigitsSigned",
    "DigitsTranslation",
    "EDMZip",
    "Evolution",
    "FashionMNIST",
    "FashionMNISTSigned",
    "GaussianRing",
    "GaussianSeparable",
    "ImageNet",
    "ImageSequences",
    "KeelData",
    "KuramotoSivashinsky",
    "Kuzushiji49",
    "LabelledData",
    "Lorenz63",
    "MNISTSigned",
    "Marginals",
    "Modular",
    "NavierStokes2D",
    "Newsgroups",
    "OpenMLData",
    "OpenWebText",
    "PerceptronWorstCase",
    "PythonTokens",
    "ReLUTeacher",
    "Resource",
    "SklearnData",
    "Split",
    "SwissRoll",
    "TinyImageNet",
    "class_dependent_noise",
    "data",
    "fetch",
    "fourier_noise",
    "uniform_noise",
    "verify_all",
]
