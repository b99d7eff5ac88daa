"""Django settings, read from environment variables. `ENVIRONMENT` is `production` by default.

Production refuses to start without real secrets. `development` is a shell on loopback, `stack` the one-command stack,
`test` the test suite. Each Celery setting names the fault that it is there for.
"""

import warnings
from datetime import timedelta
from ipaddress import ip_network
from typing import Any

from django.core.exceptions import ImproperlyConfigured

from events.worker.broker_queues import BrokerQueues
from events.worker.periodic_tasks import PeriodicTasks
from orderproject import browser_rules, release
from orderproject.applications import APPLICATIONS
from orderproject.environment import (
    BASE_DIR,
    ENVIRONMENT,
    PRODUCTION,
    check_traces,
    env,
    hosts,
    outside,
    secret,
    server,
)
from orderproject.observability.logs import configuration


def read_old_name(old: str, new: str) -> None:
    """A variable that was renamed. Its old name is read until the next release."""
    if old in env.ENVIRON and new not in env.ENVIRON:
        warnings.warn(f"The environment variable {old} is now called {new}: rename it", FutureWarning, stacklevel=2)
        env.ENVIRON[new] = env.ENVIRON[old]


SECRET_KEY = secret("SECRET_KEY", shortest=50)
SECRET_KEY_FALLBACKS: list[str] = env.list("SECRET_KEY_FALLBACKS", default=[])  # earlier ones: they still open
DEBUG: bool = ENVIRONMENT == "development" and env.bool("DEBUG", default=False)
ALLOWED_HOSTS = hosts("ALLOWED_HOSTS")
PUBLIC_URL: str = env.str("PUBLIC_URL", default="http://127.0.0.1:8000")
CSRF_TRUSTED_ORIGINS: list[str] = env.list("CSRF_TRUSTED_ORIGINS", default=[])
FLOWER_URL: str = env.str("FLOWER_URL", default="")

INSTALLED_APPS = [
    "unfold",
    "unfold.contrib.filters",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "axes",
    "rest_framework",
    "django_filters",
    "csp",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    *APPLICATIONS,
]

MIDDLEWARE = [
    "orderproject.observability.requests.MeasuringMiddleware",
    "orderproject.middleware.RequestContextMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "django_permissions_policy.PermissionsPolicyMiddleware",
    "orderproject.browser_rules.ContentSecurityPolicyMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "orderproject.middleware.RateLimitMiddleware",
    "orderproject.middleware.PathMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "axes.middleware.AxesMiddleware",
]

ROOT_URLCONF = "orderproject.urls"
WSGI_APPLICATION = "orderproject.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "orderproject" / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    },
    {  # e-mails, from the folder `jinja2` of each app: Jinja renders one in a tenth of Django's time
        "BACKEND": "django.template.backends.jinja2.Jinja2",
        "APP_DIRS": True,
        "OPTIONS": {"environment": "orderproject.jinja.environment"},
    },
]

# --- PostgreSQL -----------------------------------------------------------------------------------------
DATABASES: dict[str, dict[str, Any]] = {"default": env.db_url_config(server("DATABASE_URL"))}
DATABASES["default"]["CONN_MAX_AGE"] = 0  # the pool keeps the connections
if DATABASES["default"].get("NAME"):  # empty where `makemigrations --check` runs without a server
    DATABASES["default"]["ENGINE"] = "events.db.engine"  # reconnects immediately after PostgreSQL restarts
DATABASES["default"]["CONN_HEALTH_CHECKS"] = False  # the engine does it
DATABASES["default"].setdefault("OPTIONS", {}).update(
    {
        # Celery closes the connection after every task; with a pool this costs nothing.
        "pool": {"min_size": 0, "max_size": env.int("DATABASE_POOL_SIZE", default=16), "timeout": 10},
        "server_side_binding": True,  # sends arrays as parameters instead of literals
        "prepare_threshold": 0,  # the engine prepares only statements of `events.db.keyed`
        # Rows are looked up by key and are cached in memory, so an index lookup costs little more than a scan. Without
        # sequential scans, a plan that was made for a small table stays good when the table grows. No statement
        # runs long enough for JIT compilation to pay off.
        "options": "-c random_page_cost=1.1 -c enable_seqscan=off -c jit=off",
        "connect_timeout": 5,
        # A lost server is detected within half a minute instead of two hours.
        "keepalives_idle": 10,
        "keepalives_interval": 5,
        "keepalives_count": 3,
    }
)
if ENVIRONMENT == "test":
    DATABASES["default"]["OPTIONS"]["options"] += " -c events.erasable=on"  # lets tests delete events
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# --- Valkey or Redis ------------------------------------------------------------------------------------
REDIS_URL = server("REDIS_URL")
BROKER_URL: str = env.str("BROKER_URL", default="") or REDIS_URL
if not BROKER_URL.startswith(("redis://", "rediss://", "amqp://", "amqps://")):
    raise ImproperlyConfigured(  # without the address, which can contain a password
        f"BROKER_URL begins with {BROKER_URL.partition(':')[0]!r}: set a URL with redis:// (also for Valkey), rediss://,"
        " amqp:// or amqps://. Celery cannot use Kafka as its broker here"
    )

