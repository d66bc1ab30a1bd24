"""From phone times to the presenter's face, frame by frame: visemes, closures, blinks, head.

Everything is a weight of one of the mesh's 52 facial actions, so a take's motion file is exact
ground truth: what drives the mesh is what is written down.
"""

from dataclasses import dataclass, field

import numpy as np

RATE = 25
STEPS_PER_SECOND = 1000
VISEME_WINDOW = 0.13
CLOSURE_WINDOW = 0.07
SHORTEST_CLOSURE = 0.09
UNSTRESSED = 0.8

Weights = dict[str, float]

REST: Weights = {}
CLOSED: Weights = {"jawOpen": 0.03}
LABIODENTAL: Weights = {"jawOpen": 0.06}
DENTAL: Weights = {"jawOpen": 0.13, "mouthLowerDown": 0.15, "tongueOut": 0.12}
ALVEOLAR: Weights = {"jawOpen": 0.12, "mouthLowerDown": 0.18, "mouthStretch": 0.08}
VELAR: Weights = {"jawOpen": 0.14, "mouthLowerDown": 0.1}
POSTALVEOLAR: Weights = {"jawOpen": 0.09, "mouthFunnel": 0.4, "mouthLowerDown": 0.1}
SIBILANT: Weights = {"jawOpen": 0.06, "mouthStretch": 0.16, "mouthLowerDown": 0.22}
RHOTIC: Weights = {"jawOpen": 0.1, "mouthPucker": 0.22, "mouthFunnel": 0.18}
OPEN: Weights = {"jawOpen": 0.34, "mouthLowerDown": 0.15, "mouthUpperUp": 0.1}
NEAR_OPEN: Weights = {
    "jawOpen": 0.3,
    "mouthStretch": 0.14,
    "mouthLowerDown": 0.14,
    "mouthUpperUp": 0.1,
}
MID: Weights = {"jawOpen": 0.2, "mouthLowerDown": 0.1, "mouthStretch": 0.06}
MID_FRONT: Weights = {"jawOpen": 0.24, "mouthStretch": 0.14, "mouthLowerDown": 0.12}
CLOSE_FRONT: Weights = {
    "jawOpen": 0.12,
    "mouthStretch": 0.24,
    "mouthSmile": 0.1,
    "mouthLowerDown": 0.12,
}
MID_BACK: Weights = {"jawOpen": 0.26, "mouthFunnel": 0.34, "mouthPucker": 0.12}
CLOSE_BACK: Weights = {"jawOpen": 0.09, "mouthPucker": 0.5, "mouthFunnel": 0.16}

# A phone is one viseme, a diphthong two.
VISEMES: dict[str, tuple[Weights, ...]] = {
    **dict.fromkeys("mbp", (CLOSED,)),
    **dict.fromkeys("fv", (LABIODENTAL,)),
    **dict.fromkeys("θð", (DENTAL,)),
    **dict.fromkeys("tdnlɾ", (ALVEOLAR,)),
    **dict.fromkeys("kɡŋh", (VELAR,)),
    **dict.fromkeys("ʃʒʧʤ", (POSTALVEOLAR,)),
    **dict.fromkeys("sz", (SIBILANT,)),
    **dict.fromkeys("ɹɜ", (RHOTIC,)),
    "ɑ": (OPEN,),
    "ʌ": (OPEN,),
    "æ": (NEAR_OPEN,),
    "ɛ": (MID_FRONT,),
    **dict.fromkeys("əɐᵊ", (MID,)),
    **dict.fromkeys("iɪj", (CLOSE_FRONT,)),
    "ɔ": (MID_BACK,),
    **dict.fromkeys("uʊw", (CLOSE_BACK,)),
    "A": (MID_FRONT, CLOSE_FRONT),
    "I": (OPEN, CLOSE_FRONT),
    "O": (MID_BACK, CLOSE_BACK),
    "W": (OPEN, CLOSE_BACK),
    "Y": (MID_BACK, CLOSE_FRONT),
}
VOWELS = set("ɑʌæɛəɐᵊiɪɔuʊAIOWYɜ")
PAUSES = set("_,.")
STRESS = set("ˈˌ")
PAIRED = {
    "mouthLowerDown", "mouthUpperUp", "mouthStretch", "mouthSmile", "mouthPress",
    "mouthDimple", "eyeBlink", "eyeSquint", "browOuterUp", "cheekSquint",
}  # fmt: skip


