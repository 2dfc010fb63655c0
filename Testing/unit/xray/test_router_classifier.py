"""Preparing, augmenting, deciding, calibrating and explaining; networks with random weights."""

from __future__ import annotations

import numpy as np
import pytest
from xray_fixtures import scene

from BodyPartRouterLib.classification.decision import Decision, decide, probabilities
from BodyPartRouterLib.classification.preprocessing import prepare, stretch, to_image_grid, uniform_borders
from BodyPartRouterLib.labels import CLASSES, UNKNOWN
from BodyPartRouterLib.networks.registry import NETWORKS
from BodyPartRouterLib.reading.xray import HeaderFacts, Xray
from LesionKitLib.run.errors import MissingResource, UnusableInput
from LesionKitResearch.augmentation import non_xrays, router
from LesionKitResearch.calibration.router import (
    NetworkOutputs,
    calibrate,
    calibration_error,
    fit_temperature,
    fit_threshold,
)
from LesionKitResearch.datasets.router import NONE, LabeledXray

SIZE = 64


# --- preparing


def test_preparing_keeps_the_aspect_and_pads_with_black():
    square, frame = prepare(scene(100, 60).astype(np.float32), SIZE)
    assert square.shape == (SIZE, SIZE) and square.dtype == np.float32
    top, bottom, left, right = frame.inner
    assert bottom - top == SIZE and abs((right - left) - SIZE * 0.6) <= 1
    assert (square[:, :left] == 0).all() and (square[:, right:] == 0).all()


def test_pixels_that_are_not_square_are_squared():
    _, frame = prepare(scene(50, 60).astype(np.float32), SIZE, aspect=2.0)
    top, bottom, left, right = frame.inner
    assert bottom - top == SIZE and abs((right - left) - SIZE * 0.6) <= 1


def test_brightness_contrast_and_a_uniform_border_change_nothing():
    pixels = scene(120, 90).astype(np.float32)
    plain, _ = prepare(pixels, SIZE)
    faint, _ = prepare(0.2 + 0.3 * pixels, SIZE)
    assert np.abs(plain - faint).max() < 0.02
    framed, _ = prepare(np.pad(pixels, 30, constant_values=0.5), SIZE)
    assert np.abs(plain - framed).mean() < 0.03


def test_preparing_an_empty_image_gives_black():
    square, _ = prepare(np.full((40, 50), 0.7, np.float32), SIZE)
    assert (square == 0).all()


def test_a_large_image_is_prepared_as_its_reduced_copy():
    large = np.kron(scene(128, 96), np.ones((8, 8))).astype(np.float32)
    small, _ = prepare(scene(128, 96).astype(np.float32), SIZE)
    square, frame = prepare(large, SIZE)
    assert frame.shape == (1024, 768)
    assert np.abs(square - small).mean() < 0.01


def test_a_map_returns_to_the_place_it_came_from():
    pixels = np.pad(scene(100, 70).astype(np.float32), ((40, 10), (5, 50)))
    square, frame = prepare(pixels, 128)
    whole = to_image_grid(square, frame)
    assert whole.shape == pixels.shape
    inside = slice(42, 138), slice(7, 73)
    assert np.corrcoef(whole[inside].ravel(), pixels[inside].ravel())[0, 1] > 0.95


def test_borders_of_one_value_are_found_and_never_the_whole_image():
    pixels = np.pad(scene(60, 50), ((10, 0), (0, 7)), constant_values=0.4)
    assert uniform_borders(pixels) == (10, 70, 0, 50)
    assert uniform_borders(np.zeros((30, 40))) == (0, 30, 0, 40)


# --- views and other pictures for training


def test_views_are_squares_between_0_and_1_and_follow_the_seed():
    gray = np.rint(scene() * 255).astype(np.uint8)
    for seed in range(25):
        one, same = (router.random_view(gray, gray[:40], SIZE, np.random.default_rng(seed)) for _ in range(2))
        assert one.shape == (SIZE, SIZE) and one.dtype == np.float32
        assert one.min() >= 0 and one.max() <= 1 and np.array_equal(one, same)


def test_borrowed_gray_values_are_those_of_the_lender():
    rng = np.random.default_rng(0)
    gray, other = rng.integers(0, 100, (40, 40), np.uint8), rng.integers(150, 200, (30, 30), np.uint8)
    matched = router.match_gray_values(gray, other)
    assert abs(matched.mean() - other.mean()) < 3 and abs(matched.std() - other.std()) < 3


@pytest.mark.parametrize("maker", sorted({m.__name__ for m in non_xrays._MAKERS}))
def test_pictures_made_by_procedure_differ_from_seed_to_seed(maker):
    one, other = (np.asarray(getattr(non_xrays, maker)(np.random.default_rng(seed)), float) for seed in (1, 2))
    assert max(one.shape) == max(other.shape) == non_xrays.SIDE
    assert np.isfinite(one).all() and not np.array_equal(one, other)


