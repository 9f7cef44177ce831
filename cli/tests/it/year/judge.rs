//! What the store says of the year, held against what was truly produced.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::time::Duration;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use rusqlite::Connection;

use super::plant::Plant;
use super::{EVERY, RATES, SEED, ZONE};

/// More energy in less time than this cannot be: twice and a half what the best port ever gives, W.
const MOST_W: f64 = 1000.0;
const RESET_HOUR: i8 = 23;

/// One poll, and what was true at it.
pub(super) struct Poll {
    time: Timestamp,
    /// Whether we ran and the station answered.
    answered: bool,
    /// Wh produced since the year began, by place in the list.
    produced: Vec<f64>,
}

impl Poll {
    /// Now.
    pub(super) fn of(plant: &Plant, station: bool) -> Self {
        let produced = plant.handle.truth().iter().map(|truth| truth.produced_wh).collect();
        Self { time: plant.now(), answered: station && plant.is_up(), produced }
    }
}

/// One port of one inverter, as stored so far.
#[derive(Default)]
struct Port {
    first_total: Option<i64>,
    total: Option<i64>,
    today: Option<i64>,
    /// The period of the last row, and whether any went before.
    day: Option<Date>,
    mirrors: bool,
    /// When today and total last moved.
    moved: [Option<Timestamp>; 2],
}

/// What was found.
#[derive(Default)]
pub(super) struct Judge {
    rows: u64,
    unheard: u64,
    ports: BTreeMap<(String, i64), Port>,
    false_zeros: Vec<String>,
    falls: Vec<String>,
    spikes: Vec<String>,
    /// The last value of today by period, of all ports.
    days: BTreeMap<Date, BTreeMap<(String, i64), i64>>,
    /// Truly produced by period, and whether every poll of it was answered.
    truth: BTreeMap<Date, (f64, bool)>,
    produced: f64,
    answered: usize,
    silent: usize,
    raw_zeros: u64,
    raw_spikes: u64,
}

