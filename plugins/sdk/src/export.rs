//! From types to the one symbol a plugin exports.

use smiles_plugin_abi::{SmilesStage, SmilesStr, Static};

/// A table without functions.
pub(crate) const fn empty(role: u32, type_name: &'static str) -> SmilesStage {
    #[expect(clippy::cast_possible_truncation, reason = "a few hundred bytes")]
    let struct_size = size_of::<SmilesStage>() as u32;
    SmilesStage {
        struct_size,
        role,
        type_name: SmilesStr::of(type_name),
        flags: 0,
        reserved: 0,
        options_schema: None,
        plan: None,
        open: None,
        bind: None,
        next: None,
        commit: None,
        apply: None,
        write: None,
        flush: None,
        watermark: None,
        forget: None,
        cancel: None,
        close: None,
    }
}

/// Where each of the tables is.
pub const fn pointers<const N: usize>(
    tables: &'static Static<[SmilesStage; N]>,
) -> Static<[*const SmilesStage; N]> {
    let mut all = [std::ptr::null(); N];
    let mut index = 0;
    while index < N {
        all[index] = &raw const tables.0[index];
        index += 1;
    }
    Static(all)
}

/// The metadata where it lies, so that no linker takes it for unused.
pub const fn same(bytes: &'static [u8]) -> SmilesStr {
    SmilesStr { ptr: bytes.as_ptr(), len: bytes.len() }
}

/// Exports stages as a plugin: its name and version are those of the crate.
///
/// ```ignore
/// smiles_plugin_sdk::export! {
///     license: "MIT",
///     sources: [MySource],
///     transforms: [MyTransform],
///     sinks: [MySink, Blocking<MyAsyncSink>],
/// }
/// ```
/// Each list may be left out; the order is that above. Once per crate, which is a `cdylib`.
#[macro_export]
macro_rules! export {
    (
        license: $license:expr
        $(, sources: [$($source:ty),* $(,)?])?
        $(, transforms: [$($transform:ty),* $(,)?])?
        $(, sinks: [$($sink:ty),* $(,)?])?
        $(,)?
    ) => {
        const _: () = {
            use $crate::expansion::{self as sdk, abi};

            const STAGES: &[abi::StageText] = &[
                $($(abi::StageText {
                    role: "source",
                    type_name: <$source as $crate::Source>::TYPE,
                    about: <$source as $crate::Source>::ABOUT,
                    metrics: <$source as $crate::Source>::METRICS,
                },)*)?
                $($(abi::StageText {
                    role: "transform",
                    type_name: <$transform as $crate::Transform>::TYPE,
                    about: <$transform as $crate::Transform>::ABOUT,
                    metrics: <$transform as $crate::Transform>::METRICS,
                },)*)?
                $($(abi::StageText {
                    role: "sink",
                    type_name: <$sink as $crate::Sink>::TYPE,
                    about: <$sink as $crate::Sink>::ABOUT,
                    metrics: <$sink as $crate::Sink>::METRICS,
                },)*)?
            ];
            const TEXT: abi::PluginText = abi::PluginText {
                name: env!("CARGO_PKG_NAME"),
                version: env!("CARGO_PKG_VERSION"),
                license: $license,
                stages: STAGES,
            };

            #[used]
            #[cfg_attr(target_os = "linux", unsafe(link_section = ".smiles_meta"))]
            #[cfg_attr(target_os = "macos", unsafe(link_section = "__DATA,__smiles_meta"))]
            static META: [u8; abi::rendered_len(&TEXT)] = abi::rendered(&TEXT);

            static TABLES: abi::Static<[abi::SmilesStage; STAGES.len()]> = abi::Static([
                $($(sdk::source::<$source>(),)*)?
                $($(sdk::transform::<$transform>(),)*)?
                $($(sdk::sink::<$sink>(),)*)?
            ]);
            static POINTERS: abi::Static<[*const abi::SmilesStage; STAGES.len()]> = sdk::pointers(&TABLES);
            static PLUGIN: abi::Static<abi::SmilesPlugin> = abi::Static(abi::SmilesPlugin {
                struct_size: size_of::<abi::SmilesPlugin>() as u32,
                abi_minor: abi::ABI_MINOR,
                meta: sdk::same(&META),
                stages: &raw const POINTERS.0 as *const *const abi::SmilesStage,
                stage_count: STAGES.len() as u32,
                reserved: 0,
            });

            #[unsafe(no_mangle)]
            extern "C" fn smiles_plugin_v1(_host_minor: u32) -> *const abi::SmilesPlugin {
                &raw const PLUGIN.0
            }
        };
    };
}
