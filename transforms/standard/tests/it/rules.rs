//! The stages do what the rules say, and the rules do what they promise, over random worlds.

use jiff::SignedDuration;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use crate::days::property;
use crate::field::{Rules, Said, Totals};
use crate::world::{Day, Glitch, Poll, Trouble, World, ZONES};

const KINDS: [Totals; 4] = [Totals::Fine, Totals::Coarse, Totals::Float, Totals::Absent];
const EVERY: [u16; 9] = [1, 2, 5, 10, 15, 20, 30, 45, 60];

/// Six days of one device, and how it is counted.
#[derive(Clone, Debug)]
struct Life {
    world: World,
    rules: Rules,
}

impl Life {
    fn polls(&self) -> (Vec<Poll>, Vec<Said>) {
        let polls = self.world.polls();
        let said = polls.iter().map(|Poll { row, truth }| {
            let heard = row.link == 1 && (row.voltage, row.total) != (0, 0);
            // The device knows fractions where it says them.
            let fraction = (truth + 1_000_000.25).fract();
            let total = f64::from(row.total) + if row.total == 0 { 0.0 } else { fraction };
            Said { time: row.time, today: heard.then_some(row.today), total: heard.then_some(total) }
        });
        let said = said.collect();
        (polls, said)
    }
}

fn trouble(most: u16) -> impl Strategy<Value = Trouble> {
    let glitch = select(vec![
        Glitch::Silent { link: 0 },
        Glitch::Silent { link: 1 },
        Glitch::Gap,
        Glitch::TodayZero,
        Glitch::TodaySpike,
        Glitch::Wobble,
        Glitch::TotalZero,
        Glitch::TotalSpike,
        Glitch::Stale,
    ]);
    (glitch, 1..=most).prop_map(|(glitch, polls)| Trouble { glitch, polls })
}

/// Troubles anywhere; or apart, so that each is over before the next.
fn troubles(most: u16, apart: Option<u16>) -> BoxedStrategy<Vec<(u16, Trouble)>> {
    let Some(every) = apart else { return vec((0..1440_u16, trouble(most)), 0..6).boxed() };
    let slot = every * 20;
    let slots = vec(prop::option::weighted(0.3, (0..=8 * every, trouble(most))), usize::from(1440 / slot));
    let placed = move |slots: Vec<Option<(u16, Trouble)>>| {
        (0_u16..)
            .zip(slots)
            .filter_map(|(n, found)| found.map(|(at, trouble)| (n * slot + at, trouble)))
            .collect()
    };
    slots.prop_map(placed).boxed()
}

fn day(most: u16, apart: Option<u16>, lossy: bool) -> impl Strategy<Value = Day> {
    let peak = prop_oneof![3 => 200..=1500_u16, 1 => 0..=30_u16];
    let shape = (peak, 300..=480_u16, 400..=900_u16);
    let habits = (any::<bool>(), prop::bool::weighted(0.1), any::<bool>());
    let lost = prop_oneof![Just(65_536_u32), 1000..900_000_u32];
    let accidents = (prop::option::weighted(0.2, 300..1200_u16), prop::option::weighted(0.15, lost));
    (shape, habits, accidents, troubles(most, apart)).prop_map(
        move |((peak_w, dawn, length), habits, (restart, memory_lost), troubles)| Day {
            peak_w,
            dawn,
            length,
            heard_at_night: habits.0,
            off_at_night: habits.1,
            clears_at_midnight: habits.2,
            restart,
            memory_lost: memory_lost.filter(|_| lossy),
            troubles,
        },
    )
}

fn life(most: u16, apart: bool, lossy: bool) -> impl Strategy<Value = Life> {
    let place =
        (0..ZONES.len(), select(vec![0_i8, 2, 6, 12, 23]), select(EVERY.to_vec()), select(KINDS.to_vec()));
    place.prop_flat_map(move |(zone, reset_hour, every_minutes, totals)| {
        let rules = Rules { totals, zone: ZONES[zone].0, reset_hour, first: "mirror" };
        vec(day(most, apart.then_some(every_minutes), lossy), 6).prop_map(move |days| Life {
            world: World { zone, reset_hour, every_minutes, days },
            rules: rules.clone(),
        })
    })
}

