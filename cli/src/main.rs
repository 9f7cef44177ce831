//! The `smiles` command: parses arguments, chooses the pipeline files, turns outcomes into exit codes.

mod args;
mod command;
mod data_folder;
mod descriptors;
mod exit;
mod identity;
mod init;
mod logging;
mod plugins;
mod project;
mod registry;
mod stock;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    let arguments = args::Arguments::parse();
    if init::is_this() && arguments.command.runs_on() {
        return init::mind().unwrap_or_else(|failure| failure.report());
    }
    match args::run(arguments.command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}
