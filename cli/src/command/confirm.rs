//! Asking before something that cannot be taken back.

use std::io::{BufRead, IsTerminal, Write};

use anyhow::{Context, anyhow};

use crate::command::console::print;
use crate::exit::Failure;

/// Asks on the terminal; nobody to ask is an error. `doing`: what asks first; `nothing`: what a no has for answer.
pub(in crate::command) fn confirm(question: &str, doing: &str, nothing: &'static str) -> Result<(), Failure> {
    if !std::io::stdin().is_terminal() {
        let message = format!("{doing} asks first, and standard input is no terminal: say --yes");
        return Err(Failure::configuration(message));
    }
    print(&format!("{question}? [y/N] "))?;
    std::io::stdout().flush().context("cannot write to standard output")?;
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer).context("cannot read the answer")?;
    if matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes") {
        return Ok(());
    }
    Err(anyhow!(nothing).into())
}
