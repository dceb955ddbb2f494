//! Rules for the host's modules: which may know which, and who may use what.
//!
//! `main -> run -> controller -> {plan, engine, operlets, exchange} -> model`

use super::Finding;
use super::source::Source;

/// The host's sources.
const HOST: &str = "host/src/";

/// What a module may import of the crate. A module that is not listed may
/// import any but those of `TOP`.
const IMPORTS: [(&str, &[&str]); 8] = [
    ("model", &[]),
    ("plan", &["model"]),
    ("engine", &["model"]),
    ("exchange", &["model"]),
    // It compiles and describes the components that it takes in.
    ("operlets", &["model", "engine"]),
    ("controller", &["model", "plan", "engine", "operlets", "exchange", "lease"]),
    ("lease", &[]),
    ("metrics", &[]),
];

/// The top of the order, and who may import it.
const TOP: [(&str, &[&str]); 3] = [("controller", &["run"]), ("run", &["cli", "main"]), ("cli", &["main"])];

/// Modules beside the pipeline that all but the pure ones may use.
const SHARED: [&str; 2] = ["telemetry", "metrics"];

/// Modules that compute and do nothing else.
const PURE: [&str; 2] = ["model", "plan"];

/// What gives a module a clock, chance or a place to wait.
const IMPURE: [&str; 12] = [
    "async fn",
    "async move",
    "async {",
    ".await",
    "tokio::",
    "futures::",
    "std::time::Instant",
    "SystemTime",
    "Instant::now",
    "Timestamp::now",
    "rand::",
    "getrandom",
];

/// The one module that knows the engine.
const ENGINE: &str = "engine";

/// Modules that talk to the API server. A client is for one identity, so
/// whoever holds one decides on whose behalf something happens.
const CLIENTS: [&str; 4] = ["controller", "operlets", "lease", "run"];

/// Checks one file.
pub(super) fn check(source: &Source) -> Vec<Finding> {
    let Some(module) = module(&source.path) else { return Vec::new() };
    let mut findings = Vec::new();
    let code: Vec<&str> = source.code().map(|(_, code)| code).collect();
    for (line, imported) in imported(&code.join("\n")) {
        findings.extend(forbidden(module, imported).map(|reason| source.finding(line, reason)));
    }
    for (line, code) in source.code() {
        let mut find = |message: String| findings.push(source.finding(line, message));
        if module != ENGINE && uses(code, "wasmtime") {
            find(format!("wasmtime is for {ENGINE}/ alone"));
        }
        if PURE.contains(&module)
            && let Some(impure) = IMPURE.iter().find(|impure| code.contains(**impure))
        {
            find(format!("`{impure}` in {module}/, which neither waits nor reads a clock nor rolls dice"));
        }
    }
    findings.extend(climbing(source, module));
    findings.extend(clients(source, module));
    findings
}

/// The module of the host that a file belongs to.
fn module(path: &str) -> Option<&str> {
    let path = path.strip_prefix(HOST)?;
    path.split('/').next()?.strip_suffix(".rs").or_else(|| path.split('/').next())
}

fn forbidden(module: &str, imported: &str) -> Option<String> {
    if imported == module || module == "lib" || module == "main" {
        return None;
    }
    let importers = TOP.iter().find(|(top, _)| *top == imported);
    if let Some((_, importers)) = importers
        && !importers.contains(&module)
    {
        return Some(format!("{module} imports {imported}, which only {} may", importers.join(" and ")));
    }
    let (_, allowed) = IMPORTS.iter().find(|(listed, _)| *listed == module)?;
    let shared = SHARED.contains(&imported) && !PURE.contains(&module);
    let only = if allowed.is_empty() { "nothing".to_owned() } else { allowed.join(", ") };
    (!shared && !allowed.contains(&imported))
        .then(|| format!("{module} imports {imported}; of the crate it may import {only}"))
}

/// The top modules of the crate that some code names, with the lines where it does.
fn imported(code: &str) -> Vec<(usize, &str)> {
    let mut names = Vec::new();
    for (at, prefix) in code.match_indices("crate::").filter(|(at, _)| !preceded_by_word(code, *at)) {
        let from = at + prefix.len();
        let rest = code.get(from..).unwrap_or_default();
        match rest.strip_prefix('{') {
            Some(group) => {
                names.extend(group_heads(group).into_iter().map(|(head, name)| (from + 1 + head, name)))
            }
            None => names.push((from, word(rest))),
        }
    }
    names.retain(|(_, name)| name.starts_with(|first: char| first.is_ascii_lowercase()));
    let line = |at| code.get(..at).map_or(0, |before| 1 + before.matches('\n').count());
    names.into_iter().map(|(at, name)| (line(at), name)).collect()
}

/// The first segments of a braced group, with their places:
/// `model::{A, B}, engine` gives `model` and `engine`.
fn group_heads(group: &str) -> Vec<(usize, &str)> {
    let (mut heads, mut depth, mut expected) = (Vec::new(), 0_usize, true);
    for (at, character) in group.char_indices() {
        match character {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => expected = true,
            _ if expected && !character.is_whitespace() => {
                heads.push((at, word(group.get(at..).unwrap_or_default())));
                expected = false;
            }
            _ => {}
        }
    }
    heads
}

