//! Logs as the variables LOG_LEVEL, LOG_FORMAT, LOG_FILE and LOG_TO_CONSOLE ask for.

mod rotate;

use std::io::IsTerminal;
use std::path::PathBuf;
use std::sync::Mutex;

use smiles_config::Environment;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::FormatTime;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, Registry, fmt};

use crate::exit::Failure;
use rotate::Rotating;

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
    let mut layers: Vec<Box<dyn Layer<Registry> + Send + Sync>> = Vec::new();
    if settings.console {
        layers.push(layer(settings.json, std::io::stderr().is_terminal(), std::io::stderr));
    }
    if let Some(path) = &settings.file {
        let file = Rotating::open(path).map_err(|error| {
            Failure::configuration(format!("LOG_FILE: cannot write {}: {error}", path.display()))
        })?;
        layers.push(layer(settings.json, false, Mutex::new(file)));
    }
    // A second start in one process (a test) keeps the first.
    _ = tracing_subscriber::registry().with(layers).with(settings.level).try_init();
    Ok(())
}

fn layer<W>(json: bool, color: bool, writer: W) -> Box<dyn Layer<Registry> + Send + Sync>
where
    W: for<'a> fmt::MakeWriter<'a> + Send + Sync + 'static,
{
    let layer = fmt::layer().with_timer(Clock).with_target(false).with_ansi(color).with_writer(writer);
    if json { layer.json().flatten_event(true).with_ansi(false).boxed() } else { layer.boxed() }
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
