//! A real PostgreSQL of the installed binaries, in a temporary folder, on a free port; gone with the test process.
//!
//! The server refuses to run as root: then it runs as the user `postgres`. Its collation sorts as people do, not by
//! bytes, so that whoever relies on the order of bytes is found out.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test without its server fails by panicking")]

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

/// The role that owns every [`Database`]; it may do nothing else.
pub const USER: &str = "smiles";
/// Its password.
pub const PASSWORD: &str = "it's a \\ secret";

/// Keeps the server as long as its standard input is open, then stops it and removes its folder.
const KEEPER: &str = r#"
dir=$1 pg_ctl=$2 options=$3
tries=0
until "$pg_ctl" -D "$dir/data" -w -t 60 -l "$dir/log" -o "$options" start >/dev/null 2>&1; do
  tries=$((tries + 1))
  [ $tries -lt 100 ] || { echo "failed"; exit 1; }
done
echo ready
cat >/dev/null
"$pg_ctl" -D "$dir/data" -w -m immediate stop >/dev/null 2>&1
[ -e "$dir/keep" ] || rm -rf "$dir"
"#;

/// A server.
pub struct Server {
    folder: PathBuf,
    port: u16,
    options: Vec<String>,
    keeper: Option<(Child, ChildStdin)>,
    databases: AtomicU32,
}

/// A database of its own, empty.
#[derive(Clone, Debug)]
pub struct Database {
    /// Its name.
    pub name: String,
    /// The server's port.
    pub port: u16,
}

