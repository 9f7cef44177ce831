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
/// How many bytes before and behind a place are looked through for whole lines to show.
const AROUND: usize = 16 << 10;

impl Diagnostics {
    /// All diagnostics as text: excerpts with file, line and column, at most one screen.
    pub fn render(&self, color: bool) -> String {
        render(&self.document, &self.list, self.more, color)
    }
}

fn render(document: &Document, list: &[Diagnostic], more: usize, color: bool) -> String {
    if list.is_empty() {
        return String::new();
    }
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
    let place = diagnostic.span.and_then(|span| {
        Some((span, document.sources.get(span.file.0)?.shown.as_str(), texts.get(span.file.0)?.as_str()))
    });
    let window = place.and_then(|(span, _, text)| Window::around(text, span));
    if let Some((span, shown, text)) = place {
        group = match &window {
            _ if text.trim().is_empty() => group.element(Origin::path(shown).line(1).char_column(1)),
            Some(window) => group.element(window.excerpt(shown, diagnostic)),
            None => {
                let (line, column) = document.line_column(span);
                group.element(Origin::path(shown).line(line).char_column(column))
            }
        };
    }
    for (span, label) in &diagnostic.related {
        let is_seen = window.as_ref().is_some_and(|window| window.shows(*span));
        if !is_seen && let Some(source) = document.sources.get(span.file.0) {
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

/// Some lines of a file: to lay out all of a long one for each diagnostic takes time and memory.
struct Window<'a> {
    /// The whole file.
    text: &'a str,
    span: Span,
    lines: Range<usize>,
}

impl<'a> Window<'a> {
    /// The lines around a span; `None` where they are so long that they would say nothing.
    fn around(text: &'a str, span: Span) -> Option<Self> {
        let at = within(text, span);
        let from = floor(text, at.start.saturating_sub(AROUND));
        let to = floor(text, at.end.saturating_add(AROUND));
        // From and to a line end; a file may begin or end before that.
        let start = match text[from..at.start].find('\n') {
            _ if from == 0 => 0,
            Some(line_end) => from + line_end + 1,
            None => return None,
        };
        let end = match text[at.end..to].rfind('\n') {
            _ if to == text.len() => to,
            Some(line_end) => at.end + line_end + 1,
            None => return None,
        };
        Some(Self { text, span, lines: start..end })
    }

    /// Whether a place is in these lines.
    fn shows(&self, span: Span) -> bool {
        span.file == self.span.file && self.lines.start <= span.start && span.end <= self.lines.end
    }

    fn excerpt(
        &self,
        shown: &'a str,
        diagnostic: &'a Diagnostic,
    ) -> Snippet<'a, annotate_snippets::Annotation<'a>> {
        let at = |span: Span| {
            let at = within(self.text, span);
            at.start - self.lines.start..at.end - self.lines.start
        };
        let first = self.text[..self.lines.start].matches('\n').count() + 1;
        let mut snippet = Snippet::source(&self.text[self.lines.clone()])
            .line_start(first)
            .path(shown)
            .annotation(AnnotationKind::Primary.span(at(self.span)));
        for (other, label) in diagnostic.related.iter().filter(|(other, _)| self.shows(*other)) {
            snippet = snippet.annotation(AnnotationKind::Context.span(at(*other)).label(label.as_str()));
        }
        snippet
    }
}

/// The span cut to the text, to its first line, and at least one character wide where there is one.
fn within(text: &str, span: Span) -> Range<usize> {
    let start = floor(text, span.start);
    let line = text[start..].find('\n').map_or(text.len(), |at| start + at);
    let end = floor(text, span.end).clamp(start, line.max(start));
    if start == end && start == text.len() && start > 0 {
        // The end of the file: point at the end of its last line that says something.
        let last = text.trim_end().len();
        return last..last;
    }
    start..end
}

/// The character that a byte belongs to.
fn floor(text: &str, at: usize) -> usize {
    let mut at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
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
