"""GitHub Actions as a build provider: the only place that imports githubkit.

client.py    one account's requests: authentication, REST versions, errors as ours, rate limits kept
actions.py   what we ask of Actions, one function per operation
shapes.py    as much of GitHub's JSON as we read
listing.py   one runs listing per repository, shared by all builds that follow runs in it
finding.py   which run is the one that we asked for (pure)
progress.py  how far a run is: stage, per cent, what to tell (pure)
archive.py   a run's log archive: fetched, read, its lines (sizes bounded)
"""
