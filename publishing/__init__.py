"""The publishing service: publishes the log to RabbitMQ and Kafka, for consumers that are not ours."""
