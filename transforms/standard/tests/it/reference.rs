//! The rules of counters written down once more, from their description and not from the stages, which are held against
//! this. One key; minutes and watt-hours.

use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};

const MINUTE: i64 = 60_000_000;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;
const DUST: f64 = 1e-6;

/// The options of both stages that a world varies.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) zone: TimeZone,
    pub(crate) reset_hour: i8,
    /// R: the step of the total.
    pub(crate) total_step: f64,
    pub(crate) wrap: Option<f64>,
    pub(crate) mirror: bool,
}

/// `x - raw <= max_rate * elapsed`, at least 100 Wh and at least one step.
fn possible(rise: f64, from: i64, to: i64, step: f64) -> bool {
    let minutes = ((to - from).max(0) as f64 / MINUTE as f64).max(3.0);
    rise >= 0.0 && (rise <= 2000.0 / 60.0 * minutes + DUST || rise <= step)
}

#[derive(Clone, Copy, Debug)]
struct Run {
    first: f64,
    begun: i64,
    last: f64,
    at: i64,
    readings: u32,
    lasted: i64,
}

impl Run {
    fn begun(value: f64, now: i64) -> Self {
        Self { first: value, begun: now, last: value, at: now, readings: 1, lasted: 0 }
    }

    fn goes_on(&self, value: f64, now: i64, step: f64) -> bool {
        possible(value - self.last, self.at, now, step)
    }

    /// One that goes on, or another.
    fn with(run: Option<Self>, value: f64, now: i64, step: f64) -> Self {
        match run {
            Some(run) if run.goes_on(value, now, step) => Self {
                begun: run.begun.min(now),
                last: value,
                at: now,
                readings: run.readings + 1,
                lasted: run.lasted + (now - run.at).clamp(0, 12 * HOUR),
                ..run
            },
            _ => Self::begun(value, now),
        }
    }
}

/// `counter`.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Lifetime {
    /// Raw value, its time, and what is published.
    known: Option<(f64, i64, f64)>,
    run: Option<Run>,
}

impl Lifetime {
    pub(crate) fn row(&mut self, heard: Option<f64>, now: Timestamp, settings: &Settings) -> Option<f64> {
        let now = now.as_microsecond();
        let Some(x) = heard else { return self.known.map(|known| known.2) };
        let Some((raw, at, published)) = self.known else {
            self.known = Some((x, now, x));
            return Some(x);
        };
        let step = settings.total_step;
        if possible(x - raw, at, now, step) {
            (self.known, self.run) = (Some((x, now, published + x - raw)), None);
            return Some(published + x - raw);
        }
        let run = Run::with(self.run, x, now, step);
        self.run = Some(run);
        let wrapped = settings
            .wrap
            .filter(|wrap| possible(run.first + wrap - raw, at, run.begun.clamp(at, at + HOUR), step));
        let (wait, grown) = match wrapped {
            Some(wrap) => (0, x + wrap - raw),
            None if run.first < raw => (DAY, x - run.first),
            None => (10 * MINUTE, x - raw),
        };
        if run.lasted < wait || run.readings < 10 {
            return Some(published);
        }
        (self.known, self.run) = (Some((x, now, published + grown)), None);
        Some(published + grown)
    }
}

#[derive(Clone, Copy, Debug)]
struct Moment {
    sum: f64,
    last: f64,
    total: Option<f64>,
}

/// `daily_reset`.
#[derive(Clone, Copy, Debug)]
struct Book {
    period: i64,
    sum: f64,
    last: f64,
    total: Option<f64>,
    at: i64,
    heard_at: i64,
    heard_in_period: bool,
    mirrors: bool,
    /// The step of the total.
    r: f64,
    /// To go on as for a key never seen.
    unseen: bool,
    run: Option<Run>,
    run_is_silent: bool,
    /// Before the last believed fall.
    fall: Option<Moment>,
    /// Before a rise that the total did not cover yet.
    late: Option<Moment>,
    behind: Option<i64>,
    /// Period, sum and when it was left.
    aside: Option<(i64, f64, i64)>,
}

/// `daily_reset` of one key.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Daily(Option<Book>);

/// The latest instant not after `time` at which the clock showed the hour.
pub(crate) fn period(time: Timestamp, settings: &Settings) -> i64 {
    let date = settings.zone.to_datetime(time).date();
    let instant = |days: i64| {
        let shown = date.checked_add(days.days()).unwrap().at(settings.reset_hour, 0, 0, 0);
        // The later side of a gap and the earlier of a fold.
        settings.zone.to_timestamp(shown).unwrap()
    };
    let begun = [1, 0, -1, -2].map(instant).into_iter().find(|begun| *begun <= time).unwrap();
    begun.as_microsecond()
}

