//! What is wrong with a pipeline file, each thing with its place; all of it is shown at once.

use std::sync::Arc;

use smiles_stage::{Path, Problem, Segment, Severity};

use crate::document::{Document, Kind, Span};
use crate::{NodeId, limits, redact};

/// Longer messages than this are shortened.
const LONGEST: usize = 2_000;

/// One thing that is wrong, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// Whether it stops the pipeline.
    pub severity: Severity,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub help: Option<String>,
    /// What else explains it: the variable a value came from.
    pub notes: Vec<String>,
    pub(crate) span: Option<Span>,
    /// Other places that belong to it.
    pub(crate) related: Vec<(Span, String)>,
}

impl Diagnostic {
    pub(crate) fn error(span: impl Into<Option<Span>>, message: impl Into<String>) -> Self {
        Self {
            severity: Severity::Error,
            message: message.into(),
            help: None,
            notes: Vec::new(),
            span: span.into(),
            related: Vec::new(),
        }
    }

    pub(crate) fn warning(span: impl Into<Option<Span>>, message: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::error(span, message) }
    }

    pub(crate) fn help(mut self, help: impl Into<Option<String>>) -> Self {
        self.help = help.into();
        self
    }

    pub(crate) fn note(mut self, note: impl Into<String>) -> Self {
        self.notes.push(note.into());
        self
    }

    pub(crate) fn related(mut self, span: Span, label: impl Into<String>) -> Self {
        self.related.push((span, label.into()));
        self
    }
}

/// Everything wrong with a pipeline, errors first, in the order of the files.
#[derive(Clone)]
pub struct Diagnostics {
    pub(crate) document: Arc<Document>,
    secrets: Arc<Vec<String>>,
    pub(crate) list: Vec<Diagnostic>,
    /// How many there are beside, which nobody would read.
    pub(crate) more: usize,
}

impl std::fmt::Debug for Diagnostics {
    /// What was said alone: the files and the list of secrets have them in clear.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Diagnostics")
            .field("list", &self.list)
            .field("more", &self.more)
            .finish_non_exhaustive()
    }
}

/// Where a diagnostic points.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// As shown to people.
    pub file: String,
    /// From 1.
    pub line: usize,
    /// From 1, in characters.
    pub column: usize,
}

impl Diagnostics {
    /// `more` are those that were only counted.
    pub(crate) fn new(
        document: Arc<Document>,
        secrets: Vec<String>,
        (list, more): (Vec<Diagnostic>, usize),
    ) -> Self {
        let mut all = Self { document, secrets: Arc::new(secrets), list: Vec::new(), more };
        for diagnostic in list {
            all.add(diagnostic);
        }
        all
    }

    /// Whether anything stops the pipeline.
    pub fn has_errors(&self) -> bool {
        self.list.iter().any(|diagnostic| diagnostic.severity == Severity::Error)
    }

    /// Whether there is nothing to say at all.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// How many there are, errors and warnings.
    pub fn len(&self) -> usize {
        self.list.len() + self.more
    }

    /// Each of them, errors first, in the order of the files; of very many the first ones.
    pub fn iter(&self) -> impl Iterator<Item = &Diagnostic> {
        self.list.iter()
    }

    /// Where it points; `None` for the pipeline as a whole.
    pub fn place(&self, diagnostic: &Diagnostic) -> Option<Place> {
        self.place_of(diagnostic.span?)
    }

    /// Where something below a node stands: the closest place that exists.
    pub fn place_at(&self, node: NodeId, at: &Path) -> Option<Place> {
        self.place_of(self.walk(node, &at.0).1?)
    }

    fn place_of(&self, span: Span) -> Option<Place> {
        let (line, column) = self.document.line_column(span);
        Some(Place { file: self.document.sources.get(span.file.0)?.shown.clone(), line, column })
    }

    /// A stage's complaint about the options below `node`, shown at the closest place that exists.
    pub fn problem(&mut self, node: NodeId, problem: Problem) {
        if self.is_full(problem.severity) {
            self.more += 1;
            return;
        }
        let (at, span) = self.walk(node, &problem.at.0);
        let diagnostic =
            Diagnostic { severity: problem.severity, ..Diagnostic::error(span, problem.message) };
        self.add_at(at, diagnostic.help(problem.help));
    }

