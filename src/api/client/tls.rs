//! TLS for the client: whom it trusts (the system's authorities, a file, one certificate by its fingerprint), and what
//! went wrong in words a person can act on.

use crate::domain::{Error, Result};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{
    CertificateError, ClientConfig, ClientConnection, DigitallySignedStruct, RootCertStore,
    SignatureScheme, StreamOwned,
};
use sha2::{Digest as _, Sha256};
use std::fmt;
use std::io;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A TLS connection.
pub(super) type Tls = StreamOwned<ClientConnection, TcpStream>;

/// Whose certificates are believed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Trust {
    /// Those signed by an authority of this machine.
    #[default]
    System,
    /// Those in a PEM file, and those signed by them.
    File(PathBuf),
    /// The one with this SHA-256, whatever else it says.
    Fingerprint([u8; 32]),
}

impl Trust {
    /// `sha256:` and 64 hexadecimal digits, as `trainyard status` prints it; colons between them are passed over.
    ///
    /// # Errors
    /// [`crate::domain::ErrorKind::Invalid`] for anything else.
    pub fn fingerprint(text: &str) -> Result<Self> {
        let digits = text.strip_prefix("sha256:").unwrap_or(text);
        let digits: Vec<u8> = digits.bytes().filter(|byte| *byte != b':').collect();
        let pairs = digits.chunks(2).map(|pair| {
            let pair = std::str::from_utf8(pair)
                .ok()
                .filter(|pair| pair.len() == 2)?;
            u8::from_str_radix(pair, 16).ok()
        });
        pairs
            .collect::<Option<Vec<u8>>>()
            .and_then(|bytes| bytes.try_into().ok())
            .map(Self::Fingerprint)
            .ok_or_else(|| {
                Error::invalid(format!(
                    "`{text}` is no fingerprint: `sha256:` and 64 hexadecimal digits, as `trainyard status` prints it on the server"
                ))
            })
    }
}

/// A daemon behind TLS.
pub struct Secure {
    /// `https://host:port`.
    pub url: String,
    /// What says who asks.
    pub token: Option<String>,
    trust: Trust,
    config: Arc<ClientConfig>,
}

impl PartialEq for Secure {
    fn eq(&self, other: &Self) -> bool {
        (&self.url, &self.token, &self.trust) == (&other.url, &other.token, &other.trust)
    }
}

impl Eq for Secure {}

impl fmt::Debug for Secure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Secure")
            .field("url", &self.url)
            .field("trust", &self.trust)
            .finish_non_exhaustive()
    }
}

impl Secure {
    /// See the fields.
    ///
    /// # Errors
    /// [`crate::domain::ErrorKind::Invalid`] when what `trust` names cannot be read.
    pub fn new(url: &str, token: Option<String>, trust: Trust) -> Result<Self> {
        let provider = Arc::new(ring::default_provider());
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(|error| Error::internal("TLS cannot be set up").because(error))?;
        let mut config = match &trust {
            Trust::Fingerprint(wanted) => builder
                .dangerous()
                .with_custom_certificate_verifier(Arc::new(Pinned {
                    wanted: *wanted,
                    provider,
                }))
                .with_no_client_auth(),
            Trust::File(path) => builder
                .with_root_certificates(of_file(path)?)
                .with_no_client_auth(),
            Trust::System => builder
                .with_root_certificates(of_system())
                .with_no_client_auth(),
        };
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self {
            url: url.to_owned(),
            token,
            trust,
            config: Arc::new(config),
        })
    }

    /// Shakes hands over `stream`, with the daemon at `address` (`host:port`).
    pub(super) fn shake(&self, mut stream: TcpStream, address: &str) -> Result<Tls> {
        let host = address.rsplit_once(':').map_or(address, |(host, _)| host);
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let name = ServerName::try_from(host.to_owned()).map_err(|error| {
            Error::invalid(format!("`{host}` is no name of a host")).because(error)
        })?;
        let mut connection = ClientConnection::new(Arc::clone(&self.config), name)
            .map_err(|error| Error::internal("TLS cannot be set up").because(error))?;
        while connection.is_handshaking() {
            connection
                .complete_io(&mut stream)
                .map_err(|error| unshaken(error, address))?;
        }
        Ok(StreamOwned::new(connection, stream))
    }
}

/// The authorities of this machine; without any, nobody is believed, and the error of the first connection says so.
fn of_system() -> RootCertStore {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    roots
}

