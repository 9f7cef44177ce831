//! Where files come from: a folder on disk, the copies in the binary, or one behind the other.

use std::collections::BTreeSet;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use smiles_stage::{Files, read_limited};

/// More than any configuration; keeps a device file or a database from being read as YAML.
const MAX_FILE_BYTES: u64 = 8 << 20;

/// Files by path, `/` between the parts, relative to one root.
pub trait Tree: Send + Sync {
    /// The whole file as text.
    ///
    /// # Errors
    /// What the file system says; `InvalidData` where it is not UTF-8.
    fn read(&self, path: &str) -> io::Result<String>;

    /// The names of the files directly in a folder, sorted.
    ///
    /// # Errors
    /// What the file system says.
    fn list(&self, folder: &str) -> io::Result<Vec<String>>;

    /// The path as people see it in diagnostics.
    fn shown(&self, path: &str) -> String;

    /// The path as programs see it; `None` where only absolute paths lead anywhere.
    fn on_disk(&self, path: &str) -> Option<PathBuf> {
        path.starts_with('/').then(|| PathBuf::from(path))
    }
}

/// Files on disk below a folder; absolute paths lead anywhere.
#[derive(Clone, Debug)]
pub struct Folder(pub PathBuf);

/// Files compiled into the binary: path and text.
#[derive(Clone, Copy, Debug)]
pub struct Embedded(pub &'static [(&'static str, &'static str)]);

/// A tree in front of another: a file missing in the first is looked for in the second.
pub struct Layered<A, B>(pub A, pub B);

impl Folder {
    /// The files below `folder`; empty is the current one.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self(folder.into())
    }
}

impl Embedded {
    /// Paths relative to the root, `/` between the parts.
    pub const fn new(files: &'static [(&'static str, &'static str)]) -> Self {
        Self(files)
    }
}

impl<A: Tree, B: Tree> Layered<A, B> {
    /// `first` hides files of `second`.
    pub const fn new(first: A, second: B) -> Self {
        Self(first, second)
    }
}

impl Tree for Folder {
    fn read(&self, path: &str) -> io::Result<String> {
        read_limited(&self.0.join(path), MAX_FILE_BYTES)
    }

    fn list(&self, folder: &str) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in std::fs::read_dir(self.0.join(folder))? {
            let entry = entry?;
            if entry.path().is_file()
                && let Ok(name) = entry.file_name().into_string()
            {
                names.push(name);
            }
        }
        names.sort();
        Ok(names)
    }

    fn shown(&self, path: &str) -> String {
        let shown = self.0.join(path);
        shown.strip_prefix(".").unwrap_or(&shown).display().to_string()
    }

    fn on_disk(&self, path: &str) -> Option<PathBuf> {
        Some(self.0.join(path))
    }
}

impl Tree for Embedded {
    fn read(&self, path: &str) -> io::Result<String> {
        let found = self.0.iter().find(|(name, _)| *name == path);
        found.map(|(_, text)| (*text).to_owned()).ok_or_else(missing)
    }

    fn list(&self, folder: &str) -> io::Result<Vec<String>> {
        let prefix =
            if folder.is_empty() { String::new() } else { format!("{}/", folder.trim_end_matches('/')) };
        let inside = self.0.iter().filter_map(|(name, _)| name.strip_prefix(&prefix));
        let names: BTreeSet<&str> = inside.filter(|name| !name.contains('/')).collect();
        if names.is_empty() {
            return Err(missing());
        }
        Ok(names.into_iter().map(str::to_owned).collect())
    }

    fn shown(&self, path: &str) -> String {
        format!("built-in:{path}")
    }
}

impl<A: Tree, B: Tree> Tree for Layered<A, B> {
    fn read(&self, path: &str) -> io::Result<String> {
        match self.0.read(path) {
            Err(first) if is_missing(&first) => self.1.read(path).map_err(|_| first),
            other => other,
        }
    }

    fn list(&self, folder: &str) -> io::Result<Vec<String>> {
        match self.0.list(folder) {
            Err(first) if is_missing(&first) => self.1.list(folder).map_err(|_| first),
            other => other,
        }
    }

    fn shown(&self, path: &str) -> String {
        let hidden = self.0.read(path).is_err_and(|error| is_missing(&error)) && self.1.read(path).is_ok();
        if hidden { self.1.shown(path) } else { self.0.shown(path) }
    }

