//! Small files that ask for much: each is refused or taken in, with little time and memory, and told in one screen.
//!
//! In a release build the promise is a second for each megabyte and 64 MiB; a debug build on a busy machine has five.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::bridge::{now, pause, smiles};

/// More than this above what the smallest file takes is too much.
const MEMORY_KB: u64 = 64 << 10;
/// For each megabyte that is read.
const TIME: Duration = Duration::from_secs(5);
/// Nobody reads a longer answer.
const ANSWER: usize = 20_000;

/// What a process took until its end.
struct Spent {
    time: Duration,
    peak_kb: u64,
    code: Option<i32>,
    said: String,
}

/// A file, the others beside it, and a part of what is said of it; empty: it is fine.
struct Bomb {
    name: &'static str,
    command: &'static [&'static str],
    files: Vec<(&'static str, String)>,
    says: &'static str,
}

fn spend(mut command: Command, folder: &Path) -> Spent {
    let begin = now();
    let command = command.current_dir(folder).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut pipe = child.stderr.take().unwrap();
    let reader = std::thread::spawn(move || {
        let mut said = String::new();
        pipe.read_to_string(&mut said).map(|_| said)
    });
    let (status, mut peak_kb) = (format!("/proc/{}/status", child.id()), 0);
    let ended = loop {
        if let Some(ended) = child.try_wait().unwrap() {
            break ended;
        }
        // The most it had up to now; what it takes between the last look and its end is not seen.
        let text = fs::read_to_string(&status).unwrap_or_default();
        let peak = text.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB"));
        peak_kb = peak.and_then(|peak| peak.parse().ok()).unwrap_or(peak_kb);
        if peak_kb > 20 * MEMORY_KB || begin.elapsed() > 20 * TIME {
            child.kill().unwrap();
        }
        pause();
    };
    let said = reader.join().unwrap().unwrap();
    Spent { time: begin.elapsed(), peak_kb, code: ended.code(), said }
}

fn check(bomb: &Bomb, least_kb: u64) -> Result<(), String> {
    let folder = tempfile::tempdir().unwrap();
    for (path, text) in &bomb.files {
        fs::write(folder.path().join(path), text).unwrap();
    }
    let long = "z".repeat(100_000);
    let Spent { time, peak_kb, code, said } = spend(smiles(bomb.command, &[("LONG", &long)]), folder.path());
    let start: String = said.chars().take(2_000).collect();
    let expected = if bomb.says.is_empty() { 0 } else { 2 };
    if code != Some(expected) || !said.contains(bomb.says) || said.len() > ANSWER {
        return Err(format!("{}: exit {code:?}, {} bytes: {start}", bomb.name, said.len()));
    }
    let bytes: usize = bomb.files.iter().map(|(_, text)| text.len()).sum();
    let megabytes = u32::try_from(bytes.div_ceil(1 << 20)).unwrap();
    let memory = peak_kb.saturating_sub(least_kb);
    if time > TIME * megabytes || memory > MEMORY_KB {
        return Err(format!("{}: {bytes} bytes take {time:?} and {memory} kB: {start}", bomb.name));
    }
    Ok(())
}

const SOURCE: &str = "sources:\n  m: {type: synthetic, every: 10s, rows: 1, columns: {value: {type: int, pattern: counter}}}\n";
const SINK: &str = "sinks:\n  s: {type: sqlite, path: p.db, tables: {t: {mode: append, create: true, columns: {value: value}}}}\n";

/// A line for each number.
fn lines(count: usize, line: impl Fn(usize) -> String) -> String {
    (0..count).map(line).collect()
}

/// A pipeline file with this in it.
fn whole(more: &str) -> String {
    format!("pipeline: p\n{SOURCE}{SINK}{more}")
}

/// A source for each of many items.
fn each(items: &str, options: &str) -> String {
    let head = "pipeline: p\nsources:\n  m:\n    type: modbus\n    every: 10s\n    address: tcp://${item.name}:502\n";
    format!("{head}    for_each:\n{items}{options}{SINK}")
}

