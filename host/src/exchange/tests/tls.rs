//! TLS, with every certificate that may be wrong.

use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, date_time_ymd};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        self, RootCertStore, ServerConfig, SupportedProtocolVersion,
        pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
        server::WebPkiClientVerifier,
        version::{TLS12, TLS13},
    },
};

use super::{
    super::{ClientCertificate, Target, TlsMaterial},
    exchange, exchanges, later, line, partial, replies,
    server::Server,
    step,
};
use crate::model::{Effect, Exchange, ExchangeEnd, Step, Until};

const NAME: &str = "pod-0.pods.example";

/// An authority.
struct Authority {
    pem: String,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    fn new(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        Self { pem, issuer: Issuer::new(params, key) }
    }

    fn certify(&self, name: &str) -> Identity {
        self.certify_until(name, 4000)
    }

    fn certify_until(&self, name: &str, year: i32) -> Identity {
        let mut params = CertificateParams::new([name.to_owned()]).unwrap();
        params.not_after = date_time_ymd(year, 1, 1);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap().pem();
        Identity { certificate, key: key.serialize_pem() }
    }
}

/// A certificate and its key.
struct Identity {
    certificate: String,
    key: String,
}

impl Identity {
    fn client(&self) -> ClientCertificate {
        ClientCertificate { certificate: self.certificate.clone().into(), key: self.key.clone().into() }
    }
}

fn certificates(pem: &str) -> Vec<CertificateDer<'static>> {
    CertificateDer::pem_slice_iter(pem.as_bytes()).map(Result::unwrap).collect()
}

/// A server that answers lines over TLS, and asks clients for certificates of an
/// authority if one is given.
async fn server(
    identity: &Identity,
    clients: Option<&Authority>,
    versions: &[&'static SupportedProtocolVersion],
) -> Server {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder =
        ServerConfig::builder_with_provider(Arc::clone(&provider)).with_protocol_versions(versions).unwrap();
    let builder = match clients {
        None => builder.with_no_client_auth(),
        Some(authority) => {
            let mut roots = RootCertStore::empty();
            roots.add_parsable_certificates(certificates(&authority.pem));
            let verifier =
                WebPkiClientVerifier::builder_with_provider(roots.into(), provider).build().unwrap();
            builder.with_client_cert_verifier(verifier)
        }
    };
    let key = PrivateKeyDer::from_pem_slice(identity.key.as_bytes()).unwrap();
    let configuration = builder.with_single_cert(certificates(&identity.certificate), key).unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(configuration));
    Server::start(move |peer| {
        let acceptor = acceptor.clone();
        async move { talk(acceptor, peer.stream).await }
    })
    .await
}

/// Answers each line with itself; after `bye` it closes as TLS wants it, after
/// `cut` it does not.
async fn talk(acceptor: TlsAcceptor, stream: TcpStream) -> std::io::Result<()> {
    let mut stream = acceptor.accept(stream).await?;
    let mut heard = Vec::new();
    loop {
        let mut byte = [0];
        if stream.read(&mut byte).await? == 0 {
            return Ok(());
        }
        heard.push(byte[0]);
        if heard.ends_with(b"\r\n") {
            stream.write_all(&heard).await?;
            stream.flush().await?;
            match &heard[..] {
                b"bye\r\n" => return stream.shutdown().await,
                b"cut\r\n" => return stream.get_mut().0.shutdown().await,
                _ => heard.clear(),
            }
        }
    }
}

fn trusting(authority: &Authority) -> TlsMaterial {
    TlsMaterial { ca: authority.pem.clone().into(), server_name: NAME.into(), client: None }
}

async fn said(server: &Server, tls: TlsMaterial, steps: &[Step]) -> ExchangeEnd {
    let target = Target { address: server.address, tls: Some(tls) };
    let act = Exchange { effect: Effect::Act, ..exchange(steps) };
    exchanges().run(&act, &target, later()).await
}

async fn ping(server: &Server, tls: TlsMaterial) -> ExchangeEnd {
    said(server, tls, &[step("PING\r\n", line())]).await
}

