"""BlueBuild's recipe v1: checked as closed as its own schema is, transpiled as far as the base image's tools reach.

    validate(document, files)              # every problem, with its place
    transpile(document, options, files)    # a Containerfile, or TranspilationFailed with all that stands in the way
    resolve(document, options, files)      # includes expanded, and which modules cannot be transpiled and why

`modules/` has one entry for each type of module: the shape of its keys, and its instructions. A module that needs more
than the tools of its base image (BlueBuild's own module images, another project's packages) is checked and refused with
the reason. The build context is the repository that BlueBuild expects: `files/`, with `scripts/`, `dnf/` ... below.
"""

from services.builds.recipes.bluebuild.reading import resolve, validate
from services.builds.recipes.bluebuild.writing import transpile

__all__ = ["resolve", "transpile", "validate"]
