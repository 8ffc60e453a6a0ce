"""The ReLU teacher: scales, noise, nesting of training sets."""

from __future__ import annotations

import pytest
import torch

from assay.data import ReLUTeacher
from assay.seeds import Seeds


def drawn(seed=1, **how):
    data = ReLUTeacher(**{"dim": 5, "teacher": 6, "samples": 2000, "tests": 3000, **how})
    data.load(Seeds(seed))
    return data


def test_targets_have_variance_one_and_noise_its_own():
    data = drawn(snr=4.0)
    assert float(data.test.y.std()) == pytest.approx(1)
    noise = data.train.y - data.train.extra["clean"]
    assert float(noise.var()) == pytest.approx(0.25, rel=0.1) and data.noise_variance == 0.25
    assert float(data.train.extra["clean"].std()) == pytest.approx(1, rel=0.1)


def test_fewer_rows_are_the_beginning_and_noise_only_scales():
    few, many, quiet = drawn(samples=10), drawn(samples=20), drawn(samples=20, snr=100.0)
    torch.testing.assert_close(many.train.x[:10], few.train.x)
    torch.testing.assert_close(many.train.y[:10], few.train.y)
    noise, less = (d.train.y - d.train.extra["clean"] for d in (many, quiet))
    torch.testing.assert_close(less, noise / 10)
    assert not torch.equal(drawn(seed=2, samples=10).train.x, few.train.x)
