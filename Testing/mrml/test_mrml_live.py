"""Numbers, algorithm types and the record of edits follow what a person does. The test turns the timers by hand."""

from __future__ import annotations

import logging
import threading

import numpy as np
import pytest
import slicer
from scene_helpers import draw, edit, mask_of
from scene_tables import is_reviewed, read_table
from vtk.util.numpy_support import vtk_to_numpy

from CovidLungQuantLib.labels import CONSOLIDATION
from LesionKitLib.mrml.editing import IDLE_S, editing_summary, revert_to_ai, set_reviewed
from LesionKitLib.mrml.live_measurements import LiveMeasurement
from LesionKitLib.mrml.segmentations import get_tag, terminology_entry
from LesionKitLib.run.background import BackgroundRunner
from LesionKitLib.run.errors import Cancelled


class Timers:
    """Makes timers that fire when the test says so."""

    def __init__(self):
        self.made = []

    def __call__(self, interval_ms, callback):
        timer = HandTimer(callback)
        self.made.append(timer)
        return timer

    def fire(self):
        """What is due; returns whether anything was."""
        due = [timer for timer in self.made if timer.active]
        for timer in due:
            timer.callback()
        return bool(due)


class HandTimer:
    def __init__(self, callback):
        self.callback, self.active = callback, False

    def start(self):
        self.active = True

    def stop(self):
        self.active = False


class HandClock:
    now = 0.0

    def __call__(self):
        return self.now


class Bench:
    """A result in the scene that is measured live."""

    def __init__(self, chest, logic):
        self.node, self.logic, self.chest = chest.node(), logic, chest
        self.segmentation = logic.process(self.node)
        self.timers, self.clock, self.tables = Timers(), HandClock(), []
        self.live = self.follow(self.segmentation, self.node)
        self.timers.fire()

    def follow(self, segmentation, node):
        return LiveMeasurement(self.logic, segmentation, node, self.tables.append, self.timers, self.clock)

    def mask(self, name):
        return mask_of(self.segmentation, name, self.node)

    def paint(self, name, mask, after_s=0.0):
        """Set a segment's voxels after some seconds, and let the timer fire."""
        self.clock.now += after_s
        edit(self.segmentation, name, mask, self.node)
        self.timers.fire()

    def take(self, name, k, after_s=0.0):
        """Empty one slice of a segment."""
        mask = self.mask(name)
        assert mask[k].any()
        mask[k] = False
        self.paint(name, mask, after_s)

    def tag(self, segment_id, tag):
        return get_tag(self.segmentation.GetSegmentation().GetSegment(segment_id), tag)

    def row(self, key):
        return {row["key"]: row for row in self.tables[-1].rows}[key]


@pytest.fixture
def bench(chest, logic):
    bench = Bench(chest, logic)
    yield bench
    bench.live.stop()


@pytest.fixture
def editor(bench, scene):
    """Slicer's own editor logic on the result: paint(segment ID, mask, mode)."""
    logic = slicer.vtkSlicerSegmentEditorLogic()
    logic.SetMRMLScene(scene)
    settings = scene.AddNewNodeByClass("vtkMRMLSegmentEditorNode")
    logic.SetSegmentEditorNode(settings)
    logic.SetSegmentationNode(bench.segmentation)
    logic.SetSourceVolumeNode(bench.node)
    return logic, settings


def stroke(editor, segmentation, segment_id, mask, mode="Add"):
    logic, settings = editor
    settings.SetSelectedSegmentID(segment_id)
    logic.UpdateReferenceGeometryImage()
    logic.ResetModifierLabelmapToDefault()
    image = logic.GetModifierLabelmap()
    voxels = vtk_to_numpy(image.GetPointData().GetScalars())
    voxels.reshape(image.GetDimensions()[::-1])[mask] = 1
    image.Modified()
    logic.UpdateMaskLabelmap()
    logic.ModifySegmentByLabelmap(
        segmentation, segment_id, image, getattr(logic, f"ModificationMode{mode}"), False, False
    )


