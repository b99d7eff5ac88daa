"""A card processor to develop and test against: real HTTP, real books, no real money."""
