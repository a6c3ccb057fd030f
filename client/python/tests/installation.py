"""The served installation that the tests run against: where it is, and the token files of its users.

`npm run test:clients` starts it and sets the environment: PILOTAGE_SERVER, and PILOTAGE_TOKENS, a directory with one file for
ada and for bob of vo1, and one for eve of vo2.
"""

import os
from pathlib import Path

SERVER = os.environ["PILOTAGE_SERVER"]
TOKENS = Path(os.environ["PILOTAGE_TOKENS"])


def token_file(user: str) -> Path:
    return TOKENS / f"{user}.token"
