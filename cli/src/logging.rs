//! Logs as the variables LOG_LEVEL, LOG_FORMAT, LOG_FILE and LOG_TO_CONSOLE ask for.

mod fields;
mod queue;
mod rotate;

use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use std::sync::OnceLock;

use anyhow::Context;

use smiles_config::Environment;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::FormatTime;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, Registry, fmt};

use crate::exit::Failure;
use queue::Queue;
use rotate::Rotating;

pub(crate) use queue::dropped;

/// Where the log of this process goes, once it was started.
static STARTED: OnceLock<Log> = OnceLock::new();

/// The places that lines go to.
struct Log {
    console: Option<Queue>,
    file: Option<Queue>,
}

/// What the variables say.
#[derive(Debug, PartialEq)]
struct Settings {
    level: LevelFilter,
    json: bool,
    file: Option<PathBuf>,
    console: bool,
}

/// Whether the variables are sound, without starting anything.
pub(crate) fn check(environment: &Environment) -> Result<(), Failure> {
    settings(environment).map(drop)
}

/// Starts logging for this process.
pub(crate) fn start(environment: &Environment) -> Result<(), Failure> {
    let settings = settings(environment)?;
    let cannot = "cannot start the thread of the log";
    let mut layers: Vec<Box<dyn Layer<Registry> + Send + Sync>> = Vec::new();
    let (mut console, mut file) = (None, None);
    if settings.console {
        let queue = console.insert(Queue::to("console", std::io::stderr()).context(cannot)?);
        layers.push(layer(settings.json, std::io::stderr().is_terminal(), queue.clone()));
    }
    if let Some(path) = &settings.file {
        let opened = Rotating::open(path).map_err(|error| {
            Failure::configuration(format!("LOG_FILE: cannot write {}: {error}", path.display()))
        })?;
        let queue = file.insert(Queue::to("file", opened).context(cannot)?);
        layers.push(layer(settings.json, false, queue.clone()));
    }
    // A second start in one process (a test) keeps the first.
    if tracing_subscriber::registry().with(layers).with(settings.level).try_init().is_ok() {
        _ = STARTED.set(Log { console, file });
        // What a stage's panic says goes the way of every line; it is caught and told with the stage's name.
        std::panic::set_hook(Box::new(|panic| tracing::error!("{panic}")));
    }
    Ok(())
}

/// Shows a text of several lines, such as a complaint about a file: in the order of the log, and as patiently.
pub(crate) fn show(text: &str) {
    match STARTED.get() {
        Some(Log { console: Some(queue), .. }) => queue.put(text.as_bytes().to_vec()),
        // Where this cannot be written either, nobody is left to be told.
        _ => _ = std::io::stderr().write_all(text.as_bytes()),
    }
}

/// Waits for lines on their way, but not for ever: the program is about to end.
pub(crate) fn flush() {
    let started = STARTED.get().into_iter();
    started.flat_map(|log| [&log.console, &log.file]).flatten().for_each(Queue::flush);
}

fn layer(json: bool, color: bool, queue: Queue) -> Box<dyn Layer<Registry> + Send + Sync> {
    let layer = fmt::layer().with_timer(Clock).with_target(false).with_ansi(color).with_writer(queue);
    if json {
        layer.json().flatten_event(true).with_ansi(false).boxed()
    } else {
        layer.fmt_fields(fields::Escaped).boxed()
    }
}

fn settings(environment: &Environment) -> Result<Settings, Failure> {
    let text = |name: &str| environment.get(name).filter(|value| !value.trim().is_empty());
    let given = text("LOG_LEVEL").unwrap_or("INFO");
    let level = match given.to_ascii_uppercase().as_str() {
        "TRACE" => LevelFilter::TRACE,
        "DEBUG" => LevelFilter::DEBUG,
        "INFO" => LevelFilter::INFO,
        "WARN" | "WARNING" => LevelFilter::WARN,
        "ERROR" | "CRITICAL" => LevelFilter::ERROR,
        _ => return Err(bad("LOG_LEVEL", given, "DEBUG, INFO, WARNING, ERROR or CRITICAL")),
    };
    let given = text("LOG_FORMAT").unwrap_or("standard");
    let json = match given.to_ascii_lowercase().as_str() {
        "standard" => false,
        "json" => true,
        _ => return Err(bad("LOG_FORMAT", given, "standard or json")),
    };
    let given = text("LOG_TO_CONSOLE").unwrap_or("true");
    let console = match given.to_ascii_lowercase().as_str() {
        "true" | "yes" | "on" | "1" => true,
        "false" | "no" | "off" | "0" => false,
        _ => return Err(bad("LOG_TO_CONSOLE", given, "true or false")),
    };
    Ok(Settings { level, json, file: text("LOG_FILE").map(PathBuf::from), console })
}

fn bad(name: &str, value: &str, known: &str) -> Failure {
    Failure::configuration(format!("{name} is `{value}`; it can be {known}"))
}

/// Local time to the second where the zone is known, with its offset: logs of two machines can be compared.
struct Clock;

impl FormatTime for Clock {
    fn format_time(&self, writer: &mut Writer<'_>) -> std::fmt::Result {
        let now = jiff::ZonedDateTime::now();
        write!(writer, "{}", now.strftime("%Y-%m-%d %H:%M:%S%:z"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_mean_what_they_say() {
        let rows = [
            (vec![], Ok((LevelFilter::INFO, false, true))),
            (vec![("LOG_LEVEL", "warning"), ("LOG_FORMAT", "JSON")], Ok((LevelFilter::WARN, true, true))),
            (vec![("LOG_TO_CONSOLE", "off"), ("LOG_LEVEL", "")], Ok((LevelFilter::INFO, false, false))),
            (vec![("LOG_LEVEL", "loud")], Err("LOG_LEVEL is `loud`; it can be DEBUG")),
            (vec![("LOG_TO_CONSOLE", "maybe")], Err("LOG_TO_CONSOLE is `maybe`")),
        ];
        for (variables, expected) in rows {
            let mut environment = Environment::default();
            for (name, value) in &variables {
                environment = environment.with(*name, *value);
            }
            match (settings(&environment), expected) {
                (Ok(got), Ok((level, json, console))) => {
                    assert_eq!((got.level, got.json, got.console), (level, json, console), "{variables:?}");
                }
                (Err(Failure::Configuration(text)), Err(said)) => assert!(text.contains(said), "{text}"),
                (got, _) => panic!("{variables:?} gave {got:?}"),
            }
        }
    }
}
