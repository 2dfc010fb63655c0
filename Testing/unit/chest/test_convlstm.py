"""The ConvLSTM network: one way of computing for whole sequences and for streams, and what its heads mean."""

from __future__ import annotations

import weakref

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from CovidLungQuantLib.networks.convlstm import CHUNK, LOOK_AHEAD, STRIDE, ConvLSTM, ConvLSTMNet, Fuse
from LesionKitLib.models.inference import Runtime

SIZE = (STRIDE, 2 * STRIDE)


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    net = ConvLSTMNet(width=16, hidden=4)
    # normalized features, as after training, so that what flows through is neither nothing nor infinite
    for module in net.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.momentum = None
    net.train()
    with torch.no_grad():
        net(slices(16))
    return net.eval()


def slices(count: int, seed: int = 0) -> torch.Tensor:
    return torch.rand((count, 2, *SIZE), generator=torch.Generator().manual_seed(seed))


def streamed(net: ConvLSTMNet, x: torch.Tensor, batch: int = CHUNK) -> torch.Tensor:
    return torch.cat([heads.probabilities() for heads in net.stream(x.split(batch))])


def whole(net: ConvLSTMNet, x: torch.Tensor, lengths=None) -> torch.Tensor:
    with torch.inference_mode():
        return net(x, lengths).probabilities()


# --- streaming


@pytest.mark.parametrize("count", [1, 3, CHUNK, CHUNK + 1, CHUNK + LOOK_AHEAD - 1, CHUNK + LOOK_AHEAD])
def test_a_stream_gives_what_the_whole_sequence_gives(network, count):
    x = slices(count)
    torch.testing.assert_close(streamed(network, x), whole(network, x), atol=1e-5, rtol=1e-4)


