//! A sink that seems to have been renamed: the journal keeps a place that the file does not name, and has none for a
//! sink that the file does.

use std::path::Path;

use smiles_journal::inspect;

use crate::command::journal;
use crate::project::Project;

/// A warning, where there is a journal and it looks so.
pub(super) fn warning(project: &Project, data_dir: &Path) -> Option<String> {
    let path = journal::files::file(data_dir, project.wired.name());
    if !path.is_file() {
        return None;
    }
    // What is wrong with a journal is for `journal verify` to say.
    let kept = inspect(&path).ok()?.row_counts;
    let kept: Vec<&str> = kept.iter().map(|row_counts| row_counts.sink.as_str()).collect();
    let pipeline = project.loaded.pipeline.as_ref()?;
    let disabled = pipeline.disabled_sinks.iter().map(String::as_str);
    let named: Vec<&str> =
        pipeline.sinks.iter().map(|sink| sink.stage.name.as_str()).chain(disabled).collect();
    let old: Vec<&str> = kept.iter().copied().filter(|name| !named.contains(name)).collect();
    let new: Vec<&str> = project.wired.cursor_names().filter(|name| !kept.contains(name)).collect();
    if old.is_empty() || new.is_empty() {
        return None;
    }
    let file = project.shown.strip_prefix("built-in:").unwrap_or(&project.shown);
    Some(sentence(&path, file, &old, &new))
}

fn sentence(journal: &Path, file: &str, old: &[&str], new: &[&str]) -> String {
    let list = |names: &[&str]| names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    let example = |names: &[&str], word: &str| match names {
        [only] => (*only).to_owned(),
        _ => word.to_owned(),
    };
    format!(
        "warning: {} has a cursor of {}, which {file} does not name, and none of {}\n  \
         help: if the sink was renamed, `smiles journal rename-sink {} {} {file}` moves the cursor; otherwise the new \
         sink starts with what is accepted from now on (`from: oldest`: with all that is retained)\n",
        journal.display(),
        list(old),
        list(new),
        example(old, "OLD"),
        example(new, "NEW"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sentence_names_what_to_type() {
        let path = Path::new("data/solar.journal");
        let said = sentence(path, "solar.yaml", &["store"], &["archive"]);
        assert!(said.contains("smiles journal rename-sink store archive solar.yaml"), "{said}");
        let said = sentence(path, "solar.yaml", &["a", "b"], &["c"]);
        assert!(said.contains("`a`, `b`") && said.contains("rename-sink OLD c"), "{said}");
    }
}
