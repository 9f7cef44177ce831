//! RTU on a serial port, played by a pseudo-terminal: echoes, a port in use, an adapter that is unplugged and comes back.

use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

use crate::harness::source;
use crate::late::DEVICE;
use crate::rtu::{Asked, answer, pass};

const MINUTE: Duration = Duration::from_secs(60);

/// What the device does about a question.
enum Reply {
    Bytes(Vec<u8>),
    /// The adapter is pulled out, and plugged in again if so.
    Unplugged {
        again: bool,
    },
}

/// A device behind an adapter; unplugged when dropped.
struct Device {
    path: PathBuf,
    /// Keeps the terminal alive while the source has it closed; the device ends without it.
    held: Arc<Mutex<Option<File>>>,
}

impl Device {
    /// An adapter that appears under this path.
    fn plugged_in(path: &Path, script: impl FnMut(Asked) -> Reply + Send + 'static) -> Self {
        let held = Arc::new(Mutex::new(None));
        let master = plug_in(path, &held);
        let (own_path, own_held) = (path.to_owned(), Arc::clone(&held));
        std::thread::spawn(move || serve(master, &own_path, &own_held, script));
        Self { path: path.to_owned(), held }
    }

    fn address(&self) -> String {
        format!("serial://{}", self.path.display())
    }
}

impl Drop for Device {
    fn drop(&mut self) {
        *self.held.lock().unwrap() = None;
    }
}

fn plug_in(path: &Path, held: &Mutex<Option<File>>) -> File {
    let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&master).unwrap();
    unlockpt(&master).unwrap();
    let name = PathBuf::from(ptsname(&master, Vec::new()).unwrap().into_string().unwrap());
    *held.lock().unwrap() = Some(File::options().read(true).write(true).open(&name).unwrap());
    symlink(&name, path).unwrap();
    File::from(master)
}

fn serve(
    mut master: File,
    path: &Path,
    held: &Mutex<Option<File>>,
    mut script: impl FnMut(Asked) -> Reply + Send + 'static,
) {
    let (mut number, mut frame) = (0, [0; 8]);
    while master.read_exact(&mut frame).is_ok() {
        number += 1;
        match script(Asked { number, frame }) {
            Reply::Bytes(bytes) => master.write_all(&bytes).unwrap(),
            Reply::Unplugged { again } => {
                std::fs::remove_file(path).unwrap();
                *held.lock().unwrap() = None;
                if !again {
                    return;
                }
                // The old one is gone only now, so that the new one has another number.
                let new = plug_in(path, held);
                drop(std::mem::replace(&mut master, new));
            }
        }
    }
}

fn sound(asked: Asked) -> Reply {
    Reply::Bytes(answer(&asked))
}

#[tokio::test]
async fn a_serial_port_is_read_with_and_without_echo() {
    let folder = tempfile::tempdir().unwrap();
    let echo = |asked: Asked| Reply::Bytes([&asked.frame[..], &answer(&asked)].concat());
    for (name, script) in [("plain", sound as fn(Asked) -> Reply), ("echo", echo)] {
        let device = Device::plugged_in(&folder.path().join(name), script);
        for options in ["", "?baud=19200&parity=even&stop_bits=2", "?baud=115200&parity=odd"] {
            for connection in ["per_pass", "keep"] {
                let options = format!(
                    "address: {}{options}\nconnection: {connection}\nmin_delay: 0s",
                    device.address()
                );
                let mut source = source(&options, DEVICE, MINUTE).await;
                for _ in 0..3 {
                    assert_eq!(pass(source.as_mut()).await, "1 2 3", "{name}: {options}");
                }
            }
        }
    }
}

#[tokio::test]
async fn an_adapter_that_was_plugged_in_again_is_found_again() {
    for connection in ["per_pass", "keep"] {
        let folder = tempfile::tempdir().unwrap();
        // While the second and the fourth pass ask: the first question of one, the last of the other.
        let script = |asked: Asked| match asked.number {
            4 | 12 => Reply::Unplugged { again: true },
            _ => sound(asked),
        };
        let device = Device::plugged_in(&folder.path().join("port"), script);
        let options = format!("address: {}\nconnection: {connection}", device.address());
        let mut source = source(&options, DEVICE, MINUTE).await;
        for number in 1..=5 {
            assert_eq!(pass(source.as_mut()).await, "1 2 3", "{connection}: pass {number}");
        }
    }
}

#[tokio::test]
async fn a_missing_adapter_is_named_until_it_is_back() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("port");
    let device = Device::plugged_in(&path, |asked| match asked.number {
        4 => Reply::Unplugged { again: false },
        _ => sound(asked),
    });
    let mut source = source(&format!("address: {}", device.address()), DEVICE, MINUTE).await;
    assert_eq!(pass(source.as_mut()).await, "1 2 3");
    let missing = format!("cannot connect: there is no {}; is the adapter plugged in?", path.display());
    for _ in 0..2 {
        assert_eq!(pass(source.as_mut()).await, missing);
    }
    let _again = Device::plugged_in(&path, sound);
    assert_eq!(pass(source.as_mut()).await, "1 2 3");
}

#[tokio::test]
async fn a_port_in_use_and_what_is_no_port_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let device = Device::plugged_in(&folder.path().join("port"), sound);
    let other = folder.path().join("other");
    symlink(std::fs::read_link(&device.path).unwrap(), &other).unwrap();
    let mut first = source(&format!("address: {}\nconnection: keep", device.address()), DEVICE, MINUTE).await;
    assert_eq!(pass(first.as_mut()).await, "1 2 3");
    let mut second = source(&format!("address: serial://{}", other.display()), DEVICE, MINUTE).await;
    let busy = format!(
        "cannot connect: {} is busy: another program, or a source that names it by another path, has it open",
        other.display()
    );
    assert_eq!(pass(second.as_mut()).await, busy);
    drop(first);
    assert_eq!(pass(second.as_mut()).await, "1 2 3", "it is free again");
    let mut none = source("address: serial:///dev/null", DEVICE, MINUTE).await;
    assert_eq!(pass(none.as_mut()).await, "cannot connect: /dev/null is not a serial port");
}

#[tokio::test]
async fn a_silent_serial_line_says_what_may_be_wrong() {
    let folder = tempfile::tempdir().unwrap();
    let device = Device::plugged_in(&folder.path().join("port"), |_| Reply::Bytes(Vec::new()));
    let options = format!("address: {}\ntimeout: 100ms", device.address());
    let said = pass(source(&options, DEVICE, MINUTE).await.as_mut()).await;
    let expected = "timed out after 100ms (nothing was heard yet: are `unit_id`, baud rate and parity right, and wires A \
                    and B not swapped?)";
    assert_eq!(said, expected);
}
