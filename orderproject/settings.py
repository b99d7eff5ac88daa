"""Everything comes from the environment; `ENVIRONMENT` is `production` unless said otherwise.

Production refuses to start without real secrets. `stack` is the one-command stack on loopback,
`test` the test suite. Each Celery setting names the fault that it is there for.
"""

from datetime import timedelta
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import environ
from django.core.exceptions import ImproperlyConfigured
from kombu import Exchange
from kombu import Queue as BrokerQueue

from events.queues import Queue
from orderproject.logs import configuration

env = environ.Env()
BASE_DIR = Path(__file__).resolve().parent.parent

ENVIRONMENT: str = env.str("ENVIRONMENT", default="production")
PRODUCTION = ENVIRONMENT == "production"
if ENVIRONMENT not in {"production", "stack", "test"}:
    raise ImproperlyConfigured(f"ENVIRONMENT is {ENVIRONMENT!r}; it must be production, stack or test")


def secret(name: str, *, shortest: int) -> str:
    """A secret from the environment; outside production any value does."""
    value: str = env.str(name, default="" if PRODUCTION else f"loopback-only-{name.lower()}-" + "0" * shortest)
    if len(value) < shortest:
        raise ImproperlyConfigured(f"{name} must be set to a random text of at least {shortest} characters")
    return value


def outside(name: str, *, loopback: str) -> str:
    """The address of a server that is not ours: production must name it, a machine by itself has `loopback`."""
    value: str = env.str(name, default="") or ("" if PRODUCTION else loopback)
    if not value:
        raise ImproperlyConfigured(f"{name} must be set: production has no default for it")
    return value


SECRET_KEY = secret("SECRET_KEY", shortest=50)
SECRET_KEY_FALLBACKS: list[str] = env.list("SECRET_KEY_FALLBACKS", default=[])  # earlier ones: they still open
DEBUG = False
ALLOWED_HOSTS: list[str] = env.list(
    "ALLOWED_HOSTS", default=[] if PRODUCTION else ["127.0.0.1", "localhost", "testserver"]
)
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
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "events",
    "sagas",
    "orders",
    "inventory",
    "payments",
    "notifications",
    "orderproject",
]

MIDDLEWARE = [
    "orderproject.middleware.RequestContextMiddleware",
    "django.middleware.security.SecurityMiddleware",
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
    {  # mails, from the folder `jinja2` of each app: they are many, and here one takes a tenth of the time
        "BACKEND": "django.template.backends.jinja2.Jinja2",
        "APP_DIRS": True,
        "OPTIONS": {"environment": "orderproject.jinja.environment"},
    },
]

# --- PostgreSQL -----------------------------------------------------------------------------------------
DATABASES: dict[str, dict[str, Any]] = {"default": env.db("DATABASE_URL")}
DATABASES["default"]["CONN_MAX_AGE"] = 0  # the pool keeps the connections
if DATABASES["default"].get("NAME"):  # there is none where only models are compared with migrations
    DATABASES["default"]["ENGINE"] = "orderproject.postgresql"  # PostgreSQL restarted: a live connection at once
DATABASES["default"]["CONN_HEALTH_CHECKS"] = False  # which that does in its way
DATABASES["default"].setdefault("OPTIONS", {}).update(
    {
        # Celery closes the connection around every task; a pool makes that cost nothing.
        "pool": {"min_size": 0, "max_size": env.int("DATABASE_POOL_SIZE", default=16), "timeout": 10},
        "server_side_binding": True,  # arrays travel as they are instead of as literals
        "prepare_threshold": 0,  # but our engine lets only be prepared what is `events.keyed`
        # Rows are looked up by their keys and lie in memory, so that an index costs hardly more than a scan; where
        # there is one, no table is read as a whole, however small it was when the plan was made. And no statement here
        # runs for long enough to be worth compiling.
        "options": "-c random_page_cost=1.1 -c enable_seqscan=off -c jit=off",
        "connect_timeout": 5,
        # A peer that vanished is noticed within half a minute instead of two hours.
        "keepalives_idle": 10,
        "keepalives_interval": 5,
        "keepalives_count": 3,
    }
)
if ENVIRONMENT == "test":
    DATABASES["default"]["OPTIONS"]["options"] += " -c events.erasable=on"  # the log may be emptied between tests
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# --- Valkey or Redis ------------------------------------------------------------------------------------
REDIS_URL: str = env.str("REDIS_URL")
BROKER_URL: str = env.str("BROKER_URL", default="") or REDIS_URL
if not BROKER_URL.startswith(("redis://", "rediss://", "amqp://", "amqps://")):
    raise ImproperlyConfigured(  # without the address, which may hold a password
        f"BROKER_URL begins with {BROKER_URL.partition(':')[0]!r}; it must be redis:// (Valkey too), rediss://, amqp://"
        " or amqps://. Kafka is no broker for Celery: only one worker could use it"
    )

