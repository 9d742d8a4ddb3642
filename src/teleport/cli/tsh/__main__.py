"""`python -m teleport.cli.tsh`"""

from __future__ import annotations

import sys

from teleport.cli.tsh import main

sys.exit(main())