def test_the_first_numbers_come_by_themselves_and_are_the_pipelines(bench, analyze):
    [table] = bench.tables
    assert table.message == ""
    assert table.measurements == analyze(bench.logic.volumeFor(bench.node)).measurements
    assert all(row["dice"] == 1 and row["delta_ml"] == 0 for row in table.rows)
    assert not bench.timers.fire(), "without a change nothing is due"


def test_after_an_edit_the_numbers_are_those_of_measuring_everything(bench):
    bench.take("Ground-glass opacity", 7)
    assert bench.tables[-1].measurements == bench.logic.measure(bench.segmentation, bench.node)
    row = bench.row("ggo")
    lost = (bench.chest.lesions[7] == 1).sum() * 0.12
    assert row["delta_ml"] == pytest.approx(-lost)
    assert row["ai_ml"] - row["corrected_ml"] == pytest.approx(lost)
    assert 0 < row["dice"] < 1


def test_the_tables_in_the_scene_follow(bench):
    bench.take("Pleural effusion", 2)
    total = bench.tables[-1].measurements["total"]
    assert read_table(bench.logic.tableFor(bench.segmentation))[0]["Effusion (ml)"] == total["effusion_ml"]
    assert len(read_table(bench.logic.comparisonFor(bench.segmentation))) == len(bench.tables[-1].rows)


def test_the_many_events_of_one_change_lead_to_one_update(bench):
    mask = bench.mask("Consolidation")
    mask[3] = False
    edit(bench.segmentation, "Consolidation", mask, bench.node)
    edit(bench.segmentation, "Consolidation", ~mask & (bench.chest.lungs > 0), bench.node)
    before = len(bench.tables)
    while bench.timers.fire():
        pass
    assert len(bench.tables) == before + 1


def test_renaming_or_recoloring_is_not_an_edit(bench):
    segment = bench.segmentation.GetSegmentation().GetSegment("ggo")
    segment.SetName("GGO")
    segment.SetColor(1, 0, 0)
    bench.timers.fire()
    assert editing_summary(bench.segmentation)["edits"] == 0
    assert bench.tag("ggo", "DICOM.SegmentAlgorithmType") == "AUTOMATIC"


def test_the_first_edit_makes_the_segment_semiautomatic_and_undoing_it_automatic_again(bench):
    original = bench.mask("Consolidation")
    bench.take("Consolidation", 3)
    assert bench.tag("consolidation", "DICOM.SegmentAlgorithmType") == "SEMIAUTOMATIC"
    assert bench.tag("ggo", "DICOM.SegmentAlgorithmType") == "AUTOMATIC"
    bench.paint("Consolidation", original)
    assert bench.tag("consolidation", "DICOM.SegmentAlgorithmType") == "AUTOMATIC"


def test_an_edit_hidden_under_another_class_still_makes_the_segment_semiautomatic(bench):
    mask = bench.mask("Ground-glass opacity") | (bench.chest.lesions == 2)
    bench.segmentation.GetSegmentation().SeparateSegmentLabelmap("ggo")
    bench.timers.fire()
    bench.paint("Ground-glass opacity", mask)
    assert bench.row("ggo")["dice"] == 1
    assert bench.tag("ggo", "DICOM.SegmentAlgorithmType") == "SEMIAUTOMATIC"


def test_edits_and_their_seconds_are_counted_per_segment(bench):
    bench.take("Ground-glass opacity", 6, after_s=5)  # the first: what was before it is not known to be editing
    bench.take("Ground-glass opacity", 7, after_s=7)
    bench.take("Consolidation", 3, after_s=4 * IDLE_S)  # the reader was away
    bench.take("Consolidation", 4, after_s=2)
    summary = editing_summary(bench.segmentation)
    by_id = {entry["id"]: entry for entry in summary["segments"]}
    assert (by_id["ggo"]["edits"], by_id["ggo"]["edit_seconds"]) == (2, 7.0)
    assert (by_id["consolidation"]["edits"], by_id["consolidation"]["edit_seconds"]) == (2, 2.0)
    assert by_id["effusion"]["edits"] == 0
    assert (summary["edits"], summary["edit_seconds"]) == (4, 9.0)


