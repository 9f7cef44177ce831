//! A serial line as a stream of bytes.

use std::fs::File;
use std::io;
use std::path::Path;

use rustix::fs::{Mode, OFlags};
use rustix::termios::{OptionalActions, tcgetattr, tcsetattr};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::unix::pipe::{Receiver, Sender};

/// Opens a terminal device as a line of this speed with 8 data bits and no parity, on which no byte means anything; stop
/// bits stay as they are set.
///
/// # Errors
/// It cannot be opened, is no terminal, or does not know this speed. Needs a runtime that does I/O.
pub fn serial_line(path: &Path, baud: u32) -> io::Result<impl AsyncRead + AsyncWrite + Unpin + use<>> {
    // Without waiting for a carrier, and without becoming the terminal of this process.
    let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let fd = rustix::fs::open(path, flags, Mode::empty())?;
    let mut settings = tcgetattr(&fd)?;
    settings.make_raw();
    settings.set_speed(baud)?;
    tcsetattr(&fd, OptionalActions::Now, &settings)?;
    // A line is read, written and waited for as a pipe is, and tokio has no type of its own for it.
    let file = File::from(fd);
    let to = Sender::from_file_unchecked(file.try_clone()?)?;
    Ok(tokio::io::join(Receiver::from_file_unchecked(file)?, to))
}
