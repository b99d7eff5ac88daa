"""The publishing service: publishes the log to RabbitMQ and Kafka, and receives from them what others publish."""
