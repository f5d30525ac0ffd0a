"""People and their credentials: users, logins, and who a credential belongs to.

One bootstrap administrator and static API keys so far; sign-up, keys that users make, and browser sessions belong
here too, behind the same `Authenticator`.
"""
