//! Values, the services of the host, the table of a stage. Member for member as in `smiles_plugin.h`, which explains them.

use core::ffi::c_void;

use crate::{ArrowArray, ArrowSchema};

/// The call succeeded.
pub const STATUS_OK: i32 = 0;
/// The same again later; also what an unknown status means.
pub const STATUS_RETRY: i32 = 1;
/// The rows named with `reject` can never be taken.
pub const STATUS_REJECT: i32 = 2;
/// Nothing helps until a person acts.
pub const STATUS_HALT: i32 = 3;
/// There will never be more rows.
pub const STATUS_END: i32 = 4;

/// Bytes of a message.
pub const MESSAGE_MAX: usize = 512;
/// The instance must be closed and another opened.
pub const ERROR_REOPEN: u32 = 1;
/// A source that waits by itself.
pub const STREAMED: u32 = 1;

/// A source.
pub const ROLE_SOURCE: u32 = 1;
/// A transform.
pub const ROLE_TRANSFORM: u32 = 2;
/// A sink.
pub const ROLE_SINK: u32 = 3;

/// Level of a log line.
pub const LOG_ERROR: u32 = 1;
/// Level of a log line.
pub const LOG_WARN: u32 = 2;
/// Level of a log line.
pub const LOG_INFO: u32 = 3;
/// Level of a log line.
pub const LOG_DEBUG: u32 = 4;
/// Level of a log line.
pub const LOG_TRACE: u32 = 5;

/// Borrowed UTF-8 with its length.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct SmilesStr {
    /// May be null where `len` is 0.
    pub ptr: *const u8,
    /// In bytes.
    pub len: usize,
}

/// What went wrong; owned by the host.
#[repr(C)]
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "the header explains every member")]
pub struct SmilesError {
    pub struct_size: u32,
    pub flags: u32,
    pub code: i32,
    pub retry_after_ms: u32,
    pub message_len: u32,
    pub reserved: u32,
    pub message: [u8; MESSAGE_MAX],
}

/// Where a batch stands.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "the header explains every member")]
pub struct SmilesPosition {
    pub run: [u8; 16],
    pub seq: u64,
}

/// What a target says of a run.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "the header explains every member")]
pub struct SmilesWatermark {
    pub target: [u8; 16],
    pub seq: u64,
}

/// The services of the host.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
#[expect(missing_docs, reason = "the header explains every member")]
pub struct SmilesHost {
    pub struct_size: u32,
    pub abi_minor: u32,
    pub ctx: *mut c_void,
    pub log: Option<unsafe extern "C" fn(*mut c_void, u32, SmilesStr)>,
    pub metric_add: Option<unsafe extern "C" fn(*mut c_void, u32, f64)>,
    pub now_us: Option<unsafe extern "C" fn(*mut c_void) -> i64>,
    pub cancelled: Option<unsafe extern "C" fn(*mut c_void) -> u32>,
    pub state_get: Option<unsafe extern "C" fn(*mut c_void, SmilesStr, *mut u8, *mut usize) -> i32>,
    pub state_put: Option<unsafe extern "C" fn(*mut c_void, SmilesStr, *const u8, usize) -> i32>,
    pub reject: Option<unsafe extern "C" fn(*mut c_void, u64, u64, SmilesStr, SmilesStr)>,
    pub fault: Option<unsafe extern "C" fn(*mut c_void, SmilesStr)>,
}

type Plan = unsafe extern "C" fn(SmilesStr, *const ArrowSchema, *mut ArrowSchema, *mut SmilesError) -> i32;
type Open = unsafe extern "C" fn(
    *const SmilesHost,
    SmilesStr,
    SmilesStr,
    SmilesStr,
    *mut *mut c_void,
    *mut SmilesError,
) -> i32;
type Bind = unsafe extern "C" fn(*mut c_void, *const ArrowSchema, *mut ArrowSchema, *mut SmilesError) -> i32;
type Next = unsafe extern "C" fn(*mut c_void, u32, *mut ArrowArray, *mut SmilesError) -> i32;
type Commit = unsafe extern "C" fn(*mut c_void, *const SmilesPosition, *mut SmilesError) -> i32;
type Apply = unsafe extern "C" fn(*mut c_void, *mut ArrowArray, *mut ArrowArray, *mut SmilesError) -> i32;
type Write =
    unsafe extern "C" fn(*mut c_void, *mut ArrowArray, *const SmilesPosition, *mut SmilesError) -> i32;
type Flush = unsafe extern "C" fn(*mut c_void, u32, *mut SmilesPosition, *mut SmilesError) -> i32;
type Mark = unsafe extern "C" fn(*mut c_void, *const u8, *mut SmilesWatermark, *mut SmilesError) -> i32;
type Forget = unsafe extern "C" fn(*mut c_void, *const u8, usize, *mut SmilesError) -> i32;

/// A stage type.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
#[expect(missing_docs, reason = "the header explains every member")]
pub struct SmilesStage {
    pub struct_size: u32,
    pub role: u32,
    pub type_name: SmilesStr,
    pub flags: u32,
    pub reserved: u32,
    pub options_schema: Option<unsafe extern "C" fn() -> SmilesStr>,
    pub plan: Option<Plan>,
    pub open: Option<Open>,
    pub bind: Option<Bind>,
    pub next: Option<Next>,
    pub commit: Option<Commit>,
    pub apply: Option<Apply>,
    pub write: Option<Write>,
    pub flush: Option<Flush>,
    pub watermark: Option<Mark>,
    pub forget: Option<Forget>,
    pub cancel: Option<unsafe extern "C" fn(*mut c_void)>,
    pub close: Option<unsafe extern "C" fn(*mut *mut c_void)>,
}

