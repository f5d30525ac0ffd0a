"""The apps slice: code that people write, deployed isolated. Its routes and kinds of jobs come with it."""
