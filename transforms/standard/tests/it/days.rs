//! Ten thousand random days within the documented limits: the sums are the truth, however the rows are split.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use crate::chain::{Chain, Published, Row};
use crate::world::{Day, Glitch, Poll, Trouble, World, ZONES};

const DAYS: usize = 12;
/// 12 days each.
const WORLDS: u32 = 850;

/// Runs a property over random values; a failure names the seed that repeats it.
pub(crate) fn property<S: Strategy>(
    cases: u32,
    strategy: &S,
    holds: impl Fn(S::Value) -> Result<(), TestCaseError>,
) {
    let seed = std::env::var("SMILES_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(4_u64);
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let config = Config { cases, failure_persistence: None, max_shrink_iters: 3000, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &bytes));
    if let Err(error) = runner.run(strategy, holds) {
        panic!("seed {seed} (SMILES_SEED={seed} repeats it): {error}");
    }
}

pub(crate) fn place() -> impl Strategy<Value = (usize, i8, u16)> {
    (0..ZONES.len(), select(vec![0_i8, 2, 12, 23]), select(vec![10_u16, 15, 20]))
}

/// Trouble that the rules cure: shorter than what confirms it.
fn curable() -> impl Strategy<Value = Trouble> {
    let for_polls = |glitch: Glitch, most: u16| (1..=most).prop_map(move |polls| Trouble { glitch, polls });
    prop_oneof![
        for_polls(Glitch::Silent { link: 0 }, 8),
        for_polls(Glitch::Silent { link: 1 }, 8),
        for_polls(Glitch::Gap, 8),
        for_polls(Glitch::TodayZero, 4),
        for_polls(Glitch::TodaySpike, 4),
        for_polls(Glitch::TotalZero, 8),
        for_polls(Glitch::TotalSpike, 8),
        for_polls(Glitch::Stale, 8),
    ]
}