@dataclass(frozen=True)
class Style:
    """How this person articulates; the same in every take."""

    gain: float = 1.0
    lead: float = 0.04  # s by which the lips run ahead of the phone times
    rounding: float = 1.15  # factor on pucker and funnel
    asymmetry: float = 0.12  # share by which the left side moves more than the right
    rest: Weights = field(default_factory=lambda: {"mouthSmile": 0.18, "mouthPress": 0.05})


@dataclass(frozen=True)
class Span:
    """One phone: `[start, end)` in seconds."""

    phone: str
    start: float
    end: float
    stressed: bool


@dataclass(frozen=True)
class Motion:
    """What drives a take: action weights `[frames]` each; head angles and gaze in degrees."""

    weights: dict[str, np.ndarray]
    head: np.ndarray  # [frames, 3] pitch, yaw, roll
    gaze: np.ndarray  # [frames, 2] pitch, yaw of both eyes relative to the head


def spans_of(phones: list[dict[str, object]]) -> list[Span]:
    """Merge stress marks into the phone that they stand before and split word gaps in two."""
    spans: list[Span] = []
    start: float | None = None
    stressed = False
    for item in phones:
        phone, a, b = str(item["phone"]), float(str(item["start"])), float(str(item["end"]))
        if phone in STRESS:
            start, stressed = (a if start is None else start), True
        elif phone == " ":
            start = _split_gap(spans, a, b)
        else:
            spans.append(Span(phone, a if start is None else start, b, stressed))
            start = None
            stressed = stressed and phone not in VOWELS
    return spans


def _split_gap(spans: list[Span], start: float, end: float) -> float:
    middle = start if spans[-1].phone in PAUSES else (start + end) / 2
    spans[-1] = Span(spans[-1].phone, spans[-1].start, middle, spans[-1].stressed)
    return middle


def _smooth(values: np.ndarray, seconds: float) -> np.ndarray:
    window = np.hanning(int(seconds * STEPS_PER_SECOND) + 2)[1:-1]
    half = len(window) // 2
    padded = np.pad(values, (half, len(window) - 1 - half), mode="edge")
    return np.convolve(padded, window / window.sum(), mode="valid")


def _viseme_curves(spans: list[Span], steps: int, style: Style) -> dict[str, np.ndarray]:
    names = {name for visemes in VISEMES.values() for v in visemes for name in v}
    curves = {name: np.zeros(steps) for name in names}
    for span in spans:
        visemes = VISEMES.get(span.phone, (REST,))
        edges = np.linspace(span.start, span.end, len(visemes) + 1) - style.lead
        scale = style.gain * (UNSTRESSED if span.phone in VOWELS and not span.stressed else 1.0)
        for viseme, a, b in zip(visemes, edges, edges[1:], strict=False):
            part = slice(max(0, round(a * STEPS_PER_SECOND)), max(0, round(b * STEPS_PER_SECOND)))
            for name, weight in viseme.items():
                rounded = name in ("mouthPucker", "mouthFunnel")
                curves[name][part] = weight * scale * (style.rounding if rounded else 1.0)
    return {name: _smooth(curve, VISEME_WINDOW) for name, curve in curves.items()}


def _closure_curve(spans: list[Span], phones: str, steps: int, style: Style) -> np.ndarray:
    """1 where the lips must touch: long enough for a 25 Hz frame to see it."""
    curve = np.zeros(steps)
    for span in spans:
        if span.phone in phones:
            middle = (span.start + span.end) / 2 - style.lead
            half = max(min(span.end - span.start, 0.16), SHORTEST_CLOSURE) / 2
            a, b = ((middle + sign * half) * STEPS_PER_SECOND for sign in (-1, 1))
            curve[max(0, round(a)) : max(0, round(b))] = 1
    return np.clip(_smooth(curve, CLOSURE_WINDOW) * 1.15, 0, 1)


