//! `make bench`: what the spine costs, as one Markdown table, each figure beside a bare counterpart of the same run.

#![allow(clippy::expect_used, reason = "a benchmark that cannot go on ends")]
#![allow(clippy::print_stdout, reason = "the table is the product")]
#![allow(clippy::disallowed_methods, reason = "a benchmark measures by the real clock")]

mod machine;
mod plugin;
mod poll;
mod start;
mod throughput;

/// One line of the table.
struct Row {
    what: String,
    ours: String,
    beside: String,
    ratio: String,
}

fn main() {
    // The bare counterparts run as processes of their own, so that their CPU time can be read.
    let args: Vec<String> = std::env::args().collect();
    if let Some(place) = args.iter().position(|arg| arg == "bare-exchange") {
        return poll::bare_exchange(&args[place + 1..]);
    }
    println!("| what | S-Miles | beside | ratio |\n|---|---|---|---|");
    let mut rows = throughput::rows_per_second();
    rows.extend(throughput::journal());
    rows.extend(poll::cost());
    rows.extend(plugin::cost());
    rows.extend(start::times());
    for Row { what, ours, beside, ratio } in rows {
        println!("| {what} | {ours} | {beside} | {ratio} |");
    }
}
