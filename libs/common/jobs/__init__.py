"""The durable job: its row decides, Redis carries it to a worker and shows it live.

`states` names the statuses, `kinds` declares what a slice may ask for, `models` holds the tables, `store` writes
rows, `claims` says who may run one, `live` mirrors changes to Redis, `publisher` and `repairer` keep Redis true to SQL,
`joblog` reads and writes logs. Nothing here knows arq or HTTP.
"""
