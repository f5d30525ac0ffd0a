"""The page: a browser's view of everything, in plain ES modules and CSS.

There is no build step: `static/` is served as it is. `routes.py` sends the files, `assets.py` gives them their address.
"""
