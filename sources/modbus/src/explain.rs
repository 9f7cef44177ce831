//! What one pass asks, a line each: for people who wonder what a device file makes of their device.

use smiles_stage::option::Period;
use smiles_stage::{Path, Problems, Severity};

use crate::check::check;
use crate::device::{Device, Numbering};
use crate::layout::laid_out;
use crate::plan::{List, Read, ReadRequest, RequestPlan, request_plan};

/// The requests of a pass of a device, in order, a line each.
///
/// # Errors
/// What is wrong with the device.
pub fn explain_device(device: &Device) -> Result<Vec<String>, Problems> {
    let problems = check(device, &Path::root());
    if problems.iter().any(|problem| problem.severity == Severity::Error) {
        return Err(problems);
    }
    Ok(explain(&laid_out(device)))
}

/// The requests of a pass, in order, and what each carries.
pub(crate) fn explain(device: &Device) -> Vec<String> {
    let plan = request_plan(device);
    let reads = plan.reads.iter().take(plan.top).map(|read| self::read(device, read));
    let lists = plan.lists.iter().map(|list| self::list(device, list));
    std::iter::once(count(&plan)).chain(reads).chain(lists).collect()
}

/// How many requests that makes.
fn count(plan: &RequestPlan) -> String {
    let reads = match plan.top {
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
    let blocks = || read.parts.iter().filter_map(|part| device.blocks.0.get(part.block));
    let shown = if blocks().all(|(_, block)| block.of_points) {
        let points: Vec<&str> = blocks().flat_map(|(_, block)| block.fields.names()).collect();
        let joined =
            if read.parts.len() > 1 { " (one request; less at once if the device refuses it)" } else { "" };
        format!("{}{joined}", some(&points))
    } else {
        let blocks: Vec<String> = read.parts.iter().map(|part| block(device, part.block)).collect();
        let joined = if blocks.len() > 1 { " (one request; alone if the device refuses it)" } else { "" };
        format!("{}{joined}", blocks.join(" + "))
    };
    let unit = read.unit.map(|unit| format!("unit {unit}, ")).unwrap_or_default();
    let number = manual(device, read.request);
    format!("{unit}{}{number}: {shown}{}", read.request, when(read.once, read.optional, read.every))
}

/// The numbers of the manual, where the file has them.
fn manual(device: &Device, request: ReadRequest) -> String {
    if device.numbering == Numbering::Zero {
        return String::new();
    }
    let number = |address| device.numbering.register(request.table, address);
    format!(" (from {} of the manual)", number(request.address))
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
    let unit = list.unit.map(|unit| format!("unit {unit}, ")).unwrap_or_default();
    let line = format!(
        "{unit}{first} and on: {}, {records}, {until}, at most {}",
        block(device, list.block),
        list.max
    );
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
    format!("`{name}` ({})", some(&fields))
}

/// The first of many names.
fn some(names: &[&str]) -> String {
    match names.split_at_checked(6) {
        Some((first, rest)) if !rest.is_empty() => format!("{} and {} more", first.join(", "), rest.len()),
        _ => names.join(", "),
    }
}