# --- Celery: see https://docs.celeryq.dev/en/stable/userguide/configuration.html -------------------------
# On Redis an unacked message comes back after this long (kill -9 of a worker). It stands in three places and
# must be equal everywhere; rows bring the work back sooner, so it only tidies up.
VISIBILITY_TIMEOUT = 600
CELERY_BROKER_URL = BROKER_URL
CELERY_RESULT_BACKEND = f"sagas.results:Backend+{REDIS_URL}"  # only the counters of chords live there
CELERY_VISIBILITY_TIMEOUT = VISIBILITY_TIMEOUT
CELERY_BROKER_TRANSPORT_OPTIONS: dict[str, Any] = (
    {"confirm_publish": True}  # RabbitMQ: a publish that the node did not take raises
    if BROKER_URL.startswith("amqp")
    else {
        "visibility_timeout": VISIBILITY_TIMEOUT,
        "unacked_restore_interval": 10,  # a worker that was killed: seconds between two looks for what it held …
        "unacked_restore_throttle": 1,  # … and every look counts; by default it is every tenth
        "socket_timeout": 10,  # a frozen server is an error, not a wait without end
        "socket_connect_timeout": 2,  # nor is a host that answers nobody
        "socket_keepalive": True,  # a peer that vanished without a word is noticed
        "max_retries": 0,  # of connecting in order to publish: the rows ask again sooner
        "health_check_interval": 15,  # a connection that is only half there is found out before it is used
    }
)
CELERY_RESULT_BACKEND_TRANSPORT_OPTIONS = {
    "visibility_timeout": VISIBILITY_TIMEOUT,
    "retry_policy": {"max_retries": 1},  # a chord that cannot be counted is asked again by rows
}
CELERY_REDIS_SOCKET_TIMEOUT = 10.0  # the same for the counters of chords: a frozen server must not hold a worker,
CELERY_REDIS_SOCKET_CONNECT_TIMEOUT = 2.0  # nor one that answers nobody,
CELERY_REDIS_SOCKET_KEEPALIVE = True  # nor one that vanished
CELERY_REDIS_RETRY_ON_TIMEOUT = True  # a server that was slow once is asked once more
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True  # workers may start before their broker
CELERY_BROKER_CONNECTION_MAX_RETRIES = None  # and wait for one that is away for as long as it takes
CELERY_BROKER_HEARTBEAT = 10  # RabbitMQ: a connection that died silently is given up, on both sides
CELERY_TASK_SERIALIZER = "json"
CELERY_RESULT_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]  # never unpickle what a stranger queued
CELERY_TASK_IGNORE_RESULT = True  # rows hold outcomes; only the header of a chord keeps a result
CELERY_RESULT_EXPIRES = timedelta(hours=1)  # a chord that lost a part must not fill the memory for ever
CELERY_TASK_ACKS_LATE = True  # a worker that dies gives back what it held
CELERY_TASK_REJECT_ON_WORKER_LOST = False  # the attempt count in the row stops poison; redelivery would loop it
CELERY_WORKER_PREFETCH_MULTIPLIER = 1  # a message is a batch: never hoard
CELERY_WORKER_CANCEL_LONG_RUNNING_TASKS_ON_CONNECTION_LOSS = False  # rows make the second run harmless
CELERY_WORKER_SOFT_SHUTDOWN_TIMEOUT = 5.0  # with REMAP_SIGTERM=SIGQUIT: SIGTERM hands back what is held
CELERY_TASK_CREATE_MISSING_QUEUES = False  # a misspelt queue fails at once
CELERY_TASK_ROUTES = ("events.routing.route",)
# What RabbitMQ must know of a queue; on Redis nothing. Workers declare the queues, and the dead one behind them.
RABBITMQ_QUEUE: dict[str, Any] = {
    "x-queue-type": "quorum",  # a node lost with its disk takes no message with it
    "x-delivery-limit": 3,  # a message that kills whoever takes it is not given out for ever
    "x-dead-letter-exchange": "dead",  # … but goes to where workers keep it as a DeadMessage
    "x-dead-letter-strategy": "at-least-once",  # a node lost on its way there does not lose it
    "x-overflow": "reject-publish",  # which that needs; and a full queue says no instead of dropping the oldest
}
# Direct, so that messages go by the queue's name: bindings of other exchanges are keys that a FLUSHALL takes along.
CELERY_TASK_QUEUES = [
    BrokerQueue(
        str(queue),
        Exchange("tasks", type="direct"),
        str(queue),
        queue_arguments=RABBITMQ_QUEUE if BROKER_URL.startswith("amqp") else None,
    )
    for queue in Queue
]
CELERY_TASK_DEFAULT_QUEUE = "orders"
CELERY_TASK_PUBLISH_RETRY = False  # a failed publish is asked again by rows; waiting for it would block
CELERY_TASK_SEND_SENT_EVENT = True  # Flower: queue time
CELERY_WORKER_SEND_TASK_EVENTS = True
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_WORKER_CONSUMER = "events.consumer:Consumer"  # keeps what Celery's own loses, or dies of
CELERY_BEAT_SCHEDULER = "events.beat:Scheduler"
CELERY_BEAT_MAX_LOOP_INTERVAL = 5  # beat gives its sign of life at every turn
WORKER_TASK_LIMIT = 360.0  # seconds after which a task counts as stuck, and its worker with it: above every time_limit
CELERY_WORKER_DETECT_QUORUM_QUEUES = True  # quorum queues refuse a prefetch for all consumers together
CELERY_TASK_DEFAULT_QUEUE_TYPE = "quorum" if BROKER_URL.startswith("amqp") else "classic"  # what Celery declares itself
CELERY_BEAT_SCHEDULE: dict[str, dict[str, Any]] = {
    # A sweep that waited for longer than it takes to send the next one is worth nothing: it expires.
    "sweep late saga stages": {"task": "sagas.sweep", "schedule": 3.0, "options": {"expires": 6}},
    "release expired holds": {
        "task": "inventory.release_expired_holds",
        "schedule": 60.0,
        "options": {"expires": 60},
    },
    "go on with replays": {"task": "events.replay", "schedule": 5.0, "options": {"expires": 5}},
    "forget deliveries": {"task": "events.prune", "schedule": 60.0, "options": {"expires": 60}},
    "forget sagas": {"task": "sagas.prune", "schedule": 60.0, "options": {"expires": 60}},
    "send webhooks": {"task": "notifications.send_webhooks", "schedule": 10.0, "options": {"expires": 10}},
    "look after webhooks": {
        "task": "notifications.look_after_webhooks",
        "schedule": 60.0,
        "options": {"expires": 60},
    },
    "forget answers": {"task": "orders.prune_idempotent_requests", "schedule": 60.0, "options": {"expires": 60}},
}

