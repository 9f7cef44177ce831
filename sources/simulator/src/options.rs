//! What a simulated device is like.

use jiff::Timestamp;

use crate::faults::Faults;
use crate::layout::Image;
use crate::world::{Event, Rates};

/// What a simulated device is like; the default is a well-behaved one.
#[derive(Clone, Debug)]
pub struct Options {
    /// How many units (inverters) it knows.
    pub inverters: u16,
    /// How many ports (panels) each has.
    pub ports: u8,
    /// Same seed, same readings and same faults.
    pub seed: u64,
    /// Degrees north of the plant.
    pub latitude: f64,
    /// Degrees east of the plant; decides when its noon is.
    pub longitude: f64,
    /// Simulated time runs this many times faster than the clock, 0 (it stands) to 100,000.
    pub time_scale: f64,
    /// Simulated time at the start; unset: the clock's.
    pub start: Option<Timestamp>,
    /// The units it answers for, each a device of its own; requests for others stay unanswered.
    pub unit_ids: Vec<u8>,
    /// What it gets wrong on the wire.
    pub faults: Faults,
    /// What goes wrong behind it.
    pub rates: Rates,
    /// What happens behind it at given (simulated) times.
    pub events: Vec<(Timestamp, Event)>,
    /// Recorded bytes to serve in place of a simulated list.
    pub image: Option<Image>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            inverters: 1,
            ports: 4,
            seed: 0,
            latitude: 50.0,
            longitude: 10.0,
            time_scale: 1.0,
            start: None,
            unit_ids: vec![1],
            faults: Faults::default(),
            rates: Rates::default(),
            events: Vec::new(),
            image: None,
        }
    }
}
