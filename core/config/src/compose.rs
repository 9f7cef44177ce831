//! YAML text to nodes. Nothing is interpreted: scalars keep their text, tags their name.

use std::collections::BTreeMap;

use saphyr_parser::{Event, Parser, ScalarStyle, ScanError, Tag};

use crate::NodeId;
use crate::diagnostic::Diagnostic;
use crate::document::{Document, Entry, FileId, Kind, Node, Scalar, Span};

/// Deeper than any pipeline; keeps recursion over the tree bounded.
const MAX_DEPTH: usize = 64;

/// One open list or map.
struct Frame {
    start: usize,
    anchor: usize,
    kind: Open,
}

enum Open {
    List(Vec<NodeId>),
    Map(Vec<Entry>, Option<(String, Span)>),
    /// A map used as a key: read to its end, then forgotten.
    Forgotten,
}

/// Reads the only document of a file.
pub(crate) fn compose(document: &mut Document, file: FileId, out: &mut Vec<Diagnostic>) -> Option<NodeId> {
    let text = document.sources.get(file.0)?.text.clone();
    let mut composer = Composer {
        file,
        bytes: byte_offsets(&text),
        length: text.len(),
        document,
        out,
        frames: Vec::new(),
        anchors: BTreeMap::new(),
        root: None,
        documents: 0,
    };
    composer.run(&text).then_some(composer.root).flatten()
}

struct Composer<'a> {
    file: FileId,
    /// Byte offset of each character; empty where they are the same.
    bytes: Vec<usize>,
    length: usize,
    document: &'a mut Document,
    out: &'a mut Vec<Diagnostic>,
    frames: Vec<Frame>,
    anchors: BTreeMap<usize, NodeId>,
    root: Option<NodeId>,
    documents: usize,
}

