//! A monitor as the drift pane shows it: its windows, one window's columns with their history, and a sentence.

use super::Monitoring;
use crate::domain::drift::{
    ColumnDrift, DriftDetail, DriftPage, DriftReport, DriftRow, DriftVerdict, Reference, WindowRow,
};
use crate::domain::{Error, Result, Timestamp};
use crate::service::{Services, inputs};
use crate::store::drift as rows;
use std::sync::Arc;

impl Monitoring {
    /// The drift pane; none without monitors. `against` none: the training of the version that answered.
    pub fn page(
        &self,
        services: &Services,
        monitor: Option<&str>,
        report: Option<i64>,
        against: Option<&Reference>,
    ) -> Result<Option<DriftPage>> {
        let config = self.core.config();
        let monitors: Vec<String> = config.monitors.iter().map(|one| one.name.clone()).collect();
        let shown = match monitor {
            Some(name) => self.config(name)?,
            None => match config.monitors.first() {
                Some(first) => first.clone(),
                None => return Ok(None),
            },
        };
        let reports = self.reports(&shown.name)?;
        let report = match report {
            Some(id) => Some(reports.iter().find(|one| one.id == id).ok_or_else(|| {
                Error::not_found(format!("monitor `{}` has no report `{id}`", shown.name))
            })?),
            None => reports.last(),
        };
        let references = match report {
            Some(report) => self.references(&reports, report)?,
            None => Vec::new(),
        };
        // a reference is held on to while windows change; where it cannot be, the window's own is
        let against = against.filter(|wanted| references.iter().any(|(one, _)| one == *wanted));
        let other = match (report, against) {
            (Some(report), Some(against)) => {
                let said = self.named(&report.reference.0, &reports, against);
                Some((self.against(services, report, against)?, said))
            }
            _ => None,
        };
        if let Some((report, said)) = other {
            let mut windows: Vec<WindowRow> = reports.iter().map(window).collect();
            if let Some(shown) = windows.iter_mut().find(|one| one.id == report.id) {
                (shown.verdict, shown.drifted) = (report.verdict, report.drifted);
                shown.of = report.columns.len() as u64;
            }
            return Ok(Some(DriftPage {
                monitors,
                monitor: shown.name.clone(),
                deployment: shown.deployment.clone(),
                windows,
                shown: Some(report.id),
                // scores before were against other references: only this window's is told
                rows: table(std::slice::from_ref(&*report), &report),
                since: None,
                sentence: sentence_against(&report, &said),
                reference: said,
                references,
                against: against.cloned(),
            }));
        }
        Ok(Some(DriftPage {
            references,
            against: None,
            monitors,
            monitor: shown.name.clone(),
            deployment: shown.deployment.clone(),
            reference: report.map_or_else(String::new, |report| {
                format!("training of {}", report.reference.1)
            }),
            windows: reports.iter().map(window).collect(),
            shown: report.map(|report| report.id),
            rows: report.map_or_else(Vec::new, |report| table(&reports, report)),
            since: report.and_then(|report| since(&reports, report)),
            sentence: report.map_or_else(
                || format!("no window of `{}` has been looked at yet", shown.name),
                |report| sentence(&reports, report),
            ),
        }))
    }

    /// One column of one window, `against` the training of the version that answered (none) or something else.
    pub fn column(
        &self,
        services: &Services,
        report: i64,
        column: &str,
        against: Option<&Reference>,
    ) -> Result<DriftDetail> {
        let found = self
            .core
            .store
            .read(|connection| rows::report(connection, report))?
            .ok_or_else(|| Error::not_found(format!("there is no drift report `{report}`")))?;
        let found = match against {
            Some(against) => self.against(services, &found, against)?,
            None => Arc::new(found),
        };
        let column = found
            .columns
            .iter()
            .find(|one| one.column == column)
            .cloned()
            .ok_or_else(|| {
                Error::not_found(format!("drift report `{report}` has no column `{column}`"))
            })?;
        Ok(DriftDetail {
            report,
            label: found.label.clone(),
            samples: samples(&column),
            column,
        })
    }
}

fn window(report: &DriftReport) -> WindowRow {
    WindowRow {
        id: report.id,
        label: report.label.clone(),
        from: report.from,
        to: report.to,
        rows: report.rows,
        version: Some(report.reference.1),
        drifted: report.drifted,
        of: report.columns.len() as u64,
        performance: report.performance.clone(),
        verdict: report.verdict,
    }
}

