"""The publisher to Kafka: its topics, and an idempotent producer."""
