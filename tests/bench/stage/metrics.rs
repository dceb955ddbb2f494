//! What the host counts, as it tells it in the text form of Prometheus.

use std::collections::BTreeMap;

/// Values by series, a series as it is written: `name{label="value",...}`.
#[derive(Clone, Debug, Default)]
pub(crate) struct Metrics {
    series: BTreeMap<String, f64>,
}

impl Metrics {
    pub(crate) fn parse(text: &str) -> Self {
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        let series = lines.filter_map(|line| {
            let (series, value) = line.rsplit_once(' ')?;
            Some((series.to_owned(), value.parse().ok()?))
        });
        Self { series: series.collect() }
    }

    /// How much each series grew; those that did not are left out.
    pub(crate) fn since(&self, before: &Self) -> BTreeMap<String, f64> {
        let grown = self.series.iter().map(|(series, value)| {
            (series.clone(), value - before.series.get(series).copied().unwrap_or_default())
        });
        grown.filter(|(_, grown)| *grown != 0.0).collect()
    }

    /// The sum of all series of a name with this label.
    pub(crate) fn sum(series: &BTreeMap<String, f64>, name: &str, label: &str) -> f64 {
        let of_name = |series: &str| {
            series.strip_prefix(name).is_some_and(|labels| labels.is_empty() || labels.starts_with('{'))
        };
        series
            .iter()
            .filter(|(series, _)| of_name(series) && series.contains(label))
            .map(|(_, value)| value)
            .sum()
    }
}
