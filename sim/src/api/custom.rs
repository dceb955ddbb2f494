//! Kinds that a CustomResourceDefinition brings.

use std::sync::Arc;

use kube_cel::{CompiledSchema, ErrorKind, RootContext, Validator, compile_schema};
use serde_json::Value;

use super::{
    error::Cause,
    kinds::Rules,
    registry::{Resource, Scale},
    structural,
};
use crate::schema::from_structural;

/// What a definition says of objects beyond their fields.
pub(crate) struct Custom {
    structural: Value,
    rules: CompiledSchema,
    validator: Validator,
    root: RootContext,
}

impl std::fmt::Debug for Custom {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Custom").field("kind", &self.root.kind).finish_non_exhaustive()
    }
}

impl Custom {
    /// What is wrong with an object that takes the place of an old one.
    pub(crate) fn problems(&self, new: &Value, old: Option<&Value>) -> Vec<Cause> {
        let causes = structural::problems(&self.structural, "", new);
        if !causes.is_empty() {
            // Rules are only asked about what is otherwise as it should be.
            return causes;
        }
        let checked = self.validator.validate_compiled_with_context(&self.rules, new, old, Some(&self.root));
        let mut causes: Vec<Cause> = checked
            .err()
            .into_iter()
            .flat_map(kube_cel::ValidationErrors::into_vec)
            .map(|error| {
                let mut field = error.field_path.trim_start_matches('.').to_owned();
                let value = new.pointer(&format!("/{}", field.replace('.', "/"))).unwrap_or(new);
                if field.is_empty() {
                    // As Go writes that there is no field.
                    "<nil>".clone_into(&mut field);
                }
                let problem = match error.kind {
                    ErrorKind::ValidationFailure => error.message,
                    _ => format!("rule {:?} cannot be evaluated: {}", error.rule, error.message),
                };
                let reason = error.reason;
                match reason.as_deref() {
                    Some("FieldValueForbidden") => Cause::forbidden(field, &problem),
                    Some("FieldValueRequired") => Cause::required(field, &problem),
                    _ => broken(field, value, &problem),
                }
            })
            .collect();
        causes.sort_by(|a, b| (&a.field, &a.message).cmp(&(&b.field, &b.message)));
        causes
    }
}

/// A rule is not kept; objects and lists are not shown.
fn broken(field: String, value: &Value, problem: &str) -> Cause {
    if value.is_object() || value.is_array() {
        let message = format!("Invalid value: {problem}");
        return Cause { reason: "FieldValueInvalid", field, message };
    }
    Cause::invalid(field, value, problem)
}

/// The kinds that a definition serves, one for each version.
pub(crate) fn resources(definition: &Value) -> Vec<Resource> {
    let text =
        |pointer: &str| definition.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
    let versions = definition.pointer("/spec/versions").and_then(Value::as_array);
    let served =
        versions.into_iter().flatten().filter(|version| version.get("served") == Some(&Value::Bool(true)));
    served
        .map(|version| {
            let empty = Value::Object(serde_json::Map::new());
            let structural = version.pointer("/schema/openAPIV3Schema").unwrap_or(&empty).clone();
            let (schema, root) = from_structural(&structural);
            let (group, kind) = (text("/spec/group"), text("/spec/names/kind"));
            let name = version.get("name").and_then(Value::as_str).unwrap_or_default().to_owned();
            let context = RootContext {
                api_version: format!("{group}/{name}"),
                api_group: group.clone(),
                kind: kind.clone(),
            };
            let custom = Custom {
                rules: compile_schema(&structural),
                structural,
                validator: Validator::new(),
                root: context,
            };
            let short = definition.pointer("/spec/names/shortNames").and_then(Value::as_array);
            let short_names =
                short.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect();
            Resource {
                singular: Some(text("/spec/names/singular"))
                    .filter(|name| !name.is_empty())
                    .unwrap_or_else(|| kind.to_lowercase()),
                plural: text("/spec/names/plural"),
                namespaced: text("/spec/scope") == "Namespaced",
                has_status: version.pointer("/subresources/status").is_some(),
                scale: version.pointer("/subresources/scale").map(scale),
                schema: Arc::new(schema),
                rules: Rules { has_generation: true, ..Rules::default() },
                custom: Some(custom),
                version: name,
                group,
                kind,
                short_names,
                root,
            }
        })
        .collect()
}

fn scale(declared: &Value) -> Scale {
    let pointer = |key: &str| declared.get(key).and_then(Value::as_str).map(|path| path.replace('.', "/"));
    Scale {
        replicas: pointer("specReplicasPath").unwrap_or_default(),
        status: pointer("statusReplicasPath").unwrap_or_default(),
        selector: pointer("labelSelectorPath"),
    }
}