def test_random_pictures_come_with_and_without_an_xray_to_spoil():
    gray = np.rint(scene(90, 300) * 255).astype(np.uint8)
    for seed in range(40):
        assert non_xrays.random_picture(np.random.default_rng(seed), gray).dtype == np.uint8
        assert non_xrays.random_picture(np.random.default_rng(seed)).ndim == 2


@pytest.mark.parametrize("spoil", [non_xrays.ultrasound_of, non_xrays.other_contrast])
def test_any_picture_lends_its_tissue_to_ultrasound_and_other_sequences(spoil):
    gray = np.rint(scene(90, 120) * 255).astype(np.uint8)
    one, other = (np.asarray(spoil(gray, np.random.default_rng(seed)), float) for seed in (1, 2))
    assert one.ndim == 2 and np.isfinite(one).all() and one.std() > 1 and one.min() >= 0 and one.max() <= 255
    assert one.shape != other.shape or not np.array_equal(one, other)


def test_lines_and_collimators_cover_a_part_of_an_xray_only():
    from LesionKitResearch.augmentation.overlays import collimate, draw_lines

    def covered(picture: np.ndarray) -> float:
        return float((np.abs(picture.astype(int) - 60) > 1).mean())

    gray = np.full((120, 100), 60, np.uint8)
    for seed in range(30):
        lined = draw_lines(gray, np.random.default_rng(seed))
        assert lined.dtype == np.uint8 and lined.shape == gray.shape and covered(lined) < 0.9
        field = collimate(gray, np.random.default_rng(seed))
        assert field.shape == gray.shape and field[60, 50] == 60
    assert any(covered(draw_lines(gray, np.random.default_rng(seed))) > 0.02 for seed in range(10))
    assert any(covered(collimate(gray, np.random.default_rng(seed))) > 0.1 for seed in range(10))


def test_a_squeezed_xray_is_given_a_height_that_may_be_true():
    gray = np.zeros((100, 100), np.uint8)
    tall = router.random_aspect(gray, 2.0, 2.0, np.random.default_rng(0))
    assert tall.shape == (100, 50)


# --- deciding


def chances(best: str, p: float, none: float = 0.0) -> np.ndarray:
    row = np.full(6, (1 - p - none) / 4)
    row[CLASSES.index(best)], row[NONE] = p, none
    return row


def test_a_clear_answer_stands():
    found = decide(chances("spine", 0.9), 1.0, HeaderFacts(), Decision(1, 0.6, 2))
    assert (found.label, found.probability, found.held, found.reason) == ("spine", 0.9, False, None)
    assert set(found.probabilities) == set(CLASSES)


@pytest.mark.parametrize(
    "row, distance, header, word",
    [
        (chances("spine", 0.5), 1.0, HeaderFacts(), "probability"),
        (chances("spine", 0.3, none=0.6), 1.0, HeaderFacts(), "does not look like"),
        (chances("spine", 0.99), 2.5, HeaderFacts(), "unlike"),
        (chances("spine", 0.99), 1.0, HeaderFacts(modality="CT"), "CT"),
        (np.array([0.02, 0.5, 0.46, 0.01, 0.01, 0]), 1.0, HeaderFacts(), "adult or of a child"),
    ],
)
def test_what_is_not_clear_is_held_with_a_reason(row, distance, header, word):
    found = decide(row, distance, header, Decision(1, 0.6, 2))
    assert found.label == UNKNOWN and found.held and word in found.reason and found.reason.endswith(".")
    assert found.likeliest in CLASSES and found.probability == pytest.approx(max(row[:5]))


# --- calibrating


def test_the_temperature_makes_overconfident_logits_fit():
    rng = np.random.default_rng(0)
    honest = rng.normal(0, 2, (4000, 6))
    truth = np.array([rng.choice(6, p=row) for row in probabilities(honest, 1.0)])
    assert fit_temperature(honest * 3, truth) == pytest.approx(3, rel=0.1)
    p = probabilities(honest, 1.0)
    assert calibration_error(p.max(1), p.argmax(1) == truth) < 0.03
    sure = probabilities(honest * 3, 1.0)
    assert calibration_error(sure.max(1), sure.argmax(1) == truth) > 0.1


def test_the_threshold_leaves_few_wrong_answers():
    best = np.linspace(0.4, 1, 601)
    table = np.column_stack([best, 1 - best])
    truth = (best < 0.7).astype(int)  # wrong below 0.7
    truth[best < 0.5] = 0
    given = table.max(1) >= fit_threshold(table, truth)
    assert (table.argmax(1) != truth)[given].mean() <= 0.015 and given.mean() > 0.4


