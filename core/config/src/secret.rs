//! Which names stand for secrets: their values are never printed.

/// A name with such a word in it, or one that ends in it (`dbpassword`), is a secret's.
const ENDINGS: &[&str] = &[
    "password",
    "passwort",
    "passwd",
    "passphrase",
    "kennwort",
    "secret",
    "secrets",
    "token",
    "tokens",
    "apikey",
    "credential",
    "credentials",
];

/// The same of words that others end in, too (`bypass`).
const WORDS: &[&str] = &[
    "pass",
    "pwd",
    "pw",
    "auth",
    "oauth",
    "authorization",
    "authorisation",
    "bearer",
    "cookie",
    "cookies",
    "dsn",
    "jwt",
    "psk",
    "dbpass",
    "dbpwd",
    "userpass",
];

/// Pairs of words: a bare `key` is a column.
const PAIRS: &[(&[&str], &str)] = &[
    (&["api", "private", "secret", "access", "signing", "encryption", "tls", "ssl", "shared", "auth"], "key"),
    (&["connection"], "string"),
    (&["pass"], "word"),
];

/// The last word of what names a place, not what is there.
const PLACES: &[&str] = &["file", "path", "folder", "dir", "directory"];

/// Words that are one letter away from a secret's, and words of their own.
const OTHERS: &[&str] = &["taken", "toke", "woken", "tokes"];

/// Whether a variable or field of this name holds a secret: `DB_PASSWORD`, `token`, `api_key`, and what is nearly such a
/// name: a misspelt key has as good a secret behind it. `API_TOKEN_FILE` holds only where it is.
pub(crate) fn is_secret_name(name: &str) -> bool {
    let words = words(name);
    if words.last().is_some_and(|last| PLACES.contains(&last.as_str())) {
        return false;
    }
    let is_pair = |pair: &[String]| {
        PAIRS.iter().any(|(first, second)| first.contains(&pair[0].as_str()) && pair[1] == *second)
    };
    words.iter().any(|word| is_secret_word(word)) || words.windows(2).any(is_pair)
}

fn is_secret_word(word: &str) -> bool {
    // `PASSWORD2` is the second one.
    let word = word.trim_end_matches(|c: char| c.is_ascii_digit());
    WORDS.contains(&word) || ENDINGS.iter().any(|ending| word.ends_with(ending)) || is_near(word)
}

/// One slip away from a word of a secret; a long word may have two.
fn is_near(word: &str) -> bool {
    let is_near = |known: &&&str| {
        let slips = if known.len() >= 8 { 2 } else { 1 };
        // Whoever slips has the first letter right; and most words need no closer look.
        word.as_bytes().first() == known.as_bytes().first()
            && known.len().abs_diff(word.len()) <= slips
            && strsim::damerau_levenshtein(word, known) <= slips
    };
    !OTHERS.contains(&word) && ENDINGS.iter().find(is_near).is_some()
}

/// `DB_PASSWORD`, `dbPassword` and `db-password` are two words each.
fn words(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut lower = false;
    for c in name.chars() {
        if !c.is_alphanumeric() || (c.is_uppercase() && lower) {
            words.push(String::new());
        }
        if c.is_alphanumeric()
            && let Some(word) = words.last_mut()
        {
            word.extend(c.to_lowercase());
        }
        lower = c.is_lowercase();
    }
    words.retain(|word| !word.is_empty());
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_secrets_from_columns() {
        for name in [
            "DB_PASSWORD",
            "password",
            "token",
            "API_TOKEN",
            "apiKey",
            "api_key",
            "client-secret",
            "pass",
            "DB_PASS",
            "pw",
            "MQTT_PW",
            "pwd",
            "auth",
            "Authorization",
            "basic_auth",
            "cookie",
            "DSN",
            "SENTRY_DSN",
            "apikey",
            "MYAPIKEY",
            "private_key",
            "passphrase",
            "credentials",
            "APIToken",
            "PASSWORD2",
            "dbpassword",
            "passwort",
            "pasword",
            "tokn",
            "secrt",
            "passwrod",
            "DB_PASWORD",
            "credentails",
            "connection_string",
        ] {
            assert!(is_secret_name(name), "{name}");
        }
        for name in [
            "key",
            "keys",
            "DB_HOST",
            "keyboard",
            "keyword",
            "primary_key",
            "tokenizer",
            "serial_number",
            "API_TOKEN_FILE",
            "key_file",
            "passes",
            "bypass",
            "author",
            "authority",
            "compass",
            "passfile",
            "PGPASSFILE",
            "password_path",
            "sslkey",
            "DB_SSLKEY",
            "confirm",
            "taken",
            "broken",
            "power",
            "forward",
            "record",
            "sector",
        ] {
            assert!(!is_secret_name(name), "{name}");
        }
    }
}