/// Steps of the clock, by minutes, at some rows: small ones, over days, and over years.
fn clock() -> impl Strategy<Value = Vec<(usize, i64)>> {
    let step =
        prop_oneof![-1600..1600_i64, -20_000..20_000_i64, select(vec![-525_600, 525_600, 5_256_000_i64])];
    let lasting = (0..2000_usize, step, prop::option::of(1..40_usize));
    vec(lasting, 0..4).prop_map(|steps| {
        let back = |(at, step, rows): (usize, i64, Option<usize>)| {
            [Some((at, step)), rows.map(|rows| (at + rows, -step))].into_iter().flatten()
        };
        steps.into_iter().flat_map(back).collect()
    })
}

fn stages_follow(
    (life, steps, first): &(Life, Vec<(usize, i64)>, &'static str),
) -> Result<(), TestCaseError> {
    let (_, mut said) = life.polls();
    for (at, minutes) in steps {
        let step = SignedDuration::from_mins(*minutes);
        said.iter_mut().skip(*at).for_each(|row| row.time += step);
    }
    let rules = Rules { first, ..life.rules.clone() };
    let (stages, described) = (rules.by_the_stages(&said), rules.by_the_rules(&said));
    for (at, (stage, (rule, _, _))) in stages.iter().zip(&described).enumerate() {
        let alike = |a: Option<f64>, b: Option<f64>, within: f64| match (a, b) {
            (Some(a), Some(b)) => (a - b).abs() < within,
            (a, b) => a == b,
        };
        // Today is published in whole watt-hours.
        prop_assert!(
            alike(stage.today, rule.today, 0.501) && alike(stage.total, rule.total, 1e-3),
            "row {at}, {:?}: {stage:?}, by the rules {rule:?}; before {:?} {:?}",
            said[at],
            said[at.saturating_sub(8)..at].iter().map(|row| (row.today, row.total)).collect::<Vec<_>>(),
            &stages[at.saturating_sub(8)..at],
        );
    }
    Ok(())
}

#[test]
fn the_stages_follow_the_rules_in_lawless_worlds() {
    let first = select(vec!["mirror", "mirror", "zero"]);
    property(500, &(life(30, false, true), clock(), first), |case| stages_follow(&case));
}

/// What was published too much, Wh: the ends of all periods against what was produced.
fn excess(said: &[Said], polls: &[Poll], ends: &[f64]) -> f64 {
    let heard = |row: &Said| row.today.is_some();
    let (Some(first), Some(last)) = (said.iter().position(heard), said.iter().rposition(heard)) else {
        return 0.0;
    };
    let mirrored = said[first].today.map_or(0.0, f64::from);
    ends.iter().sum::<f64>() - mirrored - polls[last].truth + polls[first].truth
}

fn nothing_is_too_much(mut life: Life) -> Result<(), TestCaseError> {
    let known = matches!(life.rules.totals, Totals::Fine | Totals::Float);
    let lasts_an_hour = life.world.every_minutes > 10;
    life.world.days[0].troubles.clear();
    let mut most = if known { 3.0 } else { 74.0 };
    for (_, trouble) in life.world.days.iter_mut().flat_map(|day| &mut day.troubles) {
        // A spike of five readings is believed where no total of whole watt-hours tells better within the hour.
        if matches!(trouble.glitch, Glitch::TodaySpike) && (!known || lasts_an_hour) {
            trouble.polls = trouble.polls.min(4);
        }
        // A correction that is believed and then taken back counts by as much as it corrected.
        if matches!(trouble.glitch, Glitch::Wobble) && trouble.polls >= 5 {
            most += 2.0;
        }
    }
    let (polls, said) = life.polls();
    let (stages, rules) = (life.rules.by_the_stages(&said), life.rules.by_the_rules(&said));
    let mut ends = Vec::new();
    for at in 0..said.len() {
        let (shown, (_, mirrors, period)) = (stages[at], rules[at]);
        match rules.get(at + 1) {
            Some((_, _, next)) if *next == period => {
                let next = stages[at + 1];
                prop_assert!(next.total >= shown.total, "row {at}: the total fell");
                prop_assert!(mirrors || next.today >= shown.today, "row {at}: today fell");
            }
            _ => ends.extend(shown.today),
        }
    }
    let excess = excess(&said, &polls, &ends);
    prop_assert!(excess <= most, "{excess} Wh too much: {ends:?}");
    Ok(())
}

#[test]
fn no_world_publishes_more_than_was_produced() {
    property(600, &life(6, true, false), nothing_is_too_much);
}