#[track_caller]
fn check_failed(end: &ExchangeEnd, words: &str) {
    let ExchangeEnd::TlsFailed(text) = end else { panic!("{end:?}") };
    assert!(text.contains(words), "{text}");
}

const BOTH: &[&SupportedProtocolVersion] = &[&TLS13, &TLS12];

#[tokio::test]
async fn a_peer_with_the_right_certificate_is_talked_to() {
    let authority = Authority::new("right");
    for version in [&TLS13, &TLS12] {
        let server = server(&authority.certify(NAME), None, &[version]).await;
        let steps = [step("a\r\n", line()), step("b\r\n", line())];
        assert_eq!(said(&server, trusting(&authority), &steps).await, replies(&["a\r\n", "b\r\n"]));
    }
    // Other authorities in the bundle do no harm, nor do words between them.
    let server = server(&authority.certify(NAME), None, BOTH).await;
    let bundle = format!("{}\n# The next one:\n{}", Authority::new("other").pem, authority.pem);
    assert_eq!(
        ping(&server, TlsMaterial { ca: bundle.into(), ..trusting(&authority) }).await,
        replies(&["PING\r\n"])
    );
    // Each connection was for itself, whatever was verified before.
    check_failed(&ping(&server, trusting(&Authority::new("other"))).await, "authority");
}

#[tokio::test]
async fn an_address_may_be_the_name() {
    let authority = Authority::new("right");
    let server = server(&authority.certify("127.0.0.1"), None, BOTH).await;
    let tls = TlsMaterial { server_name: "127.0.0.1".into(), ..trusting(&authority) };
    assert_eq!(ping(&server, tls).await, replies(&["PING\r\n"]));
    check_failed(&ping(&server, trusting(&authority)).await, "is not for the name \"pod-0.pods.example\"");
}

#[tokio::test]
async fn a_peer_with_a_wrong_certificate_gets_not_a_byte() {
    let authority = Authority::new("right");
    let right = server(&authority.certify(NAME), None, BOTH).await;
    let unknown = "the peer's certificate is not from an authority of the CA bundle";
    check_failed(&ping(&right, trusting(&Authority::new("other"))).await, unknown);
    // An authority that was made anew under the same name.
    let renewed = ping(&right, trusting(&Authority::new("right"))).await;
    check_failed(&renewed, "the CA bundle");
    let named = server(&authority.certify("pod-1.pods.example"), None, BOTH).await;
    let name = "is not for the name \"pod-0.pods.example\" but for ";
    check_failed(&ping(&named, trusting(&authority)).await, name);
    let old = server(&authority.certify_until(NAME, 2000), None, BOTH).await;
    check_failed(&ping(&old, trusting(&authority)).await, "the peer's certificate has expired");
    // Words that change from one moment to the next would wake a resource.
    assert_eq!(ping(&old, trusting(&authority)).await, ping(&old, trusting(&authority)).await);
}

#[tokio::test]
async fn a_peer_that_demands_a_certificate_gets_the_one_that_is_named() {
    let (authority, clients) = (Authority::new("right"), Authority::new("clients"));
    for version in [&TLS13, &TLS12] {
        let server = server(&authority.certify(NAME), Some(&clients), &[version]).await;
        let with = |client: ClientCertificate| TlsMaterial { client: Some(client), ..trusting(&authority) };
        let own = with(clients.certify("host").client());
        assert_eq!(ping(&server, own).await, replies(&["PING\r\n"]));
        // In TLS 1.3 the handshake is over for the client by then.
        let refused = ping(&server, trusting(&authority)).await;
        check_failed(&refused, "the peer refused the handshake");
        let foreign = with(Authority::new("other").certify("host").client());
        check_failed(&ping(&server, foreign).await, "the peer refused the handshake");
        let expired = with(clients.certify_until("host", 2000).client());
        check_failed(&ping(&server, expired).await, "the client certificate has expired");
    }
}

