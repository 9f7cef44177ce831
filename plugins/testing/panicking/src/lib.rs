//! A sink that panics once, in the call its options name: for the tests of the SDK and the host.

use std::fs::OpenOptions;
use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering};

use smiles_plugin_sdk::arrow_array::cast::AsArray;
use smiles_plugin_sdk::arrow_array::types::Int64Type;
use smiles_plugin_sdk::schemars::JsonSchema;
use smiles_plugin_sdk::serde::Deserialize;
use smiles_plugin_sdk::{Error, Host, Position, RecordBatch, SchemaRef, Sink};

/// What the stage is told.
#[derive(Deserialize, JsonSchema)]
#[serde(crate = "smiles_plugin_sdk::serde", deny_unknown_fields)]
#[schemars(crate = "smiles_plugin_sdk::schemars", extend("examples" = [{"into": "${folder}/rows.txt"}]))]
pub struct Options {
    /// where rows go
    into: String,
    /// the call that panics
    #[serde(default)]
    panics_in: String,
}

struct Panicking {
    options: Options,
    text: String,
}

/// Whether it has panicked, in any instance.
static PANICKED: AtomicBool = AtomicBool::new(false);

impl Panicking {
    fn call(&self, name: &str) {
        assert!(
            self.options.panics_in != name || PANICKED.swap(true, Ordering::SeqCst),
            "an invariant of `{name}` does not hold"
        );
    }
}

impl Sink for Panicking {
    type Options = Options;
    const TYPE: &'static str = "panicking";
    const ABOUT: &'static str = "panics once";

    fn open(options: Options, _: SchemaRef, host: Host) -> Result<Self, Error> {
        host.warn("opened by a test");
        Ok(Self { options, text: String::new() })
    }

    fn write(&mut self, rows: &RecordBatch, _: Position) -> Result<(), Error> {
        self.call("write");
        if let Some(numbers) = rows.column(2).as_primitive_opt::<Int64Type>() {
            self.text.extend(numbers.iter().flatten().map(|number| format!("{number}\n")));
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<(), Error> {
        self.call("flush");
        let written = OpenOptions::new().create(true).append(true).open(&self.options.into);
        let written = written.and_then(|mut file| file.write_all(self.text.as_bytes()));
        self.text.clear();
        written.map_err(|error| Error::retry(format!("cannot write {}: {error}", self.options.into)))
    }

    fn forget_unflushed(&mut self) {
        self.text.clear();
    }
}

smiles_plugin_sdk::export! { license: "MIT", sinks: [Panicking] }
