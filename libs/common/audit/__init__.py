"""Who did what to what, from where: one row per change that somebody asked for.

    async with database.transaction() as tx:
        ...
        await audit.record(tx, actor, "repository.updated", ("repository", uid), changed=["filters"])

The entry stands in the transaction of the change: there is neither a change without its entry nor an entry of a change
that was rolled back. What machines do by themselves (a worker ending its job, a forge's delivery) has its own history
and no entry here.
"""

from libs.common.audit.log import Actor, AuditFilter, Entry, export, find, forget, record

__all__ = ["Actor", "AuditFilter", "Entry", "export", "find", "forget", "record"]
