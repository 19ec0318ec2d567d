"""Django's settings. Everything an operator can change comes from marketplace.config."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import dj_database_url
from django.utils.translation import gettext_lazy as _

from marketplace import embedded
from marketplace.config import PROJECT, read_configuration, secret_key
from marketplace.patience import REDIS_OPTIONS

KEIKEN = read_configuration()

BASE_DIR = PROJECT
SECRET_KEY = secret_key(KEIKEN)
DEBUG = KEIKEN.debug
ALLOWED_HOSTS = [host.strip() for host in KEIKEN.allowed_hosts.split(",") if host.strip()]
CSRF_TRUSTED_ORIGINS = [KEIKEN.site_url]
SITE_ID = 1

INSTALLED_APPS = [
    "marketplace",
    "licensing",
    "experiences",
    "accounts",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.postgres",
    "django.contrib.humanize",
    "django.contrib.sitemaps",
    "rest_framework",
    "drf_spectacular",
    "django_filters",
    "django_htmx",
    "guardian",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "allauth.usersessions",
]

MIDDLEWARE = [
    # First, so that redirects, refused hosts and static files carry the headers, too.
    "marketplace.middleware.SecurityHeaders",
    "django.middleware.security.SecurityMiddleware",
    "marketplace.middleware.CompressPages",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "marketplace.middleware.LanguageOfAddress",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "allauth.usersessions.middleware.UserSessionsMiddleware",
]

ROOT_URLCONF = "marketplace.urls"
CSRF_FAILURE_VIEW = "marketplace.pages.errors.csrf_failure"
WSGI_APPLICATION = "marketplace.wsgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [PROJECT / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "django.template.context_processors.i18n",
                "marketplace.pages.base.shop",
                "marketplace.pages.appearance.appearance",
            ]
        },
    }
]

DATABASES = {
    "default": {
        **dj_database_url.parse(
            KEIKEN.database_url or embedded.database_url(KEIKEN.data_dir), conn_max_age=60, conn_health_checks=True
        ),
        "ATOMIC_REQUESTS": False,
    }
}
REDIS_URL = KEIKEN.redis_url or embedded.redis_url(KEIKEN.data_dir)
CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.redis.RedisCache",
        "LOCATION": REDIS_URL,
        "KEY_PREFIX": "keiken",
        "OPTIONS": REDIS_OPTIONS,
    }
}

AUTH_USER_MODEL = "accounts.Person"
AUTHENTICATION_BACKENDS = [
    "django.contrib.auth.backends.ModelBackend",
    "allauth.account.auth_backends.AuthenticationBackend",
    "guardian.backends.ObjectPermissionBackend",
]
PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.Argon2PasswordHasher",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]
ACCOUNT_USER_MODEL_USERNAME_FIELD = None
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*", "password2*"]
ACCOUNT_EMAIL_VERIFICATION = "optional"
ACCOUNT_ADAPTER = "marketplace.sign_in.AccountAdapter"
ACCOUNT_EMAIL_NOTIFICATIONS = True
MFA_SUPPORTED_TYPES = ["totp", "webauthn", "recovery_codes"]
MFA_PASSKEY_LOGIN_ENABLED = True
MFA_TOTP_ISSUER = "Keiken"
# Browsers themselves take localhost without https for trustworthy; elsewhere they need https anyhow.
MFA_WEBAUTHN_ALLOW_INSECURE_ORIGIN = not KEIKEN.uses_https
LOGIN_REDIRECT_URL = "home"
LOGIN_URL = "account_login"
# Permissions belong to organizations' groups; a stranger is no row in the database.
ANONYMOUS_USER_NAME = None
GUARDIAN_MONKEY_PATCH_USER = False

LANGUAGE_CODE = "en"
LANGUAGES = [("en", _("English")), ("ja", _("Japanese"))]
LOCALE_PATHS = [PROJECT / "locale"]
TIME_ZONE = "UTC"
USE_TZ = True

STATIC_URL = "static/"
STATIC_ROOT = KEIKEN.data_dir / "static"
STATICFILES_DIRS = [PROJECT / "static"]
STORAGES: dict[str, Any] = {
    "default": {
        "BACKEND": "django.core.files.storage.FileSystemStorage",
        "OPTIONS": {"location": str(KEIKEN.blob_dir), "file_permissions_mode": 0o640},
    },
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"},
}
# Files named by their content never change: they may be kept for ever. marketplace.statics gathers them.
WHITENOISE_KEEP_ONLY_HASHED_FILES = True
DATA_UPLOAD_MAX_MEMORY_SIZE = KEIKEN.upload_max_bytes

REST_FRAMEWORK: dict[str, Any] = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "accounts.authentication.ApiKeyAuthentication",
        "accounts.authentication.ActingSessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": [],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["marketplace.parsing.BoundedJSONParser"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "DEFAULT_THROTTLE_CLASSES": [
        "marketplace.throttling.AnonymousThrottle",
        "marketplace.throttling.KnownThrottle",
    ],
    "DEFAULT_THROTTLE_RATES": {"anonymous": KEIKEN.rate_anonymous, "known": KEIKEN.rate_known, "password": "10/h"},
    "EXCEPTION_HANDLER": "marketplace.problems.handle_exception",
    "UNAUTHENTICATED_USER": None,
    "NUM_PROXIES": 0,
}
SPECTACULAR_SETTINGS: dict[str, Any] = {
    "TITLE": "Keiken",
    "DESCRIPTION": "Find, license, check and replay proven experiences.",
    "VERSION": "1",
    "OAS_VERSION": "3.1.0",
    "SERVE_INCLUDE_SCHEMA": False,
    "SCHEMA_PATH_PREFIX": "/api/v1",
    # Choices stay where they are used: shared names for equal lists would change whenever a list does.
    "POSTPROCESSING_HOOKS": [],
}

# Celery names a unix socket and the number of a database its own way.
CELERY_BROKER_URL = REDIS_URL.replace("unix://", "redis+socket://").replace("?db=", "?virtual_host=")
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_DEFAULT_QUEUE = "default"
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_TASK_ROUTES = {
    "experiences.tasks.verify": {"queue": "verify"},
    "experiences.tasks.attest": {"queue": "attest"},
    "licensing.tasks.sign_licenses": {"queue": "attest"},
    "accounts.tasks.deliver_webhooks": {"queue": "outgoing"},
    "accounts.tasks.send_mails": {"queue": "outgoing"},
    "experiences.tasks.embed_listings": {"queue": "outgoing"},
    "marketplace.tasks.write_exports": {"queue": "outgoing"},
}
CELERY_BEAT_SCHEDULE_FILENAME = str(KEIKEN.data_dir / "beat-schedule")
CELERY_BEAT_SCHEDULE = {
    "nudge-verifications": {"task": "experiences.tasks.nudge", "schedule": KEIKEN.nudge_seconds},
    "reverify-by-age": {"task": "experiences.tasks.reverify_by_age", "schedule": 3600},
    "reverify-by-environment": {"task": "experiences.tasks.reverify_by_environment", "schedule": 300},
    "forget-gone-workers": {"task": "experiences.tasks.forget_gone_workers", "schedule": 3600},
    "forget-progress": {"task": "experiences.tasks.forget_progress", "schedule": 3600},
    "deliver-webhooks": {"task": "accounts.tasks.deliver_webhooks", "schedule": 10},
    "send-mails": {"task": "accounts.tasks.send_mails", "schedule": 30},
    "write-exports": {"task": "marketplace.tasks.write_exports", "schedule": 60},
    "forget-old-events": {"task": "accounts.tasks.forget_old_events", "schedule": 24 * 3600},
    "embed-listings": {"task": "experiences.tasks.embed_listings", "schedule": 30},
    "want-missing-embeddings": {"task": "experiences.tasks.want_missing_embeddings", "schedule": 300},
    "sweep-search-changes": {"task": "experiences.tasks.sweep_search_changes", "schedule": 3600},
    "sweep-blobs": {"task": "experiences.tasks.sweep_blobs", "schedule": 24 * 3600},
    "end-grants": {"task": "licensing.tasks.end_grants", "schedule": 300},
    "sign-licenses": {"task": "licensing.tasks.sign_licenses", "schedule": 60},
    "refresh-quality": {"task": "marketplace.tasks.refresh_quality", "schedule": 60},
    "payment-events": {"task": "licensing.tasks.process_events", "schedule": 60},
    "report-usage": {"task": "licensing.tasks.report_usage", "schedule": 60},
    "reconcile": {"task": "licensing.tasks.reconcile", "schedule": 24 * 3600},
}

EMAIL_BACKEND = f"django.core.mail.backends.{'smtp' if KEIKEN.mail_server else 'filebased'}.EmailBackend"
EMAIL_FILE_PATH = str(KEIKEN.data_dir / "mail")
EMAIL_TIMEOUT = 20
if KEIKEN.mail_server:
    EMAIL_HOST, EMAIL_PORT = KEIKEN.mail_server.host, KEIKEN.mail_server.port
    EMAIL_HOST_USER, EMAIL_HOST_PASSWORD = KEIKEN.mail_server.user, KEIKEN.mail_server.password
    EMAIL_USE_SSL, EMAIL_USE_TLS = KEIKEN.mail_server.uses_tls, KEIKEN.mail_server.uses_starttls
DEFAULT_FROM_EMAIL = SERVER_EMAIL = KEIKEN.email_from or f"keiken@{urlsplit(KEIKEN.site_url).hostname}"

SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = SECURE_SSL_REDIRECT = KEIKEN.uses_https
SECURE_HSTS_SECONDS = 31_536_000 if KEIKEN.uses_https else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = KEIKEN.uses_https
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if KEIKEN.uses_https else None

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "{asctime} {levelname} {name}: {message}", "style": "{"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
    "loggers": {"httpx": {"level": "WARNING"}, "stripe": {"level": "WARNING"}},
    "root": {"handlers": ["stderr"], "level": "INFO"},
}
