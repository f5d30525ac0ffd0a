"""`python -m libs.common.settings README.md docs/configuration.md`: write the files' tables of settings anew."""

import sys
from pathlib import Path

from libs.common.settings.catalogue import filled

for name in sys.argv[1:]:
    file = Path(name)
    file.write_text(filled(file.read_text(encoding="utf-8")), encoding="utf-8")
