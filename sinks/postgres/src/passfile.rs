//! Where the password comes from: the option, a file, or a password file of PostgreSQL's own form.

use std::path::{Path, PathBuf};

use smiles_stage::{StageError, read_limited};

use crate::config::PostgresConfig;

/// More than any list of passwords.
const MAX_FILE_BYTES: u64 = 64 << 10;

/// The password to log in with; `None`: the server may not ask for one.
///
/// # Errors
/// Halt: a file that was named cannot be read.
pub(crate) fn password(config: &PostgresConfig) -> Result<Option<String>, StageError> {
    if !config.password.0.is_empty() {
        return Ok(Some(config.password.0.clone()));
    }
    if !config.password_file.is_empty() {
        let text = read(Path::new(&config.password_file))?;
        return Ok(Some(text.lines().next().unwrap_or_default().to_owned()));
    }
    let text = match (config.passfile.as_str(), default_passfile()) {
        ("", None) => return Ok(None),
        // Nobody named it: one that is not there, or is another user's, is no mistake.
        ("", Some(path)) => read_limited(&path, MAX_FILE_BYTES).unwrap_or_default(),
        (path, _) => read(Path::new(path))?,
    };
    Ok(find(&text, [&config.host, &config.port.to_string(), &config.database, &config.user]))
}

fn default_passfile() -> Option<PathBuf> {
    std::env::home_dir().map(|home| home.join(".pgpass"))
}

fn read(path: &Path) -> Result<String, StageError> {
    read_limited(path, MAX_FILE_BYTES).map_err(|error| {
        let message = format!("cannot read the password file {}", path.display());
        StageError::halt(message).because(error)
    })
}

/// The password of the first line whose four fields are these or `*`; a folder of sockets counts as `localhost`.
fn find(text: &str, wanted: [&str; 4]) -> Option<String> {
    text.lines().filter(|line| !line.starts_with('#')).find_map(|line| {
        let fields = split(line);
        let (password, place) = fields.split_last()?;
        let fits = |(field, wanted): (&String, &&str)| {
            field == "*" || field == wanted || (wanted.starts_with('/') && field == "localhost")
        };
        (place.len() == 4 && place.iter().zip(&wanted).all(fits)).then(|| password.clone())
    })
}

/// At most five fields; `\` keeps the character after it from being a separator.
fn split(line: &str) -> Vec<String> {
    let mut fields = vec![String::new()];
    let mut characters = line.chars();
    while let Some(character) = characters.next() {
        let last = fields.len() - 1;
        match character {
            '\\' => fields[last].extend(characters.next()),
            ':' if fields.len() < 5 => fields.push(String::new()),
            other => fields[last].push(other),
        }
    }
    fields
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_file_is_refused_and_not_read() {
        let error = read(Path::new("/dev/zero")).unwrap_err();
        assert_eq!(error.chain(), "cannot read the password file /dev/zero: it is a device, not a file");
        let folder = tempfile::tempdir().unwrap();
        let large = folder.path().join("large");
        std::fs::write(&large, vec![b'x'; (64 << 10) + 1]).unwrap();
        assert!(read(&large).unwrap_err().chain().ends_with("it is larger than 64 KiB"));
    }

    #[test]
    fn the_first_line_that_fits_has_the_password() {
        let file = "# a comment\nother:5432:solar:me:no\n*:5433:*:*:wrong port\ndb\\:1:*:*:me:colon \\: and more: yes\n\
                    db:5432:solar:me:right\n*:*:*:*:any\nlocalhost:1:a:b:socket";
        let cases = [
            (["db", "5432", "solar", "me"], Some("right")),
            (["db:1", "5432", "solar", "me"], Some("colon : and more: yes")),
            (["x", "5432", "solar", "me"], Some("any")),
            (["x", "5433", "solar", "me"], Some("wrong port")),
        ];
        for (wanted, password) in cases {
            assert_eq!(find(file, wanted).as_deref(), password, "{wanted:?}");
        }
        assert_eq!(find("localhost:1:a:b:socket", ["/run/pg", "1", "a", "b"]).as_deref(), Some("socket"));
        assert_eq!(find("too:few:fields", ["a", "b", "c", "d"]), None);
    }
}
