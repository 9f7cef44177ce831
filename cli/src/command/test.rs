//! `smiles test`: cases declared beside a pipeline, put through its real stages.

use anyhow::{Context, anyhow};

use crate::args::TestArgs;
use crate::cases::{self, Outcome};
use crate::exit::Failure;
use crate::{project, registry, stock};

pub(super) fn run(args: &TestArgs) -> Result<(), Failure> {
    super::block_on(test(args))
}

async fn test(args: &TestArgs) -> Result<(), Failure> {
    let registry = registry::built_in();
    let entries = match args.files.as_slice() {
        [] => vec![project::embedded(stock::DEFAULT_CASES, "no FILE was given")],
        files => files.iter().map(|path| project::entry(path)).collect::<Result<_, _>>()?,
    };
    let mut files = Vec::new();
    for entry in entries {
        let mut suite = cases::load(&entry)?;
        if let Some(pipeline) = &args.pipeline {
            suite.pipeline = project::entry(pipeline)?;
        }
        files.push((suite.shown.clone(), cases::run(&mut suite, &args.filter, &registry).await?));
    }
    if files.iter().all(|(_, outcomes)| outcomes.is_empty()) {
        return Err(Failure::configuration(format!("no case has `{}` in its name", args.filter)));
    }
    if args.json {
        super::print(&cases::json(&files).context("cannot print the outcome")?)?;
    } else {
        for (shown, outcomes) in &files {
            super::print(&cases::text(shown, outcomes))?;
        }
    }
    let all: Vec<&Outcome> = files.iter().flat_map(|(_, outcomes)| outcomes).collect();
    match all.iter().filter(|outcome| !outcome.passed()).count() {
        0 => Ok(()),
        failed => Err(anyhow!("{failed} of {} cases failed", all.len()).into()),
    }
}
