//! TLS with the meanings of libpq's `sslmode`, and every certificate that is wrong.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_schema::{DataType, Field, Schema};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use serde_json::json;
use smiles_stage::{Action, StageError};
use smiles_testkit::postgres::{Server, unprivileged};

use crate::fixture::{Fixture, RUN};

struct Certificates {
    folder: tempfile::TempDir,
}

impl Certificates {
    /// An authority, a server certificate of it for `localhost`, and a stranger.
    fn make() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let authority = |name: &str| {
            let mut parameters = CertificateParams::new(vec![]).unwrap();
            parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
            parameters.distinguished_name.push(rcgen::DnType::CommonName, name);
            CertifiedIssuer::self_signed(parameters, KeyPair::generate().unwrap()).unwrap()
        };
        let (ca, stranger) = (authority("ours"), authority("somebody else's"));
        let key = KeyPair::generate().unwrap();
        let server =
            CertificateParams::new(vec!["localhost".to_owned()]).unwrap().signed_by(&key, &ca).unwrap();
        for (name, text) in [
            ("ca.pem", ca.pem()),
            ("stranger.pem", stranger.pem()),
            ("server.pem", server.pem()),
            ("server.key", key.serialize_pem()),
        ] {
            fs::write(folder.path().join(name), text).unwrap();
        }
        Self { folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

/// A server that has TLS; `only`: and takes nobody without.
fn server(certificates: &Certificates) -> Server {
    let mut server = Server::start(&[]);
    server.stop();
    let data = server.data();
    for name in ["server.pem", "server.key"] {
        let to = data.join(name);
        fs::copy(certificates.path(name), &to).unwrap();
        fs::set_permissions(&to, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
        if let Some((user, group)) = unprivileged() {
            std::os::unix::fs::chown(&to, Some(user), Some(group)).unwrap();
        }
    }
    append(&data, "postgresql.conf", "ssl = on\nssl_cert_file = 'server.pem'\nssl_key_file = 'server.key'\n");
    server.run();
    server
}

fn append(data: &Path, file: &str, text: &str) {
    let path = data.join(file);
    let whole = fs::read_to_string(&path).unwrap() + text;
    fs::write(path, whole).unwrap();
}

/// Connects; whether the session is encrypted.
async fn connect(fixture: &Fixture) -> Result<bool, StageError> {
    let mut sink = fixture.open().await.sink;
    sink.watermark(RUN).await?;
    let sql = "SELECT s.ssl FROM pg_stat_ssl AS s JOIN pg_stat_activity AS a USING (pid)
               WHERE a.datname = current_database() AND a.application_name = 'smiles'";
    let said = fixture.rows(sql);
    drop(sink);
    Ok(said == ["t"])
}

fn fixture(server: &Server) -> Fixture {
    let input = Arc::new(Schema::new(vec![Field::new("id", DataType::Int64, true)]));
    let mut fixture =
        Fixture::on(server.database(), json!({ "t": { "create": true, "columns": { "id": "id" } } }), input);
    fixture.options["host"] = json!("localhost");
    fixture
}

/// Mode, what is trusted, host; whether the session is encrypted, or what is said.
type Case<'a> = (&'a str, Option<&'a PathBuf>, &'a str, Result<bool, &'a str>);

#[tokio::test]
async fn every_mode_verifies_what_libpq_verifies() {
    let certificates = Certificates::make();
    let server = server(&certificates);
    let (ca, stranger) = (certificates.path("ca.pem"), certificates.path("stranger.pem"));
    let own = certificates.path("server.pem");
    let unknown = "comes from nobody who is trusted";
    let cases: [Case<'_>; 14] = [
        ("disable", None, "localhost", Ok(false)),
        ("allow", None, "localhost", Ok(false)),
        ("prefer", None, "localhost", Ok(true)),
        ("require", None, "localhost", Ok(true)),
        ("require", Some(&ca), "localhost", Ok(true)),
        ("require", Some(&stranger), "localhost", Err(unknown)),
        ("verify-ca", Some(&ca), "localhost", Ok(true)),
        ("verify-ca", Some(&ca), "127.0.0.1", Ok(true)),
        ("verify-ca", Some(&own), "127.0.0.1", Ok(true)),
        ("verify-ca", None, "localhost", Err(unknown)),
        ("verify-full", Some(&ca), "localhost", Ok(true)),
        ("verify-full", Some(&ca), "127.0.0.1", Err("is for another host")),
        ("verify-full", Some(&own), "localhost", Ok(true)),
        ("verify-full", Some(&stranger), "localhost", Err(unknown)),
    ];
    for (mode, trusted, host, expected) in cases {
        let mut fixture = fixture(&server);
        fixture.options["sslmode"] = json!(mode);
        fixture.options["host"] = json!(host);
        fixture.options["sslrootcert"] =
            json!(trusted.map_or(String::new(), |path| path.display().to_string()));
        match (connect(&fixture).await, expected) {
            (Ok(encrypted), Ok(expected)) => assert_eq!(encrypted, expected, "{mode} {host}"),
            (Err(error), Err(words)) => {
                assert_eq!(error.action(), &Action::Halt, "{mode} {host}");
                assert!(error.chain().contains(words), "{mode} {host}: {}", error.chain());
            }
            (Ok(_), Err(words)) => panic!("{mode} {host}: connected in spite of `{words}`"),
            (Err(error), Ok(_)) => panic!("{mode} {host}: {}", error.chain()),
        }
    }
}

#[tokio::test]
async fn a_server_that_insists_on_either_is_met() {
    let certificates = Certificates::make();
    let mut server = server(&certificates);
    for (kind, mode, expected) in [("hostssl", "allow", true), ("hostnossl", "prefer", false)] {
        server.stop();
        let hba = format!("local all all trust\n{kind} all all all scram-sha-256\n");
        fs::write(server.data().join("pg_hba.conf"), hba).unwrap();
        server.run();
        let mut fixture = fixture(&server);
        fixture.options["sslmode"] = json!(mode);
        // psql of the fixture asks as libpq does: it gets in either way.
        assert_eq!(
            connect(&fixture).await.unwrap_or_else(|error| panic!("{}", error.chain())),
            expected,
            "{kind}"
        );
    }
}

#[tokio::test]
async fn a_server_without_tls_and_files_that_are_none_are_named() {
    let certificates = Certificates::make();
    let nothing = certificates.path("nothing.pem").display().to_string();
    let key = certificates.path("server.key").display().to_string();
    let ca = certificates.path("ca.pem").display().to_string();
    let cases = [
        (json!({ "sslmode": "require" }), "the server has no TLS"),
        (json!({ "sslmode": "verify-ca", "sslrootcert": nothing }), "`sslrootcert`: cannot read"),
        (json!({ "sslmode": "verify-ca", "sslrootcert": key }), "`sslrootcert`: there is no certificate in"),
        (json!({ "sslmode": "require", "sslcert": ca, "sslkey": nothing }), "`sslkey`: cannot read"),
        (json!({ "sslmode": "verify-ca", "sslrootcert": "/dev/zero" }), "it is a device, not a file"),
        (
            json!({ "sslmode": "require", "sslcert": "/dev/zero", "sslkey": key }),
            "it is a device, not a file",
        ),
        (json!({ "sslmode": "require", "sslcert": ca, "sslkey": "/dev/zero" }), "it is a device, not a file"),
        (json!({ "sslmode": "require", "sslcert": ca, "sslkey": key }), "do not belong together"),
    ];
    for (options, says) in cases {
        let mut fixture = fixture(Server::shared());
        for (name, value) in options.as_object().unwrap() {
            fixture.options[name] = value.clone();
        }
        let error = connect(&fixture).await.unwrap_err();
        assert_eq!(error.action(), &Action::Halt, "{options}");
        assert!(error.chain().contains(says), "{options}: {}", error.chain());
    }
}