def test_a_stroke_that_changes_two_segments_is_one_edit(bench, editor):
    mask = bench.chest.lesions == 2
    stroke(editor, bench.segmentation, "ggo", mask)
    bench.timers.fire()
    summary = editing_summary(bench.segmentation)
    assert {entry["id"]: entry["edits"] for entry in summary["segments"]} == {
        "right_lung": 0, "left_lung": 0, "ggo": 1, "consolidation": 1, "effusion": 0,
    }  # fmt: skip
    assert summary["edits"] == 1


def test_an_effect_that_rewrites_a_whole_segment_leaves_the_lungs_as_they_are(bench, editor):
    """Margin and its like give the chosen segment all its voxels anew; the editor takes them from the others."""
    from scipy import ndimage

    lungs = bench.tables[0].measurements["total"]["lung_ml"]
    grown = ndimage.binary_dilation(bench.chest.lesions == 1) & (bench.chest.lungs > 0)
    stroke(editor, bench.segmentation, "ggo", grown, "Set")
    assert not bench.mask("Right lung")[bench.chest.lesions == 1].any(), "as Slicer does"
    bench.timers.fire()
    bench.take("Ground-glass opacity", 7)
    bench.paint("Ground-glass opacity", np.zeros(grown.shape, bool))
    assert bench.tables[-1].measurements["total"]["lung_ml"] == lungs
    assert (bench.mask("Right lung") == (bench.chest.lungs == 1)).all()
    summary = editing_summary(bench.segmentation)
    assert {entry["id"]: entry["edits"] for entry in summary["segments"] if entry["edits"]} == {"ggo": 3}
    assert bench.tag("right_lung", "DICOM.SegmentAlgorithmType") == "AUTOMATIC"


def test_three_strokes_are_undone_and_redone_one_by_one(bench, editor):
    logic, _ = editor
    logic.SetMaximumNumberOfUndoStates(10)
    totals = [bench.tables[-1].measurements["total"]]
    for k in (6, 7, 8):
        logic.SaveStateForUndo()
        mask = np.zeros(bench.chest.lungs.shape, bool)
        mask[k, 9:12, 4:8] = True
        stroke(editor, bench.segmentation, "ggo", mask)
        bench.timers.fire()
        totals.append(bench.tables[-1].measurements["total"])
    for step, act in [
        (2, logic.Undo),
        (1, logic.Undo),
        (0, logic.Undo),
        (1, logic.Redo),
        (2, logic.Redo),
        (3, logic.Redo),
    ]:
        act()
        bench.timers.fire()
        assert bench.tables[-1].measurements["total"] == totals[step]
        kind = "SEMIAUTOMATIC" if step else "AUTOMATIC"
        assert bench.tag("ggo", "DICOM.SegmentAlgorithmType") == kind
    assert editing_summary(bench.segmentation)["edits"] == 9


def test_an_edit_takes_the_mark_of_review_from_the_segment(bench):
    for segment_id in bench.segmentation.GetSegmentation().GetSegmentIDs():
        set_reviewed(bench.segmentation, segment_id)
    assert editing_summary(bench.segmentation)["reviewed"]
    bench.take("Consolidation", 3)
    assert not is_reviewed(bench.segmentation, "consolidation")
    assert is_reviewed(bench.segmentation, "ggo")
    assert not editing_summary(bench.segmentation)["reviewed"]
    set_reviewed(bench.segmentation, "ggo", False)
    assert not is_reviewed(bench.segmentation, "ggo")


