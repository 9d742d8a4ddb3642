"""`python -m teleport.cli.tctl`"""

from __future__ import annotations

import sys

from teleport.cli.tctl import main

sys.exit(main())
