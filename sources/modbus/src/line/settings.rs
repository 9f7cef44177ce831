//! How a line is treated.

use std::time::Duration;

use crate::address::Address;
use crate::wire::rtu;

/// A device that needs longer to come round is asked again by the next poll.
const LONGEST_RESPITE: Duration = Duration::from_secs(1);

/// How a line is treated. Of several wishes the gentlest holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Settings {
    /// How long the device is left alone after a connection was made.
    pub(crate) connect_delay: Duration,
    /// The least time between an answer and the next question.
    pub(crate) min_delay: Duration,
    /// Whether the connection stays open between passes.
    pub(crate) keep: bool,
}

/// What holds for a question at this moment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Terms<'a> {
    pub(crate) address: &'a Address,
    pub(crate) settings: Settings,
    /// Whether anything was ever heard on the line.
    pub(crate) ever_heard: bool,
}

impl Terms<'_> {
    /// The least time between an answer and the next question: on a serial line frames are told apart by silence.
    pub(crate) fn pause(&self) -> Duration {
        let silence = match self.address {
            Address::Serial(port) => rtu::silence(port.baud),
            Address::Tcp(_) | Address::RtuOverTcp(_) => Duration::ZERO,
        };
        self.settings.min_delay.max(silence)
    }
}

impl Settings {
    /// How long a device gets to come round, that was too busy or had no place for a client: so many times the pause
    /// between questions, by which the line says how hasty it may be.
    pub(crate) fn respite(&self, times: u32) -> Duration {
        self.min_delay.saturating_mul(times).min(LONGEST_RESPITE)
    }

    /// The gentlest of several.
    pub(crate) fn gentlest(all: impl IntoIterator<Item = Self>) -> Self {
        let gentler = |one: Self, other: Self| Self {
            connect_delay: one.connect_delay.max(other.connect_delay),
            min_delay: one.min_delay.max(other.min_delay),
            keep: one.keep && other.keep,
        };
        all.into_iter().reduce(gentler).unwrap_or_default()
    }
}
