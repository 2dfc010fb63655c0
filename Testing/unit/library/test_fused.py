"""The form of a network for inference: same numbers up to rounding, fewer steps."""

from __future__ import annotations

import gc
import weakref

import pytest
import torch
from torch import nn

from LesionKitLib.models.encoders import fused as module
from LesionKitLib.models.encoders.efficientnet_lite import EfficientNetLite0, SameConv
from LesionKitLib.models.encoders.fused import FusedConvolution, fused


def with_used_norms(network: nn.Module) -> nn.Module:
    """As after training: norms that shift and scale."""
    generator = torch.Generator().manual_seed(0)
    for norm in [m for m in network.modules() if isinstance(m, nn.BatchNorm2d)]:
        norm.running_mean.uniform_(-0.2, 0.2, generator=generator)
        norm.running_var.uniform_(0.5, 1.5, generator=generator)
        norm.weight.data.uniform_(0.5, 1.5, generator=generator)
        norm.bias.data.uniform_(-0.3, 0.3, generator=generator)
    return network.eval()


def chain(*layers: nn.Module) -> nn.Module:
    torch.manual_seed(0)
    return with_used_norms(nn.Sequential(*layers))


CHAINS = {
    "norm and ReLU": lambda: chain(nn.Conv2d(3, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8), nn.ReLU()),
    "norm and ReLU6": lambda: chain(SameConv(3, 8, 3, 2, bias=False), nn.BatchNorm2d(8), nn.ReLU6()),
    "norm alone": lambda: chain(SameConv(3, 8, 5, 2, bias=False), nn.BatchNorm2d(8)),
    "bias alone": lambda: chain(nn.Conv2d(3, 8, 1)),
    "depthwise": lambda: chain(SameConv(3, 3, 5, groups=3, bias=False), nn.BatchNorm2d(3), nn.ReLU6()),
    "another activation": lambda: chain(nn.Conv2d(3, 8, 3), nn.LeakyReLU(0.1), nn.Conv2d(8, 4, 1), nn.ReLU()),
    "dilated": lambda: chain(nn.Conv2d(3, 8, 3, padding=2, dilation=2), nn.ReLU()),
    "mirrored padding": lambda: chain(nn.Conv2d(3, 8, 3, padding=1, padding_mode="reflect"), nn.ReLU()),
}


def picture(seed: int = 0) -> torch.Tensor:
    image = torch.randn(2, 3, 33, 47, generator=torch.Generator().manual_seed(seed))
    return (4 * image).contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("onednn", [True, False])
@pytest.mark.parametrize("name", CHAINS)
def test_a_chain_gives_what_its_layers_give(monkeypatch, name, onednn):
    if not onednn:
        monkeypatch.setattr(module, "_has_onednn", lambda: False)
    network = CHAINS[name]()
    with torch.inference_mode():
        for seed in range(2):
            torch.testing.assert_close(fused(network, "fp32")(picture(seed)), network(picture(seed)))


def test_a_size_other_than_the_first_gives_what_the_layers_give():
    network = CHAINS["norm and ReLU"]()
    with torch.inference_mode():
        for image in (picture(), picture()[:1, :, :20, :31], torch.cat([picture()] * 3)):
            torch.testing.assert_close(fused(network, "fp32")(image), network(image))


def test_an_encoder_gives_its_features_at_every_stride():
    torch.manual_seed(0)
    network = with_used_norms(EfficientNetLite0())
    image = torch.rand(1, 3, 64, 96)
    with torch.inference_mode():
        expected, found = network(image), fused(network, "fp32")(image)
    for stride, features in expected.items():
        torch.testing.assert_close(found[stride], features, atol=1e-3, rtol=1e-3)
    assert sum(isinstance(m, FusedConvolution) for m in fused(network, "fp32").modules()) == 48
    assert not any(isinstance(m, nn.BatchNorm2d) for m in fused(network, "fp32").modules())


def test_bfloat16_weights_give_bfloat16_maps_near_the_float32_ones():
    network = CHAINS["norm and ReLU"]()
    with torch.inference_mode():
        found = fused(network, "bf16")(picture())
        assert found.dtype == torch.bfloat16
        torch.testing.assert_close(found.float(), network(picture()), atol=0.1, rtol=0.03)


def test_the_network_itself_stays_as_it_was():
    network = CHAINS["norm and ReLU"]()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    fused(network, "bf16")
    assert [type(layer) for layer in network] == [nn.Conv2d, nn.BatchNorm2d, nn.ReLU]
    assert all(torch.equal(value, network.state_dict()[name]) for name, value in before.items())


def test_the_copy_is_made_once_and_goes_with_the_network():
    network = CHAINS["bias alone"]()
    copy = weakref.ref(fused(network, "fp32"))
    assert fused(network, "fp32") is copy() and fused(network, "bf16") is not copy()
    del network
    gc.collect()
    assert copy() is None


def test_weights_changed_by_training_or_loading_are_seen():
    network = CHAINS["bias alone"]()
    before = fused(network, "fp32")(picture())
    with torch.no_grad():
        network[0].bias += 1
    torch.testing.assert_close(fused(network, "fp32")(picture()), before + 1)
    network.load_state_dict(CHAINS["bias alone"]().state_dict())
    torch.testing.assert_close(fused(network, "fp32")(picture()), before)


def test_a_network_without_chains_of_layers_comes_back_itself():
    network = nn.Conv2d(3, 2, 1)
    assert fused(network, "fp32") is network
