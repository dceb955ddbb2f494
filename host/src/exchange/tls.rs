//! TLS to a pod: the peer is always verified.

use std::{fmt, io, sync::Arc};

use tokio_rustls::{
    TlsConnector,
    rustls::{
        self, AlertDescription, CertificateError, ClientConfig, InconsistentKeys, RootCertStore,
        pki_types::{
            CertificateDer, PrivateKeyDer, ServerName,
            pem::{Error as PemError, PemObject},
        },
    },
};

use super::{dial::BoxStream, tls_words};

/// What TLS needs of the Secrets that an exchange names.
#[derive(Clone, PartialEq, Eq)]
pub struct TlsMaterial {
    /// The certificates of the authorities to trust, as PEM.
    pub ca: Vec<u8>,
    /// The name, or the address, that the peer's certificate must be for.
    pub server_name: String,
    /// What to show to the peer.
    pub client: Option<ClientCertificate>,
}

/// A certificate and its key.
#[derive(Clone, PartialEq, Eq)]
pub struct ClientCertificate {
    /// The certificate, then those up to its authority, as PEM.
    pub certificate: Vec<u8>,
    /// The key, as PEM.
    pub key: Vec<u8>,
}

impl fmt::Debug for TlsMaterial {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { ca: _, server_name, client } = self;
        let mut text = formatter.debug_struct("TlsMaterial");
        text.field("server_name", server_name).field("client", &client.is_some()).finish_non_exhaustive()
    }
}

impl fmt::Debug for ClientCertificate {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Keys do not belong in logs.
        formatter.debug_struct("ClientCertificate").finish_non_exhaustive()
    }
}

/// Shakes hands; what is wrong is said in words for a person.
pub(super) async fn connect(material: &TlsMaterial, stream: BoxStream) -> Result<BoxStream, String> {
    let name = ServerName::try_from(material.server_name.clone()).map_err(|_| {
        format!("the server name {:?} is neither a DNS name nor an address", material.server_name)
    })?;
    let connector = TlsConnector::from(Arc::new(configuration(material)?));
    match connector.connect(name, stream).await {
        Ok(stream) => Ok(Box::new(stream)),
        Err(error) => Err(tls_words::handshake(&error, &material.server_name)),
    }
}

/// What a peer said on an established connection, if it means that it refused
/// the handshake after all. In TLS 1.3 the client is done before the server has
/// seen its certificate, so the verdict comes in the place of the first reply.
pub(super) fn refused_later(error: &io::Error) -> Option<String> {
    let Some(rustls::Error::AlertReceived(alert)) = tls_words::cause(error) else { return None };
    let is_verdict = matches!(
        alert,
        AlertDescription::NoCertificate
            | AlertDescription::BadCertificate
            | AlertDescription::UnsupportedCertificate
            | AlertDescription::CertificateRevoked
            | AlertDescription::CertificateExpired
            | AlertDescription::CertificateUnknown
            | AlertDescription::UnknownCA
            | AlertDescription::AccessDenied
            | AlertDescription::DecryptError
            | AlertDescription::HandshakeFailure
            | AlertDescription::CertificateRequired
    );
    is_verdict.then(|| tls_words::alert(*alert))
}

fn configuration(material: &TlsMaterial) -> Result<ClientConfig, String> {
    let TlsMaterial { ca, server_name: _, client } = material;
    let mut authorities = RootCertStore::empty();
    for (index, certificate) in certificates("the CA bundle", ca)?.into_iter().enumerate() {
        let readable = authorities.add(certificate);
        readable.map_err(|_| format!("certificate {} of the CA bundle cannot be read", index + 1))?;
    }
    // Named here: another part of the process may prefer another provider.
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
        .map_err(|_| "this host offers no version of TLS".to_owned())?
        .with_root_certificates(authorities);
    match client {
        None => Ok(builder.with_no_client_auth()),
        Some(ClientCertificate { certificate, key }) => {
            let chain = certificates("the client certificate", certificate)?;
            let key =
                PrivateKeyDer::from_pem_slice(key).map_err(|error| pem("the client key", "key", &error))?;
            builder.with_client_auth_cert(chain, key).map_err(|error| unusable(&error))
        }
    }
}

fn certificates(what: &str, text: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
    let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(text).collect();
    let all = all.map_err(|error| pem(what, "certificate", &error))?;
    if all.is_empty() { Err(pem(what, "certificate", &PemError::NoItemsFound)) } else { Ok(all) }
}

/// The error's own text quotes lines of its input, which may be a key.
fn pem(what: &str, kind: &str, error: &PemError) -> String {
    match error {
        PemError::NoItemsFound => format!("{what} holds no PEM {kind}"),
        _ => format!("{what} is not well-formed PEM"),
    }
}

fn unusable(error: &rustls::Error) -> String {
    match error {
        rustls::Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => {
            "the client certificate is for another key than the one beside it"
        }
        rustls::Error::InvalidCertificate(CertificateError::BadEncoding) => {
            "the client certificate cannot be read"
        }
        _ => "the client key cannot be used: it is broken or of an unknown kind",
    }
    .to_owned()
}
