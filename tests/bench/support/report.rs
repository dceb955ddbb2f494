//! What a benchmark says when it is over: a table for people, and one line of JSON
//! for programs.

/// The figures of one benchmark, in the order in which they were found.
pub(crate) struct Report {
    bench: &'static str,
    figures: Vec<Figure>,
}

struct Figure {
    key: &'static str,
    what: &'static str,
    value: f64,
    bound: Option<f64>,
}

impl Report {
    pub(crate) fn new(bench: &'static str) -> Self {
        Self { bench, figures: Vec::new() }
    }

    /// A figure under its key in the JSON.
    pub(crate) fn figure(&mut self, key: &'static str, what: &'static str, value: f64) {
        self.figures.push(Figure { key, what, value, bound: None });
    }

    /// A figure that should not exceed a bound.
    pub(crate) fn bounded(&mut self, key: &'static str, what: &'static str, value: f64, bound: f64) {
        self.figures.push(Figure { key, what, value, bound: Some(bound) });
    }

    /// Prints all of it.
    pub(crate) fn print(&self) {
        let widest = |text: fn(&Figure) -> usize| self.figures.iter().map(text).max().unwrap_or_default();
        let (what, key) = (widest(|figure| figure.what.len()), widest(|figure| figure.key.len()));
        println!("\n{:<what$}  {:<key$}  {:>12}  {:>8}", "what", "key", "measured", "bound");
        for figure in &self.figures {
            let bound = match figure.bound {
                Some(bound) if figure.value > bound => format!("{bound} MISSED"),
                Some(bound) => bound.to_string(),
                None => String::new(),
            };
            let value = rounded(figure.value);
            println!("{:<what$}  {:<key$}  {value:>12}  {bound:>8}", figure.what, figure.key);
        }
        let figures = self.figures.iter();
        let figures: String =
            figures.map(|figure| format!(",\"{}\":{}", figure.key, rounded(figure.value))).collect();
        println!("\n{{\"bench\":\"{}\"{figures}}}", self.bench);
    }
}

fn rounded(value: f64) -> f64 {
    (value * 1000.0).round() / 1000.0
}
