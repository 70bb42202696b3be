"""Print a command of the README, so that CI runs what a newcomer types: `readme_command.py demo | tests`."""

from __future__ import annotations

import re
import sys
from pathlib import Path

readme = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
found = re.search(rf"<!-- command: {re.escape(sys.argv[1])} -->\s*```sh\n(.*?)\n```", readme, re.DOTALL)
if found is None:
    sys.exit(f"README.md has no command marked {sys.argv[1]!r}")
sys.stdout.write(" ".join(found.group(1).replace("\\\n", " ").split()) + "\n")
