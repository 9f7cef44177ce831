//! The pipelines and migrations the binary carries, and which of them runs when none is named.

/// Path and text of every file under `pipelines/` (named without that folder) and `migrations/`.
pub(crate) static FILES: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/stock_files.rs"));

/// The pipeline that runs when no FILE is given: the one without a database server.
pub(crate) const EMBEDDED: &str = "hoymiles-sqlite.yaml";

/// The pipeline that runs when no FILE is given and DB_HOST names a database server.
pub(crate) const SERVER: &str = "hoymiles.yaml";

/// Its device file, which `simulate` and `demo` serve unless told otherwise.
pub(crate) const DEFAULT_DEVICE: &str = "hoymiles/device.yaml";

/// Its test cases, which `test` runs unless told otherwise.
pub(crate) const DEFAULT_CASES: &str = "hoymiles/tests.yaml";

/// The variables of the stock pipelines.
pub(crate) const VARIABLES: &str = "hoymiles/variables.yaml";

/// What `import` takes over unless told otherwise.
pub(crate) const IMPORT: &str = "hoymiles/import.yaml";

/// Whether a stock file of that name exists.
pub(crate) fn has(name: &str) -> bool {
    FILES.iter().any(|(path, _)| *path == name)
}

/// The pipeline that runs with a stock file when no FILE is given: `a-system.yaml` beside `a.yaml`.
pub(crate) fn companion(file: &str) -> Option<String> {
    let name = format!("{}-system.yaml", file.strip_suffix(".yaml")?);
    has(&name).then_some(name)
}

/// The text of a stock file; empty if there is none of that name.
pub(crate) fn text(name: &str) -> &'static str {
    FILES.iter().find(|(path, _)| *path == name).map_or("", |(_, text)| *text)
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_defaults_are_carried() {
        for name in
            [super::EMBEDDED, super::SERVER, super::DEFAULT_DEVICE, super::DEFAULT_CASES, super::IMPORT]
        {
            assert!(super::has(name) && !super::text(name).is_empty(), "{name} is not in the binary");
        }
        for name in [super::EMBEDDED, super::SERVER] {
            assert!(super::companion(name).is_some(), "{name} has no companion");
        }
        assert_eq!(super::companion(super::DEFAULT_DEVICE), None);
        for folder in ["migrations/sqlite/", "migrations/postgres/"] {
            assert!(super::FILES.iter().any(|(path, _)| path.starts_with(folder)), "{folder}");
        }
    }
}