fn of_file(path: &Path) -> Result<RootCertStore> {
    let unread = |error: rustls::pki_types::pem::Error| {
        Error::invalid(format!(
            "`{}` is no PEM file with certificates that can be read",
            path.display()
        ))
        .because(error)
    };
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(path).map_err(unread)? {
        let certificate = certificate.map_err(unread)?;
        roots.add(certificate).map_err(|error| {
            Error::invalid(format!(
                "`{}` has a certificate that is malformed",
                path.display()
            ))
            .because(error)
        })?;
    }
    if roots.is_empty() {
        return Err(Error::invalid(format!(
            "`{}` has no certificate in it: a PEM file with `BEGIN CERTIFICATE` is expected",
            path.display()
        )));
    }
    Ok(roots)
}

/// What a TLS error behind an input or output error says; none when it is no TLS error.
pub(super) fn said(error: &io::Error) -> Option<Error> {
    let tls = error.get_ref()?.downcast_ref::<rustls::Error>()?;
    Some(Error::unavailable(format!("TLS failed: {tls}")))
}

/// Why no connection came about.
fn unshaken(error: io::Error, address: &str) -> Error {
    let tls = error
        .get_ref()
        .and_then(|source| source.downcast_ref::<rustls::Error>())
        .cloned();
    let message = match &tls {
        Some(rustls::Error::InvalidCertificate(problem)) => match problem {
            CertificateError::UnknownIssuer => format!(
                "the certificate of `{address}` is signed by nobody whom this machine trusts: give `--server-ca FILE` (its certificate) or `--server-fingerprint sha256:…` (`trainyard status` prints it there)"
            ),
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                format!(
                    "the certificate of `{address}` is for another name: use a name that is in it, or `--server-fingerprint sha256:…`"
                )
            }
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
                format!("the certificate of `{address}` has expired")
            }
            CertificateError::ApplicationVerificationFailure => format!(
                "the certificate of `{address}` has another fingerprint than the one given: somebody stands between, or the server has a new one (`trainyard status` prints it there)"
            ),
            other => format!("the certificate of `{address}` is refused: {other:?}"),
        },
        Some(
            rustls::Error::InvalidMessage(_)
            | rustls::Error::InappropriateMessage { .. }
            | rustls::Error::PeerIncompatible(_),
        ) => format!("`{address}` does not speak TLS as this program does: try `http://`"),
        Some(other) => format!("TLS with `{address}` failed: {other}"),
        None if matches!(
            error.kind(),
            io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut
        ) =>
        {
            format!("`{address}` does not answer")
        }
        None => format!("`{address}` closed the connection before it was secure"),
    };
    match tls {
        Some(_) => Error::unavailable(message),
        None => Error::unavailable(message).because(error),
    }
}

/// Believes one certificate.
#[derive(Debug)]
struct Pinned {
    wanted: [u8; 32],
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> std::result::Result<ServerCertVerified, rustls::Error> {
        let digest: [u8; 32] = Sha256::digest(end_entity).into();
        match digest == self.wanted {
            true => Ok(ServerCertVerified::assertion()),
            false => Err(rustls::Error::InvalidCertificate(
                CertificateError::ApplicationVerificationFailure,
            )),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> std::result::Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signed, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> std::result::Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}

/// Whether the other side of an idle connection has ended it, or said something nobody asked for. Session tickets that
/// come late are taken in on the way.
pub(super) fn is_stale(stream: &mut Tls) -> bool {
    if stream.sock.set_nonblocking(true).is_err() {
        return true;
    }
    let ended = loop {
        match stream.conn.read_tls(&mut stream.sock) {
            Ok(0) => break true,
            Ok(_) => match stream.conn.process_new_packets() {
                Ok(state) if state.peer_has_closed() || state.plaintext_bytes_to_read() > 0 => {
                    break true;
                }
                Ok(_) => {}
                Err(_) => break true,
            },
            Err(error) => break error.kind() != io::ErrorKind::WouldBlock,
        }
    };
    ended || stream.sock.set_nonblocking(false).is_err()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[test]
    fn fingerprints_are_read_as_they_are_printed() {
        let plain = format!("sha256:{}", "0f".repeat(32));
        let Trust::Fingerprint(bytes) = Trust::fingerprint(&plain).unwrap() else {
            panic!("a fingerprint");
        };
        assert_eq!(bytes, [15; 32]);
        let colons = vec!["0F"; 32].join(":");
        assert_eq!(
            Trust::fingerprint(&colons).unwrap(),
            Trust::Fingerprint(bytes)
        );
        for wrong in ["sha256:", "sha256:0f", "nonsense", &"ß".repeat(32)] {
            assert!(Trust::fingerprint(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_secret_is_not_in_what_is_printed() {
        let trust = Trust::Fingerprint([0; 32]);
        let secure = Secure::new("https://box:1", Some("ty_secret".to_owned()), trust).unwrap();
        assert!(!format!("{secure:?}").contains("secret"));
    }
}
