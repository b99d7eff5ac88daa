"""Our own stack as a contender: all of its processes, as in production."""
