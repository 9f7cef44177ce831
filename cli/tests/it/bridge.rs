//! A running `smiles` process: its log lines, its API, its end.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::{Arc, Condvar, LazyLock, Mutex};
use std::time::{Duration, Instant};

/// Long enough for a busy machine; a test that needs it all has failed.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// The log so far, and a bell for each new line.
type Log = Arc<(Mutex<Vec<String>>, Condvar)>;

pub(crate) struct Bridge {
    child: Child,
    log: Log,
}

/// The binary with an environment of nothing but these variables.
pub(crate) fn smiles(args: &[&str], variables: &[(&str, &str)]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_smiles"));
    command.args(args).env_clear().envs(variables.iter().copied()).stdin(Stdio::null());
    command
}

/// Runs it to its end in `folder`.
pub(crate) fn finish(args: &[&str], variables: &[(&str, &str)], folder: &Path) -> Output {
    smiles(args, variables).current_dir(folder).output().expect("the binary runs")
}

/// Variables that give a process a wall clock of its own, which goes on from this time (`@2026-11-30 17:50:00`, UTC), by
/// libfaketime: what an earlier day left behind is read on that day. The monotonic clock stays the real one.
pub(crate) fn clock_at(time: &str) -> [(&'static str, &str); 4] {
    static LIBRARY: LazyLock<String> = LazyLock::new(|| {
        let mut folders = std::fs::read_dir("/usr/lib").expect("a file system").flatten();
        let library = folders.find_map(|folder| {
            Some(folder.path().join("faketime/libfaketimeMT.so.1")).filter(|path| path.exists())
        });
        let library = library.expect("libfaketime, of the Debian package faketime: `make setup` installs it");
        library.display().to_string()
    });
    [("LD_PRELOAD", &LIBRARY), ("FAKETIME", time), ("FAKETIME_DONT_FAKE_MONOTONIC", "1"), ("TZ", "UTC")]
}

/// The top of the repository.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().expect("the repository exists")
}

#[expect(clippy::disallowed_methods, reason = "a test outside the process waits by the real clock")]
pub(crate) fn now() -> Instant {
    Instant::now()
}

impl Bridge {
    pub(crate) fn start(args: &[&str], variables: &[(&str, &str)], folder: &Path) -> Self {
        let words: Vec<&str> =
            std::iter::once(env!("CARGO_BIN_EXE_smiles")).chain(args.iter().copied()).collect();
        Self::start_by(&words, variables, folder)
    }