def test_calibration_takes_chests_of_unknown_age_for_the_distance_only():
    items = [LabeledXray(str(n), np.zeros((4, 4), np.uint8), CLASSES[n % 5], "A", str(n)) for n in range(50)]
    logits = np.eye(6)[[n % 5 for n in range(50)]] * 8.0
    unknown = [LabeledXray("u", np.zeros((4, 4), np.uint8), "chest_age_unknown", "B", "u")]
    found = calibrate(
        NetworkOutputs(np.vstack([logits, np.zeros((1, 6))]), np.append(np.ones(50), 3.0)), items + unknown
    )
    assert found.threshold == 0.5 and found.distance > 2


def test_the_feature_space_tells_near_from_far():
    import torch

    from BodyPartRouterLib.networks.head import FeatureSpace

    torch.manual_seed(0)
    labels = torch.arange(400) % 5
    centers = torch.randn(5, 64) * 4
    features = centers[labels] + torch.randn(400, 64)
    space = FeatureSpace(64, 16)
    assert space.distance(features).max() == 0
    space.fit(features, labels)
    assert 0.8 < space.distance(features).mean() < 1.2
    assert space.distance(torch.randn(50, 64) * 12).mean() > 2


# --- networks


@pytest.mark.parametrize("network", list(NETWORKS))
def test_every_network_gives_six_logits_a_distance_and_maps(network):
    import torch

    net = NETWORKS.build(network).eval()
    with torch.inference_mode():
        logits, distances = net.describe(torch.rand(2, 1, SIZE, SIZE))
        maps = net.class_maps(torch.rand(2, 1, SIZE, SIZE))
    assert logits.shape == (2, 6) and distances.shape == (2,)
    assert maps.shape[:2] == (2, 6) and maps.shape[2] >= 2


def test_class_maps_add_up_to_the_logits():
    """So they are Grad-CAM's weighted sum: the gradient of the average is the weight."""
    import torch

    net, gray = NETWORKS.build("light").eval(), torch.rand(1, 1, SIZE, SIZE)
    maps = net.maps(gray).detach().requires_grad_()
    net.logits(net.pooled(maps))[0, 2].backward()
    by_gradient = (maps.grad.sum((2, 3), keepdim=True) * maps).sum(1).detach()
    with torch.inference_mode():
        assert torch.allclose(net.class_maps(gray)[:, 2], by_gradient, atol=1e-4)
        assert torch.allclose(net.class_maps(gray).mean((2, 3)) + net.classify.bias, net(gray), atol=1e-4)


def test_mobilenet_and_resnet_have_the_size_of_their_papers():
    """Without the last layer: 4.2 million less 1.0 million, and 11.7 million less 0.5 million (1000 classes)."""
    counts = {
        n: sum(p.numel() for p in NETWORKS.build(n).encoder.parameters()) / 1e6 for n in ("mobilenet", "resnet18")
    }
    assert counts["mobilenet"] == pytest.approx(3.2, abs=0.05)
    assert counts["resnet18"] == pytest.approx(11.18, abs=0.05)


def test_an_unknown_network_is_refused():
    with pytest.raises(UnusableInput, match="not known"):
        NETWORKS.entry("vgg")


def test_a_picture_of_few_pixels_is_held_whatever_the_network_says():
    row = chances("adult_chest", 0.99)
    assert "too few pixels" in decide(row, 0.1, HeaderFacts(), Decision(1, 0.6, 2), side=64).reason
    assert not decide(row, 0.1, HeaderFacts(), Decision(1, 0.6, 2), side=128).held


def test_a_picture_in_color_is_held_whatever_the_network_says():
    row = chances("spine", 0.99)
    assert "in color" in decide(row, 0.1, HeaderFacts(), Decision(1, 0.6, 2), colored=0.3).reason
    assert not decide(row, 0.1, HeaderFacts(), Decision(1, 0.6, 2), colored=0.02).held


# --- the classifier


@pytest.fixture(scope="module")
def router_models(tmp_path_factory):
    """A folder of models holding router-light with random weights."""
    import torch

    from LesionKitLib.models.registry import save_model
    from LesionKitResearch.training.recipes.router_recipe import PLANS, Trained, describe
    from LesionKitResearch.training.router import Mixture

    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("models")
    net = NETWORKS.build("light").eval()
    card = describe(Trained("light", net, PLANS["light"], Mixture(), Decision(1.0, 0.0, 9.0)), {})
    save_model(net, card, folder / "router-light")
    return folder


