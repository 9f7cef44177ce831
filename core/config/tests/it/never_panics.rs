//! Whatever the file says, loading and rendering end, with an answer.

use proptest::prelude::*;

use crate::stages::load_texts;

const SEED: &str = "\
pipeline: plant
variables: {A: {type: integer, maximum: 9}}
journal: {max_size: 64MiB}
lines: {g: &g {address: '${A:-b}', min_delay: 1s}, h: *g}
sources:
  DTU:
    for_each: ${json:LIST:-}
    type: meter
    address: 'tcp://${item.host:-${A:?why}}:502'
    device: !include map.yaml
  bus: {type: bus, line: g}
transforms:
  - {type: scale, factor: {power: 0.1, °C: 1e3}}
  - &x {type: scale, hour: ${A:-23}}
  - *x
sinks:
  store:
    <<: {type: tables}
    password: \"gehe\\u00eftm${file:secret}\"
    tables: {rows: {mode: append, key: [a, b]}}
";

/// Pieces that steer a parser off its path.
const PIECES: &[&str] = &[
    "",
    " ",
    "\n",
    "\t",
    ":",
    ": ",
    "- ",
    "[",
    "]",
    "{",
    "}",
    "&a ",
    "*a ",
    "!include ",
    "!x ",
    "${",
    "}",
    "${A",
    "${json:",
    "${item.x}",
    "$${",
    "'",
    "\"",
    "|\n",
    ">-\n",
    "#",
    "---\n",
    "...\n",
    "%YAML 1.2\n",
    "? ",
    "<<: ",
    "\u{feff}",
    "é",
    "\u{0}",
    "\u{85}",
    "\r",
    "!!str ",
    "@",
    "`",
    "null",
    "~",
    "0x",
    "1e999",
    "-",
    "type: meter",
    "enabled: no",
];

const JSONS: &[&str] =
    &["", "[", "[]", "[{}]", "[{\"host\": 1}, {\"host\": \"é\"}]", "[[]]", "{}", "[{\"name\": \"\\u0007\"}]"];

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_text_makes_the_loader_panic(
        edits in prop::collection::vec((any::<prop::sample::Index>(), 0_usize..6, 0..PIECES.len()), 1..6),
        included in prop::bool::ANY,
        json in 0..JSONS.len(),
    ) {
        let mut text: Vec<char> = SEED.chars().collect();
        for (at, cut, piece) in edits {
            let at = at.index(text.len());
            let end = (at + cut).min(text.len());
            text.splice(at..end, PIECES[piece].chars());
        }
        let text: String = text.into_iter().collect();
        let map = "blocks: [{at: 1, fields: {v: {kind: number, unit: V}}}]\n";
        let files = if included {
            [("main.yaml", "pipeline: p\nsources: !include map.yaml\nsinks: {}\n"), ("map.yaml", text.as_str()), ("secret", "x")]
        } else {
            [("main.yaml", text.as_str()), ("map.yaml", map), ("secret", "x")]
        };
        let loaded = load_texts(&files, &[("A", "7"), ("LIST", JSONS[json])]);
        prop_assert_eq!(loaded.pipeline.is_none(), loaded.diagnostics.has_errors());
        prop_assert!(loaded.diagnostics.is_empty() || !loaded.diagnostics.render(true).is_empty());
        prop_assert!(loaded.diagnostics.iter().all(|one| loaded.diagnostics.place(one).is_none_or(|place| place.line > 0)));
        let _ = loaded.resolved_yaml();
    }

    #[test]
    fn no_scalar_makes_the_substitution_panic(text in "[${}:?a-zA\\-. é]{0,24}") {
        let quoted = text.replace('\'', "''");
        let main = format!("pipeline: p\nsources: {{m: {{type: meter, address: '{quoted}'}}}}\nsinks: {{s: {{type: tables}}}}\n");
        let loaded = load_texts(&[("main.yaml", &main)], &[("a", "1"), ("A", "2")]);
        prop_assert_eq!(loaded.pipeline.is_none(), loaded.diagnostics.has_errors());
        if !text.contains("${") {
            prop_assert!(loaded.pipeline.is_some(), "{}", loaded.diagnostics.render(false));
        }
    }
}
