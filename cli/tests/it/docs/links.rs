//! Links within the repository.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use super::{Page, pages};
use crate::bridge::root;

#[test]
fn every_link_leads_somewhere() {
    let pages = pages();
    let mut broken = Vec::new();
    let mut followed = 0;
    for page in &pages {
        for link in links(&page.text) {
            if link.contains("://") || link.starts_with("mailto:") {
                continue;
            }
            followed += 1;
            if let Err(why) = follow(page, &link) {
                broken.push(format!("{}: ({link}) {why}", page.name));
            }
        }
    }
    assert!(followed > 60, "only {followed} links were found");
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

/// The targets of `[text](target)`, code left out.
fn links(text: &str) -> Vec<String> {
    let prose = prose(text);
    let targets = prose.match_indices("](").filter_map(|(at, _)| {
        let rest = &prose[at + 2..];
        Some(rest[..rest.find(')')?].to_owned())
    });
    targets.collect()
}

/// Without fenced blocks and inline code.
fn prose(text: &str) -> String {
    let mut fenced = false;
    let mut prose = String::new();
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
        } else if !fenced {
            // Every second piece between backticks is code; a link's text may be code, so its brackets stay.
            for (place, piece) in line.split('`').enumerate() {
                prose.push_str(if place % 2 == 0 { piece } else { "" });
            }
            prose.push('\n');
        }
    }
    prose
}

fn follow(page: &Page, link: &str) -> Result<(), String> {
    let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
    let path = if file.is_empty() { page.path.clone() } else { page.path.parent().unwrap().join(file) };
    let path = path.canonicalize().map_err(|_| "is not there".to_owned())?;
    if !path.starts_with(root()) {
        return Err("is outside the repository".to_owned());
    }
    if anchor.is_empty() { Ok(()) } else { has_anchor(&path, anchor) }
}

fn has_anchor(path: &Path, anchor: &str) -> Result<(), String> {
    let text = fs::read_to_string(path).map_err(|error| error.to_string())?;
    let mut seen: BTreeMap<String, u32> = BTreeMap::new();
    let mut fenced = false;
    for line in text.lines() {
        fenced ^= line.starts_with("```");
        let Some(heading) = (!fenced && line.starts_with('#')).then(|| line.trim_start_matches('#').trim())
        else {
            continue;
        };
        let plain = slug(heading);
        let count = seen.entry(plain.clone()).or_default();
        let own = if *count == 0 { plain } else { format!("{plain}-{count}") };
        *count += 1;
        if own == anchor {
            return Ok(());
        }
    }
    Err("has no such heading".to_owned())
}

/// As GitHub makes anchors of headings.
fn slug(heading: &str) -> String {
    let kept = heading.chars().filter(|letter| letter.is_alphanumeric() || matches!(letter, ' ' | '-' | '_'));
    kept.map(|letter| if letter == ' ' { '-' } else { letter }).collect::<String>().to_lowercase()
}

#[test]
fn anchors_are_githubs() {
    assert_eq!(slug("Warnings: `smiles journal ack`"), "warnings-smiles-journal-ack");
    assert_eq!(slug("From version 1 (MQTT)"), "from-version-1-mqtt");
    assert_eq!(links("see [a](b.md#c) and `[x](y)`, [`code`](d.md)"), ["b.md#c", "d.md"]);
}
