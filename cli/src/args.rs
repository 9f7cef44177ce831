//! The command line, as declared to clap.

mod journal;
mod total;

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

pub(crate) use journal::{
    DeadLetterCommand, DropArgs, JournalArgs, JournalCommand, ListArgs, OldArgs, OldDecision, RenameSinkArgs,
    ReplayArgs, Selected, ShowArgs,
};
pub(crate) use total::{TotalCommand, TotalMoveArgs, TotalPlace, TotalSetArgs};

#[derive(Debug, Parser)]
#[command(name = "smiles", version, about, max_term_width = 110, arg_required_else_help = true)]
#[command(after_help = "Examples:
  smiles demo                                  see it work: a simulated device, SQLite, http://localhost:8080
  DTU_HOST=192.168.1.31 smiles run             poll a device with the stock pipeline
  smiles check my-meter.yaml                   find every mistake in a pipeline file
  smiles simulate --inverters 2 --listen 127.0.0.1:5020

Exit codes: 0 fine, 1 failed while running, 2 wrong usage or configuration.")]
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
    /// Serve a simulated device over Modbus TCP
    Simulate(SimulateArgs),
    /// Run the test cases declared beside a pipeline, with no network
    Test(TestArgs),
    /// Print the JSON Schema of pipeline files (or of test cases), for editors
    Schema(SchemaArgs),
    /// Draw pipelines as Mermaid flow charts
    Graph(GraphArgs),
    /// Look into the journal of a pipeline, and act on what its sinks did not get
    #[command(subcommand)]
    Journal(JournalCommand),
    /// List the lifetime totals that are published, and correct one that is wrong for good
    #[command(subcommand)]
    Total(TotalCommand),
    /// Look at plugins, test them, begin one
    #[command(subcommand)]
    Plugin(PluginCommand),
    /// Bring the tables of every target up to date, or say what that would do
    Migrate(MigrateArgs),
    /// Take over what an earlier system stored: its database, a file of version 1, or CSV
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

/// Where journals and the embedded store live.
#[derive(Clone, Debug, Args)]
pub(crate) struct DataDir {
    /// Folder of journals and the SQLite store [env: DATA_DIR] [default: ./data]
    #[arg(long, value_name = "DIR")]
    pub(crate) data_dir: Option<PathBuf>,
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  DTU_HOST=192.168.1.31 smiles run             the stock pipeline, configured by variables
  smiles run my-meter.yaml                     a pipeline of your own
  smiles run roof.yaml meter.yaml              two pipelines in one process
  LOG_LEVEL=debug smiles run                   say more

Stop with Ctrl-C (twice: at once). What was read is safe in the journal either way.
SIGHUP takes the files anew; if they have a mistake, it is printed and what runs goes on.")]
pub(crate) struct RunArgs {
    /// Pipeline files; none: the stock pipeline
    #[arg(value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) data: DataDir,
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  smiles check                                 the stock pipeline with the variables as they are set now
  smiles check my-meter.yaml                   a pipeline of your own
  smiles check --resolved my-meter.yaml        print it with every variable and include in place, secrets hidden

Where DATA_DIR has a journal of the pipeline, a sink that seems to have been renamed is pointed out, and so is a
transform whose memory there cannot be found again.
Exit code 0: fine (warnings may be printed); 2: errors.")]
pub(crate) struct CheckArgs {
    /// Pipeline files; none: the stock pipeline
    #[arg(value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
    /// Print the file as it is once variables and includes are in place; secrets are hidden
    #[arg(long)]
    pub(crate) resolved: bool,
    #[command(flatten)]
    pub(crate) data: DataDir,
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  smiles demo                                  http://localhost:8080, data under ./data/demo
  HEALTH_PORT=9000 smiles demo                 on another port
  smiles demo --time-scale 600                 a day of sun in under three minutes")]
pub(crate) struct DemoArgs {
    /// How many devices the simulated DTU hears
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..=99))]
    pub(crate) inverters: u16,
    /// How many ports each of them has
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u8).range(1..=8))]
    pub(crate) ports: u8,
    /// Seed of everything random
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    /// How much faster than the clock the simulated sun moves; readings are dated by the clock, and so is today's
    /// production
    #[arg(long, default_value_t = 1.0)]
    pub(crate) time_scale: f64,
    #[command(flatten)]
    pub(crate) data: DataDir,
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  smiles simulate --listen 127.0.0.1:5020
  smiles simulate --inverters 25 --ports 4 --listen 0.0.0.0:502 --seed 7
  smiles simulate --start 2026-06-21T12:00:00Z --time-scale 60 --quirk wrong_byte_count --quirk glitch=0.01
  smiles simulate --image dump.yaml            serve recorded registers

