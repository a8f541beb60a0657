//! The certificate that the daemon shows: a configured one, or one of its own, made once and kept in the workspace. A
//! self-signed certificate is trusted by its fingerprint or by its file, never by chance.

use crate::config::TlsConfig;
use crate::domain::{Error, Result, Timestamp};
use crate::workspace::Workspace;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _};
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use sha2::{Digest as _, Sha256};
use std::collections::BTreeSet;
use std::fs::File;
use std::io::Write as _;
use std::net::IpAddr;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// How long a certificate of our own is valid.
const YEARS: i64 = 10;

/// What a TLS door needs, and what callers check.
pub struct Certificate {
    /// For the door.
    pub config: Arc<ServerConfig>,
    /// SHA-256 of the certificate: `sha256:` and 64 hexadecimal digits.
    pub fingerprint: String,
    /// Its file.
    pub path: PathBuf,
}

/// The certificate of `files` (PEM, relative to the workspace), or the workspace's own, made when there is none.
/// `names` are what callers may call this machine, for one that is made now.
///
/// # Errors
/// [`crate::domain::ErrorKind::Invalid`], naming the file that cannot be read or does not fit.
pub fn load(
    workspace: &Workspace,
    files: Option<&TlsConfig>,
    names: &[String],
    now: Timestamp,
) -> Result<Certificate> {
    let (cert, key) = match files {
        Some(TlsConfig::Files { cert, key }) => {
            (workspace.root().join(cert), workspace.root().join(key))
        }
        Some(TlsConfig::Own) | None => own(&workspace.state().join("tls"), names, now)?,
    };
    let unread = |path: &Path| {
        let path = path.display().to_string();
        move |error: rustls::pki_types::pem::Error| {
            Error::invalid(format!(
                "`{path}` is no PEM file that can be read: `server.tls` in trainyard.toml names certificate and key"
            ))
            .because(error)
        }
    };
    let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_file_iter(&cert)
        .map_err(unread(&cert))?
        .collect::<std::result::Result<_, _>>()
        .map_err(unread(&cert))?;
    let Some(first) = chain.first() else {
        return Err(Error::invalid(format!(
            "`{}` has no certificate in it: a PEM file with `BEGIN CERTIFICATE` is expected",
            cert.display()
        )));
    };
    let fingerprint = fingerprint(first);
    let private = PrivateKeyDer::from_pem_file(&key).map_err(unread(&key))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let unfit = |error: rustls::Error| {
        Error::invalid(format!(
            "`{}` and `{}` are no certificate with its key",
            cert.display(),
            key.display()
        ))
        .because(error)
    };
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(unfit)?
        .with_no_client_auth()
        .with_single_cert(chain, private)
        .map_err(unfit)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Certificate {
        config: Arc::new(config),
        fingerprint,
        path: cert,
    })
}

/// `sha256:` and the SHA-256 of a certificate.
fn fingerprint(certificate: &[u8]) -> String {
    let digest = Sha256::digest(certificate);
    let digits: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{digits}")
}

/// What callers may call this machine: its name, `localhost`, and its addresses (all of them when it listens on all).
pub fn names(listen: IpAddr) -> Vec<String> {
    let mut names = BTreeSet::from(["localhost".to_owned()]);
    names.extend(sysinfo::System::host_name());
    let mut addresses = BTreeSet::from([
        IpAddr::from(std::net::Ipv4Addr::LOCALHOST),
        IpAddr::from(std::net::Ipv6Addr::LOCALHOST),
    ]);
    if listen.is_unspecified() {
        for network in sysinfo::Networks::new_with_refreshed_list().values() {
            addresses.extend(network.ip_networks().iter().map(|one| one.addr));
        }
    } else {
        addresses.insert(listen);
    }
    names.extend(addresses.iter().map(ToString::to_string));
    names.into_iter().collect()
}

/// The workspace's own certificate and key, in a folder that only its owner reads.
fn own(folder: &Path, names: &[String], now: Timestamp) -> Result<(PathBuf, PathBuf)> {
    let (cert, key) = (folder.join("cert.pem"), folder.join("key.pem"));
    if cert.is_file() && key.is_file() {
        return Ok((cert, key));
    }
    std::fs::create_dir_all(folder)?;
    let unmade = || Error::internal("a certificate cannot be made");
    let random = SystemRandom::new();
    let pair = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &random)
        .map_err(|_| unmade())?;
    let signer = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, pair.as_ref(), &random)
        .map_err(|_| unmade())?;
    let unsigned = to_be_signed(signer.public_key().as_ref(), names, now);
    let signature = signer.sign(&random, &unsigned).map_err(|_| unmade())?;
    let mut signed = unsigned;
    signed.extend(sequence(&[object(ECDSA_WITH_SHA256)]));
    signed.extend(bits(signature.as_ref()));
    let certificate = element(SEQUENCE, &signed);
    // the key first: a certificate without its key is made anew, a key without certificate too
    write(&key, &pem("PRIVATE KEY", pair.as_ref()), 0o600)?;
    write(&cert, &pem("CERTIFICATE", &certificate), 0o644)?;
    Ok((cert, key))
}

