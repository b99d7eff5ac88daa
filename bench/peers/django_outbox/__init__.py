"""django-outbox-pattern: rows of its table `published` become STOMP messages for RabbitMQ."""
