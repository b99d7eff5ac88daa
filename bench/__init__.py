"""The benchmark: measurements of this project and of its peers."""
