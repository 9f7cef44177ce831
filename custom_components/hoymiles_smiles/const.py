"""Names and numbers that more than one module needs."""

from __future__ import annotations

from datetime import timedelta
import logging
from typing import Final

DOMAIN: Final = "hoymiles_smiles"
LOGGER: Final = logging.getLogger(__package__)
MANUFACTURER: Final = "Hoymiles"

DEFAULT_PORT: Final = 8080

CONF_SCAN_INTERVAL: Final = "scan_interval"
DEFAULT_SCAN_INTERVAL: Final = 60
MIN_SCAN_INTERVAL: Final = 10
MAX_SCAN_INTERVAL: Final = 300

# Sizes and row counts move slowly, and the bridge has to ask its store for them.
STATS_INTERVAL: Final = timedelta(minutes=5)

# Several DTUs are polled at about the same time, and each makes an event: one reading is enough for all of them.
PUSH_COOLDOWN: Final = 1.0
RECONNECT_MIN: Final = 3.0
RECONNECT_MAX: Final = 60.0

# A DTU without sun is still heard (it answers that its inverters are silent), but some owners switch theirs off for
# the night, and no night of the inhabited world outside the polar circles lasts longer than this.
DTU_OFFLINE_AFTER: Final = timedelta(hours=24)
