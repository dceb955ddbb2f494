//! Refusals, as the API server words them.

use http::StatusCode;
use serde_json::{Value, json};

use super::registry::Resource;

/// Why a request was refused: the `Status` that is answered.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Refusal {
    pub(crate) code: u16,
    reason: &'static str,
    message: String,
    details: Value,
}

/// What is wrong with a field.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Cause {
    pub(crate) reason: &'static str,
    pub(crate) field: String,
    pub(crate) message: String,
}

impl Cause {
    /// It has a value that it may not have.
    pub(crate) fn invalid(field: impl Into<String>, value: &Value, problem: &str) -> Self {
        let value = match value {
            Value::Object(_) | Value::Array(_) => value.to_string(),
            Value::String(text) => format!("{text:?}"),
            Value::Null => "\"null\"".to_owned(),
            other => other.to_string(),
        };
        Self {
            reason: "FieldValueInvalid",
            field: field.into(),
            message: format!("Invalid value: {value}: {problem}"),
        }
    }

    /// It has to be there.
    pub(crate) fn required(field: impl Into<String>, problem: &str) -> Self {
        let message = if problem.is_empty() {
            "Required value".to_owned()
        } else {
            format!("Required value: {problem}")
        };
        Self { reason: "FieldValueRequired", field: field.into(), message }
    }

    /// It may not be changed, or not be there.
    pub(crate) fn forbidden(field: impl Into<String>, problem: &str) -> Self {
        Self { reason: "FieldValueForbidden", field: field.into(), message: format!("Forbidden: {problem}") }
    }

    /// It has a value that none of those is that it may have.
    pub(crate) fn not_supported(field: impl Into<String>, value: &Value, allowed: &[Value]) -> Self {
        let allowed: Vec<String> = allowed.iter().map(Value::to_string).collect();
        let message = format!("Unsupported value: {value}: supported values: {}", allowed.join(", "));
        Self { reason: "FieldValueNotSupported", field: field.into(), message }
    }
}

impl Refusal {
    fn new(code: u16, reason: &'static str, message: String) -> Self {
        Self { code, reason, message, details: Value::Null }
    }

    fn about(mut self, resource: &Resource, name: &str) -> Self {
        self.details = json!({ "name": name, "group": resource.group, "kind": resource.plural });
        if let Some(details) = self.details.as_object_mut() {
            details.retain(|_, value| value != "");
        }
        self
    }

