//! `${VAR}`, `${VAR:-default}`, `${VAR:?message}`, `${file:path}`, `${json:VAR:-}` in the text of a scalar.

use std::ops::Range;

/// Nested defaults deeper than this are nobody's intention.
const MAX_NESTING: usize = 16;

/// A piece of a scalar's text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    Text(String),
    Reference(Reference),
}

/// One `${...}`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reference {
    pub(crate) form: Form,
    /// In the text it was parsed from.
    pub(crate) range: Range<usize>,
}

/// What a `${...}` asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    Variable { name: String, otherwise: Otherwise },
    File(Vec<Part>),
    Json { name: String, optional: bool },
}

/// What to do about an unset variable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Otherwise {
    Fail,
    Default(Vec<Part>, String),
    Message(Vec<Part>),
}

/// Why a text cannot be read, and which part of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Malformed {
    pub(crate) range: Range<usize>,
    pub(crate) message: String,
    pub(crate) help: Option<String>,
}

/// The parts of a text.
pub(crate) fn parse(text: &str) -> Result<Vec<Part>, Malformed> {
    let mut reader = Reader { text, at: 0 };
    let (parts, _) = reader.parts(0, false)?;
    Ok(parts)
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl Reader<'_> {
    /// Up to the end, or to the `}` that closes the reference around it.
    fn parts(&mut self, depth: usize, inside: bool) -> Result<(Vec<Part>, bool), Malformed> {
        let (mut parts, mut text, mut braces) = (Vec::new(), String::new(), 0_usize);
        loop {
            let rest = &self.text[self.at..];
            let Some(c) = rest.chars().next() else {
                flush(&mut parts, &mut text);
                return Ok((parts, false));
            };
            if rest.starts_with("$${") {
                text.push_str("${");
                self.at += 3;
                // The escaped reference keeps its own closing brace.
                braces += usize::from(inside);
            } else if rest.starts_with("${") {
                flush(&mut parts, &mut text);
                parts.push(Part::Reference(self.reference(depth + 1)?));
            } else if inside && c == '}' && braces == 0 {
                flush(&mut parts, &mut text);
                return Ok((parts, true));
            } else {
                match c {
                    '{' => braces += 1,
                    '}' => braces = braces.saturating_sub(1),
                    _ => {}
                }
                text.push(c);
                self.at += c.len_utf8();
            }
        }
    }

    /// From `${` to past its `}`.
    fn reference(&mut self, depth: usize) -> Result<Reference, Malformed> {
        let start = self.at;
        if depth > MAX_NESTING {
            return Err(self.malformed(start, "defaults are nested too deeply", None));
        }
        self.at += 2;
        let name = self.name();
        let form = match (name.as_str(), self.peek()) {
            ("file", Some(':')) => {
                self.at += 1;
                let (path, closed) = self.parts(depth, true)?;
                self.finish(start, closed)?;
                Form::File(path)
            }
            ("json", Some(':')) => {
                self.at += 1;
                let name = self.name();
                let optional = self.text[self.at..].starts_with(":-");
                self.at += if optional { 2 } else { 0 };
                let closed = self.peek() == Some('}');
                self.finish(start, closed)?;
                self.named(start, &name)?;
                Form::Json { name, optional }
            }
            _ => {
                self.named(start, &name)?;
                let otherwise = self.otherwise(start, depth, &name)?;
                Form::Variable { name, otherwise }
            }
        };
        Ok(Reference { form, range: start..self.at })
    }

    fn otherwise(&mut self, start: usize, depth: usize, name: &str) -> Result<Otherwise, Malformed> {
        let rest = &self.text[self.at..];
        if rest.starts_with('}') {
            self.at += 1;
            return Ok(Otherwise::Fail);
        }
        let form = rest.get(..2);
        if !matches!(form, Some(":-" | ":?")) {
            if rest.is_empty() {
                return Err(self.unclosed(start));
            }
            let message =
                format!("`${{{name}` is followed by `{}`", rest.chars().take(1).collect::<String>());
            let help = "write `${NAME}`, `${NAME:-default}` or `${NAME:?message}`; `$${` is a plain `${`";
            return Err(self.malformed(start, message, Some(help)));
        }
        let default = form == Some(":-");
        self.at += 2;
        let from = self.at;
        let (parts, closed) = self.parts(depth, true)?;
        let raw = self.text[from..self.at].to_owned();
        self.finish(start, closed)?;
        Ok(if default { Otherwise::Default(parts, raw) } else { Otherwise::Message(parts) })
    }

    fn name(&mut self) -> String {
        let rest = &self.text[self.at..];
        let end =
            rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_' && c != '.').unwrap_or(rest.len());
        self.at += end;
        rest[..end].to_owned()
    }

    fn peek(&self) -> Option<char> {
        self.text[self.at..].chars().next()
    }

    fn finish(&mut self, start: usize, closed: bool) -> Result<(), Malformed> {
        if !closed {
            return Err(self.unclosed(start));
        }
        self.at += 1;
        Ok(())
    }

    fn named(&self, start: usize, name: &str) -> Result<(), Malformed> {
        let dotted = name.strip_prefix("item.").unwrap_or(name);
        let good = dotted.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') && !dotted.contains('.');
        if good {
            return Ok(());
        }
        if self.at >= self.text.len() && name.is_empty() {
            return Err(self.unclosed(start));
        }
        let help = "a name has letters, digits and `_`; `$${` is a plain `${`";
        Err(self.malformed(start, format!("`{name}` is not the name of a variable"), Some(help)))
    }

    fn unclosed(&self, start: usize) -> Malformed {
        let help = "close it with `}`; `$${` is a plain `${`";
        self.malformed(start, "this `${` has no `}`", Some(help))
    }

    fn malformed(&self, start: usize, message: impl Into<String>, help: Option<&str>) -> Malformed {
        let end = self.at.clamp(start, self.text.len());
        Malformed { range: start..end, message: message.into(), help: help.map(str::to_owned) }
    }
}

