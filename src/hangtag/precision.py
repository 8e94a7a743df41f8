"""How precise accepted tags shall be: the targets that models know."""

PRECISIONS = (0.8, 0.85, 0.9, 0.925, 0.95, 0.96, 0.97, 0.98, 0.985, 0.99, 0.995)
"""The targets for which a model stores a threshold; one in between counts as the next higher."""

HIGHEST = max(PRECISIONS)

DEFAULT = 0.95
"""The target where nothing else is asked for."""
