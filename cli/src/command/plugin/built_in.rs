//! A plugin that takes the name of a built-in stage type.

use smiles_plugin_host::Role;

use crate::command::console::print;
use crate::exit::Failure;
use crate::registry;

/// Says that the program itself has a type of this name.
pub(crate) fn warn_if_built_in(role: Role, name: &str) -> Result<(), Failure> {
    let registry = registry::built_in();
    let taken = match role {
        Role::Source => registry.find_source(name).is_some(),
        Role::Transform => registry.find_transform(name).is_some(),
        Role::Sink => registry.find_sink(name).is_some(),
    };
    if !taken {
        return Ok(());
    }
    let word = role.word();
    print(&format!(
        "warning: there is a built-in {word} `{name}`: in a pipeline that names the plugin, `type: {name}` is the \
         plugin's, unless its entry has a `prefix:`; another name is less confusing\n"
    ))
}
