//! The unit of systemd: it is one, it is hardened, and its command exists.

use std::fs;
use std::process::Command;

use crate::bridge::root;

#[test]
fn the_unit_is_sound_and_hardened() {
    let folder = tempfile::tempdir().unwrap();
    let unit = folder.path().join("smiles.service");
    let text = fs::read_to_string(root().join("deploy/smiles.service")).unwrap();
    let installed = "/usr/local/bin/smiles";
    assert!(text.contains(installed));
    fs::write(&unit, text.replace(installed, env!("CARGO_BIN_EXE_smiles"))).unwrap();
    // 0 is safe from everything, 10 from nothing; most services have more than 9.
    for arguments in [&["verify"][..], &["security", "--offline=true", "--threshold=20"][..]] {
        let output = Command::new("systemd-analyze")
            .args(arguments)
            .arg(&unit)
            .output()
            .expect("make setup installs it");
        let said =
            String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{arguments:?}: {said}");
        assert!(!said.contains("Unknown key"), "{said}");
    }
}
