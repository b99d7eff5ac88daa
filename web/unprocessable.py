"""The error for a request that matches the schema but is still invalid."""

from rest_framework.exceptions import ValidationError


class Unprocessable(ValidationError):
    """Answered with 422 instead of 400, because the client could not detect the error from the schema."""

    status_code = 422
