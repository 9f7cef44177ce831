//! The simulated plant: units with ports under one sky. Pure and repeatable: what it says depends on its
//! configuration and the time alone, however often it is asked.

mod sun;
mod unit;

use jiff::Timestamp;

pub use unit::{Reading, SerialStyle};

use crate::noise::{chance, fraction, hash};
use sun::{Site, Sky};
use unit::Unit;

/// The world moves in steps of this many seconds; energy is summed and events happen at their edges.
const STEP_S: i64 = 30;
/// A world begins this much earlier than asked, so that its first day is in full swing.
const LEAD_S: i64 = 86_400;
const DAY_S: f64 = 86_400.0;

const GLITCH: u64 = 1;
const RESTART: u64 = 2;
const LINK_LOSS: u64 = 3;
const DURATION: u64 = 4;
const UPLOAD: u64 = 5;
const SPIKE: u64 = 6;
const TODAY_ZERO: u64 = 7;

/// What a spike shows: a counter of 16 bits at its end, and a total far beyond.
const SPIKE_TODAY_WH: f64 = 65_535.0;
const SPIKE_TOTAL_WH: f64 = 5_000_000.0;

/// How long the device neglects its units over an upload.
const UPLOAD_S: u64 = 60;

/// What to simulate.
#[derive(Clone, Debug)]
pub struct Config {
    /// How many units (inverters).
    pub inverters: u16,
    /// How many ports (panels) each has.
    pub ports: u8,
    /// Same seed, same world.
    pub seed: u64,
    /// When it begins.
    pub start: Timestamp,
    /// Degrees north.
    pub latitude: f64,
    /// Degrees east; decides when noon is.
    pub longitude: f64,
    /// Power of one port under full sun, W.
    pub peak_w: f64,
    /// How serial numbers look.
    pub serials: SerialStyle,
    /// What goes wrong by itself.
    pub rates: Rates,
    /// What happens at given times.
    pub events: Vec<(Timestamp, Event)>,
}

/// What goes wrong by itself, and how often.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Rates {
    /// Chance that one unit reads all zero for one pass although it produces.
    pub glitch: f64,
    /// Seconds from one upload to a cloud to the next, 0 for none: for a minute after each, half of the units read
    /// all zero although they produce.
    pub upload_period_s: u32,
    /// Restarts of one unit per day; only by daylight: today starts again from 0.
    pub restarts_per_day: f64,
    /// Chance that one unit reads far too much energy for one pass.
    pub spike: f64,
    /// Chance that one unit reads 0 for the energy of today, and nothing else wrong, for one pass.
    pub today_zero: f64,
    /// Radio links lost per unit and day, for 5 to 30 minutes: all zero, while the unit goes on producing.
    pub link_losses_per_day: f64,
}

/// Something that happens to a unit (counted from 0).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// It restarts: away for one to three minutes, and today begins again. Nothing happens at night.
    Restart(u16),
    /// It answers no more, for good; it stays in the list.
    Die(u16),
    /// Another one takes its place: other serial number, total 0.
    Replace(u16),
}

/// What was really produced at a place in the list, whatever a device or a counter says.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Truth {
    /// Wh since the world began; never falls, also when the unit is replaced.
    pub produced_wh: f64,
    /// The total the unit itself holds, Wh, heard or not.
    pub total_wh: f64,
    /// Today as the unit itself holds it, Wh, heard or not.
    pub today_wh: f64,
}

/// The plant at one moment.
#[derive(Clone, Debug)]
pub struct World {
    config: Config,
    site: Site,
    units: Vec<Unit>,
    /// Wh since the start, by place in the list.
    produced_wh: Vec<f64>,
    /// The next number for a unit; those of the first units are their places.
    next_number: u64,
    /// Everything up to here is summed, in seconds since 1970.
    step: i64,
    /// The sky of that step.
    sky: Sky,
    now: f64,
    /// The sky of now.
    sky_now: Sky,
    /// Events not yet happened, the next one last.
    pending: Vec<(Timestamp, Event)>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            inverters: 1,
            ports: 4,
            seed: 0,
            start: Timestamp::UNIX_EPOCH,
            latitude: 50.0,
            longitude: 10.0,
            peak_w: 400.0,
            serials: SerialStyle::default(),
            rates: Rates::default(),
            events: Vec::new(),
        }
    }
}