impl Server {
    /// The server that all tests of this process share.
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<Server> = OnceLock::new();
        SHARED.get_or_init(|| Self::start(&[]))
    }

    /// A server of one's own, with options such as `max_connections=5`.
    ///
    /// # Panics
    /// There are no binaries, or it does not start.
    pub fn start(options: &[&str]) -> Self {
        let folder = tempfile::Builder::new().prefix("smiles-postgres-").tempdir().unwrap().keep();
        if let Some((user, group)) = unprivileged() {
            chown(&folder, Some(user), Some(group)).unwrap();
        }
        let passwords = folder.join("password");
        fs::write(&passwords, "superuser").unwrap();
        let made = command("initdb")
            .args(["--no-sync", "--username=postgres", "--auth-local=trust", "--auth-host=scram-sha-256"])
            .args(["--encoding=UTF8", "--locale=C.UTF-8", "--locale-provider=icu", "--icu-locale=en-US"])
            .arg(format!("--pwfile={}", passwords.display()))
            .arg(format!("--pgdata={}", folder.join("data").display()))
            .output()
            .unwrap();
        assert!(made.status.success(), "initdb: {}", String::from_utf8_lossy(&made.stderr));
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let options = options.iter().map(|option| (*option).to_owned()).collect();
        let mut server = Self { folder, port, options, keeper: None, databases: AtomicU32::new(0) };
        server.run();
        let role = format!("CREATE ROLE {USER} LOGIN PASSWORD '{}'", PASSWORD.replace('\'', "''"));
        server.admin(&format!("SET standard_conforming_strings = on; {role}"));
        server
    }

    /// Its folder of data, for configuration files.
    pub fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    /// The folder of its Unix socket.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Starts it again after [`Server::stop`] or [`Server::kill`].
    ///
    /// # Panics
    /// It does not start.
    pub fn run(&mut self) {
        let _ = fs::remove_file(self.folder.join("keep"));
        let mut options = format!(
            "-p {} -k '{}' -c listen_addresses=127.0.0.1 -c fsync=off -c shared_buffers=32MB -c jit=off",
            self.port,
            self.folder.display()
        );
        for option in &self.options {
            options.push_str(&format!(" -c '{option}'"));
        }
        let mut keeper = privileged(Command::new("sh"))
            .args(["-c", KEEPER, "keeper"])
            .arg(&self.folder)
            .arg(binary("pg_ctl"))
            .arg(options)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut said = String::new();
        BufReader::new(keeper.stdout.take().unwrap()).read_line(&mut said).unwrap();
        let log = || fs::read_to_string(self.folder.join("log")).unwrap_or_default();
        assert_eq!(said, "ready\n", "the server does not start: {}", log());
        let stdin = keeper.stdin.take().unwrap();
        self.keeper = Some((keeper, stdin));
    }

    /// Starts it if it does not run.
    ///
    /// # Panics
    /// It does not start.
    pub fn run_if_stopped(&mut self) {
        if self.keeper.is_none() {
            self.run();
        }
    }

    /// Stops it as an administrator does: sessions are ended, what was committed stays.
    ///
    /// # Panics
    /// It does not stop.
    pub fn stop(&mut self) {
        self.halt("fast");
    }

    /// Ends it as a power cut does.
    ///
    /// # Panics
    /// It does not end.
    pub fn kill(&mut self) {
        self.halt("immediate");
    }

    fn halt(&mut self, mode: &str) {
        fs::write(self.folder.join("keep"), "").unwrap();
        let stopped = command("pg_ctl").arg("-D").arg(self.data()).args(["-w", "-m", mode, "stop"]).output();
        assert!(stopped.unwrap().status.success(), "the server does not stop");
        self.dismiss();
    }

    fn dismiss(&mut self) {
        if let Some((mut keeper, stdin)) = self.keeper.take() {
            drop(stdin);
            let _ = keeper.wait();
        }
    }

    /// A new database, owned by [`USER`].
    pub fn database(&self) -> Database {
        let name = format!("test_{}", self.databases.fetch_add(1, Ordering::Relaxed));
        self.admin(&format!("CREATE DATABASE {name} OWNER {USER} TEMPLATE template0"));
        Database { name, port: self.port }
    }

    /// Runs statements as the superuser, one by one, in the database `postgres`.
    ///
    /// # Panics
    /// One fails.
    pub fn admin(&self, sql: &str) -> String {
        self.admin_in("postgres", sql)
    }

    /// As [`Server::admin`], in another database.
    ///
    /// # Panics
    /// One fails.
    pub fn admin_in(&self, database: &str, sql: &str) -> String {
        let folder = self.folder.to_string_lossy();
        psql(&folder, self.port, "postgres", database, sql)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = fs::remove_file(self.folder.join("keep"));
        self.dismiss();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

impl Database {
    /// Runs statements as [`USER`]; rows come back as lines, cells joined by `|`, null as `-`.
    ///
    /// # Panics
    /// One fails.
    pub fn sql(&self, sql: &str) -> String {
        psql("127.0.0.1", self.port, USER, &self.name, sql)
    }

    /// The lines of the answer.
    ///
    /// # Panics
    /// It fails.
    pub fn rows(&self, sql: &str) -> Vec<String> {
        self.sql(sql).lines().map(str::to_owned).collect()
    }

    /// What other programs want: `postgres` variables of this project.
    pub fn variables(&self) -> Vec<(String, String)> {
        let port = self.port.to_string();
        [
            ("DB_HOST", "127.0.0.1"),
            ("DB_PORT", port.as_str()),
            ("DB_NAME", self.name.as_str()),
            ("DB_USER", USER),
            ("DB_PASSWORD", PASSWORD),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .to_vec()
    }
}

fn psql(host: &str, port: u16, user: &str, database: &str, sql: &str) -> String {
    let mut child = Command::new(binary("psql"))
        .env_clear()
        .env("PGPASSWORD", PASSWORD)
        .env("PGTZ", "UTC")
        .args([
            "-X",
            "-q",
            "-A",
            "-t",
            "-v",
            "ON_ERROR_STOP=1",
            "-P",
            "null=-",
            "-h",
            host,
            "-U",
            user,
            "-d",
            database,
        ])
        .args(["-p", &port.to_string(), "-f", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let text = sql.to_owned();
    let writing = std::thread::spawn(move || stdin.write_all(text.as_bytes()));
    let done = child.wait_with_output().unwrap();
    let _ = writing.join();
    assert!(done.status.success(), "psql: {}\n{sql}", String::from_utf8_lossy(&done.stderr));
    String::from_utf8(done.stdout).unwrap()
}

/// A binary of the newest PostgreSQL that is installed.
///
/// # Panics
/// There is none.
pub fn binary(name: &str) -> PathBuf {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten();
    let mut found: Vec<(u32, PathBuf)> = versions
        .filter_map(|entry| {
            let entry = entry.ok()?;
            let version = entry.file_name().to_str()?.parse().ok()?;
            let path = entry.path().join("bin").join(name);
            path.exists().then_some((version, path))
        })
        .collect();
    found.sort();
    found.pop().expect("PostgreSQL is installed: run `make setup`").1
}

/// A binary of PostgreSQL, to be run by a user whom the server accepts.
fn command(name: &str) -> Command {
    privileged(Command::new(binary(name)))
}

/// As another user where this one is root.
fn privileged(mut command: Command) -> Command {
    if let Some((user, group)) = unprivileged() {
        command.uid(user).gid(group);
    }
    command.current_dir("/").env_clear().env("PATH", "/usr/bin:/bin").env("LC_ALL", "C.UTF-8");
    command
}

/// The user `postgres` and its group, if this one is root.
pub fn unprivileged() -> Option<(u32, u32)> {
    static USER: OnceLock<Option<(u32, u32)>> = OnceLock::new();
    let ask = |args: &[&str]| -> u32 {
        let said = Command::new("id").args(args).output().unwrap();
        let text = String::from_utf8(said.stdout).unwrap();
        text.trim().parse().expect("the user postgres exists: run `make setup`")
    };
    *USER.get_or_init(|| (ask(&["-u"]) == 0).then(|| (ask(&["-u", "postgres"]), ask(&["-g", "postgres"]))))
}
