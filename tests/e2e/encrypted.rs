//! Redis over TLS.

use std::{
    net::{IpAddr, TcpStream},
    sync::Arc,
    time::Duration,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType, ExtendedKeyUsagePurpose,
    IsCa, KeyPair,
};
use serde_json::{Value, json};

use tokio_rustls::rustls::{ClientConfig, ClientConnection, RootCertStore, pki_types::ServerName};

use crate::{
    cluster::{Namespace, shared},
    kubectl::{check, eventually, within},
    redis::Redis,
};

/// A mounted Secret is up to a minute late, and the operlet gives it two.
const RENEWAL_MAX: Duration = Duration::from_secs(240);

pub(crate) type Authority = CertifiedIssuer<'static, KeyPair>;

pub(crate) fn authority() -> Authority {
    let mut parameters = CertificateParams::default();
    parameters.distinguished_name = DistinguishedName::new();
    parameters.distinguished_name.push(DnType::CommonName, "the authority of the test");
    parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(parameters, KeyPair::generate().unwrap()).unwrap()
}

/// A Secret with a certificate for a Redis, good for servers and clients.
pub(crate) fn secret(authority: &Authority, redis: &str, namespace: &str) -> Value {
    let mut parameters = CertificateParams::new(vec![format!("{redis}.{namespace}.svc")]).unwrap();
    parameters.distinguished_name = DistinguishedName::new();
    parameters.distinguished_name.push(DnType::CommonName, redis);
    parameters.extended_key_usages =
        vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
    let key = KeyPair::generate().unwrap();
    let certificate = parameters.signed_by(&key, authority).unwrap();
    json!({
        "apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/tls",
        "metadata": { "name": format!("{redis}-tls") },
        "stringData": {
            "tls.crt": certificate.pem(), "tls.key": key.serialize_pem(), "ca.crt": authority.pem(),
        },
    })
}

fn put(namespace: &Namespace, secret: &Value) {
    let arguments = ["apply", "--server-side", "-n", &namespace.name, "-f", "-"];
    namespace.cluster.kubectl.try_feed(&arguments, &secret.to_string()).unwrap();
}

#[test]
fn an_encrypted_redis_speaks_nothing_else_and_fails_over() {
    let (cluster, _guard) = shared();
    let namespace = cluster.namespace("e2e-encrypted");
    let authority = authority();
    put(&namespace, &secret(&authority, "secured", &namespace.name));
    let spec = json!({ "replicas": 2, "tls": { "secretName": "secured-tls" } });
    let redis = Redis::apply(&namespace, "secured", &spec);
    redis.is_running(3);

    let over_tls = "secured --tls --cacert /etc/redis-tls/ca.crt";
    assert_eq!(redis.cli(over_tls, "SET kept yes"), "OK");
    assert_eq!(redis.cli(over_tls, "WAIT 2 5000"), "2");
    let plain = redis.try_cli("secured-0", "secured", "PING");
    assert!(plain.as_ref().is_ok_and(|answer| answer != "PONG") || plain.is_err(), "{plain:?}");

    cluster.kubectl.run(&["delete", "pod", "secured-0", "-n", &namespace.name]);
    eventually("another primary", || {
        let primary = redis.get().ok_or("it is not there")?["status"]["primary"]["pod"].clone();
        check(primary != "secured-0", primary.to_string())
    });
    redis.is_running(3);
    assert_eq!(redis.cli(over_tls, "GET kept"), "yes");
}

/// The certificate in such a Secret.
fn certificate(secret: &Value) -> Vec<u8> {
    let text = secret["stringData"]["tls.crt"].as_str().unwrap();
    let body: String = text.lines().filter(|line| !line.starts_with('-')).collect();
    STANDARD.decode(body).unwrap()
}

/// The certificate that a server shows.
fn shown(address: IpAddr, authority: &Authority, name: &str) -> Result<Vec<u8>, String> {
    let mut roots = RootCertStore::empty();
    roots.add(authority.der().clone()).unwrap();
    let config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let mut connection = ClientConnection::new(Arc::new(config), name).unwrap();
    let mut stream = TcpStream::connect((address, 6379)).map_err(|error| error.to_string())?;
    while connection.is_handshaking() {
        connection.complete_io(&mut stream).map_err(|error| error.to_string())?;
    }
    Ok(connection.peer_certificates().ok_or("it shows none")?[0].to_vec())
}

#[test]
fn a_renewed_certificate_is_taken_by_servers_that_run() {
    let (cluster, _guard) = shared();
    let namespace = cluster.namespace("e2e-renewed");
    let (authority, name) = (authority(), format!("renewed.{}.svc", namespace.name));
    let [first, second] = [(); 2].map(|()| secret(&authority, "renewed", &namespace.name));
    put(&namespace, &first);
    let spec = json!({ "replicas": 1, "tls": { "secretName": "renewed-tls" } });
    let redis = Redis::apply(&namespace, "renewed", &spec);
    redis.is_running(2);
    let all_show = |secret: &Value| {
        let pods = redis.objects("pods");
        check(pods.len() == 2, format!("{} pods", pods.len()))?;
        for pod in pods {
            let address = pod["status"]["podIP"].as_str().and_then(|address| address.parse().ok());
            let shown = shown(address.ok_or("it has no address")?, &authority, &name)?;
            check(shown == certificate(secret), format!("{} shows another", pod["metadata"]["name"]))?;
        }
        Ok(())
    };
    let containers = || -> Vec<Value> {
        let pods = redis.objects("pods");
        pods.iter().map(|pod| pod["status"]["containerStatuses"][0]["containerID"].clone()).collect()
    };
    eventually("the first certificate is shown", || all_show(&first));
    let before = containers();
    put(&namespace, &second);
    within(RENEWAL_MAX, "the second certificate is shown", || all_show(&second));
    assert_eq!(containers(), before, "nothing was started again");
    redis.is_running(2);
}

#[test]
fn a_certificate_that_is_missing_is_named() {
    let (cluster, _guard) = shared();
    let namespace = cluster.namespace("e2e-uncertified");
    let redis =
        Redis::apply(&namespace, "bare", &json!({ "replicas": 0, "tls": { "secretName": "nowhere" } }));
    let told = |redis: &Redis<'_>| {
        let status = redis.get().ok_or("it is not there")?["status"].clone();
        let conditions = status["conditions"].as_array().cloned().unwrap_or_default();
        let found = conditions.iter().find(|condition| condition["type"] == "ConfigApplied").cloned();
        let message = found.map(|condition| condition["message"].to_string()).unwrap_or_default();
        check(message.contains("spec.tls.secretName") && message.contains("nowhere"), message)
    };
    eventually("the Secret is named", || told(&redis));
    put(&namespace, &{
        let mut secret = secret(&authority(), "bare", &namespace.name);
        secret["metadata"]["name"] = json!("nowhere");
        secret
    });
    redis.is_running(1);
}
