"""The service that lends copies of books."""
