"""The servers slice: OpenStack's virtual machines, or simulated ones. Its routes and kinds of jobs come with it."""
