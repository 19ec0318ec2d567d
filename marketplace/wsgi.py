"""The WSGI entry point."""

import os

from django.core.wsgi import get_wsgi_application

from marketplace.guard import forbid_host_executor

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "marketplace.settings")

forbid_host_executor()
application = get_wsgi_application()
