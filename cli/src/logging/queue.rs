//! A bounded queue between the program and whoever reads its log: a terminal that was stopped, a pipe that nobody reads or
//! a full disk makes lines go missing, which are counted, and never makes anybody wait.

use std::io::{self, Write};
use std::sync::OnceLock;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread;
use std::time::Duration;

use smiles_stage::prometheus::IntCounter;
use tracing_subscriber::fmt::MakeWriter;

/// Lines that may wait.
const LINES_MAX: usize = 4096;
/// The end of the program waits so long for a reader that does not read.
const PATIENCE: Duration = Duration::from_millis(500);

/// What the thread is given.
enum Message {
    Line(Vec<u8>),
    /// Answered when everything before it is written.
    Flush(SyncSender<()>),
}

/// One place that the log goes to, with a thread that writes to it.
#[derive(Clone)]
pub(crate) struct Queue {
    sender: SyncSender<Message>,
}

impl Queue {
    /// Lines go to `target` in their order; `name` is how the log calls it.
    pub(crate) fn to(name: &'static str, target: impl Write + Send + 'static) -> io::Result<Self> {
        let (sender, lines) = sync_channel(LINES_MAX);
        let writer = Writer { name, target, lines, told: 0 };
        thread::Builder::new().name(format!("log-{name}")).spawn(|| writer.run())?;
        Ok(Self { sender })
    }

    /// Leaves the line; one that does not fit is counted.
    pub(crate) fn put(&self, line: Vec<u8>) {
        if let Err(TrySendError::Full(_)) = self.sender.try_send(Message::Line(line)) {
            drop_one();
        }
    }

    /// Waits until what was left is written, but not for ever.
    pub(crate) fn flush(&self) {
        let (reply, written) = sync_channel(1);
        if let Err(TrySendError::Full(message)) = self.sender.try_send(Message::Flush(reply)) {
            // It waits for its place on a thread of its own, which nobody waits for.
            let sender = self.sender.clone();
            _ = thread::Builder::new().spawn(move || drop(sender.send(message)));
        }
        // Nobody reads: the program ends all the same.
        let _ = written.recv_timeout(PATIENCE);
    }
}

/// Lines of the log that nobody took, since the start, as a series.
pub(crate) fn dropped() -> Option<&'static IntCounter> {
    static DROPPED: OnceLock<Option<IntCounter>> = OnceLock::new();
    let series = || IntCounter::new("smiles_log_lines_dropped_total", "Log lines that could not be written.");
    DROPPED.get_or_init(|| series().ok()).as_ref()
}

fn drop_one() {
    if let Some(dropped) = dropped() {
        dropped.inc();
    }
}

/// One event's line on its way to the queue: it is complete when this is dropped.
pub(crate) struct Line {
    queue: Queue,
    bytes: Vec<u8>,
}

impl Write for Line {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.queue.put(std::mem::take(&mut self.bytes));
    }
}

impl MakeWriter<'_> for Queue {
    type Writer = Line;

    fn make_writer(&self) -> Line {
        Line { queue: self.clone(), bytes: Vec::new() }
    }
}

struct Writer<T> {
    name: &'static str,
    target: T,
    lines: Receiver<Message>,
    /// How many missing lines the log has told of.
    told: u64,
}

impl<T: Write> Writer<T> {
    fn run(mut self) {
        while let Ok(message) = self.lines.recv() {
            match message {
                Message::Line(line) => self.write(&line),
                Message::Flush(reply) => drop(reply.send(())),
            }
        }
    }

    fn write(&mut self, line: &[u8]) {
        if self.target.write_all(line).and_then(|()| self.target.flush()).is_err() {
            drop_one();
            return;
        }
        let now = dropped().map_or(0, IntCounter::get);
        if now > self.told {
            let lines = now - self.told;
            self.told = now;
            tracing::warn!(
                lines,
                to = self.name,
                "lines are missing in the log: nothing could be written for a while"
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Condvar, Mutex};

    use super::*;

    /// A terminal that can be stopped.
    #[derive(Clone, Default)]
    struct Terminal {
        shown: Arc<(Mutex<Shown>, Condvar)>,
    }

    #[derive(Default)]
    struct Shown {
        stopped: bool,
        bytes: Vec<u8>,
    }

    impl Terminal {
        fn stop(&self, stopped: bool) {
            self.shown.0.lock().unwrap().stopped = stopped;
            self.shown.1.notify_all();
        }

        fn text(&self) -> String {
            String::from_utf8(self.shown.0.lock().unwrap().bytes.clone()).unwrap()
        }
    }

    impl Write for Terminal {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let shown = self.shown.0.lock().unwrap();
            let mut shown = self.shown.1.wait_while(shown, |shown| shown.stopped).unwrap();
            shown.bytes.extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn who_logs_never_waits_for_a_terminal_that_was_stopped() {
        let terminal = Terminal::default();
        let queue = Queue::to("console", terminal.clone()).unwrap();
        terminal.stop(true);
        let before = dropped().unwrap().get();
        let given = LINES_MAX + 100;
        for line in 0..given {
            writeln!(queue.make_writer(), "line {line}").unwrap();
        }
        // One may be in the writer's hands; other tests may lose lines too.
        let missing = dropped().unwrap().get() - before;
        assert!(missing >= 99, "{missing} are missing");
        // A program that ends does not wait for ever either.
        queue.flush();
        terminal.stop(false);
        queue.flush();
        let shown = terminal.text();
        let kept = shown.lines().filter(|line| line.starts_with("line ")).count();
        assert!((LINES_MAX..=LINES_MAX + 1).contains(&kept), "{kept}");
        assert!(shown.starts_with("line 0\nline 1\n"), "in their order, whole");
    }

    #[test]
    fn a_disk_that_is_full_costs_lines_and_nothing_else() {
        let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let queue = Queue::to("file", full).unwrap();
        let before = dropped().unwrap().get();
        writeln!(queue.make_writer(), "one").unwrap();
        queue.flush();
        assert!(dropped().unwrap().get() > before);
    }
}