Then, in another terminal:  DTU_HOST=127.0.0.1 DTU_PORT=5020 QUERY_PERIOD=5 smiles run")]
pub(crate) struct SimulateArgs {
    /// Device file to serve; none: that of the stock pipeline
    #[arg(long, value_name = "FILE")]
    pub(crate) device: Option<PathBuf>,
    /// How many devices
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..=99))]
    pub(crate) inverters: u16,
    /// How many ports each of them has
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u8).range(1..=8))]
    pub(crate) ports: u8,
    /// Modbus unit id that it answers, as the source's `unit_id`
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u8).range(0..=255))]
    pub(crate) unit_id: u8,
    /// Address to serve on
    #[arg(long, default_value = "127.0.0.1:5020", value_name = "ADDR")]
    pub(crate) listen: SocketAddr,
    /// Seed of everything random
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    /// How much faster than the clock simulated time goes
    #[arg(long, default_value_t = 1.0)]
    pub(crate) time_scale: f64,
    /// Simulated time at the start [default: now]
    #[arg(long, value_name = "TIME")]
    pub(crate) start: Option<jiff::Timestamp>,
    /// A fault of real firmware, NAME or NAME=VALUE; may be repeated; `--quirk help` lists them
    #[arg(long, value_name = "NAME[=VALUE]")]
    pub(crate) quirk: Vec<String>,
    /// Serve recorded registers (YAML: address to hexadecimal bytes) in place of a simulation
    #[arg(long, value_name = "FILE")]
    pub(crate) image: Option<PathBuf>,
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

#[derive(Debug, Args)]
#[command(after_help = "Example:
  smiles graph my-meter.yaml                   paste the output into any Mermaid viewer")]
