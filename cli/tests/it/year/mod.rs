//! A year in the life: a simulated plant with everything the field reports, through the real pipeline into SQLite.
//!
//! Four inverters with four ports, from New Year to New Year in Berlin. The source is the real one on a real socket;
//! only the clock is not real, so that nobody waits. A poll every twenty minutes keeps the year under a minute. What is
//! stored is then held against what was truly produced. `make test` runs it as a phase of its own and shows the
//! report: `cargo test -p smiles --test it year -- --ignored --nocapture`.

mod judge;
mod plant;

use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use smiles_source_simulator::{Event, Options, Rates};

use judge::{Judge, Poll};
use plant::Plant;

const ZONE: &str = "Europe/Berlin";
const EVERY: Duration = Duration::from_secs(20 * 60);
const SEED: u64 = 2026;
/// Midnights in Berlin.
const BEGINS: &str = "2025-12-31T23:00:00Z";
const ENDS: &str = "2026-12-31T23:00:00Z";

/// What goes wrong by itself. All-zero glitches: the field sees one to four of five inverters once in 15 polls.
const RATES: Rates = Rates {
    glitch: 0.035,
    upload_period_s: 0,
    restarts_per_day: 1.0 / 40.0,
    link_losses_per_day: 0.1,
    spike: 0.001,
    today_zero: 0.002,
};

/// What happens at given times, UTC: an inverter restarts on the longest day, one is replaced a fortnight after it
/// died, one dies for good.
const EVENTS: &[(&str, Event)] = &[
    ("2026-06-21T11:03:00Z", Event::Restart(0)),
    ("2026-05-20T09:40:00Z", Event::Die(2)),
    ("2026-06-03T08:10:00Z", Event::Replace(2)),
    ("2026-10-01T10:20:00Z", Event::Die(3)),
];

/// The station is off for a week.
const STATION_OFF: (&str, &str) = ("2026-08-10T07:00:00Z", "2026-08-17T07:00:00Z");

/// We are off: by day, over night and the reset, a whole day, and at both changes of the clocks.
const WE_ARE_OFF: &[(&str, &str)] = &[
    ("2026-02-14T10:00:00Z", "2026-02-14T13:00:00Z"),
    ("2026-03-29T00:30:00Z", "2026-03-29T01:30:00Z"),
    ("2026-04-18T18:30:00Z", "2026-04-19T07:00:00Z"),
    ("2026-07-05T12:00:00Z", "2026-07-06T12:30:00Z"),
    ("2026-10-25T00:30:00Z", "2026-10-25T02:00:00Z"),
];

fn time(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn is_within((from, to): (&str, &str), now: Timestamp) -> bool {
    time(from) <= now && now < time(to)
}

#[tokio::test]
#[ignore = "a phase of its own of `make test`, which shows its report"]
async fn a_year_in_the_life() {
    let began = crate::bridge::now();
    let options = Options {
        inverters: 4,
        ports: 4,
        seed: SEED,
        start: Some(time(BEGINS)),
        rates: RATES,
        events: EVENTS.iter().map(|(at, event)| (time(at), *event)).collect(),
        ..Options::default()
    };
    let mut plant = Plant::new(options, EVERY, ZONE).await;
    let mut polls = Vec::new();
    let (mut kills, mut stops) = (0, 0);
    plant.start().await;
    while plant.now() < time(ENDS) {
        polls.push(Poll::of(&plant, !is_within(STATION_OFF, plant.now())));
        let next = plant.now() + EVERY;
        plant.cut_off(is_within(STATION_OFF, next));
        let off = WE_ARE_OFF.iter().any(|outage| is_within(*outage, next));
        match (plant.is_up(), off) {
            (true, true) => {
                plant.stop().await;
                stops += 1;
                plant.tick().await;
            }
            (false, false) => {
                plant.clock.advance(EVERY);
                plant.start().await;
            }
            (true, false) if polls.len() % 1499 == 0 => {
                plant.kill().await;
                kills += 1;
                plant.clock.advance(EVERY);
                plant.start().await;
            }
            _ => plant.tick().await,
        }
    }
    plant.stop().await;
    let judge = Judge::new(&plant, &polls, TimeZone::get(ZONE).unwrap());
    let report = judge.report(&plant, stops, kills, began.elapsed());
    println!("\n{report}");
    judge.judge();
}
