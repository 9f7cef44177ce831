//! Diagnostics as people read them: excerpts of the files, one screen, no secret.

use std::borrow::Cow;
use std::ops::Range;

use annotate_snippets::{AnnotationKind, Group, Level, Origin, Renderer, Snippet};
use smiles_stage::Severity;

use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::document::{Document, Source, Span};
use crate::redact::passwords;
use crate::secret::is_secret_name;

/// More lines than this scroll the first one away, and the first is the one to mend first.
const ONE_SCREEN: usize = 60;
/// Lines longer than this are cut by the renderer.
const WIDTH: usize = 140;

impl Diagnostics {
    /// All diagnostics as text: excerpts with file, line and column, at most one screen.
    pub fn render(&self, color: bool) -> String {
        render(&self.document, &self.list, self.more, color)
    }
}

fn render(document: &Document, list: &[Diagnostic], more: usize, color: bool) -> String {
    let texts: Vec<String> = document.sources.iter().map(masked).collect();
    let renderer = if color { Renderer::styled().hyperlink(false) } else { Renderer::plain() };
    let renderer = renderer.term_width(WIDTH);
    let mut out = String::new();
    let (mut shown, mut lines) = (0, 0);
    for diagnostic in list {
        let text = renderer.render(&[group(document, &texts, diagnostic)]);
        lines += text.lines().count() + 1;
        if lines > ONE_SCREEN && shown > 0 {
            break;
        }
        shown += 1;
        out.push_str(&text);
        out.push_str("\n\n");
    }
    let more = list.len() - shown + more;
    if more > 0 {
        out.push_str(&format!("and {more} more\n"));
    } else {
        out.pop();
    }
    out
}

fn group<'a>(document: &'a Document, texts: &'a [String], diagnostic: &'a Diagnostic) -> Group<'a> {
    let level = match diagnostic.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let mut group = Group::with_title(level.primary_title(clean(&diagnostic.message)));
    if let Some(span) = diagnostic.span
        && let (Some(source), Some(text)) = (document.sources.get(span.file.0), texts.get(span.file.0))
    {
        if text.trim().is_empty() {
            group = group.element(Origin::path(source.shown.as_str()).line(1).char_column(1));
        } else {
            group = group.element(excerpt(source, text, span, diagnostic));
        }
    }
    for (span, label) in &diagnostic.related {
        let elsewhere = diagnostic.span.is_none_or(|own| own.file != span.file);
        if elsewhere && let Some(source) = document.sources.get(span.file.0) {
            let (line, column) = document.line_column(*span);
            let said = format!("{label}: {}:{line}:{column}", source.shown);
            group = group.element(Level::NOTE.message(said));
        }
    }
    for note in &diagnostic.notes {
        group = group.element(Level::NOTE.message(clean(note)));
    }
    if let Some(help) = &diagnostic.help {
        group = group.element(Level::HELP.message(clean(help)));
    }
    group
}

fn excerpt<'a>(
    source: &'a Source,
    text: &'a str,
    span: Span,
    diagnostic: &'a Diagnostic,
) -> Snippet<'a, annotate_snippets::Annotation<'a>> {
    let mut snippet = Snippet::source(text)
        .path(source.shown.as_str())
        .annotation(AnnotationKind::Primary.span(within(text, span)));
    for (other, label) in &diagnostic.related {
        if other.file == span.file {
            let note = AnnotationKind::Context.span(within(text, *other)).label(label.as_str());
            snippet = snippet.annotation(note);
        }
    }
    snippet
}

/// The span cut to the text, to its first line, and at least one character wide where there is one.
fn within(text: &str, span: Span) -> Range<usize> {
    let floor = |mut at: usize| {
        at = at.min(text.len());
        while !text.is_char_boundary(at) {
            at -= 1;
        }
        at
    };
    let start = floor(span.start);
    let line = text[start..].find('\n').map_or(text.len(), |at| start + at);
    let end = floor(span.end).clamp(start, line.max(start));
    if start == end && start == text.len() && start > 0 {
        // The end of the file: point at the end of its last line that says something.
        let last = text.trim_end().len();
        return last..last;
    }
    start..end
}

/// The file without its secrets, every byte at its place.
fn masked(source: &Source) -> String {
    let mut bytes = source.text.clone().into_bytes();
    let by_line = source.text.split_inclusive('\n').scan(0, |start, line| {
        let at = *start;
        *start += line.len();
        Some((at, line))
    });
    let literal = by_line
        .filter_map(|(start, line)| secret_tail(line).map(|tail| start + tail.start..start + tail.end));
    // What is put together from variables is not in the file.
    let is_reference = |range: &Range<usize>| source.text.get(range.clone()).is_some_and(is_reference);
    let within = passwords(&source.text).into_iter().filter(|range| !is_reference(range));
    for range in literal.chain(within).chain(source.masked.iter().cloned()) {
        for byte in bytes.get_mut(range).into_iter().flatten() {
            if !byte.is_ascii_whitespace() {
                *byte = b'*';
            }
        }
    }
    match String::from_utf8_lossy(&bytes) {
        Cow::Borrowed(text) => text.to_owned(),
        // A mask that cut a character: hide the whole file rather than shift its places.
        Cow::Owned(_) => source.text.chars().map(|c| if c == '\n' { '\n' } else { '*' }).collect(),
    }
}

/// What stands behind a key that names a secret, in a line that may not even be YAML; `${...}` may be seen.
fn secret_tail(line: &str) -> Option<Range<usize>> {
    let mut from = 0;
    while let Some(colon) = line[from..].find([':', '=']).map(|at| from + at) {
        let name = line[..colon].trim_end_matches(['"', '\'']);
        let start = name.rfind(|c: char| !c.is_alphanumeric() && c != '_' && c != '-').map_or(0, |at| at + 1);
        let value = line[colon + 1..].trim_start();
        if name.is_char_boundary(start) && is_secret_name(&name[start..]) && !value.is_empty() {
            let plain = ["${", "{", "-}", "-$", "?", "!include"].iter().any(|start| value.starts_with(start));
            if !plain {
                return Some(line.len() - value.len()..line.len());
            }
        }
        from = colon + 1;
    }
    None
}

/// `${NAME}` alone.
fn is_reference(text: &str) -> bool {
    let name = text.strip_prefix("${").and_then(|rest| rest.strip_suffix('}'));
    name.is_some_and(|name| name.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '.')))
}

/// Control characters would drive the terminal.
fn clean(text: &str) -> Cow<'_, str> {
    if text.chars().any(|c| c.is_control() && c != '\n') {
        Cow::Owned(text.chars().map(|c| if c.is_control() && c != '\n' { '\u{fffd}' } else { c }).collect())
    } else {
        Cow::Borrowed(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn literal_secrets_are_masked_in_place() {
        let rows = [
            ("password: hunter2\nhost: a", "password: *******\nhost: a"),
            ("password: ${DB_PASSWORD:-}\n", "password: ${DB_PASSWORD:-}\n"),
            ("{host: a, token: \"x y\"}", "{host: a, token: ** ***"),
            ("key: serial", "key: serial"),
            ("url: x://u:geheim@h:1", "url: x://u:******@h:1"),
            ("url: x://u:${PW}@h:1", "url: x://u:${PW}@h:1"),
            ("passwort: geheim", "passwort: ******"),
            ("password: ${DB_PASSWORD:-geheim}", "password: ${DB_PASSWORD:********"),
        ];
        for (text, expected) in rows {
            let source =
                Source { path: String::new(), shown: String::new(), text: text.to_owned(), masked: vec![] };
            assert_eq!(masked(&source), expected);
        }
    }
}
