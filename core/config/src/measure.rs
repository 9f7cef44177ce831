//! What a tree comes to once every alias stands in its place: known in one pass over what is written, before anything is
//! copied.

use crate::NodeId;
use crate::diagnostic::Diagnostic;
use crate::document::{Document, Kind};
use crate::limits;
use crate::redact::passwords;
use crate::secret::is_secret_name;

/// Of one node and all below it.
#[derive(Clone, Copy)]
pub(crate) struct Measure {
    /// How many values.
    pub(crate) weight: u64,
    height: usize,
    /// Nothing in it is replaced or hidden, whoever names it: it need not be copied.
    pub(crate) is_plain: bool,
}

/// By node; those made later have none.
#[derive(Default)]
pub(crate) struct Measures(Vec<Option<Measure>>);

impl Measures {
    pub(crate) fn get(&self, id: NodeId) -> Option<Measure> {
        self.0.get(id.0).copied().flatten()
    }
}

/// Measures everything below `root`.
///
/// # Errors
/// It is too deep, or too much.
pub(crate) fn measure(document: &Document, root: NodeId) -> Result<Measures, Box<Diagnostic>> {
    let mut measures = Measures(vec![None; document.len()]);
    // What is open, and how many of its children are measured. Neither calls nor this list get deeper than the limit.
    let mut open: Vec<(NodeId, usize)> = vec![(root, 0)];
    while let Some((id, done)) = open.last_mut() {
        let id = *id;
        if let Some(child) = child(document.kind(id), *done) {
            *done += 1;
            if measures.get(child).is_none() {
                if open.len() >= limits::DEPTH {
                    return Err(Box::new(too_deep(document, child)));
                }
                open.push((child, 0));
            }
            continue;
        }
        open.pop();
        let own = sum(document.kind(id), &measures);
        if own.height > limits::DEPTH {
            return Err(Box::new(too_deep(document, id)));
        }
        if own.weight > limits::EXPANDED {
            return Err(Box::new(too_much(document, id)));
        }
        if let Some(place) = measures.0.get_mut(id.0) {
            *place = Some(own);
        }
    }
    Ok(measures)
}

fn child(kind: &Kind, index: usize) -> Option<NodeId> {
    match kind {
        Kind::List(items) => items.get(index).copied(),
        Kind::Map(entries) => entries.get(index).map(|entry| entry.value),
        Kind::Scalar(_) | Kind::Include(_) | Kind::Broken => None,
    }
}

/// A node's measure from those of its children.
fn sum(kind: &Kind, measures: &Measures) -> Measure {
    let mut own = Measure { weight: 1, height: 1, is_plain: true };
    let mut add = |id: NodeId| {
        let Some(below) = measures.get(id) else { return };
        own.weight = own.weight.saturating_add(below.weight);
        own.height = own.height.max(below.height + 1);
        own.is_plain &= below.is_plain;
    };
    match kind {
        Kind::List(items) => items.iter().for_each(|item| add(*item)),
        Kind::Map(entries) => {
            entries.iter().for_each(|entry| add(entry.value));
            own.weight += entries.iter().map(|entry| extra(&entry.key)).sum::<u64>();
            own.is_plain &= !entries.iter().any(|entry| is_secret_name(&entry.key));
        }
        Kind::Scalar(scalar) => {
            // Each variable in it becomes a value of its own, while it is resolved.
            own.weight += extra(&scalar.text) + scalar.text.matches("${").count() as u64;
            own.is_plain = !scalar.text.contains("${") && passwords(&scalar.text).is_empty();
        }
        Kind::Include(_) | Kind::Broken => {}
    }
    own
}

/// What a long text counts for beside the value itself.
pub(crate) fn extra(text: &str) -> u64 {
    (text.len() / limits::BYTES_PER_VALUE) as u64
}

fn too_deep(document: &Document, id: NodeId) -> Diagnostic {
    let message =
        format!("nested deeper than {} levels, aliases and includes in their places", limits::DEPTH);
    let help = "take levels out: an alias of an alias of an alias is as deep as all of them together";
    Diagnostic::error(document.anchor(id), message).help(help.to_owned())
}

fn too_much(document: &Document, id: NodeId) -> Diagnostic {
    let message =
        format!("more than {} values, aliases, merges and includes in their places", limits::EXPANDED);
    let help = "take aliases of aliases out, or divide the file among several pipelines";
    Diagnostic::error(document.anchor(id), message).help(help.to_owned())
}
