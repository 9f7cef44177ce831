//! `make bench`: what the spine costs, as one Markdown table, each figure beside a bare counterpart of the same run.

#![allow(clippy::expect_used, reason = "a benchmark that cannot go on ends")]
#![allow(clippy::print_stdout, reason = "the table is the product")]
#![allow(clippy::disallowed_methods, reason = "a benchmark measures by the real clock")]

mod decode;
mod exchange;
mod fleet;
mod fleet_devices;
mod machine;
mod plugin;
mod poll;
mod postgres;
mod serve;
mod start;
mod throughput;
mod transforms;

/// One line of the table.
struct Row {
    what: String,
    ours: String,
    beside: String,
    ratio: String,
}

type Measure = fn() -> Vec<Row>;

/// What runs as a process of its own, with its arguments.
type Part = fn(&[String]);

fn main() {
    // The bare counterparts, and what is measured alone, run as processes of their own, so that their CPU time can be
    // read.
    let args: Vec<String> = std::env::args().collect();
    let parts: [(&str, Part); 4] = [
        ("bare-exchange", exchange::bare),
        ("source-exchange", exchange::source),
        ("fleet-devices", |_| fleet_devices::serve()),
        ("bare-server", serve::bare_server),
    ];
    for (name, part) in parts {
        if let Some(place) = args.iter().position(|arg| arg == name) {
            return part(&args[place + 1..]);
        }
    }
    println!("| what | S-Miles | beside | ratio |\n|---|---|---|---|");
    let all: [(&str, Measure); 12] = [
        ("sqlite", throughput::rows_per_second),
        ("transforms", transforms::rows_per_second),
        ("journal", throughput::journal),
        ("poll", poll::cost),
        ("decode", decode::registers_per_second),
        ("exchange", exchange::cost),
        ("fleet", fleet::cost),
        ("plugin", plugin::cost),
        ("start", start::times),
        ("postgres", postgres::backlog),
        ("api", serve::current),
        ("history", serve::long_history),
    ];
    // `cargo bench --bench spine -- postgres` measures that alone.
    let chosen = |name: &&str| args.iter().any(|arg| arg == *name);
    let some = all.iter().any(|(name, _)| chosen(name));
    for (_, measure) in all.iter().filter(|(name, _)| !some || chosen(name)) {
        for Row { what, ours, beside, ratio } in measure() {
            println!("| {what} | {ours} | {beside} | {ratio} |");
        }
    }
}
