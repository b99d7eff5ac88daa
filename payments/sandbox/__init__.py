"""A card processor for development and tests: a real HTTP server with a persistent ledger, without real money."""
