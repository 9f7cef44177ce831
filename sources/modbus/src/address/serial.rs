//! A serial port and how bytes travel on it, as text: `/dev/ttyUSB0?baud=9600&parity=none&stop_bits=1`.

use std::fmt;

/// Rates that adapters and devices know.
const BAUDS: [u32; 18] = [
    300, 600, 1200, 2400, 4800, 9600, 14400, 19200, 28800, 38400, 57600, 76800, 115_200, 230_400, 460_800,
    500_000, 921_600, 1_000_000,
];

/// A serial port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SerialPort {
    pub(crate) path: String,
    pub(crate) baud: u32,
    pub(crate) parity: Parity,
    /// 1 or 2.
    pub(crate) stop_bits: u8,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Parity {
    None,
    Even,
    Odd,
}

impl SerialPort {
    /// What follows the scheme of `whole`.
    ///
    /// # Errors
    /// The path is not absolute, or an option is unknown or has no such value.
    pub(super) fn parse(rest: &str, whole: &str) -> Result<Self, String> {
        let (path, options) = rest.split_once('?').map_or((rest, None), |(path, all)| (path, Some(all)));
        let path = path.trim_end_matches('/');
        if !path.starts_with('/') {
            return Err(format!("`{whole}` names no path that begins with `/`"));
        }
        let mut port = Self { path: path.to_owned(), baud: 9600, parity: Parity::None, stop_bits: 1 };
        let mut seen = Vec::new();
        for option in options.into_iter().flat_map(|all| all.split('&')) {
            let (name, value) =
                option.split_once('=').ok_or_else(|| format!("`{option}` is not `option=value`"))?;
            port.set(name, value)?;
            if seen.contains(&name) {
                return Err(format!("`{name}` is said twice"));
            }
            seen.push(name);
        }
        Ok(port)
    }

    fn set(&mut self, name: &str, value: &str) -> Result<(), String> {
        let number = value.parse::<u32>().ok().filter(|_| value.bytes().all(|byte| byte.is_ascii_digit()));
        match (name, number, value) {
            ("baud", Some(baud), _) if BAUDS.contains(&baud) => self.baud = baud,
            ("baud", ..) => return Err(format!("`{value}` is not a baud rate")),
            ("parity", _, "none") => self.parity = Parity::None,
            ("parity", _, "even") => self.parity = Parity::Even,
            ("parity", _, "odd") => self.parity = Parity::Odd,
            ("parity", ..) => return Err(format!("`{value}` is not a parity")),
            ("stop_bits", Some(1), _) => self.stop_bits = 1,
            ("stop_bits", Some(2), _) => self.stop_bits = 2,
            ("stop_bits", ..) => return Err(format!("`{value}` is not a number of stop bits")),
            ("data_bits", Some(8), _) => {}
            ("data_bits", ..) => return Err(format!("`{value}` is not a number of data bits")),
            _ => return Err(format!("unknown option `{name}`")),
        }
        Ok(())
    }
}

/// What is allowed, where a text is a serial port with bad options.
pub(super) fn help(text: &str) -> Option<String> {
    let (path, options) = text.strip_prefix("serial://")?.split_once('?')?;
    if path.trim_matches('/').is_empty() || !path.starts_with('/') {
        return None;
    }
    let mut pairs = options.split('&').filter_map(|option| option.split_once('='));
    let mut probe = SerialPort { path: String::new(), baud: 0, parity: Parity::None, stop_bits: 1 };
    let bad = pairs.find(|(name, value)| probe.set(name, value).is_err());
    Some(match bad {
        Some(("baud", _)) => {
            let bauds = BAUDS.map(|baud| baud.to_string()).join(", ");
            format!("`baud` is one of {bauds}; 9600 unless said")
        }
        Some(("parity", _)) => "`parity` is `none`, `even` or `odd`; `none` unless said".to_owned(),
        Some(("stop_bits", _)) => "`stop_bits` is 1 or 2; 1 unless said".to_owned(),
        Some(("data_bits", _)) => "`data_bits` is 8: RTU needs all of them".to_owned(),
        _ => "options are `baud`, `parity`, `stop_bits` and `data_bits`, each once: \
              `serial:///dev/ttyUSB0?baud=9600&parity=none&stop_bits=1&data_bits=8`"
            .to_owned(),
    })
}

/// The rate always, and what is not usual.
impl fmt::Display for SerialPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}?baud={}", self.path, self.baud)?;
        match self.parity {
            Parity::None => {}
            Parity::Even => write!(f, "&parity=even")?,
            Parity::Odd => write!(f, "&parity=odd")?,
        }
        if self.stop_bits == 1 { Ok(()) } else { write!(f, "&stop_bits={}", self.stop_bits) }
    }
}