# --- The relay ------------------------------------------------------------------------------------------
RELAY_BATCH = env.int("RELAY_BATCH", default=2000)  # deliveries claimed at once, of each subscriber
RELAY_POLL = env.float("RELAY_POLL", default=1.0)  # seconds between two looks when no hint arrives
RELAY_LEASE = env.float("RELAY_LEASE", default=60.0)  # seconds until an unanswered delivery is sent again
RELAY_PACE = env.float("RELAY_PACE", default=0.5)  # seconds in which a batch fills, once many come at a time
RELAY_GATE = env.int("RELAY_GATE", default=2)  # messages waiting in a queue above which nothing more is sent

# --- Live streams ---------------------------------------------------------------------------------------
LIVE_POLL = env.float("LIVE_POLL", default=0.25)  # seconds between two looks at the log when no hint arrives
# Where web hands streams over; none: the proxy in front routes them.
LIVE_SOCKET: str = env.str("LIVE_SOCKET", default="")

# --- Metrics: networks from which /metrics may be read -----------------------------------------------------
METRICS_NETWORKS: list[str] = env.list("METRICS_NETWORKS", default=["127.0.0.0/8", "::1/128"])

# --- Retention: days until what is over is forgotten. The log and the audit never are, nor what waits for a person ---
RETENTION_DELIVERIES = env.float("RETENTION_DELIVERIES", default=30.0)  # deliveries that are done, with their attempts
RETENTION_DEAD_MESSAGES = env.float("RETENTION_DEAD_MESSAGES", default=30.0)  # since they were sent again, or discarded
RETENTION_WEBHOOKS = env.float("RETENTION_WEBHOOKS", default=30.0)  # deliveries to webhooks, with their attempts
RETENTION_SAGAS = env.float("RETENTION_SAGAS", default=90.0)  # runs that ended; a stuck one has not

