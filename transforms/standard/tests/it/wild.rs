//! Random days without any limit on what goes wrong: nothing falls, nothing jumps that was not counted.

use jiff::{SignedDuration, Timestamp};
use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::Value;

use crate::chain::{Chain, Published, Row};
use crate::days::{place, property};
use crate::world::{Day, Glitch, Trouble, World};

const WORLDS: u32 = 60;
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
    let days = (place(), vec(day(), DAYS));
    let world = days.prop_map(|((zone, reset_hour, every_minutes), days)| World {
        zone,
        reset_hour,
        every_minutes,
        days,
    });
    (world, vec((0..600_usize, -1600..1600_i64), 0..3))
}

/// What a stage kept before and after a row, and what it published.
struct Step {
    before: Option<Value>,
    after: Option<Value>,
    published: Option<i64>,
    was: Option<i64>,
    accepted: bool,
    time: Timestamp,
}

impl Step {
    fn rose(&self) -> f64 {
        (self.published.unwrap_or(0) - self.was.unwrap_or(0)) as f64
    }

    /// Within what is possible since the last accepted reading, or counted as believed.
    fn possible(&self) -> bool {
        let Some(before) = &self.before else { return true };
        let at: Timestamp = before["at"].as_str().unwrap().parse().unwrap();
        let hours = self.time.duration_since(at).as_secs_f64() / 3600.0;
        self.accepted || self.rose() <= (WH_PER_HOUR * hours).max(WH_ALWAYS) + 1e-6
    }

    fn changed(&self, member: &str) -> bool {
        let of = |kept: &Option<Value>| kept.as_ref().map(|kept| kept[member].clone());
        of(&self.before) != of(&self.after)
    }
}

fn nothing_false((world, steps): (World, Vec<(usize, i64)>)) -> Result<(), TestCaseError> {
    let mut rows: Vec<Row> = world.polls().iter().map(|poll| poll.row).collect();
    for (at, minutes) in steps {
        let step = SignedDuration::from_mins(minutes);
        rows.iter_mut().skip(at).for_each(|row| row.time += step);
    }
    let mut chain = Chain::new(world.reset_hour, world.zone());
    let mut was = Published { today: None, total: None };
    let mut accepted = [0.0; 2];
    for (at, row) in rows.iter().enumerate() {
        let kept = |chain: &Chain| ["daily_reset", "counter"].map(|stage| chain.kept(stage));
        let [day_before, total_before] = kept(&chain);
        let published = chain.run(&[*row])[0];
        let [day_after, total_after] = kept(&chain);
        let counted = ["smiles_daily_reset_accepted_total", "smiles_counting_accepted_total"].map(|name| {
            ["fall", "rise", "unseen_clear", "clock"][..if name.contains("counter") { 2 } else { 4 }]
                .iter()
                .map(|event| chain.counted(name, event))
                .sum::<f64>()
        });
        let time = row.time;
        let today = Step {
            before: day_before,
            after: day_after,
            published: published.today,
            was: was.today,
            accepted: counted[0] > accepted[0],
            time,
        };
        let total = Step {
            before: total_before,
            after: total_after,
            published: published.total,
            was: was.total,
            accepted: counted[1] > accepted[1],
            time,
        };
        prop_assert!(published.today.is_some() || was.today.is_none(), "row {at}: a known day went silent");
        prop_assert!(total.rose() >= 0.0 && total.published >= total.was, "row {at}: the total fell");
        prop_assert!(total.possible(), "row {at}: the total rose by {}", total.rose());
        prop_assert!(today.possible(), "row {at}: today rose by {}", today.rose());
        let mirrors = today.before.as_ref().is_none_or(|day| day["mirror"] == true);
        let afresh = mirrors || today.changed("period") || today.changed("mirror");
        prop_assert!(afresh || today.rose() >= 0.0, "row {at}: today fell by {}", -today.rose());
        (was, accepted) = (published, counted);
    }
    Ok(())
}

#[test]
fn nothing_falls_and_nothing_jumps_uncounted() {
    property(WORLDS, &world(), nothing_false);
}
