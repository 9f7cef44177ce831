"""Problems that the owner has to mend, as repairs issues. Each goes away by itself when its cause does."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers import issue_registry as ir

from .const import DOMAIN, DTU_OFFLINE_AFTER
from .models import Dtu, Health

if TYPE_CHECKING:
    from .coordinator import SmilesConfigEntry

DOCUMENTATION = "https://github.com/hoymiles-smiles/hoymiles-smiles/blob/main/docs/home-assistant.md#troubleshooting"


def _too_old(entry: SmilesConfigEntry) -> str:
    return f"bridge_too_old_{entry.entry_id}"


def _offline(entry: SmilesConfigEntry) -> str:
    return f"dtu_offline_{entry.entry_id}_"


@callback
def async_bridge_too_old(hass: HomeAssistant, entry: SmilesConfigEntry, version: str) -> None:
    """Ask for a newer bridge."""
    ir.async_create_issue(
        hass,
        DOMAIN,
        _too_old(entry),
        is_fixable=False,
        severity=ir.IssueSeverity.ERROR,
        learn_more_url=DOCUMENTATION,
        translation_key="bridge_too_old",
        translation_placeholders={"bridge": entry.title, "version": version},
    )


@callback
def async_judge(hass: HomeAssistant, entry: SmilesConfigEntry, health: Health) -> None:
    """Raise what is wrong with a bridge that is new enough, and clear what is not."""
    ir.async_delete_issue(hass, DOMAIN, _too_old(entry))
    wrong = {
        _offline(entry) + name: dtu for name, dtu in health.dtus.items() if _silent_for(dtu, health) > DTU_OFFLINE_AFTER
    }
    for issue_id, dtu in wrong.items():
        ir.async_create_issue(
            hass,
            DOMAIN,
            issue_id,
            is_fixable=False,
            severity=ir.IssueSeverity.WARNING,
            learn_more_url=DOCUMENTATION,
            translation_key="dtu_offline",
            translation_placeholders={
                "bridge": entry.title,
                "dtu": dtu.name,
                "hours": str(int(DTU_OFFLINE_AFTER.total_seconds() // 3600)),
                "error": dtu.last_error or "-",
            },
        )
    for domain, issue_id in list(ir.async_get(hass).issues):
        if domain == DOMAIN and issue_id.startswith(_offline(entry)) and issue_id not in wrong:
            ir.async_delete_issue(hass, DOMAIN, issue_id)


def _silent_for(dtu: Dtu, health: Health) -> timedelta:
    # A DTU that was never heard is silent for as long as the bridge has been running.
    seconds = dtu.seconds_since_success
    return timedelta(seconds=health.uptime_seconds if seconds is None else seconds)


@callback
def async_forget(hass: HomeAssistant, entry: SmilesConfigEntry) -> None:
    """Clear every issue of an entry that is removed."""
    for domain, issue_id in list(ir.async_get(hass).issues):
        if domain == DOMAIN and (issue_id == _too_old(entry) or issue_id.startswith(_offline(entry))):
            ir.async_delete_issue(hass, DOMAIN, issue_id)
