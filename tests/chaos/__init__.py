"""Faults against the real stack, one after the other, under load; afterwards every book must agree with every other."""
