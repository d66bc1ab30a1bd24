"""Another way to find landmarks: the package face-alignment (Bulat and Tzimiropoulos, 2017).

It brings its own detector (S3FD) and 68 landmarks in 3D, of which the face model rebuilds the 468
that the engine works with. Slower than the default by far; it fetches its weights on first use.
"""

from __future__ import annotations

from typing import Any
from urllib.error import URLError

import numpy as np

from stylesync_engine.arrays import Array
from stylesync_engine.faces.face_model import FaceModel
from stylesync_engine.faces.landmarker import Detection, landmark_box
from stylesync_engine.faces.landmarks68 import lift
from stylesync_engine.pictures.image import PixelImage
from stylesync_engine.request import ModelError

_EYES = np.array([[0.3, 0.4], [0.7, 0.4]], np.float32)  # where they lie in S3FD's box, about
_LEAST_SCORE = 0.6  # of a detection
_SEEN = 0.2  # mean height of the 68 heat maps' peaks from which a face is there


class FaceAlignmentLandmarker:
    """A `landmarker.Landmarker`; `model` turns 68 landmarks into 468.

    `network` is a `face_alignment.FaceAlignment` for 3D landmarks; without one it is built.
    Raises ModelError where its weights are neither here nor can be fetched.
    """

    def __init__(self, model: FaceModel, device: str = "cpu", network: Any = None) -> None:
        self._model = model
        self._network = network if network is not None else _build_network(device)

    def detect(self, picture: PixelImage) -> list[Detection]:
        """Faces in `picture`, best first."""
        found = self._network.face_detector.detect_from_image(picture.to_rgb8().copy())
        faces = [_detection(np.asarray(row, np.float32)) for row in found]
        kept = [face for face in faces if face.score >= _LEAST_SCORE]
        return sorted(kept, key=lambda face: -face.score)

    def landmarks(self, picture: PixelImage, seed: Array | Detection) -> tuple[Array, float]:
        """Landmarks `[468, 3]` px and the score 0..1 that there is a face."""
        box = seed.box if isinstance(seed, Detection) else landmark_box(seed)
        points, peaks, _ = self._network.get_landmarks_from_image(
            picture.to_rgb8(), detected_faces=[[*box.tolist(), 1.0]], return_landmark_score=True
        )
        score = float(np.clip(np.mean(peaks[0]) / (2 * _SEEN), 0, 1))
        return lift(self._model, np.asarray(points[0], np.float32)), score


def _build_network(device: str) -> Any:
    import face_alignment

    try:
        return face_alignment.FaceAlignment(
            face_alignment.LandmarksType.THREE_D, device=device, compile=False
        )
    except (URLError, TimeoutError, ConnectionError) as error:
        raise ModelError(
            f"The weights of face-alignment cannot be fetched ({error}); connect this machine"
            " once, or copy s3fd, 3DFAN4 and depth from another machine's"
            " ~/.cache/torch/hub/checkpoints."
        ) from error


def _detection(row: Array) -> Detection:
    box, score = row[:4], float(row[4])
    corner, size = box[:2], box[2:] - box[:2]
    return Detection(box, np.asarray(corner + _EYES * size, np.float32), score)
