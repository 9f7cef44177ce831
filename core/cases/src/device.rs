//! A device for cases that give registers: served on loopback, so that they pass the real source and its decoder.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;
use smiles_runtime::SystemClock;
use smiles_source_modbus::device::Device as DeviceFile;
use smiles_source_simulator::{Faults, Handle, Image, Options, Quirk, Rates, Simulator};
use tokio::net::TcpListener;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::error::Cause;
use crate::file::Recorded;

/// The type of sources that read registers.
pub(crate) const TYPE: &str = "modbus";

/// A served device; gone when dropped.
pub(crate) struct Device {
    handle: Handle,
    address: String,
    _stop: DropGuard,
}

/// Recorded registers and what goes wrong on their way.
#[derive(Clone, Debug)]
pub(crate) struct Registers {
    image: Image,
    faults: Faults,
}

impl Device {
    /// The device that these options of a source describe.
    ///
    /// # Errors
    /// What does not let it be served.
    pub(crate) async fn serve(options: &Value) -> Result<Self, Cause> {
        let file: DeviceFile = serde_json::from_value(options["device"].clone())?;
        let unit_id = options["unit_id"].as_u64().and_then(|unit| u8::try_from(unit).ok()).unwrap_or(1);
        let options =
            Options { unit_ids: vec![unit_id], image: Some(Image::default()), ..Options::default() };
        let simulator = Simulator::new(&file, options, Arc::new(SystemClock::new()))?;
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = format!("tcp://{}", listener.local_addr()?);
        let (handle, stop) = (simulator.handle(), CancellationToken::new());
        tokio::spawn(simulator.serve(listener, stop.clone()));
        Ok(Self { handle, address, _stop: stop.drop_guard() })
    }

    /// Makes a source with these options ask this device, without the pauses a real one needs.
    pub(crate) fn redirect(&self, options: &mut Value) {
        redirect(&self.address, options);
    }

    /// Has these registers from now on.
    pub(crate) fn show(&self, registers: &Registers) {
        self.handle.set_image(registers.image.clone());
        self.handle.set_faults(registers.faults.clone());
    }
}

fn redirect(address: &str, options: &mut Value) {
    options["address"] = address.into();
    options["min_delay"] = "0s".into();
    if let Some(options) = options.as_object_mut() {
        // It has an address of its own too, and leads to the real device.
        options.remove("line");
    }
}

impl Registers {
    /// Bytes by address, or by table and address.
    ///
    /// # Errors
    /// What is wrong with them.
    pub(crate) fn read(image: &BTreeMap<String, Recorded>) -> Result<Self, String> {
        let image = serde_yaml::to_string(image).map_err(|error| error.to_string())?;
        let image = Image::parse(&image).map_err(|error| error.to_string())?;
        Ok(Self { image, faults: Faults::default() })
    }

    /// Adds a quirk.
    ///
    /// # Errors
    /// There is none of that name, or it is not one of the wire.
    pub(crate) fn add(&mut self, quirk: &str) -> Result<(), String> {
        let mut options = Options { faults: self.faults.clone(), ..Options::default() };
        quirk.parse::<Quirk>().map_err(|error| error.to_string())?.apply(&mut options);
        if options.rates != Rates::default() {
            return Err(format!(
                "the quirk `{quirk}` changes what a device measures, and recorded registers do not change"
            ));
        }
        self.faults = options.faults;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn no_case_reaches_a_real_device() {
        let line = serde_json::json!({"name": "gateway", "address": "tcp://192.0.2.1"});
        let mut options = serde_json::json!({"address": "tcp://192.0.2.2", "unit_id": 2, "line": line});
        redirect("tcp://127.0.0.1:1", &mut options);
        let expected = serde_json::json!({"address": "tcp://127.0.0.1:1", "unit_id": 2, "min_delay": "0s"});
        assert_eq!(options, expected);
    }

    #[test]
    fn registers_and_quirks_are_read_or_explained() {
        let image = |bytes: &str| BTreeMap::from([("0x1000".to_owned(), Recorded::Hex(bytes.to_owned()))]);
        let mut registers = Registers::read(&image("0c 11")).unwrap();
        registers.add("wrong_byte_count=0x50").unwrap();
        registers.add("surplus_data").unwrap();
        assert_eq!((registers.faults.wrong_byte_count, registers.faults.surplus_data), (Some(0x50), true));
        assert!(registers.add("silnt").unwrap_err().contains("did you mean `silent`?"));
        assert!(registers.add("glitch=1").unwrap_err().contains("recorded registers do not change"));
        assert!(Registers::read(&image("zz")).unwrap_err().contains("hexadecimal"));
        let tables = json!({
            "holding": {"10": "0007"}, "coils": {"400": true, "0x19a": [true, false]}, "discrete 3": "05",
        });
        let tables: BTreeMap<String, Recorded> = serde_json::from_value(tables).unwrap();
        assert_eq!(
            Registers::read(&tables).unwrap().image,
            Image::parse("{holding 10: '0007', coils 400: true, coils 410: [true, false], discrete 3: '05'}")
                .unwrap()
        );
        assert!(Registers::read(&BTreeMap::new()).unwrap_err().contains("empty"));
    }
}
