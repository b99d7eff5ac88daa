"""An application that makes every Celery message arrive twice."""