# --- Celery: see https://docs.celeryq.dev/en/stable/userguide/configuration.html -------------------------
# On Redis, the seconds until an unacknowledged message (kill -9 of a worker) is delivered again. It is used in three
# places and must be equal in all. The relay and the sweep retry sooner, so this only cleans up.
VISIBILITY_TIMEOUT = 600
CELERY_BROKER_URL = BROKER_URL
CELERY_RESULT_BACKEND = f"sagas.results:Backend+{REDIS_URL}"  # counts chords, keeps results
CELERY_VISIBILITY_TIMEOUT = VISIBILITY_TIMEOUT
CELERY_BROKER_TRANSPORT_OPTIONS: dict[str, Any] = (
    {"confirm_publish": True}  # RabbitMQ: a publish that the node did not confirm raises
    if BROKER_URL.startswith("amqp")
    else {
        "visibility_timeout": VISIBILITY_TIMEOUT,
        "unacked_restore_interval": 10,  # seconds between searches for messages of killed workers
        "unacked_restore_throttle": 1,  # searches every time instead of every tenth time
        "socket_timeout": 10,  # an unresponsive server causes an error instead of a hang
        "socket_connect_timeout": 2,  # likewise an unresponsive host
        "socket_keepalive": True,  # detects a lost server
        "max_retries": 0,  # for connections to publish: the relay retries sooner
        "health_check_interval": 15,  # detects a half-open connection before it is used
    }
)
CELERY_RESULT_BACKEND_TRANSPORT_OPTIONS = {
    "visibility_timeout": VISIBILITY_TIMEOUT,
    "retry_policy": {"max_retries": 1},  # the sweep retries a chord that could not be counted
}
CELERY_REDIS_SOCKET_TIMEOUT = 10.0  # chord counters: an unresponsive server must not block a worker
CELERY_REDIS_SOCKET_CONNECT_TIMEOUT = 2.0  # likewise an unresponsive host
CELERY_REDIS_SOCKET_KEEPALIVE = True  # detects a lost server
CELERY_REDIS_RETRY_ON_TIMEOUT = True  # retries once after a timeout
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True  # workers can start before their broker
CELERY_BROKER_CONNECTION_MAX_RETRIES = None  # and reconnect without a limit
CELERY_BROKER_HEARTBEAT = 10  # RabbitMQ: both sides close a connection that was lost silently
CELERY_TASK_SERIALIZER = "json"
CELERY_RESULT_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]  # never unpickle what a stranger queued
CELERY_TASK_IGNORE_RESULT = True  # rows hold outcomes; a task that needs its result says ignore_result=False
CELERY_RESULT_EXPIRES = timedelta(hours=1)  # results and unfinished chords must not fill the memory
CELERY_TASK_ACKS_LATE = True  # a worker that dies gives back what it held
CELERY_TASK_REJECT_ON_WORKER_LOST = False  # the attempt count in the row stops poison; redelivery would loop it
CELERY_WORKER_PREFETCH_MULTIPLIER = 1  # a message is a batch: never hoard
CELERY_WORKER_CANCEL_LONG_RUNNING_TASKS_ON_CONNECTION_LOSS = False  # rows make the second run harmless
CELERY_WORKER_SOFT_SHUTDOWN_TIMEOUT = 5.0  # with REMAP_SIGTERM=SIGQUIT: SIGTERM requeues what is held
CELERY_TASK_CREATE_MISSING_QUEUES = False  # a misspelt queue fails immediately
CELERY_TASK_ROUTES = ("events.declare.routing.route",)
# The arguments of queues on RabbitMQ. Workers declare the queues and their dead-letter queue.
RABBITMQ_QUEUE: dict[str, Any] = {
    "x-queue-type": "quorum",  # replicated: messages survive the loss of a node
    "x-delivery-limit": 3,  # limits redeliveries of a message that crashes its workers
    "x-dead-letter-exchange": "dead",  # then it goes to the queue from which workers store it as a DeadMessage
    "x-dead-letter-strategy": "at-least-once",  # even if a node is lost meanwhile
    "x-overflow": "reject-publish",  # required by at-least-once; a full queue refuses new messages
}
CELERY_TASK_QUEUES = BrokerQueues(RABBITMQ_QUEUE if BROKER_URL.startswith("amqp") else None)
CELERY_TASK_DEFAULT_QUEUE = "streams"
CELERY_TASK_PUBLISH_RETRY = False  # the relay and the sweep retry a failed publish; waiting here would block
CELERY_TASK_SEND_SENT_EVENT = False  # Flower is told what is done, by events.monitor
CELERY_WORKER_SEND_TASK_EVENTS = True
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_WORKER_CONSUMER = "events.worker.consumer:Consumer"  # stores messages that Celery's consumer loses or crashes on
CELERY_BEAT_SCHEDULER = "events.worker.scheduler:Scheduler"
CELERY_BEAT_MAX_LOOP_INTERVAL = 5  # beat gives its sign of life at every turn
WORKER_TASK_LIMIT = 360.0  # seconds after which a task counts as stuck, and its worker with it: above every time_limit
CELERY_WORKER_DETECT_QUORUM_QUEUES = True  # quorum queues refuse a prefetch for all consumers together
CELERY_TASK_DEFAULT_QUEUE_TYPE = "quorum" if BROKER_URL.startswith("amqp") else "classic"  # what Celery declares itself
CELERY_BEAT_SCHEDULE = PeriodicTasks()  # each application declares its own, in its apps.py

