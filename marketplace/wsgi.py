"""The WSGI entry point."""

import os

import django
from django.core.wsgi import get_wsgi_application

from marketplace.guard import forbid_host_executor

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "marketplace.settings")

forbid_host_executor()
django.setup()

from marketplace.statics import gather_static_files  # noqa: E402  # it needs the settings

gather_static_files()
_django = get_wsgi_application()

from marketplace.frontdoor import FrontDoor  # noqa: E402  # it needs the settings

application = FrontDoor(_django)
