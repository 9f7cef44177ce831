//! The words of SQL text, as far as they tell which columns an expression reads.

/// A piece of SQL.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    /// A name or a key word, in lower case.
    Word(String),
    Open,
    Close,
    Comma,
    /// Whatever else: a number, a text, an operator.
    Other,
}

/// The names and key words of an expression.
pub(crate) fn words(expression: &str) -> Vec<String> {
    names(&tokens(expression))
}

/// The words of the CHECK of this name in the text of a table.
pub(crate) fn of_check(table: &str, name: &str) -> Option<Vec<String>> {
    let tokens = tokens(table);
    let named = [word("constraint"), word(&name.to_lowercase()), word("check")];
    let at = tokens.windows(3).position(|three| three == named)?;
    Some(names(parenthesis(&tokens[at + 3..])))
}

/// The words of the expression that makes a generated column, in the text of its table.
pub(crate) fn of_generated(table: &str, column: &str) -> Option<Vec<String>> {
    let (tokens, column) = (tokens(table), word(&column.to_lowercase()));
    let mut depth = 0;
    for (at, token) in tokens.iter().enumerate() {
        match token {
            Token::Open => depth += 1,
            Token::Close => depth -= 1,
            _ => {}
        }
        let begins = matches!(token, Token::Open | Token::Comma) && depth == 1;
        if begins && tokens.get(at + 1) == Some(&column) {
            let rest = &tokens[at + 2..];
            let made = rest.windows(2).position(|two| two == [word("as"), Token::Open])?;
            return Some(names(parenthesis(&rest[made + 1..])));
        }
    }
    None
}

fn word(text: &str) -> Token {
    Token::Word(text.to_owned())
}

fn names(tokens: &[Token]) -> Vec<String> {
    let name = |token: &Token| match token {
        Token::Word(word) => Some(word.clone()),
        _ => None,
    };
    tokens.iter().filter_map(name).collect()
}

/// What stands in the parenthesis that opens here.
fn parenthesis(tokens: &[Token]) -> &[Token] {
    let mut depth = 0;
    for (at, token) in tokens.iter().enumerate() {
        match token {
            Token::Open => depth += 1,
            Token::Close => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return &tokens[..at];
        }
    }
    tokens
}

fn tokens(text: &str) -> Vec<Token> {
    let (mut found, mut rest) = (Vec::new(), text);
    while let Some(first) = rest.chars().next() {
        let (token, length) = match first {
            '(' => (Some(Token::Open), 1),
            ')' => (Some(Token::Close), 1),
            ',' => (Some(Token::Comma), 1),
            '\'' => (Some(Token::Other), quoted(rest, '\'').1),
            '"' | '`' => named(quoted(rest, first)),
            '[' => named(quoted(rest, ']')),
            '-' if rest.starts_with("--") => (None, rest.find('\n').unwrap_or(rest.len())),
            '/' if rest.starts_with("/*") => (None, rest.find("*/").map_or(rest.len(), |end| end + 2)),
            _ if first.is_whitespace() => (None, first.len_utf8()),
            _ if first == '_' || first.is_alphanumeric() || !first.is_ascii() => {
                let part = |letter: char| matches!(letter, '_' | '$') || letter.is_alphanumeric();
                let length = rest.find(|letter: char| !part(letter)).unwrap_or(rest.len());
                let length = length.max(first.len_utf8());
                let is_number = first.is_ascii_digit();
                let token = if is_number { Token::Other } else { Token::Word(rest[..length].to_lowercase()) };
                (Some(token), length)
            }
            _ => (Some(Token::Other), first.len_utf8()),
        };
        found.extend(token);
        rest = &rest[length..];
    }
    found
}

fn named((name, length): (String, usize)) -> (Option<Token>, usize) {
    (Some(Token::Word(name.to_lowercase())), length)
}

/// What is quoted from the first character on, and how long that is; the closing sign may stand doubled within.
fn quoted(text: &str, close: char) -> (String, usize) {
    let mut name = String::new();
    let mut letters = text.char_indices().skip(1).peekable();
    while let Some((at, letter)) = letters.next() {
        if letter != close {
            name.push(letter);
        } else if letters.peek().is_some_and(|(_, next)| *next == close) {
            letters.next();
            name.push(close);
        } else {
            return (name, at + letter.len_utf8());
        }
    }
    (name, text.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_columns_of_an_expression_are_found_however_they_are_written() {
        let table = "CREATE TABLE t ( -- a comment, with (signs
            \"Odd \"\"Name\" TEXT, value REAL CONSTRAINT few CHECK (value < 7 AND note <> 'more, (than'), /* x */
            [of it] INTEGER GENERATED ALWAYS AS (abs(value) + (`Odd \"Name`)) STORED, note DEFAULT (1 + 2))";
        assert_eq!(of_check(table, "few").unwrap(), ["value", "and", "note"]);
        assert_eq!(of_check(table, "value"), None);
        assert_eq!(of_generated(table, "of it").unwrap(), ["abs", "value", "odd \"name"]);
        assert_eq!(of_generated(table, "gone"), None);
        assert_eq!(words("größe > 1e3 or \"x\" is 'y'"), ["größe", "or", "x", "is"]);
        for torn in ["'", "\"a", "[", "/*", "--", "((", "\u{1F600}"] {
            tokens(torn);
        }
    }
}
