//! `smiles journal ack`: what was lost, dropped or repaired is known to a person now.

use anyhow::Context;
use serde_json::{Value, json};
use smiles_journal::{Acknowledged, OperatorAccess};

use crate::command::journal::files::{JournalArgs, counted, journals, now};
use crate::exit::Failure;

pub(crate) fn run(args: &JournalArgs) -> Result<(), Failure> {
    for (name, path) in journals(&args.pipelines, &args.data)? {
        let access = OperatorAccess::enter(&path, &name, now());
        let noted = access
            .and_then(|access| access.acknowledge())
            .with_context(|| format!("cannot acknowledge what {} lost", path.display()))?;
        let text = if args.json { format!("{}\n", as_json(&name, noted)) } else { as_text(&name, noted) };
        crate::command::console::print(&text)?;
    }
    Ok(())
}

fn as_text(name: &str, noted: Acknowledged) -> String {
    let Acknowledged { losses, dropped_rows, repairs } = noted;
    let mut all = Vec::new();
    if losses > 0 {
        all.push(counted(losses, "loss", "losses"));
    }
    if dropped_rows > 0 {
        all.push(format!("{} dropped", counted(dropped_rows, "row", "rows")));
    }
    if repairs > 0 {
        all.push(counted(repairs, "repair", "repairs"));
    }
    if all.is_empty() {
        return format!("{name}: nothing to acknowledge\n");
    }
    format!("{name}: acknowledged {}\n", all.join(", "))
}

fn as_json(name: &str, noted: Acknowledged) -> Value {
    json!({
        "pipeline": name, "losses": noted.losses, "dropped_rows": noted.dropped_rows, "repairs": noted.repairs,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_acknowledged_is_counted_in_words() {
        let rows = [
            ((0, 0, 0), "p: nothing to acknowledge\n"),
            ((1, 0, 0), "p: acknowledged 1 loss\n"),
            ((2, 1, 3), "p: acknowledged 2 losses, 1 row dropped, 3 repairs\n"),
        ];
        for ((losses, dropped_rows, repairs), text) in rows {
            assert_eq!(as_text("p", Acknowledged { losses, dropped_rows, repairs }), text);
        }
    }
}
