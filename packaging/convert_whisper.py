"""Whisper's encoder from a CTranslate2 `model.bin` to `transformers`' names, as safetensors fp16.

    python packaging/convert_whisper.py MODEL.BIN OUT.safetensors

The encoder of a Whisper (OpenAI, MIT) whose weights are distributed in CTranslate2's format, in
float16. The decoder is left out: a front end writes no text. The starter's file holds the first
three layers of base.
"""

from __future__ import annotations

import argparse
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save_file

Array = NDArray[np.generic]

# CTranslate2's type numbers, in the order of its writer.
DTYPES = {0: np.float32, 1: np.int8, 2: np.int16, 3: np.int32, 4: np.float16}
LAYER_NAMES = {
    "self_attention/layer_norm/gamma": "self_attn_layer_norm.weight",
    "self_attention/layer_norm/beta": "self_attn_layer_norm.bias",
    "self_attention/linear_1/weight": "self_attn.out_proj.weight",
    "self_attention/linear_1/bias": "self_attn.out_proj.bias",
    "ffn/layer_norm/gamma": "final_layer_norm.weight",
    "ffn/layer_norm/beta": "final_layer_norm.bias",
    "ffn/linear_0/weight": "fc1.weight",
    "ffn/linear_0/bias": "fc1.bias",
    "ffn/linear_1/weight": "fc2.weight",
    "ffn/linear_1/bias": "fc2.bias",
}
STEM_NAMES = {
    "encoder/conv1/weight": "conv1.weight",
    "encoder/conv1/bias": "conv1.bias",
    "encoder/conv2/weight": "conv2.weight",
    "encoder/conv2/bias": "conv2.bias",
    "encoder/position_encodings/encodings": "embed_positions.weight",
    "encoder/layer_norm/gamma": "layer_norm.weight",
    "encoder/layer_norm/beta": "layer_norm.bias",
}


def read_variables(path: Path) -> dict[str, Array]:
    """Every variable of a CTranslate2 `model.bin` (binary version 6) by its name."""
    with path.open("rb") as file:
        (version,) = struct.unpack("<I", file.read(4))
        if version != 6:
            raise SystemExit(f"{path} has binary version {version}; convert it to version 6 first.")
        kind = _read_string(file)
        if kind != "WhisperSpec":
            raise SystemExit(f"{path} holds a {kind}; give the model.bin of a Whisper model.")
        _revision, count = struct.unpack("<II", file.read(8))
        return dict(_read_variable(file) for _ in range(count))


def _read_string(file: BinaryIO) -> str:
    (size,) = struct.unpack("<H", file.read(2))
    return file.read(size)[:-1].decode("utf-8")


def _read_variable(file: BinaryIO) -> tuple[str, Array]:
    name = _read_string(file)
    (rank,) = struct.unpack("<B", file.read(1))
    shape = struct.unpack(f"<{rank}I", file.read(4 * rank))
    dtype, size = struct.unpack("<BI", file.read(5))
    return name, np.frombuffer(file.read(size), DTYPES[dtype]).reshape(shape)


def encoder_tensors(variables: dict[str, Array]) -> dict[str, Array]:
    """The encoder's tensors, fp16, under the names of `transformers`' `WhisperEncoder`."""
    tensors = {new: variables[old] for old, new in STEM_NAMES.items()}
    layers = {name.split("/")[1] for name in variables if name.startswith("encoder/layer_")}
    for layer in sorted(layers - {"layer_norm"}):
        prefix = f"layers.{layer.removeprefix('layer_')}."
        for old, new in LAYER_NAMES.items():
            tensors[prefix + new] = variables[f"encoder/{layer}/{old}"]
        tensors.update(_split_projections(variables, f"encoder/{layer}/", prefix))
    return {name: np.ascontiguousarray(value.astype(np.float16)) for name, value in tensors.items()}


def _split_projections(
    variables: dict[str, Array], source: str, prefix: str
) -> Iterator[tuple[str, Array]]:
    """CTranslate2 stacks query, key and value; Whisper's key has no bias (zeros there)."""
    for kind in ("weight", "bias"):
        stacked = variables[f"{source}self_attention/linear_0/{kind}"]
        query, key, value = np.split(stacked, 3)
        yield f"{prefix}self_attn.q_proj.{kind}", query
        yield f"{prefix}self_attn.v_proj.{kind}", value
        if kind == "weight":
            yield f"{prefix}self_attn.k_proj.{kind}", key
        elif np.any(key):
            raise SystemExit("The key projection has a bias, which no Whisper model has.")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model", type=Path, help="model.bin of a CTranslate2 Whisper model")
    parser.add_argument("output", type=Path, help="safetensors file to write")
    arguments = parser.parse_args()
    tensors = encoder_tensors(read_variables(arguments.model))
    metadata = {"format": "pt", "model": "whisper encoder", "licence": "MIT, OpenAI"}
    save_file(tensors, arguments.output, metadata=metadata)
    print(f"{arguments.output}: {len(tensors)} tensors, {arguments.output.stat().st_size} bytes")


if __name__ == "__main__":
    main()
