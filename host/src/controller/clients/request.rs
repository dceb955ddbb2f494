//! What a request to the API server is about, read from its method and path.

use http::{Method, Uri};

/// What is asked, in the API server's own words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Asked {
    pub(super) verb: &'static str,
    /// The plural, with the subresource after a slash. It comes from manifests and
    /// from this program, so there are only so many.
    pub(super) resource: String,
}

/// What is not about resources: versions, discovery.
const OTHER: &str = "other";

/// What is asked with a question mark in disguise: it creates nothing.
const REVIEWS: [&str; 2] = ["selfsubjectaccessreviews", "selfsubjectrulesreviews"];

impl Asked {
    pub(super) fn of(method: &Method, uri: &Uri) -> Self {
        let segments: Vec<&str> = uri.path().split('/').filter(|segment| !segment.is_empty()).collect();
        let (resource, named) = resource(&segments).unwrap_or_else(|| (OTHER.to_owned(), true));
        Self { verb: verb(method, uri, named), resource }
    }

    /// Whether it changes nothing.
    pub(super) fn is_harmless(&self, method: &Method) -> bool {
        let reads = [Method::GET, Method::HEAD, Method::OPTIONS].contains(method);
        reads || *method == Method::POST && REVIEWS.contains(&self.resource.as_str())
    }
}

/// The resource of a path, and whether the path names one object of it.
fn resource(segments: &[&str]) -> Option<(String, bool)> {
    let rest = match segments {
        ["api", _, rest @ ..] | ["apis", _, _, rest @ ..] => rest,
        _ => return None,
    };
    let rest = match rest {
        // Of a namespace itself, these are subresources.
        ["namespaces", _, "status" | "finalize"] => rest,
        ["namespaces", _, inside @ ..] if !inside.is_empty() => inside,
        rest => rest,
    };
    match rest {
        [] => None,
        [plural] => Some(((*plural).to_owned(), false)),
        [plural, _] => Some(((*plural).to_owned(), true)),
        [plural, _, subresource, ..] => Some((format!("{plural}/{subresource}"), true)),
    }
}

fn verb(method: &Method, uri: &Uri, named: bool) -> &'static str {
    let watches = || {
        let query = uri.query().unwrap_or_default();
        query.split('&').any(|pair| pair == "watch=true" || pair == "watch=1")
    };
    match method.as_str() {
        "GET" | "HEAD" if watches() => "watch",
        "GET" | "HEAD" if named => "get",
        "GET" | "HEAD" => "list",
        "POST" => "create",
        "PUT" => "update",
        "PATCH" => "patch",
        "DELETE" if named => "delete",
        "DELETE" => "deletecollection",
        _ => OTHER,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(method: &str, uri: &str, verb: &str, resource: &str) {
        let asked = Asked::of(&method.parse().unwrap(), &uri.parse().unwrap());
        assert_eq!((asked.verb, asked.resource.as_str()), (verb, resource), "{method} {uri}");
    }

    #[test]
    fn requests_are_named_as_the_api_servers_audit_names_them() {
        check("GET", "/api/v1/namespaces/a/pods/b", "get", "pods");
        check("GET", "/api/v1/namespaces/a/pods?limit=500", "list", "pods");
        check("GET", "/api/v1/pods?watch=true&resourceVersion=1", "watch", "pods");
        check("GET", "/apis/apps/v1/statefulsets?labelSelector=a&watch=1", "watch", "statefulsets");
        check("POST", "/apis/apps/v1/namespaces/a/statefulsets?fieldManager=b", "create", "statefulsets");
        check("PATCH", "/apis/a.b/v1/namespaces/c/things/d/status?force=true", "patch", "things/status");
        check("PUT", "/apis/coordination.k8s.io/v1/namespaces/a/leases/b", "update", "leases");
        check("DELETE", "/api/v1/namespaces/a/configmaps/b", "delete", "configmaps");
        check("DELETE", "/api/v1/namespaces/a/configmaps", "deletecollection", "configmaps");
        check("GET", "https://10.0.0.1:6443/api/v1/nodes/a", "get", "nodes");
    }

    #[test]
    fn a_namespace_is_an_object_and_a_place() {
        check("GET", "/api/v1/namespaces", "list", "namespaces");
        check("GET", "/api/v1/namespaces/a", "get", "namespaces");
        check("PATCH", "/api/v1/namespaces/a/status", "patch", "namespaces/status");
        check("GET", "/api/v1/namespaces/status/pods", "list", "pods");
    }

    #[test]
    fn what_is_not_about_resources_is_one_thing() {
        check("GET", "/version", "get", "other");
        check("GET", "/apis", "get", "other");
        check("GET", "/apis/apps/v1", "get", "other");
    }

    #[test]
    fn questions_about_rights_are_harmless_and_other_posts_are_not() {
        let harmless = |method: &str, uri: &str| {
            let method = method.parse().unwrap();
            Asked::of(&method, &uri.parse().unwrap()).is_harmless(&method)
        };
        assert!(harmless("POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"));
        assert!(harmless("POST", "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews"));
        assert!(harmless("GET", "/api/v1/pods"));
        assert!(!harmless("POST", "/api/v1/namespaces/selfsubjectaccessreviews/pods"));
        for method in ["POST", "PUT", "PATCH", "DELETE", "CONNECT", "ANYTHING"] {
            assert!(!harmless(method, "/api/v1/namespaces/a/pods/b"));
        }
    }
}