fn flush(parts: &mut Vec<Part>, text: &mut String) {
    if !text.is_empty() {
        parts.push(Part::Text(std::mem::take(text)));
    }
}

/// Every reference in the parts, defaults and messages included.
pub(crate) fn references<'a>(parts: &'a [Part], found: &mut Vec<&'a Reference>) {
    for part in parts {
        let Part::Reference(reference) = part else { continue };
        found.push(reference);
        match &reference.form {
            Form::Variable {
                otherwise: Otherwise::Default(inner, _) | Otherwise::Message(inner), ..
            }
            | Form::File(inner) => {
                references(inner, found);
            }
            Form::Variable { otherwise: Otherwise::Fail, .. } | Form::Json { .. } => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The parts in one line: texts as they are, references in angle brackets.
    fn shown(parts: &[Part]) -> String {
        let mut out = String::new();
        for part in parts {
            match part {
                Part::Text(text) => out.push_str(text),
                Part::Reference(reference) => {
                    let inner = match &reference.form {
                        Form::Variable { name, otherwise: Otherwise::Fail } => name.clone(),
                        Form::Variable { name, otherwise: Otherwise::Default(parts, _) } => {
                            format!("{name} or {}", shown(parts))
                        }
                        Form::Variable { name, otherwise: Otherwise::Message(parts) } => {
                            format!("{name} else {}", shown(parts))
                        }
                        Form::File(path) => format!("file {}", shown(path)),
                        Form::Json { name, optional } => format!("json {name} {optional}"),
                    };
                    out.push_str(&format!("<{inner}>"));
                }
            }
        }
        out
    }

    #[test]
    fn texts_split_at_references() {
        let rows = [
            ("plain", "plain"),
            ("${A}", "<A>"),
            ("a${A}b${B}c", "a<A>b<B>c"),
            ("${A:-}", "<A or >"),
            (
                "tcp://${item.host:-${DTU_HOST}}:${item.port:-${DTU_PORT:-502}}",
                "tcp://<item.host or <DTU_HOST>>:<item.port or <DTU_PORT or 502>>",
            ),
            ("${A:?set it}", "<A else set it>"),
            ("${file:/run/secrets/db}", "<file /run/secrets/db>"),
            ("${json:DTU_CONFIGS:-}", "<json DTU_CONFIGS true>"),
            ("${json:DTU_CONFIGS}", "<json DTU_CONFIGS false>"),
            ("$${A} costs $5", "${A} costs $5"),
            ("${A:-$${B}}", "<A or ${B}>"),
            ("${A:-{\"x\":1}}", "<A or {\"x\":1}>"),
            ("100 % {} $", "100 % {} $"),
        ];
        for (text, expected) in rows {
            assert_eq!(parse(text).map(|parts| shown(&parts)), Ok(expected.to_owned()), "{text}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_named() {
        let rows = [
            ("${A", 0..3, "this `${` has no `}`"),
            ("x ${", 2..4, "this `${` has no `}`"),
            ("${A:-${B}", 0..9, "this `${` has no `}`"),
            ("${}", 0..2, "`` is not the name of a variable"),
            ("${1A}", 0..4, "`1A` is not the name of a variable"),
            ("${a.b}", 0..5, "`a.b` is not the name of a variable"),
            ("${A-b}", 0..3, "`${A` is followed by `-`"),
            ("${A b}", 0..3, "`${A` is followed by ` `"),
        ];
        for (text, range, message) in rows {
            let malformed = parse(text).unwrap_err();
            assert_eq!((malformed.range, malformed.message.as_str()), (range, message), "{text}");
        }
        let deep = "${A:-".repeat(30) + &"}".repeat(30);
        assert_eq!(parse(&deep).unwrap_err().message, "defaults are nested too deeply");
    }
}
