//! A library in this process: loaded for good, its tables copied by the sizes they say they have.

use std::collections::HashMap;
use std::ffi::c_int;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock};

use libloading::os::unix::{Library as Handle, RTLD_LOCAL, RTLD_NOW};
use smiles_plugin_abi::{
    ABI_MINOR, ENTRY, Entry, ROLE_SINK, ROLE_SOURCE, ROLE_TRANSFORM, SmilesPlugin, SmilesStage, read_sized,
};

use crate::file::{Examined, Metadata, Role, StageMeta};
use crate::sealed::sealed;

/// Never unloaded: thread-local destructors of Rust and the runtime of Go do not survive it.
#[cfg(target_os = "linux")]
const RTLD_NODELETE: c_int = 0x1000;
#[cfg(not(target_os = "linux"))]
const RTLD_NODELETE: c_int = 0;

/// More stages than any plugin has.
const MAX_STAGES: u32 = 256;

/// The stages of a library, in the order of its metadata.
pub(crate) struct Library {
    tables: Vec<StageTable>,
}

/// A stage's table.
#[derive(Clone, Copy)]
pub(crate) struct StageTable(pub(crate) SmilesStage);

// SAFETY: a copy of constants; what it points to is static, since libraries are never unloaded.
unsafe impl Send for StageTable {}
// SAFETY: as above, and never written.
unsafe impl Sync for StageTable {}

/// The libraries of this process, by path, with the checksum of the file they came from.
type Loaded = Mutex<HashMap<PathBuf, (String, Arc<Library>)>>;

fn loaded() -> &'static Loaded {
    static LOADED: OnceLock<Loaded> = OnceLock::new();
    LOADED.get_or_init(Loaded::default)
}

/// Whether another file of that path runs here already: the loader would quietly give the old one.
pub(crate) fn is_outdated(path: &Path, sha256: &str) -> bool {
    let known = loaded().lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    known.get(path).is_some_and(|(sum, _)| sum != sha256)
}

impl Library {
    /// Loads it, or finds it loaded. Runs its code. `pinned`: just what was examined, whatever stands at the path by now.
    pub(crate) fn resident(path: &Path, examined: &Examined, pinned: bool) -> Result<Arc<Self>, String> {
        let Examined { metadata, sha256, .. } = examined;
        let mut known = loaded().lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some((sum, library)) = known.get(path) {
            return if sum == sha256 { Ok(Arc::clone(library)) } else { Err(outdated()) };
        }
        let library = if pinned { Self::pinned(examined) } else { Self::load(path, metadata) };
        let library = Arc::new(library?);
        known.insert(path.to_owned(), (sha256.to_owned(), Arc::clone(&library)));
        Ok(library)
    }

    /// Loads a copy of what was examined. Runs its code.
    pub(crate) fn pinned(examined: &Examined) -> Result<Self, String> {
        Self::load(&sealed(&examined.bytes)?, &examined.metadata)
    }

    /// Loads it. Runs its code.
    pub(crate) fn load(path: &Path, metadata: &Metadata) -> Result<Self, String> {
        let flags = RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE;
        // SAFETY: loading runs initialisers; a child process has survived them, and the person who wrote the pipeline
        // trusts the file.
        let handle = unsafe { Handle::open(Some(path), flags) };
        let handle = handle.map_err(|error| format!("it cannot be loaded: {}", reason(&error)))?;
        // SAFETY: the symbol's name holds the ABI's major version, and with it its type.
        let entry = unsafe { handle.get::<Entry>(ENTRY.as_bytes()) };
        let entry = *entry.map_err(|_| format!("it does not export `{ENTRY}`: not a plugin"))?;
        std::mem::forget(handle);
        // SAFETY: an entry may be called at any time.
        let plugin = unsafe { entry(ABI_MINOR) };
        if plugin.is_null() {
            return Err(format!("its `{ENTRY}` returned NULL: it cannot work with this version"));
        }
        // SAFETY: not null, static, and it says its own size.
        let plugin = unsafe { read_sized::<SmilesPlugin>(plugin) };
        let plugin =
            plugin.map_err(|small| format!("its table of {} bytes is none of plugin ABI 1", small.size))?;
        // SAFETY: the table is static.
        let tables = unsafe { stages(&plugin) }?;
        let tables = metadata.stages.iter().map(|stage| find(&tables, stage)).collect::<Result<_, _>>()?;
        Ok(Self { tables })
    }

    /// The stage at this place of the metadata.
    pub(crate) fn table(&self, index: usize) -> Option<StageTable> {
        self.tables.get(index).copied()
    }
}

pub(crate) fn outdated() -> String {
    "it has changed since this process loaded it: restart to use the new file".to_owned()
}

/// What the loader said, in one line.
fn reason(error: &libloading::Error) -> String {
    let text = match std::error::Error::source(error) {
        Some(source) => source.to_string(),
        None => error.to_string(),
    };
    text.lines().next().unwrap_or_default().to_owned()
}

unsafe fn stages(plugin: &SmilesPlugin) -> Result<Vec<StageTable>, String> {
    if plugin.stage_count > MAX_STAGES || (plugin.stage_count > 0 && plugin.stages.is_null()) {
        return Err(format!("its table says it has {} stages", plugin.stage_count));
    }
    let mut tables = Vec::new();
    for index in 0..usize::try_from(plugin.stage_count).unwrap_or(0) {
        // SAFETY: the plugin says there are so many.
        let stage = unsafe { *plugin.stages.add(index) };
        if stage.is_null() {
            return Err(format!("its stage {index} is NULL"));
        }
        // SAFETY: not null, static, and it says its own size.
        let stage = unsafe { read_sized(stage) };
        let stage = stage
            .map_err(|small| format!("its stage {index} has {} bytes: not of plugin ABI 1", small.size))?;
        tables.push(StageTable(stage));
    }
    Ok(tables)
}

fn find(tables: &[StageTable], declared: &StageMeta) -> Result<StageTable, String> {
    let role = match declared.role {
        Role::Source => ROLE_SOURCE,
        Role::Transform => ROLE_TRANSFORM,
        Role::Sink => ROLE_SINK,
    };
    let is_it = |table: &&StageTable| {
        // SAFETY: a static text of the plugin.
        let name = unsafe { table.0.type_name.bytes() };
        table.0.role == role && name == declared.type_name.as_bytes()
    };
    let (word, name) = (declared.role.word(), &declared.type_name);
    let table = tables.iter().find(is_it);
    let table =
        *table.ok_or_else(|| format!("its metadata declares the {word} `{name}`, its table has none"))?;
    match missing(&table.0, declared.role) {
        Some(slot) => Err(format!("its {word} `{name}` has no `{slot}`")),
        None => Ok(table),
    }
}

/// A function that no stage of this role can do without.
fn missing(stage: &SmilesStage, role: Role) -> Option<&'static str> {
    let of_all =
        [("open", stage.open.is_some()), ("bind", stage.bind.is_some()), ("close", stage.close.is_some())];
    let own = match role {
        Role::Source => vec![("plan", stage.plan.is_some()), ("next", stage.next.is_some())],
        Role::Transform => vec![("plan", stage.plan.is_some()), ("apply", stage.apply.is_some())],
        Role::Sink => vec![("write", stage.write.is_some()), ("flush", stage.flush.is_some())],
    };
    of_all.into_iter().chain(own).find(|(_, there)| !there).map(|(name, _)| name)
}
