"""The builds slice: what a forge pushed becomes a build, and a build becomes jobs that a provider runs.

A *delivery* is one request of a forge (`forges/` verifies and reads it, pure). A *repository* is registered by a
person, or by its first verified delivery. A *replay* is a delivery that a person sends again, a *run* is a build of a
ref that a person asks for. A *build* is the record of producing something; it keeps a history of states, and its jobs
(`builds.run_build`) come and go. A *provider* runs it: `local` starts the *runner* on the worker's machine.
"""
