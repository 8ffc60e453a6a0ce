"""Every registered model builds at full size without memory, and computes scores when reduced."""

import pytest
import torch

from assay.models import models

IMAGE = (3, 32, 32)
SPECIAL = {
    "gpt2": ((16,), 10, {}),
    "centred": (IMAGE, 10, {"net": {"name": "mlp"}}),
    "gaussian_mixture_potential": ((3,), 3, {}),
    "periodic": ((2,), 1, {"net": {"name": "mlp"}}),
}
"""Inputs, outputs and required values of models that are no plain classifiers of colour images of 32 pixels."""

BIG = [
    *("resnet18", "resnet34", "resnet50", "resnet101", "vit_b_16", "gpt2"),
    *("vgg16", "vgg19", "mobilenet_v2"),
]


def build(name, **values):
    inputs, outputs, required = SPECIAL.get(name, (IMAGE, 10, {}))
    return models.build({"name": name, **required, **values})(inputs, outputs)


@pytest.mark.parametrize("name", models.parts)
def test_builds_at_full_size_on_the_meta_device(name):
    with torch.device("meta"):
        model = build(name)
    assert all(p.is_meta for p in model.parameters())


@pytest.mark.parametrize("name", BIG)
def test_computes_scores_when_reduced(name):
    model = build(name, **models[name].reduced)
    assert sum(p.numel() for p in model.parameters()) < 200_000
    x = torch.arange(32).reshape(2, 16) % 10 if name == "gpt2" else torch.randn(2, *IMAGE)
    scores = model(x)
    assert scores.shape == ((2, 16, 10) if name == "gpt2" else (2, 10)) and torch.isfinite(scores).all()


@pytest.mark.parametrize(
    ("name", "shape", "outputs", "parameters"),
    [
        ("resnet18", (3, 224, 224), 1000, 11_689_512),
        ("resnet34", (3, 224, 224), 1000, 21_797_672),
        ("resnet50", (3, 224, 224), 1000, 25_557_032),
        ("resnet101", (3, 224, 224), 1000, 44_549_160),
        ("vit_b_16", (3, 224, 224), 1000, 86_567_656),
        ("gpt2", (1024,), 50257, 124_439_808),
        # The features of torchvision's vgg16_bn and vgg19_bn, and a layer of 512 x 10 + 10.
        ("vgg16", (3, 32, 32), 10, 14_723_136 + 5_130),
        ("vgg19", (3, 32, 32), 10, 20_035_392 + 5_130),
        ("mobilenet_v2", (3, 32, 32), 1000, 3_504_872),
    ],
)
def test_full_size_is_the_published_size(name, shape, outputs, parameters):
    """Numbers of parameters as torchvision lists them (IMAGENET1K_V1) and as the small GPT-2 has them."""
    with torch.device("meta"):
        model = models.build({"name": name})(shape, outputs)
    assert sum(p.numel() for p in model.parameters()) == parameters


def test_the_small_stem_keeps_the_resolution():
    model = build("resnet18", width=4, stem="small")
    assert model.maxpool(model.conv1(torch.zeros(1, *IMAGE))).shape == (1, 4, 32, 32)


def test_grey_images_have_one_channel():
    model = models.build({"name": "resnet18", "width": 4})((1, 64, 64), 3)
    assert model(torch.zeros(2, 1, 64, 64)).shape == (2, 3)
