"""The OpenAPI document: msgspec types as schemas, and the parts that all operations share."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, get_args, get_type_hints

import msgspec
from drf_spectacular.extensions import OpenApiAuthenticationExtension, OpenApiSerializerExtension
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.plumbing import ResolvedComponent

from orderproject.api.problem_body import CONTENT_TYPE, Problem

REFERENCE = "#/components/schemas/{name}"


class Schema(AutoSchema):
    """A view that sets `many` returns a list from GET, in pages if it has a paginator."""

    def _is_list_view(self, serializer: Any = None) -> bool:
        return self.method == "GET" and getattr(self.view, "many", False)

    def get_paginated_name(self, serializer_name: str) -> str:
        return f"{serializer_name}Page"


class StructExtension(OpenApiSerializerExtension):  # type: ignore[no-untyped-call]
    """Lets drf-spectacular accept a msgspec.Struct as a serializer."""

    target_class = "msgspec.Struct"
    match_subclasses = True

    def get_name(self, auto_schema: AutoSchema, direction: str) -> str:
        return str(self.target.__name__)

    def get_identity(self, auto_schema: AutoSchema, direction: str) -> Any:
        return self.target

    def map_serializer(self, auto_schema: AutoSchema, direction: str) -> Any:
        schemas = _schemas(self.target)
        own = schemas.pop(self.target.__name__)
        within = {struct.__name__: struct for struct in _structs(self.target)}
        for name, schema in schemas.items():
            component: Any = ResolvedComponent(name, ResolvedComponent.SCHEMA, schema, within.get(name, name))  # type: ignore[no-untyped-call]
            auto_schema.registry.register_on_missing(component)
        return own


def _structs(kind: Any) -> Iterator[type[msgspec.Struct]]:
    """All structs that occur in the type, including itself. Each becomes one shared component."""
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        yield kind
        for hint in get_type_hints(kind).values():
            yield from _structs(hint)
    for argument in get_args(kind):
        yield from _structs(argument)


def _schemas(struct: type[msgspec.Struct]) -> dict[str, Any]:
    _, components = msgspec.json.schema_components([struct], ref_template=REFERENCE)
    for schema in components.values():
        schema.pop("title", None)
    return components


class EitherScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """Describes both ways to authenticate: an access token or an API key."""

    target_class = "orderproject.accounts.identity.Authentication"
    name = ["jwtAuth", "apiKeyAuth"]

    def get_security_requirement(self, auto_schema: AutoSchema) -> list[dict[str, list[Any]]]:
        return [{name: []} for name in self.name]

    def get_security_definition(self, auto_schema: AutoSchema) -> list[dict[str, Any]]:
        return [
            {
                "type": "http",
                "scheme": "bearer",
                "bearerFormat": "JWT",
                "description": "An access token from `auth/token/`.",
            },
            {
                "type": "apiKey",
                "in": "header",
                "name": "Authorization",
                "description": "For servers: `Api-Key`, a space, and the API key from the admin.",
            },
        ]


# --- common parts of all operations --------------------------------------------------------------------------

REQUEST_ID = {
    "name": "X-Request-ID",
    "in": "header",
    "description": "Used if it has 1 to 128 visible ASCII characters; otherwise the server generates one. "
    "It is the correlation id of all events that the request causes.",
    "schema": {"type": "string"},
}
ANSWERED_ID = {"description": "The request's id.", "schema": {"type": "string"}}
RETRY_AFTER = {"description": "Seconds to wait.", "schema": {"type": "integer"}}
WAIT = {"409", "429", "503"}
QUOTA = {
    name: {"description": description, "schema": {"type": kind}}
    for name, kind, description in (
        ("RateLimit-Limit", "integer", "The number of requests that you can send per minute."),
        ("RateLimit-Remaining", "integer", "The number of requests that you can send immediately."),
        ("RateLimit-Reset", "integer", "Seconds until you can send the full number of requests again."),
        ("RateLimit-Policy", "string", "The limit and its window in seconds, such as `60000;w=60`."),
    )
}


def add_common_parts(result: dict[str, Any], generator: Any, request: Any, public: bool) -> dict[str, Any]:
    """A postprocessing hook: adds problem bodies to all errors, the errors of every operation, and the request id."""
    components = result["components"]
    components["schemas"].update(_schemas(Problem))
    components["parameters"] = {"RequestId": REQUEST_ID}
    components["headers"] = {"RequestId": ANSWERED_ID, "RetryAfter": RETRY_AFTER, **QUOTA}
    for path, operation in _operations(result):
        operation.setdefault("parameters", []).append({"$ref": "#/components/parameters/RequestId"})
        responses = operation["responses"]
        for status, description in _always(path, operation):
            responses.setdefault(status, {"description": description})
        for status, response in responses.items():
            _complete(status, response)
        operation["responses"] = dict(sorted(responses.items()))
    return result


def _operations(result: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for path, methods in result["paths"].items():
        for operation in methods.values():
            yield path, operation


def _always(path: str, operation: dict[str, Any]) -> Iterator[tuple[str, str]]:
    yield "400", "The request does not match this description; see `errors`."
    yield "406", "Only JSON is available."
    yield "429", "`too-many-requests`: you exceeded your rate limit. Wait for `Retry-After` seconds."
    yield "503", "The database is unavailable. Try again later."
    if operation.get("security"):
        yield "401", "The access token or API key is missing, invalid or expired."
    if "{" in path:
        yield "404", "It does not exist, or you cannot see it."
    if any(parameter.get("name") == "cursor" for parameter in operation["parameters"]):
        yield "422", "The `cursor` is invalid or belongs to another `ordering`. Start again without it."
    if "requestBody" in operation:
        yield "422", "The request matches the schema but cannot be processed; see `detail` and `errors`."
        yield "413", "The body is larger than 1 MiB."
        yield "415", "The Content-Type is not application/json, or the body is compressed."


def _complete(status: str, response: dict[str, Any]) -> None:
    headers = response.setdefault("headers", {})
    headers["X-Request-ID"] = {"$ref": "#/components/headers/RequestId"}
    for name in QUOTA:
        headers[name] = {"$ref": f"#/components/headers/{name}"}
    if status >= "400":
        response["content"] = {CONTENT_TYPE: {"schema": {"$ref": REFERENCE.format(name="Problem")}}}
    if status in WAIT:
        headers["Retry-After"] = {"$ref": "#/components/headers/RetryAfter"}
