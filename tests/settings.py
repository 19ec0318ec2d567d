"""The product's own settings on test services: a database, a broker database and a data folder per test process."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import urlsplit

from marketplace import embedded
from marketplace.config import default_data_dir

WORKER = os.environ.get("PYTEST_XDIST_WORKER", "main")
SERVICES_DIR = Path(os.environ.get("KEIKEN_TEST_DIR") or default_data_dir() / "test")
# A worker inherits the controller's environment, in which the embedded addresses already stand.
USES_EMBEDDED_POSTGRES = os.environ.get("DATABASE_URL", "") in ("", embedded.database_url(SERVICES_DIR))
USES_EMBEDDED_VALKEY = os.environ.get("REDIS_URL", "").split("?")[0] in ("", embedded.redis_url(SERVICES_DIR))

if USES_EMBEDDED_POSTGRES:
    os.environ["DATABASE_URL"] = embedded.database_url(SERVICES_DIR)
# Each worker has a database of its own; Redis and Valkey have 16, and the first is the controller's.
REDIS_DATABASE = 0 if WORKER == "main" else 1 + int(WORKER.removeprefix("gw"))
if USES_EMBEDDED_VALKEY:
    os.environ["REDIS_URL"] = f"{embedded.redis_url(SERVICES_DIR)}?db={REDIS_DATABASE}"
else:
    os.environ["REDIS_URL"] = urlsplit(os.environ["REDIS_URL"])._replace(path=f"/{REDIS_DATABASE}").geturl()
os.environ["KEIKEN_DATA_DIR"] = str(SERVICES_DIR / WORKER)

# A key of Stripe's test mode serves the tests that are about it; the product's settings begin without one.
STRIPE_TEST_KEY = os.environ.pop("STRIPE_API_KEY", "")
if STRIPE_TEST_KEY and not STRIPE_TEST_KEY.startswith(("sk_test_", "rk_test_")):
    raise SystemExit("STRIPE_API_KEY is no key of Stripe's test mode. Tests never touch real money: unset it.")

from marketplace.settings import *  # noqa: E402, F403

# Tests make people by the hundred; hashing their passwords as slowly as a site must would be most of the run.
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
# Pages made in the tests' own process name static files plainly; tests/browser looks at the hashed ones.
STORAGES["staticfiles"] = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}  # noqa: F405
STATIC_ROOT.mkdir(parents=True, exist_ok=True)  # noqa: F405
# Each client of a test loads the middleware anew, which would look through all static files each time.
WHITENOISE_AUTOREFRESH = True
