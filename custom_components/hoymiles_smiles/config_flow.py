"""Adding a bridge, by hand or by discovery, and changing how it is reached."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, override

from homeassistant.config_entries import (
    ConfigEntry,
    ConfigFlow,
    ConfigFlowResult,
    OptionsFlow,
)
from homeassistant.const import CONF_HOST, CONF_PORT, CONF_TOKEN
from homeassistant.core import callback
from homeassistant.helpers import selector
from homeassistant.helpers.service_info.zeroconf import ZeroconfServiceInfo
import voluptuous as vol

from .client import SmilesAuthError, SmilesUnavailableError
from .const import (
    CONF_SCAN_INTERVAL,
    DEFAULT_PORT,
    DEFAULT_SCAN_INTERVAL,
    DOMAIN,
    LOGGER,
    MAX_SCAN_INTERVAL,
    MIN_SCAN_INTERVAL,
)
from .coordinator import async_client, failure_key
from .models import Health, SmilesError, check_version

_TOKEN = selector.TextSelector(selector.TextSelectorConfig(type=selector.TextSelectorType.PASSWORD, autocomplete="off"))
_PORT = vol.All(
    selector.NumberSelector(selector.NumberSelectorConfig(min=1, max=65535, mode=selector.NumberSelectorMode.BOX)),
    vol.Coerce(int),
)
_ADDRESS_SCHEMA = vol.Schema(
    {
        vol.Required(CONF_HOST): selector.TextSelector(),
        vol.Required(CONF_PORT, default=DEFAULT_PORT): _PORT,
        vol.Optional(CONF_TOKEN): _TOKEN,
    }
)
_OPTIONAL_TOKEN_SCHEMA = vol.Schema({vol.Optional(CONF_TOKEN): _TOKEN})
_TOKEN_SCHEMA = vol.Schema({vol.Required(CONF_TOKEN): _TOKEN})
_OPTIONS_SCHEMA = vol.Schema(
    {
        vol.Required(CONF_SCAN_INTERVAL, default=DEFAULT_SCAN_INTERVAL): vol.All(
            selector.NumberSelector(
                selector.NumberSelectorConfig(
                    min=MIN_SCAN_INTERVAL,
                    max=MAX_SCAN_INTERVAL,
                    unit_of_measurement="s",
                    mode=selector.NumberSelectorMode.BOX,
                )
            ),
            vol.Coerce(int),
        )
    }
)


class SmilesConfigFlow(ConfigFlow, domain=DOMAIN):
    """How a bridge becomes known."""

    VERSION = 1

    def __init__(self) -> None:
        """Know nothing yet."""
        self._discovered: dict[str, Any] = {}
        self._needs_token = False

    @staticmethod
    @callback
    @override
    def async_get_options_flow(config_entry: ConfigEntry) -> SmilesOptionsFlow:
        """Return the flow of the options."""
        return SmilesOptionsFlow()

    # --- by hand ------------------------------------------------------------------------------------------

    @override
    async def async_step_user(self, user_input: dict[str, Any] | None = None) -> ConfigFlowResult:
        """Ask for host, port and token."""
        errors: dict[str, str] = {}
        if user_input is not None:
            user_input[CONF_HOST] = user_input[CONF_HOST].strip()
            self._async_abort_entries_match(_address(user_input))
            errors, health = await self._ask(user_input)
            if health is not None:
                await self.async_set_unique_id(_unique_id(health, user_input), raise_on_progress=False)
                self._abort_if_unique_id_configured(updates=_address(user_input))
                return self._create(user_input)
        return self.async_show_form(
            step_id="user",
            data_schema=self.add_suggested_values_to_schema(_ADDRESS_SCHEMA, user_input),
            errors=errors,
        )

    # --- by discovery -------------------------------------------------------------------------------------

    @override
    async def async_step_zeroconf(self, discovery_info: ZeroconfServiceInfo) -> ConfigFlowResult:
        """Meet a bridge that announced itself."""
        properties = discovery_info.properties
        if not (bridge_id := properties.get("id")):
            return self.async_abort(reason="not_smiles")
        address = {CONF_HOST: discovery_info.host, CONF_PORT: discovery_info.port or DEFAULT_PORT}
        await self.async_set_unique_id(bridge_id)
        self._abort_if_unique_id_configured(updates=address)
        # An entry of the earlier component, which could not know the id. It learns it from the bridge itself.
        self._async_abort_entries_match(address)
        try:
            check_version(properties.get("version") or "")
        except SmilesError as error:
            return self.async_abort(reason=failure_key(error))
        self._discovered = address
        self._needs_token = properties.get("auth") == "1"
        name = properties.get("name") or discovery_info.host
        self.context["title_placeholders"] = {"name": name}
        return await self.async_step_zeroconf_confirm()

    async def async_step_zeroconf_confirm(self, user_input: dict[str, Any] | None = None) -> ConfigFlowResult:
        """Let the owner agree, and ask for a token where the bridge wants one."""
        errors: dict[str, str] = {}
        if user_input is not None:
            data = self._discovered | user_input
            errors, health = await self._ask(data)
            if health is not None:
                return self._create(data)
            self._needs_token = self._needs_token or CONF_TOKEN in errors
        return self.async_show_form(
            step_id="zeroconf_confirm",
            data_schema=_TOKEN_SCHEMA if self._needs_token else vol.Schema({}),
            description_placeholders={
                CONF_HOST: self._discovered[CONF_HOST],
                CONF_PORT: str(self._discovered[CONF_PORT]),
            },
            errors=errors,
        )

    # --- later --------------------------------------------------------------------------------------------

    async def async_step_reauth(self, entry_data: Mapping[str, Any]) -> ConfigFlowResult:
        """Begin because the bridge refused the token."""
        return await self.async_step_reauth_confirm()

    async def async_step_reauth_confirm(self, user_input: dict[str, Any] | None = None) -> ConfigFlowResult:
        """Ask for another token; none, if the bridge wants none any more."""
        entry = self._get_reauth_entry()
        errors: dict[str, str] = {}
        if user_input is not None:
            data = _address(entry.data) | user_input
            errors, health = await self._ask(data)
            if health is not None:
                return self.async_update_reload_and_abort(entry, data=data)
        return self.async_show_form(
            step_id="reauth_confirm",
            data_schema=_OPTIONAL_TOKEN_SCHEMA,
            description_placeholders={CONF_HOST: entry.data[CONF_HOST]},
            errors=errors,
        )

    async def async_step_reconfigure(self, user_input: dict[str, Any] | None = None) -> ConfigFlowResult:
        """Change host, port or token, also to those of a bridge that took the place of the earlier one."""
        entry = self._get_reconfigure_entry()
        errors: dict[str, str] = {}
        if user_input is not None:
            user_input[CONF_HOST] = user_input[CONF_HOST].strip()
            errors, health = await self._ask(user_input)
            if health is not None:
                unique_id = _unique_id(health, user_input)
                for other in self._async_current_entries(include_ignore=False):
                    if other is not entry and other.unique_id == unique_id:
                        return self.async_abort(reason="already_configured")
                return self.async_update_reload_and_abort(entry, unique_id=unique_id, data=user_input)
        return self.async_show_form(
            step_id="reconfigure",
            data_schema=self.add_suggested_values_to_schema(_ADDRESS_SCHEMA, user_input or dict(entry.data)),
            errors=errors,
        )

    # --- common -------------------------------------------------------------------------------------------

    async def _ask(self, data: Mapping[str, Any]) -> tuple[dict[str, str], Health | None]:
        """Ask the bridge who it is and whether it takes the token. A DTU that sleeps is no hindrance."""
        client = async_client(self.hass, data[CONF_HOST], data[CONF_PORT], data.get(CONF_TOKEN))
        try:
            health = await client.health()
            await client.totals()
        except SmilesAuthError:
            return {CONF_TOKEN: "invalid_auth"}, None
        except SmilesUnavailableError:
            return {}, health
        except SmilesError as error:
            return {"base": failure_key(error)}, None
        except Exception:  # noqa: BLE001
            LOGGER.exception("Unexpected exception while asking the bridge")
            return {"base": "unknown"}, None
        return {}, health

    def _create(self, data: dict[str, Any]) -> ConfigFlowResult:
        return self.async_create_entry(title=f"Hoymiles S-Miles Bridge ({data[CONF_HOST]})", data=data)


class SmilesOptionsFlow(OptionsFlow):
    """How often to ask while events stay away."""

    async def async_step_init(self, user_input: dict[str, Any] | None = None) -> ConfigFlowResult:
        """Ask for the interval."""
        if user_input is not None:
            # Saved first, then loaded anew: the reload must not see what was there before.
            entries = self.hass.config_entries
            entries.async_update_entry(self.config_entry, options=user_input)
            entries.async_schedule_reload(self.config_entry.entry_id)
            return self.async_create_entry(data=user_input)
        return self.async_show_form(
            step_id="init",
            data_schema=self.add_suggested_values_to_schema(_OPTIONS_SCHEMA, self.config_entry.options),
        )


def _address(data: Mapping[str, Any]) -> dict[str, Any]:
    return {CONF_HOST: data[CONF_HOST], CONF_PORT: data[CONF_PORT]}


def _unique_id(health: Health, data: Mapping[str, Any]) -> str:
    """Return the bridge's id, or what the earlier component took for one."""
    return health.bridge_id or f"{data[CONF_HOST]}:{data[CONF_PORT]}"
