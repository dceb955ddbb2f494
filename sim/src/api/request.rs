//! What a request asks for, read from its method, path, query and headers.

use http::{Method, Uri, header::HeaderMap};

use super::error::Refusal;

/// What is asked, about what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Asked {
    pub(crate) path: Path,
    pub(crate) options: Options,
    /// Who asks.
    pub(crate) user: String,
    /// Who asks in the name of that user, if it is another one.
    pub(crate) impersonated_by: Option<String>,
}

/// Where a request goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Path {
    /// `/api`, `/apis` or `/version`.
    Root(String),
    /// The kinds of a group and version.
    Group { group: String, version: String },
    /// Objects.
    Objects(Target),
}

/// Objects of a kind, or one of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Target {
    pub(crate) group: String,
    pub(crate) version: String,
    pub(crate) plural: String,
    pub(crate) namespace: Option<String>,
    pub(crate) name: Option<String>,
    pub(crate) subresource: Option<String>,
}

/// What a query may say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Options {
    pub(crate) watch: bool,
    pub(crate) resource_version: Option<String>,
    pub(crate) exact_version: bool,
    pub(crate) label_selector: String,
    pub(crate) field_selector: String,
    pub(crate) limit: usize,
    pub(crate) continue_from: Option<String>,
    pub(crate) timeout_seconds: Option<u64>,
    pub(crate) bookmarks: bool,
    pub(crate) initial_events: bool,
    pub(crate) dry_run: bool,
    pub(crate) force: bool,
    pub(crate) field_manager: Option<String>,

    pub(crate) propagation: Option<String>,
    pub(crate) grace_seconds: Option<i64>,
    /// Whether only metadata is wanted.
    pub(crate) metadata_only: bool,
}

impl Asked {
    /// Reads a request.
    pub(crate) fn read(method: &Method, uri: &Uri, headers: &HeaderMap, user: &str) -> Result<Self, Refusal> {
        let segments: Vec<&str> = uri.path().split('/').filter(|segment| !segment.is_empty()).collect();
        let path = path(&segments)?;
        let mut options = options(uri.query().unwrap_or_default())?;
        let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        options.metadata_only =
            header("accept").is_some_and(|accept| accept.contains("as=PartialObjectMetadata"));
        let applies = header("content-type").is_some_and(|content| content.contains("apply-patch"));
        if options.field_manager.is_none() && *method != Method::GET && !applies {
            // As the API server does: what the client calls itself, up to a slash.
            let agent = header("user-agent").unwrap_or("unknown");
            options.field_manager = agent.split('/').next().map(str::to_owned);
        }
        let (user, impersonated_by) = match header("impersonate-user") {
            Some(other) => (other.to_owned(), Some(user.to_owned())),
            None => (user.to_owned(), None),
        };
        Ok(Self { path, options, user, impersonated_by })
    }
}

fn path(segments: &[&str]) -> Result<Path, Refusal> {
    let (group, version, rest) = match segments {
        ["api"] | ["apis"] | ["version"] => return Ok(Path::Root(segments.concat())),
        ["api", version, rest @ ..] => ("", *version, rest),
        ["apis", group, version, rest @ ..] => (*group, *version, rest),
        _ => return Err(Refusal::unknown_path()),
    };
    let (group, version) = (group.to_owned(), version.to_owned());
    let new = |namespace: Option<&str>, plural: &str, name: Option<&str>, subresource: Option<&str>| {
        let owned = |text: Option<&str>| text.map(str::to_owned);
        Path::Objects(Target {
            group: group.clone(),
            version: version.clone(),
            plural: plural.to_owned(),
            namespace: owned(namespace),
            name: owned(name),
            subresource: owned(subresource),
        })
    };
    Ok(match rest {
        [] => Path::Group { group, version },
        ["namespaces", name, subresource @ ("status" | "finalize")] => {
            new(None, "namespaces", Some(name), Some(subresource))
        }
        ["namespaces", namespace, plural, name, subresource] => {
            new(Some(namespace), plural, Some(name), Some(subresource))
        }
        ["namespaces", namespace, plural, name] => new(Some(namespace), plural, Some(name), None),
        ["namespaces", namespace, plural] => new(Some(namespace), plural, None, None),
        [plural, name, subresource] => new(None, plural, Some(name), Some(subresource)),
        [plural, name] => new(None, plural, Some(name), None),
        [plural] => new(None, plural, None, None),
        _ => return Err(Refusal::unknown_path()),
    })
}

fn options(query: &str) -> Result<Options, Refusal> {
    let mut options = Options::default();
    for (key, value) in form_urlencoded::parse(query.as_bytes()) {
        let yes = value == "true" || value == "1";
        let number = || {
            value
                .parse()
                .map_err(|_| Refusal::bad_request(format!("invalid value {value:?} of {key}: not a number")))
        };
        match key.as_ref() {
            "watch" => options.watch = yes,
            "resourceVersion" => {
                options.resource_version = Some(value.into_owned()).filter(|text| !text.is_empty())
            }
            "resourceVersionMatch" => options.exact_version = value == "Exact",
            "labelSelector" => options.label_selector = value.into_owned(),
            "fieldSelector" => options.field_selector = value.into_owned(),
            "limit" => options.limit = usize::try_from(number()?).unwrap_or_default(),
            "continue" => options.continue_from = Some(value.into_owned()).filter(|text| !text.is_empty()),
            "timeoutSeconds" => options.timeout_seconds = Some(number()?),
            "allowWatchBookmarks" => options.bookmarks = yes,
            "sendInitialEvents" => options.initial_events = yes,
            "dryRun" if value == "All" => options.dry_run = true,
            "dryRun" => return Err(Refusal::bad_request(format!("invalid dry run: {value:?}"))),
            "force" => options.force = yes,
            "fieldManager" => {
                options.field_manager = Some(value.into_owned()).filter(|text| !text.is_empty())
            }

            "propagationPolicy" => options.propagation = Some(value.into_owned()),
            "gracePeriodSeconds" => options.grace_seconds = value.parse().ok(),
            _ => {}
        }
    }
    Ok(options)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(uri: &str) -> Target {
        let asked = Asked::read(&Method::GET, &uri.parse().unwrap(), &HeaderMap::new(), "me").unwrap();
        let Path::Objects(target) = asked.path else { panic!("{uri} is about objects") };
        target
    }

    #[test]
    fn a_path_says_what_it_is_about() {
        let status = target("/apis/apps/v1/namespaces/a/statefulsets/b/status");
        assert_eq!((status.group.as_str(), status.plural.as_str()), ("apps", "statefulsets"));
        assert_eq!((status.namespace.as_deref(), status.name.as_deref()), (Some("a"), Some("b")));
        assert_eq!(status.subresource.as_deref(), Some("status"));
        assert_eq!(target("/api/v1/namespaces/a").name.as_deref(), Some("a"));
        assert_eq!(target("/api/v1/namespaces/a/status").subresource.as_deref(), Some("status"));
        assert_eq!(target("/api/v1/pods").namespace, None);
        assert_eq!(target("/api/v1/nodes/a").name.as_deref(), Some("a"));
    }

    #[test]
    fn a_query_says_how() {
        let uri =
            "/api/v1/pods?watch=true&labelSelector=a%3Db%2Cc&resourceVersion=7&limit=3".parse().unwrap();
        let options = Asked::read(&Method::GET, &uri, &HeaderMap::new(), "me").unwrap().options;
        assert!(options.watch);
        assert_eq!(options.label_selector, "a=b,c");
        assert_eq!(options.resource_version.as_deref(), Some("7"));
        assert_eq!(options.limit, 3);
    }
}
