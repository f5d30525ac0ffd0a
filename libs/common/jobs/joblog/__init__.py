"""A job's log: written line by line by its worker, shown live through Redis, kept in SQL.

`lines` makes clean lines out of a program's output, `masking` hides secrets in them, `entries` says what a batch and a
stream position are, `archive` is the SQL side, `writer` the worker's side, `reader` everybody else's. Lines have a
running number n from 1; whatever carries them, a reader joins by n.
"""
