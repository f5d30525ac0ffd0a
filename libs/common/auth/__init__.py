"""Passwords, tokens and API keys: pure checks that know neither HTTP nor tables.

`secret_key` derives one key per purpose from SECRET_KEY, `hashing` keeps passwords, `tokens` signs and reads JWTs,
`keys` knows the form of API keys and the static ones, `sessions` that of browser sessions.
"""
