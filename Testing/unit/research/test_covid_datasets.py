"""Training and evaluation images from folders in the formats of the public data sets."""

from __future__ import annotations

import numpy as np
import pytest
from data_fixtures import BURDENED, mosmed_folder, picture, pseudo_folder, sirm_folder, volumes_folder
from PIL import Image

from CovidLungQuantLib.segmentation.frames import FRAME, MODEL_MM, ROOM
from LesionKitLib.run.errors import UnusableInput
from LesionKitResearch.augmentation.covid import random_view
from LesionKitResearch.datasets import covid
from LesionKitResearch.datasets.covid import (
    ANY_LESION,
    UNKNOWN,
    agreed_labels,
    hu_sequences,
    labeled_slices,
    lung_label,
    lungs_by_threshold,
    phantom_sequence,
    pseudo_sequences,
    read_label_picture,
    sirm_sequences,
)
from LesionKitResearch.training.covid import Mixture, covid_sources, draw_batch


def names(items) -> list[str]:
    return [item.name for item in items]


def white(folder, name: str) -> None:
    """Make one picture recognizable: all its pixels 255."""
    path = next((folder / "img").glob(f"{name}.*"))
    Image.fromarray(np.full_like(np.array(Image.open(path)), 255)).save(path)


# --- labeled slices


def test_a_split_gives_its_own_slices_and_all_gives_every_one(tmp_path):
    folder = sirm_folder(tmp_path / "sirm100")
    assert names(labeled_slices(folder, "val")) == ["001", "002"]
    assert names(labeled_slices(folder, "train")) == ["000", "003"]
    assert names(labeled_slices(folder, "all")) == ["000", "001", "002", "003"]


def label_picture(folder, values, **save):
    path = next((folder / "lab").glob("*.png"))
    image = values if isinstance(values, Image.Image) else Image.fromarray(values)
    image.save(path, **save)
    return path


def test_a_label_that_is_not_known_is_named(tmp_path):
    path = label_picture(sirm_folder(tmp_path), np.full((112, 128), 7, np.uint8))
    with pytest.raises(UnusableInput, match=f"label picture {path.name} holds labels that are not known: 7"):
        list(labeled_slices(tmp_path, "all"))


def test_a_gray_picture_is_no_label_picture(tmp_path):
    path = label_picture(pseudo_folder(tmp_path), np.tile(np.arange(128, dtype=np.uint8), (112, 1)))
    with pytest.raises(UnusableInput, match=f"label picture {path.name} is no mask: it holds 128 different values"):
        list(labeled_slices(tmp_path, "all"))


def test_label_pictures_are_read_by_their_numbers_whatever_their_colors(tmp_path):
    labels = (np.arange(112 * 128) % 4).reshape(112, 128).astype(np.uint8)
    palette = Image.fromarray(labels).convert("P")
    palette.putdata(labels.ravel())
    palette.putpalette([0, 0, 0, 255, 0, 0, 0, 255, 0, 0, 0, 255] + [0] * 756)
    for path in (label_picture(sirm_folder(tmp_path / "a"), palette), tmp_path / "rgb.png"):
        if path.name == "rgb.png":
            Image.fromarray(np.stack([labels] * 3, -1)).save(path)
        np.testing.assert_array_equal(read_label_picture(path, typed=True), labels)
    white = Image.fromarray((labels == 1).astype(np.uint8) * 255)
    white.save(tmp_path / "white.png")
    np.testing.assert_array_equal(read_label_picture(tmp_path / "white.png", typed=False), labels == 1)
    Image.fromarray(np.stack([labels, labels, 255 - labels], -1)).save(tmp_path / "color.png")
    with pytest.raises(UnusableInput, match="is in color"):
        read_label_picture(tmp_path / "color.png", typed=True)


def test_slices_that_are_not_fully_labeled_are_left_out(tmp_path):
    assert "022" not in names(labeled_slices(sirm_folder(tmp_path), "all"))
    assert len(sirm_sequences(tmp_path)) == 2


