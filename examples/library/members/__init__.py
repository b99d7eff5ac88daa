"""The service that knows the members and their money."""
