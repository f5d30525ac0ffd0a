"""What the accounts refuse, beside what libs.common.errors names already.

RequestError
├── Unauthenticated
│   └── Refused             401  a credential that was good once, or never; its code says which
├── Forbidden
│   ├── SignupsClosed       403  SIGNUPS_CLOSED
│   └── WrongPassword       403  WRONG_PASSWORD
├── NotFound
│   ├── NoSuchUser          404  USER_NOT_FOUND
│   └── NoSuchKey           404  API_KEY_NOT_FOUND
└── Conflict
    ├── UserExists          409  USER_ALREADY_EXISTS: another one has this e-mail address or user name
    ├── LastSuperuser       409  LAST_SUPERUSER
    └── KeyEnded            409  API_KEY_ENDED
"""

from libs.common.errors import Conflict, Forbidden, NotFound, Unauthenticated
from libs.common.http.guards import CHALLENGE


class Refused(Unauthenticated):
    """Credentials that open nothing; the message is for whoever holds them and repeats nothing of them."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message, code=code, headers=CHALLENGE)


class SignupsClosed(Forbidden):
    default_code = "SIGNUPS_CLOSED"


class WrongPassword(Forbidden):
    default_code = "WRONG_PASSWORD"


class NoSuchUser(NotFound):
    default_code = "USER_NOT_FOUND"


class NoSuchKey(NotFound):
    default_code = "API_KEY_NOT_FOUND"


class UserExists(Conflict):
    default_code = "USER_ALREADY_EXISTS"


class LastSuperuser(Conflict):
    default_code = "LAST_SUPERUSER"


class KeyEnded(Conflict):
    default_code = "API_KEY_ENDED"
