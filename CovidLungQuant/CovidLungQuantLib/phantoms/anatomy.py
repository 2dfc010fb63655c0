"""A random adult chest as implicit functions of millimeters: body wall, bones, mediastinum, diaphragm, lungs, trees.

Coordinates are the patient's RAS (x right, y anterior, z superior) with the origin in the middle of the chest. A
field is a float32 array, negative inside, close to a distance in mm near its surface. The arguments x, y, z are
broadcastable: on a straight grid each varies along one axis only, and most work then stays one- or two-dimensional.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from LesionKitLib.imaging.volume import affine

CLOUD_STEP = 3.0  # mm between the points on which volumes are planned
LATTICE = 64  # nodes per side of a noise lattice, which then repeats


class Noise:
    """A smooth random field in -1..1: trilinear look-up in a periodic lattice whose nodes are ``scale`` mm apart."""

    def __init__(self, rng: np.random.Generator, scale: float):
        self.nodes = rng.uniform(-1, 1, (LATTICE,) * 3).astype(np.float32)
        self.shift = rng.uniform(0, LATTICE, 3).astype(np.float32)
        self.scale = np.float32(scale)

    def __call__(self, x, y, z) -> np.ndarray:
        if x.ndim == 3 and _is_straight(x, y, z):
            return self._on_straight_grid(x, y, z)
        from scipy.ndimage import map_coordinates

        points = np.stack(np.broadcast_arrays(x, y, z)) / self.scale
        points += self.shift.reshape(3, *([1] * (points.ndim - 1)))
        return map_coordinates(self.nodes, points, order=1, mode="grid-wrap", output=np.float32)

    def within(self, mask: np.ndarray, x, y, z) -> np.ndarray:
        """The field where the mask holds, 1-D."""
        if _is_straight(x, y, z):
            return self._on_straight_grid(x, y, z)[mask]
        return self(*at(mask, x, y, z))

    def _on_straight_grid(self, x, y, z) -> np.ndarray:
        """The same by three matrix products, ten times as fast: interpolation along x, then y, then z."""
        values, axes = self.nodes, []
        for n, part in enumerate((x, y, z)):
            values = np.tensordot(values, self._weights(part.ravel(), n), (0, 0))
            axes.append(int(np.argmax(part.shape)) if part.size > 1 else None)
        spare = [n for n in range(3) if n not in axes]
        axes = [spare.pop(0) if n is None else n for n in axes]
        return np.ascontiguousarray(values.transpose(np.argsort(axes)))

    def _weights(self, positions: np.ndarray, n: int) -> np.ndarray:
        place = positions / self.scale + self.shift[n]
        below = np.floor(place)
        weights = np.zeros((LATTICE, len(positions)), np.float32)
        index, columns = below.astype(int) % LATTICE, np.arange(len(positions))
        weights[index, columns] = 1 - (place - below)
        weights[(index + 1) % LATTICE, columns] += place - below
        return weights


def _is_straight(*coordinates) -> bool:
    """Whether each coordinate varies along one array axis at most, and no two along the same."""
    axes = [n for part in coordinates for n in range(3) if part.shape[n] > 1]
    return len(axes) == len(set(axes))


def at(mask: np.ndarray, *arrays) -> list[np.ndarray]:
    """The values of broadcastable arrays where the mask holds, 1-D."""
    return [np.broadcast_to(a, mask.shape)[mask] for a in arrays]


@dataclass(frozen=True)
class Tube:
    """A straight piece of a vessel, airway or bone: two ends (mm), a radius at each, and how it looks (HU)."""

    start: np.ndarray
    end: np.ndarray
    start_radius: float
    end_radius: float
    hu: float


class Grid:
    """Voxel centers in the patient's coordinates. shape is (k, j, i); ijk_to_ras leads to mm; offset is subtracted."""

    def __init__(self, shape, ijk_to_ras: np.ndarray, offset=(0.0, 0.0, 0.0)):
        self.shape = tuple(int(n) for n in shape)
        self.matrix = np.array(ijk_to_ras, float)
        self.matrix[:3, 3] -= offset
        self.inverse = np.linalg.inv(self.matrix)
        self.spacing = np.linalg.norm(self.matrix[:3, :3], axis=0)

    def coordinates(self, box) -> list[np.ndarray]:
        """x, y, z of the voxels in ``box`` (slices for k, j, i), each as small as broadcasting allows."""
        found = []
        for row in self.matrix[:3]:
            total = np.full((1, 1, 1), row[3])
            for axis in range(3):  # i, j, k
                if abs(row[axis]) > 1e-9:
                    part = box[2 - axis]
                    shape = [1, 1, 1]
                    shape[2 - axis] = -1
                    total = total + (row[axis] * np.arange(part.start, part.stop)).reshape(shape)
            found.append(total.astype(np.float32))
        return found

    def box(self, low, high, within=None):
        """Slices (k, j, i) of the voxels that may lie between two corners (mm), or None; ``within`` narrows them."""
        within = within or tuple(slice(0, n) for n in self.shape)
        linear = self.inverse[:3, :3]
        middle = linear @ ((np.asarray(low, float) + high) / 2) + self.inverse[:3, 3]
        reach = np.abs(linear) @ ((np.asarray(high, float) - low) / 2)
        slices = []
        for axis in (2, 1, 0):
            part = within[2 - axis]
            start = max(int(np.floor(middle[axis] - reach[axis])), part.start)
            stop = min(int(np.ceil(middle[axis] + reach[axis])) + 1, part.stop)
            if start >= stop:
                return None
            slices.append(slice(start, stop))
        return tuple(slices)