# --- Who answers what a service asks without knowing whom -------------------------------------------------
CATALOGUE = "inventory.selectors.offers"
CATALOGUE_UNCHANGED = "inventory.selectors.UNCHANGED"
EVENT_SERVERS = {"api": PUBLIC_URL}  # where events can be had, for the AsyncAPI document; it leaves passwords out
ORDER_SUMMARIES = "orders.selectors.summaries"
LIVE_OWNERS = "orders.selectors.owners_of"
LIVE_STREAMS = "orders.selectors.streams_of"
ANSWER_ONCE = "orders.idempotency.answer_once"
AUTH_USER_MODEL = "orderproject.User"

# --- Payments -------------------------------------------------------------------------------------------
PAYMENT_GATEWAY_URL: str = outside("PAYMENT_GATEWAY_URL", loopback="http://127.0.0.1:8090")
PAYMENT_GATEWAY_KEY: str = env.str("PAYMENT_GATEWAY_KEY", default="")
PAYMENT_GATEWAY_TIMEOUT: float = env.float("PAYMENT_GATEWAY_TIMEOUT", default=5.0)  # seconds, per call

# --- Mail -----------------------------------------------------------------------------------------------
MAIL_DIR: str = env.str("MAIL_DIR", default="")
if MAIL_DIR:
    EMAIL_BACKEND = "notifications.mailbox.MailboxBackend"
else:
    vars().update(env.email_url_config(outside("EMAIL_URL", loopback="consolemail://")))
EMAIL_TIMEOUT = 10
DEFAULT_FROM_EMAIL: str = env.str("DEFAULT_FROM_EMAIL", default="orders@example.com")

# --- Webhooks -------------------------------------------------------------------------------------------
WEBHOOK_ALLOW_HTTP: bool = env.bool("WEBHOOK_ALLOW_HTTP", default=False)  # for a machine by itself
# Networks inside that webhooks may go to in spite of the rule, such as 127.0.0.0/8
WEBHOOK_ALLOWED_NETWORKS = [str(ip_network(one)) for one in env.list("WEBHOOK_ALLOWED_NETWORKS", default=[])]

# --- The API --------------------------------------------------------------------------------------------
REST_FRAMEWORK: dict[str, Any] = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["orderproject.identity.Authentication"],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_RENDERER_CLASSES": ["orderproject.wire.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["orderproject.wire.JSONParser"],
    "DEFAULT_PAGINATION_CLASS": "orderproject.pages.CursorPages",
    "DEFAULT_FILTER_BACKENDS": ["orderproject.filters.KnownParameters"],
    "DEFAULT_SCHEMA_CLASS": "orderproject.openapi.Schema",
    "DEFAULT_METADATA_CLASS": None,  # OPTIONS is answered with 405: the schema says more
    "EXCEPTION_HANDLER": "orderproject.problems.handle",
    "UNAUTHENTICATED_USER": "django.contrib.auth.models.AnonymousUser",
    "TEST_REQUEST_DEFAULT_FORMAT": "json",
}
SIMPLE_JWT: dict[str, Any] = {
    "ACCESS_TOKEN_LIFETIME": timedelta(minutes=15),  # as long may a revoked right still work
    "REFRESH_TOKEN_LIFETIME": timedelta(days=1),
    "TOKEN_USER_CLASS": "orderproject.identity.Caller",  # the name of a class  # nosec B105
}
SPECTACULAR_SETTINGS: dict[str, Any] = {
    "TITLE": "Orders",
    "DESCRIPTION": "Place orders, follow and cancel them. Errors are problem+json (RFC 9457).",
    "VERSION": "1.0.0",
    "OAS_VERSION": "3.1.0",
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "SERVE_AUTHENTICATION": [],
    "SERVE_INCLUDE_SCHEMA": False,
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "orderproject.openapi.add_what_all_share",
    ],
    "ENUM_GENERATE_CHOICE_DESCRIPTION": False,
    "ENUM_NAME_OVERRIDES": {
        "DeliveryState": "events.models.DeliveryState.values",
        "ReplayState": "events.models.ReplayState.values",
        "SagaState": "sagas.serializers.RUN_STATES",
        "SagaStepState": "sagas.serializers.STEP_STATES",
    },
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "SWAGGER_UI_SETTINGS": {"deepLinking": True, "persistAuthorization": True, "displayRequestDuration": True},
}
DATA_UPLOAD_MAX_MEMORY_SIZE = 1024 * 1024