fn write(path: &Path, text: &str, mode: u32) -> Result<()> {
    let new = path.with_extension("new");
    let written = || -> std::io::Result<()> {
        let mut file = File::options()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(mode)
            .open(&new)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        std::fs::rename(&new, path)
    };
    written().map_err(|error| Error::from(error).context(format!("writing `{}`", path.display())))
}

fn pem(what: &str, bytes: &[u8]) -> String {
    let text = STANDARD.encode(bytes);
    let mut lines = format!("-----BEGIN {what}-----\n");
    for line in text.as_bytes().chunks(64) {
        lines.push_str(&String::from_utf8_lossy(line));
        lines.push('\n');
    }
    lines.push_str(&format!("-----END {what}-----\n"));
    lines
}

// X.509 version 3 (RFC 5280) in DER: tag, length, content.

const BOOLEAN_TRUE: [u8; 3] = [0x01, 0x01, 0xff];
const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;
const OCTET_STRING: u8 = 0x04;
const OBJECT: u8 = 0x06;
const UTF8: u8 = 0x0c;
const UTC_TIME: u8 = 0x17;
const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
const VERSION: u8 = 0xa0;
const EXTENSIONS: u8 = 0xa3;
const DNS_NAME: u8 = 0x82;
const IP_ADDRESS: u8 = 0x87;

const ECDSA_WITH_SHA256: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02];
const EC_PUBLIC_KEY: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01];
const PRIME256V1: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];
const COMMON_NAME: &[u8] = &[0x55, 0x04, 0x03];
const KEY_USAGE: &[u8] = &[0x55, 0x1d, 0x0f];
const SUBJECT_ALTERNATIVE_NAME: &[u8] = &[0x55, 0x1d, 0x11];
const EXTENDED_KEY_USAGE: &[u8] = &[0x55, 0x1d, 0x25];
const SERVER_AUTHENTICATION: &[u8] = &[0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x01];
/// Bit 0 of a key's usages: it signs handshakes.
const DIGITAL_SIGNATURE: [u8; 4] = [BIT_STRING, 0x02, 0x07, 0x80];

fn element(tag: u8, content: &[u8]) -> Vec<u8> {
    let mut bytes = vec![tag];
    let length = content.len().to_be_bytes();
    let significant: Vec<u8> = length.into_iter().skip_while(|byte| *byte == 0).collect();
    match content.len() {
        short @ 0..128 => bytes.push(short as u8),
        _ => {
            bytes.push(0x80 | significant.len() as u8);
            bytes.extend(significant);
        }
    }
    bytes.extend_from_slice(content);
    bytes
}

fn sequence(parts: &[Vec<u8>]) -> Vec<u8> {
    element(SEQUENCE, &parts.concat())
}

fn object(id: &[u8]) -> Vec<u8> {
    element(OBJECT, id)
}

fn bits(bytes: &[u8]) -> Vec<u8> {
    element(BIT_STRING, &[&[0], bytes].concat())
}

fn utc(at: Timestamp) -> Vec<u8> {
    let text = at.utc().format("%y%m%d%H%M%SZ").to_string();
    element(UTC_TIME, text.as_bytes())
}

fn extension(id: &[u8], is_critical: bool, content: &[u8]) -> Vec<u8> {
    let mut parts = vec![object(id)];
    if is_critical {
        parts.push(BOOLEAN_TRUE.to_vec());
    }
    parts.push(element(OCTET_STRING, content));
    sequence(&parts)
}

