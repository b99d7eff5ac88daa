"""What Flower is told of sagas."""