def lattice_grid(low, high, step: float) -> Grid:
    """A straight RAS grid of cubes of ``step`` mm, whose nodes are the same points whatever the box."""
    first = np.floor(np.asarray(low, float) / step)
    last = np.ceil(np.asarray(high, float) / step)
    size = (last - first).astype(int) + 1
    return Grid(size[::-1], affine((step,) * 3, np.eye(3), (first + 0.5) * step))


def smoothstep(value, low: float, high: float):
    """0 below ``low``, 1 above ``high``, smooth between."""
    u = np.clip((value - low) / (high - low), 0, 1)
    return u * u * (3 - 2 * u)


def smooth_union(a, b, width: float):
    """The union of two fields whose seam is rounded over ``width`` mm."""
    h = np.maximum(width - np.abs(a - b), 0)
    return np.minimum(a, b) - h * h * np.float32(0.25 / width)


def ellipsoid(x, y, z, center, radii, turn: float = 0.0):
    """Field of an ellipsoid, turned about the z axis by ``turn`` radians."""
    dx, dy, dz = x - center[0], y - center[1], z - center[2]
    c, s = np.float32(np.cos(turn)), np.float32(np.sin(turn))
    u, v = (dx * c + dy * s, dy * c - dx * s) if turn else (dx, dy)
    square = (u / radii[0]) ** 2 + (v / radii[1]) ** 2 + (dz / radii[2]) ** 2
    return (np.sqrt(square) - 1) * np.float32(np.mean(radii))