#[tokio::test]
async fn a_peer_that_speaks_no_tls_is_told_apart() {
    let authority = Authority::new("right");
    let talks = Server::start(|mut peer| async move {
        peer.say("-ERR unknown command\r\n").await?;
        let _ = peer.stream.read(&mut [0; 4096]).await?;
        Ok(())
    })
    .await;
    check_failed(&ping(&talks, trusting(&authority)).await, "the peer does not speak TLS on this port");
    let closes = Server::start(|mut peer| async move {
        let _ = peer.stream.read(&mut [0; 4096]).await?;
        Ok(())
    })
    .await;
    check_failed(&ping(&closes, trusting(&authority)).await, "closed the connection during the handshake");
    let waits = Server::start(|mut peer| async move {
        let mut all = Vec::new();
        peer.stream.read_to_end(&mut all).await.map(|_| ())
    })
    .await;
    let target = Target { address: waits.address, tls: Some(trusting(&authority)) };
    let end = exchanges().run(&super::bounded(&[step("a", line())], super::SHORT_MS), &target, later()).await;
    assert!(matches!(end, ExchangeEnd::Timeout(_)), "it is silent, and shows no other certificate: {end:?}");
}

#[tokio::test]
async fn only_a_close_that_tls_vouches_for_ends_a_reply() {
    let authority = Authority::new("right");
    let server = server(&authority.certify(NAME), None, BOTH).await;
    let until_closed = |text| [step(text, Until::Eof)];
    assert_eq!(said(&server, trusting(&authority), &until_closed("bye\r\n")).await, replies(&["bye\r\n"]));
    // Anybody on the way can cut a connection.
    let cut = said(&server, trusting(&authority), &until_closed("cut\r\n")).await;
    assert_eq!(cut, ExchangeEnd::Reset(partial(&[], "cut\r\n")));
}

#[tokio::test]
async fn material_that_cannot_be_used_is_said_so_without_a_word_of_it() {
    let authority = Authority::new("right");
    let server = server(&authority.certify(NAME), None, BOTH).await;
    let (one, other) = (authority.certify("one"), authority.certify("other"));
    let client = |certificate: &str, key: &str| TlsMaterial {
        client: Some(ClientCertificate { certificate: certificate.into(), key: key.into() }),
        ..trusting(&authority)
    };
    let ca = |text: &str| TlsMaterial { ca: text.into(), ..trusting(&authority) };
    let secret = one.key.lines().nth(1).unwrap().to_owned();
    let torn = one.key.replace("-----END PRIVATE KEY-----", "");
    let marked = one.key.replace(&secret, &format!("-----BEGIN {secret}"));
    let junk = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
    let unreadable = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    for (tls, words) in [
        (ca(""), "the CA bundle holds no PEM certificate"),
        (ca(&one.key), "the CA bundle holds no PEM certificate"),
        (ca(&format!("{}{unreadable}", authority.pem)), "certificate 2 of the CA bundle cannot be read"),
        (
            ca("-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n"),
            "the CA bundle is not well-formed PEM",
        ),
        (client(&one.certificate, ""), "the client key holds no PEM key"),
        (client(&one.certificate, &one.certificate), "the client key holds no PEM key"),
        (client(&one.certificate, &torn), "the client key"),
        (client(&one.certificate, &marked), "the client key"),
        (client(&one.certificate, junk), "the client key cannot be used"),
        (client(&one.certificate, &other.key), "the client certificate is for another key"),
        (client(&other.certificate, &one.key), "the client certificate is for another key"),
        (client("nothing", &one.key), "the client certificate holds no PEM certificate"),
        (client(unreadable, &one.key), "the client certificate cannot be read"),
        (
            TlsMaterial { server_name: "not a name".into(), ..trusting(&authority) },
            "neither a DNS name nor an address",
        ),
    ] {
        assert!(!format!("{tls:?}").contains(&secret));
        let end = ping(&server, tls).await;
        check_failed(&end, words);
        let ExchangeEnd::TlsFailed(text) = end else { unreachable!() };
        assert!(!text.contains(&secret) && !text.contains("AAAA"), "{text}");
    }
}
