"""The translators: the papers' traps, one interface, training, evaluation."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest

from LesionKitLib.imaging.volume import Volume, affine
from LesionKitResearch.datasets.stroke_image_pairs import Pairs
from StrokeSynthLib.labels import BACKGROUND, LABEL_COUNT, LESION, VENTRICLES, WHITE, one_hot
from StrokeSynthLib.networks.registry import TRANSLATORS
from StrokeSynthLib.networks.shapes import MULTIPLE, STYLE
from StrokeSynthLib.segmentation.slice_views import padded, unpadded

torch = pytest.importorskip("torch")

SMALL = {"pix2pix": {"width": 4}, "spade": {"widths": (8, 8, 8, 8, 8)}, "cyclegan": {"width": 4, "blocks": 1}}


def build(name):
    from StrokeSynthLib.networks.registry import build_generator

    torch.manual_seed(0)
    return build_generator(name, SMALL[name]).eval()


@pytest.fixture
def narrow_opponents(monkeypatch):
    """Discriminators and the labeler with few channels, to be quick."""
    from LesionKitResearch.networks import labeler, patch_discriminator

    narrow = partial(patch_discriminator.PatchDiscriminator, width=4)
    monkeypatch.setattr(patch_discriminator, "PatchDiscriminator", narrow)
    monkeypatch.setattr(labeler, "Labeler", partial(labeler.Labeler, width=4, blocks=1))


def tiny_pairs(count=3, size=(40, 44)):
    rng = np.random.default_rng(0)
    labels = np.full((count, *size), BACKGROUND, np.uint8)
    labels[:, 6:34, 6:38] = WHITE.value
    labels[:, 10:16, 10:18] = LESION.value
    images = np.where(labels == BACKGROUND, -1, np.where(labels == LESION.value, 0.6, 0.0))
    images = (images + rng.normal(0, 0.01, images.shape) * (labels > 0)).astype(np.float16)
    ids = np.array([f"sub-{n}" for n in range(count)])
    return {plane: Pairs(plane, images, labels, ids) for plane in ("axial", "coronal", "sagittal")}


def inputs(n=2, size=(64, 32)):
    labels = np.random.default_rng(0).integers(0, LABEL_COUNT, (n, *size)).astype(np.uint8)
    return torch.from_numpy(one_hot(labels)), torch.randn(n, 1, *size), torch.randn(n, STYLE)


@pytest.mark.parametrize("name", TRANSLATORS)
def test_every_translator_draws_an_image_of_the_labels_size(name):
    with torch.inference_mode():
        image = build(name)(*inputs())
    assert image.shape == (2, 1, 64, 32) and float(image.abs().max()) <= 1


@pytest.mark.parametrize("name", TRANSLATORS)
def test_every_translator_looks_at_the_lesion(name):
    labels, noise, style = inputs(1)
    other = labels.clone()
    other[:, :, 20:40, 8:24] = 0
    other[:, LESION.value, 20:40, 8:24] = 1
    generator = build(name)
    with torch.inference_mode():
        assert (generator(labels, noise, style) - generator(other, noise, style)).abs().max() > 1e-4


def test_fake_images_are_to_score_zero_and_real_ones_one():
    from LesionKitResearch.losses.adversarial import discriminator_loss, generator_loss

    zero, one = torch.zeros(1, 1, 3, 3), torch.ones(1, 1, 3, 3)
    assert float(discriminator_loss(one, zero)) == 0
    assert float(discriminator_loss(one, one)) == pytest.approx(0.5)  # a fake one scored as real is an error
    assert float(generator_loss(one)) == 0 and float(generator_loss(zero)) == 1


def test_spade_multiplies_by_one_plus_gamma():
    from StrokeSynthLib.networks.translators.spade import Spade

    spade = Spade(4)
    for part in (spade.gamma, spade.beta):
        torch.nn.init.zeros_(part.weight)
        torch.nn.init.zeros_(part.bias)
    x, told = torch.randn(2, 4, 8, 8), torch.randn(2, LABEL_COUNT + 1, 8, 8)
    torch.testing.assert_close(spade(x, told), spade.norm(x))  # gamma 0 leaves the normalized features as they are
    torch.nn.init.ones_(spade.gamma.bias)
    torch.testing.assert_close(spade(x, told), 2 * spade.norm(x))


@pytest.mark.parametrize("shape", [(2, 3, 6, 8), (2, 3, 4, 6, 8)])
def test_the_norm_takes_all_axes_of_space_and_nothing_else(shape):
    from StrokeSynthLib.networks.translators.common import SpatialNorm

    x = torch.randn(shape) * torch.arange(1, 4).reshape(1, 3, *[1] * (len(shape) - 2)) + 5
    y = SpatialNorm()(x)
    space = tuple(range(2, len(shape)))
    torch.testing.assert_close(y.mean(space), torch.zeros(2, 3), atol=1e-5, rtol=0)
    torch.testing.assert_close(y.var(space, unbiased=False), torch.ones(2, 3), atol=1e-3, rtol=0)
    alone = SpatialNorm()(x[:1])
    torch.testing.assert_close(y[:1], alone)  # another sample does not matter


def test_the_noise_on_the_discriminator_s_input_ends_at_half_of_the_training():
    from LesionKitResearch.losses.adversarial import with_instance_noise

    images = torch.zeros(1, 1, 64, 64)
    first, later = with_instance_noise(images, 0, 100).std(), with_instance_noise(images, 25, 100).std()
    assert float(first) == pytest.approx(0.2, rel=0.1) and float(later) == pytest.approx(0.1, rel=0.1)
    assert with_instance_noise(images, 50, 100) is images


def test_a_lesion_that_is_brighter_than_white_matter_lacks_no_contrast():
    from LesionKitResearch.training.stroke_translators import LESION_CONTRAST, missing_contrast
    from StrokeSynthLib.labels import LESION, WHITE

    labels = torch.zeros(1, 8, 4, 4)
    labels[:, WHITE.value, :2], labels[:, LESION.value, 2:] = 1, 1
    bright, dark = torch.zeros(1, 1, 4, 4), torch.zeros(1, 1, 4, 4)
    bright[..., 2:, :], dark[..., 2:, :] = LESION_CONTRAST + 0.1, -0.5
    assert float(missing_contrast(bright, labels)) == 0
    assert float(missing_contrast(dark, labels)) == pytest.approx(LESION_CONTRAST + 0.5)
    labels[:, LESION.value] = 0
    assert float(missing_contrast(dark, labels)) == 0


def test_the_pool_shows_earlier_images_half_of_the_time():
    from LesionKitResearch.training.image_pool import ImagePool

    pool, rng = ImagePool(5), np.random.default_rng(0)
    shown = [float(pool.exchange(torch.full((1, 1, 2, 2), float(n)), rng)[0, 0, 0, 0]) for n in range(200)]
    assert shown[:5] == [0, 1, 2, 3, 4]
    earlier = sum(value != n for n, value in enumerate(shown[5:], 5))
    assert 60 < earlier < 135 and len(pool.images) == 5


def test_the_pool_never_shows_an_image_of_another_size():
    from LesionKitResearch.training.image_pool import ImagePool

    pool, rng = ImagePool(1), np.random.default_rng(0)
    pool.exchange(torch.zeros(1, 1, 2, 2), rng)
    for _ in range(10):
        assert pool.exchange(torch.zeros(1, 1, 4, 4), rng).shape == (1, 1, 4, 4)


def test_padding_comes_off_as_it_went_on():
    array = np.random.default_rng(0).random((2, 37, 61))
    bigger = padded(array, 0.0)
    assert bigger.shape == (2, 64, 64) and all(n % MULTIPLE == 0 for n in bigger.shape[1:])
    np.testing.assert_array_equal(unpadded(bigger, array.shape[1:]), array)


def test_an_unpaired_batch_mixes_patients_and_a_paired_one_does_not():
    from LesionKitResearch.training.stroke_translators import draw_batch

    pairs = tiny_pairs(4)
    marked = {}
    for plane, part in pairs.items():
        images = np.broadcast_to(np.linspace(-0.9, 0.9, 4)[:, None, None], part.images.shape).astype(np.float16)
        labels = np.broadcast_to(np.arange(4, dtype=np.uint8)[:, None, None], part.labels.shape)
        marked[plane] = Pairs(plane, images, labels, part.ids)

    def numbers(batch):
        middle = batch.images.shape[-2] // 2, batch.images.shape[-1] // 2
        label = batch.labels[:, :, middle[0], middle[1]].argmax(1).numpy()
        image = np.rint((batch.images[:, 0, middle[0], middle[1]].numpy() + 0.9) / 0.6)
        return label, image

    same = [numbers(draw_batch(marked, 3, np.random.default_rng(n))) for n in range(5)]
    other = [numbers(draw_batch(marked, 3, np.random.default_rng(n), paired=False)) for n in range(5)]
    assert all((label == image).all() for label, image in same)
    assert all((label != image).all() for label, image in other)


@pytest.mark.parametrize("name", TRANSLATORS)
def test_a_short_training_leaves_a_model_folder_with_its_card(name, tmp_path, monkeypatch, narrow_opponents):
    from LesionKitLib.models.registry import verify
    from LesionKitResearch.training import stroke_translators
    from LesionKitResearch.training.adversarial_loop import GanPlan
    from LesionKitResearch.training.recipes import stroke_synthesis_recipes

    build_small = stroke_translators.build_generator
    for module in (stroke_translators, stroke_synthesis_recipes):
        monkeypatch.setattr(module, "build_generator", lambda key, arguments=None: build_small(key, SMALL[key]))
    monkeypatch.setattr("LesionKitResearch.evaluation.stroke_translators._feature_function", lambda device: None)
    plan = GanPlan(steps=2, batch=1, save_every=1, check_every=1, bf16=False)
    pairs = {"train": tiny_pairs(), "val": tiny_pairs(2)}
    model = stroke_synthesis_recipes.train_translator_model(name, tmp_path, tmp_path, plan, pairs=pairs)
    verify(model)
    assert model.name == f"stroke-{name}" and "FLAIR" in model.card["task"]
    assert 0 < model.card["metrics"]["axial"]["psnr"] < 100
    assert (tmp_path / "curve.csv").read_text().count("\n") == 3


def test_a_resumed_cyclegan_training_gives_the_same_generator(tmp_path, monkeypatch, narrow_opponents):
    """Also what the pool of earlier images holds goes on."""
    from LesionKitLib.run.errors import Cancelled
    from LesionKitLib.run.progress import Progress
    from LesionKitResearch.training import image_pool, stroke_translators
    from LesionKitResearch.training.adversarial_loop import GanPlan

    build_small = stroke_translators.build_generator
    monkeypatch.setattr(stroke_translators, "build_generator", lambda key: build_small(key, SMALL[key]))
    monkeypatch.setattr(image_pool.ImagePool.__init__, "__defaults__", (2,))
    plan = GanPlan(steps=12, batch=1, save_every=6, bf16=False)
    whole = stroke_translators.train_translator("cyclegan", tiny_pairs(), tmp_path / "whole", plan)
    progress = Progress(lambda stage, fraction, left: fraction * plan.steps > 5.5 and progress.cancel())
    with pytest.raises(Cancelled):
        stroke_translators.train_translator("cyclegan", tiny_pairs(), tmp_path / "parts", plan, progress=progress)
    resumed = stroke_translators.train_translator("cyclegan", tiny_pairs(), tmp_path / "parts", plan)
    for name, value in whole.state_dict().items():
        assert torch.equal(value, resumed.state_dict()[name]), name


def test_pix2pix_learns_to_draw_bright_lesions(tmp_path, monkeypatch, narrow_opponents):
    from LesionKitResearch.evaluation.stroke_translators import translate_pairs
    from LesionKitResearch.training import stroke_translators
    from LesionKitResearch.training.adversarial_loop import GanPlan

    build_small = stroke_translators.build_generator
    small = lambda key, arguments=None: build_small(key, SMALL[key])  # noqa: E731
    monkeypatch.setattr(stroke_translators, "build_generator", small)
    pairs = tiny_pairs()
    plan = GanPlan(steps=60, batch=1, learning_rate=3e-3, save_every=100, ema=0.9, bf16=False)
    generator = stroke_translators.train_translator("pix2pix", pairs, tmp_path, plan)
    made, labels = translate_pairs(generator, pairs["axial"], 0), pairs["axial"].labels
    assert made[labels == LESION.value].mean() > made[labels == WHITE.value].mean() + 0.2


def test_ssim_and_psnr_are_perfect_for_equal_pictures_and_fall_with_noise():
    from LesionKitResearch.evaluation.stroke_translators import psnr, ssim

    rng = np.random.default_rng(0)
    a, inside = rng.uniform(-1, 1, (40, 40)), np.ones((40, 40), bool)
    assert ssim(a, a, inside) == pytest.approx(1) and psnr(a, a, inside) == 100
    noisy = a + 0.2
    assert psnr(a, noisy, inside) == pytest.approx(10 * np.log10(4 / 0.04))
    assert ssim(a, rng.uniform(-1, 1, a.shape), inside) < 0.3


def test_feature_distances_are_small_for_equal_distributions_and_know_a_shift():
    from LesionKitResearch.evaluation.stroke_translators import frechet, kernel_distance

    rng = np.random.default_rng(0)
    a, b = rng.normal(0, 1, (4000, 3)), rng.normal(0, 1, (4000, 3))
    assert frechet(a, b) < 0.02 and abs(kernel_distance(a, b)) < 0.05
    assert frechet(a, b + 2) == pytest.approx(12, rel=0.05)  # 3 features moved by 2
    assert frechet(a, 3 * b) == pytest.approx(12, rel=0.1)  # standard deviations 1 and 3
    assert kernel_distance(a, b + 2) > 1


def test_roughness_is_larger_across_slices_that_flicker():
    from LesionKitResearch.evaluation.stroke_translators import roughness

    smooth = np.random.default_rng(0).normal(0, 1, (20, 20, 20))
    flicker = smooth + 5 * np.random.default_rng(1).normal(0, 1, (20, 1, 1))
    inside = np.ones(smooth.shape, bool)
    even = roughness(Volume(smooth, affine((1, 1, 1))), inside)
    uneven = roughness(Volume(flicker, affine((1, 1, 1))), inside)
    assert even["k"] == pytest.approx(even["i"], rel=0.1)
    assert uneven["k"] > 3 * uneven["i"]


def test_tissue_is_found_by_grays_where_the_atlas_is_vague():
    from StrokeSynthLib.segmentation.tissues import tissue_map

    rng = np.random.default_rng(0)
    image = np.full((40, 40), 100.0)
    image[:, 20:] = 130
    image[15:25, 15:25] = 20
    image += rng.normal(0, 3, image.shape)
    brain = np.zeros(image.shape, bool)
    brain[2:38, 2:38] = True
    priors = np.full((5, 40, 40), 0.02)
    priors[2], priors[3] = 0.45, 0.45
    priors[2, :, :20], priors[3, :, 20:] = 0.3, 0.3
    priors[1, 14:26, 14:26] = 0.6
    found = tissue_map(image, brain, priors)
    assert (found[~brain] == BACKGROUND).all()
    assert (found[17:23, 17:23] == VENTRICLES.value).mean() > 0.9
    assert (found[5:35, 4:14] == WHITE.value).mean() > 0.9 and (found[5:35, 27:36] == WHITE.value).mean() < 0.1
    lesion = np.zeros(image.shape, bool)
    lesion[5:10, 5:10] = True
    assert (tissue_map(image, brain, priors, lesion)[lesion] == LESION.value).all()
    assert not tissue_map(image, np.zeros_like(brain), priors).any()
