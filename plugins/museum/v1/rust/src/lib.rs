//! tally: a sink that writes how many rows each batch has, against the mirror of the first day and nothing else.

use std::ffi::c_void;
use std::io::Write;

use smiles_plugin_abi::*;

const STAGE: StageText =
    StageText { role: "sink", type_name: "tally", about: "writes how many rows each batch has", metrics: &[] };
const PLUGIN: PluginText = PluginText { name: "tally", version: "1.0.0", license: "MIT", stages: &[STAGE] };

#[used]
#[unsafe(link_section = ".smiles_meta")]
static META: [u8; rendered_len(&PLUGIN)] = rendered(&PLUGIN);

struct Tally {
    path: String,
    text: String,
    last: SmilesPosition,
}

unsafe extern "C" fn schema() -> SmilesStr {
    SmilesStr::of(
        r#"{"type":"object","additionalProperties":false,"required":["path"],"properties":{"path":{"type":"string","description":"where numbers go"}},"examples":[{"path":"${folder}/tally.txt"}]}"#,
    )
}

fn fail(error: *mut SmilesError, status: i32, text: &str) -> i32 {
    unsafe { (*error).say(text) };
    status
}

unsafe extern "C" fn open(
    _: *const SmilesHost,
    _: SmilesStr,
    _: SmilesStr,
    options: SmilesStr,
    this: *mut *mut c_void,
    error: *mut SmilesError,
) -> i32 {
    let text = String::from_utf8_lossy(unsafe { options.bytes() }).into_owned();
    let path = text.split("\"path\":\"").nth(1).and_then(|rest| rest.split('"').next());
    let Some(path) = path else { return fail(error, STATUS_HALT, "`path` must be a text") };
    let tally = Tally { path: path.to_owned(), text: String::new(), last: SmilesPosition::default() };
    unsafe { *this = Box::into_raw(Box::new(tally)).cast() };
    STATUS_OK
}

unsafe extern "C" fn bind(_: *mut c_void, _: *const ArrowSchema, _: *mut ArrowSchema, _: *mut SmilesError) -> i32 {
    STATUS_OK
}

unsafe extern "C" fn write(this: *mut c_void, rows: *mut ArrowArray, at: *const SmilesPosition, _: *mut SmilesError) -> i32 {
    let (tally, rows) = unsafe { (&mut *this.cast::<Tally>(), &mut *rows) };
    tally.text.push_str(&format!("{}\n", rows.length));
    tally.last = unsafe { *at };
    if let Some(release) = rows.release {
        unsafe { release(rows) };
    }
    STATUS_OK
}

unsafe extern "C" fn flush(this: *mut c_void, _: u32, durable: *mut SmilesPosition, error: *mut SmilesError) -> i32 {
    let tally = unsafe { &mut *this.cast::<Tally>() };
    if tally.last.seq == 0 {
        return STATUS_OK;
    }
    let file = std::fs::OpenOptions::new().create(true).append(true).open(&tally.path);
    let written = file.and_then(|mut file| file.write_all(tally.text.as_bytes()));
    let last = std::mem::take(&mut tally.last);
    tally.text.clear();
    if written.is_err() {
        return fail(error, STATUS_RETRY, "cannot write the file");
    }
    unsafe { *durable = last };
    STATUS_OK
}

unsafe extern "C" fn close(this: *mut *mut c_void) {
    let tally = unsafe { std::mem::replace(&mut *this, std::ptr::null_mut()) };
    if !tally.is_null() {
        drop(unsafe { Box::from_raw(tally.cast::<Tally>()) });
    }
}

static TABLE: Static<SmilesStage> = Static(SmilesStage {
    struct_size: size_of::<SmilesStage>() as u32,
    role: ROLE_SINK,
    type_name: SmilesStr::of("tally"),
    flags: 0,
    reserved: 0,
    options_schema: Some(schema),
    plan: None,
    open: Some(open),
    bind: Some(bind),
    next: None,
    commit: None,
    apply: None,
    write: Some(write),
    flush: Some(flush),
    watermark: None,
    forget: None,
    cancel: None,
    close: Some(close),
});
static STAGES: Static<[*const SmilesStage; 1]> = Static([&raw const TABLE.0]);
static LIBRARY: Static<SmilesPlugin> = Static(SmilesPlugin {
    struct_size: size_of::<SmilesPlugin>() as u32,
    abi_minor: ABI_MINOR,
    meta: SmilesStr { ptr: META.as_ptr(), len: META.len() },
    stages: &raw const STAGES.0 as *const *const SmilesStage,
    stage_count: 1,
    reserved: 0,
});

#[unsafe(no_mangle)]
extern "C" fn smiles_plugin_v1(_: u32) -> *const SmilesPlugin {
    &raw const LIBRARY.0
}
