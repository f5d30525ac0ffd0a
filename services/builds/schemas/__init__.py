"""HTTP bodies of the builds slice."""