/// A path that climbs out of its module would hide what it imports.
fn climbing(source: &Source, module: &str) -> Vec<Finding> {
    let file = source.path.strip_prefix(HOST).unwrap_or_default();
    // From a file in n directories, n + 1 times `super` is the root of the
    // crate; `mod.rs` is its directory, and tests are one level further down.
    let depth = file.matches('/').count() - usize::from(file.ends_with("/mod.rs"));
    let tests =
        source.code().find(|(_, code)| code.contains("mod tests {")).map_or(usize::MAX, |(line, _)| line);
    let climbs = |line: usize| "super::".repeat(depth + 1 + usize::from(line >= tests));
    let found = source.code().filter(|(line, code)| code.contains(&climbs(*line)));
    found.map(|(line, _)| source.finding(line, format!("`super` leaves {module}: say `crate::`"))).collect()
}

fn clients(source: &Source, module: &str) -> Vec<Finding> {
    if CLIENTS.contains(&module) {
        return Vec::new();
    }
    let mut findings = Vec::new();
    let mut importing = false;
    for (line, code) in source.code() {
        importing |= code.trim_start().trim_start_matches("pub ").starts_with("use kube::");
        let imports = importing && words(code).any(|word| word == "Client");
        if imports || code.contains("kube::Client") || code.contains("kube::client::Client") {
            findings
                .push(source.finding(line, format!("a kube::Client in {module}: only {CLIENTS:?} hold one")));
        }
        importing &= !code.contains(';');
    }
    findings
}

fn uses(code: &str, name: &str) -> bool {
    let path = format!("{name}::");
    code.match_indices(&path).any(|(at, _)| !preceded_by_word(code, at))
}

fn preceded_by_word(code: &str, at: usize) -> bool {
    let before = code.get(..at).and_then(|text| text.chars().next_back());
    before.is_some_and(|character| character.is_alphanumeric() || character == '_')
}

fn word(text: &str) -> &str {
    words(text).next().unwrap_or_default()
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|character: char| !character.is_alphanumeric() && character != '_')
        .filter(|word| !word.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(path: &str, text: &str) -> Vec<String> {
        let source = Source { path: format!("{HOST}{path}"), text: text.to_owned() };
        super::check(&source).iter().map(|finding| finding.message.clone()).collect()
    }

    #[test]
    fn a_lower_module_may_not_import_a_higher_one() {
        assert_eq!(check("plan/order.rs", "use crate::model::Key;"), [""; 0]);
        assert_eq!(check("plan/order.rs", "use crate::engine::Call;").len(), 1);
        assert_eq!(check("model/key.rs", "fn f(x: crate::plan::Plan) {}").len(), 1);
        assert_eq!(check("admin.rs", "use crate::controller::Run;").len(), 1);
        assert_eq!(check("run.rs", "use crate::controller::Run;"), [""; 0]);
    }

    #[test]
    fn a_group_of_imports_is_seen_as_its_parts() {
        let group = "use crate::{model::{A, B},\n    engine, plan::order::C};";
        assert_eq!(imported(group), [(1, "model"), (2, "engine"), (2, "plan")]);
        assert_eq!(check("engine/mod.rs", "use crate::{model::A, operlets::B};").len(), 1);
    }

    #[test]
    fn only_the_engine_knows_its_engine() {
        assert_eq!(check("engine/invoke.rs", "use wasmtime::Store;"), [""; 0]);
        assert_eq!(check("operlets/load.rs", "use wasmtime::Store;"), ["wasmtime is for engine/ alone"]);
        assert_eq!(check("operlets/load.rs", "// wasmtime::Store"), [""; 0]);
    }

    #[test]
    fn a_client_is_held_only_where_identity_is_decided() {
        assert_eq!(check("run.rs", "use kube::{Api, Client};"), [""; 0]);
        assert_eq!(check("exchange/dial.rs", "use kube::{\n    Api,\n    Client,\n};").len(), 1);
        assert_eq!(check("exchange/dial.rs", "use kube::{\n    Api,\n};\nstruct Client;"), [""; 0]);
    }

    #[test]
    fn pure_modules_neither_wait_nor_read_a_clock() {
        assert_eq!(check("plan/mod.rs", "async fn f() {}").len(), 1);
        assert_eq!(check("model/mod.rs", "let now = Timestamp::now();").len(), 1);
        assert_eq!(check("controller/mod.rs", "async fn f() {}"), [""; 0]);
    }

    #[test]
    fn climbing_out_of_a_module_is_seen() {
        assert_eq!(check("plan/order.rs", "use super::Plan;"), [""; 0]);
        assert_eq!(check("plan/order.rs", "mod tests { use super::super::Plan; }"), [""; 0]);
        assert_eq!(check("plan/order.rs", "use super::super::engine;").len(), 1);
        assert_eq!(check("plan/mod.rs", "use super::engine;").len(), 1);
        assert_eq!(check("plan/mod.rs", "mod tests {\n    use super::*;\n}"), [""; 0]);
    }
}