pub(crate) struct GraphArgs {
    /// Pipeline files; none: the stock pipeline
    #[arg(value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  smiles migrate --dry-run                     what would be done to the database of DB_HOST, and how long it takes
  smiles migrate                               do it; `smiles run` does the same by itself at its first connect
  smiles migrate --timezone Europe/Berlin      instants stored without a time zone are of that one
  smiles migrate my-meter.yaml                 the targets of a pipeline of your own

A database of the earlier system is adopted in place: nothing is copied, nothing is lost.")]
pub(crate) struct MigrateArgs {
    /// Pipeline files; none: the stock pipeline
    #[arg(value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
    /// Only say what would be done
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Time zone of instants stored without one [default: that of the database role]
    #[arg(long, value_name = "ZONE")]
    pub(crate) timezone: Option<String>,
    #[command(flatten)]
    pub(crate) data: DataDir,
}

#[derive(Debug, Args)]
#[command(override_usage = "smiles import [OPTIONS] <SOURCE>\n       smiles import [OPTIONS] --in-place")]
#[command(after_help = "Examples:
  smiles import postgres://me@old-server/readings --dry-run   what a copy from another server would bring
  smiles import postgres://me@old-server/readings             the copy; the password stands in ~/.pgpass
  smiles import /data/old.db --timezone Europe/Berlin         a database file of version 1
  smiles import readings.csv --table port_data                rows of your own, by the names in line 1
  DB_HOST=localhost smiles import --in-place --dry-run        what there is to mend in an adopted database

Where to: the store of the stock pipeline (PostgreSQL if DB_HOST is set, else SQLite), or that of
--into. The bridge may run meanwhile. An import that was interrupted goes on when it is called again;
one that is done does nothing.
MIGRATION_GUIDE.md goes through it step by step.")]
pub(crate) struct ImportArgs {
    /// postgres://USER@HOST/DATABASE, an SQLite file, or a .csv file
    #[arg(value_name = "SOURCE", required_unless_present = "in_place", conflicts_with = "in_place")]
    pub(crate) source: Option<String>,
    /// Only this table; for a CSV file the one its rows belong to
    #[arg(long, value_name = "TABLE", conflicts_with = "in_place")]
    pub(crate) table: Option<String>,
    /// Mend a database of the earlier system where it is, after adopting it
    #[arg(long)]
    pub(crate) in_place: bool,
    /// Pipeline file whose store takes the rows; none: the stock pipeline
    #[arg(long, value_name = "FILE")]
    pub(crate) into: Option<PathBuf>,
    /// Which tables are taken over and what is mended [default: built in]
    #[arg(long, value_name = "FILE")]
    pub(crate) rules: Option<PathBuf>,
    /// Leave out for good what the target refuses; else the import stops there, to go on once that is mended
    #[arg(long)]
    pub(crate) skip_refused: bool,
    /// Only say what would be done
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Time zone of instants stored without one [default: that of the database role; of a file: TIMEZONE, else UTC]
    #[arg(long, value_name = "ZONE")]
    pub(crate) timezone: Option<String>,
    #[command(flatten)]
    pub(crate) data: DataDir,
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  smiles schema > pipeline.schema.json
  smiles schema --plugin ./libcsv.so           with the stages a plugin adds
  smiles schema --tests > tests.schema.json
  smiles schema --markdown | less              every variable and option, for people")]
pub(crate) struct SchemaArgs {
    /// The schema of files of test cases (`smiles test`)
    #[arg(long)]
    pub(crate) tests: bool,
    /// Every variable and option as a page of Markdown
    #[arg(long, conflicts_with = "tests")]
    pub(crate) markdown: bool,
    /// A plugin whose stages are part of it; may be repeated
    #[arg(long, value_name = "PATH")]
    pub(crate) plugin: Vec<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum PluginCommand {
    /// List libraries, with the stages they add; runs none of their code
    #[command(after_help = "Examples:
  smiles plugin list                           every .so file here
  smiles plugin list /usr/lib/smiles")]
    List(PluginListArgs),
    /// Say what a plugin is: types, options, ABI, version, licence
    #[command(after_help = "Examples:
  smiles plugin inspect ./libcsv.so
  smiles plugin inspect --json ./libcsv.so

Exit code 0: a pipeline can use it; 2: it cannot, and why.")]
    Inspect(PluginInspectArgs),
    /// Try a plugin against every rule of the ABI
    #[command(after_help = "Examples:
  smiles plugin check ./libcsv.so
  smiles plugin check ./libinfluxdb.so --options '{\"url\": \"http://127.0.0.1:8086\", \"database\": \"test\"}'

Options come from --options, else from the first of the schema's `examples`; `${folder}` in them is a temporary folder.
Exit code 0: it keeps every rule; 1: it does not; 2: it cannot be loaded; 3: it breaks none of those that could be tried, and
some could not (its target or device cannot be reached from here).")]
    Check(PluginCheckArgs),
    /// Begin a plugin: a project that builds and passes `check` at once
    #[command(after_help = "Examples:
  smiles plugin new my_sink
  smiles plugin new roof_sensor --lang c --kind source")]
    New(PluginNewArgs),
    /// Load a library and answer one question about it (what other commands start as a child process)
    #[command(hide = true, after_help = "Not for people: reads a question from standard input.")]
    Probe,
}

#[derive(Debug, Args)]
pub(crate) struct PluginListArgs {
    /// Libraries, or folders of them [default: .]
    #[arg(value_name = "PATH")]
    pub(crate) paths: Vec<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct PluginInspectArgs {
    /// The library
    #[arg(value_name = "PATH")]
    pub(crate) path: PathBuf,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct PluginCheckArgs {
    /// The library
    #[arg(value_name = "PATH")]
    pub(crate) path: PathBuf,
    /// Options to try its stages with, as JSON
    #[arg(long, value_name = "JSON")]
    pub(crate) options: Option<String>,
    /// Run its code in this process
    #[arg(long, hide = true)]
    pub(crate) here: bool,
}

#[derive(Debug, Args)]
pub(crate) struct PluginNewArgs {
    /// Its name and that of its stage type: lower-case letters, digits and `_`
    #[arg(value_name = "NAME")]
    pub(crate) name: String,
    /// What it is written in
    #[arg(long, value_enum, default_value_t = Lang::Rust)]
    pub(crate) lang: Lang,
    /// What it adds to pipelines
    #[arg(long, value_enum, default_value_t = Kind::Sink)]
    pub(crate) kind: Kind,
    /// Folder of the SDK crate, in place of the release of this version
    #[arg(long, value_name = "DIR", hide = true)]
    pub(crate) sdk: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Lang {
    Rust,
    C,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Kind {
    Source,
    Transform,
    Sink,
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  smiles health                                asks http://127.0.0.1:$HEALTH_PORT/ready
  smiles health --url http://192.168.1.5:8080/ready

Exit code 0: ready; 1: not.")]
pub(crate) struct HealthArgs {
    /// What to ask [default: http://127.0.0.1:$HEALTH_PORT/ready]
    #[arg(long)]
    pub(crate) url: Option<String>,
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
