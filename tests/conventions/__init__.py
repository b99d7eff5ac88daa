"""What Django and Celery users rely on holds in this project too, beside its own ways."""
