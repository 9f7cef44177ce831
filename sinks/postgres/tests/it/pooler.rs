//! The battery again, through a pooler that gives every transaction another session.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::json;
use smiles_testkit::eventually;
use smiles_testkit::postgres::{PASSWORD, Server, USER, unprivileged};
use smiles_testkit::sink_conformance::checks;

use crate::conformance::target;

struct Pooler {
    child: Child,
    port: u16,
    _folder: tempfile::TempDir,
}

impl Pooler {
    async fn start(server: &Server) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let users = folder.path().join("users.txt");
        let config = folder.path().join("pgbouncer.ini");
        fs::write(&users, format!("\"{USER}\" \"{PASSWORD}\"\n")).unwrap();
        let text = format!(
            "[databases]\n* = host=127.0.0.1 port={}\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\n\
             unix_socket_dir =\nauth_type = scram-sha-256\nauth_file = {}\npool_mode = transaction\n\
             default_pool_size = 3\n",
            server.port(),
            users.display()
        );
        fs::write(&config, text).unwrap();
        let mut command = Command::new("/usr/sbin/pgbouncer");
        command.arg("-q").arg(&config).stdin(Stdio::null()).stderr(Stdio::null()).stdout(Stdio::null());
        if let Some((user, group)) = unprivileged() {
            command.uid(user).gid(group);
            for path in [folder.path(), &users, &config] {
                chown(path, Some(user), Some(group)).unwrap();
            }
        }
        let child = command.spawn().expect("pgbouncer is installed: run `make setup`");
        let pooler = Self { child, port, _folder: folder };
        eventually(Duration::from_secs(10), || TcpStream::connect(("127.0.0.1", port)).is_ok()).await;
        pooler
    }
}

impl Drop for Pooler {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[tokio::test]
async fn the_sink_passes_the_battery_behind_a_pooler() {
    let pooler = Pooler::start(Server::shared()).await;
    for (name, check) in checks() {
        eprintln!("{name}");
        let mut target = target();
        target.0.options["port"] = json!(pooler.port);
        check(&target).await;
    }
}
