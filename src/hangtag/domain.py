"""Telling photos of products from photos of anything else.

The score is the largest logit of each head of the taxonomy, summed: heads that know a thing speak
up, and of what they have never seen they all say little (MaxLogit of Hendrycks et al., "Scaling
Out-of-Distribution Detection for Real-World Settings", 2022).
"""

from collections.abc import Mapping

import numpy as np

from hangtag.attributes import TYPE, TYPE_PARENTS


def domain_score(logits: Mapping[str, np.ndarray]) -> np.ndarray:
    """Score photos; high is like the training photos.

    Args:
        logits: float32 (N, values) by attribute, uncalibrated. All of them count if none belongs
            to the taxonomy.

    Returns:
        float32 (N,).
    """
    heads = [name for name in (TYPE, *TYPE_PARENTS) if name in logits] or list(logits)
    return np.stack([logits[name].max(axis=1) for name in heads]).sum(axis=0)