def test_reverting_brings_the_numbers_back_and_counts_as_an_edit(bench):
    first = bench.tables[0]
    bench.take("Ground-glass opacity", 7)
    revert_to_ai(bench.segmentation, "ggo")
    bench.timers.fire()
    assert bench.tables[-1].measurements == first.measurements
    assert bench.row("ggo")["dice"] == 1
    assert bench.tag("ggo", "DICOM.SegmentAlgorithmType") == "AUTOMATIC"
    assert editing_summary(bench.segmentation)["edits"] == 2


def test_a_rerun_is_not_counted_as_an_edit_and_becomes_what_is_compared_with(bench, analyze):
    analyze.lesions = np.where(bench.chest.lesions == 1, 0, bench.chest.lesions).astype(np.uint8)
    assert bench.logic.process(bench.node, bench.segmentation) is bench.segmentation
    bench.timers.fire()
    assert editing_summary(bench.segmentation)["edits"] == 0
    assert bench.row("ggo")["ai_ml"] == 0
    assert bench.row("consolidation")["dice"] == 1


def test_lung_that_a_lesion_is_painted_over_stays_lung(bench, editor):
    """Slicer's editor takes painted voxels out of all other segments; the lungs get theirs back."""
    mask = np.zeros(bench.chest.lungs.shape, bool)
    mask[6:8, 9:12, 4:8] = True
    assert (bench.chest.lungs[mask] == 1).all()
    lungs = bench.tables[0].measurements["total"]["lung_ml"]
    stroke(editor, bench.segmentation, "ggo", mask)
    assert not bench.mask("Right lung")[mask].any(), "as Slicer does"
    bench.timers.fire()
    assert bench.mask("Right lung")[mask].all()
    assert bench.mask("Ground-glass opacity")[mask].all()
    assert bench.tables[-1].measurements["total"]["lung_ml"] == lungs
    assert bench.tag("right_lung", "DICOM.SegmentAlgorithmType") == "AUTOMATIC"
    stroke(editor, bench.segmentation, "ggo", mask, "Remove")
    bench.timers.fire()
    assert bench.tables[-1].measurements == bench.tables[0].measurements
    assert editing_summary(bench.segmentation)["edits"] == 2


def test_lung_that_is_erased_on_purpose_stays_erased(bench, editor):
    mask = np.zeros(bench.chest.lungs.shape, bool)
    mask[6:8, 9:12, 4:8] = True
    stroke(editor, bench.segmentation, "right_lung", mask, "Remove")
    bench.timers.fire()
    assert not bench.mask("Right lung")[mask].any()
    assert bench.row("lung")["delta_ml"] == pytest.approx(-mask.sum() * 0.12)


def test_undo_in_the_editor_counts_back(bench, editor):
    logic, _ = editor
    logic.SetMaximumNumberOfUndoStates(5)
    logic.SaveStateForUndo()
    mask = np.zeros(bench.chest.lungs.shape, bool)
    mask[6:8, 9:12, 4:8] = True
    stroke(editor, bench.segmentation, "consolidation", mask)
    bench.timers.fire()
    assert bench.tables[-1].measurements != bench.tables[0].measurements
    logic.Undo()
    bench.timers.fire()
    assert bench.tables[-1].measurements == bench.tables[0].measurements
    assert bench.tag("consolidation", "DICOM.SegmentAlgorithmType") == "AUTOMATIC"


def test_undo_does_not_undo_the_record_of_edits(bench, editor):
    logic, _ = editor
    logic.SetMaximumNumberOfUndoStates(5)
    bench.take("Ground-glass opacity", 7, after_s=5)
    logic.SaveStateForUndo()
    bench.take("Consolidation", 3, after_s=6)
    bench.take("Ground-glass opacity", 6, after_s=7)
    logic.Undo()
    bench.clock.now += 8
    bench.timers.fire()
    by_id = {entry["id"]: entry for entry in editing_summary(bench.segmentation)["segments"]}
    assert (by_id["ggo"]["edits"], by_id["ggo"]["edit_seconds"]) == (3, 7 + 4)
    assert (by_id["consolidation"]["edits"], by_id["consolidation"]["edit_seconds"]) == (2, 6 + 4)