impl Event {
    /// The unit it happens to.
    pub fn unit(self) -> u16 {
        let (Self::Restart(unit) | Self::Die(unit) | Self::Replace(unit)) = self;
        unit
    }
}

impl World {
    /// The plant at `config.start`, after a day nobody saw.
    pub fn new(config: Config) -> Self {
        let site = Site { latitude: config.latitude, longitude: config.longitude, seed: config.seed };
        let start = config.start.as_second();
        let step = (start - LEAD_S).div_euclid(STEP_S) * STEP_S;
        let units: Vec<Unit> = (0..config.inverters)
            .map(|number| Unit::new(config.seed, number.into(), config.ports, &config.serials, false))
            .collect();
        let mut pending = config.events.clone();
        pending.sort_by_key(|(at, _)| *at);
        pending.reverse();
        let records = usize::from(config.inverters) * usize::from(config.ports);
        let mut world = Self {
            site,
            produced_wh: vec![0.0; records],
            next_number: config.inverters.into(),
            units,
            step,
            sky: site.sky(step as f64),
            now: step as f64,
            sky_now: Sky::default(),
            pending,
            config,
        };
        world.advance(world.config.start);
        let lead: Vec<f64> = (0..records).map(|record| world.truth(record).produced_wh).collect();
        for (sum, lead) in world.produced_wh.iter_mut().zip(lead) {
            *sum -= lead;
        }
        world
    }

    /// How many records (units times ports) there are.
    pub fn records(&self) -> usize {
        self.produced_wh.len()
    }

    /// Lets time pass up to `to`; a time already past changes nothing.
    pub fn advance(&mut self, to: Timestamp) {
        let to = to.as_nanosecond() as f64 / 1e9;
        while (self.step + STEP_S) as f64 <= to {
            self.produce();
            self.step += STEP_S;
            self.sky = self.site.sky(self.step as f64);
            self.happen();
        }
        self.now = self.now.max(to);
        self.sky_now = self.site.sky(self.now);
    }

    /// Lets something happen at once.
    pub fn happens(&mut self, event: Event) {
        let at = self.now;
        self.book_partial(event.unit().into());
        match event {
            Event::Restart(unit) => {
                let length = 60.0 + 120.0 * self.chance(DURATION, unit);
                if let Some(unit) = self.units.get_mut(usize::from(unit)) {
                    unit.restart(at + length);
                }
            }
            Event::Die(unit) => {
                if let Some(unit) = self.units.get_mut(usize::from(unit)) {
                    unit.dead = true;
                }
            }
            Event::Replace(place) => {
                if let Some(unit) = self.units.get_mut(usize::from(place)) {
                    let Config { seed, ports, serials, .. } = &self.config;
                    *unit = Unit::new(*seed, self.next_number, *ports, serials, true);
                    unit.look_at(&self.sky);
                    self.next_number += 1;
                }
            }
        }
    }

    /// What the device says of a record in a pass; `None` past the end of the list. The pass decides glitches only.
    pub fn reading(&self, record: usize, pass: u64) -> Option<Reading> {
        let (place, port) = self.place(record)?;
        let unit = self.units.get(place)?;
        if !unit.is_reached(self.now) {
            return unit.silence(port, true, 0);
        }
        if let Some(luck) = self.glitch(place, pass) {
            // The field knows both: zeros with the link down, and zeros although the link stands.
            return unit.silence(port, false, u8::from(luck & 1 == 1));
        }
        let partial_wh = self.partial_wh(place, port);
        let mut reading = unit.reading(port, self.now, &self.sky_now, self.config.peak_w, partial_wh)?;
        let Rates { spike, today_zero, .. } = self.config.rates;
        if self.strikes(&[SPIKE, pass, place as u64], spike).is_some() {
            reading.energy_today = SPIKE_TODAY_WH;
            reading.energy_total += SPIKE_TOTAL_WH;
        } else if self.strikes(&[TODAY_ZERO, pass, place as u64], today_zero).is_some() {
            reading.energy_today = 0.0;
        }
        Some(reading)
    }

    /// Whether a unit reads all zero in this pass, and the luck that made it so.
    fn glitch(&self, place: usize, pass: u64) -> Option<u64> {
        let Rates { glitch, upload_period_s, .. } = self.config.rates;
        let unix = self.now.max(0.0) as u64;
        let uploads = unix.checked_div(upload_period_s.into());
        let upload = uploads.filter(|number| unix - number * u64::from(upload_period_s) < UPLOAD_S);
        self.strikes(&[GLITCH, pass, place as u64], glitch)
            .or_else(|| self.strikes(&[UPLOAD, upload?, place as u64], 0.5))
    }