/// What the library is.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
#[expect(missing_docs, reason = "the header explains every member")]
pub struct SmilesPlugin {
    pub struct_size: u32,
    pub abi_minor: u32,
    pub meta: SmilesStr,
    pub stages: *const *const SmilesStage,
    pub stage_count: u32,
    pub reserved: u32,
}

/// The type of [`crate::ENTRY`].
pub type Entry = unsafe extern "C" fn(host_minor: u32) -> *const SmilesPlugin;

/// A table in a static: it holds pointers, all of them to statics and functions.
#[repr(transparent)]
#[derive(Debug)]
pub struct Static<T>(pub T);

// SAFETY: a plugin's tables are constants, never written, and point to constants only.
unsafe impl<T> Sync for Static<T> {}

impl SmilesStr {
    /// A text that lives for ever.
    pub const fn of(text: &'static str) -> Self {
        Self { ptr: text.as_ptr(), len: text.len() }
    }

    /// A text for the length of a call.
    pub fn lend(text: &str) -> Self {
        Self { ptr: text.as_ptr(), len: text.len() }
    }

    /// Bytes for the length of a call: keys of state need not be UTF-8.
    pub fn lend_bytes(bytes: &[u8]) -> Self {
        Self { ptr: bytes.as_ptr(), len: bytes.len() }
    }

    /// The bytes; none for a null pointer.
    ///
    /// # Safety
    /// `ptr` is null or points to `len` bytes that live as long as the answer is used.
    pub unsafe fn bytes<'a>(self) -> &'a [u8] {
        if self.ptr.is_null() || self.len == 0 || isize::try_from(self.len).is_err() {
            return &[];
        }
        // SAFETY: not null, of a length that an allocation can have; the rest is the caller's promise.
        unsafe { core::slice::from_raw_parts(self.ptr, self.len) }
    }
}

impl SmilesError {
    /// As a host hands it to a call.
    pub const fn empty() -> Self {
        #[expect(clippy::cast_possible_truncation, reason = "536 bytes")]
        let struct_size = size_of::<Self>() as u32;
        Self {
            struct_size,
            flags: 0,
            code: 0,
            retry_after_ms: 0,
            message_len: 0,
            reserved: 0,
            message: [0; MESSAGE_MAX],
        }
    }

    /// Writes the message, cut at a character boundary.
    pub fn say(&mut self, text: &str) {
        let mut end = text.len().min(MESSAGE_MAX);
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        self.message[..end].copy_from_slice(&text.as_bytes()[..end]);
        self.message_len = u32::try_from(end).unwrap_or(0);
    }

    /// The message, whatever the other side wrote: never longer than its room, never broken UTF-8, ended by a zero byte
    /// where the length says nothing of use.
    pub fn said(&self) -> String {
        let length = usize::try_from(self.message_len).unwrap_or(MESSAGE_MAX).min(MESSAGE_MAX);
        let bytes = &self.message[..length];
        let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(length);
        String::from_utf8_lossy(&bytes[..end]).trim().to_owned()
    }
}

impl ArrowSchema {
    /// Released: what the other side fills in.
    pub const fn empty() -> Self {
        Self {
            format: core::ptr::null(),
            name: core::ptr::null(),
            metadata: core::ptr::null(),
            flags: 0,
            n_children: 0,
            children: core::ptr::null_mut(),
            dictionary: core::ptr::null_mut(),
            release: None,
            private_data: core::ptr::null_mut(),
        }
    }
}

impl ArrowArray {
    /// Released: what the other side fills in.
    pub const fn empty() -> Self {
        Self {
            length: 0,
            null_count: 0,
            offset: 0,
            n_buffers: 0,
            n_children: 0,
            buffers: core::ptr::null_mut(),
            children: core::ptr::null_mut(),
            dictionary: core::ptr::null_mut(),
            release: None,
            private_data: core::ptr::null_mut(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_cut_between_characters_and_read_whatever_it_is() {
        let mut error = SmilesError::empty();
        error.say(&"\u{e4}".repeat(300));
        assert_eq!((error.message_len, error.said().chars().count()), (512, 256));
        error.say(&format!("x{}", "\u{20ac}".repeat(300)));
        assert_eq!(error.message_len, 511, "512 would be in the middle of a character");
        let rows: [(&[u8], u32, &str); 4] = [
            (b"disk full", 9, "disk full"),
            (b"disk full\0rest", 400, "disk full"),
            (b"\xff\xfe", 2, "\u{fffd}\u{fffd}"),
            (b"", 0, ""),
        ];
        for (bytes, length, expected) in rows {
            let mut error = SmilesError::empty();
            error.message[..bytes.len()].copy_from_slice(bytes);
            error.message_len = length;
            assert_eq!(error.said(), expected);
        }
        let mut unterminated = SmilesError::empty();
        unterminated.message = [b'a'; MESSAGE_MAX];
        unterminated.message_len = u32::MAX;
        assert_eq!(unterminated.said(), "a".repeat(MESSAGE_MAX));
    }

    #[test]
    fn a_text_without_bytes_is_empty() {
        for text in [SmilesStr { ptr: core::ptr::null(), len: 7 }, SmilesStr::of("")] {
            // SAFETY: null, or a static of that length.
            assert!(unsafe { text.bytes() }.is_empty());
        }
        // SAFETY: a static of that length.
        assert_eq!(unsafe { SmilesStr::of("abc").bytes() }, b"abc");
    }
}
