//! Counts how often arrays that were given away are released.

use std::ffi::c_void;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use arrow_array::RecordBatch;
use arrow_array::ffi::FFI_ArrowArray;
use smiles_plugin_abi::ArrowArray;

use crate::rows::export;

/// How many arrays were given away, and how many were released.
#[derive(Default)]
pub(crate) struct ReleaseCount {
    given: usize,
    released: Arc<AtomicUsize>,
}

type Release = unsafe extern "C" fn(*mut FFI_ArrowArray);

/// Release and data of the original array, kept while the counting ones take their place.
struct OriginalArray {
    release: Option<Release>,
    private_data: *mut c_void,
    released: Arc<AtomicUsize>,
}

unsafe extern "C" fn released(array: *mut FFI_ArrowArray) {
    // SAFETY: called with the array it was set on, or one that array was moved to.
    let array = unsafe { &mut *array };
    // SAFETY: `private_data` is the box of `ReleaseCount::give`, freed here and only here: the release is replaced below.
    let original = unsafe { Box::from_raw(array.private_data().cast::<OriginalArray>()) };
    original.released.fetch_add(1, Ordering::AcqRel);
    // SAFETY: the array gets its own data and release back, which belong together.
    unsafe {
        array.set_private_data(original.private_data);
        array.set_release(original.release);
        if let Some(release) = original.release {
            release(array);
        }
    }
}

impl ReleaseCount {
    /// Rows on the line whose release is counted.
    pub(crate) fn give(&mut self, rows: &RecordBatch) -> FFI_ArrowArray {
        self.given += 1;
        let mut array = export(rows);
        let original = OriginalArray {
            release: array.release(),
            private_data: array.private_data(),
            released: Arc::clone(&self.released),
        };
        // SAFETY: `released` undoes both before it calls the array's own release.
        unsafe {
            array.set_private_data(Box::into_raw(Box::new(original)).cast());
            array.set_release(Some(released));
        }
        array
    }

    /// As [`ReleaseCount::give`], of some of the rows: the struct says where they begin, its columns begin before.
    pub(crate) fn give_within(&mut self, rows: &RecordBatch, first: usize, length: usize) -> FFI_ArrowArray {
        let mut array = self.give(rows);
        let whole: *mut FFI_ArrowArray = &raw mut array;
        // SAFETY: the same struct by the C data interface.
        let within = unsafe { &mut *whole.cast::<ArrowArray>() };
        within.offset = i64::try_from(first).unwrap_or(0);
        within.length = i64::try_from(length).unwrap_or(0);
        array
    }

    /// An error unless every array was released once.
    pub(crate) fn verdict(&self) -> Result<(), String> {
        let released = self.released.load(Ordering::Acquire);
        if released == self.given {
            return Ok(());
        }
        Err(format!("{} arrays were given and {released} released: each must be, exactly once", self.given))
    }
}