def test_a_drawn_segment_is_counted_once_its_class_is_chosen(bench):
    extra = np.zeros(bench.chest.lungs.shape, bool)
    extra[9:11, 4:6, 12:14] = True
    drawn = draw(bench.segmentation, "Seen by the expert", extra, bench.node)
    bench.timers.fire()
    before = bench.tables[-1].measurements["total"]["consolidation_ml"]
    bench.segmentation.GetSegmentation().GetSegment(drawn).SetTag("TerminologyEntry", terminology_entry(CONSOLIDATION))
    bench.timers.fire()
    assert bench.tables[-1].measurements["total"]["consolidation_ml"] - before == pytest.approx(extra.sum() * 0.12)


def test_a_segmentation_that_another_is_copied_into_is_measured(bench, scene):
    other = slicer.vtkSegmentation()
    other.DeepCopy(bench.segmentation.GetSegmentation())
    other.RemoveSegment("ggo")
    bench.segmentation.SetAndObserveSegmentation(other)
    bench.timers.fire()
    assert bench.tables[-1].measurements["total"]["ggo_ml"] == 0
    bench.take("Consolidation", 3)
    assert bench.tables[-1].measurements == bench.logic.measure(bench.segmentation, bench.node)


def test_a_deleted_segment_is_gone_from_the_numbers(bench):
    bench.segmentation.GetSegmentation().RemoveSegment("effusion")
    bench.timers.fire()
    assert bench.tables[-1].measurements["total"]["effusion_ml"] == 0
    assert bench.row("effusion")["dice"] == 0


def test_without_lungs_a_sentence_takes_the_place_of_the_numbers(bench):
    for segment_id in ("right_lung", "left_lung"):
        bench.segmentation.GetSegmentation().RemoveSegment(segment_id)
    bench.timers.fire()
    assert bench.tables[-1].measurements is None
    assert "holds no lung" in bench.tables[-1].message
    assert bench.row("ggo")["dice"] == 1


def test_another_image_in_the_volume_is_measured_anew(bench):
    slicer.util.updateVolumeFromArray(bench.node, bench.chest.hu + 10)
    bench.timers.fire()
    before, after = (table.measurements["total"]["lung_mean_hu"] for table in (bench.tables[0], bench.tables[-1]))
    assert after - before == pytest.approx(10)


def test_a_volume_of_another_size_has_nothing_to_compare_with(bench):
    slicer.util.updateVolumeFromArray(bench.node, bench.chest.hu[:-1])
    bench.timers.fire()
    assert bench.row("ggo")["ai_ml"] is None
    assert bench.row("ggo")["corrected_ml"] == bench.tables[-1].measurements["total"]["ggo_ml"]


def test_an_unforeseen_error_is_a_sentence_and_the_next_edit_is_counted_again(bench, monkeypatch, caplog):
    with monkeypatch.context() as patch, caplog.at_level(logging.ERROR):
        patch.setattr(bench.logic, "showLive", lambda *_: {}["missing"])
        bench.take("Ground-glass opacity", 7)
    assert "details are in the application's log" in bench.tables[-1].message
    assert "KeyError" in caplog.text
    bench.take("Ground-glass opacity", 6)
    assert bench.tables[-1].measurements == bench.logic.measure(bench.segmentation, bench.node)


@pytest.mark.parametrize("what", ["scene", "segmentation", "volume"])
def test_it_lets_go_when_the_scene_closes_or_a_node_goes(bench, scene, what):
    edit(bench.segmentation, "Consolidation", bench.mask("Ground-glass opacity"), bench.node)
    if what == "scene":
        scene.Clear(False)
    else:
        scene.RemoveNode(bench.segmentation if what == "segmentation" else bench.node)
    assert not bench.live.running
    assert not bench.timers.fire()
    assert len(bench.tables) == 1


