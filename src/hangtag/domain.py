"""Telling photos of products from photos of anything else.

The score is the log-likelihood ratio of Ren et al., "A Simple Fix to Mahalanobis Distance for
Improving Near-OOD Detection" (2021), without the classes: how much better the embedding fits a
Gaussian around the training photos' principal directions than it spreads into the directions in
which they don't vary (as in Wang et al., "ViM", 2022).
"""

from dataclasses import dataclass

import numpy as np

_KEPT_VARIANCE = 0.95
_MOST_DIRECTIONS = 128


@dataclass(frozen=True)
class DomainScore:
    """Scores embeddings; high is like the training photos.

    Attributes:
        mean: float32 (D,), of the training embeddings.
        directions: float32 (K, D), their principal directions.
        spread: float32 (K,), the standard deviation along each.
        rest: Root of the mean squared length of what the directions leave over.
    """

    mean: np.ndarray
    directions: np.ndarray
    spread: np.ndarray
    rest: float

    def __call__(self, embedding: np.ndarray) -> np.ndarray:
        """float32 (N,) of embeddings (N, D): about −2 for training photos, lower elsewhere."""
        centred = embedding - self.mean
        inside = centred @ self.directions.T
        left_over = np.maximum((centred**2).sum(1) - (inside**2).sum(1), 0.0)
        distance = ((inside / self.spread) ** 2).mean(1) + left_over / self.rest**2
        return -distance.astype(np.float32)

    def arrays(self) -> dict[str, np.ndarray]:
        """What `from_arrays` needs."""
        return {
            "mean": self.mean,
            "directions": self.directions.astype(np.float16),
            "spread": self.spread,
            "rest": np.array([self.rest], np.float32),
        }

    @classmethod
    def from_arrays(cls, arrays: dict[str, np.ndarray]) -> "DomainScore":
        """The reverse of `arrays`."""
        mean, directions, spread = (
            arrays[name].astype(np.float32) for name in ("mean", "directions", "spread")
        )
        return cls(mean, directions, spread, float(arrays["rest"][0]))

    @classmethod
    def fit(cls, embeddings: np.ndarray) -> "DomainScore":
        """Fit to the embeddings (N, D) of training photos."""
        mean = embeddings.mean(0)
        _, singular, directions = np.linalg.svd(embeddings - mean, full_matrices=False)
        share = np.cumsum(singular**2) / max(float((singular**2).sum()), 1e-12)
        kept = min(int(np.searchsorted(share, _KEPT_VARIANCE)) + 1, _MOST_DIRECTIONS)
        variance = singular**2 / len(embeddings)
        return cls(
            mean.astype(np.float32),
            directions[:kept].astype(np.float32),
            np.sqrt(np.maximum(variance[:kept], 1e-12)).astype(np.float32),
            float(np.sqrt(max(float(variance[kept:].sum()), 1e-6))),
        )
