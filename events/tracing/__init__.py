"""Spans of a trace, without a library: the project that wants them says where they go. Until then they cost nothing."""