    fn on_disk(&self, path: &str) -> Option<PathBuf> {
        self.0.on_disk(path)
    }
}

impl<T: Tree + ?Sized> Tree for Arc<T> {
    fn read(&self, path: &str) -> io::Result<String> {
        (**self).read(path)
    }

    fn list(&self, folder: &str) -> io::Result<Vec<String>> {
        (**self).list(folder)
    }

    fn shown(&self, path: &str) -> String {
        (**self).shown(path)
    }

    fn on_disk(&self, path: &str) -> Option<PathBuf> {
        (**self).on_disk(path)
    }
}

/// What stages see: the tree from the pipeline file's folder on.
pub(crate) struct Beside {
    pub(crate) tree: Arc<dyn Tree>,
    pub(crate) file: String,
}

impl Files for Beside {
    fn read(&self, path: &str) -> io::Result<String> {
        self.tree.read(&beside(&self.file, path))
    }

    fn list(&self, folder: &str) -> io::Result<Vec<String>> {
        self.tree.list(&beside(&self.file, folder))
    }
}

/// `path` as written in `file`, from the tree's root: `a/b.yaml` and `../c.yaml` is `c.yaml`.
pub fn beside(file: &str, path: &str) -> String {
    if path.starts_with('/') {
        return path.to_owned();
    }
    let folder = file.rsplit_once('/').map_or("", |(folder, _)| folder);
    let root = if file.starts_with('/') { "/" } else { "" };
    let mut parts: Vec<&str> = Vec::new();
    for part in folder.split('/').chain(path.split('/')) {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => {
                parts.pop();
            }
            other => parts.push(other),
        }
    }
    format!("{root}{}", parts.join("/"))
}

/// Why a file cannot be read, in words that do not depend on the system.
pub(crate) fn reason(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "no such file".to_owned(),
        io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
        io::ErrorKind::IsADirectory => "it is a folder, not a file".to_owned(),
        io::ErrorKind::InvalidData => "it is not UTF-8 text".to_owned(),
        _ => error.to_string(),
    }
}

fn missing() -> io::Error {
    io::Error::new(io::ErrorKind::NotFound, "no such file")
}

/// A path through a file (`a.yaml/b`) is as missing as no file.
fn is_missing(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

#[cfg(test)]
mod tests {
    use super::*;

    const STOCK: Embedded = Embedded::new(&[
        ("main.yaml", "stock"),
        ("device/map.yaml", "registers"),
        ("device/api.yaml", "routes"),
        ("device/deep/x.yaml", "x"),
    ]);

    #[test]
    fn paths_are_relative_to_the_file_that_names_them() {
        let rows = [
            ("main.yaml", "a.yaml", "a.yaml"),
            ("main.yaml", "./a/b.yaml", "a/b.yaml"),
            ("a/main.yaml", "b.yaml", "a/b.yaml"),
            ("a/main.yaml", "../b.yaml", "b.yaml"),
            ("main.yaml", "../b.yaml", "../b.yaml"),
            ("a/main.yaml", "/etc/b.yaml", "/etc/b.yaml"),
            ("/etc/main.yaml", "b.yaml", "/etc/b.yaml"),
        ];
        for (file, path, expected) in rows {
            assert_eq!(beside(file, path), expected, "{path} in {file}");
        }
    }

    #[test]
    fn a_file_on_disk_hides_the_embedded_one() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("main.yaml"), "mine").unwrap();
        let tree = Layered::new(Folder::new(folder.path()), STOCK);
        assert_eq!(tree.read("main.yaml").unwrap(), "mine");
        assert_eq!(tree.read("device/map.yaml").unwrap(), "registers");
        assert_eq!(tree.list("device").unwrap(), ["api.yaml", "map.yaml"]);
        assert_eq!(tree.read("none.yaml").unwrap_err().kind(), io::ErrorKind::NotFound);
        assert_eq!(tree.shown("device/map.yaml"), "built-in:device/map.yaml");
        assert_eq!(tree.shown("main.yaml"), folder.path().join("main.yaml").display().to_string());
    }

    #[test]
    fn binary_files_and_folders_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("raw"), [0xff, 0xfe, 0x00]).unwrap();
        let tree = Folder::new(folder.path());
        assert_eq!(reason(&tree.read("raw").unwrap_err()), "it is not UTF-8 text");
        assert_eq!(reason(&tree.read(".").unwrap_err()), "it is a folder, not a file");
    }
}
