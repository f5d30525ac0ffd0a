"""Standalone mode: everything on one machine, one process tree, one data folder (`python -m workers.standalone`).

    python -m workers.standalone          the parent: checks, secrets, order of start and stop, restarts
    ├── lifeline.py ── valkey-server      only when REDIS_URL is not set
    ├── services.gateway
    └── workers.builds, workers.vms, workers.deployer

`datafolder` locks the folder and keeps its secrets, `embedded` finds and starts Redis, `tree` runs the processes,
`lifeline` sees to it that none of them outlives the parent.
"""
