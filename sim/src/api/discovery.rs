//! What is served, for those who ask.

use serde_json::{Value, json};

use super::{error::Refusal, registry::Resource, state::State};

/// The release whose behaviour is followed.
const RELEASE: (&str, &str, &str) = ("1", "37", "v1.37.2");

const VERBS: [&str; 8] = ["delete", "deletecollection", "get", "list", "patch", "create", "update", "watch"];

impl State {
    /// `/api`, `/apis` and `/version`.
    pub(crate) fn root(&self, path: &str) -> Value {
        match path {
            "version" => {
                let (major, minor, release) = RELEASE;
                json!({ "major": major, "minor": minor, "gitVersion": release, "platform": "linux/amd64" })
            }
            "api" => json!({ "kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": [] }),
            _ => {
                let mut groups: Vec<(&str, Vec<&str>)> = Vec::new();
                for resource in self.registry.iter().filter(|resource| !resource.group.is_empty()) {
                    match groups.iter_mut().find(|(group, _)| *group == resource.group) {
                        Some((_, versions)) if versions.contains(&resource.version.as_str()) => {}
                        Some((_, versions)) => versions.push(&resource.version),
                        None => groups.push((&resource.group, vec![&resource.version])),
                    }
                }
                let shown = |(group, versions): (&str, Vec<&str>)| {
                    let shown = |version: &&str| json!({ "groupVersion": format!("{group}/{version}"), "version": version });
                    let versions: Vec<Value> = versions.iter().map(shown).collect();
                    json!({ "name": group, "versions": versions, "preferredVersion": versions.first() })
                };
                let groups: Vec<Value> = groups.into_iter().map(shown).collect();
                json!({ "kind": "APIGroupList", "apiVersion": "v1", "groups": groups })
            }
        }
    }

    /// The kinds of a group and version.
    pub(crate) fn group(&self, group: &str, version: &str) -> Result<Value, Refusal> {
        let served = self.registry.iter().filter(|known| known.group == group && known.version == version);
        let resources: Vec<Value> = served.flat_map(|resource| shown(resource)).collect();
        if resources.is_empty() {
            return Err(Refusal::unknown_path());
        }
        let group_version = if group.is_empty() { version.to_owned() } else { format!("{group}/{version}") };
        Ok(
            json!({ "kind": "APIResourceList", "apiVersion": "v1", "groupVersion": group_version, "resources": resources }),
        )
    }
}

fn shown(resource: &Resource) -> Vec<Value> {
    let row = |name: String, kind: &str, verbs: &[&str], singular: &str| {
        json!({
            "name": name, "singularName": singular, "namespaced": resource.namespaced, "kind": kind, "verbs": verbs,
        })
    };
    let mut first = row(resource.plural.clone(), &resource.kind, &VERBS, &resource.singular);
    if let Some(first) = first.as_object_mut().filter(|_| !resource.short_names.is_empty()) {
        first.insert("shortNames".to_owned(), json!(resource.short_names));
    }
    let mut rows = vec![first];
    let part = ["get", "patch", "update"];
    if resource.has_status {
        rows.push(row(format!("{}/status", resource.plural), &resource.kind, &part, ""));
    }
    if resource.scale.is_some() {
        rows.push(row(format!("{}/scale", resource.plural), "Scale", &part, ""));
    }
    rows
}
