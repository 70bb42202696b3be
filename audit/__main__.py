"""`python -m audit` is `bias-audit`."""

import sys

from audit.cli import main

sys.exit(main())