/// Aliases of aliases of lists, each as wide as this, as items of a list.
fn laughs(levels: usize, width: usize) -> String {
    lines(levels, |level| {
        let item = if level == 0 { "x".to_owned() } else { format!("*a{}", level - 1) };
        format!("  - &a{level} [{}]\n", vec![item; width].join(", "))
    })
}

/// Lists in lists by aliases: the depth of each is that of all before.
fn nested(count: usize) -> String {
    lines(count, |at| {
        let item = if at == 0 { "x".to_owned() } else { format!("*a{}", at - 1) };
        format!("  - &a{at} {}{item}{}\n", "[".repeat(50), "]".repeat(50))
    })
}

fn merges(maps: usize, keys: usize) -> String {
    let keys: String = lines(keys, |key| format!("k{key}: 1, "));
    format!("x: &m {{{keys}}}\ny:\n{}", "  - <<: *m\n".repeat(maps))
}

const CHECK: &[&str] = &["check", "p.yaml"];
const TEST: &[&str] = &["test", "p.yaml"];
const IMPORT: &[&str] = &["import", "--rules", "p.yaml", "nothing.db"];
const SIMULATE: &[&str] = &["simulate", "--device", "p.yaml"];

fn bomb(name: &'static str, text: String, says: &'static str) -> Bomb {
    Bomb { name, command: CHECK, files: vec![("p.yaml", text)], says }
}

const LEVELS: &str = "nested deeper than 64 levels";
const WRITTEN: &str = "values are written";
const COMES_TO: &str = "values, aliases, merges and includes in their places";
const MERGES: &str = "`<<` merges more than";

fn shapes() -> Vec<Bomb> {
    vec![
        bomb("aliases of aliases", whole(&format!("transforms:\n{}", laughs(40, 10))), COMES_TO),
        bomb("wide aliases of aliases", whole(&format!("transforms:\n{}", laughs(5, 3_000))), COMES_TO),
        bomb("merges of many keys", whole(&merges(20_000, 20_000)), MERGES),
        bomb(
            "one map that merges often",
            whole(&format!("x: &m {{}}\ny:\n{}", "  <<: *m\n".repeat(60_000))),
            "unknown key",
        ),
        bomb(
            "lists of empty maps merged",
            whole(&format!(
                "x: &m {{}}\nl: &l [{}]\ny:\n{}",
                vec!["*m"; 20_000].join(", "),
                "  - <<: *l\n".repeat(20_000)
            )),
            MERGES,
        ),
        bomb(
            "a chain of merges",
            whole(&format!(
                "y:\n  - &a0 {{k: 1}}\n{}",
                lines(10_000, |at| format!("  - &a{} {{<<: *a{at}, k{at}: 1}}\n", at + 1))
            )),
            MERGES,
        ),
        bomb("aliases that add up in depth", whole(&format!("y:\n{}", nested(500))), LEVELS),
        bomb("brackets", whole(&format!("y: {}\n", "[".repeat(50_000))), LEVELS),
        bomb("braces", whole(&format!("y: {}\n", "{a: ".repeat(50_000))), LEVELS),
        bomb("dashes", whole(&format!("y:\n  {}x\n", "- ".repeat(100_000))), LEVELS),
        bomb("question marks", whole(&format!("y:\n  {}x\n", "? ".repeat(100_000))), LEVELS),
        bomb("indentation", whole(&lines(1_500, |at| format!("{}a:\n", " ".repeat(at)))), LEVELS),
        bomb("300,000 keys", whole(&lines(300_000, |at| format!("k{at}: 1\n"))), WRITTEN),
        bomb("300,000 items", whole(&format!("transforms:\n{}", "  - 1\n".repeat(300_000))), WRITTEN),
        bomb("unknown keys", whole(&lines(50_000, |at| format!("k{at}: 1\n"))), "more"),
        bomb("one key again and again", whole(&format!("y:\n{}", "  k: 1\n".repeat(50_000))), "given twice"),
        bomb("tags", whole(&format!("y:\n{}", "  - !foo 1\n".repeat(50_000))), "unknown tag"),
        bomb(
            "stages of no type",
            whole(&format!("transforms:\n{}", "  - {type: x}\n".repeat(15_000))),
            "no transform",
        ),
        bomb(
            "one stage again and again",
            whole(&format!("transforms:\n  - &t {{type: sum}}\n{}", "  - *t\n".repeat(15_000))),
            "error",
        ),
    ]
}