# --- The relay ------------------------------------------------------------------------------------------
read_old_name("RELAY_PACE", "RELAY_LINGER")
read_old_name("RELAY_GATE", "RELAY_MAX_QUEUE_DEPTH")
RELAY_BATCH = env.int("RELAY_BATCH", default=2000)  # deliveries in one claim, for each subscriber
RELAY_POLL = env.float("RELAY_POLL", default=1.0)  # seconds between two looks when no hint arrives
RELAY_LEASE = env.float("RELAY_LEASE", default=60.0)  # seconds until an unanswered delivery is sent again
RELAY_LINGER = env.float("RELAY_LINGER", default=0.5)  # seconds in which a batch fills up under load
RELAY_MAX_QUEUE_DEPTH = env.int("RELAY_MAX_QUEUE_DEPTH", default=2)  # above it, a queue gets nothing more

# --- Metrics: the networks of clients that can read /metrics, and the version that processes report --------
METRICS_NETWORKS: list[str] = env.list("METRICS_NETWORKS", default=["127.0.0.0/8", "::1/128"])
RELEASE: str = env.str("RELEASE", default="") or release.of_checkout(BASE_DIR)

# --- Traces: nothing is recorded without the address of a collector that takes OTLP over HTTP -----------------
OTEL_EXPORTER_OTLP_ENDPOINT: str = env.str("OTEL_EXPORTER_OTLP_ENDPOINT", default="")
OTEL_TRACES_SAMPLER_ARG = env.float("OTEL_TRACES_SAMPLER_ARG", default=1.0)  # the share of new traces to record
OTEL_SERVICE_NAME: str = env.str("OTEL_SERVICE_NAME", default="orderproject")
TRACE_URL: str = env.str("TRACE_URL", default="")  # the page of a trace, with {trace_id} in it
check_traces(OTEL_EXPORTER_OTLP_ENDPOINT, OTEL_TRACES_SAMPLER_ARG, TRACE_URL)

# --- Retention in days. The log, the audit, and everything that waits for an operator are never deleted -----
RETENTION_DELIVERIES = env.float("RETENTION_DELIVERIES", default=30.0)  # finished deliveries with their attempts
RETENTION_DEAD_MESSAGES = env.float("RETENTION_DEAD_MESSAGES", default=30.0)  # after they were sent again or discarded
RETENTION_WEBHOOKS = env.float("RETENTION_WEBHOOKS", default=30.0)  # webhook deliveries with their attempts
RETENTION_INBOX = env.float("RETENTION_INBOX", default=30.0)  # identities: a message that repeats later comes twice
RETENTION_SAGAS = env.float("RETENTION_SAGAS", default=90.0)  # finished runs; stuck runs are not finished

