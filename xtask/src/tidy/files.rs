//! Rules for any file: its length, its attributes, its words.

use super::Finding;
use super::source::Source;

/// A reader should hold a file in mind.
const LINES_MAX: usize = 800;

/// Where the code is for any operlet, so that the first one must not be named.
const GENERIC: [&str; 4] = ["host/", "wit/", "guest-sdk/", "sim/src/"];

/// Models of applications that the simulation runs: they may be of one.
const MODELS: &str = "sim/src/models/";

/// Directories that exist on somebody's machine, and nowhere else.
const PERSONAL: [&str; 4] = ["home", "root", "Users", "work"];

/// Checks one file.
pub(super) fn check(source: &Source) -> Vec<Finding> {
    let mut findings = length(source);
    findings.extend(first_operlet(source));
    findings.extend(personal_paths(source));
    findings.extend(reasons(source));
    findings
}

fn length(source: &Source) -> Vec<Finding> {
    let code = [".rs", ".go", ".sh", ".py"].iter().any(|kind| source.path.ends_with(kind));
    let lines = source.text.lines().count();
    if !code || lines <= LINES_MAX {
        return Vec::new();
    }
    vec![source.finding(lines, format!("{lines} lines, more than {LINES_MAX}: split it by concept"))]
}

fn first_operlet(source: &Source) -> Vec<Finding> {
    let generic =
        GENERIC.iter().any(|place| source.path.starts_with(place)) && !source.path.starts_with(MODELS);
    // Written in two parts, this file may itself be generic one day.
    let word = concat!("re", "dis");
    let named = source.lines().filter(|(_, line)| generic && line.to_ascii_lowercase().contains(word));
    named
        .map(|(line, _)| source.finding(line, format!("the word {word} in what serves any operlet")))
        .collect()
}

fn personal_paths(source: &Source) -> Vec<Finding> {
    let lock = source.path.ends_with(".lock") || source.path.ends_with(".sum");
    let lines = source.lines().filter(|_| !lock);
    let found =
        lines.filter_map(|(number, line)| Some((number, PERSONAL.iter().find(|name| names(line, name))?)));
    found
        .map(|(line, name)| source.finding(line, format!("a path below /{name}, which is one machine's")))
        .collect()
}

/// Whether the line has an absolute path that begins with this directory.
fn names(line: &str, directory: &str) -> bool {
    let needle = format!("/{directory}/");
    line.match_indices(&needle).any(|(at, _)| {
        let before = line.get(..at).and_then(|text| text.chars().next_back());
        !before.is_some_and(|character| character.is_alphanumeric() || "._-/}~$)".contains(character))
    })
}

fn reasons(source: &Source) -> Vec<Finding> {
    if !source.is_rust() {
        return Vec::new();
    }
    let openings = [concat!("[", "allow("), concat!("[", "expect(")];
    let opened = source.code().filter(|(_, line)| openings.iter().any(|opening| line.contains(opening)));
    let unexplained = opened.filter(|(number, _)| !attribute(source, *number).contains("reason"));
    unexplained.map(|(line, _)| source.finding(line, "an allowed lint without a reason")).collect()
}

/// The attribute that begins on this line, which may go on over some more.
fn attribute(source: &Source, line: usize) -> String {
    let mut text = String::new();
    for (_, part) in source.lines().skip(line.saturating_sub(1)) {
        text += part;
        if part.contains(")]") {
            break;
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(path: &str, text: &str) -> Vec<String> {
        let source = Source { path: path.to_owned(), text: text.to_owned() };
        super::check(&source).iter().map(Finding::to_string).collect()
    }

    #[test]
    fn a_long_file_is_found() {
        assert_eq!(check("a.rs", &"\n".repeat(LINES_MAX)), [""; 0]);
        assert_eq!(
            check("a.rs", &"\n".repeat(LINES_MAX + 1)),
            ["a.rs:801: 801 lines, more than 800: split it by concept"]
        );
        assert_eq!(check("a.json", &"\n".repeat(LINES_MAX + 1)), [""; 0]);
    }

    #[test]
    fn the_first_operlet_is_named_only_where_it_may_be() {
        let text = concat!("\n// for Re", "dis");
        assert_eq!(check("host/src/a.rs", text).len(), 1);
        assert_eq!(check("guest-redis/src/a.rs", text), [""; 0]);
        assert_eq!(check("sim/src/models/a.rs", text), [""; 0]);
    }

    #[test]
    fn paths_of_one_machine_are_found() {
        assert_eq!(
            check("a.md", &format!("see `/{}/me/x`", "home")),
            ["a.md:1: a path below /home, which is one machine's"]
        );
        assert_eq!(check("a.md", &format!("https://host/{0}/x {{root}}/{0}/y ./{0}/z", "home")), [""; 0]);
    }

    #[test]
    fn an_allowed_lint_needs_a_reason() {
        let opening = concat!("#[", "allow(");
        assert_eq!(check("a.rs", &format!("{opening}dead_code)]")).len(), 1);
        assert_eq!(check("a.rs", &format!("{opening}\n    dead_code,\n    reason = \"why\"\n)]")), [""; 0]);
    }
}
