//! Kinds that a CustomResourceDefinition brings.

use std::sync::{Arc, LazyLock, Mutex, PoisonError};

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
    /// The last that was found good: with it the same need not be asked again.
    good: Mutex<Option<[Value; 2]>>,
    /// Whether the rules do not speak of the status, which changes most often.
    status_is_free: bool,
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
        if self.was_good(new, old) {
            return causes;
        }
        let checked = self.validator.validate_compiled_with_context(&self.rules, new, old, Some(&self.root));
        if checked.is_ok() {
            let ruled = [self.ruled(new), old.map(|old| self.ruled(old)).unwrap_or_default()];
            *self.good.lock().unwrap_or_else(PoisonError::into_inner) = Some(ruled);
        }
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

impl Custom {
    /// Whether this is what was found good last. A rule depends on nothing else.
    fn was_good(&self, new: &Value, old: Option<&Value>) -> bool {
        let good = self.good.lock().unwrap_or_else(PoisonError::into_inner);
        let Some([good_new, good_old]) = good.as_ref() else { return false };
        self.is_ruled(good_new, new) && old.map_or(good_old.is_null(), |old| self.is_ruled(good_old, old))
    }

    /// What rules see of an object.
    fn ruled(&self, object: &Value) -> Value {
        let fields = object.as_object().into_iter().flatten();
        let seen = fields.filter(|(name, _)| self.is_seen(name));
        let seen = seen.map(|(name, value)| match name.as_str() {
            "metadata" => (name.clone(), named(value).into_iter().collect()),
            _ => (name.clone(), value.clone()),
        });
        seen.collect()
    }

    /// Whether [`Custom::ruled`] of an object is this.
    fn is_ruled(&self, ruled: &Value, object: &Value) -> bool {
        let (Some(ruled), Some(object)) = (ruled.as_object(), object.as_object()) else { return false };
        let mut seen = object.iter().filter(|(name, _)| self.is_seen(name));
        seen.clone().count() == ruled.len()
            && seen.all(|(name, value)| match (name.as_str(), ruled.get(name)) {
                ("metadata", Some(Value::Array(known))) => known.iter().eq(&named(value)),
                (_, known) => known == Some(value),
            })
    }

    fn is_seen(&self, field: &str) -> bool {
        !(self.status_is_free && field == "status")
    }
}

/// The two fields of the metadata that rules may see.
fn named(metadata: &Value) -> [&str; 2] {
    ["name", "generateName"].map(|field| metadata.get(field).and_then(Value::as_str).unwrap_or_default())
}

/// Whether no rule is about the status, and none of the whole object names it.
fn status_is_free(schema: &Value) -> bool {
    const RULES: &str = "x-kubernetes-validations";
    let status = schema.pointer("/properties/status").map(Value::to_string).unwrap_or_default();
    let whole = schema.get(RULES).map(Value::to_string).unwrap_or_default();
    !status.contains(RULES) && !whole.contains("status")
}

/// A rule is not kept; objects and lists are not shown.
fn broken(field: String, value: &Value, problem: &str) -> Cause {
    if value.is_object() || value.is_array() {
        let message = format!("Invalid value: {problem}");
        return Cause { reason: "FieldValueInvalid", field, message };
    }
    Cause::invalid(field, value, problem)
}

/// What definitions served that were read before, by what they say.
type Read = Vec<(Value, Vec<Arc<Resource>>)>;

/// How many definitions are remembered.
const READ_MAX: usize = 8;

/// The kinds that a definition serves, one for each version. To read it takes long, and
/// the same ones are used in one cluster after the other.
pub(crate) fn resources(definition: &Value) -> Vec<Arc<Resource>> {
    static READ: LazyLock<Mutex<Read>> = LazyLock::new(Mutex::default);
    let mut read = READ.lock().unwrap_or_else(PoisonError::into_inner);
    let spec = definition.get("spec").unwrap_or(&Value::Null);
    if let Some((_, resources)) = read.iter().find(|(known, _)| known == spec) {
        return resources.clone();
    }
    let resources: Vec<_> = read_definition(definition).into_iter().map(Arc::new).collect();
    if read.len() >= READ_MAX {
        read.remove(0);
    }
    read.push((spec.clone(), resources.clone()));
    resources
}

fn read_definition(definition: &Value) -> Vec<Resource> {
    let text =
        |pointer: &str| definition.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
    let versions = definition.pointer("/spec/versions").and_then(Value::as_array);
    let is = |version: &Value, field: &str| version.get(field) == Some(&Value::Bool(true));
    let name = |version: &Value| version.get("name").and_then(Value::as_str).unwrap_or_default().to_owned();
    let stored = versions.into_iter().flatten().find(|version| is(version, "storage")).map(name);
    let served = versions.into_iter().flatten().filter(|version| is(version, "served"));
    served
        .map(|version| {
            let empty = Value::Object(serde_json::Map::new());
            let structural = version.pointer("/schema/openAPIV3Schema").unwrap_or(&empty).clone();
            let (schema, root) = from_structural(&structural);
            let (group, kind) = (text("/spec/group"), text("/spec/names/kind"));
            let name = name(version);
            let context = RootContext {
                api_version: format!("{group}/{name}"),
                api_group: group.clone(),
                kind: kind.clone(),
            };
            let custom = Custom {
                rules: compile_schema(&structural),
                status_is_free: status_is_free(&structural),
                structural,
                validator: Validator::new(),
                root: context,
                good: Mutex::default(),
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
                stored_as: stored.clone().unwrap_or_else(|| name.clone()),
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