impl Judge {
    pub(super) fn new(plant: &Plant, polls: &[Poll], zone: TimeZone) -> Self {
        let mut judge = Self {
            answered: polls.iter().filter(|poll| poll.answered).count(),
            silent: polls.iter().filter(|poll| !poll.answered).count(),
            ..Self::default()
        };
        judge.truth(polls, &zone);
        let store = Connection::open(plant.folder.path().join("hoymiles.db")).unwrap();
        judge.rows(&store, &zone);
        let count = |sql: &str| store.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap().unsigned_abs();
        judge.raw_zeros =
            count("SELECT count(*) FROM port_data WHERE json_extract(raw_data, '$.total_production') = 0");
        judge.raw_spikes = count(
            "SELECT count(*) FROM port_data WHERE json_extract(raw_data, '$.today_production') = 65535",
        );
        let zeros = count("SELECT count(*) FROM inverter_data WHERE grid_voltage = 0 OR grid_frequency = 0");
        judge.false_zeros.extend((zeros > 0).then(|| format!("{zeros} zeros of the grid")));
        let cached = count("SELECT count(*) FROM production_cache c JOIN port_data p USING (serial_number, port_number)
            WHERE p.id = (SELECT max(id) FROM port_data q WHERE (q.serial_number, q.port_number) = (c.serial_number, c.port_number))
            AND (p.today_production, p.total_production) IS (c.today_production, c.total_production)");
        assert_eq!(cached, judge.ports.len() as u64, "production_cache holds what was published last");
        judge
    }

    /// What was produced in each period: from the last poll before it to its own last poll.
    fn truth(&mut self, polls: &[Poll], zone: &TimeZone) {
        let mut begun: f64 = polls[0].produced.iter().sum();
        let mut whole = true;
        for (at, poll) in polls.iter().enumerate() {
            whole &= poll.answered;
            let day = day_of(zone, poll.time);
            if polls.get(at + 1).is_none_or(|next| day_of(zone, next.time) != day) {
                let produced: f64 = poll.produced.iter().sum();
                self.truth.insert(day, (produced - begun, whole));
                (begun, whole) = (produced, true);
            }
        }
        let sum = |poll: &Poll| poll.produced.iter().sum::<f64>();
        self.produced = sum(&polls[polls.len() - 1]) - sum(&polls[0]);
    }

    fn rows(&mut self, store: &Connection, zone: &TimeZone) {
        let sql =
            "SELECT serial_number, port_number, timestamp, pv_voltage, today_production, total_production
            FROM port_data ORDER BY id";
        let mut statement = store.prepare(sql).unwrap();
        let mut rows = statement.query([]).unwrap();
        while let Some(row) = rows.next().unwrap() {
            let key: (String, i64) = (row.get(0).unwrap(), row.get(1).unwrap());
            let time: Timestamp = row.get::<_, String>(2).unwrap().parse().unwrap();
            let voltage: Option<f64> = row.get(3).unwrap();
            let [today, total]: [Option<i64>; 2] = [row.get(4).unwrap(), row.get(5).unwrap()];
            self.rows += 1;
            self.unheard += u64::from(voltage.is_none());
            let day = day_of(zone, time);
            if let Some(today) = today {
                self.days.entry(day).or_default().insert(key.clone(), today);
            }
            self.row(&key, time, day, voltage, today, total);
        }
    }

    fn row(
        &mut self,
        key: &(String, i64),
        time: Timestamp,
        day: Date,
        voltage: Option<f64>,
        today: Option<i64>,
        total: Option<i64>,
    ) {
        let known = self.ports.entry(key.clone()).or_default();
        let new_inverter = known.first_total.is_none_or(|total| total == 0);
        if voltage == Some(0.0) || total == Some(0) && !new_inverter {
            self.false_zeros.push(format!("{key:?} at {time}: {voltage:?} V, total {total:?}"));
        }
        if today < known.today && !known.mirrors && known.day == Some(day) || total < known.total {
            self.falls.push(format!(
                "{key:?} at {time}: {today:?} {total:?} after {:?} {:?}",
                known.today, known.total
            ));
        }
        let new_day = known.day != Some(day);
        let since_today = if new_day && known.day.is_some() { Some(0) } else { known.today };
        for (place, (was, now)) in [(since_today, today), (known.total, total)].into_iter().enumerate() {
            if let (Some(was), Some(now)) = (was, now) {
                let since =
                    known.moved[place].map_or(SignedDuration::ZERO, |moved| time.duration_since(moved));
                let most = (MOST_W * since.as_secs_f64() / 3600.0).max(100.0);
                if (now - was) as f64 > most {
                    self.spikes.push(format!("{key:?} at {time}: {now} after {was}, {since:?} before"));
                }
            }
        }
        known.mirrors = known.day.is_none() || known.mirrors && !new_day;
        // A reset is no reading: what an outage over it held comes with the reading that is believed.
        for (moved, was, now) in [(0, since_today, today), (1, known.total, total)] {
            if now != was {
                known.moved[moved] = Some(time);
            }
        }
        known.first_total = known.first_total.or(total);
        (known.today, known.total, known.day) = (today, total, Some(day));
    }

    /// Truth and what was published, Wh, by the totals of the year.
    fn by_totals(&self) -> (f64, f64) {
        let grown = self.ports.values().map(|port| port.total.unwrap_or(0) - port.first_total.unwrap_or(0));
        (self.produced, grown.sum::<i64>() as f64)
    }

    /// The same by the finals of the days on which every poll was answered, but the first.
    fn by_days(&self) -> (usize, f64, f64) {
        let first = self.days.keys().next().copied();
        let whole: BTreeSet<Date> = self
            .truth
            .iter()
            .filter(|(day, (_, whole))| *whole && Some(**day) != first)
            .map(|(day, _)| *day)
            .collect();
        let truth = whole.iter().map(|day| self.truth[day].0).sum();
        let published =
            whole.iter().flat_map(|day| self.days.get(day)).flat_map(BTreeMap::values).sum::<i64>();
        (whole.len(), truth, published as f64)
    }

    pub(super) fn report(&self, plant: &Plant, stops: u32, kills: u32, took: Duration) -> String {
        let off = |(truth, published): (f64, f64)| (published - truth) / truth * 100.0;
        let (truth, totals) = self.by_totals();
        let (days, truth_of_days, todays) = self.by_days();
        let believed = ["fall", "wrap", "correction", "rise", "undone", "unseen_clear", "clock"]
            .map(|event| format!("{event} {}", plant.believed(event)));
        let mut text = String::new();
        let minutes = EVERY.as_secs() / 60;
        writeln!(text, "A year in the life of 4 inverters with 4 ports, {ZONE}, a poll every {minutes} min, seed {SEED}\n").unwrap();
        for (what, value) in [
            ("polls answered / not (station or we off)", format!("{} / {}", self.answered, self.silent)),
            ("stops / power cuts of ours", format!("{stops} / {kills}")),
            ("rows of ports stored / of them not heard (null)", format!("{} / {}", self.rows, self.unheard)),
            (
                "records the device sent as all zero / as a spike",
                format!("{} / {}", self.raw_zeros, self.raw_spikes),
            ),
            ("restarts by day per inverter", format!("one in {:.0} days", 1.0 / RATES.restarts_per_day)),
            ("believed in the end", believed.join(", ")),
            ("false zeros", self.false_zeros.len().to_string()),
            ("falls of a total, or of today within its day", self.falls.len().to_string()),
            ("spikes", self.spikes.len().to_string()),
            (
                "energy of the year by totals",
                format!(
                    "{:.3} of {:.3} kWh ({:+.4} %)",
                    totals / 1000.0,
                    truth / 1000.0,
                    off((truth, totals))
                ),
            ),
            (
                "energy by today's finals",
                format!(
                    "{:.3} of {:.3} kWh ({:+.4} %), {days} days without outage",
                    todays / 1000.0,
                    truth_of_days / 1000.0,
                    off((truth_of_days, todays))
                ),
            ),
            ("took", format!("{:.0} s", took.as_secs_f64())),
        ] {
            writeln!(text, "  {what:<50} {value}").unwrap();
        }
        text
    }

    pub(super) fn judge(&self) {
        for (what, found) in
            [("false zeros", &self.false_zeros), ("falls", &self.falls), ("spikes", &self.spikes)]
        {
            assert!(
                found.is_empty(),
                "{} {what}, the first: {:#?}",
                found.len(),
                &found[..found.len().min(5)]
            );
        }
        let (truth, totals) = self.by_totals();
        assert!((totals - truth).abs() <= truth / 1000.0, "totals: {totals} of {truth} Wh");
        let (days, truth, todays) = self.by_days();
        // A device shows whole Wh and forgets what it produced between the last poll and its restart or its sleep.
        assert!(todays <= truth && truth - todays <= truth / 500.0, "today: {todays} of {truth} Wh");
        assert!(days > 340, "only {days} days without an outage");
        assert_eq!(self.ports.len(), 5 * 4, "four inverters, and the one that replaced one of them");
        // A year without trouble would prove nothing.
        assert!(self.raw_zeros > 10_000 && self.raw_spikes > 100, "{} {}", self.raw_zeros, self.raw_spikes);
    }
}

/// The date on which the period of an instant began.
fn day_of(zone: &TimeZone, time: Timestamp) -> Date {
    let shown = zone.to_datetime(time);
    if shown.hour() >= RESET_HOUR { shown.date() } else { shown.date().yesterday().unwrap() }
}
