"""Receiving events of other systems from Kafka and RabbitMQ, each once by its source and id."""