/// The table of a window, each line with the scores of the windows up to it.
fn table(reports: &[DriftReport], shown: &DriftReport) -> Vec<DriftRow> {
    let until: Vec<&DriftReport> = reports
        .iter()
        .take_while(|one| one.to <= shown.to)
        .collect();
    shown
        .columns
        .iter()
        .map(|column| {
            let deciding = column.tests.first();
            let method = deciding.map_or("", |test| test.method.as_str());
            DriftRow {
                column: column.column.clone(),
                method: method.to_owned(),
                score: deciding.and_then(|test| test.value),
                p_value: deciding.and_then(|test| test.p_value),
                limit: deciding.map_or(0.0, |test| test.threshold),
                verdict: column.verdict,
                history: until
                    .iter()
                    .map(|report| {
                        report
                            .columns
                            .iter()
                            .find(|one| one.column == column.column)?
                            .tests
                            .iter()
                            .find(|test| test.method == method)?
                            .value
                    })
                    .collect(),
            }
        })
        .collect()
}

/// The start of the first of the windows that drift without a break up to `shown`.
fn since(reports: &[DriftReport], shown: &DriftReport) -> Option<Timestamp> {
    reports
        .iter()
        .rev()
        .skip_while(|one| one.id != shown.id)
        .take_while(|one| one.verdict == DriftVerdict::Drift)
        .last()
        .map(|one| one.from)
}

/// "2 of 14 drift against 2013-03 as served; dep_delay median 14 → 22".
fn sentence_against(shown: &DriftReport, reference: &str) -> String {
    let own = sentence(&[], shown);
    match shown.verdict {
        DriftVerdict::Drift => own.replacen(" drift", &format!(" drift against {reference}"), 1),
        DriftVerdict::Stable => format!("{own} against {reference}"),
        DriftVerdict::NoData | DriftVerdict::TooFew => own,
    }
}

/// "2 of 14 drift since 20 Nov; dep_delay median 14 → 22".
pub(super) fn sentence(reports: &[DriftReport], shown: &DriftReport) -> String {
    let of = shown.columns.len();
    match shown.verdict {
        DriftVerdict::NoData => format!("nothing was served in {}", shown.label),
        DriftVerdict::TooFew => {
            format!(
                "{} rows in {} are too few for a verdict",
                shown.rows, shown.label
            )
        }
        DriftVerdict::Stable => format!("0 of {of} drift in {}", shown.label),
        DriftVerdict::Drift => {
            let mut text = format!("{} of {of} drift", shown.drifted);
            if let Some(since) = since(reports, shown) {
                text.push_str(&since.utc().format(" since %-d %b").to_string());
            }
            let worst = shown
                .columns
                .iter()
                .find(|column| column.verdict == DriftVerdict::Drift);
            if let Some(worst) = worst {
                text.push_str("; ");
                text.push_str(&worst.column);
                if let Some(change) = worst.changes.first() {
                    text.push(' ');
                    text.push_str(change);
                }
            }
            text
        }
    }
}

/// Values of the window by how much more often they come than before: "90 to 120: 6.0 % (was 0.1 %)".
fn samples(column: &ColumnDrift) -> Vec<String> {
    let chart = &column.chart;
    let mut places: Vec<usize> = (0..chart.current.len().min(chart.reference.len())).collect();
    let grown = |place: &usize| {
        chart.current.get(*place).copied().unwrap_or(0.0)
            - chart.reference.get(*place).copied().unwrap_or(0.0)
    };
    places.sort_by(|a, b| grown(b).total_cmp(&grown(a)));
    places
        .into_iter()
        .filter(|place| grown(place) > 0.0)
        .take(8)
        .filter_map(|place| {
            let name = match chart.categories.get(place) {
                Some(category) => category.clone(),
                None => format!(
                    "{} to {}",
                    inputs::short(*chart.edges.get(place)?),
                    inputs::short(*chart.edges.get(place + 1)?)
                ),
            };
            Some(format!(
                "{name}: {:.1} % (was {:.1} %)",
                100.0 * chart.current.get(place)?,
                100.0 * chart.reference.get(place)?
            ))
        })
        .collect()
}
