"""The networks that decide beside segmenting: what their outputs mean, and that every part of them learns."""

from __future__ import annotations

import pytest
import torch

from CovidLungQuantLib.networks.heads import Heads, lung_weights, lung_window_errors, reconstruction_errors
from CovidLungQuantLib.networks.jcs import STRIDE, AttentiveFusion, EnhancedFeatures, Gate, JCSNet
from CovidLungQuantLib.networks.multitask import MultiTaskNet
from LesionKitLib.models.inference import Runtime
from LesionKitResearch.losses.covid import multi_output_loss

SIZE = (2 * STRIDE, 3 * STRIDE)
NETWORKS = {
    "jcs": lambda: JCSNet(widths=(4, 4, 8, 8, 8), evidence=8),
    "multitask": lambda: MultiTaskNet(deep=16, code=4, dropout=0.1),
}


def slices(count: int, seed: int = 0) -> torch.Tensor:
    return torch.rand((count, 2, *SIZE), generator=torch.Generator().manual_seed(seed))


@pytest.fixture(scope="module", params=NETWORKS)
def network(request):
    torch.manual_seed(0)
    net = NETWORKS[request.param]()
    for module in net.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.momentum = None
    net.train()
    with torch.no_grad():
        net(slices(6))
    return net.eval()


def labels(count: int) -> dict[str, torch.Tensor]:
    """Masks for the first half of the slices, decisions for the second."""
    half = count // 2
    lesion = torch.full((count, *SIZE), 255)
    lesion[:half] = 0
    lesion[:half, 10:40, 10:40] = 1
    lesion[:half, 20:30, 20:30] = 2
    lung = torch.full((count, *SIZE), 255)
    lung[:half] = 0
    lung[:half, 5:60, 5:60] = 1
    covid = torch.tensor([-1] * half + [1, 0] * (half // 2))
    weight = torch.tensor([1.0] * half + [0.0] * (count - half))
    infected = torch.tensor([1] * half + [-1] * (count - half))
    return {"lesion": lesion, "lung": lung, "infected": infected, "covid": covid, "weight": weight}


def test_every_slice_gets_masks_at_its_own_size_and_one_decision(network):
    with torch.inference_mode():
        outputs = network(slices(3))
    probability = outputs.probabilities()
    assert probability.shape == (3, 5, *SIZE)
    torch.testing.assert_close(probability[:, 2:].sum(1), probability[:, 1])
    assert outputs.decision.shape == (3,)


def test_slices_are_predicted_one_by_one_whatever_the_batch(network):
    x = slices(5)
    with torch.inference_mode():
        whole = network(x)
    parts = list(network.stream(x.split(2)))
    assert [len(part.decision) for part in parts] == [2, 2, 1]
    torch.testing.assert_close(torch.cat([p.decision for p in parts]), whole.decision, atol=1e-4, rtol=1e-4)
    found = torch.cat([p.probabilities() for p in parts])
    torch.testing.assert_close(found, whole.probabilities(), atol=1e-4, rtol=1e-4)


def test_batches_computed_side_by_side_give_the_same_bits_and_of_the_reconstruction_its_errors(network):
    x = slices(6)
    alone = list(network.stream(x.split(2)))
    with Runtime("cpu").computing() as workers:
        together = list(network.stream(x.split(2), workers=workers))
    for a, b in zip(alone, together, strict=True):
        assert torch.equal(a.probabilities(), b.probabilities()) and b.reconstruction is None
    with torch.inference_mode():
        whole = network(x)
    if whole.reconstruction is not None:
        errors = torch.cat([part.errors for part in together])
        torch.testing.assert_close(errors, lung_window_errors(whole.reconstruction, x), atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("name", NETWORKS)
def test_the_gradient_of_the_joint_loss_reaches_every_parameter(name):
    torch.manual_seed(0)
    net = NETWORKS[name]().train()
    for gate in [m for m in net.modules() if isinstance(m, Gate)]:
        torch.nn.init.ones_(gate.norm.weight)  # which starts at nothing
    batch = {"image": slices(8), **labels(8)}
    loss, parts = multi_output_loss(net(batch["image"]), batch)
    loss.backward()
    missing = [n for n, p in net.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    assert missing == []
    assert {"any", "kind", "lung", "decision"} < set(parts)


# --- what the JCS network's heat map means


@pytest.fixture(scope="module")
def jcs():
    torch.manual_seed(1)
    return JCSNet(widths=(4, 4, 8, 8, 8), evidence=8).eval()


def test_the_heat_map_is_grad_cam_of_the_decision(jcs):
    """By automatic differentiation: gradient of the logit times the features, summed over channels, before the ReLU."""
    features = jcs.classifier.features(2 * slices(2)[:, :1] - 1)
    kept = []
    hook = jcs.classifier.evidence.register_forward_hook(lambda _m, _i, out: kept.append(out) or out.retain_grad())
    decision, heat = jcs.classifier(features)
    hook.remove()
    decision.sum().backward()
    cells = heat.shape[-1] * heat.shape[-2]
    expected = (kept[0].grad * kept[0]).sum(1, keepdim=True).relu() * cells
    torch.testing.assert_close(heat, expected, atol=1e-5, rtol=1e-4)


def test_places_that_do_not_count_neither_decide_nor_glow(jcs):
    features = jcs.classifier.features(2 * slices(1)[:, :1] - 1)
    weights = torch.zeros(1, 1, SIZE[0] // 16, SIZE[1] // 16)
    weights[..., :2, :2] = 1
    decision, heat = jcs.classifier(features, weights)
    assert heat[..., 2:, :].abs().max() == 0
    changed = {s: f.clone() for s, f in features.items()}
    changed[16][..., 3:, 3:] += 5  # far from what counts
    torch.testing.assert_close(jcs.classifier(changed, weights)[0], decision)


def test_the_decision_does_not_see_the_soft_tissue_window(jcs):
    x = slices(1)
    known = jcs.classifier.features(2 * x[:, :1] - 1)
    other = x.clone()
    other[:, 1] = 0
    torch.testing.assert_close(jcs.classifier.features(2 * other[:, :1] - 1)[16], known[16])


def test_side_outputs_at_five_scales_are_given_in_training_only(jcs):
    assert jcs(slices(1)).sides == ()
    net = NETWORKS["jcs"]().train()
    sizes = [side.shape[-1] for side in net(slices(2)).sides]
    assert sizes == [SIZE[1] // s for s in (32, 16, 8, 4, 2)]


def test_where_no_lung_is_found_all_places_count_alike():
    weights = lung_weights(torch.full((1, 1, 32, 32), -20.0), (2, 2))
    assert weights.min() > 0 and weights.max() == pytest.approx(weights.min().item())
    lung = torch.full((1, 1, 32, 32), -20.0)
    lung[..., :16, :16] = 20
    weights = lung_weights(lung, (2, 2))
    assert weights[0, 0, 0, 0] == pytest.approx(1) and weights[0, 0, 1, 1] < 0.05


# --- building blocks


def test_a_gate_starts_as_nothing_and_passes_groups_on():
    torch.manual_seed(0)
    gate = Gate(16).eval()
    x = torch.randn(1, 16, 9, 9)
    torch.testing.assert_close(gate(x), x)
    torch.nn.init.ones_(gate.norm.weight)
    other = x.clone()
    other[:, 4:8, 4, 4] += 1  # the second group reaches the third and fourth, so a larger neighborhood
    changed = (gate(other) - gate(x)).abs().sum((0, 1)) > 1e-7
    assert changed.sum() == 7 * 7


def test_enhanced_features_see_as_far_as_their_largest_dilation():
    module = EnhancedFeatures(8, (1, 2, 3, 4)).eval()
    module.weigh.forward = lambda x: x  # whose means see everything
    x = torch.randn(1, 8, 21, 21)
    other = x.clone()
    other[:, :, 10, 10] += 1
    changed = (module(other) - module(x)).abs().sum((0, 1)) > 1e-7
    rows = torch.nonzero(changed)[:, 0]
    assert (rows.min(), rows.max()) == (5, 15)


def test_fused_features_have_the_finer_size():
    module = AttentiveFusion(8, 4).eval()
    assert module(torch.randn(2, 8, 3, 4), torch.randn(2, 4, 6, 8)).shape == (2, 4, 6, 8)


# --- the reconstruction


def test_the_reconstruction_sees_the_deepest_features_alone():
    torch.manual_seed(0)
    net = NETWORKS["multitask"]().eval()
    seen = []
    net.code.register_forward_hook(lambda _m, inputs, _o: seen.append(inputs[0].shape))
    outputs = net(slices(2))
    assert seen == [(2, 16, SIZE[0] // 32, SIZE[1] // 32)]
    assert outputs.reconstruction.shape == (2, 2, SIZE[0] // 2, SIZE[1] // 2)
    assert outputs.reconstruction.min() >= 0 and outputs.reconstruction.max() <= 1


def test_a_perfect_reconstruction_has_no_error():
    image = slices(3)
    small = torch.nn.functional.avg_pool2d(image, 2)
    assert reconstruction_errors(small, image).max() < 1e-6
    torch.testing.assert_close(reconstruction_errors(small + 0.25, image), torch.full((3,), 0.25))


def test_the_soft_tissue_window_does_not_make_an_image_unusual():
    image = slices(3)
    redrawn = torch.nn.functional.avg_pool2d(image, 2)
    redrawn[:, 1] = 0
    assert lung_window_errors(redrawn, image).max() < 1e-6
    redrawn[:, 0] += 0.25
    torch.testing.assert_close(lung_window_errors(redrawn, image), torch.full((3,), 0.25))


# --- batches that know little


def perfect(batch) -> Heads:
    lesion = torch.where((batch["lesion"] > 0) & (batch["lesion"] < 255), 12.0, -12.0)[:, None]
    kind = torch.stack([torch.where(batch["lesion"] == n, 12.0, -12.0) for n in (1, 2, 3)], 1)
    return Heads(lesion, kind, torch.where(batch["lung"] == 1, 12.0, -12.0)[:, None])


class Outputs:
    """What multi_output_loss reads of a network's outputs."""

    sides, reconstruction = (), None

    def __init__(self, masks, decision):
        self.masks, self.decision = masks, decision


def test_a_batch_without_masks_trains_the_decision_and_one_without_decisions_the_masks():
    batch = {"image": slices(4), **labels(4)}
    outputs = Outputs(perfect(batch), torch.zeros(4))
    no_masks = batch | {"weight": torch.zeros(4)}
    assert set(multi_output_loss(outputs, no_masks)[1]) == {"decision"}
    no_decision = batch | {"covid": torch.full((4,), -1)}
    assert "decision" not in multi_output_loss(outputs, no_decision)[1]
    loss, parts = multi_output_loss(outputs, no_masks | no_decision | {"weight": torch.zeros(4)})
    assert float(loss) == 0 and parts == {}


def test_slices_without_a_label_do_not_change_the_loss_of_the_others():
    batch = {"image": slices(4), **labels(4)}
    decision = torch.tensor([0.0, 0.0, 2.0, -2.0])
    loss, _ = multi_output_loss(Outputs(perfect(batch), decision), batch)
    noisy = perfect(batch)
    noisy = Heads(*(torch.cat([h[:2], torch.randn_like(h[2:])]) for h in noisy))
    other, _ = multi_output_loss(Outputs(noisy, torch.tensor([9.0, -9.0, 2.0, -2.0])), batch)
    torch.testing.assert_close(loss, other)


def test_a_right_decision_costs_less_than_a_wrong_one():
    batch = {"image": slices(4), **labels(4)}
    right, wrong = (Outputs(perfect(batch), s * torch.tensor([0.0, 0.0, 2.0, -2.0])) for s in (1, -1))
    assert multi_output_loss(right, batch)[1]["decision"] < 0.5 < multi_output_loss(wrong, batch)[1]["decision"]
