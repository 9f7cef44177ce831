//! TLS with the meanings of libpq's `sslmode`: what of the server's certificate is verified.

use std::path::Path;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{verify_server_cert_signed_by_trust_anchor, verify_server_name};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};
use smiles_stage::{StageError, read_limited};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::config::{PostgresConfig, SslMode};

const ABSENT: &str = "the server has no TLS: switch it on there, or choose another `sslmode`";
const MAX_KEY_BYTES: u64 = 64 << 10;
/// A bundle of every authority of the world has some 300 KiB.
const MAX_CERTIFICATES_BYTES: u64 = 8 << 20;

/// What to connect with. Files are read anew each time, so that a renewed certificate is taken up.
///
/// # Errors
/// Halt: a file that was named cannot be read or holds no certificate or key.
pub(crate) fn connector(config: &PostgresConfig) -> Result<MakeRustlsConnect, StageError> {
    let provider = Arc::new(ring::default_provider());
    let verifier = Arc::new(Verifier { trust: trust(config)?, provider: Arc::clone(&provider) });
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| StageError::halt("TLS cannot be set up").because(error))?
        .dangerous()
        .with_custom_certificate_verifier(verifier);
    let config = match identity(config)? {
        None => builder.with_no_client_auth(),
        Some((chain, key)) => builder.with_client_auth_cert(chain, key).map_err(|error| {
            StageError::halt("`sslcert` and `sslkey` do not belong together").because(error)
        })?,
    };
    Ok(MakeRustlsConnect::new(config))
}

fn trust(config: &PostgresConfig) -> Result<Trust, StageError> {
    let name = config.sslmode == SslMode::VerifyFull;
    let verifies = matches!(config.sslmode, SslMode::VerifyCa | SslMode::VerifyFull)
        || (config.sslmode == SslMode::Require && !config.sslrootcert.is_empty());
    if !verifies {
        return Ok(Trust::Anyone);
    }
    let given = match config.sslrootcert.as_str() {
        "" | "system" => rustls_native_certs::load_native_certs().certs,
        path => certificates("sslrootcert", path)?,
    };
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(given.iter().cloned());
    if given.is_empty() {
        let text = "the system trusts no certificate authority: name the server's with `sslrootcert`";
        return Err(StageError::halt(text));
    }
    Ok(Trust::Those { roots, given, name })
}

type Identity = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

fn identity(config: &PostgresConfig) -> Result<Option<Identity>, StageError> {
    if config.sslcert.is_empty() {
        return Ok(None);
    }
    let chain = certificates("sslcert", &config.sslcert)?;
    let pem = read("sslkey", &config.sslkey, MAX_KEY_BYTES)?;
    let key =
        PrivateKeyDer::from_pem_slice(&pem).map_err(|error| unreadable("sslkey", &config.sslkey, error))?;
    Ok(Some((chain, key)))
}

fn certificates(option: &str, path: &str) -> Result<Vec<CertificateDer<'static>>, StageError> {
    let pem = read(option, path, MAX_CERTIFICATES_BYTES)?;
    let found: Vec<_> = CertificateDer::pem_slice_iter(&pem)
        .collect::<Result<_, _>>()
        .map_err(|error| unreadable(option, path, error))?;
    if found.is_empty() {
        return Err(StageError::halt(format!("`{option}`: there is no certificate in {path}")));
    }
    Ok(found)
}

fn read(option: &str, path: &str, limit: u64) -> Result<Vec<u8>, StageError> {
    read_limited(Path::new(path), limit).map_err(|error| unreadable(option, path, error))
}

fn unreadable(option: &str, path: &str, error: impl std::error::Error + Send + Sync + 'static) -> StageError {
    StageError::halt(format!("`{option}`: cannot read {path}")).because(error)
}

#[derive(Debug)]
enum Trust {
    /// The traffic is encrypted; who is at the other end is not asked.
    Anyone,
    /// A certificate from one of these authorities, or one of these themselves; perhaps for this host.
    Those { roots: RootCertStore, given: Vec<CertificateDer<'static>>, name: bool },
}

#[derive(Debug)]
struct Verifier {
    trust: Trust,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let Trust::Those { roots, given, name } = &self.trust else {
            return Ok(ServerCertVerified::assertion());
        };
        let parsed = ParsedCertificate::try_from(end_entity)?;
        // A server whose self-signed certificate was itself handed out as the one to trust is the common case at
        // home; a chain from it to itself is none.
        if !given.contains(end_entity) {
            let algorithms = self.provider.signature_verification_algorithms.all;
            verify_server_cert_signed_by_trust_anchor(&parsed, roots, intermediates, now, algorithms)?;
        }
        if *name {
            verify_server_name(&parsed, server_name)?;
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signed, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signed, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// What a failed handshake means, in words that name the option to change; `None`: it was no such failure.
pub(crate) fn explain(error: &(dyn std::error::Error + 'static)) -> Option<&'static str> {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if let Some(said) = error.downcast_ref::<Error>() {
            return Some(sentence(said));
        }
        // An I/O error shows what it wraps as `get_ref`, and only the causes of that as its source.
        let wrapped = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
        if let Some(said) = wrapped.and_then(|wrapped| wrapped.downcast_ref::<Error>()) {
            return Some(sentence(said));
        }
        if error.to_string() == "server does not support TLS" {
            return Some(ABSENT);
        }
        cause = error.source();
    }
    None
}

/// Whether a sentence of ours says that the server has no TLS at all.
pub(crate) fn is_absent(said: &str) -> bool {
    said.contains(ABSENT)
}

/// Whether a sentence of ours is one of [`explain`]'s.
pub(crate) fn is_about_tls(said: &str) -> bool {
    said.contains("certificate") || said.contains("TLS")
}

fn sentence(error: &Error) -> &'static str {
    match error {
        Error::InvalidCertificate(CertificateError::UnknownIssuer) => {
            "the server's certificate comes from nobody who is trusted: name its authority with `sslrootcert`"
        }
        Error::InvalidCertificate(
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
        ) => "the server's certificate is for another host: correct `host`, or choose `sslmode: verify-ca`",
        Error::InvalidCertificate(CertificateError::Expired | CertificateError::ExpiredContext { .. }) => {
            "the server's certificate has expired: renew it, and look at the clock of this machine"
        }
        Error::InvalidCertificate(_) => "the server's certificate is not accepted",
        Error::AlertReceived(_) => {
            "the server refused the TLS connection: it may ask for `sslcert` and `sslkey`"
        }
        _ => "the TLS handshake failed",
    }
}
