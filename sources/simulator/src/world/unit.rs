//! One unit (an inverter) and its ports: what it has produced, whether it is awake, and what it answers.

use std::sync::Arc;

use crate::noise::{chance, hash, smooth};
use crate::world::sun::Sky;

const FACTOR: u64 = 201;
const THRESHOLD: u64 = 202;
const LIFETIME: u64 = 203;
const SERIAL: u64 = 204;
const JITTER: u64 = 205;
const GRID: u64 = 206;
const FREQUENCY: u64 = 207;
const PANEL: u64 = 208;

/// What a record says at one moment, in base units. All zero where nothing was heard.
#[derive(Clone, Debug, PartialEq)]
pub struct Reading {
    /// The unit's serial number.
    pub serial: Arc<str>,
    /// The port within the unit, from 1.
    pub index: u8,
    /// The unit sleeps, is dead, restarts, or its radio link is lost: it is not there at all.
    pub away: bool,
    /// Values are real. Neither `heard` nor `away` is the glitch: a pass that brings zeros.
    pub heard: bool,
    /// Link status, 0 or 1.
    pub link: u8,
    /// V.
    pub dc_voltage: f64,
    /// A.
    pub dc_current: f64,
    /// W.
    pub dc_power: f64,
    /// V.
    pub ac_voltage: f64,
    /// Hz.
    pub frequency: f64,
    /// Wh since the unit woke or restarted.
    pub energy_today: f64,
    /// Wh since the unit was made.
    pub energy_total: f64,
    /// °C.
    pub temperature: f64,
    /// Restarts since the unit woke.
    pub alarm_count: u32,
}

/// How serial numbers look.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SerialStyle {
    /// How many digits.
    pub digits: usize,
    /// How they begin, in turn; empty: no matter.
    pub prefixes: Vec<String>,
}

impl Default for SerialStyle {
    fn default() -> Self {
        Self { digits: 12, prefixes: Vec::new() }
    }
}