@pytest.fixture
def light(router_models, monkeypatch):
    from BodyPartRouterLib.classification.classifier import load_classifier
    from LesionKitLib.models import registry

    monkeypatch.setenv(registry.OWN_MODELS, str(router_models))
    monkeypatch.setattr(registry, "bundled_folders", lambda library: [])
    return load_classifier("light", "cpu")


def xrays(count: int) -> list[Xray]:
    rng = np.random.default_rng(5)
    return [Xray(rng.random((50 + n, 60)).astype(np.float32)) for n in range(count)]


def test_predictions_come_in_order_whatever_the_batch(light):
    from dataclasses import replace

    images = xrays(5)
    together = light.predict(images)
    light.runtime = replace(light.runtime, batch=2)
    apart = light.predict(images)
    assert len(together) == 5
    for one, other in zip(together, apart, strict=True):
        assert one.probability == pytest.approx(other.probability, abs=0.02)
    assert light.predict([]) == []


def test_predicting_can_be_cancelled(light):
    from LesionKitLib.run.errors import Cancelled
    from LesionKitLib.run.progress import Progress

    progress = Progress()
    progress.cancel()
    with pytest.raises(Cancelled):
        light.predict(xrays(2), progress)


def test_running_out_of_gpu_memory_goes_on_with_smaller_batches(light, monkeypatch):
    import torch

    from LesionKitLib.models import inference

    run, tried = light._run, []

    def short_of_memory(views, runtime):
        tried.append((runtime.device, runtime.batch))
        if runtime.device != "cpu":
            raise torch.OutOfMemoryError("out of memory")
        return run(views, runtime)

    monkeypatch.setattr(light, "_run", short_of_memory)
    monkeypatch.setattr(torch.cuda, "empty_cache", lambda: None)
    light.runtime = inference.Runtime("cuda", "fp32", 2)
    assert len(light.predict(xrays(3))) == 3
    assert tried[0] == ("cuda", 2) and tried[1] == ("cuda", 1) and tried[2][0] == "cpu"


def test_the_heat_map_lies_on_the_image(light):
    image = Xray(scene(130, 90).astype(np.float32))
    for label in (None, "spine"):
        heat = light.explain(image, label)
        assert heat.shape == image.pixels.shape and heat.dtype == np.float32
        assert heat.min() >= 0 and heat.max() <= 1
    with pytest.raises(ValueError, match="not in"):
        light.explain(image, "foot")


def test_a_missing_model_is_named(monkeypatch):
    from BodyPartRouterLib.classification.classifier import load_classifier
    from LesionKitLib.models import registry

    monkeypatch.delenv(registry.OWN_MODELS, raising=False)
    monkeypatch.setattr(registry, "bundled_folders", lambda library: [])
    with pytest.raises(MissingResource, match="router-light"):
        load_classifier("light")


def test_stretching_needs_contrast():
    assert (stretch(np.full((5, 5), 0.3)) == 0).all()
    assert stretch(np.linspace(0.4, 0.6, 100)).max() == 1


def test_the_light_network_begins_with_the_first_blocks_of_the_main_one():
    import torch

    from LesionKitResearch.training.router import initialize_encoder

    main, light = NETWORKS.build("efficientnet-lite0").eval(), NETWORKS.build("light").eval()
    initialize_encoder(light, main)
    with torch.inference_mode():
        gray = torch.rand(1, 3, SIZE, SIZE)
        assert torch.equal(light.encoder(gray), main.encoder.body(gray)[16])


def screen(rng) -> np.ndarray:
    """A screen of an ultrasound: a bar, marks and a small fan of noise on black."""
    pixels = np.zeros((350, 800), np.float32)
    pixels[:60] = 0.94
    pixels[70:140, 340:520] = rng.random((70, 180), np.float32)
    for row in range(70, 240, 20):
        pixels[row : row + 10, 4:80] = 0.8
    return pixels


def test_a_picture_of_flat_areas_is_held_as_a_drawing_or_a_screen():
    from BodyPartRouterLib.reading.xray import flatness

    row = chances("others", 0.95)
    shares = flatness(screen(np.random.default_rng(3)))
    prediction = decide(row, 0.1, HeaderFacts(), Decision(1, 0.6, 2), flatness=shares)
    assert prediction.held and "screen" in prediction.reason


def test_an_x_ray_with_wide_black_borders_is_not_held_as_a_drawing():
    from BodyPartRouterLib.reading.xray import flatness

    pixels = np.zeros((300, 300), np.float32)
    pixels[100:200, 100:200] = np.random.default_rng(5).random((100, 100), np.float32)
    assert flatness(pixels)[0] > 0.85
    assert not decide(chances("others", 0.95), 0.1, HeaderFacts(), Decision(1, 0.6, 2), flatness=flatness(pixels)).held
