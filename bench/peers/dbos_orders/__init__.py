"""Orders as a good user of DBOS writes them: one durable workflow per order, on the order's own PostgreSQL database."""
