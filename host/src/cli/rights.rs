//! The rights that a component's ServiceAccount needs: all that the host does on
//! the component's behalf, and nothing else.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::rbac::v1::{ClusterRole, PolicyRule};
use kube::api::ObjectMeta;

use crate::model::{ChildKind, Manifest, ResourceKind};

const READ: &[&str] = &["get", "list", "watch"];
/// A server-side apply of an object that is not there needs both.
const APPLY: &[&str] = &["create", "patch"];

/// A role with these rights, to be bound in the namespaces that the operlet
/// serves, or in all of them.
pub(super) fn cluster_role(manifest: &Manifest) -> ClusterRole {
    let name = format!("operlet-{}", manifest.name);
    let metadata = ObjectMeta { name: Some(name), ..ObjectMeta::default() };
    ClusterRole { metadata, rules: Some(rules(manifest)), aggregation_rule: None }
}

/// The rules, by group.
pub(super) fn rules(manifest: &Manifest) -> Vec<PolicyRule> {
    let mut rights = Rights::default();
    let Manifest { primary, children, observed_only, reads, finalizer, .. } = manifest;
    rights.allow(primary, "", READ);
    if *finalizer {
        rights.allow(primary, "", &["patch"]);
    }
    rights.allow(primary, "/status", &["patch"]);
    // Where the API server guards owner references, it wants to see that who sets
    // one could also hold the owner back by a finalizer.
    rights.allow(primary, "/finalizers", &["update"]);
    for ChildKind { resource, prune } in children {
        rights.allow(resource, "", READ);
        rights.allow(resource, "", APPLY);
        if *prune {
            rights.allow(resource, "", &["delete"]);
        }
    }
    for resource in observed_only.iter().chain(reads) {
        rights.allow(resource, "", READ);
    }
    rights.allow_named("events.k8s.io", "events", APPLY);
    rights.rules()
}

/// Verbs by group and resource.
#[derive(Default)]
struct Rights(BTreeMap<(String, String), BTreeSet<&'static str>>);

impl Rights {
    fn allow(&mut self, resource: &ResourceKind, subresource: &str, verbs: &[&'static str]) {
        let name = format!("{}{subresource}", resource.plural);
        self.allow_named(&resource.kind.group, &name, verbs);
    }

    fn allow_named(&mut self, group: &str, resource: &str, verbs: &[&'static str]) {
        self.0.entry((group.to_owned(), resource.to_owned())).or_default().extend(verbs);
    }

    /// One rule for all resources of a group that have the same verbs.
    fn rules(self) -> Vec<PolicyRule> {
        let mut by_verbs: BTreeMap<(String, BTreeSet<&str>), Vec<String>> = BTreeMap::new();
        for ((group, resource), verbs) in self.0 {
            by_verbs.entry((group, verbs)).or_default().push(resource);
        }
        let rule = |((group, verbs), resources): ((String, BTreeSet<&str>), Vec<String>)| PolicyRule {
            api_groups: Some(vec![group]),
            resources: Some(resources),
            verbs: in_order(&verbs),
            ..PolicyRule::default()
        };
        by_verbs.into_iter().map(rule).collect()
    }
}

/// The order in which they are usually written.
fn in_order(verbs: &BTreeSet<&str>) -> Vec<String> {
    const ORDER: &[&str] = &["get", "list", "watch", "create", "update", "patch", "delete"];
    ORDER.iter().filter(|verb| verbs.contains(**verb)).map(|verb| (*verb).to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{GroupVersionKind, RequestedLimits, StateVersions};

    fn kind(api_version: &str, kind: &str, plural: &str) -> ResourceKind {
        let kind = GroupVersionKind::from_type(api_version, kind);
        ResourceKind { kind, plural: plural.to_owned(), namespaced: true }
    }

    fn lines(finalizer: bool) -> Vec<String> {
        let child = |resource, prune| ChildKind { resource, prune };
        let manifest = Manifest {
            name: "things".into(),
            version: "0.1.0".into(),
            contract: "0.1.0".into(),
            primary: kind("test.operlet.dev/v1", "Thing", "things"),
            children: vec![
                child(kind("v1", "Service", "services"), true),
                child(kind("v1", "ConfigMap", "configmaps"), true),
                child(kind("v1", "Secret", "secrets"), false),
            ],
            observed_only: vec![kind("v1", "Pod", "pods")],
            reads: vec![kind("v1", "ConfigMap", "configmaps")],
            ports: Vec::new(),
            finalizer,
            state: StateVersions { writes: 1, reads: vec![1] },
            limits: RequestedLimits::default(),
        };
        let text = |rule: &PolicyRule| {
            let groups = rule.api_groups.as_deref().unwrap_or_default().join(",");
            format!(
                "{groups} {} {}",
                rule.resources.as_deref().unwrap_or_default().join(","),
                rule.verbs.join(",")
            )
        };
        rules(&manifest).iter().map(text).collect()
    }

    #[test]
    fn each_kind_has_the_verbs_for_what_is_done_with_it_and_no_more() {
        assert_eq!(
            lines(false),
            [
                " configmaps,services get,list,watch,create,patch,delete",
                " secrets get,list,watch,create,patch",
                " pods get,list,watch",
                "events.k8s.io events create,patch",
                "test.operlet.dev things get,list,watch",
                "test.operlet.dev things/status patch",
                "test.operlet.dev things/finalizers update",
            ]
        );
    }

    #[test]
    fn a_finalizer_needs_the_right_to_write_the_resource() {
        assert!(lines(true).contains(&"test.operlet.dev things get,list,watch,patch".to_owned()));
    }
}