impl Composer<'_> {
    /// Whether the text is one well-formed document; otherwise the reason is in `out`.
    fn run(&mut self, text: &str) -> bool {
        let before = self.out.len();
        let mut parser = Parser::new_from_str(text);
        while let Some(event) = parser.next_event() {
            match event {
                Ok((event, span)) => {
                    let span = self.span(span.start.index(), span.end.index());
                    if !self.event(event, span) {
                        return false;
                    }
                }
                Err(error) => {
                    self.syntax(text, &error);
                    return false;
                }
            }
        }
        self.out.len() == before
    }

    /// Takes one event; `false`: give up on the file.
    fn event(&mut self, event: Event<'_>, span: Span) -> bool {
        match event {
            Event::DocumentStart(_) => {
                self.documents += 1;
                if self.documents > 1 {
                    let message = "a second document begins here: one file is one document";
                    self.out.push(Diagnostic::error(span, message).help("remove the `---`".to_owned()));
                    return false;
                }
            }
            Event::Scalar(text, style, anchor, tag) => {
                let plain = style == ScalarStyle::Plain;
                self.scalar(text.into_owned(), plain, anchor, tag.as_deref(), span);
            }
            Event::Alias(anchor) => self.alias(anchor, span),
            Event::SequenceStart(anchor, tag) => {
                return self.open(Open::List(Vec::new()), anchor, tag.as_deref(), span);
            }
            Event::MappingStart(anchor, tag) => {
                return self.open(Open::Map(Vec::new(), None), anchor, tag.as_deref(), span);
            }
            Event::SequenceEnd | Event::MappingEnd => self.close(span),
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => {}
        }
        true
    }

    fn scalar(&mut self, text: String, plain: bool, anchor: usize, tag: Option<&Tag>, span: Span) {
        if let Some(Frame { kind: Open::Map(entries, key @ None), .. }) = self.frames.last_mut() {
            if let Some(first) = entries.iter().find(|entry| entry.key == text && text != "<<") {
                let twice = format!("the key `{text}` is given twice");
                self.out.push(Diagnostic::error(span, twice).related(first.span, "first here"));
            }
            if text.is_empty() {
                self.out.push(Diagnostic::error(span, "a key is missing in front of the `:`"));
            }
            *key = Some((text, span));
            return;
        }
        let (plain, kind) = match tag {
            None => (plain, None),
            Some(tag) if tag.handle == "!" && tag.suffix == "include" => {
                (plain, Some(Kind::Include(text.clone())))
            }
            Some(tag) if tag.is_yaml_core_schema() => (plain && tag.suffix != "str", None),
            Some(tag) => {
                self.unknown_tag(tag, span);
                (plain, Some(Kind::Broken))
            }
        };
        let scalar = Scalar { text, plain, ..Scalar::default() };
        let kind = kind.unwrap_or(Kind::Scalar(scalar));
        self.push(kind, anchor, span);
    }

    fn alias(&mut self, anchor: usize, span: Span) {
        let target = self.anchors.get(&anchor).copied();
        if target.is_none() {
            self.out.push(Diagnostic::error(span, "this alias stands inside its own anchor"));
        }
        if let Some(Frame { kind: Open::Map(_, key @ None), .. }) = self.frames.last_mut() {
            self.out.push(Diagnostic::error(span, "an alias cannot be a key"));
            *key = Some((String::new(), span));
            return;
        }
        let node = target.unwrap_or_else(|| self.document.add(Node { span, key: None, kind: Kind::Broken }));
        self.attach(node);
    }

    fn open(&mut self, mut kind: Open, anchor: usize, tag: Option<&Tag>, span: Span) -> bool {
        if self.frames.len() >= MAX_DEPTH {
            let message = format!("nested deeper than {MAX_DEPTH} levels");
            self.out.push(Diagnostic::error(span, message));
            return false;
        }
        if let Some(tag) = tag
            && !tag.is_yaml_core_schema()
        {
            if tag.suffix == "include" {
                let message = "`!include` takes the name of one file";
                self.out.push(
                    Diagnostic::error(span, message).help("write `!include folder/file.yaml`".to_owned()),
                );
            } else {
                self.unknown_tag(tag, span);
            }
        }
        if let Some(Frame { kind: Open::Map(_, None), .. }) = self.frames.last() {
            let help = "`{` and `[` begin a map or a list: quote a text that begins so".to_owned();
            self.out.push(Diagnostic::error(span, "a key must be a word, not a map or a list").help(help));
            kind = Open::Forgotten;
        } else if let Some(Frame { kind: Open::Forgotten, .. }) = self.frames.last() {
            kind = Open::Forgotten;
        }
        self.frames.push(Frame { start: span.start, anchor, kind });
        true
    }

    fn close(&mut self, span: Span) {
        let Some(frame) = self.frames.pop() else { return };
        let whole = Span { start: frame.start, ..span };
        match frame.kind {
            Open::List(items) => self.push(Kind::List(items), frame.anchor, whole),
            Open::Map(entries, _) => self.push(Kind::Map(entries), frame.anchor, whole),
            Open::Forgotten => {
                if let Some(Frame { kind: Open::Map(_, key @ None), .. }) = self.frames.last_mut() {
                    *key = Some((String::new(), whole));
                }
            }
        }
    }

    fn push(&mut self, kind: Kind, anchor: usize, span: Span) {
        let key = match self.frames.last() {
            Some(Frame { kind: Open::Map(_, Some((_, key))), .. }) => Some(*key),
            _ => None,
        };
        let node = self.document.add(Node { span: self.trimmed(span), key, kind });
        if anchor > 0 {
            self.anchors.insert(anchor, node);
        }
        self.attach(node);
    }

    fn attach(&mut self, node: NodeId) {
        match self.frames.last_mut().map(|frame| &mut frame.kind) {
            None => self.root = self.root.or(Some(node)),
            Some(Open::List(items)) => items.push(node),
            Some(Open::Map(entries, key)) => {
                if let Some((key, span)) = key.take() {
                    entries.push(Entry { key, span, value: node });
                }
            }
            Some(Open::Forgotten) => {}
        }
    }

    fn unknown_tag(&mut self, tag: &Tag, span: Span) {
        let message = format!("unknown tag `{tag}`");
        self.out.push(Diagnostic::error(span, message).help("the only tag here is `!include`".to_owned()));
    }

    fn syntax(&mut self, text: &str, error: &ScanError) {
        let at = self.span(error.marker().index(), error.marker().index() + 1);
        let message = format!("not YAML: {}", error.info());
        if let Some(tab) = tab_near(text, at.start) {
            let help = "YAML is indented with spaces; this line has a tab".to_owned();
            let span = Span { start: tab, end: tab + 1, ..at };
            self.out.push(Diagnostic::error(span, message).help(help));
            return;
        }
        let info = error.info();
        let help = if info.contains("flow") && line_of(text, at.start).contains("${") {
            "inside `[...]` and `{...}` a text with `${...}` needs quotes"
        } else if info.contains("mapping values") || info.contains("simple key") {
            "a text with `: ` in it needs quotes; else look at the indentation of this line and the one above"
        } else if info.contains("unprintable") {
            "this seems to be a binary file"
        } else {
            "look at the indentation of this line and the one above, and for an unclosed quote or bracket"
        };
        self.out.push(Diagnostic::error(at, message).help(help.to_owned()));
    }

    /// Without the blanks and line ends that the parser counts in.
    fn trimmed(&self, span: Span) -> Span {
        let kept = self.document.slice(span).trim_end().len();
        Span { end: span.start + kept, ..span }
    }

    /// Character offsets to bytes.
    fn span(&self, start: usize, end: usize) -> Span {
        let at = |index: usize| {
            if self.bytes.is_empty() {
                index.min(self.length)
            } else {
                self.bytes.get(index).copied().unwrap_or(self.length)
            }
        };
        let start = at(start);
        Span { file: self.file, start, end: at(end).max(start) }
    }
}

/// The byte offset of each character; empty for a text of one-byte characters.
fn byte_offsets(text: &str) -> Vec<usize> {
    if text.is_ascii() { Vec::new() } else { text.char_indices().map(|(at, _)| at).collect() }
}

/// The line a byte stands in.
fn line_of(text: &str, at: usize) -> &str {
    let start = text[..at].rfind('\n').map_or(0, |found| found + 1);
    text[start..].lines().next().unwrap_or("")
}

/// A tab in the indentation around an error: parsers notice it late, or a line too early.
fn tab_near(text: &str, at: usize) -> Option<usize> {
    let line = text[..at].matches('\n').count();
    let mut start = 0;
    for (number, content) in text.split('\n').enumerate() {
        let indent = content.len() - content.trim_start_matches([' ', '\t']).len();
        if let Some(tab) = content[..indent].find('\t')
            && (number..number + 3).contains(&line) | (number == line + 1)
        {
            return Some(start + tab);
        }
        start += content.len() + 1;
    }
    None
}
