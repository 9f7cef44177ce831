//! Every field of a pipeline's sources, as one pass reads them.

use std::path::Path;

use anyhow::anyhow;
use serde::Deserialize;
use smiles_config::Environment;
use smiles_source_modbus::{FieldReading, ModbusOptions, Reading, read_source};

use crate::command::journal::files;
use crate::command::read::arguments::ReadArgs;
use crate::exit::Failure;
use crate::{project, registry};

/// The type of sources that are read.
const TYPE: &str = "modbus";

/// The sources of a pipeline file, by their names.
pub(super) fn sources(
    path: &Path,
    args: &ReadArgs,
    environment: &Environment,
) -> Result<Vec<(String, ModbusOptions)>, Failure> {
    let project = project::open(&project::entry(path)?, environment, &registry::built_in())?;
    let data_dir = project::data_dir(args.data.data_dir.as_deref(), environment);
    let journal = files::file(&data_dir, project.wired.name());
    if !args.anyway && smiles_journal::in_use(&journal) {
        let message = format!(
            "a bridge runs with this pipeline (it uses {}), and many devices take one connection: stop it first, or add \
             `--anyway`",
            journal.display()
        );
        return Err(anyhow!(message).into());
    }
    let declared = project.loaded.pipeline.into_iter().flat_map(|pipeline| pipeline.sources);
    let modbus = declared.map(|source| source.stage).filter(|stage| stage.type_name == TYPE);
    let typed = modbus.map(|stage| match ModbusOptions::deserialize(stage.options.as_ref()) {
        Ok(options) => Ok((stage.name, options)),
        Err(error) => Err(Failure::configuration(format!("source `{}`: {error}", stage.name))),
    });
    let sources = typed.collect::<Result<Vec<_>, _>>()?;
    if sources.is_empty() {
        let message = format!("{}: none of its sources is of type `{TYPE}`", path.display());
        return Err(Failure::configuration(message));
    }
    Ok(sources)
}

/// Reads each source once; a table of all fields, and what failed.
pub(super) async fn read(sources: Vec<(String, ModbusOptions)>) -> Result<String, Failure> {
    let mut text = String::new();
    let mut heard = true;
    for (name, options) in sources {
        let reading = read_source(options, &name).await.map_err(|problems| {
            let said: Vec<&str> = problems.iter().map(|problem| problem.message.as_str()).collect();
            Failure::configuration(format!("source `{name}`: {}", said.join("; ")))
        })?;
        heard &= reading.heard;
        text.push_str(&table(&name, &reading));
    }
    if heard {
        return Ok(text);
    }
    crate::command::console::print(&text)?;
    Err(anyhow!("not every device answered").into())
}

fn table(name: &str, reading: &Reading) -> String {
    let mut text = format!("source {name} ({})\n", reading.address);
    let head = ["block", "field", "registers", "raw", "value"].map(str::to_owned);
    let rows: Vec<[String; 5]> = std::iter::once(head).chain(reading.values.iter().map(row)).collect();
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths = [width(0), width(1), width(2), width(3)];
    for row in rows {
        let mut line = String::from(" ");
        for (cell, width) in row.iter().zip(widths) {
            line.push_str(&format!(" {cell:<width$}"));
        }
        line.push_str(&format!(" {}", row[4]));
        text.push_str(line.trim_end());
        text.push('\n');
    }
    for fault in &reading.faults {
        text.push_str(&format!("  fault: {fault}\n"));
    }
    text
}

fn row(reading: &FieldReading) -> [String; 5] {
    let value = match (&reading.raw, &reading.value) {
        (None, _) => "not heard".to_owned(),
        (Some(_), None) => "null".to_owned(),
        (Some(_), Some(value)) => format!("{value} {}", reading.unit).trim_end().to_owned(),
    };
    let raw = reading.raw.clone().unwrap_or_else(|| "-".to_owned());
    [reading.block.clone(), reading.field.clone(), reading.registers.clone(), raw, value]
}
