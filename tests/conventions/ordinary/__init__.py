"""An app as any Django and Celery user writes it. It knows nothing of sagas."""
