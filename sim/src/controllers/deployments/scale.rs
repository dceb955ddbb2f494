//! How many replicas each ReplicaSet of a Deployment is to have: numbers in, numbers
//! out.

use serde_json::Value;

use super::Limits;

/// How many replicas a set has.
#[derive(Clone, Copy, Debug)]
pub(super) struct Counts {
    pub(super) wanted: i64,
    pub(super) available: i64,
}

/// How many replicas a set has, and how many all had at most when it got them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Share {
    pub(super) wanted: i64,
    pub(super) most: Option<i64>,
}

/// A number, or so many per cent of one.
pub(in crate::controllers) fn part_of(given: &Value, whole: i64, up: bool) -> i64 {
    let percent = given.as_str().and_then(|text| text.strip_suffix('%')?.parse::<i64>().ok());
    match percent {
        Some(percent) if up => (percent * whole + 99) / 100,
        Some(percent) => percent * whole / 100,
        None => given.as_i64().unwrap_or_default(),
    }
}

/// The sizes of old sets, the oldest first, after as many pods as may be missing were
/// taken from them: first those that are not available anyway.
pub(super) fn shrunk(old: &[Counts], new: Counts, limits: Limits) -> Vec<i64> {
    let mut sizes: Vec<i64> = old.iter().map(|set| set.wanted).collect();
    let least = limits.replicas - limits.unavailable;
    let all: i64 = sizes.iter().sum::<i64>() + new.wanted;
    let most = all - least - (new.wanted - new.available);
    if sizes.is_empty() || most <= 0 {
        return sizes;
    }
    let mut left = most;
    for (size, set) in sizes.iter_mut().zip(old) {
        let unhealthy = (*size - set.available).clamp(0, left);
        *size -= unhealthy;
        left -= unhealthy;
    }
    let available: i64 = old.iter().map(|set| set.available).sum::<i64>() + new.available;
    let mut left = (available - least).max(0);
    for size in &mut sizes {
        let taken = (*size).min(left);
        *size -= taken;
        left -= taken;
    }
    sizes
}

/// The sizes of sets when the number of replicas has become another one, each in
/// proportion to what it has. All sets are given from the oldest to the newest.
pub(super) fn shares(sets: &[Share], limits: Limits, before: i64) -> Vec<i64> {
    let mut sizes: Vec<i64> = sets.iter().map(|set| set.wanted).collect();
    let allowed = if limits.replicas > 0 { limits.replicas + limits.surge } else { 0 };
    let more = allowed - sizes.iter().sum::<i64>();
    if more == 0 {
        return sizes;
    }
    // The larger first; of equal ones the newer when it grows, the older when it shrinks.
    let mut order: Vec<usize> = (0..sets.len()).collect();
    order.sort_by_key(|at| {
        let position = i64::try_from(*at).unwrap_or(i64::MAX);
        let size = sizes.get(*at).copied().unwrap_or_default();
        (-size, if more > 0 { -position } else { position })
    });
    let mut added = 0;
    for at in &order {
        let Some((size, set)) = sizes.get_mut(*at).zip(sets.get(*at)) else { continue };
        let left = more - added;
        let part = fraction(*set, limits, before);
        let part = if more > 0 { part.min(left) } else { part.max(left) };
        *size += part;
        added += part;
    }
    if let Some(first) = order.first().and_then(|at| sizes.get_mut(*at)) {
        *first = (*first + more - added).max(0);
    }
    sizes
}

/// By how much a set grows or shrinks.
fn fraction(set: Share, limits: Limits, before: i64) -> i64 {
    if limits.replicas == 0 {
        return -set.wanted;
    }
    let before = set.most.filter(|most| *most > 0).unwrap_or(before);
    if before == 0 {
        return 0;
    }
    // Rounded to the nearest.
    let scaled = (2 * set.wanted * (limits.replicas + limits.surge) + before).div_euclid(2 * before);
    scaled - set.wanted
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn limits(replicas: i64, surge: i64, unavailable: i64) -> Limits {
        Limits { replicas, surge, unavailable }
    }

    fn counts(wanted: i64, available: i64) -> Counts {
        Counts { wanted, available }
    }

    #[test]
    fn a_part_is_a_number_or_a_percentage() {
        assert_eq!(part_of(&json!(3), 10, true), 3);
        assert_eq!((part_of(&json!("25%"), 10, true), part_of(&json!("25%"), 10, false)), (3, 2));
        assert_eq!(part_of(&json!("0%"), 10, true), 0);
    }

    #[test]
    fn the_new_set_grows_as_far_as_it_may() {
        assert_eq!(limits(10, 3, 2).grown(0, 10), 3);
        assert_eq!(limits(10, 3, 2).grown(3, 13), 3);
        assert_eq!(limits(10, 3, 2).grown(3, 11), 5);
        assert_eq!(limits(10, 3, 2).grown(9, 9), 10);
        assert_eq!(limits(4, 1, 0).grown(9, 9), 4);
    }

    #[test]
    fn old_sets_lose_what_may_be_missing_and_first_what_is_not_available() {
        assert_eq!(shrunk(&[counts(10, 10)], counts(3, 0), limits(10, 3, 2)), [8]);
        assert_eq!(shrunk(&[counts(8, 8)], counts(5, 5), limits(10, 3, 2)), [3]);
        // Pods that are not available give no room for others.
        assert_eq!(shrunk(&[counts(8, 7)], counts(5, 0), limits(10, 3, 2)), [8]);
        assert_eq!(shrunk(&[counts(8, 4)], counts(5, 4), limits(10, 3, 2)), [4]);
        assert_eq!(shrunk(&[counts(2, 2), counts(3, 3)], counts(5, 5), limits(5, 1, 0)), [0, 0]);
        assert_eq!(shrunk(&[counts(2, 2), counts(3, 3)], counts(1, 1), limits(5, 1, 0)), [1, 3]);
    }

    #[test]
    fn another_number_of_replicas_is_shared_out() {
        let share = |wanted, most| Share { wanted, most };
        let sets = [share(8, Some(13)), share(5, Some(13))];
        assert_eq!(shares(&sets, limits(20, 5, 0), 13), [15, 10]);
        assert_eq!(shares(&sets, limits(5, 2, 0), 13), [4, 3]);
        assert_eq!(shares(&sets, limits(0, 0, 0), 13), [0, 0]);
        assert_eq!(shares(&[share(1, Some(2)), share(1, Some(2))], limits(2, 1, 0), 2), [1, 2]);
    }
}
