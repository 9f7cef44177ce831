//! A sink that awaits and may panic, driven through its table as a host drives it.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::ffi::c_void;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use schemars::JsonSchema;
use serde::Deserialize;
use smiles_plugin_sdk::arrow_array::ffi::FFI_ArrowArray;
use smiles_plugin_sdk::arrow_array::{Array, ArrayRef, Int64Array, StructArray};
use smiles_plugin_sdk::arrow_schema::ffi::FFI_ArrowSchema;
use smiles_plugin_sdk::arrow_schema::{DataType, Field};
use smiles_plugin_sdk::expansion::{abi, sink, source};
use smiles_plugin_sdk::{
    AsyncSink, Blocking, Error, Host, Next, Position, RecordBatch, Rejected, RunId, Schema, SchemaRef, Source,
};
use smiles_plugin_sdk::{schemars, serde, serde_json};

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Options {
    /// what it does in `write`
    does: String,
}

struct Waiting {
    host: Host,
    does: String,
    rows: usize,
}

static FLUSHED: AtomicUsize = AtomicUsize::new(0);

impl AsyncSink for Waiting {
    type Options = Options;
    const TYPE: &'static str = "waiting";
    const ABOUT: &'static str = "awaits";
    const TRANSACTIONAL: bool = true;

    async fn open(options: Options, columns: SchemaRef, host: Host) -> Result<Self, Error> {
        tokio::task::yield_now().await;
        host.info(columns.field(0).name());
        Ok(Self { host, does: options.does, rows: 0 })
    }

    async fn write(&mut self, rows: &RecordBatch, position: Position) -> Result<(), Error> {
        let counted = rows.num_rows();
        match self.does.as_str() {
            "panics" => panic!("as it was told"),
            "rejects" => {
                let row = Rejected {
                    seq: position.seq,
                    row: 1,
                    code: "odd".to_owned(),
                    reason: "told so".to_owned(),
                };
                return Err(Error::reject(vec![row], "a row is odd").code(7));
            }
            _ => self.rows += tokio::spawn(async move { counted }).await.map_err(Error::retry)?,
        }
        Ok(())
    }

    async fn flush(&mut self) -> Result<(), Error> {
        FLUSHED.fetch_add(self.rows, Ordering::SeqCst);
        self.rows = 0;
        Ok(())
    }

    async fn forget(&mut self, runs: &[RunId]) -> Result<(), Error> {
        tokio::task::yield_now().await;
        self.host.info(&format!("forgets {runs:?}"));
        Ok(())
    }
}

/// What the instance told the host.
#[derive(Default)]
struct Told {
    log: Vec<String>,
    rejects: Vec<(u64, u64, String)>,
}

fn text(text: abi::SmilesStr) -> String {
    // SAFETY: a text of the plugin, valid during the call.
    String::from_utf8_lossy(unsafe { text.bytes() }).into_owned()
}

unsafe extern "C" fn log(ctx: *mut c_void, _: u32, message: abi::SmilesStr) {
    // SAFETY: the context of `Driven`.
    unsafe { &mut *ctx.cast::<Told>() }.log.push(text(message));
}

unsafe extern "C" fn reject(ctx: *mut c_void, seq: u64, row: u64, code: abi::SmilesStr, _: abi::SmilesStr) {
    // SAFETY: the context of `Driven`.
    unsafe { &mut *ctx.cast::<Told>() }.rejects.push((seq, row, text(code)));
}

/// An instance, and a host that only listens.
struct Driven {
    stage: abi::SmilesStage,
    told: Box<Told>,
    host: Box<abi::SmilesHost>,
    this: *mut c_void,
}

impl Driven {
    fn open(options: &str) -> (Self, i32) {
        Self::of(sink::<Blocking<Waiting>>(), options)
    }

