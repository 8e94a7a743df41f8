"""Several networks that answer as one, with the mean of what they say.

Networks that were trained apart err apart: their mean is more often right than each of them and
knows better when it guesses (Lakshminarayanan et al., "Simple and Scalable Predictive Uncertainty
Estimation using Deep Ensembles", 2017), for the time of all.
"""

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from hangtag.network import HangtagNetwork


class Ensemble(nn.Module):
    """Networks with the same attributes and input size, whose logits are averaged.

    Args:
        members: The networks; their vocabularies must be the same, in the same order.
    """

    def __init__(self, members: Sequence[HangtagNetwork]) -> None:
        super().__init__()
        self.members: Iterable[HangtagNetwork] = nn.ModuleList(members)  # type: ignore[assignment]

    def outputs(self, photos: Tensor) -> tuple[Tensor, Tensor, dict[str, Tensor]]:
        """As `HangtagNetwork.outputs`: embeddings and feature maps one behind the other.

        Feature maps of other sizes are fitted to the first member's.
        """
        said = [member.outputs(photos) for member in self.members]
        size = said[0][1].shape[-2:]
        maps = [
            features
            if features.shape[-2:] == size
            else functional.interpolate(features, size=size, mode="bilinear", align_corners=False)
            for _, features, _ in said
        ]
        logits = {
            name: torch.stack([one[name] for _, _, one in said]).mean(0) for name in said[0][2]
        }
        return torch.cat([one for one, _, _ in said], 1), torch.cat(maps, 1), logits


AnyNetwork = HangtagNetwork | Ensemble
"""What can be exported and finished."""
