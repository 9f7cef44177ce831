"""Manifest, texts, icons and quality scale: what hassfest, which comes with Home Assistant's source only, would check."""

from __future__ import annotations

from collections.abc import Iterator
import json
from pathlib import Path
import re
from typing import Any

from awesomeversion import AwesomeVersion
from homeassistant.components.sensor import SensorDeviceClass, SensorStateClass
from homeassistant.components.sensor.const import DEVICE_CLASS_STATE_CLASSES, DEVICE_CLASS_UNITS
import pytest
import yaml

from custom_components.hoymiles_smiles import binary_sensor, codes, const, coordinator, descriptions
from custom_components.hoymiles_smiles.config_flow import SmilesConfigFlow

ROOT = Path(__file__).parents[2]
HERE = ROOT / "custom_components" / "hoymiles_smiles"
SENSORS = (
    *descriptions.BRIDGE_SENSORS,
    *descriptions.DTU_SENSORS,
    *descriptions.INVERTER_SENSORS,
    *descriptions.PORT_SENSORS,
)
SOURCE = "\n".join(path.read_text() for path in sorted(HERE.glob("*.py")))


def load(name: str) -> Any:
    """Read a JSON file of the integration."""
    return json.loads((HERE / name).read_text())


def leaves(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """Yield every text with the way to it."""
    if isinstance(value, dict):
        for key, child in value.items():
            yield from leaves(child, f"{path}.{key}" if path else key)
    else:
        yield path, value


EN, DE = (dict(leaves(load(f"translations/{language}.json"))) for language in ("en", "de"))


# --- manifest -------------------------------------------------------------------------------------------------


def test_manifest() -> None:
    """Domain and name first, the rest by the alphabet; what a custom integration must have."""
    manifest = load("manifest.json")
    keys = list(manifest)
    assert keys == ["domain", "name", *sorted(keys[2:])]
    assert manifest["domain"] == HERE.name == const.DOMAIN
    assert manifest["integration_type"] == "hub"
    assert manifest["iot_class"] == "local_push"
    assert manifest["quality_scale"] == "platinum"
    assert manifest["zeroconf"] == ["_hoymiles-smiles._tcp.local."]
    assert manifest["config_flow"] is True
    assert manifest["requirements"] == []
    assert manifest["documentation"].startswith("https://")
    assert AwesomeVersion(manifest["version"]).valid


def test_the_version_is_that_of_the_program() -> None:
    """One version for bridge and integration."""
    cargo = (ROOT / "Cargo.toml").read_text()
    found = re.search(r'^version = "([^"]+)"', cargo, re.MULTILINE)
    assert found
    assert found[1] == load("manifest.json")["version"]


def test_hacs() -> None:
    """What HACS reads at the top of the repository."""
    hacs = json.loads((ROOT / "hacs.json").read_text())
    assert hacs["name"] == load("manifest.json")["name"]
    assert re.fullmatch(r"\d{4}\.\d+\.\d+", hacs["homeassistant"])


@pytest.mark.parametrize(("name", "size"), [("icon.png", (256, 256)), ("icon@2x.png", (512, 512)), ("logo.png", None)])
def test_brand(name: str, size: tuple[int, int] | None) -> None:
    """A PNG of the size that Home Assistant asks for."""
    data = (HERE / "brand" / name).read_bytes()
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    width, height = int.from_bytes(data[16:20]), int.from_bytes(data[20:24])
    if size:
        assert (width, height) == size
    else:
        assert 128 <= min(width, height) <= 256


def test_there_are_no_actions() -> None:
    """So there is nothing to describe."""
    assert not (HERE / "services.yaml").exists()
    assert "services.async_register" not in SOURCE


# --- texts ----------------------------------------------------------------------------------------------------


def test_strings_are_the_english_texts() -> None:
    """Home Assistant reads translations/en.json; strings.json is what translators expect."""
    assert (HERE / "strings.json").read_bytes() == (HERE / "translations" / "en.json").read_bytes()


def test_german_says_the_same() -> None:
    """The same texts, with the same placeholders, and in German."""
    assert list(DE) == list(EN)
    for key, text in EN.items():
        assert sorted(re.findall(r"\{\w+\}", text)) == sorted(re.findall(r"\{\w+\}", DE[key])), key
    alike = {text for key, text in EN.items() if DE[key] == text}
    assert alike <= {"Port", "Token", "Host", "Online", "Offline", "{name}", "Code", "EEPROM error"}


@pytest.mark.parametrize("texts", [EN, DE], ids=["en", "de"])
def test_texts_are_well_formed(texts: dict[str, str]) -> None:
    """Nothing empty, no loose blanks, no markup, keys that hassfest takes."""
    for key, text in texts.items():
        assert text, key
        assert text == text.strip(), key
        assert not re.search(r"<\w|https?://\w", text), key
        assert all(re.fullmatch(r"[a-z0-9]([a-z0-9_-]*[a-z0-9])?", part) for part in key.split(".")), key


def test_every_entity_has_its_texts_and_nothing_else_has() -> None:
    """Names, states and attributes."""
    expected = {f"entity.sensor.{s.translation_key}.name" for s in SENSORS if s.translation_key}
    expected.add(f"entity.binary_sensor.{binary_sensor.HEALTHY.translation_key}.name")
    for sensor in SENSORS:
        expected |= {f"entity.sensor.{sensor.translation_key}.state.{option}" for option in sensor.options or []}
    found = {key for key in EN if key.startswith("entity.") and ".state_attributes." not in key}
    assert found == expected


def test_a_sensor_without_a_translation_key_is_named_by_its_class() -> None:
    """Home Assistant has those names in every language."""
    assert {s.key for s in SENSORS if s.translation_key is None} == {"temperature"}
    assert {s.device_class for s in SENSORS if s.translation_key is None} == {SensorDeviceClass.TEMPERATURE}


def test_every_step_and_reason_has_its_text() -> None:
    """Steps of the flows, errors, reasons, exceptions and issues: all that the source uses, and no more."""
    steps = set(re.findall(r'step_id="(\w+)"', SOURCE))
    found = {key.split(".")[2] for key in EN if key.startswith(("config.step.", "options.step."))}
    assert found == steps
    assert {key.split(".")[2] for key in EN if key.startswith("options.step.")} == {"init"}
    failures = {key for _, key in coordinator._FAILURES} | {"cannot_connect", "invalid_auth"}
    errors = {key.removeprefix("config.error.") for key in EN if key.startswith("config.error.")}
    assert errors == failures | {"unknown"}
    exceptions = {key.split(".")[1] for key in EN if key.startswith("exceptions.")}
    assert exceptions == failures | {"wrong_bridge"}
    reasons = {key.removeprefix("config.abort.") for key in EN if key.startswith("config.abort.")}
    said = set(re.findall(r'reason="(\w+)"', SOURCE)) | {"reauth_successful", "reconfigure_successful"}
    assert reasons == said | {"too_old", "invalid_response"}
    issues = {key.split(".")[1] for key in EN if key.startswith("issues.")}
    assert issues == {"bridge_too_old", "dtu_offline"}
    assert all(f'translation_key="{issue}"' in SOURCE for issue in issues)


def test_every_field_has_name_and_description() -> None:
    """The form's own schemas decide which there are."""
    for step in ("user", "reconfigure"):
        fields = {key.split(".")[4] for key in EN if key.startswith(f"config.step.{step}.data.")}
        assert fields == {"host", "port", "token"}
    data = {key for key in EN if re.match(r"(config|options)\.step\.\w+\.data\.", key)}
    described = {key.replace(".data_description.", ".data.") for key in EN if ".data_description." in key}
    assert described == data


def test_what_the_flow_says_can_be_done() -> None:
    """Each error names a remedy: a sentence that tells what to do."""
    for key, text in EN.items():
        if key.startswith(("config.error.", "exceptions.")):
            assert re.search(r"\b(Check|Give|Update|give|Reconfigure|log says)\b", text), key


# --- entities -------------------------------------------------------------------------------------------------


def test_icons() -> None:
    """One for each entity without a device class of its own look, none for what does not exist, states that exist."""
    icons = load("icons.json")["entity"]
    by_key = {s.translation_key: s for s in SENSORS if s.translation_key}
    assert set(icons["sensor"]) == set(by_key)
    assert set(icons["binary_sensor"]) == {binary_sensor.HEALTHY.translation_key}
    for key, icon in icons["sensor"].items():
        assert re.fullmatch(r"mdi:[a-z0-9-]+", icon["default"])
        assert set(icon.get("state", {})) <= set(by_key[key].options or [])


@pytest.mark.parametrize("sensor", SENSORS, ids=lambda sensor: sensor.key)
def test_units_fit_their_classes(sensor: descriptions.SmilesSensorDescription) -> None:
    """What Home Assistant would warn of, and statistics would refuse."""
    if sensor.device_class is None:
        return
    units = DEVICE_CLASS_UNITS.get(sensor.device_class)
    assert units is None or sensor.native_unit_of_measurement in units
    classes = DEVICE_CLASS_STATE_CLASSES.get(sensor.device_class)
    if sensor.state_class:
        assert classes is None or SensorStateClass(sensor.state_class) in classes
    assert (sensor.device_class is SensorDeviceClass.ENUM) is bool(sensor.options)


def test_codes_have_words() -> None:
    """No option twice, every code within the options."""
    for meanings in (codes.OPERATING_STATUS, codes.LINK_STATUS, codes.ALARM):
        options = codes.options(meanings)
        assert len(options) == len(set(options))
        assert {codes.spell(code, meanings) for code in (*meanings, 99999)} <= set(options)
    assert codes.spell(None, codes.ALARM) is None


# --- quality scale ----------------------------------------------------------------------------------------------

# https://developers.home-assistant.io/docs/core/integration-quality-scale/checklist
RULES = [
    "action-setup",
    "appropriate-polling",
    "brands",
    "common-modules",
    "config-flow-test-coverage",
    "config-flow",
    "dependency-transparency",
    "docs-actions",
    "docs-high-level-description",
    "docs-installation-instructions",
    "docs-removal-instructions",
    "entity-event-setup",
    "entity-unique-id",
    "has-entity-name",
    "runtime-data",
    "test-before-configure",
    "test-before-setup",
    "unique-config-entry",
    "action-exceptions",
    "config-entry-unloading",
    "docs-configuration-parameters",
    "docs-installation-parameters",
    "entity-unavailable",
    "integration-owner",
    "log-when-unavailable",
    "parallel-updates",
    "reauthentication-flow",
    "test-coverage",
    "devices",
    "diagnostics",
    "discovery-update-info",
    "discovery",
    "docs-data-update",
    "docs-examples",
    "docs-known-limitations",
    "docs-supported-devices",
    "docs-supported-functions",
    "docs-troubleshooting",
    "docs-use-cases",
    "dynamic-devices",
    "entity-category",
    "entity-device-class",
    "entity-disabled-by-default",
    "entity-translations",
    "exception-translations",
    "icon-translations",
    "reconfiguration-flow",
    "repair-issues",
    "stale-devices",
    "async-dependency",
    "inject-websession",
    "strict-typing",
]


def test_quality_scale() -> None:
    """Every rule is done, or exempt for a reason."""
    rules = yaml.safe_load((HERE / "quality_scale.yaml").read_text())["rules"]
    assert list(rules) == RULES
    for rule, verdict in rules.items():
        if isinstance(verdict, str):
            assert verdict == "done", rule
        else:
            assert verdict["status"] in ("done", "exempt"), rule
            assert verdict["comment"], rule


def test_what_the_quality_scale_says_of_the_source() -> None:
    """The rules that can be seen in it."""
    assert SmilesConfigFlow.VERSION == 1
    for flow in ("reauth", "reconfigure", "zeroconf", "user"):
        assert hasattr(SmilesConfigFlow, f"async_step_{flow}")
    for platform in ("sensor", "binary_sensor"):
        assert "PARALLEL_UPDATES = 0" in (HERE / f"{platform}.py").read_text()
    for module in ("client.py", "models.py"):
        assert "homeassistant" not in (HERE / module).read_text()
    assert "ClientSession(" not in SOURCE
    assert "type: ignore" not in SOURCE


def test_the_documentation_has_what_the_rules_ask_for() -> None:
    """Its headings."""
    headings = re.findall(r"^## (.+)$", (ROOT / "docs" / "home-assistant.md").read_text(), re.MULTILINE)
    for heading in (
        "What it is for",
        "Install",
        "Add the bridge",
        "Options",
        "What it shows",
        "The Energy dashboard",
        "How values arrive",
        "Examples",
        "Coming from the earlier component",
        "Supported devices",
        "Known limits",
        "Troubleshooting",
        "Remove",
    ):
        assert heading in headings
