"""HTTP in, by resource: the webhook addresses that forges send to."""

from services.builds.routes.webhooks import router

__all__ = ["router"]