    fn of(stage: abi::SmilesStage, options: &str) -> (Self, i32) {
        let mut told = Box::<Told>::default();
        let host = Box::new(abi::SmilesHost {
            struct_size: u32::try_from(size_of::<abi::SmilesHost>()).unwrap(),
            abi_minor: 0,
            ctx: (&raw mut *told).cast(),
            log: Some(log),
            metric_add: None,
            now_us: None,
            cancelled: None,
            state_get: None,
            state_put: None,
            reject: Some(reject),
            fault: None,
        });
        let mut driven = Self { stage, told, host, this: std::ptr::null_mut() };
        let (name, options) = (abi::SmilesStr::lend("s"), abi::SmilesStr::lend(options));
        let mut error = abi::SmilesError::empty();
        let open = driven.stage.open.unwrap();
        // SAFETY: everything lives as long as `driven`.
        let status = unsafe {
            open(&raw const *driven.host, name, name, options, &raw mut driven.this, &raw mut error)
        };
        (driven, status)
    }

    fn bind(&mut self) -> i32 {
        let columns = FFI_ArrowSchema::try_from(columns().as_ref()).unwrap();
        let (mut error, bind) = (abi::SmilesError::empty(), self.stage.bind.unwrap());
        // SAFETY: the same struct by the C data interface.
        unsafe { bind(self.this, (&raw const columns).cast(), std::ptr::null_mut(), &raw mut error) }
    }

    fn write(&mut self, seq: u64) -> (i32, abi::SmilesError) {
        let numbers: ArrayRef = Arc::new(Int64Array::from(vec![1, 2, 3]));
        let rows = RecordBatch::try_new(columns(), vec![numbers]).unwrap();
        let mut array = FFI_ArrowArray::new(&StructArray::from(rows).to_data());
        let position = abi::SmilesPosition { run: [1; 16], seq };
        let (mut error, write) = (abi::SmilesError::empty(), self.stage.write.unwrap());
        // SAFETY: the same struct by the C data interface.
        let status =
            unsafe { write(self.this, (&raw mut array).cast(), &raw const position, &raw mut error) };
        assert!(array.is_released(), "rows are taken, whatever happens");
        (status, error)
    }

    fn flush(&mut self) -> (i32, u64) {
        let (mut error, mut durable) = (abi::SmilesError::empty(), abi::SmilesPosition::default());
        let flush = self.stage.flush.unwrap();
        // SAFETY: all of it is ours.
        let status = unsafe { flush(self.this, 1000, &raw mut durable, &raw mut error) };
        (status, durable.seq)
    }

    fn close(&mut self) {
        // SAFETY: the instance, or null.
        unsafe { self.stage.close.unwrap()(&raw mut self.this) };
        assert!(self.this.is_null());
    }
}

fn columns() -> SchemaRef {
    Arc::new(Schema::new(vec![Field::new("n", DataType::Int64, false)]))
}

