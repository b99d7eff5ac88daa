"""Faults at the wires that carry the log to RabbitMQ and Kafka, and a consumer that counts what came of it."""
