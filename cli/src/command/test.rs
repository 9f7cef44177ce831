//! `smiles test`: cases declared beside a pipeline, put through its real stages.

use std::io::IsTerminal;
use std::path::PathBuf;

use anyhow::{Context, anyhow};
use clap::Args;
use smiles_cases::{CasesError, Outcome, UnderTest};

use crate::command::console::print;
use crate::command::one_off::block_on_until_signal;
use crate::exit::Failure;
use crate::{project, registry, stock};

pub(crate) fn run(args: &TestArgs) -> Result<(), Failure> {
    block_on_until_signal(test(args))
}

async fn test(args: &TestArgs) -> Result<(), Failure> {
    let registry = registry::built_in();
    let entries = match args.files.as_slice() {
        [] => vec![project::embedded(stock::DEFAULT_CASES, "no FILE was given")],
        files => files.iter().map(|path| project::entry(path)).collect::<Result<_, _>>()?,
    };
    let mut files = Vec::new();
    for entry in entries {
        let mut suite = smiles_cases::load(&entry.shown, entry.tree(), entry.file())?;
        let pipeline = match &args.pipeline {
            Some(pipeline) => project::entry(pipeline)?,
            None => entry.beside(suite.pipeline()),
        };
        let under_test = UnderTest { tree: pipeline.tree(), file: pipeline.file(), registry: &registry };
        let outcomes = smiles_cases::run(&mut suite, &under_test, &args.filter).await?;
        files.push((entry.shown, outcomes));
    }
    if files.iter().all(|(_, outcomes)| outcomes.is_empty()) {
        return Err(Failure::configuration(format!("no case has `{}` in its name", args.filter)));
    }
    if args.json {
        print(&smiles_cases::json(&files).context("cannot print the outcome")?)?;
    } else {
        for (shown, outcomes) in &files {
            print(&smiles_cases::text(shown, outcomes))?;
        }
    }
    let all: Vec<&Outcome> = files.iter().flat_map(|(_, outcomes)| outcomes).collect();
    match all.iter().filter(|outcome| !outcome.passed()).count() {
        0 => Ok(()),
        failed => Err(anyhow!("{failed} of {} cases failed", all.len()).into()),
    }
}

impl From<CasesError> for Failure {
    fn from(error: CasesError) -> Self {
        match error {
            CasesError::File(mistakes) => {
                Self::Configuration(mistakes.render(std::io::stderr().is_terminal()))
            }
            CasesError::Pipeline(text) => Self::Configuration(text),
            CasesError::Failed { .. } => Self::Runtime(error.into()),
        }
    }
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  smiles test                                  the cases of the stock pipeline
  smiles test my-meter-tests.yaml              cases of your own
  smiles test --filter night my-meter-tests.yaml
  smiles test --pipeline other.yaml my-meter-tests.yaml
  smiles test --json my-meter-tests.yaml       for programs

A file of cases, in short:
  pipeline: my-meter.yaml
  cases:
    - name: a reading is stored in kWh
      given: {rows: [{time: 2026-06-01T12:00:00Z, energy: 1234}]}
      expect: {unit_conversion: [{energy: 12.34}]}

Exit code 0: every case passed; 1: some failed; 2: a file has a mistake.")]
pub(crate) struct TestArgs {
    /// Files of test cases; none: those of the stock pipeline
    #[arg(value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
    /// Test this pipeline in place of the one that the files name
    #[arg(long, value_name = "FILE")]
    pub(crate) pipeline: Option<PathBuf>,
    /// Only cases whose name contains this
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    pub(crate) filter: String,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}
