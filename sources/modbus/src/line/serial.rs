//! A serial port of this machine: raw bytes, without waiting, and nobody else's meanwhile.

use std::io;
use std::os::fd::OwnedFd;
use std::task::{Context, Poll, ready};

use rustix::fs::{FlockOperation, Mode, OFlags, flock};
use rustix::io::Errno;
use rustix::termios::{
    ControlModes, OptionalActions, QueueSelector, SpecialCodeIndex, ioctl_tiocexcl, ioctl_tiocnxcl, isatty,
    tcflush, tcgetattr, tcsetattr,
};
use tokio::io::ReadBuf;
use tokio::io::unix::AsyncFd;

use crate::address::{Parity, SerialPort};

/// An open serial port.
pub(crate) struct Serial(AsyncFd<OwnedFd>);

impl Serial {
    /// Opens it, and throws away what came before.
    ///
    /// # Errors
    /// There is none, it is in use or not ours to use, or it cannot do what is asked of it.
    pub(crate) fn open(port: &SerialPort) -> io::Result<Self> {
        let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let fd =
            rustix::fs::open(&port.path, flags, Mode::empty()).map_err(|error| explained(error, port))?;
        if !isatty(&fd) {
            return Err(io::Error::other(format!("{} is not a serial port", port.path)));
        }
        // The first keeps out programs that ask for a lock, also those of root, whom the second lets in.
        flock(&fd, FlockOperation::NonBlockingLockExclusive).map_err(|error| explained(error, port))?;
        ioctl_tiocexcl(&fd).map_err(|error| explained(error, port))?;
        // From here on dropping it lets others in again.
        #[expect(
            deprecated,
            reason = "its successor is unsafe; what it demands, a descriptor that nobody closes or replaces, an OwnedFd is"
        )]
        let serial = Self(AsyncFd::new(fd)?);
        serial.set_up(port).map_err(|error| explained(error, port))?;
        Ok(serial)
    }

    fn set_up(&self, port: &SerialPort) -> Result<(), Errno> {
        let fd = self.0.get_ref();
        let mut settings = tcgetattr(fd)?;
        settings.make_raw();
        // Without HUPCL: an adapter that drops its lines on closing resets what hangs on it.
        settings.control_modes.remove(
            ControlModes::CSIZE
                | ControlModes::PARENB
                | ControlModes::PARODD
                | ControlModes::CSTOPB
                | ControlModes::CRTSCTS
                | ControlModes::HUPCL,
        );
        settings.control_modes.insert(ControlModes::CS8 | ControlModes::CREAD | ControlModes::CLOCAL);
        settings.control_modes.insert(match port.parity {
            Parity::None => ControlModes::empty(),
            Parity::Even => ControlModes::PARENB,
            Parity::Odd => ControlModes::PARENB | ControlModes::PARODD,
        });
        if port.stop_bits == 2 {
            settings.control_modes.insert(ControlModes::CSTOPB);
        }
        // A read that finds nothing says so; only one that finds the port gone returns nothing.
        settings.special_codes[SpecialCodeIndex::VMIN] = 1;
        settings.special_codes[SpecialCodeIndex::VTIME] = 0;
        settings.set_speed(port.baud)?;
        tcsetattr(fd, OptionalActions::Now, &settings)?;
        // Drivers take the nearest rate they have, and say nothing.
        let done = tcgetattr(fd)?.output_speed();
        if done.abs_diff(port.baud) > port.baud / 50 {
            return Err(Errno::INVAL);
        }
        tcflush(fd, QueueSelector::IFlush)
    }

    /// As that of `AsyncRead`. A port that is gone is an error, so that it is opened anew.
    pub(crate) fn poll_read(&self, cx: &mut Context<'_>, out: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        loop {
            let mut ready = ready!(self.0.poll_read_ready(cx))?;
            let unfilled = out.initialize_unfilled();
            match ready.try_io(|fd| Ok(rustix::io::read(fd.get_ref(), &mut *unfilled)?)) {
                Ok(Ok(0)) => return Poll::Ready(Err(gone())),
                Ok(Ok(count)) => {
                    out.advance(count);
                    return Poll::Ready(Ok(()));
                }
                Ok(Err(error)) if error.kind() == io::ErrorKind::Interrupted => {}
                Ok(Err(error)) => return Poll::Ready(Err(lost(error))),
                Err(_would_block) => {}
            }
        }
    }

    /// As that of `AsyncWrite`.
    pub(crate) fn poll_write(&self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        loop {
            let mut ready = ready!(self.0.poll_write_ready(cx))?;
            match ready.try_io(|fd| Ok(rustix::io::write(fd.get_ref(), bytes)?)) {
                Ok(Err(error)) if error.kind() == io::ErrorKind::Interrupted => {}
                Ok(result) => return Poll::Ready(result.map_err(lost)),
                Err(_would_block) => {}
            }
        }
    }
}

impl Drop for Serial {
    fn drop(&mut self) {
        // The port would keep it as long as anyone has it open.
        ioctl_tiocnxcl(self.0.get_ref()).ok();
    }
}

fn gone() -> io::Error {
    io::Error::other("the serial port is gone; was the adapter unplugged?")
}

fn lost(error: io::Error) -> io::Error {
    match Errno::from_io_error(&error) {
        Some(Errno::IO | Errno::NXIO | Errno::NODEV) => gone(),
        _ => error,
    }
}

fn explained(error: Errno, port: &SerialPort) -> io::Error {
    let path = &port.path;
    io::Error::other(match error {
        Errno::NOENT | Errno::NODEV | Errno::NXIO | Errno::IO => {
            format!("there is no {path}; is the adapter plugged in?")
        }
        Errno::ACCESS | Errno::PERM => {
            format!("permission denied for {path}; add the user to the group `dialout`")
        }
        Errno::BUSY | Errno::WOULDBLOCK => {
            format!("{path} is busy: another program, or a source that names it by another path, has it open")
        }
        Errno::INVAL => format!("{path} cannot do {} baud", port.baud),
        _ => format!("{path}: {}", io::Error::from(error)),
    })
}
