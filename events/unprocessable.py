"""What fits the schema and is refused all the same, with the place of what is wrong."""

from rest_framework.exceptions import ValidationError


class Unprocessable(ValidationError):
    """Answered with 422: a client that made its request from the schema could not know."""

    status_code = 422
