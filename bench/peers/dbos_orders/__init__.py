"""Orders implemented well with DBOS: one durable workflow per order, in the PostgreSQL database of the orders."""