def test_a_long_stream_differs_only_by_what_lies_beyond_the_look_ahead(network):
    x = slices(40)
    first = streamed(network, x)[:CHUNK]
    torch.testing.assert_close(first, whole(network, x[: CHUNK + LOOK_AHEAD])[:CHUNK], atol=1e-5, rtol=1e-4)
    # the last chunks see everything before and behind them
    torch.testing.assert_close(streamed(network, x)[-16:], whole(network, x)[-16:], atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("batch", [1, 3, 8])
def test_every_slice_is_encoded_once_and_predicted_once_in_order(network, batch):
    x = slices(21)
    seen = []

    def encode(part):
        seen.append(part)
        return network.encode(part)

    out = [h.lung for h in network.stream(x.split(batch), encode)]
    torch.testing.assert_close(torch.cat(seen), x)
    assert [len(part) for part in out] == [CHUNK, CHUNK, 5]


def test_the_prediction_does_not_depend_on_the_batch_size(network):
    x = slices(30)
    torch.testing.assert_close(streamed(network, x, 1), streamed(network, x, 32), atol=1e-5, rtol=1e-4)


def test_the_first_slice_reaches_later_chunks_through_the_carried_state(network):
    x = slices(2 * CHUNK + LOOK_AHEAD)
    changed = x.clone()
    changed[0] = 1 - changed[0]
    difference = (streamed(network, changed) - streamed(network, x)).abs()
    assert difference[CHUNK].max() > 0 and difference[2 * CHUNK].max() > 0


def test_what_lies_beyond_the_look_ahead_does_not_change_the_first_chunk(network):
    x = slices(40)
    changed = x.clone()
    changed[CHUNK + LOOK_AHEAD :] = 0
    assert torch.equal(streamed(network, changed)[:CHUNK], streamed(network, x)[:CHUNK])
    changed[CHUNK + LOOK_AHEAD - 1] = 0
    assert not torch.equal(streamed(network, changed)[:CHUNK], streamed(network, x)[:CHUNK])


@pytest.mark.parametrize("batch", [1, 4, CHUNK])
def test_memory_does_not_grow_with_the_number_of_slices(network, batch):
    """Features alive at any moment, whatever the length: those of a chunk and of its look-ahead."""
    alive: list[weakref.ref] = []
    most = 0

    def encode(part):
        nonlocal most
        features = {1: torch.zeros(len(part), 2, *SIZE), 16: torch.zeros(len(part), 16, 2, 4)}
        memory = np.zeros((len(part), network.encoder.channels[8], SIZE[0] // 8, SIZE[1] // 8), np.float32)
        for stride, channels in network.encoder.channels.items():
            if stride < 16:
                features[stride] = torch.zeros(len(part), channels, SIZE[0] // stride, SIZE[1] // stride)
        features[8] = torch.from_numpy(memory)  # the array lives as long as any view of its tensor
        alive.append(weakref.ref(memory))
        most = max(most, sum(len(f) for f in (ref() for ref in alive) if f is not None))
        return features

    for heads in network.stream(slices(60).split(batch), encode):
        del heads
    assert CHUNK <= most <= CHUNK + LOOK_AHEAD + batch


def test_slices_are_asked_for_only_when_they_are_needed(network):
    drawn = 0

    def source():
        nonlocal drawn
        for part in slices(48).split(CHUNK):
            drawn += 1
            yield part

    predictions = network.stream(source())
    assert drawn == 0
    next(predictions)
    assert drawn == 2
    next(predictions)
    assert drawn == 3


@pytest.mark.parametrize("threads", [1, 2, 4])
def test_any_number_of_threads_gives_the_same_bits(network, monkeypatch, threads):
    x = slices(30)
    alone = streamed(network, x, 2)
    monkeypatch.setenv("OMP_NUM_THREADS", str(threads))
    with Runtime("cpu").computing() as workers:
        assert workers.count == threads
        together = torch.cat([heads.probabilities() for heads in network.stream(x.split(2), workers=workers)])
    assert torch.equal(alone, together)


def test_an_empty_stream_gives_nothing(network):
    assert list(network.stream([])) == []


# --- sequences


def test_sequences_side_by_side_do_not_see_each_other(network):
    x = slices(9)
    together = whole(network, x, [4, 1, 4])
    alone = torch.cat([whole(network, part) for part in x.split([4, 1, 4])])
    torch.testing.assert_close(together, alone, atol=1e-5, rtol=1e-4)


def test_without_lengths_all_slices_are_one_sequence(network):
    x = slices(5)
    torch.testing.assert_close(whole(network, x), whole(network, x, [5]))
    assert not torch.allclose(whole(network, x), whole(network, x, [1] * 5), atol=1e-6)


@pytest.mark.parametrize("size", [(32, 32), (64, 96)])
def test_predictions_have_the_resolution_of_the_slices(network, size):
    heads = network(torch.rand(2, 2, *size))
    assert heads.lesion.shape == heads.lung.shape == (2, 1, *size) and heads.kind.shape == (2, 3, *size)
    assert heads.probabilities().shape == (2, 5, *size)


def test_convlstm_outputs_are_bounded_and_its_state_goes_on():
    torch.manual_seed(0)
    cell = ConvLSTM(3, 2)
    x = 5 * torch.randn(7, 2, 3, 4, 5)
    outputs, (last, memory) = cell(x)
    assert outputs.shape == (7, 2, 2, 4, 5) and outputs.abs().max() < 1 and memory.shape == last.shape
    assert torch.equal(outputs[-1], last)
    first, state = cell(x[:3])
    second, _ = cell(x[3:], state)
    torch.testing.assert_close(torch.cat([first, second]), outputs)


# --- precision


def test_in_bfloat16_every_convolution_gets_bfloat16_and_the_output_is_that_of_wider_joined_maps(network, monkeypatch):
    kinds = []

    def note(module, inputs):
        kinds.append(inputs[0].dtype)

    hooks = [m.layers.register_forward_pre_hook(note) for m in network.modules() if isinstance(m, Fuse)]
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
        narrow = network(slices(2))
    for hook in hooks:
        hook.remove()
    assert kinds == [torch.bfloat16] * len(hooks) and len(hooks) == 5

    def wide(self, coarse, fine):
        coarse = F.interpolate(coarse, size=fine.shape[-2:], mode="bilinear", align_corners=False)
        return self.layers(torch.cat([coarse, fine], 1))

    monkeypatch.setattr(Fuse, "forward", wide)
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
        assert all(torch.equal(a, b) for a, b in zip(narrow, network(slices(2)), strict=True))


# --- heads


def test_the_kinds_of_lesion_add_up_to_any_lesion(network):
    probability = whole(network, slices(3))
    assert probability.min() >= 0 and probability.max() <= 1
    torch.testing.assert_close(probability[:, 2:].sum(1), probability[:, 1])


def test_attention_gates_the_lesion_head(network):
    heads = network(slices(2))
    shut = heads._replace(lesion=torch.full_like(heads.lesion, -40.0)).probabilities()
    opened = heads._replace(lesion=torch.full_like(heads.lesion, 40.0)).probabilities()
    assert shut[:, 1:].max() < 1e-6
    torch.testing.assert_close(opened[:, 2:], heads.kind.softmax(1))


def test_half_precision_logits_become_probabilities_of_full_precision(network):
    heads = network(slices(1))
    half = type(heads)(*(h.to(torch.bfloat16) for h in heads))
    assert half.probabilities().dtype == torch.float32


def test_the_gradient_reaches_every_parameter():
    torch.manual_seed(0)
    net = ConvLSTMNet(width=8, hidden=2)
    heads = net(slices(6), [3, 1, 2])
    loss = sum((h.sigmoid() * torch.rand_like(h)).sum() for h in heads)
    loss.backward()
    missing = [name for name, p in net.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    assert missing == []
