"""From a program's output to log lines: put pieces together, clean, mask, cut. Pure except for the held-back piece."""

from collections.abc import Iterator

from libs.common.jobs.joblog.ansi import clean, last_overprint
from libs.common.jobs.joblog.masking import Masker

# Room behind a cut in which a secret that reaches over it is still recognised; tokens of any shape are shorter.
_MARGIN_CHARS = 4096


class LineBuffer:
    """Turns one stream of text (a job's stdout, say) into finished messages.

    A line that goes on in the next piece is held back, in bounded memory, until its end is there: so neither a secret
    nor a control sequence nor `\\r\\n` is torn by the border of two pieces.
    """

    def __init__(self, max_bytes: int) -> None:
        """`max_bytes` is the longest message in UTF-8; the rest of a longer line is cut and the message says so."""
        self._max_bytes = max_bytes
        self._held = ""
        self._lost_bytes = 0  # of the held line, beyond what is kept of it

    def feed(self, text: str, masker: Masker, *, more: bool = False) -> Iterator[str]:
        """Yield the messages that are finished now; with `more` the last line goes on in the next call.

        A final newline ends its line and starts no empty one; empty text is nothing. Iterate to the end: what is not
        taken is lost.
        """
        start = 0
        while (end := text.find("\n", start)) >= 0:
            self._hold(text[start:end], masker)
            yield self._message(masker)
            start = end + 1
        self._hold(text[start:], masker)
        if not more and self._held:
            yield self._message(masker)

    def flush(self, masker: Masker) -> Iterator[str]:
        """Yield the line that was held back, if there is one: nothing more comes."""
        if self._held:
            yield self._message(masker)

    def _hold(self, piece: str, masker: Masker) -> None:
        self._held += piece
        keep = self._max_bytes + max(_MARGIN_CHARS, masker.longest)
        # ANSI sequences and overprinted parts vanish later, so up to twice of it is looked at before something is cut.
        if len(self._held) <= 2 * keep:
            return
        tail = self._held.rfind("\r", 0, -1) + 1
        shown = self._held[tail:]
        if len(shown) > 2 * keep:
            self._lost_bytes += len(shown[2 * keep :].encode("utf-8", "replace"))
            shown = shown[: 2 * keep]
        self._held = shown

    def _message(self, masker: Masker) -> str:
        line, lost_bytes = last_overprint(clean(self._held)), self._lost_bytes
        self._held, self._lost_bytes = "", 0
        # A character has at least one byte: whatever lies beyond this many cannot be in the message.
        message = masker.mask(line, self._max_bytes if len(line) > self._max_bytes or lost_bytes else None)
        lost_bytes += len(line[self._max_bytes :].encode())
        encoded = message.encode()
        if len(encoded) > self._max_bytes:
            message = encoded[: self._max_bytes].decode("utf-8", "ignore")
            lost_bytes += len(encoded) - len(message.encode())
        return f"{message} [... {lost_bytes} bytes cut]" if lost_bytes else message
