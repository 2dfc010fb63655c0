"""Losses that use only what is known of a slice."""

from __future__ import annotations

import pytest
import torch

from CovidLungQuantLib.networks.convlstm import Heads
from LesionKitResearch.datasets.covid import ANY_LESION, UNKNOWN
from LesionKitResearch.losses.covid import SUSPICIOUS_PIXELS, segmentation_loss, soft_dice

SIZE = (24, 32)
ALL = slice(None)


def heads(count: int, value: float | None = None) -> Heads:
    generator = torch.Generator().manual_seed(0)

    def logits(channels):
        shape = (count, channels, *SIZE)
        x = torch.randn(shape, generator=generator) if value is None else torch.full(shape, float(value))
        return x.requires_grad_()

    return Heads(logits(1), logits(3), logits(1))


def labels(count: int, value: int) -> torch.Tensor:
    return torch.full((count, *SIZE), value)


def loss_of(h: Heads, lesion, lung=None, infected=None, weight=None):
    count = len(lesion)
    lung = labels(count, UNKNOWN) if lung is None else lung
    infected = torch.full((count,), -1) if infected is None else torch.as_tensor(infected)
    weight = torch.ones(count) if weight is None else torch.as_tensor(weight)
    return segmentation_loss(h, lesion, lung, infected, weight)


def gradients(h: Heads, *args, **kwargs) -> list[torch.Tensor]:
    loss, _ = loss_of(h, *args, **kwargs)
    loss.backward()
    return [torch.zeros_like(x) if x.grad is None else x.grad for x in h]


def perfect(lesion: torch.Tensor, lung: torch.Tensor) -> Heads:
    def logit(mask):
        return torch.where(mask, 12.0, -12.0)

    kinds = torch.stack([logit(lesion == n) for n in (1, 2, 3)], 1)
    return Heads(logit(lesion > 0)[:, None], kinds, logit(lung == 1)[:, None])


def example() -> tuple[torch.Tensor, torch.Tensor]:
    lesion, lung = labels(2, 0), labels(2, 0)
    lung[:, 4:20, 4:28] = 1
    lesion[0, 6:12, 6:12], lesion[0, 12:16, 6:12], lesion[0, 16:19, 6:12] = 1, 2, 3
    return lesion, lung


def test_a_perfect_prediction_costs_next_to_nothing_and_a_wrong_one_much():
    lesion, lung = example()
    right, _ = loss_of(perfect(lesion, lung), lesion, lung, [1, 0])
    wrong, _ = loss_of(perfect((1 - lesion).clamp(min=0), 1 - lung), lesion, lung, [1, 0])
    assert right < 0.02 and wrong > 5


def test_the_parts_add_up_to_the_loss():
    lesion, lung = example()
    loss, parts = loss_of(heads(2), lesion, lung, [1, 0])
    assert set(parts) == {"any", "kind", "lung", "weak"}
    assert sum(parts.values()) == pytest.approx(loss.item(), rel=1e-5)


def test_a_slice_without_masks_gives_no_lesion_gradient():
    h = heads(2)
    lesion, lung = example()
    lesion[1] = UNKNOWN
    any_lesion, kind, lungs = gradients(h, lesion, lung)
    assert not any_lesion[1].any() and not kind[1].any()
    assert any_lesion[0].any() and kind[0].any() and lungs[1].any()


def test_unknown_pixels_do_not_count():
    lesion, lung = example()
    lesion[:, :6], lung[:, :, :10] = UNKNOWN, UNKNOWN
    any_lesion, kind, lungs = gradients(heads(2), lesion, lung)
    assert not any_lesion[:, :, :6].any() and not kind[:, :, :6].any() and any_lesion[:, :, 6:].any()
    assert not lungs[..., :10].any() and lungs[..., 10:].any()


def test_what_stands_in_unknown_pixels_does_not_change_the_loss():
    lesion, lung = example()
    lesion[:, :6] = UNKNOWN
    h = heads(2)
    other = Heads(*(x.detach().clone() for x in h))
    other.lesion[:, :, :6] += 7
    other.kind[:, :, :6] -= 7
    assert loss_of(h, lesion, lung)[0].item() == pytest.approx(loss_of(other, lesion, lung)[0].item(), abs=1e-6)


def test_a_lesion_of_unknown_kind_trains_the_attention_alone():
    lesion = labels(1, 0)
    lesion[0, 5:15, 5:15] = ANY_LESION
    any_lesion, kind, _ = gradients(heads(1), lesion)
    assert (any_lesion[0, 0, 5:15, 5:15] < 0).all()
    assert not kind.any()


def test_lungs_that_are_unknown_give_no_lung_gradient():
    lesion, _ = example()
    assert not gradients(heads(2), lesion)[2].any()


def test_a_slice_called_infected_is_pushed_to_show_some_lesion_where_its_pixels_are_unknown():
    lesion = labels(1, UNKNOWN)
    any_lesion, kind, _ = gradients(heads(1), lesion, infected=[1])
    pushed = any_lesion[0, 0] < 0
    assert pushed.sum() == SUSPICIOUS_PIXELS and not (any_lesion > 0).any() and not kind.any()


@pytest.mark.parametrize("infected", [0, -1])
def test_a_slice_not_called_infected_is_not_pushed(infected):
    assert not gradients(heads(1), labels(1, UNKNOWN), infected=[infected])[0].any()


def test_an_infected_slice_whose_pixels_are_known_is_not_pushed():
    lesion, lung = example()
    _, parts = loss_of(heads(2), lesion, lung, [1, 1])
    assert parts["weak"] == 0


def test_weights_share_the_loss_among_slices():
    lesion, lung = example()
    h = heads(2)
    alone = [loss_of(Heads(*(x[n : n + 1] for x in h)), lesion[n : n + 1], lung[n : n + 1])[0].item() for n in (0, 1)]
    mixed = loss_of(h, lesion, lung, weight=[3.0, 1.0])[0].item()
    assert mixed == pytest.approx(0.75 * alone[0] + 0.25 * alone[1], rel=1e-5)


def test_a_batch_of_weightless_slices_is_no_division_by_zero():
    lesion, lung = example()
    assert loss_of(heads(2), lesion, lung, weight=[0.0, 0.0])[0].item() == 0


def test_half_precision_logits_give_a_finite_loss():
    lesion, lung = example()
    h = Heads(*((40 * x.detach()).to(torch.bfloat16) for x in heads(2)))
    assert torch.isfinite(loss_of(h, lesion, lung, [1, 0])[0])


def test_dice_is_nothing_for_a_match_and_near_one_for_a_miss():
    mask = torch.zeros(1, *SIZE)
    mask[:, 4:12, 4:12] = 1
    known = torch.ones_like(mask)
    assert soft_dice(mask, mask, known).item() == pytest.approx(0, abs=1e-6)
    assert soft_dice(1 - mask, mask, known).item() > 0.99
    assert soft_dice(1 - mask, mask, mask).item() > 0.98
