"""Output appears complete or not at all, whatever happens while it is written."""

from __future__ import annotations

import errno
import os
import stat
import tempfile
from pathlib import Path

import pytest

from LesionKitLib.io.atomic import atomic_file, atomic_folder, refuse_unwritable
from LesionKitLib.run.errors import Cancelled, UnusableInput

NOBODY = 65534  # Debian's user without rights


def everything(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


def disk_full(*args, **kwargs):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def refuse(code: int):
    def raise_error(self, *args, **kwargs):
        raise OSError(code, os.strerror(code), str(self))

    return raise_error


def test_a_file_appears_only_when_it_is_complete(tmp_path):
    target = tmp_path / "new" / "image.nii.gz"
    with atomic_file(target) as part:
        part.write_text("voxels")
        assert part.parent == target.parent and part.name.endswith(".nii.gz")
        assert not target.exists()
    assert target.read_text() == "voxels"
    assert everything(tmp_path) == {"new", "new/image.nii.gz"}


@pytest.mark.parametrize("error", [RuntimeError("broken"), Cancelled("Cancelled."), KeyboardInterrupt()])
def test_an_error_leaves_the_old_file_and_nothing_new(tmp_path, error):
    target = tmp_path / "table.csv"
    target.write_text("old")
    with pytest.raises(type(error)), atomic_file(target) as part:
        part.write_text("half")
        raise error
    assert target.read_text() == "old"
    assert everything(tmp_path) == {"table.csv"}


@pytest.mark.parametrize("length", [236, 237, 255])
def test_a_name_may_be_as_long_as_the_disk_allows(tmp_path, length):
    target = tmp_path / ("n" * (length - 7) + ".nii.gz")
    with atomic_file(target) as part:
        assert part.name.endswith(".nii.gz")
        part.write_text("voxels")
    assert target.read_text() == "voxels" and everything(tmp_path) == {target.name}


@pytest.mark.parametrize("manager", [atomic_file, atomic_folder])
def test_a_name_that_no_disk_takes_is_refused_before_the_work_begins(tmp_path, manager):
    began = []
    with pytest.raises(UnusableInput, match="the name is too long"), manager(tmp_path / ("n" * 256)):
        began.append(True)
    assert not began and everything(tmp_path) == set()


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.parametrize("permissions", [0o640, 0o600, 0o664, 0o440])
def test_a_file_that_is_replaced_keeps_its_permissions(tmp_path, permissions):
    target = tmp_path / "out" / "table.csv"
    target.parent.mkdir()
    target.write_text("old")
    target.chmod(permissions)
    with atomic_file(target) as part:
        assert mode(part) | 0o600 == permissions | 0o600, "the unfinished file can be read by no one else"
        part.write_text("new")
    assert target.read_text() == "new" and mode(target) == permissions
    with atomic_folder(target.parent) as stage:
        (stage / "table.csv").write_text("newer")
    assert target.read_text() == "newer" and mode(target) == permissions


def test_a_new_file_has_the_permissions_that_the_user_gives_new_files(tmp_path):
    (tmp_path / "plain").touch()
    with atomic_file(tmp_path / "new") as part:
        part.write_text("new")
    assert mode(tmp_path / "new") == mode(tmp_path / "plain")


@pytest.mark.parametrize("exists", [True, False])
def test_a_symbolic_link_to_a_file_is_followed(tmp_path, exists):
    real, link = tmp_path / "archive" / "table.csv", tmp_path / "out" / "table.csv"
    real.parent.mkdir()
    link.parent.mkdir()
    if exists:
        real.write_text("old")
    link.symlink_to(real)
    with atomic_file(link) as part:
        part.write_text("new")
    assert link.is_symlink() and real.read_text() == "new"
    with atomic_folder(link.parent) as stage:
        (stage / "table.csv").write_text("newer")
    assert link.is_symlink() and real.read_text() == "newer"
    assert everything(tmp_path) == {"archive", "archive/table.csv", "out", "out/table.csv"}


@pytest.mark.parametrize("exists", [True, False])
def test_a_symbolic_link_to_a_folder_is_followed(tmp_path, exists):
    real, link = tmp_path / "archive", tmp_path / "out"
    if exists:
        real.mkdir()
    link.symlink_to(real)
    with atomic_folder(link) as stage:
        (stage / "report.html").write_text("report")
    assert link.is_symlink() and everything(real) == {"report.html"}


@pytest.mark.parametrize("manager", [atomic_file, atomic_folder])
def test_symbolic_links_in_a_circle_are_refused(tmp_path, manager):
    (tmp_path / "a").symlink_to(tmp_path / "b")
    (tmp_path / "b").symlink_to(tmp_path / "a")
    with pytest.raises(UnusableInput, match="form a circle"), manager(tmp_path / "a"):
        pass


def test_a_link_to_another_disk_is_followed_and_put_back_on_failure(tmp_path, monkeypatch):
    """Renaming from disk to disk fails; a link inside the folder can lead to another one."""
    disk, folder, replace = tmp_path / "disk", tmp_path / "out", os.replace

    def rename(source, target):
        if (disk in Path(source).parents) != (disk in Path(target).parents):
            raise OSError(errno.EXDEV, os.strerror(errno.EXDEV), str(target))
        replace(source, target)

    monkeypatch.setattr(os, "replace", rename)
    disk.mkdir()
    folder.mkdir()
    (disk / "a.csv").write_text("old")
    (folder / "a.csv").symlink_to(disk / "a.csv")
    with atomic_folder(folder) as stage:
        (stage / "a.csv").write_text("new")
    assert (disk / "a.csv").read_text() == "new" and (folder / "a.csv").is_symlink()
    (folder / "b").mkdir()
    with pytest.raises(UnusableInput, match="a folder of that name"), atomic_folder(folder) as stage:
        (stage / "a.csv").write_text("newer")
        (stage / "b").write_text("in the way")
    assert (disk / "a.csv").read_text() == "new" and (folder / "a.csv").is_symlink()
    assert everything(tmp_path) == {"disk", "disk/a.csv", "out", "out/a.csv", "out/b"}


def test_a_folder_appears_only_when_it_is_complete(tmp_path):
    target = tmp_path / "deep" / "out"
    with atomic_folder(target) as stage:
        (stage / "pictures").mkdir()
        (stage / "pictures" / "axial.png").write_text("picture")
        (stage / "report.html").write_text("report")
        assert not target.exists()
    assert everything(target) == {"pictures", "pictures/axial.png", "report.html"}
    assert everything(tmp_path) == {"deep", "deep/out"} | {f"deep/out/{name}" for name in everything(target)}


def test_other_files_of_an_existing_folder_stay_and_same_names_are_replaced(tmp_path):
    (tmp_path / "pictures").mkdir()
    (tmp_path / "pictures" / "axial.png").write_text("old")
    (tmp_path / "mine.txt").write_text("mine")
    with atomic_folder(tmp_path) as stage:
        (stage / "pictures").mkdir()
        (stage / "pictures" / "axial.png").write_text("new")
        (stage / "report.html").write_text("report")
    assert (tmp_path / "pictures" / "axial.png").read_text() == "new"
    assert (tmp_path / "mine.txt").read_text() == "mine"
    assert everything(tmp_path) == {"mine.txt", "pictures", "pictures/axial.png", "report.html"}


@pytest.mark.parametrize("error", [RuntimeError("broken"), Cancelled("Cancelled."), KeyboardInterrupt()])
@pytest.mark.parametrize("exists", [True, False])
def test_an_error_leaves_nothing_of_a_folder(tmp_path, error, exists):
    target = tmp_path / "deep" / "out"
    if exists:
        target.mkdir(parents=True)
    before = everything(tmp_path)
    with pytest.raises(type(error)), atomic_folder(target) as stage:
        (stage / "report.html").write_text("half")
        raise error
    assert everything(tmp_path) == before


def test_old_results_come_back_when_replacing_fails_midway(tmp_path, monkeypatch):
    for name in ("a.csv", "b.csv"):
        (tmp_path / name).write_text("old")
    real, calls = os.replace, []

    def fail_late(source, target):
        calls.append(target)
        if len(calls) == 4:  # a.csv is already replaced, b.csv is set aside
            monkeypatch.setattr(os, "replace", real)
            disk_full()
        real(source, target)

    with pytest.raises(UnusableInput, match="disk is full"), atomic_folder(tmp_path) as stage:
        for name in ("a.csv", "b.csv", "new/c.csv"):
            (stage / name).parent.mkdir(exist_ok=True)
            (stage / name).write_text("new")
        monkeypatch.setattr(os, "replace", fail_late)
    assert len(calls) == 4
    assert everything(tmp_path) == {"a.csv", "b.csv"}
    assert (tmp_path / "a.csv").read_text() == (tmp_path / "b.csv").read_text() == "old"


def test_a_full_disk_is_one_sentence_and_leaves_nothing(tmp_path):
    for manager in (atomic_file, atomic_folder):
        with pytest.raises(UnusableInput) as caught, manager(tmp_path / "deep" / "out"):
            disk_full()
        assert str(caught.value) == f"The disk is full: '{tmp_path / 'deep' / 'out'}' could not be written."
        assert everything(tmp_path) == set()


def test_a_file_of_an_unfinished_folder_is_named_without_its_temporary_place(tmp_path):
    with (
        pytest.raises(UnusableInput, match="^The disk is full: 'report.html' could not be written.$"),
        atomic_folder(tmp_path / "out") as stage,
        atomic_file(stage / "report.html"),
    ):
        disk_full()
    assert everything(tmp_path) == set()


@pytest.mark.parametrize("manager", [atomic_file, atomic_folder])
def test_an_output_below_a_file_is_refused_before_the_work_begins(tmp_path, manager):
    (tmp_path / "file").write_text("in the way")
    began = []
    with pytest.raises(UnusableInput, match="cannot be written"), manager(tmp_path / "file" / "out"):
        began.append(True)
    assert not began
    assert everything(tmp_path) == {"file"}


def test_a_place_can_be_tried_before_the_work_without_leaving_a_trace(tmp_path):
    refuse_unwritable(tmp_path)
    refuse_unwritable(tmp_path / "deep" / "out")
    assert everything(tmp_path) == set()
    (tmp_path / "file").write_text("in the way")
    for target in (tmp_path / "file", tmp_path / "file" / "out"):
        with pytest.raises(UnusableInput, match="cannot be written"):
            refuse_unwritable(target)


def test_an_output_folder_that_is_a_file_is_refused(tmp_path):
    (tmp_path / "out").write_text("mine")
    with pytest.raises(UnusableInput, match="a file of that name"), atomic_folder(tmp_path / "out"):
        pass
    assert (tmp_path / "out").read_text() == "mine"


def test_an_output_file_that_is_a_folder_is_refused(tmp_path):
    with pytest.raises(UnusableInput, match="a folder of that name"), atomic_file(tmp_path):
        pass


@pytest.mark.parametrize(
    ("code", "reason"),
    [(errno.EACCES, "not permitted"), (errno.EROFS, "read-only disk"), (errno.ENOSPC, "disk is full")],
)
def test_an_unwritable_place_is_one_sentence(tmp_path, monkeypatch, code, reason):
    monkeypatch.setattr(Path, "mkdir", refuse(code))
    monkeypatch.setattr(Path, "touch", refuse(code))
    for manager in (atomic_file, atomic_folder):
        with pytest.raises(UnusableInput, match=reason) as caught, manager(tmp_path / "out"):
            pass
        assert str(caught.value).endswith(".")
    assert everything(tmp_path) == set()


@pytest.fixture
def unprivileged_folder():
    """A folder that may be read but not written; the superuser, who may write anywhere, is nobody for so long."""
    with tempfile.TemporaryDirectory() as outer:
        os.chmod(outer, 0o755)
        locked = Path(outer) / "locked"
        locked.mkdir(mode=0o555)
        user = os.geteuid()
        if user == 0:
            os.seteuid(NOBODY)
        try:
            yield locked
        finally:
            os.seteuid(user)


def test_a_folder_without_write_permission_is_refused(unprivileged_folder):
    for target in (unprivileged_folder, unprivileged_folder / "out"):
        with pytest.raises(UnusableInput, match="not permitted"), atomic_folder(target):
            pass


def test_errors_of_the_work_itself_are_not_called_writing_errors(tmp_path):
    with pytest.raises(FileNotFoundError), atomic_folder(tmp_path / "out"):
        (tmp_path / "model.bin").read_bytes()