    /// The luck of these parts, if it is within the share.
    fn strikes(&self, parts: &[u64], share: f64) -> Option<u64> {
        let luck = hash(self.config.seed, parts);
        (fraction(luck) < share).then_some(luck)
    }

    /// What really is, at a place in the list; all zero past its end.
    pub fn truth(&self, record: usize) -> Truth {
        let found = self.place(record).and_then(|(place, port)| {
            let partial = self.partial_wh(place, port);
            let port = self.units.get(place)?.ports.get(port)?;
            Some(Truth {
                produced_wh: self.produced_wh.get(record)? + partial,
                total_wh: port.total_wh + partial,
                today_wh: port.today_wh + partial,
            })
        });
        found.unwrap_or_default()
    }

    fn place(&self, record: usize) -> Option<(usize, usize)> {
        let ports = usize::from(self.config.ports);
        Some((record.checked_div(ports)?, record % ports)).filter(|(place, _)| *place < self.units.len())
    }

    /// Produced since the last step, Wh, at that step's light: so sums only ever grow.
    fn partial_wh(&self, place: usize, port: usize) -> f64 {
        let step = self.step as f64;
        match self.units.get(place) {
            Some(unit) if unit.produces(step) && unit.produces(self.now) => {
                let factor = unit.ports.get(port).map_or(0.0, |port| port.factor);
                self.energy_wh(factor, (self.now - step).max(0.0))
            }
            _ => 0.0,
        }
    }

    /// Sums what a unit has produced within the current step, before it stops.
    fn book_partial(&mut self, place: usize) {
        let ports = usize::from(self.config.ports);
        for port in 0..ports {
            let energy = self.partial_wh(place, port);
            let held = self.units.get_mut(place).and_then(|unit| unit.ports.get_mut(port));
            if let (Some(held), Some(sum)) = (held, self.produced_wh.get_mut(place * ports + port)) {
                held.today_wh += energy;
                held.total_wh += energy;
                *sum += energy;
            }
        }
    }

    fn energy_wh(&self, factor: f64, seconds: f64) -> f64 {
        self.sky.irradiance / 1000.0 * self.config.peak_w * factor * seconds / 3600.0
    }

    /// Sums the energy of the step that ends.
    fn produce(&mut self) {
        if self.sky.irradiance <= 0.0 {
            return;
        }
        let full = self.energy_wh(1.0, STEP_S as f64);
        let (begin, end) = (self.step as f64, (self.step + STEP_S) as f64);
        let mut produced = self.produced_wh.iter_mut();
        for unit in &mut self.units {
            let produces = unit.produces(begin) && unit.produces(end);
            for port in &mut unit.ports {
                let Some(sum) = produced.next() else { return };
                if produces {
                    let energy = full * port.factor;
                    port.today_wh += energy;
                    port.total_wh += energy;
                    *sum += energy;
                }
            }
        }
    }

    /// What happens at the edge of a step: dawn and dusk, planned events, bad luck.
    fn happen(&mut self) {
        let at = self.step as f64;
        for unit in &mut self.units {
            unit.look_at(&self.sky);
        }
        self.now = self.now.max(at);
        while let Some((_, event)) = self.pending.pop_if(|(when, _)| when.as_second() <= self.step) {
            self.happens(event);
        }
        let Rates { restarts_per_day, link_losses_per_day, .. } = self.config.rates;
        let share = STEP_S as f64 / DAY_S;
        for place in 0..self.config.inverters {
            if restarts_per_day > 0.0 && self.chance(RESTART, place) < restarts_per_day * share {
                self.happens(Event::Restart(place));
            }
            if link_losses_per_day > 0.0 && self.chance(LINK_LOSS, place) < link_losses_per_day * share {
                let until = at + 300.0 + 1500.0 * self.chance(DURATION, place);
                if let Some(unit) = self.units.get_mut(usize::from(place)) {
                    unit.lose_link(until);
                }
            }
        }
    }

    /// Luck of a unit in the current step.
    fn chance(&self, stream: u64, place: u16) -> f64 {
        chance(self.config.seed, &[stream, self.step.cast_unsigned(), place.into()])
    }
}

#[cfg(test)]
mod tests;
