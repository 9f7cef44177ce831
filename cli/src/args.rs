//! The command line, as declared to clap.

use clap::{Parser, Subcommand};

use crate::command;
use crate::command::check::CheckArgs;
use crate::command::console::print;
use crate::command::demo::DemoArgs;
use crate::command::graph::GraphArgs;
use crate::command::health::HealthArgs;
use crate::command::import::ImportArgs;
use crate::command::journal::JournalCommand;
use crate::command::migrate::MigrateArgs;
use crate::command::plugin::PluginCommand;
use crate::command::read::ReadArgs;
use crate::command::run::RunArgs;
use crate::command::schema::SchemaArgs;
use crate::command::simulate::SimulateArgs;
use crate::command::test::TestArgs;
use crate::command::total::TotalCommand;
use crate::exit::Failure;

#[derive(Debug, Parser)]
#[command(name = "smiles", version, about, max_term_width = 110, arg_required_else_help = true)]
#[command(after_help = "Examples:
  smiles demo                                  see it work: a simulated device, SQLite, http://localhost:8080
  DTU_HOST=192.168.1.31 smiles run             poll a device with the stock pipeline
  smiles check my-meter.yaml                   find every mistake in a pipeline file
  smiles simulate --inverters 2 --listen 127.0.0.1:5020

Exit codes: 0 fine, 1 failed while running, 2 wrong usage or configuration; of
`plugin check` also 3: not everything could be tried.")]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run pipelines until stopped
    Run(RunArgs),
    /// Check pipeline files without running them, with no network
    Check(CheckArgs),
    /// Run the stock pipeline against a simulated device
    Demo(DemoArgs),
    /// Serve a simulated device over Modbus
    Simulate(SimulateArgs),
    /// Read a device once and show what it says: the fields of a pipeline, or registers of an address
    Read(ReadArgs),
    /// Run the test cases declared beside a pipeline, with no network
    Test(TestArgs),
    /// Print the JSON Schema of pipeline files (or of test cases), for editors
    Schema(SchemaArgs),
    /// Draw pipelines as Mermaid flow charts
    Graph(GraphArgs),
    /// Inspect the journal of a pipeline, and deal with rows that its sinks did not store
    #[command(subcommand)]
    Journal(JournalCommand),
    /// List the published lifetime totals, and correct one that stays wrong
    #[command(subcommand)]
    Total(TotalCommand),
    /// List, inspect and test plugins, or create one
    #[command(subcommand)]
    Plugin(PluginCommand),
    /// Bring the tables of every target up to date, or say what that would do
    Migrate(MigrateArgs),
    /// Import what an earlier system stored: its database, a file of version 1, or CSV
    Import(ImportArgs),
    /// Ask a running bridge whether it is ready (for container health checks)
    Health(HealthArgs),
    /// Print the version, as --version does
    #[command(hide = true, after_help = "Example:\n  smiles version")]
    Version,
}

impl Command {
    /// Whether it runs until it is stopped.
    pub(crate) fn runs_on(&self) -> bool {
        matches!(self, Self::Run(_) | Self::Demo(_) | Self::Simulate(_))
    }
}

/// Runs one command to its end.
pub(crate) fn run(command: Command) -> Result<(), Failure> {
    match command {
        Command::Run(args) => command::run::run(&args),
        Command::Check(args) => command::check::run(&args),
        Command::Demo(args) => command::demo::run(&args),
        Command::Simulate(args) => command::simulate::run(&args),
        Command::Read(args) => command::read::run(&args),
        Command::Test(args) => command::test::run(&args),
        Command::Schema(args) => command::schema::run(&args),
        Command::Graph(args) => command::graph::run(&args),
        Command::Journal(command) => command::journal::run(&command),
        Command::Total(command) => command::total::run(&command),
        Command::Migrate(args) => command::migrate::run(&args),
        Command::Plugin(command) => command::plugin::run(&command),
        Command::Import(args) => command::import::run(&args),
        Command::Health(args) => command::health::run(&args),
        Command::Version => print(concat!("smiles ", env!("CARGO_PKG_VERSION"), "\n")),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn every_command_says_what_it_does_and_shows_an_example() {
        let command = super::Arguments::command();
        command.clone().debug_assert();
        explained(&command);
    }

    fn explained(command: &clap::Command) {
        for sub in command.get_subcommands() {
            assert!(sub.get_about().is_some(), "{} says nothing about itself", sub.get_name());
            if sub.get_subcommands().next().is_none() {
                assert!(sub.get_after_help().is_some(), "{} shows no example", sub.get_name());
            }
            explained(sub);
        }
    }
}
