"""What the peers that do the whole work of an order share: what is ordered, the card processor, the runs."""