# --- The admin ------------------------------------------------------------------------------------------
UNFOLD: dict[str, Any] = {
    "SITE_TITLE": "Orders",
    "SITE_HEADER": "Orders",
    "SITE_SYMBOL": "orders",
    "SITE_URL": None,
    "STYLES": ["orderproject.navigation.stylesheet"],
    "DASHBOARD_CALLBACK": "orderproject.dashboard.summary",
    "SIDEBAR": {"navigation": "orderproject.navigation.sidebar"},
    "COLORS": {  # blue: violet is Unfold's own
        "primary": {
            "50": "#eff6ff", "100": "#dbeafe", "200": "#bfdbfe", "300": "#93c5fd", "400": "#60a5fa", "500": "#3b82f6",
            "600": "#2563eb", "700": "#1d4ed8", "800": "#1e40af", "900": "#1e3a8a", "950": "#172554",
        },
    },
}  # fmt: skip
SAGA_SUBJECT_PAGE = "admin:orders_order_change"  # the admin page of what a saga is about

# --- Who may --------------------------------------------------------------------------------------------
AUTHENTICATION_BACKENDS = ["axes.backends.AxesStandaloneBackend", "django.contrib.auth.backends.ModelBackend"]
AXES_FAILURE_LIMIT = 5
AXES_COOLOFF_TIME = timedelta(minutes=15)
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_LOCKOUT_CALLABLE = "orderproject.auth.locked_out"
AXES_CLIENT_IP_CALLABLE = "orderproject.addresses.client_address"
AXES_RESET_ON_SUCCESS = True
AXES_VERBOSE = False
# Addresses or networks of our own proxies. Only what these say in X-Forwarded-For is believed.
TRUSTED_PROXIES = [str(ip_network(one)) for one in env.list("TRUSTED_PROXIES", default=[])]
# Requests a minute, 0 for any number: per user or API key; per address of strangers; and log-ins, per address.
RATE_LIMIT = env.int("RATE_LIMIT", default=60_000)
RATE_LIMIT_ANONYMOUS = env.int("RATE_LIMIT_ANONYMOUS", default=6_000)
RATE_LIMIT_LOGIN = env.int("RATE_LIMIT_LOGIN", default=120)
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator"},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.NumericPasswordValidator"},
]
if PRODUCTION:
    SECURE_SSL_REDIRECT = env.bool("SECURE_SSL_REDIRECT", default=True)
    SECURE_REDIRECT_EXEMPT = [r"^livez$", r"^readyz$", r"^metrics$"]
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    SECURE_HSTS_SECONDS = 31_536_000
    SECURE_HSTS_INCLUDE_SUBDOMAINS = True
    SECURE_HSTS_PRELOAD = True
    SESSION_COOKIE_SECURE = True
    CSRF_COOKIE_SECURE = True
    if not ALLOWED_HOSTS:
        raise ImproperlyConfigured("ALLOWED_HOSTS must name the hosts that this installation answers for")

# --- Text, time, files, logs ----------------------------------------------------------------------------
LANGUAGE_CODE = "en"
FORMAT_MODULE_PATH = ["orderproject.formats"]  # to the second: that is how one reads a log
TIME_ZONE = "UTC"
USE_TZ = True
STATIC_URL = "static/"
STATIC_ROOT = env.str("STATIC_ROOT", default=str(BASE_DIR / "var" / "static"))
WHITENOISE_USE_FINDERS = not PRODUCTION  # production collects its static files
LOGGING = configuration(as_json=PRODUCTION)
