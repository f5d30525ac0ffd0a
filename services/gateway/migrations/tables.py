"""Every table of Slipway: importing this module fills `metadata`."""

from typing import Final

from sqlalchemy import MetaData

from libs.common.audit import models as audit
from libs.common.database import Base
from libs.common.idempotency import models as idempotency
from libs.common.jobs import models as jobs
from services.builds import models as builds
from services.gateway.accounts import models as accounts

__all__ = ["accounts", "audit", "builds", "idempotency", "jobs", "metadata"]

metadata: Final[MetaData] = Base.metadata
