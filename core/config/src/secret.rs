//! What must never be printed: which names stand for secrets, and how their values are kept out of texts.

/// What stands in a secret's place.
pub(crate) const REDACTED: &str = "***";

/// Shorter secrets are hidden only where they are quoted: hiding every `ab` would tell more than it hides.
const SHORT: usize = 4;

const WORDS: &[&str] = &[
    "password",
    "passwd",
    "passphrase",
    "pwd",
    "token",
    "tokens",
    "secret",
    "secrets",
    "apikey",
    "credential",
    "credentials",
];

/// Words in front of `key` that make it a secret; a bare `key` is a column.
const KEYS: &[&str] = &["api", "private", "secret", "access", "signing", "encryption", "tls", "ssl"];

/// The last word of what names a place, not what is there.
const PLACES: &[&str] = &["file", "path", "folder", "dir", "directory"];

/// Whether a variable or field of this name holds a secret: `DB_PASSWORD`, `token`, `api_key`. `API_TOKEN_FILE` holds
/// only where it is.
pub(crate) fn is_secret_name(name: &str) -> bool {
    let words = words(name);
    if words.last().is_some_and(|last| PLACES.contains(&last.as_str())) {
        return false;
    }
    let key_pair = |pair: &[String]| pair[1] == "key" && KEYS.contains(&pair[0].as_str());
    words.iter().any(|word| WORDS.contains(&word.as_str()) || word.ends_with("password"))
        || words.windows(2).any(key_pair)
}

/// The text with every secret in it replaced.
pub(crate) fn redact(text: &str, secrets: &[String]) -> String {
    let mut out = text.to_owned();
    for secret in secrets {
        if secret.chars().count() >= SHORT {
            out = out.replace(secret, REDACTED);
        } else {
            for quote in ['`', '"', '\''] {
                out = out.replace(&format!("{quote}{secret}{quote}"), &format!("{quote}{REDACTED}{quote}"));
            }
        }
    }
    out
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
        for name in ["DB_PASSWORD", "password", "token", "API_TOKEN", "apiKey", "api_key", "client-secret"] {
            assert!(is_secret_name(name), "{name}");
        }
        for name in [
            "key",
            "keys",
            "DB_HOST",
            "keyboard",
            "primary_key",
            "tokenizer",
            "serial_number",
            "API_TOKEN_FILE",
            "key_file",
        ] {
            assert!(!is_secret_name(name), "{name}");
        }
    }

    #[test]
    fn secrets_vanish_from_texts() {
        let secrets = ["hunter22".to_owned(), "ab".to_owned()];
        assert_eq!(redact("hunter22 in tables, `ab`", &secrets), "*** in tables, `***`");
    }
}
