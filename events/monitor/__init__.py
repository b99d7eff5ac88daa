"""What Flower shows: each piece of work by its own name, with what it is about, sent aside from the work itself."""
