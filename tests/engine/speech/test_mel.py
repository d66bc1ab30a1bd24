"""The mel filters are those that Whisper was trained with."""

from __future__ import annotations

import librosa
import numpy as np

from stylesync_engine.speech.features import FFT_SIZE, MEL_BANDS, SAMPLE_RATE
from stylesync_engine.speech.log_mel import _mel_filters


def test_the_filters_are_the_librarys() -> None:
    wanted = librosa.filters.mel(sr=SAMPLE_RATE, n_fft=FFT_SIZE, n_mels=MEL_BANDS)
    np.testing.assert_array_equal(_mel_filters().numpy(), wanted)