    /// By a program that becomes the binary.
    pub(crate) fn start_by(words: &[&str], variables: &[(&str, &str)], folder: &Path) -> Self {
        let mut command = Command::new(words[0]);
        command.args(&words[1..]).env_clear().envs(variables.iter().copied()).stdin(Stdio::null());
        let mut child = command
            .current_dir(folder)
            .stderr(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .expect("the binary starts");
        let lines = BufReader::new(child.stderr.take().expect("stderr is piped")).lines();
        let log: Log = Arc::default();
        let writer = Arc::clone(&log);
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                writer.0.lock().expect("no reader panics").push(line);
                writer.1.notify_all();
            }
        });
        Self { child, log }
    }

    /// The first line that has all these words; panics with the whole log if none comes.
    pub(crate) fn line(&self, words: &[&str]) -> String {
        let deadline = now() + PATIENCE;
        let mut lines = self.log.0.lock().expect("no writer panics");
        loop {
            if let Some(line) = lines.iter().find(|line| words.iter().all(|word| line.contains(word))) {
                return line.clone();
            }
            let left = deadline.saturating_duration_since(now());
            assert!(!left.is_zero(), "no line with {words:?} in:\n{}", lines.join("\n"));
            lines = self.log.1.wait_timeout(lines, left).expect("no writer panics").0;
        }
    }

    /// How many lines have all these words by now.
    pub(crate) fn count(&self, words: &[&str]) -> usize {
        let lines = self.log.0.lock().expect("no writer panics");
        lines.iter().filter(|line| words.iter().all(|word| line.contains(word))).count()
    }

    pub(crate) fn log(&self) -> String {
        self.log.0.lock().expect("no writer panics").join("\n")
    }

    /// `HOST:PORT` of the API, once it listens.
    pub(crate) fn address(&self) -> String {
        let line = self.line(&["http api listening"]);
        let (_, rest) = line.split_once("http://").unwrap_or_else(|| panic!("no address in `{line}`"));
        rest.trim_end_matches(['"', '}', '/']).split_whitespace().next().expect("an address").to_owned()
    }

    /// Status and body of a GET.
    pub(crate) fn get(&self, path: &str) -> (u16, String) {
        get(&self.address(), path).expect("the API answers")
    }

    /// The JSON of a GET.
    pub(crate) fn json(&self, path: &str) -> serde_json::Value {
        let (status, body) = self.get(path);
        serde_json::from_str(&body).unwrap_or_else(|error| panic!("{path} answers {status} {body}: {error}"))
    }

    /// Asks until the answer satisfies `accept`; panics with the last answer and the log.
    pub(crate) fn eventually(
        &self,
        path: &str,
        accept: impl Fn(&serde_json::Value) -> bool,
    ) -> serde_json::Value {
        let deadline = now() + PATIENCE;
        loop {
            let answer = self.json(path);
            if accept(&answer) {
                return answer;
            }
            assert!(now() < deadline, "{path} still answers {answer:#}\n{}", self.log());
            pause();
        }
    }

    /// The process.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// SIGKILL.
    pub(crate) fn kill(mut self) {
        self.child.kill().expect("the process can be killed");
        self.child.wait().expect("the process ends");
    }

    /// Kilobytes of memory that are its own (not of files).
    pub(crate) fn memory(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).expect("it runs");
        let line = status.lines().find(|line| line.starts_with("RssAnon:")).expect("the kernel says so");
        line.split_whitespace().nth(1).and_then(|number| number.parse().ok()).expect("a number")
    }

    pub(crate) fn signal(&self, name: &str) {
        let signalled = Command::new("kill").args([name, &self.child.id().to_string()]).status();
        assert!(signalled.expect("kill runs").success());
    }

    /// How it ended; whoever calls this has asked it to.
    pub(crate) fn wait(&mut self) -> ExitStatus {
        self.child.wait().expect("the process ends")
    }

    /// Ctrl-C, and how it ended.
    pub(crate) fn interrupt(mut self) -> (ExitStatus, Duration) {
        let began = now();
        self.signal("-INT");
        let status = self.child.wait().expect("the process ends");
        (status, began.elapsed())
    }
}

impl Drop for Bridge {
    fn drop(&mut self) {
        // Already ended, or the test is failing: either way nobody needs it any more.
        _ = self.child.kill();
        _ = self.child.wait();
    }
}

/// Status and body of a GET.
pub(crate) fn get(address: &str, path: &str) -> std::io::Result<(u16, String)> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    let status = head.split_whitespace().nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
    let chunked = head.to_ascii_lowercase().contains("transfer-encoding: chunked");
    Ok((status, if chunked { joined(body) } else { body.to_owned() }))
}

/// A chunked body without its chunk sizes.
fn joined(mut body: &str) -> String {
    let mut whole = String::new();
    while let Some((size, rest)) = body.split_once("\r\n") {
        let size = usize::from_str_radix(size.trim(), 16).unwrap_or(0);
        if size == 0 || rest.len() < size {
            break;
        }
        whole.push_str(&rest[..size]);
        body = rest[size..].trim_start_matches("\r\n");
    }
    whole
}

/// Between two looks at something another process does.
#[expect(
    clippy::disallowed_methods,
    reason = "polls another process; every caller has a condition and a deadline"
)]
pub(crate) fn pause() {
    std::thread::sleep(Duration::from_millis(20));
}