class Anatomy:
    """The sizes, densities and trees of one random patient, and the fields that follow from them."""

    def __init__(self, rng: np.random.Generator):
        u = rng.uniform
        self.height = u(180, 280)  # of the lungs
        self.width = u(120, 160)  # half the width of the thoracic cavity
        self.depth = float(np.clip(self.width * u(0.62, 0.75), 80, 112))  # half its depth
        self.power = u(2.15, 2.6)
        self.shoulder = u(0.32, 0.5)  # fraction of the height where the cavity begins to narrow
        self.dome_power = u(2.2, 3.0)
        self.apex_x = u(42, 54)
        self.apex_y = -u(0.2, 0.38) * self.depth
        self.asymmetry = u(0.0, 0.04)  # the right side is the wider

        self.dome = self.z(u(0.24, 0.32)), self.z(u(0.18, 0.25))  # right, left; tops of the diaphragm
        self.dome_x, self.dome_y = u(0.42, 0.52) * self.width, u(0.2, 0.5) * self.depth

        self.fat = u(5, 32)
        self.muscle = u(14, 26)
        self.back = u(32, 48)
        self.breast = u(0, 45) if rng.random() < 0.5 else 0.0
        self.fat_hu, self.muscle_hu = u(-112, -90), u(42, 62)
        self.bone_hu, self.cortex_hu = u(120, 260), u(380, 800)

        self.vertebra_pitch, self.disc = u(22, 28), u(4, 6)
        self.vertebra = u(17, 22), u(13, 17)
        self.spine_y = -self.depth + u(28, 38)
        self.dent = u(10, 18)  # how far the spine pushes the back wall of the cavity forwards
        self.kyphosis = u(5, 30)
        self.rib_pitch, self.rib_slope, self.rib_phase = u(24, 31), u(0.3, 0.55), u(0, 1)

        size = u(0.85, 1.18) * self.width / 140
        self.heart = np.array([-u(20, 32) * size, u(0.28, 0.5) * self.depth, self.z(u(0.3, 0.38))])
        self.heart_radii = np.array([u(54, 65), u(37, 45), u(44, 56)]) * size
        self.heart_turn = -u(0.35, 0.75)  # the apex points to the left and forward
        self.junction, self.mediastinum = u(2, 9), u(16, 23)
        self.great_vessels = u(24, 33)
        self.aorta_radius = u(11, 16)
        contrast = rng.random() < 0.5
        self.blood_hu = u(90, 180) if contrast else u(35, 50)
        self.myocardium_hu = u(70, 110) if contrast else u(40, 55)
        self.liver_hu = u(80, 120) if contrast else u(40, 65)
        self.spleen_hu = self.liver_hu + u(-12, 12)
        self.stomach_gas = rng.random() < 0.5

        self.lung_hu = u(-880, -810)
        self.gravity = u(10, 45)  # HU between the middle and the back
        self.dependent = u(0, 110) * (rng.random() < 0.6)  # HU added next to the back wall
        self.emphysema = u(0.1, 0.5) if rng.random() < 0.15 else 0.0
        self.fissure_hu, self.fissure_tilt = u(0, 150), u(-0.3, 0.3)
        self.table_gap, self.table_curve = u(0, 8), u(0.0, 0.0012)

        self.wobble = Noise(rng, u(35, 60))
        self.wobble_mm = u(2, 5)
        self.coarse = Noise(rng, u(14, 30))
        self.fine = Noise(rng, u(2.0, 3.2))
        self.coarse_hu, self.fine_hu = u(10, 30), u(15, 45)
        self.hilum = {
            side: np.array([side * u(38, 46), u(-0.15, 0.05) * self.depth, self.z(u(0.46, 0.54))]) for side in (1, -1)
        }
        self.carina = np.array([u(-2, 4), u(-0.2, -0.05) * self.depth, self.z(u(0.58, 0.66))])
        self.low, self.high = self._lung_box()
        self.cloud, self.cloud_field = self._sample_lungs()
        self.vessels, self.airways = self._trees(rng)
        self.airways += self._trachea(u(7, 10))
        self.aorta = self._aorta()
        self.bones = self._shoulder_bones(u(0.9, 1.1))

    # sizes ---------------------------------------------------------------------------------------------------------

    def z(self, fraction: float) -> float:
        """Height in mm of a fraction (0 the lungs' lowest point, 1 their apex)."""
        return (fraction - 0.5) * self.height

    def fraction(self, z):
        """The fraction of the lungs' height at z."""
        return z / np.float32(self.height) + np.float32(0.5)

    def body_box(self) -> tuple[np.ndarray, np.ndarray]:
        """Two corners (mm) of a box that holds the chest with a margin."""
        side = self.width + self.muscle + self.fat + 20
        front = self.depth + self.muscle + self.fat + max(15, 0.8 * self.breast)
        back = self.depth + self.back + self.fat + 30
        return np.array([-side, -back, self.z(0) - 25]), np.array([side, front, self.z(1) + 25])

    def _lung_box(self):
        reach = np.array([self.width * 1.05, self.depth, self.height / 2]) + self.wobble_mm + 3
        return -reach, reach

    # thorax --------------------------------------------------------------------------------------------------------

    def _profile(self, z):
        """Half-widths and center of one lung's side of the cavity at height z: cx, width, cy, depth."""
        t = self.fraction(z)
        u = np.clip((t - self.shoulder) / (1 - self.shoulder), 0, 1)
        dome = np.sqrt(np.maximum(1 - u**self.dome_power, 1e-4))
        low = 1 - 0.07 * np.clip((self.shoulder - t) / self.shoulder, 0, 1.2) ** 2
        cx = self.apex_x * smoothstep(t, 0.45, 1.0)
        width = np.maximum((self.width - cx) * dome * low, 1.5)
        cy = self.apex_y * smoothstep(t, 0.3, 1.1)
        depth = np.maximum(self.depth * np.sqrt(dome) * dome**0.2 * low, 1.5)
        return [v.astype(np.float32) for v in (cx, width, cy, depth)]

    def _superellipse(self, x, y, width, depth):
        """Field of an oval cross-section around (0, 0)."""
        power = np.float32(self.power)
        r = np.abs(x / width) ** power + np.abs(y / depth) ** power
        return np.clip((r - 1) * np.minimum(width, depth) / power, -80, 80)

    def cavity(self, x, y, z):
        """Inside of the rib cage, each side rounded towards its own apex."""
        cx, width, cy, depth = self._profile(z)
        width = width * (1 + np.float32(self.asymmetry) * np.sign(x))
        return self._superellipse(np.abs(x) - cx, self._past_spine(x, y) - cy, width, depth)

    def outline(self, x, y, z):
        """The rib cage as one oval, that goes on above the apex; its surface is where the pleura is."""
        cx, width, cy, depth = self._profile(z)
        width, depth = np.maximum(cx + width, 60), np.maximum(depth, 0.5 * self.depth)
        return self._superellipse(x, self._past_spine(x, y) - cy, width, depth)

    def _past_spine(self, x, y):
        """y as if the spine did not push the back wall forwards."""
        near = np.exp(-((x / 38) ** 2)) * (1 - smoothstep(y, -0.8 * self.depth, 0.1 * self.depth))
        return (y - self.dent * near).astype(np.float32)

    def body(self, x, y, z):
        """Skin."""
        t = self.fraction(z)
        wide = self.width + self.muscle + self.fat + 18 * smoothstep(t, 0.65, 1.0)
        front = self.depth + self.muscle + self.fat - 18 * smoothstep(t, 0.75, 1.1)
        back = self.depth + self.back + self.fat
        middle, deep = (front - back) / 2, (front + back) / 2
        skin = self._superellipse(x, y - middle.astype(np.float32), wide.astype(np.float32), deep.astype(np.float32))
        if self.breast:
            center = (0.5 * self.width, self.depth * 0.8 + self.fat, self.z(0.35))
            radii = (0.38 * self.width, self.muscle + self.breast, 0.3 * self.height)
            skin = smooth_union(skin, ellipsoid(np.abs(x), y, z, center, radii), 15)
        return skin

    def spine_center(self, z):
        """y of the middle of the vertebral bodies at height z."""
        t = self.fraction(z)
        return (self.spine_y + self.kyphosis * (t - 0.45) ** 2).astype(np.float32)

    # mediastinum, diaphragm, lungs ---------------------------------------------------------------------------------

    def heart_field(self, x, y, z):
        return ellipsoid(x, y, z, self.heart, self.heart_radii, self.heart_turn)

    def mediastinum_field(self, x, y, z):
        """What lies between the lungs: septum, spine, heart, great vessels, aortic arch, hila."""
        t = self.fraction(z)
        middle = self.mediastinum + (self.great_vessels - self.mediastinum) * smoothstep(t, 0.5, 0.75)
        half = self.junction + (middle - self.junction) * (1 - smoothstep(y, 0.15 * self.depth, 0.75 * self.depth))
        field = np.abs(x) - half.astype(np.float32)
        spine = np.sqrt((x / (self.vertebra[0] + 8)) ** 2 + ((y - self.spine_center(z)) / (self.vertebra[1] + 9)) ** 2)
        field = smooth_union(field, (spine - 1) * np.float32(25), 12)
        field = smooth_union(field, self.heart_field(x, y, z), 14)
        knob = (-20.0, -0.12 * self.depth, self.z(0.7))
        field = smooth_union(field, ellipsoid(x, y, z, knob, (22, 34, 18)), 10)
        descending = np.sqrt((x + 24) ** 2 + (y - self.spine_center(z) - self.vertebra[1] - 4) ** 2)
        descending = descending - np.float32(self.aorta_radius + 2) + np.maximum(z - np.float32(self.z(0.7)), 0)
        field = smooth_union(field, descending, 8)
        for side, center in self.hilum.items():
            field = smooth_union(field, ellipsoid(x, y, z, center - [side * 8, 0, 0], (20, 17, 27)), 16)
        return field

    def diaphragm(self, x, y):
        """z of the diaphragm: a dome under each lung, deepest behind and at the sides."""
        right, left = self.dome
        top = np.where(x > 0, np.float32(right), np.float32(left))
        radii = 1.15 * (self.width - self.dome_x), 1.1 * self.depth
        drop = (top - self.z(0)) / np.float32(((self.depth + self.dome_y) / radii[1]) ** 2)
        q = ((np.abs(x) - self.dome_x) / radii[0]) ** 2 + ((y - self.dome_y) / radii[1]) ** 2
        return (top - drop * np.minimum(q, 2.5)).astype(np.float32)

    def lungs(self, x, y, z):
        """Both lungs with all that they contain; the right one has x > 0."""
        field = np.maximum(self.cavity(x, y, z), (self.diaphragm(x, y) - z) * np.float32(0.75))
        field = np.maximum(field, -self.mediastinum_field(x, y, z))
        field = field + np.float32(self.wobble_mm) * self.wobble(x, y, z)
        return np.maximum(field, 1.5 - np.abs(x))  # the lungs never meet in the middle

    def _sample_lungs(self):
        """Lattice points inside the lungs (n x 3, mm) and the field there."""
        grid = lattice_grid(self.low, self.high, CLOUD_STEP)
        x, y, z = grid.coordinates(tuple(slice(0, n) for n in grid.shape))
        field = self.lungs(x, y, z)
        inside = field < 0
        points = np.stack(at(inside, x, y, z), axis=1)
        return points, field[inside]

    def lung_ml(self) -> float:
        """Volume of both lungs: the points of the 3 mm lattice are so many that it is exact to about 0.1 %."""
        return len(self.cloud) * CLOUD_STEP**3 / 1000

    # trees ---------------------------------------------------------------------------------------------------------

    def _trees(self, rng):
        vessels, airways = [], []
        for side in (1, -1):
            points = self.cloud[(self.cloud[:, 0] * side > 0) & (self.cloud_field < -2)]
            for kind in range(2):  # arteries, which the bronchi follow, and veins
                root = self.hilum[side] + [0, 6 * (1 - 2 * kind), -8 * kind]
                ends = points[rng.choice(len(points), rng.integers(350, 520))]
                tree = _grow(root, ends, rng, self.blood_hu)
                vessels += tree
                if kind == 0:
                    airways += [
                        Tube(v.start + 1.9 * v.start_radius, v.end + 1.9 * v.end_radius, 0.85 * v.start_radius,
                             0.85 * v.end_radius, -950.0)
                        for v in tree if v.end_radius > 1.15
                    ]  # fmt: skip
        return vessels, airways

    def _trachea(self, radius: float) -> list[Tube]:
        top = np.array([0, self.carina[1] - 8, self.z(1) + 40])
        tubes = [Tube(top, self.carina, radius, radius, -995.0)]
        for side, factor in ((1, 0.8), (-1, 0.7)):
            tubes.append(Tube(self.carina, self.hilum[side], factor * radius, 0.55 * radius, -990.0))
        return tubes

    def _aorta(self) -> list[Tube]:
        """Ascending aorta, arch, descending aorta, and the pulmonary trunk's two branches."""
        r = self.aorta_radius
        back = float(self.spine_center(np.float32(0))) + self.vertebra[1] + 4
        way = [
            self.heart + [18, 4, 20],
            np.array([14, 0.25 * self.depth, self.z(0.6)]),
            np.array([6, 0.15 * self.depth, self.z(0.7)]),
            np.array([-14, -0.15 * self.depth, self.z(0.72)]),
            np.array([-24, back, self.z(0.64)]),
            np.array([-22, back, self.z(0) - 40]),
        ]
        tubes = [Tube(a, b, r, r, self.blood_hu) for a, b in zip(way, way[1:], strict=False)]
        trunk = np.array([-16, 0.22 * self.depth, self.z(0.53)])
        tubes.append(Tube(self.heart + [-5, 5, 10], trunk, r, r, self.blood_hu))
        for hilum in self.hilum.values():
            tubes.append(Tube(trunk - [0, 15, 0], hilum, 0.8 * r, 0.55 * r, self.blood_hu))
        cava = np.array([20, 0.12 * self.depth, self.z(0.5)])
        tubes.append(Tube(cava, np.array([18, 0.05 * self.depth, self.z(1) + 30]), 9, 8, self.blood_hu))
        for x in (-14, -4, 12):  # branches of the arch
            base = np.array([x, 0.0, self.z(0.72)])
            tubes.append(Tube(base, np.array([2.2 * x, -0.1 * self.depth, self.z(1) + 40]), 5, 4, self.blood_hu))
        return tubes

    def _shoulder_bones(self, size: float) -> list[Tube]:
        tubes = []
        for side in (1, -1):
            inner = np.array([side * 14, 0.55 * self.depth, self.z(0.9)])
            outer = np.array([side * (0.95 * self.width), 0.0, self.z(1.05)])
            tubes.append(Tube(inner, outer, 6 * size, 6 * size, self.cortex_hu * 0.8))
            head = np.array([side * (self.width + 6), -0.1 * self.depth, self.z(1.02)])
            tubes.append(Tube(head, head + [side * 8, 0, 60], 20 * size, 14 * size, self.bone_hu))
            tip = np.array([side * 0.72 * self.width, -self.depth - 14, self.z(0.55)])
            for start in ((0.55, -self.depth + 2, 0.92), (0.92, -self.depth + 14, 0.95), (0.82, -self.depth + 4, 0.93)):
                corner = np.array([side * start[0] * self.width, start[1], self.z(start[2])])
                tubes.append(Tube(corner, tip, 3.5 * size, 4 * size, self.cortex_hu * 0.7))
        return tubes


def _grow(root: np.ndarray, ends: np.ndarray, rng: np.random.Generator, hu: float) -> list[Tube]:
    """A tree from the root to every end: each joins the node with the shortest way home; radii by Murray's law."""
    ends = ends[np.argsort(np.linalg.norm(ends - root, axis=1))]
    nodes, parent, way = [root], [-1], [0.0]
    for end in ends:
        known = np.array(nodes)
        step = np.linalg.norm(known - end, axis=1)
        best = int(np.argmin(step + 0.55 * np.array(way)))
        bend = (known[best] + end) / 2 + rng.normal(0, 0.07, 3) * step[best]
        for point, length in ((bend, step[best] / 2), (end, step[best])):
            nodes.append(point)
            parent.append(best if point is bend else len(nodes) - 2)
            way.append(way[best] + length)
    load = np.ones(len(nodes))
    for n in range(len(nodes) - 1, 0, -1):
        load[parent[n]] += load[n]
    radius = np.minimum(0.62 * (load / 2) ** (1 / 2.5), 6.5)
    return [
        Tube(nodes[parent[n]], nodes[n], min(radius[parent[n]], 1.4 * radius[n]), radius[n], hu)
        for n in range(1, len(nodes))
    ]
