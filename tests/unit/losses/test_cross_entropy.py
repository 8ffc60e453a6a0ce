"""Cross entropy against its definition."""

import torch

from assay.losses import CrossEntropy


def test_is_the_negative_log_likelihood_of_each_sample():
    scores, y = torch.tensor([[2.0, 0.0, -1.0], [0.0, 0.0, 0.0]]), torch.tensor([1, 2])
    expected = -scores.softmax(1).log()[torch.arange(2), y]
    torch.testing.assert_close(CrossEntropy()(scores, y), expected)


def test_smoothing_mixes_with_the_mean_over_classes():
    scores, y = torch.tensor([[2.0, 0.0, -1.0]]), torch.tensor([1])
    logs = -scores.log_softmax(1)
    expected = 0.7 * logs[0, 1] + 0.3 * logs[0].mean()
    torch.testing.assert_close(CrossEntropy(label_smoothing=0.3)(scores, y), expected[None])
