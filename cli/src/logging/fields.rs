//! The fields of an event as text: nothing that was logged can begin a line of its own or command a terminal.

use std::fmt::{self, Debug, Write};

use tracing::field::{Field, Visit};
use tracing_subscriber::field::RecordFields;
use tracing_subscriber::fmt::FormatFields;
use tracing_subscriber::fmt::format::Writer;

/// `message name=value`, with control characters escaped: `\n` for a newline.
pub(crate) struct Escaped;

impl<'writer> FormatFields<'writer> for Escaped {
    fn format_fields<R: RecordFields>(&self, writer: Writer<'writer>, fields: R) -> fmt::Result {
        let mut visitor = Visitor { writer, first: true, result: Ok(()) };
        fields.record(&mut visitor);
        visitor.result
    }
}

struct Visitor<'writer> {
    writer: Writer<'writer>,
    first: bool,
    result: fmt::Result,
}

impl Visitor<'_> {
    fn write(&mut self, field: &Field, value: &dyn Debug) -> fmt::Result {
        if !std::mem::replace(&mut self.first, false) {
            self.writer.write_char(' ')?;
        }
        let name = field.name().trim_start_matches("r#");
        match (name, self.writer.has_ansi_escapes()) {
            ("message", _) => {}
            (_, true) => write!(self.writer, "\x1b[3m{name}\x1b[0m\x1b[2m=\x1b[0m")?,
            (_, false) => write!(self.writer, "{name}=")?,
        }
        write!(Escaping(&mut self.writer), "{value:?}")
    }
}

impl Visit for Visitor<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        if self.result.is_ok() {
            self.result = self.write(field, value);
        }
    }
}

/// Passes text on, but for characters that are no text.
struct Escaping<'a, W>(&'a mut W);

impl<W: Write> Write for Escaping<'_, W> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for char in text.chars() {
            if is_text(char) {
                self.0.write_char(char)?;
            } else {
                write!(self.0, "{}", char.escape_default())?;
            }
        }
        Ok(())
    }
}

/// Not so: controls, line separators, and marks that turn the direction of what follows.
fn is_text(char: char) -> bool {
    !char.is_control()
        && !matches!(char, '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_text_is_passed_on() {
        let rows = [
            ("plain, with ü and 日本", "plain, with ü and 日本"),
            ("two\nlines\r", "two\\nlines\\r"),
            ("\x1b[2J\u{9b}31m\x07\0\x7f", "\\u{1b}[2J\\u{9b}31m\\u{7}\\u{0}\\u{7f}"),
            ("a\u{202e}b\u{2028}", "a\\u{202e}b\\u{2028}"),
        ];
        for (text, expected) in rows {
            let mut escaped = String::new();
            write!(Escaping(&mut escaped), "{text}").unwrap();
            assert_eq!(escaped, expected);
        }
    }
}
