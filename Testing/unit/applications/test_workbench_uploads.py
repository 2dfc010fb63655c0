"""What a browser sends: names, numbers and sizes are bounded, and archives stay inside their folder."""

from __future__ import annotations

import stat
import zipfile

import pytest
from LesionKitWorkbench.uploads.choosing import path_to_open, path_under
from LesionKitWorkbench.uploads.limits import LONGEST_NAME, Limits, free_place, safe_name
from LesionKitWorkbench.uploads.unpacking import unpack

from LesionKitLib.run.errors import UnusableInput


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ("ct.nii.gz", "ct.nii.gz"), ("../../etc/passwd", "passwd"), ("a\\b\\c.dcm", "c.dcm"), ("..", "file"),
        ("/absolute.nrrd", "absolute.nrrd"), (".hidden", "hidden"), ("Müller CT.dcm", "M_ller_CT.dcm"), ("", "file"),
        ("nul\0byte.nii", "nul_byte.nii"),
    ],
)  # fmt: skip
def test_a_sent_name_is_kept_as_a_plain_file_name(sent, kept):
    assert safe_name(sent) == kept


def test_a_long_name_keeps_its_end_where_the_format_is_told():
    kept = safe_name("x" * 500 + ".nii.gz")
    assert len(kept) <= LONGEST_NAME and kept.endswith(".nii.gz")


def test_two_files_of_one_name_are_both_kept(tmp_path):
    first = free_place(tmp_path, "IM0001")
    first.write_bytes(b"1")
    second = free_place(tmp_path, "other/IM0001")
    assert second != first and second.parent.parent == tmp_path


def archive(path, members):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as opened:
        for name, content in members:
            opened.writestr(name, content)
    return path


def test_members_that_point_outside_land_inside(tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    packed = archive(folder / "a.zip", [("../outside.dcm", b"1"), ("/etc/absolute.dcm", b"2"), ("dir/plain.dcm", b"3")])
    written = unpack(packed, folder, Limits())
    assert sorted(path.name for path in written) == ["absolute.dcm", "outside.dcm", "plain.dcm"]
    assert all(path.is_relative_to(folder) for path in written)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in"]
    assert not packed.exists()


def test_a_link_in_an_archive_is_left_out(tmp_path):
    link = zipfile.ZipInfo("link.dcm")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    packed = archive(tmp_path / "a.zip", [(link, "/etc/hostname"), ("plain.dcm", b"1")])
    assert [path.name for path in unpack(packed, tmp_path, Limits())] == ["plain.dcm"]


@pytest.mark.parametrize("cut", [10, 60])
def test_a_truncated_archive_is_refused_in_one_sentence(tmp_path, cut):
    packed = archive(tmp_path / "a.zip", [("plain.dcm", b"1" * 1000)])
    packed.write_bytes(packed.read_bytes()[:cut])
    with pytest.raises(UnusableInput, match="cannot be unpacked"):
        unpack(packed, tmp_path, Limits())


def test_an_archive_that_unpacks_to_more_than_allowed_is_refused(tmp_path):
    packed = archive(tmp_path / "a.zip", [("zeros", bytes(5_000_000))])
    with pytest.raises(UnusableInput, match="larger than"):
        unpack(packed, tmp_path, Limits(bytes=1_000_000))


def test_an_archive_that_grows_out_of_proportion_is_refused(tmp_path):
    packed = archive(tmp_path / "a.zip", [("zeros", bytes(5_000_000))])
    with pytest.raises(UnusableInput, match="far more than its own size"):
        unpack(packed, tmp_path, Limits(ratio=100))


def test_too_many_files_are_refused(tmp_path):
    packed = archive(tmp_path / "a.zip", [(f"{n}.dcm", b"1") for n in range(5)])
    with pytest.raises(UnusableInput, match="more than 3 files"):
        unpack(packed, tmp_path, Limits(files=3))


def test_an_empty_archive_is_refused(tmp_path):
    with pytest.raises(UnusableInput, match="holds no file"):
        unpack(archive(tmp_path / "a.zip", []), tmp_path, Limits())


def test_of_a_header_and_its_data_the_header_is_opened(tmp_path):
    files = [tmp_path / "ct.raw", tmp_path / "ct.mhd"]
    assert path_to_open(files, tmp_path) == tmp_path / "ct.mhd"
    assert path_to_open([tmp_path / "1.dcm", tmp_path / "2.dcm"], tmp_path) == tmp_path
    with pytest.raises(UnusableInput, match="Nothing was sent"):
        path_to_open([], tmp_path)


def test_a_path_is_opened_only_under_the_folder_that_is_allowed(tmp_path):
    root = tmp_path / "root"
    (root / "study").mkdir(parents=True)
    (tmp_path / "secret").write_text("x")
    (root / "link").symlink_to(tmp_path / "secret")
    assert path_under(root, "study") == (root / "study").resolve()
    for path in ("../secret", "/etc/hostname", "link", "nothing"):
        with pytest.raises(UnusableInput, match="no such file"):
            path_under(root, path)
    with pytest.raises(UnusableInput, match="--root"):
        path_under(None, "study")