/// A day whose troubles stand apart, so that each is judged on its own; a restart has noon for itself.
fn day(every: u16) -> impl Strategy<Value = Day> {
    let shape = (400..=1500_u16, 300..=480_u16, 560..=900_u16);
    let habits = (any::<bool>(), prop::bool::weighted(0.1), any::<bool>(), prop::bool::weighted(0.1));
    (shape, habits, vec(prop::option::weighted(0.3, curable()), 12)).prop_map(
        move |(shape, habits, slots)| {
            let (peak_w, dawn, length) = shape;
            let (heard_at_night, off_at_night, clears_at_midnight, restarts) = habits;
            let noon = dawn + length / 2;
            let slot = 10 * every;
            let troubles = (0_u16..).zip(slots).filter_map(|(n, trouble)| {
                let (begin, end) = (dawn + 120 + n * slot, dawn + 120 + (n + 1) * slot);
                let apart = !restarts || end < noon - 30 - slot || begin > noon + slot;
                // What is held must be confirmed before the device clears itself.
                (apart && end + 6 * every < dawn + length).then_some((begin, trouble?))
            });
            let troubles = troubles.collect();
            let restart = restarts.then_some(noon - 20);
            let memory_lost = None;
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

fn world() -> impl Strategy<Value = World> {
    place().prop_flat_map(|(zone, reset_hour, every_minutes)| {
        // More than a day can bring back, or it would pass for a glitch.
        let meter = prop::option::weighted(0.1, (2..DAYS - 4, 30_000..500_000_u32));
        (vec(day(every_minutes), DAYS), meter).prop_map(move |(mut days, meter)| {
            if let Some((at, lost)) = meter {
                days[at].memory_lost = Some(lost);
                // What is waiting to be believed must not be disturbed.
                for day in &mut days[at..=at + 2] {
                    day.troubles.clear();
                }
            }
            // Nothing waits to be believed where the books open and where they close.
            for calm in [0, 1, DAYS - 2, DAYS - 1] {
                days[calm].troubles.clear();
                days[calm].restart = None;
            }
            World { zone, reset_hour, every_minutes, days }
        })
    })
}

/// The local date on which a period began, as a person would say it.
fn label(zone: &TimeZone, reset_hour: i8, time: Timestamp) -> jiff::civil::Date {
    let shown = zone.to_datetime(time);
    if shown.hour() >= reset_hour { shown.date() } else { shown.date().yesterday().unwrap() }
}

/// What each period ended with, and what was truly produced in it.
struct Book {
    finals: Vec<i64>,
    truths: Vec<f64>,
    /// The first period with a reading.
    mirrored: usize,
}

fn book(world: &World, polls: &[Poll], published: &[Published]) -> Book {
    let zone = TimeZone::get(world.zone()).unwrap();
    let mut book = Book { finals: Vec::new(), truths: Vec::new(), mirrored: 0 };
    let mut begun = polls[0].truth;
    for at in 0..polls.len() {
        let period = label(&zone, world.reset_hour, polls[at].row.time);
        let next = polls.get(at + 1).map(|poll| label(&zone, world.reset_hour, poll.row.time));
        if next != Some(period) {
            book.finals.push(published[at].today.unwrap_or(0));
            book.truths.push(polls[at].truth - begun);
            begun = polls[at].truth;
            if published[at].today.is_none() {
                book.mirrored += 1;
            }
        }
    }
    book
}

/// The rows in pieces as long as `lengths` say, with a crash and a restart between any two.
fn in_pieces(world: &World, rows: &[Row], lengths: &[usize]) -> (Vec<Published>, f64) {
    let mut chain = Chain::new(world.reset_hour, world.zone());
    let mut published = Vec::new();
    let mut rest = rows;
    for length in lengths.iter().cycle() {
        let (piece, behind) = rest.split_at((*length).min(rest.len()));
        chain.run_in_vain(&piece[..piece.len().min(5)]);
        published.extend(chain.run(piece));
        chain.restart();
        rest = behind;
        if rest.is_empty() {
            break;
        }
    }
    (published, chain.accepted())
}

fn sums_are_true(world: &World) -> Result<(), TestCaseError> {
    let polls = world.polls();
    let rows: Vec<Row> = polls.iter().map(|poll| poll.row).collect();
    let published = Chain::new(world.reset_hour, world.zone()).run(&rows);
    let poll_wh = f64::from(world.every_minutes) / 60.0 * 1500.0;
    let restarts = world.days.iter().filter(|day| day.restart.is_some()).count() as f64;
    let Book { finals, truths, mirrored } = book(world, &polls, &published);
    // The period first heard in mirrors the device; the last is not over.
    let inner = mirrored + 1..finals.len() - 1;
    let (sum, truth): (i64, f64) = (finals[inner.clone()].iter().sum(), truths[inner.clone()].iter().sum());
    let periods = inner.len() as f64;
    // What is produced between the last poll before a restart and the restart is not known, nor what a poll before
    // the first boundary does not show; every reading is rounded down.
    let off = (sum as f64 - truth).abs();
    let allowed = poll_wh * (restarts + 1.0) + 2.0 * periods;
    prop_assert!(off <= allowed, "off by {off} of {allowed}: {finals:?}, {truths:.0?}");
    for at in inner {
        let off = finals[at] as f64 - truths[at];
        // Eight polls of an old reading and five that confirm the new one may lie before the reset.
        prop_assert!(off <= poll_wh * 13.0 + 2.0, "period {at}: {} of {}", finals[at], truths[at]);
    }
    let totals: Vec<i64> = published.iter().filter_map(|row| row.total).collect();
    prop_assert!(totals.windows(2).all(|pair| pair[0] <= pair[1]), "the total fell");
    let grown = (totals[totals.len() - 1] - totals[0]) as f64;
    let first = published.iter().position(|row| row.total.is_some()).unwrap_or(0);
    let last = polls.iter().rposition(|poll| poll.row.link == 1).unwrap_or(0);
    let produced = polls[last].truth - polls[first].truth;
    prop_assert!((grown - produced).abs() <= poll_wh + 4.0, "total grew {grown}, produced {produced}");
    Ok(())
}

fn splits_are_alike(world: &World, lengths: &[usize]) -> Result<(), TestCaseError> {
    let rows: Vec<Row> = world.polls().iter().map(|poll| poll.row).collect();
    let mut chain = Chain::new(world.reset_hour, world.zone());
    let published = chain.run(&rows);
    let (again, counted) = in_pieces(world, &rows, lengths);
    prop_assert!(again == published, "another split or a restart changed what is published");
    prop_assert_eq!(counted, chain.accepted());
    Ok(())
}

#[test]
fn the_sums_of_random_days_are_the_truth() {
    property(WORLDS, &world(), |world| sums_are_true(&world));
}

#[test]
fn any_split_with_a_crash_and_a_restart_publishes_the_same() {
    let lengths = vec(1..200_usize, 3..8);
    property(150, &(world(), lengths), |(world, lengths)| splits_are_alike(&world, &lengths));
}
