"""What every slice's routes need, and nothing of any slice.

`principal` says who asks, `guards` who may, `errors` how a refusal looks, `paging` how a list is cut, `documentation`
how a route describes itself, `streaming` how bytes are sent as they come. `requests` and `edge` are the frame around
all routes: they are put in place once, by the gateway.
"""