def test_after_stop_nothing_is_told_any_more(bench):
    bench.live.stop()
    bench.take("Consolidation", 3)
    bench.live.refresh()
    assert len(bench.tables) == 1


def test_everything_comes_back_from_a_saved_scene(bench, scene, tmp_path):
    bench.take("Ground-glass opacity", 7, after_s=9)
    set_reviewed(bench.segmentation, "effusion")
    summary, table = editing_summary(bench.segmentation), bench.tables[-1]
    assert scene.WriteToMRB(str(tmp_path / "scene.mrb"))
    scene.Clear(False)
    assert scene.ReadFromMRB(str(tmp_path / "scene.mrb"), False)
    node = scene.GetFirstNodeByClass("vtkMRMLScalarVolumeNode")
    segmentation = scene.GetFirstNodeByClass("vtkMRMLSegmentationNode")
    assert editing_summary(segmentation) == summary
    live = bench.follow(segmentation, node)
    bench.timers.fire()
    assert bench.tables[-1] is not table
    assert bench.tables[-1].measurements == table.measurements
    assert bench.tables[-1].rows == table.rows
    assert editing_summary(segmentation) == summary, "loading is no edit"
    assert scene.GetNumberOfNodesByClass("vtkMRMLTableNode") == 3, "refilled, not made again"
    live.stop()


def test_two_scenes_one_after_the_other_do_not_mix(bench, scene, chest, logic, analyze):
    bench.take("Ground-glass opacity", 7)
    scene.Clear(False)
    analyze.lesions = np.where(chest.lesions == 3, 0, chest.lesions).astype(np.uint8)
    second = Bench(chest, logic)
    assert len(bench.tables) == 2, "the first scene's panel hears nothing of the second"
    assert second.tables[0].measurements["total"]["effusion_ml"] == 0
    assert second.row("ggo")["dice"] == 1
    assert editing_summary(second.segmentation)["edits"] == 0
    second.live.stop()


def test_closing_the_scene_during_a_run_leaves_it_empty(chest, module, scene):
    timers, told = Timers(), []
    started, gate = threading.Event(), threading.Event()

    def analyze(volume, network, device, progress):
        started.set()
        gate.wait(5)
        progress.report("segmenting", 0.5)

    logic = module.CovidLungQuantLogic(analyze=analyze)
    node = chest.node()
    runner = BackgroundRunner(timers)
    tag = scene.AddObserver(scene.StartCloseEvent, lambda *_: runner.stop())
    runner.start(logic.prepare(node), lambda result: logic.showResult(result, node), lambda *a: told.append(a))
    assert started.wait(5)
    scene.Clear(False)
    scene.RemoveObserver(tag)
    gate.set()
    for _ in range(1000):
        if not timers.fire():
            break
    assert told == []
    assert not runner.running
    assert scene.GetNumberOfNodesByClass("vtkMRMLSegmentationNode") == 0


def test_a_cancelled_run_leaves_the_scene_as_it_was(chest, module, scene):
    def analyze(volume, network, device, progress):
        progress.cancel()
        progress.report("segmenting", 0.5)

    logic = module.CovidLungQuantLogic(analyze=analyze)
    node = chest.node()
    before = scene.GetNumberOfNodes()
    timers, told = Timers(), []
    runner = BackgroundRunner(timers)
    runner.start(
        logic.prepare(node),
        lambda result: logic.showResult(result, node),
        lambda *error: told.append(error),
        on_cancelled=lambda: told.append(Cancelled),
    )
    for _ in range(1000):
        if not timers.fire():
            break
    assert told == [Cancelled]
    assert scene.GetNumberOfNodes() == before
