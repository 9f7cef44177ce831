//! How a command ends: 0 fine, 1 something failed while running, 2 bad usage or configuration, 3 not all could be tried.

use std::fmt::Display;
use std::process::ExitCode;

/// Why a command did not succeed.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The configuration is wrong; the text (already rendered) says what and where. Exit code 2.
    Configuration(String),
    /// It failed while running. Exit code 1.
    Runtime(anyhow::Error),
    /// Nothing is wrong as far as it could be looked at, and that was not all. Exit code 3.
    Incomplete(String),
}

impl Failure {
    /// A configuration failure with a one-line message.
    pub(crate) fn configuration(message: impl Display) -> Self {
        Self::Configuration(format!("error: {message}\n"))
    }

    /// What it says first: of a complaint about a file, the first mistake.
    pub(crate) fn first_line(&self) -> String {
        let (text, _) = self.told();
        let first = text.lines().find(|line| !line.trim().is_empty()).unwrap_or_default();
        first.trim_start_matches("error: ").to_owned()
    }

    /// All that it says, and the exit code.
    pub(crate) fn told(&self) -> (String, ExitCode) {
        match self {
            Self::Configuration(text) => (text.clone(), ExitCode::from(2)),
            Self::Runtime(error) => (format!("error: {error:#}\n"), ExitCode::FAILURE),
            Self::Incomplete(text) => (format!("warning: {text}\n"), ExitCode::from(3)),
        }
    }
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Self::Runtime(error)
    }
}
