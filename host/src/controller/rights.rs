//! Whether an operlet's ServiceAccount may do what its component needs.

use std::collections::BTreeMap;

use futures::{StreamExt as _, stream};
use k8s_openapi::api::authorization::v1::{
    ResourceAttributes, SelfSubjectAccessReview, SelfSubjectAccessReviewSpec,
};
use kube::{Api, Client, api::PostParams};

use crate::model::{Manifest, ResourceKind};

/// Questions to the API server side by side.
const REVIEWS_MAX: usize = 8;

/// A right, in all namespaces or for a kind without.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Right {
    group: String,
    /// The plural, with the subresource if there is one.
    resource: String,
    subresource: Option<&'static str>,
    verb: &'static str,
    namespaced: bool,
}

/// Every right that a component needs, by its manifest.
pub(super) fn needed(manifest: &Manifest) -> Vec<Right> {
    let mut rights = Vec::new();
    let mut need = |kind: &ResourceKind, subresource, verbs: &[&'static str]| {
        rights.extend(verbs.iter().map(|verb| Right {
            group: kind.kind.group.clone(),
            resource: kind.plural.clone(),
            subresource,
            verb,
            namespaced: kind.namespaced,
        }));
    };
    need(&manifest.primary, None, &["get", "list", "watch"]);
    need(&manifest.primary, Some("status"), &["patch"]);
    if manifest.finalizer {
        need(&manifest.primary, None, &["patch"]);
    }
    for child in &manifest.children {
        need(&child.resource, None, &["get", "list", "watch"]);
        if child.prune {
            // What is never pruned may also be only created, amended or removed.
            need(&child.resource, None, &["create", "patch", "delete"]);
        }
    }
    for kind in &manifest.observed_only {
        need(kind, None, &["get", "list", "watch"]);
    }
    for kind in &manifest.reads {
        need(kind, None, &["get", "list", "watch"]);
    }
    rights.sort();
    rights.dedup();
    rights
}

/// Asks the API server about each right, as the account itself; in words, what is
/// missing. None if nothing is.
pub(super) async fn missing(
    client: &Client,
    account: &str,
    needed: &[Right],
) -> Result<Option<String>, kube::Error> {
    let api: Api<SelfSubjectAccessReview> = Api::all(client.clone());
    let reviews = needed.iter().cloned().map(|right| {
        let api = api.clone();
        async move {
            let granted = api.create(&PostParams::default(), &review(&right)).await?;
            let allowed = granted.status.is_some_and(|status| status.allowed);
            Ok((!allowed).then_some(right))
        }
    });
    let answers: Vec<Result<_, kube::Error>> = stream::iter(reviews).buffered(REVIEWS_MAX).collect().await;
    let missing: Vec<Right> =
        answers.into_iter().collect::<Result<Vec<_>, _>>()?.into_iter().flatten().collect();
    Ok((!missing.is_empty()).then(|| describe(account, &missing)))
}

fn review(right: &Right) -> SelfSubjectAccessReview {
    let Right { group, resource, subresource, verb, namespaced: _ } = right;
    let attributes = ResourceAttributes {
        group: Some(group.clone()),
        resource: Some(resource.clone()),
        subresource: subresource.map(str::to_owned),
        verb: Some((*verb).to_owned()),
        ..ResourceAttributes::default()
    };
    let spec = SelfSubjectAccessReviewSpec {
        resource_attributes: Some(attributes),
        ..SelfSubjectAccessReviewSpec::default()
    };
    SelfSubjectAccessReview { spec, ..SelfSubjectAccessReview::default() }
}

fn describe(account: &str, missing: &[Right]) -> String {
    let mut verbs = BTreeMap::<(String, bool), Vec<&str>>::new();
    for Right { group, resource, subresource, verb, namespaced } in missing {
        let slash = subresource.map(|subresource| format!("/{subresource}")).unwrap_or_default();
        let dot = if group.is_empty() { String::new() } else { format!(".{group}") };
        verbs.entry((format!("{resource}{slash}{dot}"), *namespaced)).or_default().push(verb);
    }
    let texts: Vec<String> = verbs
        .into_iter()
        .map(|((resource, namespaced), verbs)| {
            let place = if namespaced { " in all namespaces" } else { "" };
            format!("{} {resource}{place}", verbs.join(", "))
        })
        .collect();
    format!("the ServiceAccount {account} may not {}; grant it in its ClusterRole", texts.join("; "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{ChildKind, GroupVersionKind, RequestedLimits, StateVersions};

    fn kind(api_version: &str, kind: &str, plural: &str, namespaced: bool) -> ResourceKind {
        let kind = GroupVersionKind::from_type(api_version, kind);
        ResourceKind { kind, plural: plural.into(), namespaced }
    }

    fn manifest() -> Manifest {
        Manifest {
            name: "things".into(),
            version: "1.0.0".into(),
            contract: "0.1.0".into(),
            primary: kind("test.dev/v1", "Thing", "things", true),
            children: vec![
                ChildKind { resource: kind("apps/v1", "StatefulSet", "statefulsets", true), prune: true },
                ChildKind { resource: kind("v1", "Secret", "secrets", true), prune: false },
            ],
            observed_only: vec![kind("v1", "Pod", "pods", true)],
            reads: vec![kind("v1", "Node", "nodes", false)],
            ports: Vec::new(),
            finalizer: false,
            state: StateVersions { writes: 1, reads: vec![1] },
            limits: RequestedLimits::default(),
        }
    }

    #[test]
    fn what_is_missing_is_named_with_verb_kind_and_namespace() {
        let needed = needed(&manifest());
        let missing: Vec<Right> = needed
            .into_iter()
            .filter(|right| {
                right.resource == "statefulsets" && right.verb != "list" || right.resource == "nodes"
            })
            .collect();
        assert_eq!(
            describe("operlet-system/things", &missing),
            "the ServiceAccount operlet-system/things may not get, list, watch nodes; create, delete, get, \
             patch, watch statefulsets.apps in all namespaces; grant it in its ClusterRole"
        );
    }

    #[test]
    fn the_resources_themselves_are_patched_only_for_a_finalizer() {
        let patch = |manifest: &Manifest| {
            let of_primary = |right: &Right| right.resource == "things" && right.verb == "patch";
            let found: Vec<_> =
                needed(manifest).into_iter().filter(of_primary).map(|r| r.subresource).collect();
            found
        };
        assert_eq!(patch(&manifest()), [Some("status")]);
        assert_eq!(patch(&Manifest { finalizer: true, ..manifest() }), [None, Some("status")]);
    }
}
