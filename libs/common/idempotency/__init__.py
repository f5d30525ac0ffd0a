"""Doing once what a client may ask for twice: keys that are bound to the transaction of the work.

A request with an `Idempotency-Key` carries an Intent. `Intent.fulfil` writes the key into the transaction that does the
work (`audit.record` calls it, as the one call that every change makes), so the database itself sees to it that the work
of a key is committed once: a second transaction with the key waits for the first one's end, on whatever gateway it
runs, and a gateway that is killed leaves nothing behind that could lock the key. The answer is added afterwards; why,
and what follows, is decision 0011.
"""

from libs.common.idempotency.answers import KEPT_S, Answer, Answers, Deed
from libs.common.idempotency.intent import Intent, KeyInUse

__all__ = ["KEPT_S", "Answer", "Answers", "Deed", "Intent", "KeyInUse"]
