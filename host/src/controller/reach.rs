//! From an exchange to the pod that it is with: which address, whether it may be
//! reached, and with which certificates.

use std::sync::{Arc, Weak};

use futures::future::BoxFuture;
use k8s_openapi::api::core::v1::Secret;
use kube::Api;

use super::{informer::describe, runtime::Runtime, store::Stored};
use crate::{
    exchange::{ClientCertificate, PodFacts, Resolve, Target, TlsMaterial, address},
    model::{Exchange, ExchangeEnd, GroupVersionKind, ObjectKey, Owner, Tls, Transport},
};

/// The keys of a Secret of type `kubernetes.io/tls`.
const CERTIFICATE_KEY: &str = "tls.crt";
const PRIVATE_KEY_KEY: &str = "tls.key";

/// Finds the pods of probes, which outlive a reconcile.
pub(super) struct Reach {
    runtime: Weak<Runtime>,
}

impl Reach {
    pub(super) fn new(runtime: Weak<Runtime>) -> Self {
        Self { runtime }
    }
}

impl Resolve for Reach {
    fn resolve<'a>(
        &'a self,
        resource: &'a ObjectKey,
        exchange: &'a Exchange,
    ) -> BoxFuture<'a, Result<Target, ExchangeEnd>> {
        Box::pin(async move {
            // The installation has ended, and the probes with it in a moment.
            let Some(runtime) = self.runtime.upgrade() else { return Err(ExchangeEnd::Gone) };
            target(&runtime, resource, exchange).await
        })
    }
}

/// Where an exchange goes, by the rules.
pub(super) async fn target(
    runtime: &Runtime,
    resource: &ObjectKey,
    exchange: &Exchange,
) -> Result<Target, ExchangeEnd> {
    let live = runtime.live();
    let kind = GroupVersionKind::from_type("v1", "Pod");
    if !live.owned_kinds().any(|owned| owned.kind == kind) {
        let reason = "the component's manifest must name Pods among its children or observed kinds";
        return Err(ExchangeEnd::Denied(reason.to_owned()));
    }
    let key =
        ObjectKey { kind: Arc::new(kind), namespace: resource.namespace.clone(), name: exchange.pod.clone() };
    let facts = match runtime.store.get(&key) {
        None => None,
        Some(pod) => match PodFacts::parse(&pod.json, belongs(runtime, resource, &pod)) {
            Ok(facts) => Some(facts),
            Err(error) => return Err(ExchangeEnd::Denied(error.to_string())),
        },
    };
    let address = address(facts.as_ref(), exchange, &live.terms.ports)?;
    let tls = match &exchange.transport {
        Transport::Plain => None,
        Transport::Tls(tls) => Some(material(runtime, resource, tls).await?),
    };
    Ok(Target { address, tls })
}

/// Whether a pod's chain of controllers leads to the resource; else why not.
fn belongs(runtime: &Runtime, resource: &ObjectKey, pod: &Stored) -> Result<(), String> {
    let Some(owner) = runtime.store.get(resource) else {
        return Err("the resource is gone".to_owned());
    };
    let owned = runtime.store.owned_by(&Owner::label_value(resource));
    let mut controller = pod.controller();
    // A chain is short; one that is longer than there are objects is a ring.
    for _ in 0..=owned.len() {
        let Some(reference) = controller else { break };
        if reference.uid == owner.uid() {
            return Ok(());
        }
        let Some(above) = owned.iter().find(|object| object.uid() == reference.uid) else {
            return Err(format!(
                "its controller {} {} is not among the kinds that the component observes, so whose it is \
                 cannot be told",
                reference.kind.kind, reference.name
            ));
        };
        controller = above.controller();
    }
    Err("it is not controlled by the resource, nor by anything that is".to_owned())
}

/// The certificates, read when they are needed, so that renewed ones are taken.
async fn material(runtime: &Runtime, resource: &ObjectKey, tls: &Tls) -> Result<TlsMaterial, ExchangeEnd> {
    let Some(namespace) = resource.namespace.as_deref() else {
        let reason = "Secrets live in namespaces, and the resource in none";
        return Err(ExchangeEnd::Denied(reason.to_owned()));
    };
    let api: Api<Secret> = Api::namespaced(runtime.client.clone(), namespace);
    let ca = entry(&secret(&api, namespace, &tls.ca.name).await?, &tls.ca.name, &tls.ca.key)?;
    let client = match &tls.client_certificate {
        None => None,
        Some(name) => {
            let secret = secret(&api, namespace, name).await?;
            let certificate = entry(&secret, name, CERTIFICATE_KEY)?;
            Some(ClientCertificate { certificate, key: entry(&secret, name, PRIVATE_KEY_KEY)? })
        }
    };
    Ok(TlsMaterial { ca, server_name: tls.server_name.clone(), client })
}

async fn secret(api: &Api<Secret>, namespace: &str, name: &str) -> Result<Secret, ExchangeEnd> {
    match api.get_opt(name).await {
        Ok(Some(secret)) => Ok(secret),
        Ok(None) => Err(ExchangeEnd::TlsFailed(format!("there is no Secret {namespace}/{name}"))),
        Err(kube::Error::Api(status)) if status.is_forbidden() => {
            Err(ExchangeEnd::Denied(format!("cannot read Secret {namespace}/{name}: {}", status.message)))
        }
        Err(error) => Err(ExchangeEnd::Unreachable(format!(
            "cannot read Secret {namespace}/{name}: {}",
            describe(&error)
        ))),
    }
}

fn entry(secret: &Secret, name: &str, key: &str) -> Result<Vec<u8>, ExchangeEnd> {
    let value = secret.data.as_ref().and_then(|data| data.get(key));
    let missing = || ExchangeEnd::TlsFailed(format!("the Secret {name} has no entry {key}"));
    value.map(|bytes| bytes.0.clone()).ok_or_else(missing)
}
