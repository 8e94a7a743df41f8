"""Pictures that show no product, made of training photos and of nothing.

A classifier that tells products from these also tells them from much that it has never seen
(Hendrycks et al., "Deep Anomaly Detection with Outlier Exposure", 2019).
"""

from collections.abc import Callable

import numpy as np
from PIL import Image, ImageDraw

Picture = np.ndarray
"""uint8 (h, w, 3)."""


class NoProduct:
    """Makes such pictures, each kind as often as any other, always the same for the same seed.

    Args:
        photo: Gives a random training photo, uint8 (h, w, 3).
        scene: Gives a random photo whose edges show floors, beds or walls; None if there is none.
        seed: Of all that is random.
    """

    def __init__(
        self,
        photo: Callable[[np.random.Generator], Picture],
        scene: Callable[[np.random.Generator], Picture] | None,
        seed: int = 0,
    ) -> None:
        self._rng = np.random.default_rng(seed)
        self._photo, self._scene = photo, scene
        self._kinds = [
            self._shuffled,
            self._close_up,
            self._scrambled,
            self._noise,
            self._ramp,
            self._shapes,
        ]
        if scene is not None:
            self._kinds.append(self._floor)

    def make(self, count: int) -> Picture:
        """Make pictures: uint8 (count, h, w, 3)."""
        return np.stack([self._kinds[number % len(self._kinds)]() for number in range(count)])

    def _shuffled(self) -> Picture:
        """Tiles of a photo in random order."""
        photo, tiles = self._photo(self._rng), int(self._rng.choice([2, 4, 8]))
        height, width = (side // tiles for side in photo.shape[:2])
        cut = photo[: height * tiles, : width * tiles]
        stack = cut.reshape(tiles, height, tiles, width, 3).swapaxes(1, 2)
        stack = stack.reshape(-1, height, width, 3)[self._rng.permutation(tiles * tiles)]
        mixed = stack.reshape(tiles, tiles, height, width, 3).swapaxes(1, 2)
        return _resized(mixed.reshape(cut.shape), photo)

    def _close_up(self) -> Picture:
        """A tenth to a fifth of a photo's side, from its middle: cloth or leather, but of what?"""
        photo = self._photo(self._rng)
        return _part(photo, self._rng.uniform(0.1, 0.2), *self._rng.uniform(0.3, 0.6, 2))

    def _floor(self) -> Picture:
        """A corner of a photo that was taken at home."""
        assert self._scene is not None
        share = self._rng.uniform(0.15, 0.3)
        top, left = self._rng.integers(0, 2, 2) * (1 - share)
        return _part(self._scene(self._rng), share, top, left)

    def _scrambled(self) -> Picture:
        """A photo's frequencies with random phases: its colours and texture without any form."""
        photo = self._photo(self._rng).astype(float)
        shift = np.exp(1j * np.angle(np.fft.fft2(self._rng.random(photo.shape[:2]))))
        spectrum = np.fft.fft2(photo, axes=(0, 1)) * shift[..., np.newaxis]
        return np.fft.ifft2(spectrum, axes=(0, 1)).real.clip(0, 255).astype(np.uint8)

    def _noise(self) -> Picture:
        """Coarse or fine, grey or coloured, with hard or soft edges."""
        size = self._size()
        grain = int(self._rng.choice([1, 2, 4, 8, 16, 32]))
        channels = int(self._rng.choice([1, 3]))
        cells = [max(2, side // grain) for side in size]
        grains = self._rng.integers(0, 256, (*cells, channels), np.uint8)
        how = Image.Resampling.BILINEAR if self._rng.random() < 0.5 else Image.Resampling.NEAREST
        image = Image.fromarray(np.broadcast_to(grains, (*cells, 3)).copy())
        return np.asarray(image.resize(size[::-1], how))

    def _ramp(self) -> Picture:
        """One colour turning into another, in waves at times; at times one colour alone."""
        height, width = self._size()
        start, end = self._rng.integers(0, 256, (2, 3))
        slant = self._rng.random()
        down = slant * np.linspace(0, 1, height)[:, None, None]
        way = down + (1 - slant) * np.linspace(0, 1, width)[None, :, None]
        form = self._rng.random()
        if form < 0.3:
            way = (np.sin(way * self._rng.uniform(5, 60)) + 1) / 2
        elif form < 0.5:
            way = np.zeros_like(way)
        return (start + (end - start) * way).clip(0, 255).astype(np.uint8)

    def _shapes(self) -> Picture:
        """Lines, discs, boxes and polygons anywhere."""
        height, width = self._size()
        image = Image.new("RGB", (width, height), self._colour())
        draw = ImageDraw.Draw(image)
        for _ in range(self._rng.integers(1, 25)):
            across = self._rng.integers(-width // 5, width * 6 // 5, 4)
            down = self._rng.integers(-height // 5, height * 6 // 5, 4)
            points = list(zip(across.tolist(), down.tolist(), strict=True))
            (left, right), (top, bottom) = sorted(across[:2].tolist()), sorted(down[:2].tolist())
            form = self._rng.integers(4)
            if form == 0:
                draw.line(points[:2], self._colour(), int(self._rng.integers(1, 12)))
            elif form == 1:
                draw.ellipse((left, top, right, bottom), self._colour())
            elif form == 2:
                draw.rectangle((left, top, right, bottom), self._colour())
            else:
                draw.polygon(points, self._colour())
        return np.asarray(image)

    def _size(self) -> tuple[int, int]:
        height, width, _ = self._photo(self._rng).shape
        return height, width

    def _colour(self) -> tuple[int, int, int]:
        red, green, blue = self._rng.integers(0, 256, 3).tolist()
        return red, green, blue


def _part(photo: Picture, share: float, top: float, left: float) -> Picture:
    """A piece of the photo, enlarged to its size; ``top`` and ``left`` are shares of its sides."""
    height, width, _ = photo.shape
    tall, wide = max(2, round(share * height)), max(2, round(share * width))
    down, across = min(int(top * height), height - tall), min(int(left * width), width - wide)
    return _resized(photo[down : down + tall, across : across + wide], photo)


def _resized(piece: Picture, like: Picture) -> Picture:
    image = Image.fromarray(np.ascontiguousarray(piece))
    return np.asarray(image.resize(like.shape[1::-1], Image.Resampling.BILINEAR))
