"""Draws the icons of the extension and its modules: python docs/draw_icons.py"""

from __future__ import annotations

from pathlib import Path

from PIL import Image, ImageDraw, ImageFilter

Point = tuple[float, float]
Color = tuple[int, int, int]

ROOT = Path(__file__).resolve().parents[1]
SIZE = 256  # pixels of the finished icons
SCALE = 4  # drawn this much larger, then reduced: smooth edges

NIGHT = (22, 33, 51)
LUNG = (126, 186, 208)
LUNG_EDGE = (222, 240, 247)
GGO = (255, 214, 10)
CONSOLIDATION = (235, 64, 52)
EFFUSION = (52, 120, 246)
WHITE = (250, 252, 255)
CORTEX = (178, 186, 196)
CORE = (120, 132, 148)

# One lung, as fractions of the icon: apex at the top, the heart's notch towards the middle (x grows to the middle).
LUNG_OUTLINE = [
    (0.300, 0.130), (0.365, 0.165), (0.410, 0.260), (0.425, 0.380), (0.415, 0.500),
    (0.440, 0.610), (0.455, 0.720), (0.440, 0.800), (0.350, 0.790), (0.240, 0.830),
    (0.140, 0.890), (0.105, 0.800), (0.110, 0.640), (0.130, 0.480), (0.170, 0.330), (0.230, 0.190),
]  # fmt: skip


def main() -> None:
    lungs = draw_lungs()
    save(lungs, "CovidLungQuant/Resources/Icons/CovidLungQuant.png")
    save(draw_router(), "BodyPartRouter/Resources/Icons/BodyPartRouter.png")
    save(draw_brain(), "StrokeSynth/Resources/Icons/StrokeSynth.png")
    kit = draw_kit()
    save(kit, "LesionKit/Resources/Icons/LesionKit.png")
    save(kit, "LesionKit.png")


def draw_lungs() -> Image.Image:
    """Two lungs with a ground-glass opacity, a consolidation and an effusion in them."""
    image, draw = tile()
    right = smooth(LUNG_OUTLINE)
    left = [(1 - x, y) for x, y in right]
    trachea = [(0.5, 0.08), (0.5, 0.30)]
    stroke(draw, trachea, LUNG_EDGE, 0.05)
    stroke(draw, [(0.5, 0.29), (0.37, 0.42)], LUNG_EDGE, 0.035)
    stroke(draw, [(0.5, 0.29), (0.63, 0.42)], LUNG_EDGE, 0.035)
    for lung in (right, left):
        draw.polygon(points(lung), fill=LUNG)
    inside = Image.new("L", image.size)
    for lung in (right, left):
        ImageDraw.Draw(inside).polygon(points(lung), fill=255)
    lesions = image.copy()
    pen = ImageDraw.Draw(lesions)
    blob(pen, (0.20, 0.56), 0.115, GGO)
    blob(pen, (0.165, 0.60), 0.055, CONSOLIDATION)
    blob(pen, (0.74, 0.36), 0.085, GGO)
    pen.polygon(points([(0.5, 0.72), (0.72, 0.73), (1.0, 0.60), (1.0, 1.0), (0.5, 1.0)]), fill=EFFUSION)
    image.paste(lesions, mask=inside)
    for lung in (right, left):
        stroke(draw, lung + lung[:2], LUNG_EDGE, 0.018)
    return image


def draw_router() -> Image.Image:
    """An X-ray film with a spine and ribs on it, and the ways that lead away from it."""
    image, draw = tile()
    film = [(0.10, 0.16), (0.54, 0.16), (0.54, 0.84), (0.10, 0.84)]
    draw.polygon(points(film), fill=(58, 82, 112))
    stroke(draw, film + film[:2], LUNG_EDGE, 0.018)
    for y in (0.26, 0.36, 0.46, 0.56, 0.66, 0.75):
        stroke(draw, [(0.30, y), (0.34, y)], LUNG_EDGE, 0.062)
    for y in (0.30, 0.41, 0.52, 0.63):
        for side in (-1, 1):
            rib = [(0.32 + side * x, y + dy) for x, dy in ((0.045, 0.0), (0.12, -0.01), (0.165, 0.05))]
            stroke(draw, rib, LUNG, 0.022)
    for y, color in ((0.24, GGO), (0.50, CONSOLIDATION), (0.76, EFFUSION)):
        stroke(draw, [(0.58, 0.50), (0.68, 0.50), (0.72, y), (0.80, y)], color, 0.03)
        draw.polygon(points([(0.79, y - 0.06), (0.91, y), (0.79, y + 0.06)]), fill=color)
    return image