fn texts() -> Vec<Bomb> {
    let long = "y".repeat(1 << 20);
    let options = |text: &str| whole("").replace("rows: 1,", &format!("rows: 1, x: [{text}],"));
    vec![
        bomb("a long text", whole(&format!("x: {long}\n")), "unknown key `x`"),
        bomb("a long key", whole(&format!("? {long}\n: 1\n")), "unknown key"),
        bomb(
            "a long name",
            whole("").replacen("pipeline: p", &format!("pipeline: {long}"), 1),
            "name of a pipeline",
        ),
        bomb("a long type", whole("").replace("synthetic", &long), "there is no source of type"),
        bomb("a long tag", whole(&format!("x: !{long} 1\n")), "unknown tag"),
        bomb("a quote that is never closed", whole(&format!("x: \"{long}\n")), "not YAML"),
        bomb("two-byte characters", whole(&format!("x: \"{}\"\n", "é".repeat(1 << 20))), "unknown key `x`"),
        bomb("empty lines", format!("{}{{]\n", "\n".repeat(2 << 20)), "not YAML"),
        bomb("comments", format!("{}x: 1\n", "# x\n".repeat(1 << 19)), "unknown key `x`"),
        bomb(
            "a line with a mistake at its end",
            format!("{{x: [{}], y: ]\n", vec!["1"; 50_000].join(", ")),
            "not YAML",
        ),
        bomb("a long line", whole(&format!("y: [{}]\n", vec!["{a: b}"; 70_000].join(", "))), "are written"),
        bomb("unset variables", options(&lines(20_000, |at| format!("\"${{UNSET{at}}}\", "))), "not set"),
        bomb(
            "unset variables in one text",
            options(&format!("\"{}\"", lines(40_000, |at| format!("${{UNSET{at}}}")))),
            "not set",
        ),
        bomb(
            "many secrets beside many variables",
            options(&lines(9_000, |at| format!("\"${{V{at}:-aaaa{at}}}\", {{password: aaaa{at}}}, "))),
            "unknown key `x`",
        ),
        bomb("long values", options(&"\"${LONG}\", ".repeat(20_000)), "8 MiB"),
        bomb("long values in one text", options(&format!("\"{}\"", "${LONG}".repeat(50_000))), "8 MiB"),
        bomb(
            "defaults in defaults",
            options(&format!("\"{}\"", "${A:-".repeat(50_000))),
            "nested too deeply",
        ),
    ]
}

fn items() -> Vec<Bomb> {
    let named = |count| lines(count, |at| format!("      - {{name: a{at}}}\n"));
    let device = "    device: {blocks: {b: {read: input, address: 0, count: 1, fields: {value: {at: 0, type: u16}}}}}\n";
    let same = format!("      - &i {{name: a}}\n{}", "      - *i\n".repeat(15_000));
    let text = format!("    x: \"${{item.name}}{}\"\n", "x".repeat(300_000));
    let secret = format!("    password: \"{}\"\n", "x".repeat(300_000));
    let keys =
        format!("    x:\n      d: ${{item.name}}\n{}", lines(40_000, |at| format!("      k{at}: 1\n")));
    vec![
        bomb("items that are one alias", each(&same, device), "used twice"),
        bomb("items with a long text", each(&named(800), &(text + device)), "MiB"),
        bomb("items with a long secret", each(&named(800), &(secret + device)), "unknown key `password`"),
        bomb("items with many keys", each(&named(110), &(keys + device)), "values each are more than"),
    ]
}

