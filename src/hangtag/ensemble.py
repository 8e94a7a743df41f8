"""Several networks that answer as one, with the mean of what they say.

Networks that were trained apart err apart: their mean is more often right than each of them and
knows better when it guesses (Lakshminarayanan et al., "Simple and Scalable Predictive Uncertainty
Estimation using Deep Ensembles", 2017), for the time of all.
"""

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from hangtag.network import HangtagNetwork, Outputs


class Ensemble(nn.Module):
    """Networks with the same attributes and input size, whose logits are averaged.

    Args:
        members: The networks; their vocabularies must be the same, in the same order.
    """

    def __init__(self, members: Sequence[HangtagNetwork]) -> None:
        super().__init__()
        self.members: Iterable[HangtagNetwork] = nn.ModuleList(members)  # type: ignore[assignment]

    def outputs(self, photos: Tensor) -> Outputs:
        """As `HangtagNetwork.outputs`: embeddings and feature maps one behind the other.

        Feature maps of other sizes are fitted to the first member's. Of what they see halfway the
        largest is enough.
        """
        said = [member.outputs(photos) for member in self.members]
        size = said[0].features.shape[-2:]
        maps = [
            one.features
            if one.features.shape[-2:] == size
            else functional.interpolate(
                one.features, size=size, mode="bilinear", align_corners=False
            )
            for one in said
        ]
        midway = [one.midway for one in said if one.midway is not None]
        return Outputs(
            embedding=torch.cat([one.embedding for one in said], 1),
            features=torch.cat(maps, 1),
            midway=max(midway, key=lambda one: one.shape[1], default=None),
            logits={
                name: torch.stack([one.logits[name] for one in said]).mean(0)
                for name in said[0].logits
            },
        )


AnyNetwork = HangtagNetwork | Ensemble
"""What can be exported and finished."""