impl SerialStyle {
    /// A serial number that no other `number` has, and that is not zero (below 999, given room for three digits).
    pub(crate) fn serial(&self, seed: u64, number: u64) -> String {
        let prefix = usize::try_from(number)
            .ok()
            .and_then(|n| self.prefixes.get(n.checked_rem(self.prefixes.len())?))
            .map_or("", String::as_str);
        let room = self.digits.saturating_sub(prefix.len());
        let digits =
            format!("{:017}{:03}", hash(seed, &[SERIAL, number]) % 10_u64.pow(17), (number + 1) % 1000);
        let tail = &digits[digits.len().saturating_sub(room)..];
        format!("{}{prefix}{tail}", "0".repeat(room.saturating_sub(digits.len())))
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Unit {
    number: u64,
    seed: u64,
    pub(crate) serial: Arc<str>,
    pub(crate) ports: Vec<Port>,
    pub(crate) dead: bool,
    awake: bool,
    /// Wakes at this clear-sky irradiance, W/m², and sleeps at half of it.
    threshold: f64,
    /// Restarting until then, in seconds since 1970.
    down_until: f64,
    /// Producing but out of reach until then.
    unheard_until: f64,
    alarm_count: u32,
}

#[derive(Clone, Debug)]
pub(crate) struct Port {
    /// Its share of the best panel in the best place.
    pub(crate) factor: f64,
    pub(crate) today_wh: f64,
    pub(crate) total_wh: f64,
}

impl Unit {
    /// A unit of this many ports that has been on the roof for a while; `fresh`: out of the box.
    pub(crate) fn new(seed: u64, number: u64, ports: u8, style: &SerialStyle, fresh: bool) -> Self {
        let port = |port: u8| {
            let age = chance(seed, &[LIFETIME, number, port.into()]);
            Port {
                factor: 0.8 + 0.2 * chance(seed, &[FACTOR, number, port.into()]),
                today_wh: 0.0,
                total_wh: if fresh { 0.0 } else { (50_000.0 + 900_000.0 * age).floor() },
            }
        };
        Self {
            number,
            seed,
            serial: style.serial(seed, number).into(),
            ports: (1..=ports).map(port).collect(),
            dead: false,
            awake: false,
            threshold: 10.0 + 12.0 * chance(seed, &[THRESHOLD, number]),
            down_until: f64::MIN,
            unheard_until: f64::MIN,
            alarm_count: 0,
        }
    }

    /// Wakes or falls asleep by the clear sky, so that no cloud at dusk does; waking clears today.
    pub(crate) fn look_at(&mut self, sky: &Sky) {
        if !self.awake && sky.clear > self.threshold {
            self.awake = true;
            self.alarm_count = 0;
            self.clear_today();
        } else if self.awake && sky.clear < self.threshold / 2.0 {
            self.awake = false;
        }
    }

    /// Whether it turns light into energy at this time.
    pub(crate) fn produces(&self, unix: f64) -> bool {
        self.awake && !self.dead && unix >= self.down_until
    }

    /// Whether its answers reach the device that is asked.
    pub(crate) fn is_reached(&self, unix: f64) -> bool {
        self.produces(unix) && unix >= self.unheard_until
    }

    pub(crate) fn restart(&mut self, until: f64) {
        if self.awake {
            self.down_until = until;
            self.alarm_count += 1;
            self.clear_today();
        }
    }

    pub(crate) fn lose_link(&mut self, until: f64) {
        self.unheard_until = until;
    }

    fn clear_today(&mut self) {
        for port in &mut self.ports {
            port.today_wh = 0.0;
        }
    }

    /// What a port of a reached unit says. `partial_wh`: produced since the last step of the world.
    pub(crate) fn reading(
        &self,
        index: usize,
        unix: f64,
        sky: &Sky,
        peak_w: f64,
        partial_wh: f64,
    ) -> Option<Reading> {
        let port = self.ports.get(index)?;
        let index = u8::try_from(index + 1).ok()?;
        let key = self.number * 256 + u64::from(index);
        let jitter =
            |stream: u64| smooth(self.seed, JITTER + stream * 1000 + key * 100_000, unix / 7.0) - 0.5;
        let light = sky.irradiance / 1000.0;
        let dc_power = light * peak_w * port.factor * (1.0 + 0.02 * jitter(1));
        let warmth = sky.ambient + 24.0 * light;
        // Open-circuit behaviour of a 60-cell panel: nearly constant, less when warm, steep at dawn.
        let dc_voltage = 38.5 * (light.min(1.0) + 0.001).powf(0.06) - 0.045 * (warmth - 25.0)
            + 1.2 * (chance(self.seed, &[PANEL, key]) - 0.5)
            + 0.3 * jitter(2);
        let slow_grid = smooth(self.seed, GRID, unix / 900.0) - 0.5;
        Some(Reading {
            serial: Arc::clone(&self.serial),
            index,
            away: false,
            heard: true,
            link: 1,
            dc_voltage,
            dc_current: dc_power / dc_voltage,
            dc_power,
            ac_voltage: 230.0 + 7.0 * slow_grid + 3.0 * light + 0.8 * jitter(3),
            frequency: 50.0 + 0.06 * (smooth(self.seed, FREQUENCY, unix / 90.0) - 0.5),
            energy_today: (port.today_wh + partial_wh).floor(),
            energy_total: (port.total_wh + partial_wh).floor(),
            temperature: warmth + 2.0 + jitter(4),
            alarm_count: self.alarm_count,
        })
    }

    /// What the device says of a port it did not hear.
    pub(crate) fn silence(&self, index: usize, away: bool, link: u8) -> Option<Reading> {
        self.ports.get(index)?;
        Some(Reading {
            serial: Arc::clone(&self.serial),
            index: u8::try_from(index + 1).ok()?,
            away,
            heard: false,
            link,
            dc_voltage: 0.0,
            dc_current: 0.0,
            dc_power: 0.0,
            ac_voltage: 0.0,
            frequency: 0.0,
            energy_today: 0.0,
            energy_total: 0.0,
            temperature: 0.0,
            alarm_count: 0,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn serial_numbers_have_their_length_and_prefix_and_are_unique() {
        let style = SerialStyle { digits: 12, prefixes: vec!["1161".into(), "10".into()] };
        let all: Vec<String> = (0..200).map(|number| style.serial(5, number)).collect();
        assert!(all.iter().all(|serial| serial.len() == 12), "{all:?}");
        assert!(all[0].starts_with("1161") && all[1].starts_with("10") && all[2].starts_with("1161"));
        let unique: std::collections::BTreeSet<&String> = all.iter().collect();
        assert_eq!(unique.len(), all.len());
        assert_eq!(SerialStyle { digits: 3, prefixes: Vec::new() }.serial(5, 0), "001", "zero ends a list");
        for digits in [1, 4, 20, 30] {
            assert_eq!(SerialStyle { digits, prefixes: Vec::new() }.serial(5, 3).len(), digits);
        }
    }
}
