"""Pictures that show no product, made of training photos and of nothing.

A classifier that tells products from these also tells them from much that it has never seen
(Hendrycks et al., "Deep Anomaly Detection with Outlier Exposure", 2019).
"""

from collections.abc import Callable

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

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
            self._warped,
            self._leaves,
            self._page,
            self._cells,
            self._things,
            self._surface,
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

    def _warped(self) -> Picture:
        """A photo bent out of all shape."""
        from scipy import ndimage

        photo = self._photo(self._rng)
        height, width = photo.shape[:2]
        reach, knots = self._rng.uniform(0.35, 0.7), int(self._rng.integers(3, 7))
        places = [
            place + reach * side * _enlarged(self._rng.normal(size=(knots, knots)), height, width)
            for place, side in zip(np.mgrid[:height, :width], (height, width), strict=True)
        ]
        channels = np.moveaxis(photo, -1, 0)
        return np.stack(
            [ndimage.map_coordinates(one, places, order=1, mode="mirror") for one in channels], -1
        )

    def _leaves(self) -> Picture:
        """Discs and polygons over one another, of one colour or of a photo's cloth.

        The dead leaves model (Lee, Mumford and Huang, "Occlusion Models for Natural Images", 2001)
        has the statistics of scenes, where near things hide far ones.
        """
        ground, photo = self._photo(self._rng), self._photo(self._rng)
        height, width = ground.shape[:2]
        image = Image.fromarray(_part(ground, 0.2, 0.4, 0.4))
        for _ in range(self._rng.integers(15, 120)):
            radius = height * min(0.4, 0.02 * self._rng.uniform(0.03, 1) ** -1.2)
            down, across = self._rng.uniform(0, height), self._rng.uniform(0, width)
            sides = int(self._rng.integers(3, 7)) if self._rng.random() < 0.4 else 24
            turns = np.sort(self._rng.uniform(0, 2 * np.pi, sides))
            stretch = self._rng.uniform(0.5, 1.5)
            outline = [
                (across + stretch * radius * np.cos(turn), down + radius * np.sin(turn))
                for turn in turns
            ]
            mask = Image.new("L", image.size)
            ImageDraw.Draw(mask).polygon(outline, 255)
            if self._rng.random() < 0.6:
                image.paste(self._colour_of(photo), mask=mask)
            else:
                part = _part(photo, self._rng.uniform(0.2, 0.5), *self._rng.uniform(0, 0.7, 2))
                image.paste(Image.fromarray(part), mask=mask)
        return np.asarray(
            image.filter(ImageFilter.GaussianBlur(float(self._rng.choice([0, 0.5, 1.5]))))
        )

    def _page(self) -> Picture:
        """Lines of marks, as on a page or a screen, at times with a small picture."""
        height, width = self._size()
        paper, ink = self._rng.integers(150, 256, 3), self._rng.integers(0, 100, 3)
        if self._rng.random() < 0.3:
            paper, ink = ink, paper
        image = Image.new("RGB", (width, height), tuple(paper.tolist()))
        draw = ImageDraw.Draw(image)
        step = int(self._rng.integers(4, 16))
        for top in range(int(self._rng.integers(step)), height, step):
            across, margin = self._rng.integers(0, max(1, width // 3), 2).tolist()
            while across < width - margin:
                long = int(self._rng.integers(2, 2 * step))
                marks = self._rng.integers(
                    (across, top), (across + long, top + max(2, step // 2)), (5, 2)
                )
                draw.line(marks.ravel().tolist(), tuple(ink.tolist()), max(1, step // 6))
                across += long + int(self._rng.integers(1, step))
        if self._rng.random() < 0.4:
            small = Image.fromarray(self._photo(self._rng)).resize((width // 3, height // 4))
            image.paste(small, tuple(self._rng.integers(0, [width, height]).tolist()))
        return np.asarray(image)

    def _cells(self) -> Picture:
        """A mosaic of a photo's colours, flat or rounded."""
        from scipy.spatial import cKDTree

        photo = self._photo(self._rng)
        height, width = photo.shape[:2]
        count = int(2 ** self._rng.uniform(2, 7))
        middles = self._rng.uniform(0, 1, (count, 2)) * [height, width]
        away, nearest = cKDTree(middles).query(np.moveaxis(np.mgrid[:height, :width], 0, -1))
        colours = np.array([self._colour_of(photo) for _ in range(count)])
        depth = self._rng.choice([0, 0.6]) / away.max()
        return (colours[nearest] * (1 - depth * away)[..., np.newaxis]).astype(np.uint8)

    def _things(self) -> Picture:
        """One to three shaded blobs on a plain ground: things, but none with a name."""
        photo = self._photo(self._rng)
        height, width = photo.shape[:2]
        ground = (255, 255, 255) if self._rng.random() < 0.5 else self._colour()
        picture = np.full(photo.shape, ground, float)
        rows, columns = np.mgrid[:height, :width]
        for _ in range(self._rng.integers(1, 4)):
            down, across = self._rng.uniform(0.3, 0.7, 2) * [height, width]
            turn = np.arctan2(rows - down, columns - across)
            waves = sum(
                0.25 / wave * self._rng.normal() * np.cos(wave * turn + self._rng.uniform(0, 6.3))
                for wave in range(1, 7)
            )
            radius = np.maximum(self._rng.uniform(0.12, 0.4) * width * (1 + waves), 1)
            away = np.hypot(rows - down, columns - across) / radius
            lit = 1 + np.cos(turn - self._rng.uniform(0, 6.3))
            shade = 1 - self._rng.uniform(0, 0.35) * away.clip(0, 1) ** 2 * lit
            if self._rng.random() < 0.3:
                surface = _part(photo, 0.3, *self._rng.uniform(0, 0.7, 2)).astype(float)
            else:
                surface = np.full(photo.shape, self._colour(), float)
            inside = away < 1
            picture[inside] = (surface * shade[..., np.newaxis])[inside]
        return picture.astype(np.uint8)

    def _surface(self) -> Picture:
        """Clouds, or rough ground lit from one side: noise that looks alike at every scale."""
        height, width = self._size()
        frequencies = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.fftfreq(width))
        frequencies[0, 0] = np.inf
        spectrum = np.fft.fft2(self._rng.normal(size=(height, width)))
        relief = np.fft.ifft2(spectrum / frequencies ** self._rng.uniform(0.8, 2.4)).real
        if self._rng.random() < 0.5:
            relief = np.gradient(relief, axis=int(self._rng.integers(2)))
        steepness = self._rng.uniform(0.5, 3) / max(float(relief.std()), 1e-6)
        way = 1 / (1 + np.exp(-steepness * (relief - relief.mean())))
        start, end = self._rng.integers(0, 256, (2, 3))
        return (start + (end - start) * way[..., np.newaxis]).astype(np.uint8)

    def _size(self) -> tuple[int, int]:
        height, width, _ = self._photo(self._rng).shape
        return height, width

    def _colour(self) -> tuple[int, int, int]:
        red, green, blue = self._rng.integers(0, 256, 3).tolist()
        return red, green, blue

    def _colour_of(self, photo: Picture) -> tuple[int, int, int]:
        row, column = self._rng.integers(0, photo.shape[:2]).tolist()
        red, green, blue = photo[row, column].tolist()
        return red, green, blue


def _part(photo: Picture, share: float, top: float, left: float) -> Picture:
    """A piece of the photo, enlarged to its size; ``top`` and ``left`` are shares of its sides."""
    height, width, _ = photo.shape
    tall, wide = max(2, round(share * height)), max(2, round(share * width))
    down, across = min(int(top * height), height - tall), min(int(left * width), width - wide)
    return _resized(photo[down : down + tall, across : across + wide], photo)


def _enlarged(values: np.ndarray, height: int, width: int) -> np.ndarray:
    """A few values become a smooth field, float32 (height, width)."""
    image = Image.fromarray(values.astype(np.float32))
    return np.asarray(image.resize((width, height), Image.Resampling.BICUBIC))


def _resized(piece: Picture, like: Picture) -> Picture:
    image = Image.fromarray(np.ascontiguousarray(piece))
    return np.asarray(image.resize(like.shape[1::-1], Image.Resampling.BILINEAR))
