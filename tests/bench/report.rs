//! Samples to a table: medians, spread, and the ratio of medians to dulse's.

use std::time::Duration;

/// One case's contenders and what was measured of each.
pub struct Table {
    title: String,
    unit: &'static str,
    rows: Vec<Row>,
}

struct Row {
    name: String,
    samples: Vec<f64>,
}

impl Table {
    /// A table of durations, in milliseconds.
    pub fn times(title: &str) -> Self {
        Self { title: title.into(), unit: "ms", rows: Vec::new() }
    }

    /// A table of sizes, in KiB.
    pub fn sizes(title: &str) -> Self {
        Self { title: title.into(), unit: "KiB", rows: Vec::new() }
    }

    pub fn duration(&mut self, name: &str, sample: Duration) {
        self.add(name, sample.as_secs_f64() * 1000.0);
    }

    pub fn add(&mut self, name: &str, sample: f64) {
        match self.rows.iter_mut().find(|row| row.name == name) {
            Some(row) => row.samples.push(sample),
            None => self.rows.push(Row { name: name.into(), samples: vec![sample] }),
        }
    }

    /// The table in Markdown; the last column says how many times dulse's median the row's is.
    pub fn markdown(&self) -> String {
        let mut text =
            format!("### {}\n\n| | median {} | least | rounds | times dulse |\n|---|---:|---:|---:|---:|\n", self.title, self.unit);
        let own = self.rows.iter().find(|row| row.name.starts_with("dulse")).map(Row::median);
        for row in &self.rows {
            let ratio = own.map_or_else(String::new, |own| format!("{:.2}", row.median() / own));
            let least = row.samples.iter().copied().fold(f64::INFINITY, f64::min);
            text += &format!("| {} | {:.2} | {least:.2} | {} | {ratio} |\n", row.name, row.median(), row.samples.len());
        }
        text
    }
}

impl Row {
    fn median(&self) -> f64 {
        let mut sorted = self.samples.clone();
        sorted.sort_by(f64::total_cmp);
        let middle = sorted.len() / 2;
        if sorted.len().is_multiple_of(2) { (sorted[middle - 1] + sorted[middle]) / 2.0 } else { sorted[middle] }
    }
}
