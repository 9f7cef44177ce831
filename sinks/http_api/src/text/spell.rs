//! The small spellings inside option texts: `column as name`, `-column`, path templates, `{name}` in messages.

/// `column as name`: the column and the name it is served under.
pub(crate) fn column(text: &str) -> (&str, &str) {
    match text.split_once(" as ") {
        Some((column, name)) => (column.trim(), name.trim()),
        None => (text.trim(), text.trim()),
    }
}

/// `-column`: the column, and whether largest comes first.
pub(crate) fn order(text: &str) -> (&str, bool) {
    match text.strip_prefix('-') {
        Some(column) => (column.trim(), true),
        None => (text.trim(), false),
    }
}

/// A step of a path template.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step<'a> {
    /// As written.
    Fixed(&'a str),
    /// `{name}`.
    Parameter(&'a str),
}

/// The steps of a path template, or why it is none.
pub(crate) fn template(path: &str) -> Result<Vec<Step<'_>>, String> {
    let Some(rest) = path.strip_prefix('/') else {
        return Err(format!("the path `{path}` does not begin with `/`"));
    };
    rest.split('/').map(step).collect()
}

fn step(text: &str) -> Result<Step<'_>, String> {
    let word = |name: &str| !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    if let Some(name) = text.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) {
        return if word(name) {
            Ok(Step::Parameter(name))
        } else {
            Err(format!("`{text}` is no parameter: write `{{name}}` with letters, digits and `_`"))
        };
    }
    let plain = |c: char| c.is_ascii_alphanumeric() || "-._~".contains(c);
    if text.is_empty() || !text.chars().all(plain) || text == "." || text == ".." {
        return Err(format!("`{text}` is no path segment: letters, digits, `-`, `.`, `_` and `~` are"));
    }
    Ok(Step::Fixed(text))
}

/// The names in braces of a message.
pub(crate) fn placeholders(message: &str) -> Vec<&str> {
    let mut names = Vec::new();
    let mut rest = message;
    while let Some((_, after)) = rest.split_once('{') {
        let Some((name, after)) = after.split_once('}') else { break };
        names.push(name);
        rest = after;
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_orders_and_placeholders_are_read() {
        assert_eq!(column("last_updated as timestamp"), ("last_updated", "timestamp"));
        assert_eq!(column("serial"), ("serial", "serial"));
        assert_eq!(order("-time"), ("time", true));
        assert_eq!(order("time"), ("time", false));
        assert_eq!(placeholders("no {a} at {b}, {"), ["a", "b"]);
    }

    #[test]
    fn templates_are_whole_segments() {
        assert_eq!(
            template("/api/{id}/x.y"),
            Ok(vec![Step::Fixed("api"), Step::Parameter("id"), Step::Fixed("x.y")])
        );
        for bad in ["", "api", "/", "/api/", "/a//b", "/a{b}", "/{}", "/{a b}", "/a b", "/../a", "/{*rest}"] {
            assert!(template(bad).is_err(), "{bad} was taken for a template");
        }
    }
}
