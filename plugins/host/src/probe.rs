//! The first load of a library, in a child process: one that crashes or hangs is refused with a reason, and the checks of
//! planning never run its code in the process that holds the readings.

use std::ffi::OsString;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

use arrow_schema::{Schema, SchemaRef};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use smiles_plugin_abi::{ArrowSchema, STREAMED, SmilesError, SmilesStage, SmilesStr};

use crate::file::{Metadata, examine};
use crate::instance::in_place;
use crate::library::Library;
use crate::schema;

/// What marks the answer among whatever a library prints.
const MARK: &str = "smiles-plugin-answer ";
/// How the child process is started: this program with a hidden command.
#[derive(Clone, Debug)]
pub struct Prober {
    /// The program.
    pub program: PathBuf,
    /// What makes it call [`answer_probe`].
    pub arguments: Vec<OsString>,
    /// How long a library may take to load and answer.
    pub limit: Duration,
}

/// What the child is asked.
#[derive(Serialize, Deserialize)]
pub(crate) struct Question {
    pub(crate) path: PathBuf,
    pub(crate) metadata: Metadata,
    /// The sum that the pipeline names: nothing else may run.
    pub(crate) pinned: Option<String>,
    /// `None`: what is there at all?
    pub(crate) plan: Option<PlanQuestion>,
}

/// Whether a stage's options, which may have passwords in clear, are sound, and the columns that leave it.
#[derive(Serialize, Deserialize)]
pub(crate) struct PlanQuestion {
    /// The stage's place in the metadata.
    pub(crate) stage: usize,
    pub(crate) options: Value,
    pub(crate) input: Option<Schema>,
    pub(crate) wants_output: bool,
}

/// What it says.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Answer {
    Stages(Vec<StageAnswer>),
    Planned(Option<SchemaRef>),
    /// The options are wrong, by the plugin's own words.
    Unsound(String),
    Refused(String),
}

/// A stage as its table has it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct StageAnswer {
    pub(crate) schema: Value,
    pub(crate) transactional: bool,
    pub(crate) streamed: bool,
    pub(crate) plans: bool,
}

impl Prober {
    /// Asks a child; `Err`: why there is no answer. Holds up no other task meanwhile.
    pub(crate) fn ask(&self, question: &Question) -> Result<Answer, String> {
        in_place(|| self.ask_child(question))
    }

    fn ask_child(&self, question: &Question) -> Result<Answer, String> {
        let text = serde_json::to_string(question).map_err(|error| format!("cannot be asked: {error}"))?;
        let mut child = Command::new(&self.program)
            .args(&self.arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| format!("cannot be tried in a child process: {error}"))?;
        let (said, complaint) = (reader(child.stdout.take()), reader(child.stderr.take()));
        if let Some(mut stdin) = child.stdin.take() {
            // A child that ended before it read the question is told about below.
            drop(stdin.write_all(text.as_bytes()));
        }
        let Some(status) = ended(&mut child, &said, self.limit) else {
            return Err(format!("it did not load within {:?}: it hangs", self.limit));
        };
        let said = said.text();
        let answer = said.lines().rev().find_map(|line| line.split_once(MARK));
        match answer.and_then(|(_, answer)| serde_json::from_str(answer).ok()) {
            Some(Answer::Refused(reason)) => Err(reason),
            Some(answer) => Ok(answer),
            None => Err(crashed(status, &complaint.text())),
        }
    }
}

/// Text of a pipe, collected by a thread so that a full pipe never blocks the child.
struct Reader(std::sync::mpsc::Receiver<()>, std::sync::Arc<std::sync::Mutex<Vec<u8>>>);