def draw_brain() -> Image.Image:
    """An axial brain whose left half (as drawn) is made of blocks, as a label map, with a stroke in the other."""
    image, draw = tile()
    outline = smooth([(0.5, 0.10), (0.72, 0.16), (0.86, 0.38), (0.85, 0.62), (0.70, 0.85), (0.5, 0.91),
                      (0.30, 0.85), (0.15, 0.62), (0.14, 0.38), (0.28, 0.16)])  # fmt: skip
    core = [(0.5 + 0.70 * (x - 0.5), 0.5 + 0.74 * (y - 0.5)) for x, y in outline]
    ventricles = [(0.485, 0.34), (0.42, 0.40), (0.45, 0.52), (0.40, 0.66), (0.47, 0.60), (0.49, 0.50)]
    draw.polygon(points(outline), fill=CORTEX)
    draw.polygon(points(core), fill=CORE)
    for side in (ventricles, [(1 - x, y) for x, y in ventricles]):
        draw.polygon(points(smooth(side)), fill=NIGHT)
    blob(draw, (0.70, 0.44), 0.10, CONSOLIDATION)
    blob(draw, (0.745, 0.52), 0.07, CONSOLIDATION)
    blocks = image.resize((26, 26), Image.Resampling.NEAREST).resize(image.size, Image.Resampling.NEAREST)
    half = Image.new("L", image.size)
    ImageDraw.Draw(half).rectangle((0, 0, image.width // 2, image.height), fill=255)
    image.paste(blocks, mask=half)
    stroke(ImageDraw.Draw(image), [(0.5, 0.08), (0.5, 0.93)], WHITE, 0.014)
    return image


def draw_kit() -> Image.Image:
    """A lesion with the outline that an expert corrects, and the measure of its width."""
    image, draw = tile()
    outline = smooth(
        [(0.50, 0.17), (0.68, 0.20), (0.80, 0.34), (0.76, 0.52), (0.62, 0.63), (0.44, 0.66), (0.26, 0.57), (0.20, 0.40)]
    )
    glow = Image.new("L", image.size)
    ImageDraw.Draw(glow).polygon(points(outline), fill=235)
    glow = glow.filter(ImageFilter.GaussianBlur(0.035 * image.width))
    image.paste(Image.new("RGB", image.size, CONSOLIDATION), mask=glow)
    stroke(draw, outline + outline[:2], GGO, 0.028)
    for x, y in outline[::12]:
        blob(draw, (x, y), 0.036, NIGHT)
        blob(draw, (x, y), 0.024, WHITE)
    stroke(draw, [(0.20, 0.82), (0.80, 0.82)], WHITE, 0.024)
    for x in (0.20, 0.35, 0.50, 0.65, 0.80):
        stroke(draw, [(x, 0.77 if x in (0.20, 0.80) else 0.79), (x, 0.87 if x in (0.20, 0.80) else 0.85)], WHITE, 0.024)
    return image


def tile() -> tuple[Image.Image, ImageDraw.ImageDraw]:
    """A dark ground to draw on."""
    image = Image.new("RGB", (SIZE * SCALE, SIZE * SCALE), NIGHT)
    return image, ImageDraw.Draw(image)


def points(outline: list[Point]) -> list[Point]:
    """Fractions of the icon to pixels of the large drawing."""
    return [(x * SIZE * SCALE, y * SIZE * SCALE) for x, y in outline]


def smooth(outline: list[Point], steps: int = 12) -> list[Point]:
    """A closed Catmull-Rom curve through the points, ``steps`` points for each piece."""
    curve = []
    for n in range(len(outline)):
        p0, p1, p2, p3 = (outline[(n + m) % len(outline)] for m in (-1, 0, 1, 2))
        for step in range(steps):
            t = step / steps
            curve.append(
                tuple(
                    0.5 * (2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t**2 + (3 * b - a - 3 * c + d) * t**3)
                    for a, b, c, d in zip(p0, p1, p2, p3, strict=True)
                )
            )
    return curve


def blob(draw: ImageDraw.ImageDraw, center: Point, radius: float, color: Color) -> None:
    (x, y), r = points([center])[0], radius * SIZE * SCALE
    draw.ellipse((x - r, y - r, x + r, y + r), fill=color)


def stroke(draw: ImageDraw.ImageDraw, line: list[Point], color: tuple[int, int, int], width: float) -> None:
    draw.line(points(line), fill=color, width=round(width * SIZE * SCALE), joint="curve")
    if line[0] != line[-1]:
        for end in (line[0], line[-1]):
            blob(draw, end, width / 2, color)


def save(image: Image.Image, name: str) -> None:
    """Round the corners, reduce and write."""
    corners = Image.new("L", image.size)
    ImageDraw.Draw(corners).rounded_rectangle((0, 0, *image.size), radius=0.19 * image.width, fill=255)
    image = image.convert("RGBA")
    image.putalpha(corners)
    path = ROOT / name
    path.parent.mkdir(parents=True, exist_ok=True)
    image.resize((SIZE, SIZE), Image.Resampling.LANCZOS).save(path, optimize=True)


if __name__ == "__main__":
    main()
