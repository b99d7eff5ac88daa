"""The publisher to RabbitMQ: its exchange, and a channel that confirms whole rounds."""
