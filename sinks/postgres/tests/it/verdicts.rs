//! Random tables with random constraints and random rows, against a model of whose fault it is: what is set aside, when
//! the sink holds, and that everything else is stored once when all is mended.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow_array::{Int64Array, RecordBatch, StringArray};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use serde_json::json;
use smiles_stage::{Action, Sink};

use crate::fixture::{Fixture, RUN, batch};

const CASES: usize = 24;

fn input() -> SchemaRef {
    let name = Field::new("name", DataType::Utf8, true);
    Arc::new(Schema::new(vec![name, Field::new("value", DataType::Int64, true)]))
}

fn rows(values: &BTreeSet<i64>) -> RecordBatch {
    let names: StringArray = values.iter().map(|_| Some("x")).collect();
    let values: Int64Array = values.iter().copied().collect();
    RecordBatch::try_new(input(), vec![Arc::new(names), Arc::new(values)]).unwrap()
}

/// Who is to blame for the first thing that refuses a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Blame {
    Nobody,
    Row,
    Table,
    Unclear,
}

/// A constraint, or no such one; in the order in which PostgreSQL looks at them.
#[derive(Clone, Debug)]
struct World {
    /// A trigger refuses values with this remainder by 4, or all.
    trigger: Option<Option<i64>>,
    /// A check over what is written, by 3.
    check: Option<i64>,
    /// A check over what is written and what is not, by 5.
    mixed: Option<i64>,
    /// A check over what is not written.
    foreign_check: bool,
    unique: Unique,
    reference: Reference,
    /// What is said of the last two.
    when: &'static str,
    values: BTreeSet<i64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unique {
    None,
    /// Values below 20 are there already.
    Written,
    /// So are the ids.
    Counted,
    /// One row at most, of a default.
    Constant,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reference {
    None,
    /// Values above 40 are not known.
    Written,
    /// A default is not.
    Unwritten,
}

fn world() -> impl Strategy<Value = World> {
    use prop::option::weighted;
    let unique = prop_oneof![
        3 => Just(Unique::None), 2 => Just(Unique::Written), 1 => Just(Unique::Counted), 1 => Just(Unique::Constant)
    ];
    let reference = prop_oneof![3 => Just(Reference::None), 2 => Just(Reference::Written), 1 => Just(Reference::Unwritten)];
    let when = prop_oneof![Just(""), Just("DEFERRABLE"), Just("DEFERRABLE INITIALLY DEFERRED")];
    (
        (weighted(0.4, weighted(0.8, 0..4_i64)), weighted(0.4, 0..3_i64), weighted(0.3, 0..5_i64)),
        (prop::bool::weighted(0.15), unique, reference, when, prop::collection::btree_set(0..60_i64, 1..12)),
    )
        .prop_map(|((trigger, check, mixed), (foreign_check, unique, reference, when, values))| World {
            trigger,
            check,
            mixed,
            foreign_check,
            unique,
            reference,
            when,
            values,
        })
}

impl World {
    fn sql(&self) -> String {
        let when = self.when;
        let mut parts = vec![
            "id bigserial".to_owned(),
            "name text".to_owned(),
            "value bigint".to_owned(),
            "more bigint DEFAULT 1".to_owned(),
        ];
        let mut checks = Vec::new();
        checks.extend(self.check.map(|by| format!("CONSTRAINT c1 CHECK (value % 3 <> {by})")));
        checks.extend(self.mixed.map(|by| format!("CONSTRAINT c2 CHECK ((value + more - 1) % 5 <> {by})")));
        checks.extend(self.foreign_check.then(|| "CONSTRAINT c3 CHECK (more < 1)".to_owned()));
        let column = match self.unique {
            Unique::None => None,
            Unique::Written => Some("value"),
            Unique::Counted => Some("id"),
            Unique::Constant => Some("more"),
        };
        parts.extend(column.map(|column| format!("CONSTRAINT u UNIQUE ({column}) {when}")));
        let column = match self.reference {
            Reference::None => None,
            Reference::Written => Some("value"),
            Reference::Unwritten => Some("more"),
        };
        let reference =
            column.map(|column| format!("CONSTRAINT f FOREIGN KEY ({column}) REFERENCES known {when}"));
        let missing = if self.reference == Reference::Unwritten { 1 } else { 999 };
        let known = format!(
            "CREATE TABLE known (n bigint PRIMARY KEY);
             INSERT INTO known SELECT n FROM generate_series(-999, 40) AS n WHERE n <> {missing}"
        );
        let old = match self.unique {
            Unique::Written => "SELECT -n, 'old', n, -n - 1 FROM generate_series(0, 19) AS n",
            Unique::Counted => "SELECT n, 'old', -n, -1 FROM generate_series(1, 900) AS n",
            Unique::Constant => "SELECT -1, 'old', -1, 1",
            Unique::None => "SELECT -1, 'old', -1, -1",
        };
        let trigger = self.trigger.map_or(String::new(), |by| {
            let of = by.map_or("true".to_owned(), |by| format!("new.value % 4 = {by}"));
            format!(
                "; CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS
                 'BEGIN IF {of} THEN RAISE ''refused''; END IF; RETURN new; END';
                 CREATE TRIGGER refuse BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION refuse()"
            )
        });
        // What was there before is not looked at.
        let added = |rule: String| format!("; ALTER TABLE t ADD {rule} NOT VALID");
        let rules: String = checks.into_iter().chain(reference).map(added).collect();
        let table = parts.join(", ");
        format!(
            "{known}; CREATE TABLE t ({table}); INSERT INTO t (id, name, value, more) {old}{rules}{trigger}"
        )
    }

    /// Of a rule over what is not written: a trigger may have set it.
    fn unwritten(&self) -> Blame {
        if self.trigger.is_some() { Blame::Unclear } else { Blame::Table }
    }

    /// Of the first rule that refuses the value.
    fn blame(&self, value: i64) -> Blame {
        if self.trigger.is_some_and(|by| by.is_none_or(|by| value % 4 == by)) {
            return Blame::Unclear;
        }
        let refused =
            self.check.is_some_and(|by| value % 3 == by) || self.mixed.is_some_and(|by| value % 5 == by);
        if refused {
            return Blame::Row;
        }
        if self.foreign_check {
            return self.unwritten();
        }
        let unique = match self.unique {
            Unique::Written if value < 20 => Blame::Row,
            Unique::Counted => Blame::Table,
            Unique::Constant => self.unwritten(),
            _ => Blame::Nobody,
        };
        let reference = match self.reference {
            Reference::Written if value > 40 => Blame::Row,
            Reference::Unwritten => self.unwritten(),
            _ => Blame::Nobody,
        };
        // What may wait is looked at in the order of the names of the triggers within.
        let order = if self.when.is_empty() { [unique, reference] } else { [reference, unique] };
        order.into_iter().find(|blame| *blame != Blame::Nobody).unwrap_or(Blame::Nobody)
    }

    /// What a write of these comes to: rows set aside, or `None`: held.
    fn verdict(&self, values: &BTreeSet<i64>) -> Option<BTreeSet<i64>> {
        let of = |blame| values.iter().copied().filter(move |value| self.blame(*value) == blame);
        if of(Blame::Table).next().is_some() {
            return None;
        }
        let mut aside: BTreeSet<i64> = of(Blame::Row).collect();
        let suspects: BTreeSet<i64> = of(Blame::Unclear).collect();
        if of(Blame::Nobody).next().is_some() {
            aside.extend(&suspects);
        }
        (!aside.is_empty() || suspects.is_empty()).then_some(aside)
    }

    /// Mends one thing that holds the sink.
    fn mend(&mut self) -> &'static str {
        if self.foreign_check {
            self.foreign_check = false;
            return "ALTER TABLE t DROP CONSTRAINT c3";
        }
        match (self.unique, self.reference) {
            (Unique::Counted, _) => {
                self.unique = Unique::None;
                "SELECT setval(pg_get_serial_sequence('t', 'id'), max(id)) FROM t"
            }
            (Unique::Constant, _) => {
                self.unique = Unique::None;
                "ALTER TABLE t DROP CONSTRAINT u"
            }
            (_, Reference::Unwritten) => {
                self.reference = Reference::None;
                "INSERT INTO known VALUES (1)"
            }
            _ => {
                self.trigger = None;
                "DROP TRIGGER refuse ON t"
            }
        }
    }
}

/// Delivers as the runtime does, and mends what holds; says what was set aside.
async fn deliver(fixture: &Fixture, sink: &mut dyn Sink, world: &mut World) -> BTreeSet<i64> {
    let (mut left, mut aside) = (world.values.clone(), BTreeSet::new());
    loop {
        sink.watermark(RUN).await.unwrap_or_else(|error| panic!("{}", error.chain()));
        sink.write(&batch(1, &rows(&left))).await.unwrap();
        let verdict = world.verdict(&left);
        let error = sink.flush().await.err();
        let said = error.as_ref().map_or(String::new(), |error| error.chain());
        let refused = match error.as_ref().map(|error| error.action()) {
            None => Some(BTreeSet::new()),
            Some(Action::Reject { rows }) => {
                Some(rows.iter().map(|row| *left.iter().nth(row.row).unwrap()).collect())
            }
            Some(Action::Retry { .. }) => None,
            Some(Action::Halt) => panic!("halted: {said}"),
        };
        assert_eq!(refused, verdict, "{said}\nof {left:?} in {world:?}");
        match refused {
            None => {
                fixture.database.sql(world.mend());
            }
            Some(refused) if refused.is_empty() => return aside,
            Some(refused) => {
                left.retain(|value| !refused.contains(value));
                aside.extend(refused);
            }
        }
    }
}

#[tokio::test]
async fn every_verdict_is_that_of_the_model_and_nothing_is_lost() {
    let mut runner = TestRunner::deterministic();
    let (mut held, mut set_aside) = (0, 0);
    for _ in 0..CASES {
        let mut world = world().new_tree(&mut runner).unwrap().current();
        let (sql, asked) = (world.sql(), world.clone());
        held += usize::from(world.verdict(&world.values).is_none());
        let columns = json!({ "name": "name", "value": "value" });
        let tables = json!({ "t": { "columns": columns } });
        let fixture = Fixture::new(tables, input()).with_migration("001_t.sql", &sql);
        let mut sink = fixture.open().await.sink;
        let aside = deliver(&fixture, sink.as_mut(), &mut world).await;
        set_aside += aside.len();
        let stored = fixture.rows("SELECT value FROM t WHERE name = 'x' ORDER BY value");
        let expected: Vec<String> = asked.values.difference(&aside).map(ToString::to_string).collect();
        assert_eq!(stored, expected, "{asked:?}");
    }
    assert!(held > 3 && set_aside > 10, "these worlds prove nothing: {held} held, {set_aside} set aside");
}
