//! How two versions meet: a struct is read up to the size it says it has, and the rest is as if it were zero.

use core::mem::MaybeUninit;

/// A struct that begins with its own size in bytes, as `u32`, and for which zero bytes mean "absent".
///
/// # Safety
/// The type is `repr(C)`, begins with a `u32` that holds its size, and is valid when every byte is zero.
pub unsafe trait Sized32: Copy {
    /// What version 1.0 had: less is no such struct.
    const LEAST: usize;
}

/// It says it is smaller than the smallest there ever was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooSmall {
    /// What it says.
    pub size: u32,
}

/// Copies what both sides know: `min(its size, our size)` bytes; what it lacks is zero.
///
/// # Errors
/// It is smaller than version 1.0.
///
/// # Safety
/// `table` points to a struct that begins with its size in bytes and is readable up to there.
pub unsafe fn read_sized<T: Sized32>(table: *const T) -> Result<T, TooSmall> {
    // SAFETY: the caller promises that a size stands there.
    let size = unsafe { table.cast::<u32>().read_unaligned() };
    let theirs = usize::try_from(size).unwrap_or(usize::MAX);
    if theirs < T::LEAST {
        return Err(TooSmall { size });
    }
    let mut copy = MaybeUninit::<T>::zeroed();
    let common = theirs.min(size_of::<T>());
    // SAFETY: both sides have at least `common` bytes, and a copy does not overlap its original.
    unsafe { core::ptr::copy_nonoverlapping(table.cast::<u8>(), copy.as_mut_ptr().cast::<u8>(), common) };
    // SAFETY: zeroed first, and `Sized32` promises that zero bytes are valid; the others are the plugin's own.
    Ok(unsafe { copy.assume_init() })
}

// SAFETY: `repr(C)`, begins with `struct_size`; null pointers and absent functions are zero bytes.
unsafe impl Sized32 for crate::SmilesStage {
    // A stage of version 1.0 ends with `close`; `forget`, `cancel` and the others may be null but are there.
    const LEAST: usize = core::mem::offset_of!(Self, close) + size_of::<usize>();
}

// SAFETY: as above.
unsafe impl Sized32 for crate::SmilesPlugin {
    const LEAST: usize = core::mem::offset_of!(Self, reserved) + size_of::<u32>();
}

// SAFETY: as above.
unsafe impl Sized32 for crate::SmilesHost {
    const LEAST: usize = core::mem::offset_of!(Self, fault) + size_of::<usize>();
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Version 1.0 of some table, and what a later minor version made of it.
    #[repr(C)]
    #[derive(Clone, Copy)]
    struct Old {
        struct_size: u32,
        flags: u32,
        first: Option<extern "C" fn() -> u32>,
    }
    #[repr(C)]
    #[derive(Clone, Copy)]
    struct New {
        struct_size: u32,
        flags: u32,
        first: Option<extern "C" fn() -> u32>,
        later: Option<extern "C" fn() -> u32>,
        number: u64,
    }
    // SAFETY: `repr(C)`, begins with its size, zero is absent.
    unsafe impl Sized32 for Old {
        const LEAST: usize = size_of::<Old>();
    }
    // SAFETY: as above.
    unsafe impl Sized32 for New {
        const LEAST: usize = size_of::<Old>();
    }

    extern "C" fn one() -> u32 {
        1
    }

    fn size<T>() -> u32 {
        u32::try_from(size_of::<T>()).unwrap()
    }

    #[test]
    fn a_newer_reader_finds_what_an_older_table_lacks_absent() {
        // What follows the older table in memory is not part of it and must not be read as if it were.
        #[repr(C)]
        struct Placed {
            table: Old,
            strange: [usize; 2],
        }
        let placed = Placed {
            table: Old { struct_size: size::<Old>(), flags: 7, first: Some(one) },
            strange: [usize::MAX; 2],
        };
        // SAFETY: the table says its own size.
        let read = unsafe { read_sized((&raw const placed.table).cast::<New>()) }.unwrap();
        assert_eq!((read.flags, read.first.map(|f| f())), (7, Some(1)));
        assert!(read.later.is_none() && read.number == 0);
        assert_eq!(placed.strange, [usize::MAX; 2]);
    }

    #[test]
    fn an_older_reader_ignores_what_it_does_not_know() {
        let new = New { struct_size: size::<New>(), flags: 3, first: Some(one), later: Some(one), number: 9 };
        assert!(new.later.is_some() && new.number == 9);
        // SAFETY: the table says its own size.
        let read = unsafe { read_sized((&raw const new).cast::<Old>()) }.unwrap();
        assert_eq!((read.struct_size, read.flags), (size::<New>(), 3));
        assert_eq!(read.first.map(|f| f()), Some(1));
    }

    #[test]
    fn less_than_the_first_version_is_refused() {
        for struct_size in [0, 4, size::<Old>() - 1] {
            let old = Old { struct_size, flags: 0, first: None };
            // SAFETY: what it says is less than what is there.
            let read = unsafe { read_sized(&raw const old) };
            assert_eq!(read.err(), Some(TooSmall { size: struct_size }));
        }
    }
}
