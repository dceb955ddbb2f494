//! What the page says.

use std::time::Duration;

use tokio::time::Instant;

use super::*;

fn page(metrics: &Metrics) -> String {
    metrics.encode().unwrap()
}

#[track_caller]
fn check(page: &str, line: &str) {
    assert!(page.lines().any(|found| found == line), "no line {line} in\n{page}");
}

#[test]
fn what_is_counted_is_on_the_page_with_its_operlet() {
    let metrics = Metrics::new();
    let things = metrics.operlet("things");
    things.guest_call("settle", 0.000_03);
    things.guest_call("trap", 0.5);
    things.reconcile("settled", 0.01, 3);
    things.exchange("act", "answered");
    things.applies_made(2);
    metrics.operlet("other").trigger();
    metrics.host().api_request("watch", "operlets");
    things.api_request("patch", "things/status");
    let page = page(&metrics);
    check(&page, r#"operlet_guest_calls_total{operlet="things",result="trap"} 1"#);
    check(&page, r#"operlet_guest_call_duration_seconds_count{operlet="things"} 2"#);
    check(&page, r#"operlet_guest_call_duration_seconds_bucket{le="0.00005",operlet="things"} 1"#);
    check(&page, r#"operlet_reconciles_total{operlet="things",result="settled"} 1"#);
    check(&page, r#"operlet_reconcile_rounds_bucket{le="3.0",operlet="things"} 1"#);
    check(&page, r#"operlet_exchanges_total{operlet="things",effect="act",end="answered"} 1"#);
    check(&page, r#"operlet_applies_total{operlet="things",result="made"} 2"#);
    check(&page, r#"operlet_triggers_total{operlet="other"} 1"#);
    check(&page, r#"operlet_triggers_total{operlet="things"} 0"#);
    check(&page, r#"operlet_api_requests_total{operlet="host",verb="watch",resource="operlets"} 1"#);
    check(&page, r#"operlet_api_requests_total{operlet="things",verb="patch",resource="things/status"} 1"#);
    assert!(page.ends_with("# EOF\n"));
}

#[test]
fn what_belongs_to_an_operlet_goes_with_it_and_does_not_come_back() {
    let metrics = Metrics::new();
    let gone = metrics.operlet("gone");
    gone.guest_call("settle", 0.1);
    gone.live("1.0.0", "sha256:1");
    metrics.operlet("stays").guest_call("settle", 0.1);
    metrics.host().api_request("get", "operlets");
    metrics.remove_operlet("gone");
    metrics.remove_operlet("host");
    gone.guest_call("settle", 0.1);
    let text = page(&metrics);
    assert!(!text.contains("gone"), "{text}");
    check(&text, r#"operlet_guest_calls_total{operlet="stays",result="settle"} 1"#);
    check(&text, r#"operlet_api_requests_total{operlet="host",verb="get",resource="operlets"} 1"#);
    metrics.operlet("gone").guest_call("settle", 0.1);
    check(&page(&metrics), r#"operlet_guest_calls_total{operlet="gone",result="settle"} 1"#);
}

#[test]
fn only_one_component_is_live() {
    let metrics = Metrics::new();
    let things = metrics.operlet("things");
    things.live("1.0.0", "sha256:1");
    things.live("2.0.0", "sha256:2");
    let page = page(&metrics);
    check(&page, r#"operlet_component_info{version="2.0.0",digest="sha256:2",operlet="things"} 1"#);
    assert!(!page.contains("1.0.0"), "{page}");
}

#[test]
fn the_age_of_the_queue_grows_until_it_is_empty() {
    let metrics = Metrics::new();
    let things = metrics.operlet("things");
    let Some(oldest) = Instant::now().checked_sub(Duration::from_secs(90)) else { return };
    things.queue(3, Some(oldest));
    let text = page(&metrics);
    check(&text, r#"operlet_queue_depth{operlet="things"} 3"#);
    assert!(text.contains(r#"operlet_queue_oldest_age_seconds{operlet="things"} 9"#), "{text}");
    things.queue(0, None);
    assert!(!page(&metrics).contains("oldest_age_seconds{"));
}

#[test]
fn the_host_tells_of_its_lease_its_version_and_its_process() {
    let metrics = Metrics::new();
    check(&page(&metrics), "operlet_lease_held 0");
    metrics.lease_held(true);
    metrics.lease_transitions(7);
    let page = page(&metrics);
    check(&page, "operlet_lease_held 1");
    check(&page, "operlet_lease_transitions_total 7");
    check(&page, &format!(r#"operlet_build_info{{version="{}"}} 1"#, env!("CARGO_PKG_VERSION")));
    for name in [
        "process_cpu_seconds_total",
        "process_resident_memory_bytes",
        "process_start_time_seconds",
        "process_open_fds",
    ] {
        assert!(page.lines().any(|line| line.starts_with(&format!("{name} "))), "no {name} in\n{page}");
    }
}

#[test]
fn the_documentation_has_every_metric_and_no_other() {
    let metrics = Metrics::new();
    let _ = metrics.operlet("things");
    let page = page(&metrics);
    let types = page.lines().filter_map(|line| line.strip_prefix("# TYPE "));
    let mut told: Vec<String> = types
        .map(|line| match line.split_once(' ') {
            Some((name, "counter")) => format!("{name}_total"),
            Some((name, "info")) => format!("{name}_info"),
            Some((name, _)) => name.to_owned(),
            None => line.to_owned(),
        })
        .collect();
    told.sort();
    let document = include_str!("../../../docs/operations.md");
    let rows = document.lines().filter_map(|line| line.strip_prefix("| `"));
    let names = rows.filter_map(|row| row.split(['`', '{']).next());
    let mut documented: Vec<String> = names
        .filter(|name| name.starts_with("operlet_") || name.starts_with("process_"))
        .map(str::to_owned)
        .collect();
    documented.sort();
    assert_eq!(documented, told);
}