impl Daily {
    pub(crate) fn mirrors(&self) -> bool {
        self.0.is_none_or(|book| book.mirrors)
    }

    /// The period that the rows count into.
    pub(crate) fn counts_into(&self) -> Option<i64> {
        self.0.map(|book| book.period)
    }

    pub(crate) fn row(
        &mut self,
        today: Option<f64>,
        total: Option<f64>,
        time: Timestamp,
        settings: &Settings,
    ) -> Option<f64> {
        let (now, period) = (time.as_microsecond(), period(time, settings));
        match (&mut self.0, today) {
            (None, None) => {}
            (None, Some(today)) => {
                // Rule 1.
                let mirrors = settings.mirror;
                self.0 = Some(Book {
                    period,
                    sum: if mirrors { today } else { 0.0 },
                    last: today,
                    total,
                    at: now,
                    heard_at: now,
                    heard_in_period: true,
                    mirrors,
                    r: settings.total_step,
                    unseen: false,
                    run: None,
                    run_is_silent: false,
                    fall: None,
                    late: None,
                    behind: None,
                    aside: None,
                });
            }
            (Some(book), today) => {
                book.place(period, now);
                if let Some(today) = today {
                    book.count(today, total, now, settings);
                }
            }
        }
        // Rule 6.
        self.0.map(|book| book.sum)
    }
}

impl Book {
    /// Rules 2 and 7: which period a row counts into.
    fn place(&mut self, period: i64, now: i64) {
        if period < self.period {
            match self.aside {
                Some((aside, sum, _)) if aside <= period && period - aside <= 7 * DAY => {
                    self.sum = self.with_aside(sum);
                    (self.period, self.heard_in_period, self.unseen) = (aside, true, false);
                    (self.aside, self.fall, self.late, self.behind) = (None, None, None, None);
                }
                _ => {
                    let behind = self.behind.unwrap_or(now).min(now);
                    self.behind = Some(behind);
                    if period - behind >= DAY {
                        (self.mirrors, self.unseen, self.behind) = (false, false, None);
                        self.start(period, now);
                    }
                    return;
                }
            }
        }
        self.behind = None;
        if self.aside.is_some_and(|(_, _, left)| now - left >= DAY) {
            self.aside = None;
        }
        if period > self.period {
            self.start(period, now);
        }
    }

    fn with_aside(&self, aside: f64) -> f64 {
        if self.unseen {
            aside
        } else if self.mirrors {
            aside.max(self.sum)
        } else {
            aside + self.sum
        }
    }

    fn start(&mut self, period: i64, now: i64) {
        let change = period - self.period;
        if change > 7 * DAY {
            self.aside = Some((self.period, self.sum, now));
        } else if let Some((aside, sum, left)) = self.aside {
            self.aside = Some((aside, self.with_aside(sum), left));
        }
        if !self.unseen {
            self.mirrors &= change > 36 * HOUR;
            self.unseen = self.mirrors;
        }
        self.late = self.late.map(|late| Moment { sum: late.sum - self.sum, ..late });
        self.period = period;
        self.sum = 0.0;
        self.heard_in_period = false;
        self.run = None;
        // What was before a fall is no part of the new period, but the fall may still prove none.
        self.fall = self.fall.map(|fall| Moment { sum: 0.0, total: self.total, ..fall });
    }

    /// Rules 3 to 5.
    fn count(&mut self, today: f64, total: Option<f64>, now: i64, settings: &Settings) {
        let quiet = now - self.heard_at >= HOUR;
        let opens = !self.heard_in_period && quiet;
        let silent = quiet || (self.run.is_some() && self.run_is_silent);
        (self.heard_at, self.heard_in_period) = (now, true);
        if self.unseen {
            (self.unseen, self.sum) = (false, today);
            return self.took(today, total, now);
        }
        if possible(today - self.last, self.at, now, 1.0) {
            let back = self.fall.filter(|fall| self.comes_back(fall, today, total, settings));
            if let Some(fall) = back {
                let most = fall
                    .total
                    .zip(total)
                    .map(|(before, total)| (total - before).max(0.0) + settings.total_step);
                let grown = (today - fall.last).min(most.unwrap_or(f64::INFINITY));
                self.sum = self.sum.max(fall.sum + grown);
                self.late = None;
            } else if !self.cleared(today, total, now, opens, settings) {
                self.sum += today - self.last;
            } else {
                self.sum = if self.mirrors && silent { today } else { self.sum + today };
                (self.fall, self.late) = (None, None);
            }
            return self.took(today, total, now);
        }
        let run = Run::with(self.run, today, now, 1.0);
        if run.readings == 1 {
            self.run_is_silent = silent;
        }
        self.run = Some(run);
        if run.readings >= 5 {
            self.confirm(run, total, now, settings);
        }
    }

