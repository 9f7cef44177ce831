"""What the device's codes mean.

Hoymiles has published no table for Modbus. States are as the earlier component named them, but for 0, which is what an
inverter without sun or radio shows. Alarms are those that owners of these inverters have agreed upon.
"""

from __future__ import annotations

from typing import Final

from .models import Code

OTHER: Final = "other"

OPERATING_STATUS: Final = {
    0: "offline",
    1: "starting",
    2: "standby",
    3: "normal_operation",
    4: "fault",
    5: "permanent_fault",
    6: "communication_interrupted",
    7: "unknown_state",
}

LINK_STATUS: Final = {0: "disconnected", 1: "connected", 2: "poor", 3: "good", 4: "excellent"}

COMMUNICATION_STATUS: Final = {"online": "online", "error": "error", "unknown": "waiting"}

ALARM: Final = {
    0: "no_alarm",
    1: "inverter_start",
    2: "time_calibration",
    3: "eeprom_error",
    4: "offline",
    9: "not_heard",  # in every record of an inverter without sun
    11: "grid_voltage_surge",
    12: "grid_voltage_sag",
    13: "grid_frequency_step",
    14: "grid_phase_step",
    15: "grid_transient",
    71: "derating_voltage",
    72: "derating_temperature",
    73: "derating_frequency",
    95: "shadow_port_1",
    96: "shadow_port_2",
    97: "shadow_port_3",
    98: "shadow_port_4",
    121: "over_temperature",
    122: "suspected_stolen",
    123: "locked_remotely",
    124: "shut_down_remotely",
    125: "grid_parameter_error",
    126: "software_error",
    127: "firmware_error",
    128: "hardware_configuration_error",
    129: "abnormal_bias",
    130: "offline_alarm",
    141: "grid_overvoltage",
    142: "grid_overvoltage_10_min",
    143: "grid_undervoltage",
    144: "grid_overfrequency",
    145: "grid_underfrequency",
    146: "grid_frequency_rapid_change",
    147: "grid_outage",
    148: "grid_disconnected",
    149: "islanding",
    150: "dc_injection",
    171: "phase_difference",
    181: "insulation_fault",
    182: "grounding_fault",
    205: "mppt_a_overvoltage",
    206: "mppt_b_overvoltage",
    207: "mppt_a_undervoltage",
    208: "mppt_b_undervoltage",
    209: "no_input_port_1",
    210: "no_input_port_2",
    211: "no_input_port_3",
    212: "no_input_port_4",
    213: "wiring_a",
    214: "wiring_b",
    2000: "standby",
    8310: "shut_down_remotely",
    8320: "locked_remotely",
    9000: "suspected_stolen",
}


def spell(code: Code, meanings: dict[int, str], known_as: str = OTHER) -> str | None:
    """Return what a code means, or that it is one of others.

    A word of the bridge's device file stands for itself if it is one of ours.
    """
    if code is None:
        return None
    if isinstance(code, str):
        return code if code in meanings.values() else known_as
    return meanings.get(code, known_as)


def options(meanings: dict[int, str], known_as: str = OTHER) -> list[str]:
    """Return everything `spell` may say."""
    return list(dict.fromkeys([*meanings.values(), known_as]))
