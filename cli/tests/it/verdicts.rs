//! What `smiles check` and its neighbours say of what cannot work, each once and with what to do.

use std::fs;

use crate::bridge::finish;

fn say(args: &[&str], variables: &[(&str, &str)], files: &[(&str, &str)]) -> (Option<i32>, String) {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    let output = finish(args, variables, folder.path());
    (output.status.code(), String::from_utf8([output.stdout, output.stderr].concat()).unwrap())
}

#[test]
fn a_variable_that_the_file_knows_is_no_misspelling_of_another() {
    let folder = tempfile::tempdir().unwrap();
    let output = finish(&["check"], &[("DB_HOST", "db")], folder.path());
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("`DTU_HOST` is not set: the DTU's address (with Docker in `.env`)"), "{said}");
    assert!(!said.contains("must be called"), "{said}");
}

#[test]
fn variables_that_run_cannot_use_do_not_pass() {
    let device = ("DTU_HOST", "10.0.0.5");
    for (variables, code, words) in [
        (vec![("DTU_HOST", "192.168.1.300")], 2, "is not a host name or IP address"),
        (vec![("DTU_HOST", "192.168.1")], 2, "is not a host name or IP address"),
        (vec![device, ("DB_HOST", "http://db:5432")], 2, "`http://db:5432` is no host"),
        (vec![device, ("DB_HOST", "localhost:5432")], 2, "`localhost:5432` is no host"),
        (vec![device, ("API_TOKEN_FILE", "/nofile")], 2, "cannot read the token from"),
        (vec![device, ("DB_HOST", "db"), ("DB_PASSWORD", "null")], 0, "ok:"),
        (vec![device, ("DB_HOST", "db"), ("DB_PASSWORD", "~")], 0, "ok:"),
        (vec![device, ("DB_HOST", "/run/postgresql")], 0, "ok:"),
        (vec![device, ("QUERYPERIOD", "5")], 0, "did you mean `QUERY_PERIOD`?"),
        (vec![device, ("HOME", "/root"), ("PATH", "/bin")], 0, "ok:"),
        (vec![("DTU_HOSTS", "10.0.0.5")], 2, "`DTU_HOSTS` is set; it must be called `DTU_HOST`"),
    ] {
        let (exit, said) = say(&["check"], &variables, &[]);
        assert!(exit == Some(code) && said.contains(words), "{variables:?}: {exit:?} {said}");
        assert!(said.matches(words).count() == 1 || code == 0, "said twice: {said}");
    }
}

#[test]
fn one_mistake_hides_no_other_and_is_said_once() {
    let (_, said) = say(&["check"], &[("LOG_LEVEL", "debugg"), ("DTU_PORT", "many")], &[]);
    assert!(
        ["LOG_LEVEL is `debugg`", "DTU_PORT", "DTU_HOST"].iter().all(|word| said.contains(word)),
        "{said}"
    );
    let (code, said) =
        say(&["check"], &[("DTU_HOST", "10.0.0.5"), ("DB_HOST", "db"), ("DB_TYPE", "mysql")], &[]);
    assert!(code == Some(2) && said.matches("error: DB_TYPE").count() == 1, "{said}");
}

#[test]
fn limits_of_nothing_do_not_pass() {
    let file = |name: &str, every: &str, journal: &str, path: &str| {
        format!(
            "pipeline: {name}\njournal: {journal}\nsources:\n  s: {{type: synthetic, rows: 1, every: {every}, columns: {{n: {{type: int, pattern: index}}}}}}\n\
             sinks:\n  store: {{type: sqlite, path: {path}, tables: {{t: {{create: true, columns: {{n: n}}}}}}}}\n"
        )
    };
    let long = "a".repeat(500);
    for (text, code, words) in [
        (file("p", "1s", "{}", "p.db"), 0, "ok:"),
        (file("p", "0s", "{}", "p.db"), 2, "no time between two polls"),
        (file("p", "1s", "{max_size: 0B}", "p.db"), 2, "a journal of this size holds nothing"),
        (file("p", "1s", "{retain: 0s}", "p.db"), 0, "nothing that is delivered is retained"),
        (file(&long, "1s", "{}", "p.db"), 2, "cannot be the name of a pipeline"),
        (
            file("p", "1s", "{}", "p.db").replace("  s: ", &format!("  {long}: ")),
            2,
            "cannot be the name of a source",
        ),
        (
            file("p", "1s", "{}", "p.db").replace("  store: ", &format!("  {long}: ")),
            2,
            "cannot be the name of a sink",
        ),
        (file("p", "1s", "{}", "p.journal"), 2, "the name of a journal, not of a store"),
    ] {
        let (exit, said) = say(&["check", "p.yaml"], &[], &[("p.yaml", &text)]);
        assert!(exit == Some(code) && said.contains(words), "{words}: {exit:?} {said}");
    }
}

#[test]
fn small_commands_answer() {
    let (code, said) = say(&["version"], &[], &[]);
    assert!(code == Some(0) && said.starts_with("smiles "), "{said}");
    assert!(say(&["import", "--help"], &[], &[]).1.contains("smiles import [OPTIONS] --in-place"));
    let (code, said) = say(&["journal", "status"], &[], &[("data/demo/hoymiles.journal", "")]);
    assert!(code == Some(2) && said.contains("--data-dir data/demo"), "{said}");
    let (code, said) = say(&["health"], &[("HEALTH_ENABLED", "false")], &[]);
    assert!(code == Some(0) && said.contains("HEALTH_ENABLED is off"), "{said}");
    // After a demo nobody has named a device; that no journal is there is another matter.
    let (_, said) = say(&["journal", "verify", "--data-dir", "data/demo"], &[], &[]);
    assert!(!said.contains("DTU_HOST") && said.contains("no journal"), "{said}");
}
