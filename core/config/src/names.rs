//! Names of sources and sinks: they stand in rows, metrics and cursors, so each is used once.

use std::collections::BTreeMap;

use crate::diagnostic::Diagnostic;
use crate::document::Span;

/// Names stand in rows, metrics and file names; a file's name has 255 bytes at most.
pub(crate) const LONGEST: usize = 100;

/// The names given so far.
#[derive(Default)]
pub(crate) struct Names(BTreeMap<String, (Span, String)>);

impl Names {
    /// What is wrong with a source's name, which is any text of one line; `origin` is the item it comes from.
    pub(crate) fn source(&mut self, name: &str, span: Span, origin: Option<&str>) -> Option<Diagnostic> {
        if let Some(diagnostic) = not_one_line(name, span, "source") {
            return Some(
                origin.iter().fold(diagnostic, |diagnostic, origin| {
                    diagnostic.note(format!("it comes from {origin}"))
                }),
            );
        }
        self.take(name, span, "source", origin)
    }

    /// What is wrong with a sink's name, which stands in tables and file names.
    pub(crate) fn sink(&mut self, name: &str, span: Span) -> Option<Diagnostic> {
        let good = (1..=LONGEST).contains(&name.len())
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
        if !good {
            let message = format!("`{}` cannot be the name of a sink", short(name));
            let help = format!("letters, digits, `-` and `_`, {LONGEST} at most");
            return Some(Diagnostic::error(span, message).help(help));
        }
        self.take(name, span, "sink", None)
    }

    fn take(&mut self, name: &str, span: Span, word: &str, origin: Option<&str>) -> Option<Diagnostic> {
        let here = origin.map_or_else(|| format!("this {word}"), str::to_owned);
        let Some((first, there)) = self.0.get(name) else {
            self.0.insert(name.to_owned(), (span, here));
            return None;
        };
        let message = format!("the name `{}` is used twice: by {there} and by {here}", name.escape_debug());
        let mut diagnostic = Diagnostic::error(span, message);
        if *first != span {
            diagnostic = diagnostic.related(*first, "first here");
        }
        let help = match origin {
            Some(_) => "give each item its own `name`",
            None => "names of sources and sinks differ",
        };
        Some(diagnostic.help(help.to_owned()))
    }
}

/// What is wrong with a name of `lines:`, which is any text of one line.
pub(crate) fn line(name: &str, span: Span) -> Option<Diagnostic> {
    not_one_line(name, span, "line")
}

fn not_one_line(name: &str, span: Span, word: &str) -> Option<Diagnostic> {
    if name.chars().any(char::is_control) || name.trim().is_empty() || name.len() > LONGEST {
        let message = format!("`{}` cannot be the name of a {word}", short(name));
        let help = format!("one line of text, {LONGEST} bytes at most");
        return Some(Diagnostic::error(span, message).help(help));
    }
    None
}

/// A name for a message: no more of it than tells which.
pub(crate) fn short(name: &str) -> String {
    let (mut shown, long) = (name.chars().take(LONGEST).collect::<String>(), name.chars().count() > LONGEST);
    if long {
        shown.push('…');
    }
    shown.escape_debug().to_string()
}
