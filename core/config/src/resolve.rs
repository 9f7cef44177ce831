//! `${}` in the scalars of the tree. A value never changes the structure: it is the text of one scalar.

use smiles_stage::did_you_mean;

use crate::declarations::unread;
use crate::diagnostic::Diagnostic;
use crate::document::{Entry, Kind, Node, Origin, Scalar, Span};
use crate::each::Items;
use crate::expression::{Form, Malformed, Otherwise, Part, Reference, parse};
use crate::loader::Loader;
use crate::redact::without_passwords;
use crate::secret::is_secret_name;
use crate::tree::{beside, reason};
use crate::{NodeId, limits};

/// More variables of one text than this explain nothing.
const MOST_ORIGINS: usize = 8;
/// More characters of a value than this neither.
const LONGEST_SHOWN: usize = 200;

/// What a text came from.
#[derive(Default)]
pub(crate) struct Sources {
    pub(crate) substituted: bool,
    pub(crate) secret: bool,
    pub(crate) origins: Vec<Origin>,
}

/// A value is missing and it has been said why.
struct Failed;

impl Loader<'_> {
    /// The subtree with every `${}` replaced: a copy, or the subtree itself where it has none.
    pub(crate) fn resolve(&mut self, id: NodeId, items: &Items<'_>, secret: bool) -> NodeId {
        if !secret && self.measures.get(id).is_some_and(|measure| measure.is_plain) {
            return id;
        }
        if !self.may_copy(id) {
            return NodeId::NOWHERE;
        }
        let Some(node) = self.document.get(id).cloned() else { return NodeId::NOWHERE };
        let kind = match node.kind {
            Kind::Scalar(scalar) => self.scalar(id, scalar, node.span, items, secret),
            Kind::List(list) => {
                Kind::List(list.into_iter().map(|item| self.resolve(item, items, secret)).collect())
            }
            Kind::Map(entries) => Kind::Map(self.entries(entries, items, secret)),
            other @ (Kind::Include(_) | Kind::Broken) => other,
        };
        self.document.add(Node { kind, ..node })
    }

    /// Whether there is room for a copy of this node, without those below it; it has been said if not.
    fn may_copy(&mut self, id: NodeId) -> bool {
        let own = self.document.get(id).map_or(0, Node::bytes);
        let before = self.copied;
        self.copied = before.saturating_add(own);
        if before <= limits::COPIED_BYTES && self.copied > limits::COPIED_BYTES {
            let most = limits::COPIED_BYTES >> 20;
            let message = format!("`for_each` and variables make more than {most} MiB of copies");
            let help = "divide the devices among several pipelines".to_owned();
            self.out.push(Diagnostic::error(self.document.anchor(id), message).help(help));
        }
        !self.is_flooded()
    }

    /// Whether resolving was given up, which has been said.
    pub(crate) fn is_flooded(&self) -> bool {
        self.copied > limits::COPIED_BYTES || self.substituted > limits::SUBSTITUTED_BYTES
    }

    fn entries(&mut self, entries: Vec<Entry>, items: &Items<'_>, secret: bool) -> Vec<Entry> {
        let resolve = |entry: Entry| {
            let secret = secret || is_secret_name(&entry.key);
            Entry { value: self.resolve(entry.value, items, secret), ..entry }
        };
        entries.into_iter().map(resolve).collect()
    }

    fn scalar(&mut self, id: NodeId, scalar: Scalar, span: Span, items: &Items<'_>, secret: bool) -> Kind {
        if !scalar.text.contains("${") {
            self.secrets.add_passwords(&scalar.text);
            if secret && !scalar.text.is_empty() {
                self.secrets.add(&scalar.text);
                if let Some(source) = self.document.sources.get_mut(span.file.0) {
                    source.masked.push(span.start..span.end);
                }
            }
            return Kind::Scalar(Scalar { secret, ..scalar });
        }
        let Some((text, sources)) = self.substitute(id, &scalar.text, items) else { return Kind::Broken };
        let secret = secret || sources.secret;
        if secret {
            self.secrets.add(&text);
        }
        self.secrets.add_passwords(&text);
        let substituted = scalar.substituted || sources.substituted;
        Kind::Scalar(Scalar { text, substituted, origins: sources.origins, secret, ..scalar })
    }

    /// The text with its references replaced; `None`: it has been said what is missing.
    pub(crate) fn substitute(
        &mut self,
        id: NodeId,
        text: &str,
        items: &Items<'_>,
    ) -> Option<(String, Sources)> {
        let parts = match parse(text) {
            Ok(parts) => parts,
            Err(malformed) => {
                self.malformed(id, text, malformed);
                return None;
            }
        };
        let mut sources = Sources::default();
        let mut context = Context { id, text, items, sources: &mut sources };
        let text = self.parts(&parts, &mut context).ok()?;
        Some((text, sources))
    }

    fn parts(&mut self, parts: &[Part], context: &mut Context<'_>) -> Result<String, Failed> {
        let (mut out, mut failed) = (String::new(), false);
        for (index, part) in parts.iter().enumerate() {
            match part {
                Part::Text(text) if self.has_room(text, context) => out.push_str(text),
                Part::Text(_) => failed = true,
                Part::Reference(reference) => match self.reference(reference, context) {
                    Ok(value) if self.has_room(&value, context) => {
                        if is_password(&out, parts.get(index + 1)) && !value.is_empty() {
                            self.secrets.add(&value);
                            context.sources.secret = true;
                        }
                        out.push_str(&value);
                    }
                    Ok(_) | Err(Failed) => failed = true,
                },
            }
            if self.is_flooded() {
                return Err(Failed);
            }
        }
        if failed { Err(Failed) } else { Ok(out) }
    }

    /// Whether this may be put into a text beside all that was; it has been said if not.
    fn has_room(&mut self, value: &str, context: &Context<'_>) -> bool {
        let before = self.substituted;
        self.substituted = before.saturating_add(value.len());
        if before <= limits::SUBSTITUTED_BYTES && self.substituted > limits::SUBSTITUTED_BYTES {
            let most = limits::SUBSTITUTED_BYTES >> 20;
            let message = format!("texts with variables and files in them come to more than {most} MiB");
            self.out.push(Diagnostic::error(self.document.anchor(context.id), message));
        }
        self.substituted <= limits::SUBSTITUTED_BYTES
    }

    fn reference(&mut self, reference: &Reference, context: &mut Context<'_>) -> Result<String, Failed> {
        context.sources.substituted = true;
        match &reference.form {
            Form::Variable { name, otherwise } => self.variable(reference, name, otherwise, context),
            Form::File(path) => self.secret_file(reference, path, context),
            Form::Json { .. } => {
                let message = "`${json:...}` is for `for_each` alone";
                let help =
                    "a list in a variable makes several sources: `for_each: ${json:NAME:-}`".to_owned();
                Err(self.fail(reference, context, message, Some(help)))
            }
        }
    }

    fn variable(
        &mut self,
        reference: &Reference,
        name: &str,
        otherwise: &Otherwise,
        context: &mut Context<'_>,
    ) -> Result<String, Failed> {
        if self.declarations.is_bad(name) {
            return Err(Failed);
        }
        let value = match name.strip_prefix("item.") {
            Some(field) => match context.items {
                Items::Outside => {
                    let help = "give the source a `for_each:`".to_owned();
                    let message = format!("`{name}` has a meaning only in a source with `for_each`");
                    return Err(self.fail(reference, context, message, Some(help)));
                }
                Items::Unset => None,
                Items::Set(item) => item.values.get(field).cloned(),
            },
            None => self.environment.get(name).map(|value| self.declarations.trim(name, value).to_owned()),
        };
        match (value, otherwise) {
            (Some(value), Otherwise::Fail) => Ok(self.taken(name, value, context)),
            (Some(value), _) if !value.is_empty() => Ok(self.taken(name, value, context)),
            (_, Otherwise::Default(parts, _)) => {
                if is_secret_name(name) || self.declarations.is_secret(name) {
                    context.sources.secret = true;
                }
                self.parts(parts, context)
            }
            (value, Otherwise::Message(parts)) => {
                let state = if value.is_some() { "empty" } else { "not set" };
                let said = self.parts(parts, context)?;
                // The message says what to do.
                let help =
                    if said.is_empty() { self.unset_help(name, context.items) } else { self.near(name) };
                let said = if said.is_empty() { String::new() } else { format!(": {said}") };
                Err(self.fail(reference, context, format!("`{name}` is {state}{said}"), help))
            }
            (None, Otherwise::Fail) => {
                let help = self.unset_help(name, context.items);
                Err(self.fail(reference, context, format!("`{name}` is not set"), help))
            }
        }
    }

    fn taken(&mut self, name: &str, value: String, context: &mut Context<'_>) -> String {
        let field = name.strip_prefix("item.").unwrap_or(name);
        let is_named = is_secret_name(field) || self.declarations.is_secret(name);
        let secret = is_named || self.secrets.has(&value);
        if secret {
            context.sources.secret = true;
            self.secrets.add(&value);
        }
        let shown = match context.items {
            Items::Set(item) if name.starts_with("item.") => format!("`{field}` of {}", item.shown),
            _ => format!("`{name}`"),
        };
        if context.sources.origins.len() < MOST_ORIGINS {
            let cut = || without_passwords(&value).chars().take(LONGEST_SHOWN).collect();
            context.sources.origins.push(Origin { name: shown, value: (!secret).then(cut) });
        }
        value
    }

    fn secret_file(
        &mut self,
        reference: &Reference,
        path: &[Part],
        context: &mut Context<'_>,
    ) -> Result<String, Failed> {
        let path = self.parts(path, context)?;
        let from = self.document.get(context.id).map(|node| node.span.file.0);
        let from =
            from.and_then(|file| self.document.sources.get(file)).map_or("", |source| source.path.as_str());
        let path = beside(from, path.trim());
        match self.tree.read(&path) {
            Ok(text) if text.len() > limits::SECRET_BYTES => {
                let most = limits::SECRET_BYTES >> 10;
                let message = format!("cannot read {}: it is larger than {most} KiB", self.tree.shown(&path));
                Err(self.fail(reference, context, message, None))
            }
            Ok(text) => {
                context.sources.secret = true;
                let value = text.trim_end_matches(['\n', '\r']).to_owned();
                self.secrets.add(&value);
                Ok(value)
            }
            Err(error) => {
                let message = format!("cannot read {}: {}", self.tree.shown(&path), reason(&error));
                Err(self.fail(reference, context, message, None))
            }
        }
    }

    /// What an operator can do about an unset variable.
    fn unset_help(&mut self, name: &str, items: &Items<'_>) -> Option<String> {
        if let Some(field) = name.strip_prefix("item.") {
            return Some(match items {
                Items::Set(item) => {
                    format!("{} has no `{field}`; give it one, or a default: `${{{name}:-...}}`", item.shown)
                }
                _ => format!("give it a default: `${{{name}:-...}}`"),
            });
        }
        if let Some(near) = self.near(name) {
            return Some(near);
        }
        let about = self.declarations.about(name).map(|about| format!(" ({about})")).unwrap_or_default();
        Some(format!("set {name}{about} in the environment, or give it a default: `${{{name}:-...}}`"))
    }

    /// A variable of nearly that name that is set; with this said, the warning that nothing reads it says nothing more.
    fn near(&mut self, name: &str) -> Option<String> {
        if self.out.is_full() {
            return None;
        }
        // What the file knows under its own name is no misspelling of another.
        let known = |other: &str| other == name || self.declarations.about(other).is_some();
        let others = self.environment.names().filter(|other| !known(other));
        let near = did_you_mean(name, others)?;
        let near = near.strip_prefix("did you mean `")?.strip_suffix("`?")?;
        self.out.take_back(&unread(near));
        Some(format!("`{near}` is set; it must be called `{name}`"))
    }

    fn fail(
        &mut self,
        reference: &Reference,
        context: &Context<'_>,
        message: impl Into<String>,
        help: Option<String>,
    ) -> Failed {
        if self.out.is_full() {
            self.out.push(Diagnostic::error(None, message));
            return Failed;
        }
        let text = context.text.get(reference.range.clone()).unwrap_or("");
        // A long message in the file is not underlined: its name is what counts.
        let length = match &reference.form {
            Form::Variable { name, otherwise: Otherwise::Message(_) } => "${".len() + name.len(),
            _ => text.len(),
        };
        let span = self.within(context.id, text).map(|span| match span.end - span.start == text.len() {
            true => Span { end: span.start + length, ..span },
            false => span,
        });
        self.out.push(Diagnostic::error(span, message).help(help));
        Failed
    }

    fn malformed(&mut self, id: NodeId, text: &str, malformed: Malformed) {
        let span = self.within(id, text.get(malformed.range).unwrap_or(""));
        self.out.push(Diagnostic::error(span, malformed.message).help(malformed.help));
    }

    /// Where a piece of a scalar's text stands in the file; the whole scalar where escapes hide it.
    pub(crate) fn within(&self, id: NodeId, piece: &str) -> Option<Span> {
        let whole = self.document.get(id)?.span;
        let found = (!piece.is_empty()).then(|| self.document.slice(whole).find(piece)).flatten();
        let start = whole.start + found.unwrap_or(0);
        Some(match found {
            Some(_) => Span { start, end: start + piece.len(), ..whole },
            None => whole,
        })
    }
}

/// Whether what comes between is the password of an address, whatever characters it has: `x://user:` before, `@` behind.
fn is_password(before: &str, next: Option<&Part>) -> bool {
    let of_user = |(_, user): (&str, &str)| user.ends_with(':') && !user.contains('/');
    let is_host = matches!(next, Some(Part::Text(text)) if text.starts_with('@'));
    is_host && before.rsplit_once("://").is_some_and(of_user)
}

/// The scalar that is being resolved.
struct Context<'a> {
    id: NodeId,
    text: &'a str,
    items: &'a Items<'a>,
    sources: &'a mut Sources,
}