    /// The same about the last key of the path itself, as of one that does not exist, and not about its value.
    pub fn problem_of_key(&mut self, node: NodeId, problem: Problem) {
        let key = match problem.at.0.split_last() {
            Some((Segment::Key(key), above)) => {
                self.document.entry(self.walk(node, above).0, key).map(|entry| entry.span)
            }
            _ => None,
        };
        match key {
            Some(span) if !self.is_full(problem.severity) => {
                let diagnostic = Diagnostic::error(Some(span), problem.message).help(problem.help);
                self.add(Diagnostic { severity: problem.severity, ..diagnostic });
            }
            _ => self.problem(node, problem),
        }
    }

    /// An error at a node of the file.
    pub fn error_at(&mut self, node: NodeId, message: impl Into<String>, help: Option<String>) {
        let diagnostic = Diagnostic::error(self.document.anchor(node), message).help(help);
        self.add_at(node, diagnostic);
    }

    /// A warning at a node of the file.
    pub fn warning_at(&mut self, node: NodeId, message: impl Into<String>, help: Option<String>) {
        let diagnostic = Diagnostic::warning(self.document.anchor(node), message).help(help);
        self.add_at(node, diagnostic);
    }

    /// Whether one more of this severity would only be counted: to look for its place is in vain.
    fn is_full(&self, severity: Severity) -> bool {
        self.list.len() >= limits::COMPLAINTS
            && (severity == Severity::Warning
                || self.list.iter().all(|one| one.severity == Severity::Error && one.span.is_some()))
    }

    fn add_at(&mut self, node: NodeId, mut diagnostic: Diagnostic) {
        diagnostic.notes.extend(origins(&self.document, node));
        self.add(diagnostic);
    }

    /// Keeps the order and says nothing twice.
    fn add(&mut self, mut diagnostic: Diagnostic) {
        let hide = |text: &mut String| *text = shown(text, &self.secrets);
        hide(&mut diagnostic.message);
        diagnostic.help.iter_mut().for_each(hide);
        diagnostic.notes.iter_mut().for_each(hide);
        let same = |other: &Diagnostic| other.span == diagnostic.span && other.message == diagnostic.message;
        if self.list.iter().any(same) {
            return;
        }
        let rank = |one: &Diagnostic| (std::cmp::Reverse(one.severity), one.span.is_none(), one.span);
        let at = self.list.partition_point(|other| rank(other) <= rank(&diagnostic));
        self.list.insert(at, diagnostic);
        // The last ones go: warnings, while there are some.
        while self.list.len() > limits::COMPLAINTS {
            self.list.pop();
            self.more += 1;
        }
    }

    /// The deepest existing node along a path, and where to point.
    fn walk(&self, node: NodeId, path: &[Segment]) -> (NodeId, Option<Span>) {
        let mut at = node;
        for segment in path {
            let next = match (segment, self.document.kind(at)) {
                (Segment::Key(key), _) => self.document.entry(at, key).map(|entry| entry.value),
                (Segment::Index(index), Kind::List(items)) => items.get(*index).copied(),
                (Segment::Index(_), _) => None,
            };
            let Some(next) = next else { break };
            at = next;
        }
        (at, self.document.anchor(at))
    }
}

/// A text without secrets, and no more of it than anybody reads. To look for every secret in all of a long one takes too long;
/// of one that is cut first, the end may be half a secret.
fn shown(text: &str, secrets: &[String]) -> String {
    let looked_at = start_of(text, 8 * LONGEST);
    let mut shown = redact::redact(looked_at, secrets);
    let mut most = shown.len();
    if looked_at.len() < text.len() {
        most = most.saturating_sub(secrets.iter().map(String::len).max().unwrap_or(0));
    }
    let kept = start_of(&shown, most.min(LONGEST)).len();
    if kept < shown.len() || looked_at.len() < text.len() {
        shown.truncate(kept);
        shown.push('…');
    }
    shown
}

/// At most so many bytes.
fn start_of(text: &str, most: usize) -> &str {
    let mut end = most.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

/// A sentence for each variable the node's text came from.
pub(crate) fn origins(document: &Document, node: NodeId) -> Vec<String> {
    let Some(scalar) = document.scalar(node) else { return Vec::new() };
    let sentence = |origin: &crate::document::Origin| match &origin.value {
        Some(value) if value.is_empty() => format!("{} is empty", origin.name),
        Some(value) => format!("{} is `{}`", origin.name, value.escape_debug()),
        None => format!("{} is set to a secret", origin.name),
    };
    scalar.origins.iter().map(sentence).collect()
}
