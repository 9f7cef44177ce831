//! The `smiles` command: parses arguments, chooses the pipeline files, turns outcomes into exit codes.

mod args;
mod clash;
mod command;
mod core_dump;
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

use crate::exit::Failure;

fn main() -> ExitCode {
    let arguments = args::Arguments::parse();
    if init::is_this() && arguments.command.runs_on() {
        return init::mind().unwrap_or_else(|failure| report(&failure));
    }
    let code = match args::run(arguments.command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => report(&failure),
    };
    logging::flush();
    code
}

fn report(failure: &Failure) -> ExitCode {
    let (text, code) = failure.told();
    logging::show(&text);
    code
}