#[test]
fn what_awaits_is_driven_like_what_blocks() {
    let (mut driven, status) = Driven::open(r#"{"does": "counts"}"#);
    assert_eq!((status, driven.bind()), (abi::STATUS_OK, abi::STATUS_OK));
    assert_eq!(driven.told.log, ["n"]);
    assert_eq!(driven.flush(), (abi::STATUS_OK, 0), "nothing was written");
    for seq in [4, 5] {
        assert_eq!(driven.write(seq).0, abi::STATUS_OK);
    }
    assert_eq!(driven.flush(), (abi::STATUS_OK, 5));
    assert_eq!(FLUSHED.load(Ordering::SeqCst), 6);
    driven.close();
    driven.close();
}

#[test]
fn what_the_journal_has_forgotten_a_sink_that_awaits_forgets() {
    let (mut driven, _) = Driven::open(r#"{"does": "nothing"}"#);
    driven.bind();
    let (runs, mut error) = ([[1_u8; 16], [2; 16]], abi::SmilesError::empty());
    // SAFETY: two runs of 16 bytes.
    let status =
        unsafe { driven.stage.forget.unwrap()(driven.this, runs.as_ptr().cast(), 2, &raw mut error) };
    assert_eq!(status, abi::STATUS_OK);
    assert_eq!(driven.told.log.last(), Some(&format!("forgets {runs:?}")));
    driven.close();
}

struct Short(i64);

impl Source for Short {
    type Options = serde_json::Value;
    const TYPE: &'static str = "short";
    const ABOUT: &'static str = "brings its last rows with its end";

    fn plan(_: &serde_json::Value) -> Result<SchemaRef, Error> {
        Ok(columns())
    }

    fn open(_: serde_json::Value, _: Host) -> Result<Self, Error> {
        Ok(Self(0))
    }

    fn next(&mut self, _: std::time::Duration) -> Result<Next, Error> {
        self.0 += 1;
        let numbers: ArrayRef = Arc::new(Int64Array::from(vec![self.0]));
        let rows = RecordBatch::try_new(columns(), vec![numbers]).map_err(Error::retry)?;
        Ok(if self.0 == 2 { Next::Last(rows) } else { Next::Rows(rows) })
    }
}

#[test]
fn the_last_rows_of_a_source_come_before_its_end() {
    let (mut driven, _) = Driven::of(source::<Short>(), "{}");
    let mut filled = FFI_ArrowSchema::empty();
    let mut error = abi::SmilesError::empty();
    let bind = driven.stage.bind.unwrap();
    // SAFETY: the same struct by the C data interface.
    let status = unsafe { bind(driven.this, std::ptr::null(), (&raw mut filled).cast(), &raw mut error) };
    assert_eq!(status, abi::STATUS_OK);
    for (expected, brings) in
        [(abi::STATUS_OK, true), (abi::STATUS_OK, true), (abi::STATUS_END, false), (abi::STATUS_END, false)]
    {
        let mut array = FFI_ArrowArray::empty();
        // SAFETY: as above.
        let status =
            unsafe { driven.stage.next.unwrap()(driven.this, 1000, (&raw mut array).cast(), &raw mut error) };
        assert_eq!((status, !array.is_released()), (expected, brings));
    }
    driven.close();
}

#[test]
fn a_panic_poisons_its_instance_and_asks_for_another() {
    let (mut driven, _) = Driven::open(r#"{"does": "panics"}"#);
    driven.bind();
    for said in ["it panicked: as it was told", "it panicked before"] {
        let (status, error) = driven.write(1);
        assert_eq!((status, error.flags), (abi::STATUS_RETRY, abi::ERROR_REOPEN));
        assert!(error.said().contains(said), "{}", error.said());
    }
    driven.close();
    let (mut other, _) = Driven::open(r#"{"does": "nothing"}"#);
    assert_eq!((other.bind(), other.write(1).0), (abi::STATUS_OK, abi::STATUS_OK));
    other.close();
}

#[test]
fn rejected_rows_are_named_before_the_call_returns() {
    let (mut driven, _) = Driven::open(r#"{"does": "rejects"}"#);
    driven.bind();
    let (status, error) = driven.write(9);
    assert_eq!((status, error.code, error.flags), (abi::STATUS_REJECT, 7, 0));
    assert_eq!(driven.told.rejects, [(9, 1, "odd".to_owned())]);
    driven.close();
}

#[test]
fn options_are_typed_and_described() {
    for bad in ["", "[]", r#"{"do": "x"}"#, r#"{"does": 7}"#] {
        let (driven, status) = Driven::open(bad);
        assert_eq!(status, abi::STATUS_HALT, "{bad}");
        assert!(driven.this.is_null());
    }
    // SAFETY: may be called at any time; the text is static.
    let schema = unsafe { sink::<Blocking<Waiting>>().options_schema.unwrap()().bytes() };
    let schema: serde_json::Value = serde_json::from_slice(schema).unwrap();
    assert_eq!(schema["properties"]["does"]["description"], "what it does in `write`");
    assert_eq!(schema["additionalProperties"], false);
}
