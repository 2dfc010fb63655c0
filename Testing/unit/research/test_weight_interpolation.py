"""The weights between a network before and after fine-tuning."""

from __future__ import annotations

import pytest
import torch

from LesionKitResearch.training.weight_interpolation import between, interpolate, smallest_sufficient


def network(value: float) -> torch.nn.Module:
    net = torch.nn.Sequential(torch.nn.Conv2d(1, 1, 1), torch.nn.BatchNorm2d(1))
    with torch.no_grad():
        for tensor in net.state_dict().values():
            tensor.fill_(value)
    return net


def test_weights_and_batch_statistics_lie_between_those_of_both_networks():
    before, after = network(0.0), network(2.0)
    mean = between(before, after, 0.25)
    assert mean[0].weight.item() == pytest.approx(0.5) and mean[1].running_mean.item() == pytest.approx(0.5)
    assert mean[1].num_batches_tracked == 2 and not mean.training
    assert before[0].weight.item() == 0 and after[0].weight.item() == 2


def test_the_smallest_share_that_keeps_the_gain_is_taken():
    assert smallest_sufficient({0.0: 0.4, 0.4: 0.5, 0.6: 0.595, 0.8: 0.62, 1.0: 0.6}) == 0.6
    assert smallest_sufficient({0.0: 0.4, 0.5: 0.5, 1.0: 0.6}) == 1.0


def test_without_a_gain_the_network_stays_as_it_was():
    assert smallest_sufficient({0.0: 0.6, 0.5: 0.7, 1.0: 0.6}) == 0.0


def test_the_chosen_network_is_the_one_of_the_share():
    found = interpolate(network(0.0), network(1.0), lambda net: min(net[0].weight.item(), 0.5), (0.0, 0.5, 1.0))
    assert found.share == 0.5 and found.network[0].weight.item() == pytest.approx(0.5)
    assert found.scores == {0.0: 0.0, 0.5: pytest.approx(0.5), 1.0: pytest.approx(0.5)}
