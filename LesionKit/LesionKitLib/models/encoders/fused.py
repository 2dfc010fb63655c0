"""A trained network in the form in which it computes fastest on a processor.

In every chain of layers a convolution takes the batch normalization behind it into its own weights (Jacob et al. 2018,
arXiv 1712.05877, section 3.2) and the activation behind that into its own last step, where oneDNN, which PyTorch
brings along, can. Weights are kept in the precision and the order in memory in which they are multiplied. The result is
that of the network up to rounding.
"""

from __future__ import annotations

import copy
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.fusion import fuse_conv_bn_eval

from .efficientnet_lite import SameConv, same_padding

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}
ACTIVATIONS = {nn.ReLU: ("relu", []), nn.ReLU6: ("hardtanh", [0.0, 6.0])}  # oneDNN's names and their numbers
_fused: WeakKeyDictionary[nn.Module, dict[str, tuple[tuple, nn.Module]]] = WeakKeyDictionary()


def fused(network: nn.Module, precision: str) -> nn.Module:
    """A copy of a network in eval mode that computes the same in fewer steps, for the CPU. precision: fp32 or bf16.

    The copy of each network is made once, anew after its weights changed (in training), and lives as long as the
    network. Without chains of layers the network itself comes back.
    """
    if not any(isinstance(module, nn.Sequential) for module in network.modules()):
        return network
    copies, state = _fused.setdefault(network, {}), _state(network)
    if precision not in copies or copies[precision][0] != state:
        result = copy.deepcopy(network).eval().requires_grad_(False)
        for chain in [module for module in result.modules() if isinstance(module, nn.Sequential)]:
            layers = _fused_layers(list(chain), DTYPES[precision])
            chain._modules.clear()
            chain.extend(layers)
        copies[precision] = state, result
    return copies[precision][1]


def _state(network: nn.Module) -> tuple[tuple[int, int], ...]:
    """Where each of the weights lies, and how often it was changed there."""
    tensors = (*network.parameters(), *network.buffers())
    return tuple((t.data_ptr(), 0 if t.is_inference() else t._version) for t in tensors)


def _fused_layers(layers: list[nn.Module], dtype: torch.dtype) -> list[nn.Module]:
    result: list[nn.Module] = []
    while layers:
        layer = layers.pop(0)
        if type(layer) in (nn.Conv2d, SameConv) and layer.padding_mode == "zeros":
            if layers and isinstance(layers[0], nn.BatchNorm2d):
                layer = fuse_conv_bn_eval(layer, layers.pop(0))
            activation = layers.pop(0) if layers and type(layers[0]) in ACTIVATIONS else None
            layer = FusedConvolution(layer, activation, dtype)
        result.append(layer)
    return result


class FusedConvolution(nn.Module):
    """A convolution with its activation: (n, c, h, w) of any precision -> (n, c', h', w') of the given one."""

    def __init__(self, layer: nn.Conv2d, activation: nn.Module | None, dtype: torch.dtype):
        super().__init__()
        self.dtype, self.activation = dtype, activation
        self.kernel, self.stride = layer.kernel_size, layer.stride
        self.groups, self.dilation = layer.groups, layer.dilation
        self.same = isinstance(layer, SameConv)
        self.padding = tuple(layer.padding)
        self.weight = layer.weight.detach().to(dtype).contiguous(memory_format=torch.channels_last)
        self.bias = None if layer.bias is None else layer.bias.detach().float()  # rounded, it would cost accuracy
        self.name, self.numbers = ACTIVATIONS[type(activation)] if activation is not None else ("none", [])
        self._packed: Tensor | None = None  # the weight in oneDNN's own order, for the first size that is seen

    def forward(self, x: Tensor) -> Tensor:
        x, padding = self._padded(x.to(self.dtype))
        if not _has_onednn():
            bias = None if self.bias is None else self.bias.to(self.dtype)
            x = F.conv2d(x, self.weight, bias, self.stride, padding, self.dilation, self.groups)
            return x if self.activation is None else self.activation(x)
        if self._packed is None:
            self._packed = torch.ops.mkldnn._reorder_convolution_weight(
                self.weight, padding, self.stride, self.dilation, self.groups, list(x.shape)
            )
        return torch.ops.mkldnn._convolution_pointwise(
            x, self._packed, self.bias, padding, self.stride, self.dilation, self.groups, self.name, self.numbers, ""
        )

    def _padded(self, x: Tensor) -> tuple[Tensor, tuple[int, int]]:
        """The input, and how much of its padding the convolution itself does."""
        if not self.same:
            return x, self.padding
        return same_padding(x, self.kernel, self.stride)


def _has_onednn() -> bool:
    """Whether PyTorch has the fused convolutions, which its own compiler uses."""
    return torch.backends.mkldnn.is_available() and hasattr(torch.ops.mkldnn, "_convolution_pointwise")
