"""The moving average of the weights that is judged and kept in place of the last ones."""

import torch
from lightning.pytorch.callbacks import WeightAveraging

_REACH = 10


def moving_average(decay: float) -> WeightAveraging:
    """A callback that averages the weights exponentially, after each step.

    The decay grows with the number of steps *n* as (1 + *n*) / (10 + *n*) until it is ``decay``, as
    in TensorFlow's `ExponentialMovingAverage` with ``num_updates``. So the average never reaches
    back over more than a tenth of the run, and a short run isn't held back by random weights.

    Args:
        decay: Share of the old average in the new one in the long run, between 0 and 1.
    """

    def average(kept: torch.Tensor, current: torch.Tensor, steps: torch.Tensor) -> torch.Tensor:
        share = torch.clamp((1 + steps) / (_REACH + steps), max=decay)
        return share * kept + (1 - share) * current

    return WeightAveraging(avg_fn=average)
