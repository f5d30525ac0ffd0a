"""Jobs over HTTP, and their live picture: status, logs in three forms, event streams.

`routes` and `schemas` are the HTTP side; `hub` reads Redis's event stream once for all clients of this process; `sse`
is the format; `logstream` follows one job's log, `feed` everything that a caller may see.
"""
