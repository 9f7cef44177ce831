//! `smiles plugin new`: a project that builds and passes `check` at once.

use std::fs;
use std::path::{Path, PathBuf};

use clap::Args;
use smiles_plugin_abi::HEADER;
use smiles_plugin_host::Role;

use crate::command::console::print;
use crate::command::plugin::built_in::warn_if_built_in;
use crate::exit::Failure;

const RUST_MANIFEST: &str = include_str!("templates/rust/Cargo.toml.txt");

const RUST: [&str; 3] = [
    include_str!("templates/rust/source.rs.txt"),
    include_str!("templates/rust/transform.rs.txt"),
    include_str!("templates/rust/sink.rs.txt"),
];

const C_MAKEFILE: &str = include_str!("templates/c/Makefile.txt");

const C: [&str; 3] = [
    include_str!("templates/c/source.c.txt"),
    include_str!("templates/c/transform.c.txt"),
    include_str!("templates/c/sink.c.txt"),
];

pub(crate) fn run(args: &PluginNewArgs) -> Result<(), Failure> {
    let name = args.name.as_str();
    let is_word = name.starts_with(|first: char| first.is_ascii_lowercase())
        && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_');
    if !is_word {
        let text = format!(
            "`{}` cannot be a type: lower-case letters, digits and `_`, a letter first",
            name.escape_debug()
        );
        return Err(Failure::configuration(text));
    }
    let kind = match args.kind {
        Kind::Source => Role::Source,
        Kind::Transform => Role::Transform,
        Kind::Sink => Role::Sink,
    };
    warn_if_built_in(kind, name)?;
    let folder = Path::new(name);
    if folder.exists() {
        return Err(Failure::configuration(format!("`{name}` exists already")));
    }
    let place = match args.kind {
        Kind::Source => 0,
        Kind::Transform => 1,
        Kind::Sink => 2,
    };
    let (files, build, library) = match args.lang {
        Lang::Rust => {
            let files = vec![
                ("Cargo.toml", RUST_MANIFEST.replace("{sdk}", &sdk(args))),
                ("src/lib.rs", RUST[place].to_owned()),
            ];
            (files, "cargo build --release", format!("target/release/lib{name}.so"))
        }
        Lang::C => {
            let files = vec![
                ("Makefile", C_MAKEFILE.to_owned()),
                ("plugin.c", C[place].to_owned()),
                ("smiles_plugin.h", HEADER.to_owned()),
            ];
            (files, "make", format!("lib{name}.so"))
        }
    };
    for (path, text) in files {
        let path = folder.join(path);
        let written = path.parent().map_or(Ok(()), fs::create_dir_all);
        let written = written.and_then(|()| fs::write(&path, text.replace("{name}", name)));
        written
            .map_err(|error| Failure::configuration(format!("cannot write {}: {error}", path.display())))?;
    }
    print(&format!(
        "{name}/ is ready:\n  cd {name} && {build}\n  smiles plugin check {library}\n  then in a pipeline: plugins: [{name}/{library}]\n"
    ))
}

/// How a manifest names the SDK: this version's, or a folder.
fn sdk(args: &PluginNewArgs) -> String {
    match &args.sdk {
        Some(folder) => format!("path = {:?}", folder.display().to_string()),
        None => format!("git = {:?}, tag = \"v{}\"", env!("CARGO_PKG_REPOSITORY"), env!("CARGO_PKG_VERSION")),
    }
}

#[derive(Debug, Args)]
pub(crate) struct PluginNewArgs {
    /// Its name and that of its stage type: lower-case letters, digits and `_`
    #[arg(value_name = "NAME")]
    pub(crate) name: String,
    /// What it is written in
    #[arg(long, value_enum, default_value_t = Lang::Rust)]
    pub(crate) lang: Lang,
    /// What it adds to pipelines
    #[arg(long, value_enum, default_value_t = Kind::Sink)]
    pub(crate) kind: Kind,
    /// Folder of the SDK crate, in place of the release of this version
    #[arg(long, value_name = "DIR", hide = true)]
    pub(crate) sdk: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Lang {
    Rust,
    C,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Kind {
    Source,
    Transform,
    Sink,
}