# --- Ports: the functions that services call without importing each other ---------------------------------
CATALOGUE = "inventory.selectors.offers"
WAREHOUSES = "inventory.selectors.warehouses"
CARD_ASKED = "payments.selectors.card_asked"
EVENT_SERVERS = {"api": PUBLIC_URL}  # where events can be had, for the AsyncAPI document; it leaves passwords out
EVENT_CHANNELS = {  # by which ways else events leave, for the same document
    "webhooks": {
        "title": "Webhooks",
        "description": "The address that a client registered; signed as Standard Webhooks.",
    },
}
EVENT_BROKERS = "publishing.engine.brokers.describe"
ORDER_SUMMARIES = "orders.selectors.summaries"
ORDER_NUMBER = "orders.selectors.number_of"
LIVE_OWNERS = "orders.selectors.owners_of"
LIVE_STREAMS = "orders.selectors.streams_of"
ANSWER_ONCE = "orders.placing.idempotency.answer_once"
AUTH_USER_MODEL = "orderproject.User"

# --- Returns --------------------------------------------------------------------------------------------
# Take back what customers return immediately and restock it, without approval and receipt by staff
RETURNS_AUTO_APPROVE = env.bool("RETURNS_AUTO_APPROVE", default=False)

# --- Payments -------------------------------------------------------------------------------------------
PAYMENT_GATEWAY_URL: str = outside("PAYMENT_GATEWAY_URL", loopback="http://127.0.0.1:8090")
PAYMENT_GATEWAY_KEY: str = env.str("PAYMENT_GATEWAY_KEY", default="")
PAYMENT_GATEWAY_TIMEOUT: float = env.float("PAYMENT_GATEWAY_TIMEOUT", default=5.0)  # seconds per call

# --- Mail -----------------------------------------------------------------------------------------------
MAIL_DIR: str = env.str("MAIL_DIR", default="")
if MAIL_DIR:
    EMAIL_BACKEND = "notifications.mailbox.MailboxBackend"
else:
    vars().update(env.email_url_config(outside("EMAIL_URL", loopback="consolemail://")))
EMAIL_TIMEOUT = 10
DEFAULT_FROM_EMAIL: str = env.str("DEFAULT_FROM_EMAIL", default="orders@example.com")

# --- Webhooks -------------------------------------------------------------------------------------------
WEBHOOK_ALLOW_HTTP: bool = env.bool("WEBHOOK_ALLOW_HTTP", default=False)  # for local development
# Private networks that webhooks can use in spite of the address check, such as 127.0.0.0/8
WEBHOOK_ALLOWED_NETWORKS = [str(ip_network(one)) for one in env.list("WEBHOOK_ALLOWED_NETWORKS", default=[])]

# --- Streams: what the log is published to. A broker without an address gets nothing ------------------------
STREAMS_RABBITMQ_URL: str = env.str("STREAMS_RABBITMQ_URL", default="")
STREAMS_RABBITMQ_EXCHANGE: str = env.str("STREAMS_RABBITMQ_EXCHANGE", default="orders")
STREAMS_KAFKA_BOOTSTRAP_SERVERS: str = env.str("STREAMS_KAFKA_BOOTSTRAP_SERVERS", default="")
STREAMS_KAFKA_TOPIC_PREFIX: str = env.str("STREAMS_KAFKA_TOPIC_PREFIX", default="orders")
STREAMS_KAFKA_MODE: str = env.str("STREAMS_KAFKA_MODE", default="binary")  # of CloudEvents; or structured
# Values begin with the id of their schema, as Confluent's serializers write it
STREAMS_KAFKA_SCHEMA_REGISTRY_URL: str = env.str("STREAMS_KAFKA_SCHEMA_REGISTRY_URL", default="")
STREAMS_KAFKA_PARTITIONS = env.int("STREAMS_KAFKA_PARTITIONS", default=6)  # of a new topic
STREAMS_KAFKA_REPLICATION = env.int("STREAMS_KAFKA_REPLICATION", default=1)
# Further properties of librdkafka, such as security.protocol=SASL_SSL
STREAMS_KAFKA_OPTIONS: dict[str, str] = env.dict("STREAMS_KAFKA_OPTIONS", default={})
STREAMS_LEASE = env.float("STREAMS_LEASE", default=15.0)  # seconds after which another process replaces a dead one
STREAMS_SLOTS = env.int("STREAMS_SLOTS", default=1)  # how many processes can publish to one broker at a time

