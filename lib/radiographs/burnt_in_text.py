"""Text that is burnt into the pixels (a name, a date, a side): a hint for a person, found in full-size pixels."""

import numpy as np


def looks_like_text(pixels: np.ndarray, reversed_grey: bool = False) -> bool:
    """True where full-resolution `pixels` hold what looks like burnt-in text: a hint for a person, not a
    proof.

    Burnt-in letters are drawn in the brightest value on a dark ground, so a row through a line of text
    switches between both many times within a short stretch. The rule: 14 or more switches between the top 2 %
    and the lower 60 % of the range within a tenth of the width, in one of about 150 sampled rows.
    """
    sample = pixels[:: max(1, pixels.shape[0] // 150)]
    sample = -sample.astype(np.float32) if reversed_grey else sample
    low, high = float(sample.min()), float(sample.max())
    bright = sample >= high - 0.02 * (high - low)
    counts = np.count_nonzero(bright, axis=1)
    if high == low or counts.sum() > 0.2 * bright.size:
        return False
    window = max(24, sample.shape[1] // 10)
    candidates = np.flatnonzero(counts >= 7)
    return any(_row_of_letters(bright[row], sample[row] <= low + 0.6 * (high - low), window) for row in candidates)


def _row_of_letters(bright: np.ndarray, dark: np.ndarray, window: int) -> bool:
    """14 switches between bright and dark within `window` pixels of one row."""
    places = np.flatnonzero(bright | dark)
    switches = places[1:][bright[places][1:] != bright[places][:-1]]
    return len(switches) >= 14 and bool((switches[13:] - switches[:-13]).min() <= window)
