//! A library that never comes back from being loaded: refused in time, and no process of it is left behind.

use std::fs;
use std::path::Path;
use std::time::Duration;

use smiles_plugin_host::{PluginFile, PluginHost, Prober};

use super::compile;
use crate::bridge::now;

/// The host of the binary under test, with less patience than the 10 s it has.
fn host(limit: Duration) -> PluginHost {
    let program = env!("CARGO_BIN_EXE_smiles").into();
    PluginHost::new(Prober { program, arguments: vec!["plugin".into(), "probe".into()], limit })
}

#[test]
fn a_library_that_hangs_when_it_is_loaded_is_refused_and_killed() {
    let folder = tempfile::tempdir().unwrap();
    let hung = folder.path().join("hung");
    let flag = format!("-DHANG_ON_LOAD={:?}", hung.display().to_string());
    let path = compile("plugins/testing/faulty/faulty.c", folder.path(), &[&flag]);
    let file = PluginFile { path, sha256: None, timeout: None, prefix: None };
    // A busy machine may not have come as far as the library's own code when the first limits are over.
    for limit in [500, 2000, 10_000].map(Duration::from_millis) {
        let began = now();
        let refused = host(limit).probe(&file).expect_err("a library that hangs is refused").to_string();
        assert!(refused.contains(&format!("it did not load within {limit:?}: it hangs")), "{refused}");
        assert!(refused.contains("libfaulty.so"), "the message names the library: {refused}");
        assert!(began.elapsed() >= limit, "the library had its time");
        let text = fs::read_to_string(&hung).unwrap_or_default();
        if let Ok(process) = text.trim().parse::<u32>() {
            assert!(!Path::new(&format!("/proc/{process}")).exists(), "the process {process} is left behind");
            return;
        }
    }
    panic!("the library's own code was never reached");
}
