//! The files of one load and the nodes parsed from them: every node knows its place. They have secrets in clear and no
//! `Debug`.

use std::ops::Range;

use crate::NodeId;

/// The key of maps whose entries are taken over.
pub(crate) const MERGE: &str = "<<";

/// Which file, in the order they were read; the pipeline file is 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct FileId(pub(crate) usize);

/// A range of bytes of one file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Span {
    pub(crate) file: FileId,
    pub(crate) start: usize,
    pub(crate) end: usize,
}

/// One file as read, line ends as `\n`.
pub(crate) struct Source {
    /// From the tree's root.
    pub(crate) path: String,
    /// For people.
    pub(crate) shown: String,
    pub(crate) text: String,
    /// Secrets written in the file: never printed.
    pub(crate) masked: Vec<Range<usize>>,
}

/// A scalar of the file, its text as written: what it means is up to the schema.
#[derive(Clone, Default)]
pub(crate) struct Scalar {
    pub(crate) text: String,
    /// Neither quoted nor a block: may be a number, a boolean or nothing.
    pub(crate) plain: bool,
    /// Some of the text came through `${}`.
    pub(crate) substituted: bool,
    /// The variables in it, for diagnostics.
    pub(crate) origins: Vec<Origin>,
    pub(crate) secret: bool,
}

/// A variable that gave a scalar its text.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Origin {
    /// As a sentence names it.
    pub(crate) name: String,
    /// `None`: a secret.
    pub(crate) value: Option<String>,
}

/// A key of a map and its value.
#[derive(Clone)]
pub(crate) struct Entry {
    pub(crate) key: String,
    pub(crate) span: Span,
    pub(crate) value: NodeId,
}

/// What a node is.
#[derive(Clone)]
pub(crate) enum Kind {
    Scalar(Scalar),
    List(Vec<NodeId>),
    Map(Vec<Entry>),
    /// `!include`, not yet replaced by the file.
    Include(String),
    /// Something is wrong with it and has been said: nothing below it is looked at.
    Broken,
}

#[derive(Clone)]
pub(crate) struct Node {
    pub(crate) span: Span,
    /// The key it stands under, in the same file.
    pub(crate) key: Option<Span>,
    pub(crate) kind: Kind,
}

impl Node {
    /// How much memory it takes, without the nodes below it.
    pub(crate) fn bytes(&self) -> usize {
        let below = match &self.kind {
            Kind::Scalar(scalar) => scalar.text.len(),
            Kind::List(items) => size_of_val(items.as_slice()),
            Kind::Map(entries) => entries.iter().map(|entry| size_of::<Entry>() + entry.key.len()).sum(),
            Kind::Include(name) => name.len(),
            Kind::Broken => 0,
        };
        size_of::<Self>() + below
    }
}

/// Everything read in one load.
#[derive(Default)]
pub(crate) struct Document {
    pub(crate) sources: Vec<Source>,
    nodes: Vec<Node>,
}

impl Document {
    pub(crate) fn add(&mut self, node: Node) -> NodeId {
        self.nodes.push(node);
        NodeId(self.nodes.len() - 1)
    }

    pub(crate) fn len(&self) -> usize {
        self.nodes.len()
    }

    /// A node of this document; [`NodeId::NOWHERE`] and strangers are none.
    pub(crate) fn get(&self, id: NodeId) -> Option<&Node> {
        self.nodes.get(id.0)
    }

    pub(crate) fn replace(&mut self, id: NodeId, node: Node) {
        if let Some(place) = self.nodes.get_mut(id.0) {
            *place = node;
        }
    }

    pub(crate) fn kind(&self, id: NodeId) -> &Kind {
        self.get(id).map_or(&Kind::Broken, |node| &node.kind)
    }

    pub(crate) fn scalar(&self, id: NodeId) -> Option<&Scalar> {
        match self.kind(id) {
            Kind::Scalar(scalar) => Some(scalar),
            _ => None,
        }
    }

    pub(crate) fn entries(&self, id: NodeId) -> &[Entry] {
        match self.kind(id) {
            Kind::Map(entries) => entries,
            _ => &[],
        }
    }

    pub(crate) fn entry(&self, id: NodeId, key: &str) -> Option<&Entry> {
        self.entries(id).iter().find(|entry| entry.key == key)
    }

    /// Where to point when something is wrong with the node as a whole: a scalar itself, else its key,
    /// else its first key or its first line.
    pub(crate) fn anchor(&self, id: NodeId) -> Option<Span> {
        let node = self.get(id)?;
        let own = match &node.kind {
            Kind::Scalar(_) | Kind::Include(_) | Kind::Broken => {
                (node.span.start < node.span.end).then_some(node.span)
            }
            Kind::Map(_) | Kind::List(_) => None,
        };
        let first_key = || match &node.kind {
            Kind::Map(entries) => entries.first().map(|entry| entry.span),
            _ => None,
        };
        own.or(node.key).or_else(first_key).or_else(|| Some(self.first_line(node.span)))
    }

    /// The span cut at its first line end.
    fn first_line(&self, span: Span) -> Span {
        let text = self.slice(span);
        Span { end: span.start + text.find('\n').unwrap_or(text.len()), ..span }
    }

    /// The text of a span; empty where it is not one.
    pub(crate) fn slice(&self, span: Span) -> &str {
        self.sources.get(span.file.0).and_then(|source| source.text.get(span.start..span.end)).unwrap_or("")
    }

    /// Line and column, both from 1, the column in characters.
    pub(crate) fn line_column(&self, span: Span) -> (usize, usize) {
        let before = self.slice(Span { start: 0, end: span.start, ..span });
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
    }
}
