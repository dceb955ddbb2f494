//! Who may be dialled.

use std::collections::BTreeSet;

use super::super::{PodFacts, address};
use crate::model::{Exchange, ExchangeEnd};

const POD: &str = r#"{"metadata": {"name": "pod-0", "uid": "uid-0"}, "spec": {"containers": []},
    "status": {"phase": "Running", "podIP": "10.1.2.3", "podIPs": [{"ip": "10.1.2.3"}]}}"#;

fn exchange() -> Exchange {
    super::exchange(&[])
}

fn facts(json: &str) -> PodFacts {
    PodFacts::parse(json, Ok(())).unwrap()
}

fn asked(pod: Option<&PodFacts>) -> Result<String, ExchangeEnd> {
    address(pod, &exchange(), &BTreeSet::from([6379])).map(|address| address.to_string())
}

fn at(address: &str) -> Result<String, ExchangeEnd> {
    asked(Some(&facts(&POD.replace("10.1.2.3", address))))
}

/// Checks that the end is a denial that says where, and this.
#[track_caller]
fn check_denied(end: Result<String, ExchangeEnd>, words: &str) {
    let Err(ExchangeEnd::Denied(text)) = end else { panic!("{end:?}") };
    assert!(text.starts_with("pod pod-0, port 6379: "), "{text}");
    assert!(text.contains(words), "{text}");
}

#[test]
fn a_running_pod_of_the_resource_is_dialled_at_its_address() {
    assert_eq!(asked(Some(&facts(POD))), Ok("10.1.2.3:6379".to_owned()));
    assert_eq!(at("fd00::12"), Ok("[fd00::12]:6379".to_owned()));
    assert_eq!(at("::ffff:10.1.2.3"), Ok("[::ffff:10.1.2.3]:6379".to_owned()));
}

#[test]
fn a_port_that_is_not_allowed_is_denied_whatever_the_pod_is() {
    let denied = address(None, &exchange(), &BTreeSet::from([6380])).map(|address| address.to_string());
    check_denied(denied, "list it among the ports");
}

#[test]
fn a_pod_that_is_not_the_one_examined_is_gone() {
    assert_eq!(asked(None), Err(ExchangeEnd::Gone));
    assert_eq!(asked(Some(&facts(&POD.replace("uid-0", "uid-1")))), Err(ExchangeEnd::Gone));
    // Whose the new one is does not matter: it is not the one that was meant.
    let foreign = PodFacts::parse(&POD.replace("uid-0", "uid-1"), Err("no".into())).unwrap();
    assert_eq!(asked(Some(&foreign)), Err(ExchangeEnd::Gone));
}

#[test]
fn a_pod_without_an_address_or_at_its_end_is_gone() {
    assert_eq!(at(""), Err(ExchangeEnd::Gone));
    assert_eq!(
        asked(Some(&facts(r#"{"metadata": {"name": "pod-0", "uid": "uid-0"}}"#))),
        Err(ExchangeEnd::Gone)
    );
    for phase in ["Succeeded", "Failed"] {
        assert_eq!(asked(Some(&facts(&POD.replace("Running", phase)))), Err(ExchangeEnd::Gone), "{phase}");
    }
    assert!(asked(Some(&facts(&POD.replace("Running", "Pending")))).is_ok());
}

#[test]
fn a_pod_of_somebody_else_is_denied() {
    let pod = PodFacts::parse(POD, Err("its controller is StatefulSet other".into())).unwrap();
    check_denied(asked(Some(&pod)), "its controller is StatefulSet other; dial only pods that");
}

#[test]
fn a_pod_on_its_nodes_network_is_denied() {
    check_denied(
        asked(Some(&facts(&POD.replace("\"spec\": {", "\"spec\": {\"hostNetwork\": true, ")))),
        "hostNetwork",
    );
}

#[test]
fn an_address_that_no_pod_has_is_denied() {
    for (address, kind) in [
        ("127.0.0.1", "loopback"),
        ("127.8.9.1", "loopback"),
        ("::1", "loopback"),
        ("::ffff:127.0.0.1", "loopback"),
        ("::127.0.0.1", "loopback"),
        ("0.0.0.0", "unspecified"),
        ("0.1.2.3", "unspecified"),
        ("::", "unspecified"),
        ("::ffff:0.0.0.0", "unspecified"),
        ("169.254.169.254", "link-local"),
        ("::ffff:169.254.169.254", "link-local"),
        ("fe80::1", "link-local"),
        ("febf::1", "link-local"),
        ("224.0.0.1", "multicast"),
        ("ff02::1", "multicast"),
        ("::ffff:239.1.1.1", "multicast"),
        ("255.255.255.255", "broadcast"),
    ] {
        check_denied(at(address), kind);
    }
}

#[test]
fn an_address_that_is_none_is_an_error_and_no_pod_without_one() {
    let error = PodFacts::parse(&POD.replace("10.1.2.3", "kubernetes.default"), Ok(())).unwrap_err();
    assert!(error.to_string().starts_with("the pod cannot be read: "), "{error}");
    assert!(PodFacts::parse("{}", Ok(())).is_err());
}
