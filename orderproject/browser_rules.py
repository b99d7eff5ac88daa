"""What a browser may do on our pages: the Content-Security-Policy and the Permissions-Policy.

Sources: https://www.w3.org/TR/CSP3/ and https://www.w3.org/TR/permissions-policy/.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from csp.constants import HEADER, NONE, SELF, UNSAFE_EVAL, UNSAFE_INLINE
from csp.middleware import CSPMiddleware, PolicyParts
from csp.utils import build_policy
from django.conf import settings
from django.http import HttpRequest, HttpResponseBase

ADMIN = "/admin/"
POLICY: dict[str, Any] = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF, "data:"],
        "font-src": [SELF],
        "connect-src": [SELF],
        "form-action": [SELF],
        "base-uri": [NONE],
        "frame-ancestors": [NONE],
    }
}
CHANGED_BY_VIEWS = {"_csp_config", "_csp_update", "_csp_replace", "_csp_exempt"}
"""What django-csp's decorators write on a response."""
ON_ADMIN_PAGES = {
    # Unfold's pages use Alpine.js, which compiles the expressions in its attributes with `new Function`.
    "script-src": [UNSAFE_EVAL],
    # The style attributes of Unfold's templates, such as the width of a progress bar; a <style> stays forbidden.
    "style-src-attr": [UNSAFE_INLINE],
}
SWITCHED_OFF = (
    "accelerometer", "camera", "display-capture", "geolocation", "gyroscope", "magnetometer", "microphone", "midi",
    "payment", "usb",
)  # fmt: skip
"""Browser features that no page of ours uses, and so no script on one may."""
PERMISSIONS: dict[str, list[str]] = {feature: [] for feature in SWITCHED_OFF}


class ContentSecurityPolicyMiddleware(CSPMiddleware):
    """Adds the policy to every response; on admin pages with the two exceptions that Unfold needs.

    django-csp builds the policy again for each response, which takes 0.1 ms. Ours differ only where a view says so.
    """

    def process_response(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        if settings.DEBUG or HEADER in response or not CHANGED_BY_VIEWS.isdisjoint(vars(response)):
            return super().process_response(request, response)
        response[HEADER] = _usual(on_admin_page=request.path_info.startswith(ADMIN))
        return response

    def get_policy_parts(
        self, request: HttpRequest, response: HttpResponseBase, report_only: bool = False
    ) -> PolicyParts:
        parts = super().get_policy_parts(request, response, report_only)
        if not report_only and request.path_info.startswith(ADMIN):
            parts.update = {**ON_ADMIN_PAGES, **(parts.update or {})}
        return parts


@cache
def _usual(*, on_admin_page: bool) -> str:
    return build_policy(POLICY["DIRECTIVES"], ON_ADMIN_PAGES if on_admin_page else None)