    fn took(&mut self, today: f64, total: Option<f64>, now: i64) {
        // A counter that goes on from below has fallen indeed.
        self.fall = self.fall.filter(|_| today <= self.last);
        (self.last, self.total, self.at, self.run) = (today, total, now, None);
        // A total that was late covers what it did not.
        let Some(Moment { sum, last, total: Some(before) }) = self.late else { return };
        let Some(total) = total else { return };
        let (grown, most) = (today - last, (total - before).max(0.0) + self.r);
        self.sum = self.sum.max(sum + grown.min(most));
        if grown <= most {
            self.late = None;
        }
    }

    /// Whether a total that rose by so much proves that all of `today` is new.
    fn proof(&self, today: f64, total: f64, before: f64, settings: &Settings) -> bool {
        let (rose, r) = (total - before, settings.total_step);
        let enough = if r <= 1.0 { today - r } else { today + r };
        rose > today - self.last + r + DUST * r && rose >= enough - DUST * r
    }

    fn could_restart(&self, run: &Run) -> bool {
        possible(run.first, self.at, run.begun, 1.0)
    }

    fn cleared(&self, today: f64, total: Option<f64>, now: i64, opens: bool, settings: &Settings) -> bool {
        let below = self.run.filter(|run| run.first < self.last);
        if let (Some(before), Some(total)) = (self.total, total) {
            return (opens || below.is_some()) && self.proof(today, total, before, settings);
        }
        below.is_some_and(|run| {
            run.readings >= 2
                && 2.0 * run.first <= self.last
                && self.could_restart(&run)
                && run.last > run.first
                && run.goes_on(today, now, 1.0)
        })
    }

    /// Whether a possible step leads back to where a believed fall began. A counter that restarted does not leap from
    /// half of its old value or less over it, unless the total proves it.
    fn comes_back(&self, fall: &Moment, today: f64, total: Option<f64>, settings: &Settings) -> bool {
        let (claimed, r) = (self.sum + today - self.last - fall.sum, settings.total_step);
        let proven = fall.total.zip(total).is_some_and(|(before, total)| {
            let rose = total - before;
            if r <= 1.0 { rose + r + DUST * r >= claimed } else { rose >= claimed + r }
        });
        2.0 * self.last <= fall.last && today >= fall.last && !proven
    }

    fn confirm(&mut self, run: Run, total: Option<f64>, now: i64, settings: &Settings) {
        if run.first < self.last {
            let fall = Moment { sum: self.sum, last: self.last, total: self.total };
            self.late = None;
            let proven = self
                .total
                .zip(total)
                .is_some_and(|(before, total)| self.proof(run.last, total, before, settings));
            // One that moved tells as well that so much was not produced; one that stands still may be held.
            let rose = self.total.zip(total).map_or(0.0, |(before, total)| total - before);
            let disproven = rose > DUST && rose + settings.total_step < run.last;
            if !self.could_restart(&run) || disproven || (2.0 * run.first > self.last && !proven) {
                self.sum += run.last - run.first;
            } else if self.mirrors && self.run_is_silent {
                self.sum = run.last;
            } else {
                self.sum += run.last;
            }
            self.took(run.last, total, now);
            self.fall = Some(fall);
            return;
        }
        let back = self.fall.filter(|fall| run.first >= fall.last);
        let from = back.unwrap_or(Moment { sum: self.sum, last: self.last, total: self.total });
        let mut grown = run.last - from.last;
        if let Some((before, total)) = from.total.zip(total) {
            let most = (total - before).max(0.0) + settings.total_step;
            if grown > most + DUST * most && run.lasted < HOUR {
                return;
            }
            self.late = (grown > most).then_some(from);
            grown = grown.min(most);
        }
        self.sum = self.sum.max(from.sum + grown);
        self.took(run.last, total, now);
    }
}
