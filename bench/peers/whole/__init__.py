"""What the peers that do the whole work of an order share: what is ordered, the card processor, the runs."""

import gc

gc.set_threshold(100_000, 20, 100)  # as the project does: its peers shall have what it has
