"""People and their credentials: users, logins, API keys, and who a credential belongs to.

A credential is a static key (API_KEYS), an API key that somebody made, a login token, or a browser's session. What
ends one is a row in SQL that each request looks at, so it ends at once on every gateway, and losing Redis revives
nothing.
"""
