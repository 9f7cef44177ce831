//! Which units a simulated device answers, and with which device files.

use std::path::Path;

use serde::Deserialize;
use serde::de::IgnoredAny;
use smiles_config::Environment;
use smiles_source_modbus::device::Device;

use super::named_file::{read, wrong};
use crate::exit::Failure;
use crate::{project, registry, stock};

/// The type of sources that poll such a device.
const TYPE: &str = "modbus";

/// The devices of a file, each with its unit: of a device file one for each of the units asked for (1, if none is), of
/// a pipeline file what its sources ask.
pub(crate) fn units(path: Option<&Path>, asked: &[u8]) -> Result<Vec<(u8, Device)>, Failure> {
    if let Some(path) = path
        && is_pipeline(&text(path)?)
    {
        if !asked.is_empty() {
            let said = "it is a pipeline file, which names the units itself; leave `--unit-id` out";
            return Err(wrong(path, &said));
        }
        return of_pipeline(path);
    }
    let device = device(path)?;
    let asked = if asked.is_empty() { &[1] } else { asked };
    Ok(asked.iter().map(|unit| (*unit, device.clone())).collect())
}

/// The device file named, else that of the stock pipeline.
pub(crate) fn device(path: Option<&Path>) -> Result<Device, Failure> {
    let path = path.unwrap_or(Path::new(stock::DEFAULT_DEVICE));
    let text = text(path)?;
    smiles_config::within_limits(&text, &path.display().to_string()).map_err(Failure::configuration)?;
    serde_yaml::from_str(&text).map_err(|error| wrong(path, &error))
}

/// The text of a file, or of the stock file of that name where there is none.
fn text(path: &Path) -> Result<String, Failure> {
    let shown = path.display().to_string();
    match !path.exists() && stock::has(&shown) {
        true => Ok(stock::text(&shown).to_owned()),
        false => read(path),
    }
}

/// A device has no sources. What is no YAML is no pipeline; the reader of device files says what is wrong with it.
fn is_pipeline(text: &str) -> bool {
    /// What is below is skipped: no limit holds yet.
    #[derive(Deserialize)]
    struct Head {
        sources: Option<IgnoredAny>,
    }
    serde_yaml::from_str::<Head>(text).is_ok_and(|file| file.sources.is_some())
}

fn of_pipeline(path: &Path) -> Result<Vec<(u8, Device)>, Failure> {
    let environment = Environment::from_process();
    let project = project::open(&project::entry(path)?, &environment, &registry::built_in())?;
    let sources = project.loaded.pipeline.into_iter().flat_map(|pipeline| pipeline.sources);
    let mut found: Vec<(u8, serde_json::Value, String)> = Vec::new();
    for stage in sources.map(|source| source.stage).filter(|stage| stage.type_name == TYPE) {
        let unit = stage.options["unit_id"].as_u64().and_then(|unit| u8::try_from(unit).ok()).unwrap_or(1);
        let device = stage.options["device"].clone();
        match found.iter().find(|(known, ..)| *known == unit) {
            // The same device at two addresses is one here.
            Some((_, known, _)) if *known == device => {}
            Some((.., other)) => {
                let name = &stage.name;
                let said =
                    format!("its sources `{other}` and `{name}` ask unit {unit} for different devices");
                return Err(wrong(path, &said));
            }
            None => found.push((unit, device, stage.name)),
        }
    }
    if found.is_empty() {
        return Err(wrong(
            path,
            &"none of its sources is of type `modbus`, and no other device is simulated",
        ));
    }
    let read =
        |(unit, device, _)| Ok((unit, serde_json::from_value(device).map_err(|error| wrong(path, &error))?));
    found.into_iter().map(read).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(file: &str, asked: &[u8]) -> Result<Vec<u8>, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file.yaml");
        std::fs::write(&path, file).unwrap();
        let units = units(Some(&path), asked).map_err(|failure| format!("{failure:?}"))?;
        Ok(units.into_iter().map(|(unit, _)| unit).collect())
    }

    const DEVICE: &str = "{blocks: {a: {address: 0, count: 1, fields: {x: {at: 0, type: u16}}}}}";
    const OTHER: &str = "{blocks: {a: {address: 9, count: 1, fields: {x: {at: 0, type: u16}}}}}";

    fn pipeline(sources: &[(&str, &str)]) -> String {
        let mut text = String::from("pipeline: p\nsources:\n");
        for (place, (unit, device)) in sources.iter().enumerate() {
            text.push_str(&format!(
                "  s{place}: {{type: modbus, address: 'tcp://h{place}', every: 10s, {unit} device: {device}}}\n"
            ));
        }
        text + "sinks: {out: {type: sqlite, path: x.db, tables: {t: {mode: append, create: true, columns: {time: time, x: x}}}}}\n"
    }

    #[test]
    fn what_is_included_stands_in_files_of_its_own() {
        assert!(is_pipeline(stock::text("eastron-sdm120.yaml")) && is_pipeline(stock::text(stock::EMBEDDED)));
        assert!(!is_pipeline(stock::text(stock::DEFAULT_DEVICE)) && !is_pipeline("- 1"));
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("p.yaml");
        std::fs::write(folder.path().join("d.yaml"), DEVICE).unwrap();
        std::fs::write(&path, pipeline(&[("unit_id: 9,", "!include d.yaml")])).unwrap();
        let Ok(units) = units(Some(&path), &[]) else { panic!("not read") };
        assert_eq!(units.iter().map(|(unit, _)| *unit).collect::<Vec<_>>(), [9]);
    }

    #[test]
    fn the_units_are_those_of_the_file() {
        assert_eq!(ids(DEVICE, &[]), Ok(vec![1]));
        assert_eq!(ids(DEVICE, &[3, 5]), Ok(vec![3, 5]));
        let several = pipeline(&[("unit_id: 7,", DEVICE), ("", OTHER), ("unit_id: 7,", DEVICE)]);
        assert_eq!(ids(&several, &[]), Ok(vec![7, 1]));
        let rows = [
            (several, &[1][..], "leave `--unit-id` out"),
            (pipeline(&[("", DEVICE), ("", OTHER)]), &[], "`s0` and `s1` ask unit 1 for different devices"),
            ("sources: {s: {type: modbuss}}".into(), &[], "modbuss"),
        ];
        for (file, asked, message) in rows {
            let error = ids(&file, asked).unwrap_err();
            assert!(error.contains(message), "{error}");
        }
    }
}
