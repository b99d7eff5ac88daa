"""Our stack as a contender, with all of its processes as in production."""