    pub(crate) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(400, "BadRequest", message.into())
    }

    pub(crate) fn not_found(resource: &Resource, name: &str) -> Self {
        let message = format!("{} {name:?} not found", resource.qualified());
        Self::new(404, "NotFound", message).about(resource, name)
    }

    /// There is no such place.
    pub(crate) fn unknown_path() -> Self {
        Self::new(404, "NotFound", "the server could not find the requested resource".to_owned())
    }

    pub(crate) fn already_exists(resource: &Resource, name: &str) -> Self {
        let message = format!("{} {name:?} already exists", resource.qualified());
        Self::new(409, "AlreadyExists", message).about(resource, name)
    }

    pub(crate) fn conflict(resource: &Resource, name: &str, why: &str) -> Self {
        let message = format!("Operation cannot be fulfilled on {} {name:?}: {why}", resource.qualified());
        Self::new(409, "Conflict", message).about(resource, name)
    }

    /// A deletion is about an object that is gone, and another one has its name.
    pub(crate) fn another(resource: &Resource, name: &str, wanted: &str, is: &str) -> Self {
        let kind = resource.qualified_kind();
        let message = format!(
            "Operation cannot be fulfilled on {kind} {name:?}: the UID in the precondition ({wanted}) does not match the UID in record ({is}). The object might have been deleted and then recreated"
        );
        let mut refusal = Self::new(409, "Conflict", message).about(resource, name);
        if let Some(details) = refusal.details.as_object_mut() {
            details.insert("kind".to_owned(), json!(resource.kind));
        }
        refusal
    }

    /// An update has to say of which version it is.
    pub(crate) fn unversioned(resource: &Resource, name: &str) -> Self {
        let problem = "Invalid value: 0: must be specified for an update";
        let message =
            format!("{} {name:?} is invalid: metadata.resourceVersion: {problem}", resource.qualified());
        let mut refusal = Self::new(422, "Invalid", message).about(resource, name);
        if let Some(details) = refusal.details.as_object_mut() {
            let cause = json!({ "reason": "FieldValueInvalid", "message": problem, "field": "metadata.resourceVersion" });
            details.insert("causes".to_owned(), json!([cause]));
        }
        refusal
    }

    /// Somebody changed it since it was read.
    pub(crate) fn modified(resource: &Resource, name: &str) -> Self {
        let why =
            "the object has been modified; please apply your changes to the latest version and try again";
        Self::conflict(resource, name, why)
    }

    /// Fields that an apply is about are managed by others: their names and the fields.
    pub(crate) fn managed_by_others(conflicts: &[(String, String)]) -> Self {
        let count = conflicts.len();
        let message = match conflicts {
            [(who, field)] => format!("Apply failed with 1 conflict: conflict with {who}: {field}"),
            many => {
                let mut lines: Vec<String> = Vec::new();
                let mut last = None;
                for (who, field) in many {
                    if last != Some(who) {
                        lines.push(format!("conflicts with {who}:"));
                    }
                    last = Some(who);
                    lines.push(format!("- {field}"));
                }
                format!("Apply failed with {count} conflicts: {}", lines.join("\n"))
            }
        };
        let causes: Vec<Value> = conflicts
            .iter()
            .map(|(who, field)| {
                json!({ "reason": "FieldManagerConflict", "message": format!("conflict with {who}"), "field": field })
            })
            .collect();
        let mut refusal = Self::new(409, "Conflict", message);
        refusal.details = json!({ "causes": causes });
        refusal
    }

    pub(crate) fn invalid(resource: &Resource, name: &str, causes: &[Cause]) -> Self {
        let shown: Vec<String> =
            causes.iter().map(|cause| format!("{}: {}", cause.field, cause.message)).collect();
        let shown = match shown.as_slice() {
            [one] => one.clone(),
            more => format!("[{}]", more.join(", ")),
        };
        let message = format!("{} {name:?} is invalid: {shown}", resource.qualified_kind());
        let mut refusal = Self::new(422, "Invalid", message).about(resource, name);
        if let Some(details) = refusal.details.as_object_mut() {
            let causes: Vec<Value> = causes
                .iter()
                .map(
                    |cause| json!({ "reason": cause.reason, "message": cause.message, "field": cause.field }),
                )
                .collect();
            details.insert("kind".to_owned(), json!(resource.kind));
            details.insert("causes".to_owned(), json!(causes));
        }
        refusal
    }

    /// A patch that does not fit the object.
    pub(crate) fn unprocessable(resource: &Resource, name: &str, message: &str) -> Self {
        Self::new(422, "Invalid", message.to_owned()).about(resource, name)
    }

    /// A budget for disruptions has no room, for this reason.
    pub(crate) fn too_many(why: &str, seconds: u64) -> Self {
        let message = "Cannot evict pod as it would violate the pod's disruption budget.".to_owned();
        let mut refusal = Self::new(429, "TooManyRequests", message);
        refusal.details = json!({ "causes": [{ "reason": "DisruptionBudget", "message": why }] });
        if let Some(details) = refusal.details.as_object_mut().filter(|_| seconds > 0) {
            details.insert("retryAfterSeconds".to_owned(), json!(seconds));
        }
        refusal
    }

    pub(crate) fn forbidden(resource: &Resource, name: &str, why: &str) -> Self {
        let named = if name.is_empty() { String::new() } else { format!(" {name:?}") };
        let message = format!("{}{named} is forbidden: {why}", resource.qualified());
        Self::new(403, "Forbidden", message).about(resource, name)
    }

    /// Nothing is created any more in a namespace that goes.
    pub(crate) fn namespace_ends(resource: &Resource, name: &str, namespace: &str) -> Self {
        let why =
            format!("unable to create new content in namespace {namespace} because it is being terminated");
        let mut refusal = Self::forbidden(resource, name, &why);
        if let Some(details) = refusal.details.as_object_mut() {
            let message = format!("namespace {namespace} is being terminated");
            let cause = json!({ "reason": "NamespaceTerminating", "message": message, "field": "metadata.namespace" });
            details.insert("causes".to_owned(), json!([cause]));
        }
        refusal
    }

    /// What was asked for is older than what is remembered.
    pub(crate) fn expired(message: impl Into<String>) -> Self {
        Self::new(410, "Expired", message.into())
    }

    /// What was asked for has not happened yet.
    pub(crate) fn too_new(message: String) -> Self {
        let mut refusal = Self::new(504, "Timeout", message.clone());
        refusal.details = json!({ "causes": [{ "reason": "ResourceVersionTooLarge", "message": message }], "retryAfterSeconds": 1 });
        refusal
    }

    pub(crate) fn method_not_allowed() -> Self {
        Self::new(
            405,
            "MethodNotAllowed",
            "the server does not allow this method on the requested resource".to_owned(),
        )
    }

    pub(crate) fn unsupported_media_type(given: &str) -> Self {
        let message = format!(
            "the body of the request was in an unknown format - accepted media types include: application/json-patch+json, application/merge-patch+json, application/apply-patch+yaml, not {given}"
        );
        Self::new(415, "UnsupportedMediaType", message)
    }

    /// What is written cannot be read or kept as it is.
    pub(crate) fn untyped(message: String) -> Self {
        Self::new(500, "", message)
    }

    /// Nothing is served there at all.
    pub(crate) fn no_page() -> Self {
        Self::new(404, "", "404 page not found".to_owned())
    }

    /// An apply without a name to apply under.
    pub(crate) fn no_manager() -> Self {
        let message = "PatchOptions.meta.k8s.io \"\" is invalid: fieldManager: Required value: is required for apply patch";
        Self::new(422, "Invalid", message.to_owned())
    }

    pub(crate) fn internal(message: impl Into<String>) -> Self {
        Self::new(500, "InternalError", message.into())
    }

    /// What it says to a person.
    pub(crate) fn message(&self) -> &str {
        &self.message
    }

    /// Whether nothing can be created because the namespace ends.
    pub(crate) fn is_of_namespace_that_ends(&self) -> bool {
        self.details.pointer("/causes/0/reason").is_some_and(|reason| reason == "NamespaceTerminating")
    }

    /// Whether there is one of this name already.
    pub(crate) fn is_of_what_exists(&self) -> bool {
        self.reason == "AlreadyExists"
    }

    /// Its status code in HTTP.
    pub(crate) fn status(&self) -> StatusCode {
        StatusCode::from_u16(self.code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    /// As the `Status` that is sent.
    pub(crate) fn to_json(&self) -> Value {
        let mut status = json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
            "message": self.message, "reason": self.reason, "code": self.code,
        });
        if let Some(status) = status.as_object_mut().filter(|_| self.reason.is_empty()) {
            status.remove("reason");
        }
        if let (Some(status), false) = (status.as_object_mut(), self.details.is_null()) {
            status.insert("details".to_owned(), self.details.clone());
        }
        status
    }
}
