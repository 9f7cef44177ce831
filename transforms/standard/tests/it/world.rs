//! A sun, a device and a network that misbehave as the field reports, and what was truly produced.

use std::f64::consts::PI;

use jiff::{SignedDuration, Timestamp};

use crate::chain::Row;

/// Zones with the offset of their winter from UTC in minutes, and a midnight of it some days before a change of clocks.
pub(crate) const ZONES: &[(&str, i64, &str)] = &[
    ("Europe/Berlin", 60, "2026-03-23T23:00:00Z"),
    ("Europe/Berlin", 60, "2026-10-19T23:00:00Z"),
    ("America/New_York", -300, "2026-03-03T05:00:00Z"),
    ("America/New_York", -300, "2026-10-27T05:00:00Z"),
    ("Australia/Lord_Howe", 630, "2026-03-29T13:30:00Z"),
    ("Australia/Lord_Howe", 630, "2026-09-28T13:30:00Z"),
    ("UTC", 0, "2026-06-01T00:00:00Z"),
];

/// What goes wrong, for some polls on end.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Glitch {
    /// Everything is zero; the link may look up.
    Silent {
        link: u8,
    },
    /// Nobody polls.
    Gap,
    TodayZero,
    TodaySpike,
    /// Today is a little less than it was, as of a device that corrects itself.
    Wobble,
    TotalZero,
    TotalSpike,
    /// The station repeats what it last heard.
    Stale,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Trouble {
    pub(crate) glitch: Glitch,
    /// How many polls it lasts.
    pub(crate) polls: u16,
}

/// One day from midnight (standard time) to midnight, in minutes.
#[derive(Clone, Debug)]
pub(crate) struct Day {
    pub(crate) peak_w: u16,
    pub(crate) dawn: u16,
    pub(crate) length: u16,
    /// Whether the device is heard at night, still with the values of the day.
    pub(crate) heard_at_night: bool,
    /// Nobody polls from after dusk until before the next dawn.
    pub(crate) off_at_night: bool,
    /// The device clears its counter at midnight, else with the first light.
    pub(crate) clears_at_midnight: bool,
    /// Minutes after midnight at which the device forgets its day.
    pub(crate) restart: Option<u16>,
    /// The device forgets its lifetime; so much is gone.
    pub(crate) memory_lost: Option<u32>,
    /// Trouble by the minute at which it begins.
    pub(crate) troubles: Vec<(u16, Trouble)>,
}

impl Day {
    fn dusk(&self) -> u16 {
        self.dawn + self.length
    }

    /// Watt-hours from midnight until the minute.
    fn produced(&self, minute: f64) -> f64 {
        let (dawn, length) = (f64::from(self.dawn), f64::from(self.length));
        let phase = ((minute - dawn) / length).clamp(0.0, 1.0);
        f64::from(self.peak_w) * length / 60.0 / PI * (1.0 - (PI * phase).cos())
    }
}

/// One poll: when, what truly was, and what was heard, if anybody asked.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Poll {
    pub(crate) truth: f64,
    pub(crate) row: Row,
}

#[derive(Clone, Debug)]
pub(crate) struct World {
    pub(crate) zone: usize,
    pub(crate) reset_hour: i8,
    pub(crate) every_minutes: u16,
    pub(crate) days: Vec<Day>,
}

/// The device's own memory.
struct Device {
    /// Produced before today, and what the lifetime counter lacks of it.
    before: f64,
    lost: f64,
    /// What had been produced when the counter of the day was cleared.
    cleared_at: f64,
}

impl World {
    pub(crate) fn zone(&self) -> &'static str {
        ZONES[self.zone].0
    }

    /// All polls that reached the pipeline.
    pub(crate) fn polls(&self) -> Vec<Poll> {
        let start: Timestamp = ZONES[self.zone].2.parse().unwrap();
        let mut device = Device { before: 0.0, lost: -1_000_000.25, cleared_at: 0.0 };
        let mut polls = Vec::new();
        for (number, day) in (0_i64..).zip(&self.days) {
            let midnight = start + SignedDuration::from_hours(24 * number);
            let night_off = number > 0 && self.days[usize::try_from(number).unwrap() - 1].off_at_night;
            self.day(midnight, day, night_off, &mut device, &mut polls);
        }
        polls
    }

    fn day(
        &self,
        midnight: Timestamp,
        day: &Day,
        night_off: bool,
        device: &mut Device,
        polls: &mut Vec<Poll>,
    ) {
        let mut cleared = false;
        let mut restart = day.restart;
        let mut lost = day.memory_lost;
        let mut trouble: Option<Trouble> = None;
        for minute in (0..1440).step_by(usize::from(self.every_minutes)) {
            let minute = u16::try_from(minute).unwrap();
            let produced = device.before + day.produced(f64::from(minute));
            if !cleared && (day.clears_at_midnight || minute > day.dawn) {
                (cleared, device.cleared_at) = (true, device.before);
            }
            if restart.is_some_and(|at| minute >= at) {
                (restart, device.cleared_at) = (None, produced);
            }
            if minute >= day.dawn + day.length / 2
                && let Some(lost) = lost.take()
            {
                device.lost += f64::from(lost);
            }
            let light = day.dawn < minute && minute < day.dusk();
            let off = (day.off_at_night && minute > day.dusk() + 20) || (night_off && minute + 20 < day.dawn);
            let time = midnight + SignedDuration::from_mins(minute.into());
            if let Some((_, started)) =
                day.troubles.iter().find(|(at, _)| (*at..*at + self.every_minutes).contains(&minute))
            {
                trouble = Some(*started);
            }
            let glitch = trouble.take().filter(|trouble| trouble.polls > 0).map(|now| {
                trouble = Some(Trouble { polls: now.polls - 1, ..now });
                now.glitch
            });
            if off || matches!(glitch, Some(Glitch::Gap)) {
                continue;
            }
            let today = (produced - device.cleared_at).floor() as u16;
            let total = (produced - device.lost).floor() as u32;
            let mut row =
                if light || day.heard_at_night { Row::heard(time, today, total) } else { Row::silent(time) };
            if row.link == 1
                && let Some(glitch) = glitch
            {
                row = spoiled(row, glitch, polls.last().map(|poll| poll.row));
            }
            polls.push(Poll { truth: produced, row });
        }
        device.before += day.produced(1440.0);
    }
}

fn spoiled(row: Row, glitch: Glitch, before: Option<Row>) -> Row {
    match glitch {
        Glitch::Silent { link } => Row { link, ..Row::silent(row.time) },
        Glitch::Gap => row,
        Glitch::TodayZero => Row { today: 0, ..row },
        Glitch::TodaySpike => Row { today: 65_535, ..row },
        Glitch::Wobble => Row { today: row.today.saturating_sub(2), ..row },
        Glitch::TotalZero => Row { total: 0, ..row },
        Glitch::TotalSpike => Row { total: row.total + 5_000_000, ..row },
        Glitch::Stale => before.map_or(row, |before| Row { time: row.time, ..before }),
    }
}