# --- The inbox: events of other systems. By source: the topic or the queue that they come from ---------------
INBOX_KAFKA_BOOTSTRAP_SERVERS: str = env.str("INBOX_KAFKA_BOOTSTRAP_SERVERS", default="")
INBOX_KAFKA_TOPICS: dict[str, str] = env.dict("INBOX_KAFKA_TOPICS", default={})
INBOX_KAFKA_GROUP: str = env.str("INBOX_KAFKA_GROUP", default="orders")
INBOX_KAFKA_OPTIONS: dict[str, str] = env.dict("INBOX_KAFKA_OPTIONS", default={})  # as STREAMS_KAFKA_OPTIONS
INBOX_RABBITMQ_URL: str = env.str("INBOX_RABBITMQ_URL", default="")
INBOX_RABBITMQ_QUEUES: dict[str, str] = env.dict("INBOX_RABBITMQ_QUEUES", default={})
INBOX_BATCH = env.int("INBOX_BATCH", default=500)  # messages in one transaction
INBOX_MAX_BYTES = env.int("INBOX_MAX_BYTES", default=1_048_576)  # a larger message is kept as unreadable
# What to do with types that no code declares: skip them and count, or keep them as unreadable
INBOX_UNKNOWN_TYPES: str = env.str("INBOX_UNKNOWN_TYPES", default="skip")
if INBOX_UNKNOWN_TYPES not in {"skip", "keep"}:
    raise ImproperlyConfigured(f"INBOX_UNKNOWN_TYPES is {INBOX_UNKNOWN_TYPES!r}: set it to skip or keep")

# --- The API --------------------------------------------------------------------------------------------
REST_FRAMEWORK: dict[str, Any] = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["orderproject.accounts.identity.Authentication"],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_RENDERER_CLASSES": ["web.wire.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["web.wire.JSONParser"],
    "DEFAULT_PAGINATION_CLASS": "web.pages.CursorPages",
    "DEFAULT_FILTER_BACKENDS": ["web.filters.KnownParameters"],
    "DEFAULT_SCHEMA_CLASS": "orderproject.api.openapi.Schema",
    "DEFAULT_METADATA_CLASS": None,  # OPTIONS gets a 405: the OpenAPI document has the metadata
    "EXCEPTION_HANDLER": "orderproject.api.problems.handle",
    "TEST_REQUEST_DEFAULT_FORMAT": "json",
}
SIMPLE_JWT: dict[str, Any] = {
    "ACCESS_TOKEN_LIFETIME": timedelta(minutes=15),  # a revoked permission works until the token expires
    "REFRESH_TOKEN_LIFETIME": timedelta(days=1),
    "TOKEN_USER_CLASS": "orderproject.accounts.identity.Caller",  # the name of a class  # nosec B105
}
SPECTACULAR_SETTINGS: dict[str, Any] = {
    "TITLE": "Orders",
    "DESCRIPTION": "Place orders, follow and cancel them. Errors are problem+json (RFC 9457).",
    "VERSION": "1.0.0",
    "OAS_VERSION": "3.1.0",
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "SERVE_AUTHENTICATION": [],
    "SERVE_INCLUDE_SCHEMA": False,
    "PATH_CONVERTER_OVERRIDES": {"id": {"type": "string", "format": "uuid"}},  # `web.ids`
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "orderproject.api.openapi.add_common_parts",
    ],
    "ENUM_GENERATE_CHOICE_DESCRIPTION": False,
    "ENUM_NAME_OVERRIDES": {
        "DeliveryState": "events.models.DeliveryState.values",
        "ReplayState": "events.models.ReplayState.values",
        "ReturnStatus": "orders.returns.ReturnStatus.values",
        "SagaState": "sagas.operations.serializers.RUN_STATES",
        "SagaStepState": "sagas.operations.serializers.STEP_STATES",
    },
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "SWAGGER_UI_SETTINGS": {"deepLinking": True, "persistAuthorization": True, "displayRequestDuration": True},
}
LIVE_LIFETIME = SIMPLE_JWT["ACCESS_TOKEN_LIFETIME"].total_seconds()  # for callers whose key has no end
DATA_UPLOAD_MAX_MEMORY_SIZE = 1024 * 1024