def test_expert_labels_tell_the_kinds_apart_and_a_models_do_not(tmp_path):
    item = next(labeled_slices(sirm_folder(tmp_path / "sirm100"), "val"))
    assert item.typed and set(np.unique(item.label)) == {0, 1, 2, 3} and item.source == "sirm100"
    item = next(labeled_slices(pseudo_folder(tmp_path / "pseudo1600"), "val"))
    assert not item.typed and set(np.unique(item.label)) == {0, 1}


def test_slices_of_one_group_are_one_patient(tmp_path):
    assert [item.patient for item in labeled_slices(sirm_folder(tmp_path), "val")] == ["1", "1"]


def test_a_set_for_evaluation_only_is_evaluated_and_never_trained_on(tmp_path):
    folder = mosmed_folder(tmp_path / "mosmed_eval")
    assert names(labeled_slices(folder, "val")) == names(labeled_slices(folder, "all")) == ["study_0", "study_1"]
    with pytest.raises(UnusableInput, match="no image of the split 'train'"):
        next(labeled_slices(folder, "train"))


def test_slices_keep_their_own_resolution_and_grays(tmp_path):
    item = next(labeled_slices(sirm_folder(tmp_path), "val"))
    np.testing.assert_array_equal(item.gray, picture(lesion=BURDENED))


def test_a_folder_without_an_index_is_refused(tmp_path):
    with pytest.raises(UnusableInput, match="neither split.csv nor index.csv"):
        next(labeled_slices(tmp_path, "val"))


def test_a_picture_that_is_missing_is_named(tmp_path):
    folder = sirm_folder(tmp_path)
    (folder / "img" / "002.png").unlink()
    with pytest.raises(UnusableInput, match="002"):
        list(labeled_slices(folder, "val"))


def test_a_damaged_picture_is_named(tmp_path):
    folder = sirm_folder(tmp_path)
    (folder / "img" / "001.png").write_text("not a picture")
    with pytest.raises(UnusableInput, match="001.png cannot be read"):
        list(labeled_slices(folder, "val"))


@pytest.mark.parametrize(("text", "message"), [("", "cannot be read"), ("id,group\n001,1\n", "no column 'split'")])
def test_an_index_that_says_no_split_is_refused(tmp_path, text, message):
    folder = sirm_folder(tmp_path)
    (folder / "split.csv").write_text(text)
    with pytest.raises(UnusableInput, match=message):
        list(labeled_slices(folder, "val"))


# --- training sequences


def test_no_validation_picture_is_in_a_training_sequence(tmp_path):
    sirm, pseudo = sirm_folder(tmp_path / "sirm100"), pseudo_folder(tmp_path / "pseudo1600")
    for folder, name in ((sirm, "001"), (sirm, "002"), (pseudo, "corona002_0000"), (pseudo, "corona002_0001")):
        white(folder, name)
    sequences = sirm_sequences(sirm) + pseudo_sequences(pseudo)
    assert len(sequences) == 2 + 2
    assert all(image.min() < 255 for s in sequences for image in s.image)
    white(sirm, "000")
    assert any(image.min() == 255 for s in sirm_sequences(sirm) for image in s.image)


def test_validation_volumes_are_not_trained_on(tmp_path):
    volumes_folder(tmp_path, split="val")
    assert hu_sequences(tmp_path) == []


def test_expert_slices_become_sequences_of_one_with_lungs_around_the_lesions(tmp_path):
    sequence = sirm_sequences(sirm_folder(tmp_path))[0]
    assert sequence.image.shape == sequence.lesion.shape == sequence.lung.shape == (1, *ROOM)
    assert sequence.image.dtype == np.uint8 and not sequence.is_hu and sequence.weight == 1
    assert set(np.unique(sequence.lesion)) == {0, 1, 2, 3}
    assert (sequence.lung[sequence.lesion > 0] == 1).mean() > 0.98
    assert sequence.infected.tolist() == [1]


