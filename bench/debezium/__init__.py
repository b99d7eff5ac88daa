"""Debezium as a second way from the log to Kafka: its records are compared with those of our own publisher."""
