"""A gateway as pipelines see it."""

from tests.webhooks.conftest import plain_log, site

__all__ = ["plain_log", "site"]
