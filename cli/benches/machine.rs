//! What the kernel says of a process, and a folder and a binary to measure with.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// CPU time of a process so far, user and system.
pub(crate) fn cpu(pid: u32) -> Duration {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).expect("the process runs");
    // Fields are counted behind the name, which may hold spaces.
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks: u64 =
        fields[11].parse::<u64>().expect("a number") + fields[12].parse::<u64>().expect("a number");
    // USER_HZ is 100 on every Linux that Rust runs on.
    Duration::from_millis(ticks * 10)
}

/// A line of /proc/PID/status in KiB.
pub(crate) fn memory_kib(pid: u32, name: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("the process runs");
    let line = status.lines().find(|line| line.starts_with(name)).expect("the kernel says so");
    line.split_whitespace().nth(1).and_then(|number| number.parse().ok()).expect("a number")
}

pub(crate) fn smiles(args: &[&str], variables: &[(&str, &str)], folder: &Path) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_smiles"));
    command
        .args(args)
        .env_clear()
        .envs(variables.iter().copied())
        .env("LOG_LEVEL", "error")
        .current_dir(folder);
    command.stdin(Stdio::null()).spawn().expect("the binary starts")
}

pub(crate) fn interrupt(mut child: Child) {
    let signalled = Command::new("kill").args(["-INT", &child.id().to_string()]).status();
    assert!(signalled.expect("kill runs").success());
    assert!(child.wait().expect("the process ends").success());
}

/// Waits for a condition, for five minutes at most.
pub(crate) fn until(what: &str, condition: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(300);
    while !condition() {
        assert!(Instant::now() < deadline, "waited five minutes for {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// The answer with status 200 to a GET, or nothing.
pub(crate) fn get(port: u16, path: &str) -> Option<String> {
    body(port, path).filter(|answer| answer.starts_with("HTTP/1.1 200"))
}

/// The answer to a GET, whatever its status.
pub(crate) fn body(port: u16, path: &str) -> Option<String> {
    use std::io::{Read, Write};
    let mut stream = std::net::TcpStream::connect(("127.0.0.1", port)).ok()?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    Some(answer)
}

/// A port nobody listens on, as far as can be known.
pub(crate) fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("an address").port()
}

pub(crate) fn ratio(ours: f64, beside: f64) -> String {
    format!("{:.2}", ours / beside)
}
