"""PostgreSQL, Valkey, brokers and nginx on the loopback address, with their data in a folder. Works without Django."""