fn others() -> Vec<Bomb> {
    let includes = |file: &str, count| format!("  - !include {file}\n").repeat(count);
    let device = |file: &str| {
        whole("").replace("sources:\n", &format!("sources:\n  d: {{type: modbus, address: 'tcp://h:502', every: 10s, device: !include {file}}}\n"))
    };
    let field = |at| format!("      f{at}: {{at: 0, type: u16}}\n");
    let fields = format!(
        "blocks:\n  b:\n    read: input\n    address: 0\n    count: 100\n    fields:\n{}",
        lines(13_000, field)
    );
    let wide = "- x\n".repeat(50_000);
    let cases = "pipeline: q.yaml\ncases:\n";
    let mut doubled: BTreeMap<&'static str, String> = BTreeMap::new();
    for (file, next) in
        [("a.yaml", "b.yaml"), ("b.yaml", "c.yaml"), ("c.yaml", "d.yaml"), ("d.yaml", "e.yaml")]
    {
        doubled.insert(file, includes(next, 8));
    }
    doubled.insert("e.yaml", "x".to_owned());
    let with = |name, text: String, file, content: String, says| Bomb {
        files: vec![("p.yaml", text), (file, content)],
        ..bomb(name, String::new(), says)
    };
    let by = |name, command, text: String, says| Bomb { command, ..bomb(name, text, says) };
    let doubling = std::iter::once(("p.yaml", whole("y: !include a.yaml\n"))).chain(doubled).collect();
    vec![
        Bomb { files: doubling, ..bomb("includes of includes", String::new(), "more than 256 files") },
        with(
            "a file included often",
            whole(&format!("y:\n{}", includes("w.yaml", 200))),
            "w.yaml",
            wide,
            WRITTEN,
        ),
        with(
            "a long file included often",
            whole(&format!("y:\n{}", includes("w.yaml", 200))),
            "w.yaml",
            "x".repeat(1 << 20),
            "larger than 8 MiB",
        ),
        bomb(
            "files that are not there",
            whole(&format!("y:\n{}", lines(30_000, |at| format!("  - !include n{at}.yaml\n")))),
            "cannot read",
        ),
        with(
            "a device of aliases",
            device("d.yaml"),
            "d.yaml",
            format!("blocks:\n{}", laughs(40, 10)),
            COMES_TO,
        ),
        with("a device of many fields", device("d.yaml"), "d.yaml", fields.clone(), "at most 5000"),
        with(
            "a device of many mistakes",
            device("d.yaml"),
            "d.yaml",
            fields.replace("type", "typ"),
            "unknown key `typ`",
        ),
        by("cases of aliases", TEST, format!("{cases}{}", laughs(40, 10)), COMES_TO),
        by("cases that merge", TEST, format!("pipeline: q.yaml\n{}", merges(20_000, 20_000)), MERGES),
        by("cases nested by aliases", TEST, format!("{cases}{}", nested(500)), LEVELS),
        by(
            "many cases with mistakes",
            TEST,
            format!("{cases}{}", "  - {nam: c, given: {rows: []}}\n".repeat(10_000)),
            "unknown key `nam`",
        ),
        by("rules of aliases", IMPORT, format!("steps:\n{}", laughs(40, 10)), COMES_TO),
        by("rules nested by aliases", IMPORT, format!("steps:\n{}", nested(500)), LEVELS),
        by("rules with many keys", IMPORT, lines(300_000, |at| format!("k{at}: 1\n")), WRITTEN),
        by("a simulated device of aliases", SIMULATE, format!("blocks:\n{}", laughs(40, 10)), COMES_TO),
    ]
}

#[test]
fn what_asks_for_much_is_refused_soon() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("p.yaml"), whole("")).unwrap();
    let trivial = spend(smiles(CHECK, &[]), folder.path());
    assert_eq!(trivial.code, Some(0), "{}", trivial.said);
    let all: Vec<Bomb> = [shapes(), texts(), items(), others()].into_iter().flatten().collect();
    let failures: Vec<String> = all.iter().filter_map(|bomb| check(bomb, trivial.peak_kb).err()).collect();
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// A number after another, always the same for a seed.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self, below: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % below as u64).unwrap()
    }

    fn pick<'a>(&mut self, of: &[&'a str]) -> &'a str {
        of[self.next(of.len())]
    }
}

