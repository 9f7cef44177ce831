//! What one pass asks, a line each: for people who wonder what a device file makes of their device.

use smiles_stage::option::Period;

use crate::device::Device;
use crate::plan::{List, Read, RequestPlan, request_plan};

/// The requests of a pass, in order, and what each carries.
pub(crate) fn explain(device: &Device) -> Vec<String> {
    let plan = request_plan(device);
    let reads = plan.reads.iter().map(|read| self::read(device, read));
    let lists = plan.lists.iter().map(|list| self::list(device, list));
    std::iter::once(count(&plan)).chain(reads).chain(lists).collect()
}

/// How many requests that makes.
fn count(plan: &RequestPlan) -> String {
    let reads = match plan.reads.len() {
        0 => None,
        1 => Some("1 request".to_owned()),
        many => Some(format!("{many} requests")),
    };
    let lists = match plan.lists.len() {
        0 => None,
        1 => Some("the records of a list".to_owned()),
        many => Some(format!("the records of {many} lists")),
    };
    reads.into_iter().chain(lists).collect::<Vec<_>>().join(" and ")
}

fn read(device: &Device, read: &Read) -> String {
    let blocks: Vec<String> = read.parts.iter().map(|part| block(device, part.block)).collect();
    let joined = if blocks.len() > 1 { " (one request; alone if the device refuses it)" } else { "" };
    let mut line = format!("{}: {}{joined}", read.request, blocks.join(" + "));
    line.push_str(&when(read.once, read.optional, read.every));
    line
}

fn list(device: &Device, list: &List) -> String {
    let first = list.request(0, list.together).map(|request| request.to_string()).unwrap_or_default();
    let records = match list.together {
        1 => "one request per record".to_owned(),
        many => format!("{many} records per request"),
    };
    let until = if list.end.count.is_some() {
        "as many as the device says"
    } else if list.end.mark.is_some() {
        "up to the record that ends the list"
    } else {
        "up to the first that is refused"
    };
    let line =
        format!("{first} and on: {}, {records}, {until}, at most {}", block(device, list.block), list.max);
    line + &when(false, false, list.every)
}

fn when(once: bool, optional: bool, every: Option<std::time::Duration>) -> String {
    let once = once.then(|| "once".to_owned());
    let optional = optional.then(|| "optional".to_owned());
    let every = every.map(|every| format!("every {}", Period(every)));
    let all: Vec<String> = once.into_iter().chain(optional).chain(every).collect();
    if all.is_empty() { String::new() } else { format!(" [{}]", all.join(", ")) }
}

fn block(device: &Device, place: usize) -> String {
    let Some((name, block)) = device.blocks.0.get(place) else { return String::new() };
    let fields: Vec<&str> = block.fields.names().collect();
    match fields.split_at_checked(6) {
        Some((first, rest)) if !rest.is_empty() => {
            format!("`{name}` ({} and {} more)", first.join(", "), rest.len())
        }
        _ => format!("`{name}` ({})", fields.join(", ")),
    }
}
