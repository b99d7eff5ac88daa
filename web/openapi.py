"""OpenAPI descriptions shared by all staff operations."""

from drf_spectacular.utils import OpenApiResponse

OPERATIONS = ["operations"]
"""The tag of staff operations."""
STAFF = {403: OpenApiResponse(description="You are not a staff member, or you lack the permission.")}
