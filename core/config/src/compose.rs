//! YAML text to nodes. Nothing is interpreted: scalars keep their text, tags their name.

use std::collections::{BTreeMap, HashSet};
use std::hash::{BuildHasher, RandomState};

use saphyr_parser::{Event, Parser, ScalarStyle, ScanError, Tag};

use crate::complaints::Complaints;
use crate::diagnostic::Diagnostic;
use crate::document::{Document, Entry, FileId, Kind, MERGE, Node, Scalar, Span};
use crate::names::short;
use crate::{NodeId, limits};

/// One open list or map.
struct Frame {
    start: usize,
    anchor: usize,
    kind: Open,
}

enum Open {
    List(Vec<NodeId>),
    Map(OpenMap),
    /// A map used as a key: read to its end, then forgotten.
    Forgotten,
}

#[derive(Default)]
struct OpenMap {
    entries: Vec<Entry>,
    /// The key whose value comes next.
    key: Option<(String, Span)>,
    /// Of all its keys: looking each one up in the list would take the square of their number.
    hashes: HashSet<u64>,
}

/// Reads the only document of a file, whose text is `text`.
pub(crate) fn compose(
    document: &mut Document,
    file: FileId,
    text: &str,
    out: &mut Complaints,
) -> Option<NodeId> {
    let mut composer = Composer {
        file,
        text,
        offsets: (!text.is_ascii()).then(|| Offsets::of(text)),
        hasher: RandomState::new(),
        document,
        out,
        frames: Vec::new(),
        anchors: BTreeMap::new(),
        root: None,
        documents: 0,
    };
    composer.run(text).then_some(composer.root).flatten()
}

struct Composer<'a> {
    file: FileId,
    text: &'a str,
    /// Where characters are not bytes.
    offsets: Option<Offsets>,
    hasher: RandomState,
    document: &'a mut Document,
    out: &'a mut Complaints,
    frames: Vec<Frame>,
    anchors: BTreeMap<usize, NodeId>,
    root: Option<NodeId>,
    documents: usize,
}

impl Composer<'_> {
    /// Whether the text is one well-formed document; otherwise the reason is in `out`.
    fn run(&mut self, text: &str) -> bool {
        let before = self.out.mark();
        let mut parser = Parser::new_from_str(text);
        while let Some(event) = parser.next_event() {
            match event {
                Ok((event, span)) => {
                    let span = self.span(span.start.index(), span.end.index());
                    if !self.event(event, span) || self.out.is_full() || self.is_too_much(span) {
                        return false;
                    }
                }
                Err(error) => {
                    self.syntax(text, &error);
                    return false;
                }
            }
        }
        self.out.mark() == before
    }

    /// Whether more is written than a load may have, which has been said.
    fn is_too_much(&mut self, span: Span) -> bool {
        let is_too_much = self.document.len() > limits::VALUES;
        if is_too_much {
            let message = format!("more than {} values are written up to here", limits::VALUES);
            let help = "divide the file among several pipelines".to_owned();
            self.out.push(Diagnostic::error(span, message).help(help));
        }
        is_too_much
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
                return self.open(Open::Map(OpenMap::default()), anchor, tag.as_deref(), span);
            }
            Event::SequenceEnd | Event::MappingEnd => self.close(span),
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => {}
        }
        true
    }

    fn scalar(&mut self, text: String, plain: bool, anchor: usize, tag: Option<&Tag>, span: Span) {
        if let Some(Frame { kind: Open::Map(map), .. }) = self.frames.last_mut()
            && map.key.is_none()
        {
            let is_new = map.hashes.insert(self.hasher.hash_one(&text));
            // Any number of `<<` may be given; looking for the first of each would take the square of it.
            let twice = !is_new && text != MERGE;
            let first = || map.entries.iter().find(|entry| entry.key == text);
            if let Some(first) = if twice { first() } else { None } {
                let twice = format!("the key `{}` is given twice", short(&text));
                self.out.push(Diagnostic::error(span, twice).related(first.span, "first here"));
            }
            if text.is_empty() {
                self.out.push(Diagnostic::error(span, "a key is missing in front of the `:`"));
            }
            map.key = Some((text, span));
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
        if let Some(Frame { kind: Open::Map(map), .. }) = self.frames.last_mut()
            && map.key.is_none()
        {
            self.out.push(Diagnostic::error(span, "an alias cannot be a key"));
            map.key = Some((String::new(), span));
            return;
        }
        let node = target.unwrap_or_else(|| self.document.add(Node { span, key: None, kind: Kind::Broken }));
        self.attach(node);
    }

    fn open(&mut self, mut kind: Open, anchor: usize, tag: Option<&Tag>, span: Span) -> bool {
        if self.frames.len() >= limits::DEPTH {
            self.out.push(too_deep(span));
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
        if self.expects_key() {
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
            Open::Map(map) => self.push(Kind::Map(map.entries), frame.anchor, whole),
            Open::Forgotten => {
                if let Some(Frame { kind: Open::Map(map), .. }) = self.frames.last_mut() {
                    map.key.get_or_insert((String::new(), whole));
                }
            }
        }
    }

    fn push(&mut self, kind: Kind, anchor: usize, span: Span) {
        let key = match self.frames.last() {
            Some(Frame { kind: Open::Map(map), .. }) => map.key.as_ref().map(|(_, key)| *key),
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
            Some(Open::Map(map)) => {
                if let Some((key, span)) = map.key.take() {
                    map.entries.push(Entry { key, span, value: node });
                }
            }
            Some(Open::Forgotten) => {}
        }
    }

    /// Whether a key of a map comes next.
    fn expects_key(&self) -> bool {
        matches!(self.frames.last(), Some(Frame { kind: Open::Map(map), .. }) if map.key.is_none())
    }

    fn unknown_tag(&mut self, tag: &Tag, span: Span) {
        let message = format!("unknown tag `{}`", short(&tag.to_string()));
        self.out.push(Diagnostic::error(span, message).help("the only tag here is `!include`".to_owned()));
    }

    fn syntax(&mut self, text: &str, error: &ScanError) {
        let at = self.span(error.marker().index(), error.marker().index() + 1);
        if error.info().contains("recursion limit") {
            self.out.push(too_deep(at));
            return;
        }
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
        let kept = self.text.get(span.start..span.end).unwrap_or("").trim_end().len();
        Span { end: span.start + kept, ..span }
    }

    /// Character offsets to bytes.
    fn span(&self, start: usize, end: usize) -> Span {
        let at = |index: usize| match &self.offsets {
            None => index.min(self.text.len()),
            Some(offsets) => offsets.at(self.text, index),
        };
        let start = at(start);
        Span { file: self.file, start, end: at(end).max(start) }
    }
}

/// The byte offset of every so many characters: that of each takes eight times the memory of the text.
struct Offsets(Vec<usize>);

impl Offsets {
    const EVERY: usize = 64;

    fn of(text: &str) -> Self {
        Self(text.char_indices().step_by(Self::EVERY).map(|(at, _)| at).collect())
    }

    /// Where a character begins; behind the last one the end.
    fn at(&self, text: &str, character: usize) -> usize {
        let Some(near) = self.0.get(character / Self::EVERY).copied() else { return text.len() };
        let rest = text.get(near..).unwrap_or("");
        rest.char_indices().nth(character % Self::EVERY).map_or(text.len(), |(at, _)| near + at)
    }
}

fn too_deep(span: Span) -> Diagnostic {
    let message = format!("nested deeper than {} levels", limits::DEPTH);
    Diagnostic::error(span, message).help("take levels out: no pipeline needs as many".to_owned())
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
