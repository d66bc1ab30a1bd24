"""Names for the arrays that pass between rooms; shapes and units stand where they are used."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]
Image = NDArray[np.uint8]  # code values, [..., 3] where it is a picture
Indices = NDArray[np.int64]
