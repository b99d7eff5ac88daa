"""The names of attributes, from OpenTelemetry's semantic conventions 1.37, and the few of our own.

https://opentelemetry.io/docs/specs/semconv/messaging/messaging-spans/ and …/http/http-spans/
"""

from typing import Final

MESSAGING_SYSTEM: Final = "messaging.system"
MESSAGING_OPERATION_NAME: Final = "messaging.operation.name"
MESSAGING_OPERATION_TYPE: Final = "messaging.operation.type"
"""`create`, `send`, `receive` or `process`."""
MESSAGING_DESTINATION_NAME: Final = "messaging.destination.name"
MESSAGING_SUBSCRIPTION_NAME: Final = "messaging.destination.subscription.name"
MESSAGING_BATCH_MESSAGE_COUNT: Final = "messaging.batch.message_count"
MESSAGING_MESSAGE_ID: Final = "messaging.message.id"
ERROR_TYPE: Final = "error.type"
HTTP_REQUEST_METHOD: Final = "http.request.method"
HTTP_RESPONSE_STATUS_CODE: Final = "http.response.status_code"
HTTP_ROUTE: Final = "http.route"
SERVER_ADDRESS: Final = "server.address"
URL_PATH: Final = "url.path"

SAGA_NAME: Final = "saga.name"
SAGA_STEP: Final = "saga.step"
SAGA_UNDO: Final = "saga.undo"
SAGA_REFUSAL: Final = "saga.refusal"
"""The code with which a step was refused: an outcome, no error."""

LOG: Final = "event_log"
"""The system and the destination of what is appended to the log and claimed from it."""
CELERY: Final = "celery"
"""The system of messages to workers, whatever broker carries them."""
