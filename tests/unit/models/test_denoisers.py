"""Networks that denoise: shapes, sizes, names of the published checkpoints, one number for all rows."""

import pytest
import torch

from assay.models import FilmMLP, SongUNet

SMALL = {"channels": 16, "multipliers": [1, 2], "blocks": 1, "attention": [8], "dropout": 0.0}


def unet(shape=(3, 8, 8), **values):
    net = SongUNet(shape, 1, **{**SMALL, **values})
    for parameter in net.parameters():  # layers that start at zero would hide what comes before them
        parameter.data.normal_(0, 0.1, generator=torch.Generator().manual_seed(parameter.numel()))
    return net


def film(shape=(1, 4, 4)):
    net = FilmMLP(shape, 10, width=8, blocks=2)
    net.leave.weight.data.normal_()
    return net


@pytest.mark.parametrize(("make", "shape"), [(film, (1, 4, 4)), (unet, (3, 8, 8))])
def test_outputs_have_the_shape_of_inputs_and_depend_on_the_level(make, shape):
    net, x = make(shape), torch.randn(5, *shape)
    one, same, other = net(x, torch.tensor([0.3])), net(x, torch.full((5,), 0.3)), net(x, torch.tensor([-0.3]))
    assert one.shape == x.shape
    torch.testing.assert_close(one, same)
    assert (one - other).abs().max() > 1e-4


def test_both_start_at_zero():
    x, c = torch.randn(2, 3, 8, 8), torch.zeros(2)
    assert FilmMLP((3, 8, 8), 10, width=8)(x, c).abs().max() == 0
    assert SongUNet((3, 8, 8), 10, **SMALL)(x, c).abs().max() == 0


def test_film_has_the_size_of_the_desk_network():
    net = FilmMLP((196,), 196)
    assert sum(p.numel() for p in net.parameters()) == 762_372
    assert net.frequencies[0] == 1 and net.frequencies[-1] == pytest.approx(30)


def test_the_unet_has_the_names_and_the_size_of_the_published_one():
    """55.7 million parameters; without the layer for augmentation, which sampling never uses."""
    with torch.device("meta"):
        net = SongUNet((3, 32, 32), 10)
    assert sum(p.numel() for p in net.parameters()) / 1e6 == pytest.approx(55.73, abs=0.01)
    names = set(net.state_dict())
    assert {
        "map_layer0.weight",
        "enc.32x32_conv.weight",
        "enc.32x32_block3.norm1.weight",
        "enc.16x16_down.skip.weight",
        "enc.16x16_block0.qkv.bias",
        "dec.8x8_in0.proj.weight",
        "dec.8x8_in1.affine.bias",
        "dec.16x16_block4.qkv.weight",
        "dec.32x32_up.conv0.weight",
        "dec.32x32_aux_norm.weight",
        "dec.32x32_aux_conv.bias",
    } <= names
    assert not {"dec.16x16_block3.qkv.weight", "dec.8x8_in1.qkv.weight", "enc.32x32_block0.qkv.weight"} & names


def test_neighbours_in_the_last_level_are_seen():
    net, x = unet(), torch.randn(1, 3, 8, 8)
    changed = x.clone()
    changed[0, 0, 0, 0] += 1
    moved = (net(x, torch.zeros(1)) - net(changed, torch.zeros(1)))[0].abs().amax(0)
    assert (moved > 0).all()  # attention carries a corner to every pixel
