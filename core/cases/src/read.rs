//! A case read in the columns of its pipeline: what comes from its sources, and that all it expects exists.

use std::collections::BTreeMap;

use arrow_schema::SchemaRef;
use jiff::Timestamp;
use smiles_stage::{Path, Problem, Problems, did_you_mean};

use crate::bench::Bench;
use crate::device::{Registers, TYPE};
use crate::error::Mistakes;
use crate::file::{Case, Recorded, Step, Table};
use crate::rows::{Given, Reader};
use crate::suite::Suite;
use crate::times::Times;

/// A case that can be run.
pub(crate) struct Ready<'a> {
    pub(crate) case: &'a Case,
    pub(crate) at: Path,
    pub(crate) times: Times,
    pub(crate) steps: Vec<ReadyStep<'a>>,
}

/// A step, read.
pub(crate) struct ReadyStep<'a> {
    pub(crate) step: &'a Step,
    pub(crate) at: Path,
    pub(crate) source: usize,
    pub(crate) comes: Comes,
}

/// What comes from the source.
pub(crate) enum Comes {
    /// Rows, pass by pass.
    Rows(Vec<Given>),
    /// Whatever the source makes of these registers.
    Registers(Box<Registers>, Timestamp),
    /// Nothing: the step is a restart.
    Nothing,
}

/// Reads the steps and the expectations.
///
/// # Errors
/// Everything that does not fit, with its place.
pub(crate) fn read<'a>(
    bench: &Bench,
    suite: &'a Suite,
    case: &'a Case,
    at: &Path,
) -> Result<Ready<'a>, Mistakes> {
    let (date, zone) = suite.file.terms(case);
    let times = Times::new(date, zone).map_err(|(key, said)| Mistakes {
        values: vec![Problem::error(at.key(key), said)],
        ..Mistakes::default()
    })?;
    let mut mistakes = Mistakes::default();
    check_expected(&case.expect, &at.key("expect"), &bench.stages, &mut mistakes);
    let mut steps = Vec::new();
    for (at, step) in case.steps(at) {
        check_expected(&step.expect, &at.key("expect"), &bench.stages, &mut mistakes);
        let read = source(bench, step, &at).map_err(|problem| vec![problem]).and_then(|source| {
            let columns = &bench.sources[source].columns;
            let reader = Reader { file: &suite.file, case, times: &times, columns };
            if let Some(rows) = &step.rows {
                mistakes.keys.extend(reader.unknown_columns(rows, &at.key("rows")));
            }
            let comes = comes(&reader, step, &at)?;
            Ok(ReadyStep { step, at: at.clone(), source, comes })
        });
        match read {
            Ok(step) => steps.push(step),
            Err(wrong) => mistakes.values.extend(wrong),
        }
    }
    if mistakes.values.is_empty() && mistakes.keys.is_empty() {
        Ok(Ready { case, at: at.clone(), times, steps })
    } else {
        Err(mistakes)
    }
}

/// Which source a step is about.
fn source(bench: &Bench, step: &Step, at: &Path) -> Result<usize, Problem> {
    let names = || bench.sources.iter().map(|source| source.name.as_str());
    let place = match &step.source {
        Some(wanted) => names().position(|name| name == wanted).ok_or_else(|| {
            let message = format!("there is no source `{wanted}`");
            Problem::error(at.key("source"), message).suggest(wanted, names())
        })?,
        None if bench.sources.len() == 1 => 0,
        None => {
            let help = format!("add `source:`, one of {}", names().collect::<Vec<_>>().join(", "));
            return Err(Problem::error(at.clone(), "the pipeline has several sources").help(help));
        }
    };
    let source = &bench.sources[place];
    if step.image.is_some() && source.device.is_none() {
        let message = format!("`{}` is no source of type `{TYPE}` and reads no registers", source.name);
        return Err(Problem::error(at.key("image"), message).help("give it `rows`"));
    }
    Ok(place)
}

fn comes(reader: &Reader<'_>, step: &Step, at: &Path) -> Result<Comes, Problems> {
    let wrong = |key: &str, message: &str| Err(vec![Problem::error(at.key(key), message)]);
    match (&step.rows, &step.image) {
        (Some(_), Some(_)) => wrong("image", "a step has either `rows` or an `image`"),
        (Some(_), None) if step.time.is_some() => wrong("time", "each row has its own `time`"),
        (Some(_), None) if !step.quirks.is_empty() => {
            wrong("quirks", "only an `image` goes over the network")
        }
        (Some(_), None) if step.fails.is_some() => wrong("fails", "`rows` are not polled, so none can fail"),
        (Some(rows), None) => reader.passes(rows, &at.key("rows")).map(Comes::Rows),
        (None, Some(image)) => registers(reader, step, image, at),
        (None, None) if step.restart => Ok(Comes::Nothing),
        (None, None) => {
            let problem = Problem::error(at.clone(), "the step gives nothing");
            Err(vec![problem.help("give it `rows`, an `image` or `restart: true`")])
        }
    }
}

fn registers(
    reader: &Reader<'_>,
    step: &Step,
    image: &BTreeMap<String, Recorded>,
    at: &Path,
) -> Result<Comes, Problems> {
    let Some(time) = &step.time else {
        let problem = Problem::error(at.key("image"), "the step has no `time`");
        return Err(vec![problem.help("say when the poll begins: `time: 12:30`")]);
    };
    let wrong = |at: Path| move |said: String| vec![Problem::error(at, said)];
    let time = reader.times.read(time).map_err(wrong(at.key("time")))?;
    let mut registers = Registers::read(image).map_err(wrong(at.key("image")))?;
    for (place, quirk) in step.quirks.iter().enumerate() {
        registers.add(quirk).map_err(wrong(at.key("quirks").index(place)))?;
    }
    Ok(Comes::Registers(Box::new(registers), time))
}

/// Stages and columns that are expected exist, and tables are tables.
fn check_expected(
    expect: &BTreeMap<String, Table>,
    at: &Path,
    stages: &BTreeMap<String, SchemaRef>,
    mistakes: &mut Mistakes,
) {
    for (name, table) in expect {
        let at = at.key(name);
        let Some(schema) = stages.get(name) else {
            let help = did_you_mean(name, stages.keys().map(String::as_str));
            let message = format!("the pipeline has no source or transform `{name}`");
            mistakes.keys.push(Problem { help, ..Problem::error(at, message) });
            continue;
        };
        mistakes.values.extend(table.uneven(&at));
        for (column, at) in table.columns(&at) {
            if schema.index_of(column).is_err() {
                let problem = Problem::error(at, format!("no column `{column}` leaves `{name}`"));
                let known = schema.fields().iter().map(|field| field.name().as_str());
                mistakes.keys.push(problem.suggest(column, known));
            }
        }
    }
}
