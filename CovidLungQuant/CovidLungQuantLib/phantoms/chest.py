"""A procedural chest CT in HU with pneumonia of known volume: the bundled sample, and the truth that tests know.

The patient is a set of functions of millimeters drawn from a seed (phantom_anatomy, phantom_lesions); this file samples
them on a grid and imitates a scanner: point spread, reconstruction kernel, noise. It never stands in for real data in
a figure of accuracy.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from LesionKitLib.imaging.volume import LPS_IN_RAS, Volume, affine

from .anatomy import Anatomy, Grid, Tube, at, smoothstep
from .lesions import KINDS, VALUES, Lesion, owned, place, plan, true_volume

AIR_HU = -1000.0
SLAB_VOXELS = 1_500_000  # painted at a time, to bound the memory


@dataclass(frozen=True)
class PhantomLesion:
    """key: ggo, consolidation or effusion; ml: volume of what is labeled; center_ras: its centroid, mm."""

    key: str
    ml: float
    center_ras: tuple[float, float, float]


@dataclass(frozen=True)
class Phantom:
    """volume: int16 HU. lungs (1 right, 2 left) and lesions (1 GGO, 2 consolidation, 3 effusion): uint8 on its grid.

    truth_ml (lung_ml, ggo_ml, consolidation_ml, effusion_ml) and lesion_list (fluid first, then consolidations, then
    ground glass) are of the whole patient, measured on a fixed fine lattice and so the same on every grid.
    """

    volume: Volume
    lungs: np.ndarray
    lesions: np.ndarray
    lesion_list: tuple[PhantomLesion, ...]
    truth_ml: dict[str, float]


def make_phantom(
    seed: int = 0,
    spacing=(0.8, 0.8, 2.5),
    directions: np.ndarray = LPS_IN_RAS,
    lesions: tuple[str, ...] | None = None,
    noise_hu: float | None = None,
    field_mm: tuple[float, float, float] | None = None,
) -> Phantom:
    """The patient of this seed on a grid of this spacing (mm along i, j, k) and these directions (RAS columns).

    lesions: wanted kinds, such as ("ggo", "effusion"); () is a healthy chest, None 2 to 8 at random.
    noise_hu: standard deviation at soft tissue, None 10 to 40 at random. field_mm: extent along i, j, k around the
    middle of the chest, None for all of it with a margin. The same seed is the same patient on every grid; only the
    noise is per voxel. Raises ValueError for unknown lesion kinds, more than two effusions, or more lesions than fit.
    """
    for_anatomy, for_lesions, for_scanner = (np.random.default_rng(s) for s in np.random.SeedSequence(seed).spawn(3))
    anatomy = Anatomy(for_anatomy)
    kinds = plan(lesions, for_lesions)
    placed = place(anatomy, kinds, for_lesions)
    offset = for_scanner.uniform((-15, -15, -400), (15, 15, 400))  # where the patient lies in the scanner
    shape, matrix = _frame(anatomy, spacing, directions, field_mm, offset)
    grid = Grid(shape, matrix, offset)
    hu, lungs, owner = _paint(anatomy, placed, grid)
    labels = np.array([0, *(VALUES[lesion.key] for lesion in placed)], np.uint8)[owner]
    _paint_trees(hu, anatomy, placed, grid, lungs, owner)
    _scan(hu, grid, anatomy, for_scanner, noise_hu)
    volume = Volume(np.clip(np.rint(hu), -1024, 3071).astype(np.int16), matrix, f"chest phantom {seed}")
    found, truth = _truth(anatomy, placed, offset)
    return Phantom(volume, lungs, labels, found, truth)


def _frame(anatomy: Anatomy, spacing, directions, field_mm, offset):
    """Shape (k, j, i) and ijk_to_ras of a grid around the middle of the chest."""
    low, high = anatomy.body_box()
    directions, spacing = np.asarray(directions, float), np.asarray(spacing, float)
    extent = np.abs(directions.T) @ (high - low) if field_mm is None else np.asarray(field_mm, float)
    middle = (low + high) / 2 if field_mm is None else np.zeros(3)
    size = np.maximum(np.rint(extent / spacing).astype(int), 1)
    corner = middle + offset - directions @ (spacing * (size - 1) / 2)
    return tuple(size[::-1]), affine(spacing, directions, corner)


def _truth(anatomy: Anatomy, placed: list[Lesion], offset):
    found = []
    truth = {"lung_ml": anatomy.lung_ml()} | {f"{key}_ml": 0.0 for key in KINDS}
    for n, lesion in enumerate(placed):
        ml, center = true_volume(anatomy, placed, n)
        found.append(PhantomLesion(lesion.key, ml, tuple(float(v) for v in center + offset)))
        truth[f"{lesion.key}_ml"] += ml
    return tuple(found), truth


# painting tissue ---------------------------------------------------------------------------------------------------


def _paint(anatomy: Anatomy, placed: list[Lesion], grid: Grid):
    """HU (float32, sharp), lung label map, and for every voxel the number of the lesion that owns it (0 none)."""
    hu = np.full(grid.shape, AIR_HU, np.float32)
    lungs = np.zeros(grid.shape, np.uint8)
    owner = np.zeros(grid.shape, np.uint8)
    thick = max(1, SLAB_VOXELS // (grid.shape[1] * grid.shape[2]))
    for first in range(0, grid.shape[0], thick):
        slab = (slice(first, min(first + thick, grid.shape[0])), slice(0, grid.shape[1]), slice(0, grid.shape[2]))
        _paint_body(hu[slab], anatomy, *grid.coordinates(slab))
        box = grid.box(anatomy.low, anatomy.high, slab)
        if box is None:
            continue
        x, y, z = grid.coordinates(box)
        field = anatomy.lungs(x, y, z)
        inside = field < 0
        lungs[box] = np.where(inside, np.where(x > 0, 1, 2), 0)
        _paint_mediastinum(hu[box], anatomy, ~inside, x, y, z)
        _paint_lungs(hu[box], anatomy, inside, x, y, z)
        for n, lesion in enumerate(placed):
            part = grid.box(lesion.low, lesion.high, slab)
            if part is not None:
                here = grid.coordinates(part)
                mask = owned(anatomy, placed, n, *here) & (lungs[part] > 0)
                owner[part][mask] = n + 1
                hu[part][mask] = lesion.density(anatomy, *at(mask, *here))
    return hu, lungs, owner


def _paint_body(hu, anatomy: Anatomy, x, y, z) -> None:
    """Table, fat, muscle, abdomen, bones of the wall; everything but the lungs and what lies between them."""
    _paint_table(hu, anatomy, x, y)
    skin = anatomy.body(x, y, z)
    wall = anatomy.outline(x, y, z)
    body = skin < 0
    np.copyto(hu, np.float32(anatomy.fat_hu), where=body)
    np.copyto(hu, np.float32(20), where=body & (skin > -2))
    shoulders = anatomy.muscle + 14 * smoothstep(anatomy.fraction(z), 0.7, 1.0).astype(np.float32)
    behind = np.sqrt((x / 55) ** 2 + ((y + anatomy.depth + 18) / (anatomy.back - 14)) ** 2) < 1
    muscle = ((wall < shoulders) | behind) & (skin < -min(anatomy.fat, 6))
    mx, my, mz, depth = at(muscle, x, y, z, wall)
    streaks = anatomy.coarse(mx * 0.6, my * 0.6, mz * 0.6)  # fat between the muscles
    tissue = np.where((streaks > 0.45) & (depth > 3), anatomy.fat_hu + 20, anatomy.muscle_hu + 12 * streaks)
    hu[muscle] = tissue
    cavity = wall < 0
    hu[cavity] = anatomy.fat_hu + 10
    _paint_abdomen(hu, anatomy, cavity & (z < anatomy.diaphragm(x, y) + 1), x, y, z)
    _paint_ribs(hu, anatomy, wall, x, y, z)
    _paint_spine(hu, anatomy, x, y, z)


def _paint_table(hu, anatomy: Anatomy, x, y) -> None:
    top = -(anatomy.depth + anatomy.back + anatomy.fat) - anatomy.table_gap + anatomy.table_curve * x**2 - 2
    below = top - y
    foam = (below > 0) & (below < 40) & (np.abs(x) < 215)
    np.copyto(hu, np.float32(-930), where=np.broadcast_to(foam, hu.shape))
    np.copyto(hu, np.float32(-250), where=np.broadcast_to(foam & ((below < 2) | (below > 38)), hu.shape))


def _paint_abdomen(hu, anatomy: Anatomy, below, x, y, z) -> None:
    """Under the diaphragm: liver at the right, stomach and spleen at the left, fat between."""
    ax, ay, az = at(below, x, y, z)
    depth = anatomy.diaphragm(ax, ay) - az
    value = np.full(ax.shape, anatomy.fat_hu + 10, np.float32)
    width, deep = np.float32(anatomy.width), np.float32(anatomy.depth)

    def oval(cx, cy, rx, ry):
        return np.sqrt(((ax / width - cx) / rx) ** 2 + ((ay / deep - cy) / ry) ** 2)

    liver = oval(0.42, 0.1, 0.8, 1.05) < 1
    value[liver] = anatomy.liver_hu + 6 * anatomy.coarse(ax[liver], ay[liver], az[liver])
    stomach = oval(-0.45, 0.28, 0.4, 0.52) - depth / 300
    gas = anatomy.stomach_gas & (ay > 0.35 * deep)
    value[stomach < 1] = 45
    value[stomach < 0.9] = np.where(gas, -950, 20)[stomach < 0.9]
    value[(oval(-0.72, -0.42, 0.27, 0.42) < 1) & (depth > 3)] = anatomy.spleen_hu
    value[depth < 3] = anatomy.muscle_hu
    hu[below] = value


def _paint_ribs(hu, anatomy: Anatomy, wall, x, y, z) -> None:
    """Oval bars on the rib cage that fall from the spine forwards, cartilage in front; the sternum."""
    shell = (wall > 1.5) & (wall < 12.5) & (anatomy.fraction(z) < 1.0) & (anatomy.fraction(z) > -0.2)
    off, rx, ry, rz = at(shell, wall, x, y, z)
    fall = anatomy.rib_slope * (ry + anatomy.depth) + 0.0012 * (ry + 0.3 * anatomy.depth) ** 2
    phase = (rz + fall) / anatomy.rib_pitch + anatomy.rib_phase
    along = (phase - np.floor(phase) - 0.5) * anatomy.rib_pitch
    rib = np.sqrt((along / 6.5) ** 2 + ((off - 7) / 4.2) ** 2)
    bone = np.where(rib < 0.62, anatomy.bone_hu, anatomy.cortex_hu)
    cartilage = ry > 0.62 * anatomy.depth
    bone = np.where(cartilage, 95, bone)
    hu[shell] = np.where((rib < 1) & (np.abs(rx) > 18), bone, hu[shell])
    sternum = np.sqrt((rx / 19) ** 2 + ((off - 7) / 5.5) ** 2)
    plate = (sternum < 1) & (ry > 0) & (rz > anatomy.z(0.3)) & (rz < anatomy.z(0.88))
    hu[shell] = np.where(plate, np.where(sternum < 0.75, anatomy.bone_hu - 60, anatomy.cortex_hu * 0.6), hu[shell])


def _paint_spine(hu, anatomy: Anatomy, x, y, z) -> None:
    """Vertebral bodies and discs, canal, arch, spinous and transverse processes, heads of the ribs."""
    center, (wide, deep) = anatomy.spine_center(z), anatomy.vertebra
    level = z / np.float32(anatomy.vertebra_pitch)
    along = (level - np.floor(level)) * np.float32(anatomy.vertebra_pitch)
    disc = along < anatomy.disc
    body = np.sqrt((x / wide) ** 2 + ((y - center) / deep) ** 2)
    back = center - deep - 8
    canal = np.sqrt((x / 10) ** 2 + ((y - back) / 9) ** 2)
    spinous = (np.abs(x) < 4) & (y < back - 8) & (y > back - 40) & (np.abs(along - 10) < 7)
    transverse = (np.abs(x) < 34) & (np.abs(y - back + 3 + 0.25 * np.abs(x)) < 5) & (np.abs(along - 14) < 6)
    shape = np.broadcast_shapes(body.shape, disc.shape, hu.shape)
    for mask, value in (
        (spinous | transverse, anatomy.bone_hu + 80),
        ((canal < 1.5) & ~disc, anatomy.cortex_hu * 0.8),
        (body < 1, np.where(disc, 85, np.where(body < 0.86, anatomy.bone_hu, anatomy.cortex_hu * 0.75))),
        (canal < 1, 25),
    ):
        np.copyto(hu, np.broadcast_to(np.asarray(value, np.float32), shape), where=np.broadcast_to(mask, shape))


def _paint_mediastinum(hu, anatomy: Anatomy, outside, x, y, z) -> None:
    """Heart with its fat and chambers, and soft tissue with fat between the lungs; bone stays."""
    inside = outside & (anatomy.cavity(x, y, z) < 6) & (z > anatomy.diaphragm(x, y) + 1) & (hu < 90)
    inside &= anatomy.outline(x, y, z) < 0
    mx, my, mz = at(inside, x, y, z)
    heart = anatomy.heart_field(mx, my, mz)
    patches = anatomy.coarse(mx * 0.8, my * 0.8, mz * 0.8)
    value = np.where(patches > 0.05, anatomy.fat_hu + 12, 35 + 10 * patches)
    value = np.where(heart < 4, anatomy.fat_hu + 15, value)
    value = np.where(heart < 0, anatomy.myocardium_hu, value)
    for dx, dy, dz, r in ((14, -8, 6, 21), (-12, 12, -4, 20), (-14, -16, 4, 17), (16, 12, 10, 19)):  # chambers
        chamber = (mx - anatomy.heart[0] - dx) ** 2 + (my - anatomy.heart[1] - dy) ** 2
        chamber = chamber + ((mz - anatomy.heart[2] - dz) * 0.75) ** 2
        value = np.where(chamber < r * r, anatomy.blood_hu, value)
    hu[inside] = value


def _paint_lungs(hu, anatomy: Anatomy, inside, x, y, z) -> None:
    """Parenchyma: denser towards the back and next to the lowest pleura, with texture, holes and fissures."""
    px, py, pz, wall = at(inside, x, y, z, anatomy.cavity(x, y, z))
    back = -py / np.float32(anatomy.depth)
    value = anatomy.lung_hu + anatomy.gravity * back
    value += anatomy.dependent * np.exp(np.minimum(wall, 0) / 6) * np.clip(back, 0, 1) ** 2
    value += anatomy.coarse_hu * anatomy.coarse.within(inside, x, y, z)
    value += anatomy.fine_hu * anatomy.fine.within(inside, x, y, z)
    if anatomy.emphysema:
        holes = anatomy.wobble.within(inside, x * 3, y * 3, z * 3) < -1 + anatomy.emphysema * 1.2
        value[holes] = -955
    slope = np.float32(0.55 * anatomy.height / (2 * anatomy.depth))
    bowl = 0.003 * (np.abs(px) - 60) ** 2 - 10 + anatomy.fissure_tilt * px
    distance = np.abs(pz - np.float32(anatomy.z(0.46)) + slope * py + bowl) / np.sqrt(1 + slope**2)
    value += anatomy.fissure_hu * np.clip(1.2 - distance, 0, 1)
    hu[inside] = np.maximum(value, -985)


# painting tubes ----------------------------------------------------------------------------------------------------


def _paint_trees(hu, anatomy: Anatomy, placed: list[Lesion], grid: Grid, lungs, owner) -> None:
    """Bones and great vessels outside the lungs; vessels and airways inside, which consolidation or fluid may hide."""
    for bone in anatomy.bones:
        _paint_tube(hu, grid, bone, None, lungs)
    for vessel in anatomy.aorta:
        _paint_tube(hu, grid, vessel, None, lungs)
    dry = np.array([True, *(lesion.key != "effusion" for lesion in placed)])
    open_ = np.array([True, *(not lesion.plugged for lesion in placed)])
    for vessel in anatomy.vessels:
        _paint_tube(hu, grid, vessel, dry, lungs, owner)
    for airway in anatomy.airways:
        if airway.start_radius < 5:
            wall = Tube(airway.start, airway.end, 1.3 * airway.start_radius, 1.3 * airway.end_radius, -150.0)
            _paint_tube(hu, grid, wall, open_, lungs, owner)
        _paint_tube(hu, grid, airway, open_, lungs, owner)


def _paint_tube(hu, grid: Grid, tube: Tube, shown, lungs, owner=None) -> None:
    """Mix the tube into the image by the share of each voxel it fills.

    shown: per owner, whether the tube is seen through it; None paints outside the lungs only.
    """
    margin = max(tube.start_radius, tube.end_radius) + float(grid.spacing.max())
    box = grid.box(np.minimum(tube.start, tube.end) - margin, np.maximum(tube.start, tube.end) + margin)
    if box is None:
        return
    x, y, z = grid.coordinates(box)
    way = (tube.end - tube.start).astype(np.float32)
    length = max(float(way @ way), 1e-6)
    dx, dy, dz = (a - np.float32(s) for a, s in zip((x, y, z), tube.start, strict=True))
    at = np.clip((dx * way[0] + dy * way[1] + dz * way[2]) / np.float32(length), 0, 1)
    distance = np.sqrt((dx - at * way[0]) ** 2 + (dy - at * way[1]) ** 2 + (dz - at * way[2]) ** 2)
    radius = tube.start_radius + at * np.float32(tube.end_radius - tube.start_radius)
    half = np.float32(0.5 * np.prod(grid.spacing) ** (1 / 3))
    share = np.clip((radius + half - distance) / (2 * half), 0, 1) * np.minimum(radius / half, 1)
    share *= (lungs[box] == 0) if shown is None else shown[owner[box]]
    hu[box] += share * (np.float32(tube.hu) - hu[box])


# scanning ----------------------------------------------------------------------------------------------------------


def _scan(hu, grid: Grid, anatomy: Anatomy, rng: np.random.Generator, noise_hu: float | None) -> None:
    """Blur by point spread and voxel size, sharpen as a hard kernel does, add correlated noise, in place."""
    from scipy.ndimage import gaussian_filter

    sharpness = rng.uniform(0, 1)
    random_noise = rng.uniform(10, 40)
    noise_hu = random_noise if noise_hu is None else float(noise_hu)
    spread = 0.65 - 0.35 * sharpness  # mm, standard deviation
    spacing = grid.spacing[::-1]  # k, j, i
    sigma = np.sqrt(0.29**2 + (spread / spacing) ** 2)
    gaussian_filter(hu, sigma, output=hu, truncate=3)
    slice_axis = int(np.argmax(np.abs(grid.matrix[2, 2::-1] / spacing)))
    in_plane = np.ones(3)
    in_plane[slice_axis] = 0
    if sharpness > 0.6:
        hu += (sharpness - 0.5) * 1.2 * (hu - gaussian_filter(hu, in_plane * 0.9, truncate=3))
    if noise_hu <= 0:
        return
    noise = rng.standard_normal(hu.shape, dtype=np.float32)
    gaussian_filter(noise, in_plane * (1.0 - 0.6 * sharpness) + 0.25 * (1 - in_plane), output=noise, truncate=3)
    if sharpness > 0.4:  # filtered back-projection has little noise of low frequency
        noise -= 0.7 * gaussian_filter(noise, in_plane * 2.0, truncate=2)
    noise *= np.float32(noise_hu / noise.std())
    _, _, z = grid.coordinates(tuple(slice(0, n) for n in grid.shape))
    noise *= 1 + 0.5 * smoothstep(anatomy.fraction(z), 0.8, 1.0)  # the shoulders absorb more
    hu += noise
