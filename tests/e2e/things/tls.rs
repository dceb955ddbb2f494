//! Exchanges over TLS.

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType, ExtendedKeyUsagePurpose,
    IsCa, KeyPair,
};
use serde_json::{Value, json};

use super::{
    Thing,
    objects::ensure,
    server::{ask, exchange, stateful_set},
    things,
};

/// The name in the server's certificate.
const SERVER: &str = "server.things.test";

type Authority = CertifiedIssuer<'static, KeyPair>;

/// Of a name that no other certificate here has: programs take one that was
/// issued under its own name for self-signed.
fn named(name: &str, alternatives: Vec<String>) -> CertificateParams {
    let mut parameters = CertificateParams::new(alternatives).unwrap();
    parameters.distinguished_name = DistinguishedName::new();
    parameters.distinguished_name.push(DnType::CommonName, name);
    parameters
}

fn authority(name: &str) -> Authority {
    let mut parameters = named(name, Vec::new());
    parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(parameters, KeyPair::generate().unwrap()).unwrap()
}

/// A Secret with a certificate of the authority, and the authority's own.
fn secret(authority: &Authority, name: &str, subject: &str, usage: ExtendedKeyUsagePurpose) -> Value {
    let mut parameters = named(subject, vec![subject.to_owned()]);
    parameters.extended_key_usages = vec![usage];
    let key = KeyPair::generate().unwrap();
    let certificate = parameters.signed_by(&key, authority).unwrap();
    json!({
        "apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/tls", "metadata": { "name": name },
        "stringData": {
            "tls.crt": certificate.pem(), "tls.key": key.serialize_pem(), "ca.crt": authority.pem(),
        },
    })
}

#[test]
fn an_exchange_over_tls_trusts_only_the_named_authority_and_name() {
    let (cluster, _guard) = things();
    let namespace = cluster.namespace("e2e-tls");
    let (authority, other) = (authority("authority"), authority("another authority"));
    for secret in [
        secret(&authority, "server", SERVER, ExtendedKeyUsagePurpose::ServerAuth),
        secret(&authority, "client", "client", ExtendedKeyUsagePurpose::ClientAuth),
        secret(&other, "other", "client", ExtendedKeyUsagePurpose::ClientAuth),
    ] {
        let arguments = ["apply", "--server-side", "-n", &namespace.name, "-f", "-"];
        cluster.kubectl.try_feed(&arguments, &secret.to_string()).unwrap();
    }
    let over_tls = |ca: &str, name: &str, client: Option<&str>| {
        let mut exchange = exchange("r", json!([{ "send": "PING\r\n", "expect": ["+PONG"] }]));
        exchange["port"] = json!(7000);
        exchange["tls"] = json!({ "ca": { "name": ca, "key": "ca.crt" }, "serverName": name });
        if let Some(client) = client {
            exchange["tls"]["clientCertificate"] = json!(client);
        }
        exchange
    };
    let arguments = [
        "--tls-port",
        "7000",
        "--tls-cert-file",
        "/tls/tls.crt",
        "--tls-key-file",
        "/tls/tls.key",
        "--tls-ca-cert-file",
        "/tls/ca.crt",
        "--tls-auth-clients",
        "yes",
    ];
    let server = ensure(stateful_set("r", &arguments, Some("server")));
    let thing = Thing::apply(
        &namespace,
        "guarded",
        json!([
            { "ask": [
                ask("right", over_tls("server", SERVER, Some("client"))),
                ask("wrong-name", over_tls("server", "somebody.else.test", Some("client"))),
                ask("wrong-authority", over_tls("other", SERVER, Some("client"))),
                ask("unknown-client", over_tls("server", SERVER, Some("other"))),
                ask("no-client", over_tls("server", SERVER, None)),
                ask("no-secret", over_tls("missing", SERVER, Some("client"))),
            ] },
            { "settle": { "intents": [server] } },
        ]),
    );
    let pong = json!({ "case": "replies", "replies": ["+PONG\r\n"] });
    thing.is_shown("the answer over TLS", "/answers/right", &pong);
    let answers = thing.status()["seen"]["answers"].clone();
    for id in ["wrong-name", "wrong-authority"] {
        assert_eq!(answers[id]["case"], "tls-failed", "{id}: {answers}");
    }
    // With TLS 1.3 a server refuses the client after the client's handshake is done.
    for id in ["unknown-client", "no-client"] {
        let case = answers[id]["case"].as_str().unwrap();
        assert!(["tls-failed", "reset"].contains(&case), "{id}: {answers}");
    }
    assert!(["denied", "tls-failed"].contains(&answers["no-secret"]["case"].as_str().unwrap()), "{answers}");
}
