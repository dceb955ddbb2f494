//! Who may do what: roles and their bindings, as RBAC has them.

use serde_json::{Value, json};

use super::{error::Refusal, registry::Resource, request::Asked, state::State};

/// This one may do everything.
pub(crate) const ADMINISTRATOR: &str = "system:admin";

const RBAC: &str = "rbac.authorization.k8s.io";

/// What somebody wants to do.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Deed<'a> {
    pub(crate) verb: &'a str,
    pub(crate) group: &'a str,
    /// The plural, with the subresource after a slash.
    pub(crate) resource: &'a str,
    pub(crate) namespace: &'a str,
    pub(crate) name: &'a str,
}

impl State {
    /// Whether a user may do it.
    pub(crate) fn may(&self, user: &str, deed: &Deed<'_>) -> bool {
        if user == ADMINISTRATOR {
            return true;
        }
        let everywhere = self.store.list(RBAC, "clusterrolebindings", None);
        let here = self
            .store
            .list(RBAC, "rolebindings", Some(deed.namespace))
            .filter(|_| !deed.namespace.is_empty());
        let bindings = everywhere.chain(here);
        bindings.filter(|(_, binding)| binds(&binding.value, user)).any(|(place, binding)| {
            let role = |field: &str| binding.text(&format!("/roleRef/{field}"));
            let (plural, namespace) = match role("kind") {
                "ClusterRole" => ("clusterroles", ""),
                _ => ("roles", place.namespace.as_str()),
            };
            let mut roles = self.store.list(RBAC, plural, Some(namespace));
            roles.any(|(place, found)| place.name == role("name") && allows(&found.value, deed))
        })
    }

    /// Refuses what a user may not do.
    pub(crate) fn demand(&self, user: &str, resource: &Resource, deed: &Deed<'_>) -> Result<(), Refusal> {
        if self.may(user, deed) {
            return Ok(());
        }
        let (verb, what, group) = (deed.verb, deed.resource, deed.group);
        let place = if deed.namespace.is_empty() {
            "at the cluster scope".to_owned()
        } else {
            format!("in the namespace {:?}", deed.namespace)
        };
        let why = format!("User {user:?} cannot {verb} resource {what:?} in API group {group:?} {place}");
        Err(Refusal::forbidden(resource, deed.name, &why))
    }

    /// Refuses who acts as a ServiceAccount and may not.
    pub(crate) fn demand_impersonation(&self, asked: &Asked) -> Result<(), Refusal> {
        let Some(by) = &asked.impersonated_by else { return Ok(()) };
        let account =
            asked.user.strip_prefix("system:serviceaccount:").and_then(|account| account.split_once(':'));
        let (resource, namespace, name) = match account {
            Some((namespace, name)) => ("serviceaccounts", namespace, name),
            None => ("users", "", asked.user.as_str()),
        };
        let deed = Deed { verb: "impersonate", group: "", resource, namespace, name };
        let accounts = self.registry.of_plural("", "serviceaccounts").cloned();
        accounts.map_or(Ok(()), |accounts| self.demand(by, &accounts, &deed))
    }

    /// Answers somebody who asks whether they may do something.
    pub(crate) fn review(&self, user: &str, mut review: Value) -> Value {
        let text = |field: &str| {
            let pointer = format!("/spec/resourceAttributes/{field}");
            review.pointer(&pointer).and_then(Value::as_str).unwrap_or_default().to_owned()
        };
        let mut resource = text("resource");
        if !text("subresource").is_empty() {
            resource = format!("{resource}/{}", text("subresource"));
        }
        let (verb, group, namespace, name) = (text("verb"), text("group"), text("namespace"), text("name"));
        let deed =
            Deed { verb: &verb, group: &group, resource: &resource, namespace: &namespace, name: &name };
        let allowed = self.may(user, &deed);
        if let Some(review) = review.as_object_mut() {
            review.insert("status".to_owned(), json!({ "allowed": allowed }));
        }
        review
    }
}

/// Whether a binding is about this user.
fn binds(binding: &Value, user: &str) -> bool {
    let subjects = binding.get("subjects").and_then(Value::as_array);
    subjects.into_iter().flatten().any(|subject| {
        let text = |field: &str| subject.get(field).and_then(Value::as_str).unwrap_or_default();
        match text("kind") {
            "ServiceAccount" => {
                user == format!("system:serviceaccount:{}:{}", text("namespace"), text("name"))
            }
            "User" => user == text("name"),
            "Group" => belongs(user, text("name")),
            _ => false,
        }
    })
}

fn belongs(user: &str, group: &str) -> bool {
    let account = user.strip_prefix("system:serviceaccount:");
    match group {
        "system:authenticated" => true,
        "system:serviceaccounts" => account.is_some(),
        group => group.strip_prefix("system:serviceaccounts:").is_some_and(|namespace| {
            account.and_then(|account| account.split_once(':')).is_some_and(|(of, _)| of == namespace)
        }),
    }
}

fn allows(role: &Value, deed: &Deed<'_>) -> bool {
    let rules = role.get("rules").and_then(Value::as_array);
    rules.into_iter().flatten().any(|rule| {
        let listed = |field: &str, wanted: &str| {
            let all = rule.get(field).and_then(Value::as_array);
            all.into_iter().flatten().any(|one| one == "*" || one == wanted)
        };
        let any_part =
            deed.resource.split_once('/').is_some_and(|(_, part)| listed("resources", &format!("*/{part}")));
        let named = rule.get("resourceNames").and_then(Value::as_array).filter(|names| !names.is_empty());
        listed("verbs", deed.verb)
            && listed("apiGroups", deed.group)
            && (listed("resources", deed.resource) || any_part)
            && named.is_none_or(|names| names.iter().any(|name| name == deed.name))
    })
}
