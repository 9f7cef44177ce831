//! Established once, then grown: small worlds by hand.

mod wild;

use std::collections::BTreeMap;

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{Array, Int64Array, StringArray, TimestampMicrosecondArray};
use jiff::Timestamp;
use smiles_runtime::StagedState;
use smiles_stage::{SourcePasses, source_field, time_field};
use smiles_testkit::{ManualClock, open_context};

use super::options::utc;
use super::*;

fn schema() -> SchemaRef {
    let fields = vec![
        time_field(),
        source_field(),
        Field::new("serial", DataType::Utf8, false),
        Field::new("port", DataType::Int64, false),
        Field::new("total", DataType::Int64, true),
        Field::new("today", DataType::Int64, true),
    ];
    Arc::new(Schema::new(fields))
}

/// serial, port, total, today
type Port<'a> = (&'a str, i64, Option<i64>, Option<i64>);

fn batch(time: &str, source: &str, ports: &[Port<'_>]) -> RecordBatch {
    let time: Timestamp = time.parse().unwrap();
    let times =
        TimestampMicrosecondArray::from(vec![time.as_microsecond(); ports.len()]).with_timezone("UTC");
    let columns: Vec<arrow_array::ArrayRef> = vec![
        Arc::new(times),
        Arc::new(StringArray::from_iter_values(ports.iter().map(|_| source))),
        Arc::new(StringArray::from_iter_values(ports.iter().map(|port| port.0))),
        Arc::new(Int64Array::from_iter_values(ports.iter().map(|port| port.1))),
        Arc::new(Int64Array::from_iter(ports.iter().map(|port| port.2))),
        Arc::new(Int64Array::from_iter(ports.iter().map(|port| port.3))),
    ];
    RecordBatch::try_new(schema(), columns).unwrap()
}

fn options() -> SumOptions {
    let sums = [("plant", vec![]), ("dtu", vec![SOURCE.to_owned()]), ("unit", vec!["serial".to_owned()])];
    SumOptions {
        key: vec!["serial".into(), "port".into()],
        total: "total".into(),
        today: Some("today".into()),
        max_rate: None,
        sums: sums.into_iter().map(|(name, by)| (name.to_owned(), by)).collect(),
        reset_hour: 0,
        timezone: utc(),
    }
}

/// A stage with its state, and the sources of its pipeline.
struct World {
    stage: Box<dyn Transform>,
    state: StagedState,
    sources: Vec<SourcePasses>,
}

fn world_of(sources: &[&str]) -> World {
    let source = |name: &&str| SourcePasses { name: (*name).to_owned(), reachable: true, complete: false };
    let sources = sources.iter().map(source).collect();
    World { stage: opened(options()), state: StagedState::default(), sources }
}

fn opened(options: SumOptions) -> Box<dyn Transform> {
    opened_behind(options, &[])
}

fn opened_behind(options: SumOptions, upstream: &[&str]) -> Box<dyn Transform> {
    let plan = SumPlan { options, zone: TimeZone::UTC };
    let mut context = open_context(std::path::Path::new("."), Arc::new(ManualClock::new()));
    context.upstream = upstream.iter().map(|&stage| stage.to_owned()).collect();
    transform_plan(plan).wire(&schema()).unwrap().open(context).unwrap()
}

impl World {
    /// The process restarts with this file.
    fn restarts(&mut self, options: SumOptions) {
        self.stage = opened(options);
    }

    /// Feeds a pass; the sums as the last row has them: plant, its today, the source's, the unit's.
    fn feed(&mut self, time: &str, source: &str, complete: bool, ports: &[Port<'_>]) -> [Option<i64>; 4] {
        self.stored(time, source, complete, ports, &[])
    }

    fn stored(
        &mut self,
        time: &str,
        source: &str,
        complete: bool,
        ports: &[Port<'_>],
        known: &[Option<RecordBatch>],
    ) -> [Option<i64>; 4] {
        let out = self.put(time, source, complete, ports, known);
        self.state.keep();
        ["plant_total", "plant_today", "dtu_total", "unit_total"].map(|name| {
            let column = out.column_by_name(name).unwrap().as_primitive::<Int64Type>();
            let last = column.len().checked_sub(1)?;
            column.is_valid(last).then(|| column.value(last))
        })
    }
}

impl World {
    /// As the runtime calls the stage; what it put is not kept yet.
    fn put(
        &mut self,
        time: &str,
        source: &str,
        complete: bool,
        ports: &[Port<'_>],
        known: &[Option<RecordBatch>],
    ) -> RecordBatch {
        let of = self.sources.iter_mut().find(|known| known.name == source).unwrap();
        of.complete |= complete;
        let of_one = PassInfo::new(source, time.parse().unwrap(), complete);
        let pass = PassInfo { sources: self.sources.clone(), ..of_one };
        if !self.stage.remembers(&self.state) {
            self.stage.recall(known, &pass, &mut self.state).unwrap();
        }
        self.stage.apply(batch(time, source, ports), &pass, &mut self.state).unwrap()
    }
}

const DAWN: [&str; 4] =
    ["2026-06-21T03:00:00Z", "2026-06-21T03:01:00Z", "2026-06-21T03:02:00Z", "2026-06-21T03:03:00Z"];

#[test]
fn a_sum_waits_for_every_key_of_the_list_and_then_grows() {
    let mut world = world_of(&["A"]);
    let silent = ("x", 1, None, None);
    assert_eq!(world.feed(DAWN[0], "A", true, &[silent, ("y", 1, None, None)]), [None; 4]);
    assert_eq!(
        world.feed(DAWN[1], "A", true, &[silent, ("y", 1, Some(500), Some(0))]),
        [None, None, None, Some(500)]
    );
    let all = [("x", 1, Some(1000), Some(3)), ("y", 1, Some(501), Some(1))];
    assert_eq!(world.feed(DAWN[2], "A", true, &all), [Some(1501), Some(4), Some(1501), Some(501)]);
    // A glitch of a total, an inverter that joins, and one that is not heard change nothing.
    let odd = [("x", 1, Some(900), Some(3)), ("z", 1, Some(7000), Some(70)), ("y", 1, Some(503), Some(3))];
    assert_eq!(world.feed(DAWN[3], "A", true, &odd), [Some(1503), Some(6), Some(1503), Some(503)]);
    let later = [("z", 1, Some(7010), Some(80))];
    assert_eq!(
        world.feed("2026-06-21T03:04:00Z", "A", false, &later),
        [Some(1513), Some(16), Some(1513), Some(7010)]
    );
}

#[test]
fn a_partial_pass_establishes_nothing_and_an_unreachable_source_holds_up_nothing() {
    let mut world = world_of(&["A", "B"]);
    let one = [("x", 1, Some(1000), Some(0))];
    assert_eq!(world.feed(DAWN[0], "A", false, &one), [None; 4]);
    let both = [("x", 1, Some(1000), Some(0)), ("y", 1, Some(10), Some(0))];
    assert_eq!(
        world.feed(DAWN[1], "A", true, &both),
        [None, None, Some(1010), Some(10)],
        "B was not asked yet"
    );
    world.sources[1].reachable = false;
    assert_eq!(world.feed(DAWN[2], "A", true, &both)[0], Some(1010));
    // What the other source brings later joins; it moves, and takes nothing along.
    world.sources[1].reachable = true;
    assert_eq!(
        world.feed(DAWN[3], "B", true, &[("w", 1, Some(77), Some(0))]),
        [Some(1010), Some(0), Some(77), Some(77)]
    );
    let moved = [("w", 1, Some(78), Some(1)), ("y", 1, Some(15), Some(5))];
    assert_eq!(
        world.feed("2026-06-21T03:04:00Z", "B", true, &moved),
        [Some(1016), Some(6), Some(83), Some(15)]
    );
}

#[test]
fn a_key_that_is_listed_and_never_heard_is_given_up_after_one_whole_period() {
    let mut world = world_of(&["A"]);
    let ports = |total| [("dead", 1, None, None), ("x", 1, Some(total), Some(0))];
    assert_eq!(world.feed("2026-06-21T12:00:00Z", "A", true, &ports(1000))[0], None);
    assert_eq!(
        world.feed("2026-06-22T00:00:00Z", "A", true, &ports(1500))[0],
        None,
        "that day was no whole one"
    );
    assert_eq!(world.feed("2026-06-22T23:59:00Z", "A", true, &ports(2000))[0], None);
    assert_eq!(world.feed("2026-06-23T00:00:00Z", "A", true, &ports(2100))[0], Some(2100));
    let heard = [("dead", 1, Some(9000), Some(90)), ("x", 1, Some(2101), Some(1))];
    assert_eq!(world.feed("2026-06-23T09:00:00Z", "A", true, &heard)[..2], [Some(2101), Some(1)]);
    // A leap of the clock is no whole period.
    let mut world = world_of(&["A"]);
    for day in ["2016-01-01T12:00:00Z", "2026-06-22T12:00:00Z", "2026-06-23T00:00:00Z"] {
        assert_eq!(world.feed(day, "A", true, &ports(1000))[0], None, "{day}");
    }
    assert_eq!(world.feed("2026-06-24T00:00:00Z", "A", true, &ports(1000))[0], Some(1000));
}

#[test]
fn the_day_begins_anew_and_comes_back_with_the_clock() {
    let mut world = world_of(&["A"]);
    let mut feed = |time, total, today| world.feed(time, "A", true, &[("x", 1, Some(total), Some(today))]);
    assert_eq!(feed("2026-06-21T12:00:00Z", 1000, 300)[..2], [Some(1000), Some(300)]);
    assert_eq!(feed("2027-06-21T12:01:00Z", 1001, 1)[..2], [Some(1001), Some(1)]);
    assert_eq!(feed("2026-06-21T12:02:00Z", 1002, 302)[..2], [Some(1002), Some(302)]);
    assert_eq!(feed("2026-06-22T00:00:00Z", 1002, 0)[..2], [Some(1002), Some(0)]);
    assert_eq!(feed("2026-06-21T23:59:59Z", 1003, 1)[..2], [Some(1003), Some(1)], "set back over midnight");
    assert_eq!(feed("2026-06-22T06:00:00Z", 1010, 8)[..2], [Some(1010), Some(8)]);
}

/// What a store answers: the keys, the sources, then each sum in the order of its name.
fn answers(keys: &RecordBatch, sums: [Option<RecordBatch>; 3]) -> Vec<Option<RecordBatch>> {
    let pick = |batch: &RecordBatch, names: &[&str]| {
        let places: Vec<usize> = names.iter().map(|name| batch.schema().index_of(name).unwrap()).collect();
        batch.project(&places).unwrap()
    };
    let sources = pick(keys, &["serial", "source"]);
    let keys = pick(keys, &["serial", "port", "time", "total", "today"]);
    let sum = |by: &str, rows: RecordBatch| pick(&rows, &[by, "time", "total", "today"]);
    let [dtu, plant, unit] = sums;
    let sums = [
        dtu.map(|rows| sum("source", rows)),
        plant.map(|rows| sum("source", rows)),
        unit.map(|rows| sum("serial", rows)),
    ];
    [Some(keys), Some(sources)].into_iter().chain(sums).collect()
}

#[test]
fn an_update_goes_on_from_what_the_store_sums_to_and_a_lost_journal_from_its_sums() {
    let night = "2026-06-20T22:00:00Z";
    let keys = batch(
        night,
        "A",
        &[("x", 1, Some(1000), Some(40)), ("y", 2, Some(500), Some(20)), ("old", 1, None, None)],
    );
    let silent = [("x", 1, Some(1000), Some(0)), ("y", 2, Some(500), Some(0)), ("old", 1, None, None)];
    let nothing = answers(&keys, [None, None, None]);
    let mut world = world_of(&["A"]);
    let first = world.stored(DAWN[0], "A", false, &silent, &nothing);
    assert_eq!(first, [Some(1500), Some(0), Some(1500), None], "at once, although `old` was never heard");
    let awake = [("x", 1, Some(1003), Some(3)), ("y", 2, Some(500), Some(0))];
    assert_eq!(world.feed(DAWN[1], "A", false, &awake), [Some(1503), Some(3), Some(1503), Some(500)]);

    // The plant has its own row, under the name of the pipeline; it need not be what the keys sum to.
    let name = open_context(std::path::Path::new("."), Arc::new(ManualClock::new())).pipeline;
    let plant = batch(night, &name, &[("", 1, Some(99_000), Some(60))]);
    let lost = answers(&keys, [None, Some(plant), None]);
    let mut world = world_of(&["A"]);
    assert_eq!(world.stored(DAWN[0], "A", false, &awake, &lost)[..3], [Some(99_003), Some(3), Some(1503)]);

    // A sum that has a row without a value was waiting, and goes on to.
    let plant = batch(night, &name, &[("", 1, None, None)]);
    let waiting = answers(&keys, [None, Some(plant), None]);
    let mut world = world_of(&["A"]);
    assert_eq!(
        world.stored(DAWN[0], "A", true, &awake, &waiting)[0],
        None,
        "`old` is known and was not heard"
    );
}

/// The journal was lost after the reset; the device still shows the day before, and so does a counter that begins anew.
#[test]
fn a_counter_of_the_day_that_begins_anew_with_the_journal_is_no_production() {
    let (reset, next) = ("2026-06-21T00:00:05Z", "2026-06-21T00:00:15Z");
    let name = open_context(std::path::Path::new("."), Arc::new(ManualClock::new())).pipeline;
    let keys = batch(reset, "A", &[("x", 1, Some(1000), Some(0))]);
    let plant = batch(reset, &name, &[("", 1, Some(1000), Some(0))]);
    let mut world = world_of(&["A"]);
    let lost = answers(&keys, [None, Some(plant), None]);
    let ports = |total, today| [("x", 1, Some(total), Some(today))];
    assert_eq!(world.stored(next, "A", true, &ports(1002, 12_100), &lost)[..2], [Some(1002), Some(2)]);
    assert_eq!(
        world.feed("2026-06-21T06:00:00Z", "A", true, &ports(1005, 12_103))[..2],
        [Some(1005), Some(5)]
    );
}

/// What feeds a sum is edited between two processes: switched off and on, its key changed.
#[test]
fn a_total_that_is_counted_otherwise_is_no_production() {
    let limited = || SumOptions { max_rate: serde_json::from_str(r#""2000 1/h""#).unwrap(), ..options() };
    let mut world = world_of(&["A"]);
    let behind = |world: &mut World, stages: &[&str]| world.stage = opened_behind(limited(), stages);
    behind(&mut world, &["unit", "counter"]);
    let at = |world: &mut World, time: &str, total: i64, today: i64| {
        let port = ("x", 1, Some(total), Some(today));
        world.feed(&format!("2026-06-21T{time}:00Z"), "A", true, &[port])[..2].to_vec()
    };
    assert_eq!(at(&mut world, "06:00", 1_000_000, 100), [Some(1_000_000), Some(100)]);
    behind(&mut world, &["unit", "validity", "counter"]);
    // Twelve hours of the day at most; nothing is known of when it was heard but the day.
    assert_eq!(at(&mut world, "12:00", 1_009_000, 9_100), [Some(1_009_000), Some(9_100)], "away for hours");
    behind(&mut world, &["unit", "validity"]);
    assert_eq!(at(&mut world, "12:01", 7_000_000, 9_110), [Some(1_009_000), Some(9_100)]);
    assert_eq!(at(&mut world, "12:02", 7_000_007, 9_117), [Some(1_009_007), Some(9_107)]);
    behind(&mut world, &["unit", "validity", "counter"]);
    assert_eq!(at(&mut world, "12:03", 1_009_030, 9_130), [Some(1_009_007), Some(9_107)], "and back");
    assert_eq!(at(&mut world, "12:04", 1_009_031, 9_131), [Some(1_009_008), Some(9_108)]);
    // Else what the stages before it believe is production, whenever the process began.
    behind(&mut world, &["unit", "validity", "counter"]);
    assert_eq!(at(&mut world, "12:05", 1_209_031, 9_132), [Some(1_209_008), Some(9_109)]);
    world.restarts(options());
    assert_eq!(
        at(&mut world, "12:06", 2_209_031, 9_133),
        [Some(2_209_008), Some(9_110)],
        "where no rate is said"
    );
}

#[test]
fn a_sum_is_known_by_its_name_and_of_what_it_is() {
    let mut world = world_of(&["A"]);
    let feed = |world: &mut World, minute: usize, total: i64| {
        world.feed(DAWN[minute], "A", true, &[("x", 1, Some(total), Some(3)), ("y", 1, Some(5000), Some(3))])
    };
    let more = |name: &str, by: &[&str]| {
        let mut options = options();
        options.sums.insert(name.to_owned(), by.iter().map(|&column| column.to_owned()).collect());
        options
    };
    assert_eq!(feed(&mut world, 0, 1000)[0], Some(6000));
    // One that joins later adds nothing of its own.
    let joined = |world: &mut World, minute: usize, options: SumOptions| {
        world.restarts(options);
        let ports = [
            ("x", 1, Some(1010), Some(3)),
            ("y", 1, Some(5000), Some(3)),
            ("z", 1, Some(9_000_000), Some(0)),
        ];
        world.feed(DAWN[minute], "A", true, &ports)[0]
    };
    assert_eq!(joined(&mut world, 1, options()), Some(6010));
    for sums in [more("aport", &["port"]), options(), more("zport", &["port"])] {
        assert_eq!(joined(&mut world, 2, sums), Some(6010), "another sum moves none");
    }
    let sums =
        |world: &World| SumState::load(&world.state, &options().ids().collect::<Vec<_>>()).unwrap().unwrap();
    assert_eq!(sums(&world).groups[&("plant".to_owned(), String::new())].total, Some(6010.0));
    // Of another kind under the same name it is another sum.
    world.restarts(more("plant", &["serial"]));
    world.feed(DAWN[3], "A", true, &[("x", 1, Some(1010), Some(3))]);
    let of = |options: &SumOptions| options.ids().find(|id| id.starts_with("plant")).unwrap();
    assert_eq!(
        (of(&options()), of(&more("plant", &["serial"]))),
        ("plant".to_owned(), "plant(serial)".to_owned())
    );
}

#[test]
fn a_total_that_a_person_sets_is_no_production() {
    let mut world = world_of(&["A"]);
    world.feed(DAWN[0], "A", true, &[("x", 1, Some(1000), Some(3))]);
    let entry = b"key\0x\x001";
    let mut kept: serde_json::Value = serde_json::from_slice(&world.state.get(entry).unwrap()).unwrap();
    kept["total"] = 5000.0.into();
    world.state.put(entry, serde_json::to_vec(&kept).unwrap());
    assert_eq!(world.feed(DAWN[1], "A", true, &[("x", 1, Some(5002), Some(5))])[0], Some(1002));
}

#[test]
fn wrong_options_and_columns_are_named() {
    let context = PlanContext { stage: "sum", files: &smiles_testkit::NoFiles };
    let with = |change: &dyn Fn(&mut SumOptions)| {
        let mut options = options();
        change(&mut options);
        match Sum::plan(options, context) {
            Ok(plan) => plan.wire(&schema()).map(|wired| wired.output()).err(),
            Err(problems) => Some(problems),
        }
    };
    type Change<'a> = &'a dyn Fn(&mut SumOptions);
    let rows: [(Change<'_>, &str); 5] = [
        (&|options| options.sums = BTreeMap::new(), "no sum is named"),
        (&|options| _ = options.sums.insert("a".into(), vec!["total".into()]), "neither in `key`"),
        (&|options| options.reset_hour = 24, "not an hour"),
        (&|options| options.timezone = "Mars".into(), "unknown time zone"),
        (&|options| options.total = "serial".into(), "not numbers"),
    ];
    for (change, expected) in rows {
        let problems = with(change).unwrap();
        let said: Vec<String> = problems.iter().map(|problem| problem.message.clone()).collect();
        assert!(said.iter().any(|said| said.contains(expected)), "{said:?} lacks `{expected}`");
    }
    let twice = with(&|options| _ = options.sums.insert("serial".into(), Vec::new())).unwrap();
    assert!(twice.iter().any(|problem| problem.message.contains("already")));
}