/// Text that is a value in one line, with anchors and their aliases; `depth` is what it may have below it.
fn value(numbers: &mut Numbers, anchors: &mut usize, depth: usize, out: &mut String) {
    const WORDS: &[&str] = &[
        "x",
        "1",
        "1e999",
        "0x7f",
        "~",
        "\"\"",
        "${A}",
        "${LONG}",
        "${A:-${B:-1}}",
        "${A:?why}",
        "${item.a}",
        "!foo x",
        "!include p.yaml",
        "!!str 1",
        "'é: #'",
        "\"\\u0000\"",
        "modbus",
        "60s",
        "64KiB",
        "[",
        "}",
        "*",
        "&",
    ];
    let anchor = numbers.next(6) == 0;
    if *anchors > 0 && numbers.next(4) == 0 {
        // Now and then one that is not there.
        let known = *anchors + usize::from(numbers.next(200) == 0);
        out.push_str(&format!("*a{}", numbers.next(known)));
        return;
    }
    if anchor {
        // Its number is taken once it is whole: an alias inside would be a mistake each time.
        out.push_str(&format!("&a{} ", *anchors));
    }
    let width = if depth == 0 { 0 } else { numbers.next(8) };
    match numbers.next(3) {
        0 if depth > 0 => {
            out.push('[');
            for _ in 0..width {
                value(numbers, &mut anchors.clone(), depth - 1, out);
                out.push_str(", ");
            }
            out.push(']');
        }
        1 if depth > 0 => {
            out.push('{');
            for at in 0..width {
                let key =
                    if *anchors > 0 && numbers.next(3) == 0 { "<<".to_owned() } else { format!("k{at}") };
                out.push_str(&format!("{key}: "));
                value(numbers, &mut anchors.clone(), depth - 1, out);
                out.push_str(", ");
            }
            out.push('}');
        }
        // Most are words that are no mistake.
        _ => out.push_str(match numbers.next(40) {
            0 => numbers.pick(WORDS),
            at => WORDS[at % 11],
        }),
    }
    *anchors += usize::from(anchor);
}

fn random(seed: u64) -> String {
    let mut numbers = Numbers(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let (size, depth) = (1 << (8 + numbers.next(10)), 1 + numbers.next(12));
    let keys: &[&str] = &["variables", "transforms", "journal", "plugins", "x", "y"];
    let mut text = whole("");
    let mut anchors = 0;
    let mut at = 0;
    while text.len() < size {
        if at % 50 == 0 {
            text.push_str(&format!("{}{at}:\n", numbers.pick(keys)).replacen(
                "0:",
                ":",
                usize::from(at == 0),
            ));
        }
        text.push_str("  - ");
        value(&mut numbers, &mut anchors, depth, &mut text);
        text.push('\n');
        at += 1;
    }
    text
}

#[test]
fn whatever_is_written_takes_little() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("p.yaml"), whole("")).unwrap();
    let trivial = spend(smiles(CHECK, &[]), folder.path());
    for seed in 1..=60 {
        let text = random(seed);
        fs::write(folder.path().join("p.yaml"), &text).unwrap();
        let spent = spend(smiles(CHECK, &[("LONG", &"z".repeat(10_000))]), folder.path());
        let memory = spent.peak_kb.saturating_sub(trivial.peak_kb);
        let fine =
            spent.code == Some(2) && spent.said.len() < ANSWER && spent.time < TIME && memory < MEMORY_KB;
        assert!(
            fine,
            "seed {seed}, {} bytes: {:?}, {:?}, {memory} kB\n{}",
            text.len(),
            spent.code,
            spent.time,
            spent.said
        );
    }
}
