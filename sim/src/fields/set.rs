//! Sets of paths to fields.

use std::collections::BTreeMap;

use super::element::Element;

/// A set of paths, as a tree: each node says whether the path to it is a member.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Set(BTreeMap<Element, Node>);

/// What a set knows of a path and of all that go on from it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Node {
    /// Whether the path itself is in the set.
    pub(crate) member: bool,
    /// What is below it.
    pub(crate) below: Set,
}

impl Node {
    /// The path itself and nothing below it.
    pub(crate) fn leaf() -> Self {
        Self { member: true, below: Set::default() }
    }

    pub(crate) fn is_empty(&self) -> bool {
        !self.member && self.below.is_empty()
    }
}

impl Set {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Puts in what is known of a step, unless it is nothing.
    pub(crate) fn insert(&mut self, element: Element, node: Node) {
        if !node.is_empty() {
            self.0.insert(element, node);
        }
    }

    pub(crate) fn get(&self, element: &Element) -> Option<&Node> {
        self.0.get(element)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&Element, &Node)> {
        self.0.iter()
    }

    /// The set of these paths.
    pub(crate) fn of(paths: &[&[&str]]) -> Self {
        let mut set = Self::default();
        for path in paths {
            set.insert_path(path);
        }
        set
    }

    fn insert_path(&mut self, path: &[&str]) {
        let Some((first, rest)) = path.split_first() else { return };
        let node = self.0.entry(Element::field(first)).or_default();
        if rest.is_empty() {
            node.member = true;
        } else {
            node.below.insert_path(rest);
        }
    }

    pub(crate) fn union(mut self, other: &Self) -> Self {
        for (element, theirs) in &other.0 {
            let node = self.0.entry(element.clone()).or_default();
            node.member |= theirs.member;
            node.below = std::mem::take(&mut node.below).union(&theirs.below);
        }
        self
    }

    /// Whether a member of this one is in the other.
    pub(crate) fn meets(&self, other: &Self) -> bool {
        self.0.iter().any(|(element, mine)| {
            let theirs = other.get(element);
            theirs.is_some_and(|theirs| mine.member && theirs.member || mine.below.meets(&theirs.below))
        })
    }

    pub(crate) fn intersection(&self, other: &Self) -> Self {
        self.combine(|element, mine| {
            let theirs = other.get(element)?;
            Some((mine.member && theirs.member, mine.below.intersection(&theirs.below)))
        })
    }

    /// What is in this one and not in the other.
    pub(crate) fn difference(&self, other: &Self) -> Self {
        self.combine(|element, mine| match other.get(element) {
            None => Some((mine.member, mine.below.clone())),
            Some(theirs) => Some((mine.member && !theirs.member, mine.below.difference(&theirs.below))),
        })
    }

    /// What of it begins with this field.
    pub(crate) fn only(&self, field: &str) -> Self {
        let element = Element::field(field);
        let node = self.get(&element).cloned().unwrap_or_default();
        let mut set = Self::default();
        set.insert(element, node);
        set
    }

    /// All of it but what begins with this field.
    pub(crate) fn without(mut self, field: &str) -> Self {
        self.0.remove(&Element::field(field));
        self
    }

    fn combine(&self, of: impl Fn(&Element, &Node) -> Option<(bool, Self)>) -> Self {
        let mut set = Self::default();
        for (element, mine) in &self.0 {
            if let Some((member, below)) = of(element, mine) {
                set.insert(element.clone(), Node { member, below });
            }
        }
        set
    }

    /// Every member, as error messages write a path.
    pub(crate) fn shown(&self) -> Vec<String> {
        let mut all = Vec::new();
        self.show_into("", &mut all);
        all
    }

    fn show_into(&self, before: &str, all: &mut Vec<String>) {
        for (element, node) in &self.0 {
            let path = format!("{before}{}", element.shown());
            if node.member {
                all.push(path.clone());
            }
            node.below.show_into(&path, all);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(set: &Set, expected: &[&str]) {
        assert_eq!(set.shown(), expected);
    }

    #[test]
    fn sets_are_combined_path_by_path() {
        let a = Set::of(&[&["spec", "a"], &["spec", "b", "c"], &["data"]]);
        let b = Set::of(&[&["spec", "b", "c"], &["spec", "b"], &["status"]]);
        check(&a.clone().union(&b), &[".data", ".spec.a", ".spec.b", ".spec.b.c", ".status"]);
        check(&a.intersection(&b), &[".spec.b.c"]);
        assert!(a.meets(&b) && !a.meets(&b.clone().without("spec")));
        check(&a.difference(&b), &[".data", ".spec.a"]);
        check(&b.difference(&a), &[".spec.b", ".status"]);
        check(&b.only("spec"), &[".spec.b", ".spec.b.c"]);
        check(&b.without("spec"), &[".status"]);
    }

    #[test]
    fn nothing_is_left_of_a_set_without_members() {
        let a = Set::of(&[&["spec", "a"]]);
        assert!(a.difference(&a).is_empty());
        assert!(a.intersection(&Set::default()).is_empty());
    }
}
