//! The CustomResourceDefinition of the kind `Redis`, generated from the types in
//! [`spec`](crate::spec) and [`status`](crate::status).

use std::borrow::Cow;

use kube::{
    CustomResourceExt as _,
    core::{Message, Rule},
};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::{Value, json};

use crate::{
    settings::{BY_FIELD, OWNED, PREFIXES},
    spec::{Quantity, Redis},
    validate::NAME_LENGTH_MAX,
};

/// The CustomResourceDefinition as YAML, with a line that says where it comes from.
///
/// # Errors
///
/// None that the types allow: it is what the writer of YAML may answer.
pub fn yaml() -> Result<String, serde_saphyr::ser::Error> {
    let definition = serde_saphyr::to_string(&Redis::crd())?;
    Ok(format!(
        "# Generated from guest-redis/src/spec.rs by `cargo xtask codegen`: change it there.\n{definition}"
    ))
}

/// Services are named after the resource, pods and claims too, each with a suffix
/// that must fit into a label of 63 characters.
pub(crate) fn name_length_rule() -> Rule {
    Rule::new(format!("self.metadata.name.size() <= {NAME_LENGTH_MAX}"))
        .message(Message::Message(format!("the name must have at most {NAME_LENGTH_MAX} characters")))
}

/// The names of Services, unlike those of other resources, begin with a letter and
/// have no dots.
pub(crate) fn name_characters_rule() -> Rule {
    Rule::new("self.metadata.name.matches('^[a-z]([-a-z0-9]*[a-z0-9])?$')").message(
        "the name must consist of lower-case letters, digits and hyphens, begin with a letter and not end with a hyphen",
    )
}

/// The pods of a Redis are called after it.
pub(crate) fn switchover_target_rule() -> Rule {
    Rule::new(
        "!has(self.spec.switchover) || !has(self.spec.switchover.target) || \
         self.spec.switchover.target.matches('^' + self.metadata.name + '-[0-8]$')",
    )
    .message("switchover.target must be one of the pods: NAME-0, NAME-1 and so on")
}

pub(crate) fn image_or_version_rule() -> Rule {
    Rule::new("!(has(self.image) && has(self.version))")
        .message("image and version cannot both be given: remove one of them")
}

/// Claim templates of a StatefulSet cannot change.
pub(crate) fn storage_presence_rule() -> Rule {
    Rule::new("has(self.storage) == has(oldSelf.storage)")
        .message("storage can be neither added nor removed later: create another Redis and copy the data")
}

/// Servers that encrypt and servers that do not could not speak to one another.
pub(crate) fn tls_presence_rule() -> Rule {
    Rule::new("has(self.tls) == has(oldSelf.tls)")
        .message("tls can be neither added nor removed later: create another Redis and copy the data")
}

/// Without a replica that a write needs, a primary that is cut off would go on.
pub(crate) fn replication_rule() -> Rule {
    Rule::new(
        "!has(self.replication) || !has(self.replication.minReplicasToWrite) || \
         self.replication.minReplicasToWrite <= self.replicas",
    )
    .message("replication.minReplicasToWrite cannot be more than replicas: no write would be taken")
}

pub(crate) fn safe_rule() -> Rule {
    Rule::new(
        "!has(self.replication) || !has(self.replication.minReplicasToWrite) || \
         self.replication.minReplicasToWrite > 0 || self.replicas < 2 || \
         (has(self.failover) && has(self.failover.mode) && self.failover.mode == 'Available')",
    )
    .message("failover.mode Safe with 2 or more replicas needs replication.minReplicasToWrite of 1 or more")
}

pub(crate) fn storage_class_rule() -> Rule {
    Rule::new(
        "has(self.storageClassName) == has(oldSelf.storageClassName) \
         && (!has(self.storageClassName) || self.storageClassName == oldSelf.storageClassName)",
    )
    .message("storage.storageClassName cannot be changed: create another Redis and copy the data")
}

pub(crate) fn storage_size_rule() -> Rule {
    Rule::new("quantity(self.size).compareTo(quantity(oldSelf.size)) >= 0")
        .message("storage.size can grow but never shrink: volumes cannot be made smaller")
}

/// The rule for `config`. It names every setting, and where to set it instead.
pub(crate) fn config_rules() -> Value {
    let by_field = BY_FIELD.iter().flat_map(|(_, settings)| settings.iter());
    let names: Vec<String> = OWNED.iter().chain(by_field).map(|name| format!("'{name}'")).collect();
    let prefixes: String = PREFIXES.iter().map(|prefix| format!(" && !key.startsWith('{prefix}')")).collect();
    let fields: Vec<String> =
        BY_FIELD.iter().map(|(field, settings)| format!("{field} for {}", settings.join(", "))).collect();
    json!([{
        "rule": format!("self.all(key, !(key in [{}]){prefixes})", names.join(", ")),
        "message": format!(
            "config must not hold what the operator sets itself. Use {}. Remove {}, and what begins with {}",
            fields.join("; "),
            OWNED.join(", "),
            PREFIXES.join(", "),
        ),
    }])
}

/// A value of `config`: bounded, as every string that a rule may read.
pub(crate) struct ConfigValue;

impl JsonSchema for ConfigValue {
    fn schema_name() -> Cow<'static, str> {
        "ConfigValue".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        // One line: a line break would begin another setting.
        json_schema!({"type": "string", "maxLength": 1024, "pattern": "^[^\\x00-\\x1f]*$"})
    }
}

/// An object whose fields the API server keeps as they are: those of Kubernetes'
/// own types would make the definition too large to apply.
pub(crate) struct Preserved;

impl JsonSchema for Preserved {
    fn schema_name() -> Cow<'static, str> {
        "Preserved".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "object", "x-kubernetes-preserve-unknown-fields": true})
    }
}

impl JsonSchema for Quantity {
    fn schema_name() -> Cow<'static, str> {
        "Quantity".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"x-kubernetes-int-or-string": true})
    }
}
