"""The spans of sagas."""