def _close_lips(curves: dict[str, np.ndarray], lips: np.ndarray, teeth: np.ndarray) -> None:
    """Closures win over their neighbours: applied after the smoothing, in place."""
    opening = ("jawOpen", "mouthLowerDown", "mouthUpperUp", "mouthFunnel", "mouthStretch")
    for name in opening:
        curves[name] = curves[name] * (1 - (0.97 if name == "jawOpen" else 0.9) * lips)
        curves[name] = curves[name] * (1 - 0.75 * teeth)
    curves["jawOpen"] = curves["jawOpen"] + 0.02 * teeth
    curves["mouthUpperUp"] = curves["mouthUpperUp"] + 0.14 * teeth
    curves["mouthPress"] = 0.3 * lips
    curves["mouthRollUpper"] = 0.12 * lips
    curves["mouthRollLower"] = 0.15 * lips + 0.7 * teeth


def _wander(times: np.ndarray, random: np.random.Generator, slowest: float) -> np.ndarray:
    """Smooth noise of about unit size: a few slow sines with random phases."""
    rates = random.uniform(0.12, slowest, 5)
    phases = random.uniform(0, 2 * np.pi, 5)
    return np.asarray(np.sin(2 * np.pi * rates * times[:, None] + phases).sum(1) / 2.2)


def _beats(spans: list[Span], times: np.ndarray) -> np.ndarray:
    """A small nod at each stressed vowel, `[frames]` in 0..1."""
    middles = [(s.start + s.end) / 2 for s in spans if s.stressed and s.phone in VOWELS]
    return np.asarray(sum(np.exp(-(((times - m) / 0.11) ** 2)) for m in middles[::2]))


def _blinks(times: np.ndarray, random: np.random.Generator) -> np.ndarray:
    curve = np.zeros_like(times)
    moment = random.uniform(0.7, 1.3)
    while moment < times[-1] - 0.2:
        rise = np.where(times < moment, 0.06, 0.11)
        curve = np.maximum(curve, np.exp(-(((times - moment) / rise) ** 2)))
        moment += random.uniform(1.7, 3.2)
    return np.where(curve > 0.05, curve, 0.0)


def _split_sides(weights: dict[str, np.ndarray], style: Style) -> dict[str, np.ndarray]:
    sides: dict[str, np.ndarray] = {}
    for name, curve in weights.items():
        if name in PAIRED:
            tilt = style.asymmetry if name.startswith("mouth") else 0.0
            sides[name + "Left"] = curve * (1 + tilt)
            sides[name + "Right"] = curve * (1 - tilt)
        else:
            sides[name] = curve
    return sides


def drive(phones: list[dict[str, object]], frames: int, style: Style, seed: int) -> Motion:
    """The motion of one take; frame i shows the moment (i + 1/2) / 25 s."""
    spans = spans_of(phones)
    steps = frames * STEPS_PER_SECOND // RATE
    times = (np.arange(frames) + 0.5) / RATE
    index = (times * STEPS_PER_SECOND).astype(int)
    curves = _viseme_curves(spans, steps, style)
    lips = _closure_curve(spans, "mbp", steps, style)
    teeth = _closure_curve(spans, "fv", steps, style)
    _close_lips(curves, lips, teeth)
    weights = {name: curve[index] for name, curve in curves.items()}
    random = np.random.default_rng(seed)
    for name, value in style.rest.items():
        weights[name] = weights.get(name, np.zeros(frames)) + value * (1 - 0.5 * teeth[index])
    beats = _beats(spans, times)
    weights["eyeBlink"] = _blinks(times, random)
    weights["browInnerUp"] = np.clip(0.12 + 0.1 * _wander(times, random, 0.6) + 0.12 * beats, 0, 1)
    weights["browOuterUp"] = np.clip(0.08 * _wander(times, random, 0.5) + 0.1 * beats, 0, 1)
    weights["cheekSquint"] = np.full(frames, 0.05)
    amplitudes = np.array([1.4, 2.6, 1.2])
    head = np.stack([_wander(times, random, 0.55) for _ in range(3)], 1) * amplitudes
    head[:, 0] += 1.6 * beats
    gaze = -0.85 * head[:, :2] + np.stack([_wander(times, random, 0.8) for _ in range(2)], 1) * 0.6
    return Motion(_split_sides(weights, style), head, gaze)
