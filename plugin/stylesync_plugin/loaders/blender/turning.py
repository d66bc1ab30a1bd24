"""The shot's own sound under a dub: off, lower, or back again."""

from __future__ import annotations

LOWERED = 0.1  # -20 dB


def turn(strip, parts: list) -> None:
    """Cut a sound strip into these parts, each as loud as it says; the first stays the strip."""
    plain = strip.get("stylesync_volume", strip.volume)
    strip.frame_final_end = parts[-1]["end"]
    for part, following in zip(parts, (*parts[1:], None), strict=True):
        rest = following and strip.split(following["start"], "SOFT", ignore_connections=True)
        strip.mute = part["level"] == "off"
        strip.volume = plain * LOWERED if part["level"] == "-20dB" else plain
        for name, value in (("sound", part["record"]), ("volume", plain)):
            strip[f"stylesync_{name}"] = value
            if not part["record"]:
                del strip[f"stylesync_{name}"]
        strip = rest
