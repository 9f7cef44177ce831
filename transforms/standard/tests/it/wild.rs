//! Random days without any limit on what goes wrong: nothing falls, nothing jumps that was not counted.

use jiff::{SignedDuration, Timestamp};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::Value;

use crate::chain::{Chain, Row};
use crate::days::property;
use crate::logged::Warnings;
use crate::world::{Day, Glitch, Trouble, World, ZONES};

/// 4 days each.
const WORLDS: u32 = 2_500;
const DAYS: usize = 4;
/// What the stages may grow in an hour, and always.
const WH_PER_HOUR: f64 = 2000.0;
const WH_ALWAYS: f64 = 100.0;

fn trouble() -> impl Strategy<Value = Trouble> {
    let glitch = prop_oneof![
        Just(Glitch::Silent { link: 0 }),
        Just(Glitch::Silent { link: 1 }),
        Just(Glitch::Gap),
        Just(Glitch::TodayZero),
        Just(Glitch::TodaySpike),
        Just(Glitch::TotalZero),
        Just(Glitch::TotalSpike),
        Just(Glitch::Stale),
    ];
    (glitch, 1..30_u16).prop_map(|(glitch, polls)| Trouble { glitch, polls })
}

fn day() -> impl Strategy<Value = Day> {
    let shape = (0..=3000_u16, 300..=480_u16, 400..=900_u16);
    let habits = (any::<bool>(), any::<bool>(), any::<bool>());
    let accidents = (prop::option::of(300..1200_u16), prop::option::weighted(0.2, 1000..900_000_u32));
    (shape, habits, accidents, vec((0..1440_u16, trouble()), 0..12)).prop_map(
        |(shape, habits, accidents, troubles)| {
            let (peak_w, dawn, length) = shape;
            let (heard_at_night, off_at_night, clears_at_midnight) = habits;
            let (restart, memory_lost) = accidents;
            Day {
                peak_w,
                dawn,
                length,
                heard_at_night,
                off_at_night,
                clears_at_midnight,
                restart,
                memory_lost,
                troubles,
            }
        },
    )
}

/// A world and the polls at which the clock is stepped, by so many minutes.
fn world() -> impl Strategy<Value = (World, Vec<(usize, i64)>)> {
    let place = (0..ZONES.len(), select(vec![0_i8, 2, 12, 23]), select(vec![20_u16, 60, 120]));
    let world = (place, vec(day(), DAYS)).prop_map(|((zone, reset_hour, every_minutes), days)| World {
        zone,
        reset_hour,
        every_minutes,
        days,
    });
    (world, vec((0..300_usize, -1600..1600_i64), 0..3))
}

/// One published number of one key, row by row.
struct Watched {
    stage: &'static str,
    /// What the stage keeps after the row before.
    kept: Option<Value>,
    published: Option<i64>,
    believed: usize,
}

/// What a row did to it.
struct Step {
    before: Option<Value>,
    after: Option<Value>,
    was: Option<i64>,
    published: Option<i64>,
    /// Something was believed in the end, and logged.
    believed: bool,
    time: Timestamp,
}

impl Watched {
    fn new(stage: &'static str) -> Self {
        Self { stage, kept: None, published: None, believed: 0 }
    }

    fn step(&mut self, chain: &Chain, published: Option<i64>, warnings: &Warnings, time: Timestamp) -> Step {
        let after = chain.kept(self.stage);
        let believed = warnings.believed(self.stage);
        Step {
            before: std::mem::replace(&mut self.kept, after.clone()),
            after,
            was: std::mem::replace(&mut self.published, published),
            published,
            believed: std::mem::replace(&mut self.believed, believed) < believed,
            time,
        }
    }
}

impl Step {
    fn rose(&self) -> i64 {
        self.published.unwrap_or(0) - self.was.unwrap_or(0)
    }

    /// Whether so much is possible since the last accepted reading, or was believed and logged.
    fn possible(&self, rose: i64) -> bool {
        let Some(before) = &self.before else { return true };
        let at: Timestamp = before["at"].as_str().unwrap().parse().unwrap();
        let hours = self.time.duration_since(at).as_secs_f64() / 3600.0;
        self.believed || rose as f64 <= (WH_PER_HOUR * hours).max(WH_ALWAYS) + 1e-6
    }

    fn changed(&self, member: &str) -> bool {
        let of = |kept: &Option<Value>| kept.as_ref().map(|kept| kept[member].clone());
        of(&self.before) != of(&self.after)
    }

    fn mirrors(&self) -> bool {
        self.before.as_ref().is_none_or(|day| day["mirror"] == true)
    }
}

fn total_is_true(total: &Step, at: usize) -> Result<(), TestCaseError> {
    prop_assert!(total.published >= total.was, "row {at}: the total fell by {}", -total.rose());
    prop_assert!(total.possible(total.rose()), "row {at}: the total rose by {}", total.rose());
    Ok(())
}

fn today_is_true(today: &Step, at: usize) -> Result<(), TestCaseError> {
    prop_assert!(today.published.is_some() || today.was.is_none(), "row {at}: a known day went silent");
    // A day that begins grows from nothing; one that begins with an outage has that much time.
    let new_day = today.changed("period") || today.changed("mirror");
    let rose = if new_day && !today.mirrors() { today.published.unwrap_or(0) } else { today.rose() };
    prop_assert!(today.possible(rose), "row {at}: today rose by {rose}");
    let may_fall = today.mirrors() || new_day;
    prop_assert!(may_fall || today.rose() >= 0, "row {at}: today fell by {}", -today.rose());
    Ok(())
}

fn nothing_false((world, steps): (World, Vec<(usize, i64)>)) -> Result<(), TestCaseError> {
    let mut rows: Vec<Row> = world.polls().iter().map(|poll| poll.row).collect();
    for (at, minutes) in steps {
        let step = SignedDuration::from_mins(minutes);
        rows.iter_mut().skip(at).for_each(|row| row.time += step);
    }
    let mut chain = Chain::new(world.reset_hour, world.zone());
    let (mut today, mut total) = (Watched::new("daily_reset"), Watched::new("counter"));
    let warnings = Warnings::default();
    warnings.during(|| {
        for (at, row) in rows.iter().enumerate() {
            let published = chain.run(&[*row])[0];
            total_is_true(&total.step(&chain, published.total, &warnings, row.time), at)?;
            today_is_true(&today.step(&chain, published.today, &warnings, row.time), at)?;
        }
        let logged = warnings.believed("daily_reset") + warnings.believed("counter");
        prop_assert_eq!(logged as f64, chain.accepted(), "what is logged and what is counted");
        Ok(())
    })
}

#[test]
fn nothing_falls_and_nothing_jumps_uncounted() {
    property(WORLDS, &world(), nothing_false);
}
