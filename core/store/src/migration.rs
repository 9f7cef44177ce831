//! Migrations: ordered SQL files, each applied once and never changed afterwards. How they are applied is the
//! store's own business.

use smiles_stage::{Files, Path, Problem, Problems};

/// One file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Migration {
    /// Its place in the order.
    pub number: u32,
    /// The file's name: `001_tables.sql`.
    pub name: String,
    /// Its text, with Unix line ends.
    pub sql: String,
}

impl Migration {
    /// All files `001_name.sql` of a folder, in order of their numbers; other files are left alone.
    ///
    /// # Errors
    /// A folder or file that cannot be read, a number used twice, no migration at all.
    pub fn read(files: &dyn Files, folder: &str, at: &Path) -> Result<Vec<Self>, Problems> {
        let unreadable = |what: &str, error: std::io::Error| {
            let problem = Problem::error(at.clone(), format!("cannot read {what}: {error}"));
            vec![
                problem
                    .help("name a folder of files such as `001_tables.sql`, relative to the pipeline file"),
            ]
        };
        let names = files.list(folder).map_err(|error| unreadable(folder, error))?;
        let mut migrations = Vec::new();
        for name in names {
            let Some(number) = number(&name) else { continue };
            let path = format!("{}/{name}", folder.trim_end_matches('/'));
            let sql = files.read(&path).map_err(|error| unreadable(&path, error))?.replace("\r\n", "\n");
            migrations.push(Self { number, name, sql });
        }
        migrations.sort_by_key(|migration| migration.number);
        let twice = migrations.windows(2).find(|pair| pair[0].number == pair[1].number);
        if let Some([first, second]) = twice {
            let message = format!("migrations {} and {} have the same number", first.name, second.name);
            return Err(vec![
                Problem::error(at.clone(), message).help("give one of them the next free number"),
            ]);
        }
        if migrations.is_empty() {
            let problem = Problem::error(at.clone(), format!("no migration in {folder}"));
            return Err(vec![problem.help("add a file such as `001_tables.sql`, or remove `migrations`")]);
        }
        Ok(migrations)
    }

    /// Changes when the text does.
    pub fn checksum(&self) -> String {
        format!("{:08x}-{}", crc32fast::hash(self.sql.as_bytes()), self.sql.len())
    }

    /// What it looks at before it changes anything: the text above a line `-- checks end here`.
    pub fn checks(&self) -> Option<&str> {
        self.sql.split_once("\n-- checks end here").map(|(checks, _)| checks)
    }

    /// The tables that its text says are written anew.
    pub fn rewrites(&self) -> Vec<String> {
        let lines = self.sql.lines().filter_map(|line| line.strip_prefix("-- rewrites:"));
        let names = lines.flat_map(|line| line.split(',')).map(|name| name.trim().to_owned());
        names.filter(|name| !name.is_empty()).collect()
    }
}

/// `12` of `012_more.sql`.
fn number(name: &str) -> Option<u32> {
    let (number, rest) = name.split_once('_')?;
    let digits = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    (digits && rest.ends_with(".sql")).then(|| number.parse().ok()).flatten()
}
