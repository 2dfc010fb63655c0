"""The mask GAN: occupancy grids, the lesion prior, networks, drawn lesions, evaluation."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from stroke_fixtures import lesion_mask

from LesionKitLib.imaging.volume import Volume, affine
from LesionKitLib.run.errors import UnusableInput
from LesionKitResearch.evaluation import stroke_masks as evaluation
from LesionKitResearch.training.lesion_prior import fit_lesion_prior
from StrokeSynthLib.labels import BACKGROUND, CSF, VENTRICLES
from StrokeSynthLib.segmentation.template import load_template
from StrokeSynthLib.synthesis import lesion_sampling as sampling
from StrokeSynthLib.synthesis import occupancy_grid

torch = pytest.importorskip("torch")


def grid(shape=(30, 32, 40)):
    """An empty LPS grid of 2 mm voxels, the middle plane in its middle."""
    matrix = affine((2.0, 2.0, 2.0), origin=(shape[2] - 1.0, shape[1] - 1.0, -30.0))
    return Volume(np.zeros(shape, bool), matrix)


def ball(volume, center=(15, 16, 28), radius=5):
    return volume.with_array(lesion_mask(volume.array.shape, center, radius))


def blob_sampler():
    """A sampler whose generator draws a ball that fills its box, and whose prior is a single Gaussian."""
    from StrokeSynthLib.networks.mask_gan import LesionSampler

    class Ball(torch.nn.Module):
        def forward(self, latent, conditions):
            steps = (torch.arange(32) + 0.5) / 16 - 1
            k, j, i = torch.meshgrid(steps, steps, steps, indexing="ij")
            return (1 - 0.5 * (k**2 + j**2 + i**2).sqrt()).clip(0, 1).expand(len(latent), 1, -1, -1, -1)

    sampler = LesionSampler(parts=1)
    sampler.generator = Ball()
    rng = np.random.default_rng(0)
    volume = rng.normal(2.0, 1.0, 300)
    side = volume / 3 + np.log(15.0)
    places = np.stack([rng.normal(35, 5, 300), rng.normal(15, 10, 300), rng.normal(25, 8, 300)], 1)
    fitted = fit_lesion_prior(np.column_stack([places, side, side, side, volume]), 0.5, components=1)
    sampling.store_prior(sampler, fitted)
    return sampler.eval()


def test_a_lesion_goes_into_its_box_and_comes_back():
    lesion = ball(grid())
    box = occupancy_grid.lesion_box(lesion.array, lesion)
    cells = occupancy_grid.to_occupancy(lesion.array, lesion, box)
    assert cells.shape == (32, 32, 32) and cells.min() >= 0 and cells.max() <= 1 + 1e-6
    back = occupancy_grid.from_occupancy(cells, box, lesion) >= 0.5
    overlap = 2 * (back & lesion.array).sum() / (back.sum() + lesion.array.sum())
    assert overlap > 0.9


def test_a_box_keeps_the_lesion_s_volume():
    lesion = ball(grid())
    box = occupancy_grid.lesion_box(lesion.array, lesion)
    cell = np.prod(box.sides) / 32**3
    occupancy = occupancy_grid.to_occupancy(lesion.array, lesion, box)
    assert occupancy.sum() * cell == pytest.approx(lesion.array.sum() * 8, rel=1e-4)


def test_conditions_give_their_box_back():
    lesion = ball(grid())
    box = occupancy_grid.lesion_box(lesion.array, lesion)
    again = occupancy_grid.box_of_conditions(occupancy_grid.conditions_of(box, 3.0))
    np.testing.assert_allclose(again.low, box.low, atol=1e-3)
    np.testing.assert_allclose(again.high, box.high, atol=1e-3)


def test_small_components_are_left_out():
    lesion = ball(grid())
    lesion.array[2, 2, 2:5] = True
    kept = occupancy_grid.largest_components(lesion.array)
    assert kept.sum() == lesion.array.sum() - 3 and not kept[2, 2, 2]
    assert not occupancy_grid.largest_components(np.zeros((4, 4, 4), bool)).any()


def test_a_lesion_on_the_right_is_mirrored_for_training():
    from LesionKitResearch.training.stroke_masks import on_the_left

    left, right = ball(grid(), (15, 16, 30)), ball(grid(), (15, 16, 9))
    mirrored, side = on_the_left(right)
    assert side == "right" and on_the_left(left)[1] == "left"
    np.testing.assert_array_equal(mirrored.array, left.array)


def test_cutting_a_lesion_out_leaves_its_box_where_it_was():
    from LesionKitResearch.training.stroke_masks import cropped

    lesion = ball(grid())
    whole, part = (occupancy_grid.lesion_box(v.array, v) for v in (lesion, cropped(lesion)))
    np.testing.assert_allclose(whole.low, part.low)
    np.testing.assert_allclose(whole.high, part.high)


def test_the_placement_draws_what_it_was_fitted_to():
    rng = np.random.default_rng(1)
    values = np.concatenate([rng.normal(0, 1, (400, 7)), rng.normal(6, 0.5, (200, 7))])
    prior = fit_lesion_prior(values, 0.4, components=2)
    drawn = prior.sample(np.random.default_rng(2), 4000)
    np.testing.assert_allclose(drawn.mean(0), values.mean(0), atol=0.3)
    np.testing.assert_allclose(drawn.std(0), values.std(0), rtol=0.15)


def test_a_drawn_volume_lies_in_its_range_even_where_no_lesion_was_seen():
    prior = fit_lesion_prior(np.random.default_rng(1).normal(0, 1, (200, 7)), 0.4, components=2)
    for low, high in ((0.5, 2.0), (1e5, 2e5)):
        value = float(np.exp(prior.sample_one(np.random.default_rng(3), low, high)[6]))
        assert low * 0.999 <= value <= high * 1.001


@pytest.mark.parametrize("low, high", [(0, 5), (5, 2), (-1, 1)])
def test_an_empty_range_of_volume_is_refused(low, high):
    prior = fit_lesion_prior(np.random.default_rng(1).normal(0, 1, (50, 7)), 0.4, components=1)
    with pytest.raises(UnusableInput, match="range"):
        prior.sample_one(np.random.default_rng(0), low, high)


def test_positions_tell_where_a_cell_lies():
    from StrokeSynthLib.networks.mask_gan import positions

    conditions = torch.tensor([[10.0, 20.0, 30.0, *np.log([32.0, 64.0, 96.0]), 0.0]])
    found = positions(conditions, 32)[0] * 80
    assert found[:, 0, 0, 0].tolist() == pytest.approx([10 - 15.5, 20 - 31, 30 - 46.5])
    assert found[0, 0, 0, -1] == pytest.approx(10 + 15.5)  # L runs along the last axis
    assert found[2, -1, 0, 0] == pytest.approx(30 + 46.5)  # S along the first


def test_the_gradient_penalty_is_zero_for_a_critic_of_slope_one():
    from LesionKitResearch.losses.adversarial import gradient_penalty

    real, fake = torch.rand(3, 1, 4, 4, 4), torch.rand(3, 1, 4, 4, 4)
    one = torch.full((64,), 1 / 8.0)  # norm 1 over all cells of a sample
    assert gradient_penalty(lambda x, c: x.flatten(1) @ one, real, fake, None) < 1e-8
    three = gradient_penalty(lambda x, c: 3 * x.flatten(1) @ one, real, fake, None)
    assert float(three) == pytest.approx(4.0, rel=1e-4)


def test_the_critic_s_loss_falls_with_the_distance_of_real_and_fake():
    from LesionKitResearch.losses.adversarial import critic_loss

    def critic(x, c):
        return x.flatten(1).sum(1) / 8

    real, fake = torch.ones(2, 1, 4, 4, 4), torch.zeros(2, 1, 4, 4, 4)
    loss, distance = critic_loss(critic, real, fake, torch.zeros(2, 7))
    assert float(distance) == pytest.approx(8.0) and float(loss) == pytest.approx(-8.0, abs=1e-4)


def test_generator_and_critic_fit_together():
    from LesionKitResearch.networks.mask_critic import MaskCritic
    from StrokeSynthLib.networks.mask_gan import MaskGenerator

    generator, critic, conditions = MaskGenerator(4), MaskCritic(4), torch.randn(2, 7) * 0.1 + 3
    with torch.inference_mode():
        masks = generator(torch.randn(2, 128), conditions)
        assert critic(masks, conditions).shape == (2,)
    assert masks.shape == (2, 1, 32, 32, 32) and float(masks.min()) >= 0 and float(masks.max()) <= 1


def test_a_resumed_training_gives_the_same_generator(tmp_path, monkeypatch):
    from LesionKitResearch.networks import mask_critic
    from LesionKitResearch.training.adversarial_loop import GanPlan
    from LesionKitResearch.training.stroke_masks import BoxedLesions, train_mask_gan
    from StrokeSynthLib.networks import mask_gan

    for module, name in ((mask_gan, "MaskGenerator"), (mask_critic, "MaskCritic")):
        monkeypatch.setattr(module, name, partial(getattr(module, name), 4))  # narrow, to be quick
    rng = np.random.default_rng(0)
    conditions = np.tile(np.array([30, 20, 10, 3, 3, 3, 1], np.float32), (4, 2, 1))
    lesions = BoxedLesions(rng.integers(0, 255, (4, 2, 32, 32, 32)).astype(np.uint8), conditions, conditions[:, 0], 0.5)
    plan = GanPlan(steps=2, batch=2, save_every=1, check_every=1, bf16=False, decay_from=1.0)

    def stop_after_one(stage, fraction, remaining):
        if fraction >= 0.5:
            raise KeyboardInterrupt

    from LesionKitLib.run.progress import Progress

    whole = train_mask_gan(lesions, tmp_path / "whole", plan)
    with pytest.raises(KeyboardInterrupt):
        train_mask_gan(lesions, tmp_path / "parts", plan, progress=Progress(stop_after_one))
    resumed = train_mask_gan(lesions, tmp_path / "parts", plan)
    for name, value in whole.state_dict().items():
        torch.testing.assert_close(value, resumed.state_dict()[name], msg=name)
    assert len((tmp_path / "parts" / "curve.csv").read_text().splitlines()) == 3
    with pytest.raises(UnusableInput, match="another plan"):
        train_mask_gan(lesions, tmp_path / "parts", replace(plan, steps=3))


def test_the_same_seed_draws_the_same_lesion_inside_the_tissue():
    labels, sampler = load_template().labels, blob_sampler()
    first, again = (sampling.sample_lesion(labels, 5, (2.0, 20.0), "left", sampler) for _ in range(2))
    np.testing.assert_array_equal(first.mask, again.mask)
    other = sampling.sample_lesion(labels, 6, (2.0, 20.0), "left", sampler)
    assert (first.mask != other.mask).any()
    touched = set(np.unique(labels.array[first.mask]))
    assert touched.isdisjoint({BACKGROUND, CSF.value, VENTRICLES.value})
    assert first.side == "left" and first.mask.sum() >= occupancy_grid.MIN_VOXELS
    assert 1.8 <= first.ml <= 22.0


def test_the_side_that_is_asked_for_is_kept():
    labels, sampler = load_template().labels, blob_sampler()
    for side in ("left", "right"):
        found = {sampling.sample_lesion(labels, seed, (2.0, 20.0), side, sampler).side for seed in range(3)}
        assert found == {side}


def test_a_lesion_may_be_drawn_into_a_map_of_any_spacing_and_place():
    labels, sampler = load_template().labels, blob_sampler()
    cut = labels.array[::3, ::2, ::2]
    matrix = labels.ijk_to_ras @ np.diag([2, 2, 3, 1.0])
    matrix[:3, 3] += (200, -100, 50)
    drawn = sampling.sample_lesion(Volume(np.ascontiguousarray(cut), matrix), 1, (4.0, 30.0), "right", sampler)
    assert drawn.side == "right" and 3.5 <= drawn.ml <= 33


def test_impossible_parameters_are_refused_with_a_sentence():
    labels, sampler = load_template().labels, blob_sampler()
    with pytest.raises(UnusableInput, match="side"):
        sampling.sample_lesion(labels, 0, side="up", sampler=sampler)
    with pytest.raises(UnusableInput, match="no brain"):
        sampling.sample_lesion(grid().with_array(np.zeros(grid().array.shape, np.uint8)), 0, sampler=sampler)


def test_the_sampler_is_stored_and_read_as_it_was(tmp_path):
    from LesionKitLib.models.registry import load_weights, save_model
    from LesionKitResearch.training.adversarial_loop import GanPlan
    from LesionKitResearch.training.recipes.stroke_synthesis_recipes import mask_card
    from StrokeSynthLib.networks.mask_gan import LesionSampler

    prior = fit_lesion_prior(np.random.default_rng(1).normal(2, 1, (200, 7)), 0.4)
    sampler = LesionSampler()
    sampling.store_prior(sampler, prior)
    model = save_model(sampler, mask_card(GanPlan(steps=1), 3, {}), tmp_path / "stroke-mask-gan")
    again = LesionSampler(**model.card["arguments"])
    load_weights(model, again)
    found = sampling.prior_of(again)
    np.testing.assert_allclose(found.means, prior.means, rtol=2e-3, atol=2e-3)
    assert found.left == pytest.approx(0.4, abs=1e-3)


def test_elongation_and_surface_are_those_of_simple_bodies():
    volume = grid()
    cube = volume.with_array(np.zeros(volume.array.shape, bool))
    cube.array[5:15, 5:15, 5:15] = True
    features = dict(zip(evaluation.FEATURES, evaluation.shape_features(cube.array, volume), strict=True))
    assert features["elongation"] == pytest.approx(1.0)
    assert features["surface to volume"] == pytest.approx(6 * 400 / 8000)
    assert features["log volume"] == pytest.approx(np.log10(8.0))
    rod = volume.with_array(np.zeros(volume.array.shape, bool))
    rod.array[5:25, 5:7, 5:7] = True
    assert evaluation.shape_features(rod.array, volume)[1] == pytest.approx(10.0, rel=0.01)


def test_features_tell_places_in_ras():
    volume = grid()
    features = evaluation.shape_features(ball(volume, (15, 8, 30), 4).array, volume)
    names = dict(zip(evaluation.FEATURES, features, strict=True))
    assert names["distance from the middle"] == pytest.approx(21.0, abs=0.01)
    assert names["superior"] == pytest.approx(0.0, abs=0.01)


def test_nearest_neighbors_tell_apart_what_differs_and_not_what_is_alike():
    rng = np.random.default_rng(0)
    a, b = rng.normal(0, 1, (200, 4)), rng.normal(0, 1, (200, 4))
    assert evaluation.nearest_neighbor_accuracy(a, b) == pytest.approx(0.5, abs=0.08)
    assert evaluation.nearest_neighbor_accuracy(a, b + 8) == 1.0


def test_a_copied_mask_has_a_dice_of_one():
    masks = (np.random.default_rng(0).random((5, 40)) > 0.5).astype(np.float32)
    np.testing.assert_allclose(evaluation.nearest_dice(masks[:2], masks), 1.0)
    assert evaluation.nearest_dice(np.eye(4, dtype=np.float32)[:1], np.eye(4, dtype=np.float32)[1:]) == 0