def test_a_trace_of_effusion_is_unknown_and_not_effusion(tmp_path):
    residue = sirm_sequences(sirm_folder(tmp_path))[1]
    assert set(np.unique(residue.lesion)) == {0, 1, 2, UNKNOWN}


def test_series_run_from_feet_to_head_in_the_order_of_the_index(tmp_path):
    upright, turned = pseudo_sequences(pseudo_folder(tmp_path))
    areas = [(s.lesion > 0).sum((1, 2)) for s in (upright, turned)]
    assert (np.diff(areas[0]) > 0).all() and (np.diff(areas[1]) < 0).all()  # lesions grow with the number


def test_a_models_labels_are_lesions_of_unknown_kind_with_less_weight(tmp_path):
    sequence = pseudo_sequences(pseudo_folder(tmp_path))[0]
    assert set(np.unique(sequence.lesion)) == {0, ANY_LESION}
    assert (sequence.lung == UNKNOWN).all() and (sequence.infected == -1).all() and sequence.weight < 1


def test_a_pseudo_labeler_tells_the_kinds_of_lesion_of_a_models_masks(tmp_path):
    def all_consolidation(gray):
        answer = np.zeros((5, *gray.shape))
        answer[1], answer[3] = 0.3, 0.3
        return answer

    sequence = pseudo_sequences(pseudo_folder(tmp_path), pseudo_labeler=all_consolidation)[0]
    assert set(np.unique(sequence.lesion)) == {0, 2}


def test_pixels_on_which_mask_and_pseudo_labels_disagree_are_unknown():
    mask = np.array([[True, True, False, False]])
    answer = np.zeros((5, 1, 4))
    answer[1] = [[0.05, 0.2, 0.4, 0.9]]
    answer[2] = answer[1]
    np.testing.assert_array_equal(agreed_labels(mask, answer), [[UNKNOWN, 1, 0, UNKNOWN]])


def test_slices_called_healthy_have_no_lesion_and_the_others_an_unknown_one(tmp_path):
    chest = volumes_folder(tmp_path)
    (sequence,) = hu_sequences(tmp_path)
    infected = (chest.lesions > 0).any((1, 2))
    np.testing.assert_array_equal(sequence.infected, infected)
    assert sequence.is_hu and len(sequence.image) == len(infected)
    assert (sequence.lesion[~infected] == 0).all()
    assert set(np.unique(sequence.lesion[infected])) == {0, UNKNOWN}
    assert (sequence.lung[sequence.lesion == UNKNOWN] > 0).all()


