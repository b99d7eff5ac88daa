"""Shared by the peers that process complete orders: baskets, the card processor, the scenarios."""

import gc

gc.set_threshold(100_000, 20, 100)  # the project's setting, so that peers have the same advantage
