"""The state of the accounts and its rules, by resource; the only writer of the accounts' tables.

`users` who there is, `logins` passwords that open sessions and tokens, and their end, `api_keys` keys for machines,
`uses` when a key or session was last seen.
"""
