"""The engine of every worker service: arq inside, SQL deciding.

`intake` takes published jobs from Redis, `engine` is our arq worker (alarm clocks, no arq defects), `runtime` runs one
step of a job and commits what came of it, `leases` keeps the claims alive, `slots` counts what runs, `context` is what
a handler gets, `service` ties them to one process with signals, heartbeat and metrics.
"""