impl Reader {
    fn text(&self) -> String {
        // At most as long as a grandchild keeps the pipe open.
        _ = self.0.recv_timeout(Duration::from_secs(1));
        let bytes = self.1.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

fn reader(pipe: Option<impl Read + Send + 'static>) -> Reader {
    let (done, ended) = channel();
    let all = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let kept = std::sync::Arc::clone(&all);
    if let Some(mut pipe) = pipe {
        std::thread::spawn(move || {
            let mut piece = [0; 4096];
            while let Ok(read @ 1..) = pipe.read(&mut piece) {
                let mut kept = kept.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
                if kept.len() < 16 << 20 {
                    kept.extend_from_slice(&piece[..read]);
                }
            }
            drop(done);
        });
    }
    Reader(ended, all)
}

/// How the child ended; `None`: it had to be killed.
fn ended(child: &mut Child, said: &Reader, limit: Duration) -> Option<ExitStatus> {
    let in_time = !matches!(said.0.recv_timeout(limit), Err(RecvTimeoutError::Timeout));
    if !in_time {
        // Already gone is as good.
        drop(child.kill());
    }
    let status = child.wait().ok();
    if in_time { status } else { None }
}

fn crashed(status: ExitStatus, complaint: &str) -> String {
    use std::os::unix::process::ExitStatusExt;
    let how = match (status.signal(), status.code()) {
        (Some(signal), _) => format!("it crashes when it is loaded or asked ({})", signal_name(signal)),
        (None, Some(code)) => format!("it ends the process that loads it, with exit code {code}"),
        (None, None) => "it ends the process that loads it".to_owned(),
    };
    let last = complaint.lines().map(str::trim).rfind(|line| !line.is_empty() && !line.starts_with("note: "));
    last.map_or(how.clone(), |line| format!("{how}; it says: {line}"))
}

fn signal_name(signal: i32) -> String {
    let known =
        [(4, "SIGILL"), (6, "SIGABRT"), (7, "SIGBUS"), (8, "SIGFPE"), (9, "SIGKILL"), (11, "SIGSEGV")];
    known
        .iter()
        .find(|(number, _)| *number == signal)
        .map_or(format!("signal {signal}"), |(_, name)| (*name).to_owned())
}

/// The child's whole life: reads the question from standard input, answers on standard output.
///
/// # Errors
/// There was no question, or nobody to answer to.
pub fn answer_probe() -> std::io::Result<()> {
    let mut text = String::new();
    std::io::stdin().read_to_string(&mut text)?;
    let question: Question = serde_json::from_str(&text)?;
    let answer = answer(&question).unwrap_or_else(Answer::Refused);
    let text = serde_json::to_string(&answer)?;
    std::io::stdout().write_all(format!("\n{MARK}{text}\n").as_bytes())
}

fn answer(question: &Question) -> Result<Answer, String> {
    let library = match &question.pinned {
        Some(sum) => Library::pinned(&examine(&question.path, Some(sum)).map_err(|refusal| refusal.reason)?)?,
        None => Library::load(&question.path, &question.metadata)?,
    };
    match &question.plan {
        None => {
            let stages = (0..question.metadata.stages.len()).filter_map(|index| library.table(index));
            let names = question.metadata.stages.iter().map(|stage| stage.type_name.as_str());
            let all = stages.zip(names).map(|(table, name)| describe(&table.0, name));
            Ok(Answer::Stages(all.collect::<Result<_, _>>()?))
        }
        Some(plan) => {
            let table = library.table(plan.stage).ok_or("it has no such stage")?;
            Ok(planned(&table.0, plan))
        }
    }
}

pub(crate) fn describe(stage: &SmilesStage, name: &str) -> Result<StageAnswer, String> {
    let schema = match stage.options_schema {
        None => serde_json::json!({ "type": "object", "properties": {}, "additionalProperties": false }),
        Some(options_schema) => {
            // SAFETY: may be called at any time; the text is static.
            let text = unsafe { options_schema().bytes() };
            serde_json::from_slice(text)
                .map_err(|error| format!("the options schema of `{name}` is not JSON: {error}"))?
        }
    };
    sound(&schema).map_err(|reason| format!("the options schema of `{name}` {reason}"))?;
    Ok(StageAnswer {
        schema,
        transactional: stage.watermark.is_some(),
        streamed: stage.flags & STREAMED != 0,
        plans: stage.plan.is_some(),
    })
}

/// That it is a schema of a map of options.
fn sound(schema: &Value) -> Result<(), String> {
    let Some(keywords) = schema.as_object() else { return Err("is not a map".to_owned()) };
    if keywords.get("type").and_then(Value::as_str) != Some("object") {
        return Err("must have `\"type\": \"object\"`".to_owned());
    }
    match keywords.get("properties") {
        None | Some(Value::Object(_)) => Ok(()),
        Some(_) => Err("has `properties` that are no map".to_owned()),
    }
}

fn planned(stage: &SmilesStage, question: &PlanQuestion) -> Answer {
    match plan(stage, &question.options.to_string(), question.input.as_ref(), question.wants_output) {
        Ok(output) => Answer::Planned(output),
        Err(reason) => Answer::Unsound(reason),
    }
}

/// Asks a stage's `plan` in this process.
pub(crate) fn plan(
    stage: &SmilesStage,
    options: &str,
    input: Option<&Schema>,
    wants_output: bool,
) -> Result<Option<SchemaRef>, String> {
    let Some(plan) = stage.plan else { return Ok(None) };
    let exported = input.map(schema::export).transpose()?;
    let given = exported.as_ref().map_or(std::ptr::null(), std::ptr::from_ref).cast::<ArrowSchema>();
    let (mut filled, mut error) = (ArrowSchema::empty(), SmilesError::empty());
    let into = if wants_output { &raw mut filled } else { std::ptr::null_mut() };
    // SAFETY: `options` and `given` are valid during the call, `into` and `error` are ours.
    let status = unsafe { plan(SmilesStr::lend(options), given, into, &raw mut error) };
    if status != 0 {
        // SAFETY: empty, or what the plugin filled in before it failed.
        unsafe { schema::release(&mut filled) };
        let said = error.said();
        return Err(if said.is_empty() {
            format!("its `plan` returned status {status} and no message")
        } else {
            said
        });
    }
    if !wants_output {
        return Ok(None);
    }
    // SAFETY: what the plugin filled in.
    unsafe { schema::import(&mut filled) }
        .map(Some)
        .map_err(|reason| format!("its `plan` is broken: {reason}"))
}

/// Whether a file is where it is said to be: for messages that name a path as the pipeline wrote it.
pub(crate) fn real(path: &Path) -> PathBuf {
    path.canonicalize().unwrap_or_else(|_| path.to_owned())
}