# --- The admin ------------------------------------------------------------------------------------------
CSRF_FAILURE_VIEW = "orderproject.api.problems.csrf_failed"
UNFOLD: dict[str, Any] = {
    "SITE_TITLE": "Orders",
    "SITE_HEADER": "Orders",
    "SITE_SYMBOL": "orders",
    "SITE_URL": None,
    "SITE_FAVICONS": [
        {"rel": "icon", "type": "image/svg+xml", "href": "orderproject.admin_site.navigation.favicon"},
    ],
    "STYLES": ["orderproject.admin_site.navigation.colors", "orderproject.admin_site.navigation.stylesheet"],
    "DASHBOARD_CALLBACK": "orderproject.admin_site.dashboard.summary",
    "SIDEBAR": {"navigation": "orderproject.admin_site.navigation.sidebar"},
    "SCRIPTS": ["orderproject.admin_site.navigation.htmx_config"],
    "COLORS": "orderproject.admin_site.navigation.no_inline_colors",
}
SAGA_SUBJECT_NAME = "order"  # what a saga is about, as the API, the admin and the command `sagas` name it
SAGA_SUBJECT_PAGE = "admin:orders_order_change"  # the admin page of what a saga is about

# --- Authentication and rate limits ---------------------------------------------------------------------
AUTHENTICATION_BACKENDS = ["axes.backends.AxesStandaloneBackend", "django.contrib.auth.backends.ModelBackend"]
AXES_FAILURE_LIMIT = 5
AXES_COOLOFF_TIME = timedelta(minutes=15)
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_LOCKOUT_CALLABLE = "orderproject.accounts.auth.locked_out"
AXES_CLIENT_IP_CALLABLE = "orderproject.api.addresses.client_address"
AXES_RESET_ON_SUCCESS = True
AXES_USERNAME_CALLABLE = "orderproject.accounts.auth.name_of_attempt"
AXES_VERBOSE = False
# Addresses or networks of our own proxies, such as nginx. Only their entries in X-Forwarded-For are trusted.
TRUSTED_PROXIES = [str(ip_network(one)) for one in env.list("TRUSTED_PROXIES", default=[])]
# Requests per minute, 0 for no limit: per user or API key; per address of anonymous callers; log-ins per address.
RATE_LIMIT = env.int("RATE_LIMIT", default=60_000)
RATE_LIMIT_ANONYMOUS = env.int("RATE_LIMIT_ANONYMOUS", default=6_000)
RATE_LIMIT_LOGIN = env.int("RATE_LIMIT_LOGIN", default=120)
LOGIN_REDIRECT_URL = "admin:index"  # after a log-in whose `next` is no page of ours
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator"},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.NumericPasswordValidator"},
]
CONTENT_SECURITY_POLICY = browser_rules.POLICY
PERMISSIONS_POLICY = browser_rules.PERMISSIONS
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
SESSION_COOKIE_HTTPONLY = CSRF_COOKIE_HTTPONLY = True  # no script of ours reads them
SESSION_COOKIE_SAMESITE, CSRF_COOKIE_SAMESITE = "Lax", "Strict"
if PRODUCTION:
    SECURE_SSL_REDIRECT = env.bool("SECURE_SSL_REDIRECT", default=True)
    SECURE_REDIRECT_EXEMPT = [r"^livez$", r"^readyz$", r"^metrics$"]
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    SECURE_HSTS_SECONDS = 31_536_000
    SECURE_HSTS_INCLUDE_SUBDOMAINS = True
    SECURE_HSTS_PRELOAD = True
    SESSION_COOKIE_SECURE = True
    CSRF_COOKIE_SECURE = True

# --- Text, time, files, logs ----------------------------------------------------------------------------
LANGUAGE_CODE = "en"
FORMAT_MODULE_PATH = ["orderproject.formats"]  # shows times with seconds
TIME_ZONE = "UTC"
USE_TZ = True
STATIC_URL = "static/"
STATIC_ROOT = env.str("STATIC_ROOT", default=str(BASE_DIR / "var" / "static"))
WHITENOISE_USE_FINDERS = not PRODUCTION  # production uses collectstatic
LOGGING = configuration(as_json=PRODUCTION)
