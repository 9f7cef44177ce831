//! What a load has to complain of. A file can be wrong in a hundred thousand places: some are kept, the rest is counted.

use smiles_stage::Severity;

use crate::diagnostic::Diagnostic;
use crate::document::FileId;
use crate::limits;

/// The first complaints of each severity, in the order they were found.
#[derive(Default)]
pub(crate) struct Complaints {
    list: Vec<Diagnostic>,
    errors: usize,
    warnings: usize,
}

/// How far they had come.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Mark {
    kept: usize,
    errors: usize,
    warnings: usize,
}

impl Complaints {
    pub(crate) fn push(&mut self, diagnostic: Diagnostic) {
        let count = match diagnostic.severity {
            Severity::Error => &mut self.errors,
            Severity::Warning => &mut self.warnings,
        };
        *count += 1;
        if *count <= limits::COMPLAINTS {
            self.list.push(diagnostic);
        }
    }

    /// Errors that nobody has put into words.
    pub(crate) fn count(&mut self, errors: usize) {
        self.errors += errors;
    }

    /// What is said from here on is only counted: work on its words is in vain.
    pub(crate) fn is_full(&self) -> bool {
        self.errors >= limits::COMPLAINTS
    }

    /// The same of warnings.
    pub(crate) fn is_full_of_warnings(&self) -> bool {
        self.warnings >= limits::COMPLAINTS
    }

    pub(crate) fn has_error(&self) -> bool {
        self.errors > 0
    }

    pub(crate) fn mark(&self) -> Mark {
        Mark { kept: self.list.len(), errors: self.errors, warnings: self.warnings }
    }

    /// Forgets what was said since.
    pub(crate) fn back_to(&mut self, mark: Mark) {
        self.list.truncate(mark.kept);
        (self.errors, self.warnings) = (mark.errors, mark.warnings);
    }

    /// Forgets a warning that another complaint says better.
    pub(crate) fn take_back(&mut self, message: &str) {
        let before = self.list.len();
        self.list.retain(|one| one.severity != Severity::Warning || one.message != message);
        self.warnings -= before - self.list.len();
    }

    /// Whether anything was said about this file.
    pub(crate) fn about(&self, file: FileId) -> bool {
        self.list.iter().any(|one| one.span.is_some_and(|span| span.file == file))
    }

    /// Those kept, and how many there are beside.
    pub(crate) fn into_parts(self) -> (Vec<Diagnostic>, usize) {
        let more = self.errors + self.warnings - self.list.len();
        (self.list, more)
    }
}

impl Extend<Diagnostic> for Complaints {
    fn extend<I: IntoIterator<Item = Diagnostic>>(&mut self, more: I) {
        more.into_iter().for_each(|diagnostic| self.push(diagnostic));
    }
}