/// Everything but the signature: self-signed, so issuer and subject are one.
fn to_be_signed(public_key: &[u8], names: &[String], now: Timestamp) -> Vec<u8> {
    const DAY: i64 = 86_400_000;
    let serial = {
        // 16 random bytes, positive
        let mut bytes = *uuid::Uuid::new_v4().as_bytes();
        bytes[0] = bytes[0] & 0x7f | 0x40;
        bytes
    };
    let name = sequence(&[element(
        SET,
        &sequence(&[object(COMMON_NAME), element(UTF8, b"trainyard")]),
    )]);
    let alternatives: Vec<Vec<u8>> = names
        .iter()
        .map(|name| match name.parse::<IpAddr>() {
            Ok(IpAddr::V4(address)) => element(IP_ADDRESS, &address.octets()),
            Ok(IpAddr::V6(address)) => element(IP_ADDRESS, &address.octets()),
            Err(_) => element(DNS_NAME, name.as_bytes()),
        })
        .collect();
    let extensions = sequence(&[
        extension(SUBJECT_ALTERNATIVE_NAME, false, &sequence(&alternatives)),
        extension(KEY_USAGE, true, &DIGITAL_SIGNATURE),
        extension(
            EXTENDED_KEY_USAGE,
            false,
            &sequence(&[object(SERVER_AUTHENTICATION)]),
        ),
    ]);
    sequence(&[
        element(VERSION, &element(INTEGER, &[2])),
        element(INTEGER, &serial),
        sequence(&[object(ECDSA_WITH_SHA256)]),
        name.clone(),
        sequence(&[
            utc(Timestamp(now.0 - DAY)),
            utc(Timestamp(now.0 + YEARS * 365 * DAY)),
        ]),
        name,
        sequence(&[
            sequence(&[object(EC_PUBLIC_KEY), object(PRIME256V1)]),
            bits(public_key),
        ]),
        element(EXTENSIONS, &extensions),
    ])
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use crate::domain::{Clock as _, ErrorKind, SystemClock};
    use rustls::pki_types::ServerName;
    use std::os::unix::fs::PermissionsExt as _;

    fn made(folder: &Path) -> Certificate {
        let workspace = Workspace::at(folder).unwrap();
        workspace.create().unwrap();
        let names = [
            "box".to_owned(),
            "10.0.0.5".to_owned(),
            "fd00::5".to_owned(),
        ];
        load(&workspace, None, &names, SystemClock.now()).unwrap()
    }

    #[test]
    fn a_certificate_of_our_own_is_made_once_and_its_key_is_private() {
        let folder = tempfile::tempdir().unwrap();
        let first = made(folder.path());
        let again = made(folder.path());
        assert_eq!(first.fingerprint, again.fingerprint);
        assert!(first.fingerprint.len() == "sha256:".len() + 64);
        let key = first.path.with_file_name("key.pem");
        let mode = std::fs::metadata(key).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn those_who_trust_its_file_reach_every_name_in_it_and_no_other() {
        let folder = tempfile::tempdir().unwrap();
        let own = made(folder.path());
        let mut roots = rustls::RootCertStore::empty();
        for one in CertificateDer::pem_file_iter(&own.path).unwrap() {
            roots.add(one.unwrap()).unwrap();
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let client = Arc::new(
            rustls::ClientConfig::builder_with_provider(provider)
                .with_safe_default_protocol_versions()
                .unwrap()
                .with_root_certificates(roots)
                .with_no_client_auth(),
        );
        let shake = |name: &str| {
            let name = ServerName::try_from(name.to_owned()).unwrap();
            let mut client = rustls::ClientConnection::new(Arc::clone(&client), name).unwrap();
            let mut server = rustls::ServerConnection::new(Arc::clone(&own.config)).unwrap();
            while client.is_handshaking() || server.is_handshaking() {
                let mut wire = Vec::new();
                client.write_tls(&mut wire).unwrap();
                server.read_tls(&mut wire.as_slice()).unwrap();
                server.process_new_packets()?;
                let mut wire = Vec::new();
                server.write_tls(&mut wire).unwrap();
                client.read_tls(&mut wire.as_slice()).unwrap();
                client.process_new_packets()?;
            }
            Ok::<(), rustls::Error>(())
        };
        for name in ["box", "10.0.0.5", "fd00::5"] {
            shake(name).unwrap();
        }
        assert!(shake("elsewhere").is_err());
        assert!(shake("10.0.0.6").is_err());
    }

    #[test]
    fn files_that_are_no_certificate_are_named() {
        let folder = tempfile::tempdir().unwrap();
        let workspace = Workspace::at(folder.path()).unwrap();
        std::fs::write(folder.path().join("a.pem"), "nothing").unwrap();
        let files = TlsConfig::Files {
            cert: "a.pem".to_owned(),
            key: "b.pem".to_owned(),
        };
        let error = load(&workspace, Some(&files), &[], Timestamp(0))
            .err()
            .unwrap();
        assert_eq!(error.kind, ErrorKind::Invalid);
        assert!(error.message.contains("a.pem"), "{error}");
    }
}