def test_volumes_come_to_the_models_pixels(tmp_path):
    chest = volumes_folder(tmp_path)
    (sequence,) = hu_sequences(tmp_path)
    left_half = sequence.lung[len(sequence.lung) // 2, :, ROOM[1] // 2 :]  # the lung without lesions
    area_mm2 = (left_half == 1).sum() * MODEL_MM**2
    truth_mm2 = (chest.lungs[len(chest.lungs) // 2] == 2).sum() * 16.0
    assert area_mm2 == pytest.approx(truth_mm2, rel=0.05)


def test_a_phantom_sequence_has_its_labels_and_every_eighth_is_healthy(monkeypatch):
    from CovidLungQuantLib.phantoms import chest

    asked = []

    def small(seed, spacing, lesions=None):
        from chest_fixtures import block_chest

        asked.append((seed, spacing, lesions))
        return block_chest((4.0, 4.0, 8.0))

    monkeypatch.setattr(chest, "make_phantom", small)
    for number in (0, 7, 0):
        sequence = phantom_sequence(5, number)
    assert asked[0] == asked[2] != asked[1]
    assert asked[1][2] == () and asked[0][2] is None
    assert set(np.unique(sequence.lesion)) == {0, 1, 2, 3} and set(np.unique(sequence.lung)) == {0, 1}


# --- lungs for training


def test_lungs_of_a_slice_are_its_air_and_its_lesions():
    gray = picture(lesion=BURDENED) / 255.0
    lung = lung_label(gray, BURDENED)
    truth = np.zeros(gray.shape, bool)
    truth[32:96, 21:58] = truth[32:96, 69:-22] = True
    assert 2 * (lung & truth).sum() / (lung.sum() + truth.sum()) > 0.95
    assert lung[BURDENED].all()


def test_the_trachea_is_not_lung():
    gray = picture() / 255.0
    gray[15:23, 60:68] = 0.0
    assert not lung_label(gray, np.zeros(gray.shape, bool))[15:23, 60:68].any()


def test_lungs_of_a_volume_are_the_air_in_its_body():
    from chest_fixtures import block_chest

    chest = block_chest((4.0, 4.0, 8.0))
    lung = lungs_by_threshold(chest.volume.array, chest.volume.spacing)
    assert 2 * ((lung == 1) & (chest.lungs > 0)).sum() / ((lung == 1).sum() + (chest.lungs > 0).sum()) > 0.95


# --- batches


@pytest.fixture
def sources(tmp_path):
    sirm_folder(tmp_path / "sirm100")
    pseudo_folder(tmp_path / "pseudo1600")
    volumes_folder(tmp_path / "volumes")
    return covid_sources(tmp_path, Mixture(phantoms=0, pseudo=0.25), 0)


def test_sources_are_the_folders_that_are_there(tmp_path, sources):
    assert set(sources) == {"sirm", "pseudo", "volumes"}
    assert set(covid_sources(tmp_path, Mixture(pseudo=0, volumes=0, phantoms=0), 0)) == {"sirm"}


def test_a_batch_holds_single_slices_and_runs_of_neighbors(sources):
    mixture = Mixture(singles=2, runs=1, length=3)
    batch, lengths = draw_batch(sources, mixture, np.random.default_rng(0))
    assert lengths == [1, 1, 3]
    assert batch["image"].shape == (5, 2, *FRAME) and batch["lesion"].shape == batch["lung"].shape == (5, *FRAME)
    assert len(batch["infected"]) == len(batch["weight"]) == 5
    assert batch["image"].min() >= 0 and batch["image"].max() <= 1


def test_the_same_generator_draws_the_same_batch(sources):
    first, again, other = (draw_batch(sources, Mixture(2, 2), np.random.default_rng(seed))[0] for seed in (1, 1, 2))
    assert all((first[key] == again[key]).all() for key in first)
    assert (first["image"] != other["image"]).any()


@pytest.mark.parametrize("seed", range(6))
def test_a_random_view_moves_picture_and_labels_together(seed):
    """A picture that is bright exactly where its label is: it stays so, whatever the warp."""
    lesion = np.zeros((5, *ROOM), np.uint8)
    lesion[:, 90:160, 100:220] = 1
    image = np.where(lesion > 0, 220, 30).astype(np.uint8)
    sequence = covid.Sequence("made", image, lesion, lesion, np.ones(5, int))
    view = random_view(sequence, 3, np.random.default_rng(seed))
    gray, label = view["image"][:, 0].numpy(), view["lesion"].numpy() > 0
    assert gray.shape == label.shape == (3, *FRAME) and label.any()
    assert ((gray > (gray[label].mean() + gray[~label].mean()) / 2) == label).mean() > 0.95
    assert set(np.unique(view["lesion"])) <= {0, 1}


def test_labels_in_a_random_view_are_never_mixed():
    lesion = np.zeros((1, *ROOM), np.uint8)
    lesion[:, 80:170, 90:230] = 3
    lesion[:, 100:150, 120:200] = UNKNOWN
    sequence = covid.Sequence("made", lesion, lesion, lesion, np.ones(1, int))
    for seed in range(5):
        view = random_view(sequence, 1, np.random.default_rng(seed))
        assert set(view["lesion"].unique().tolist()) <= {0, 3, UNKNOWN}


def test_a_series_shorter_than_the_run_repeats_its_last_slice(sources):
    short = next(s for s in sources["pseudo"] if len(s.image) == 2)
    view = random_view(short, 4, np.random.default_rng(0))
    assert len(view["image"]) == len(view["infected"]) == 4
