//! A change in words, as a person would say it: "median 14 → 22". Words only; nothing here decides.

use super::sample::{Categories, Numbers, Pair};
use crate::domain::Timestamp;
use crate::domain::dataset::ColumnKind;

/// What changed in a column, most telling first; empty when nothing worth a word did.
pub fn changes(pair: &Pair, identifier: bool) -> Vec<String> {
    let mut words = Vec::new();
    if let Some((reference, current)) = pair.numbers() {
        if pair.current.kind == ColumnKind::Time {
            words.push(format!(
                "from {} to {}, was from {} to {}",
                instant(current.sorted[0]),
                instant(current.sorted[current.sorted.len() - 1]),
                instant(reference.sorted[0]),
                instant(reference.sorted[reference.sorted.len() - 1]),
            ));
        } else {
            of_numbers(reference, current, &mut words);
        }
    } else if let Some((reference, current)) = pair.categories().filter(|_| !identifier) {
        of_categories(reference, current, &mut words);
    }
    let (before, now) = (pair.reference.null_share(), pair.current.null_share());
    let rows = (pair.reference.rows as f64, pair.current.rows as f64);
    if (now - before).abs() >= 0.005 && beyond_chance(before, now, rows) {
        words.push(format!("no value {} → {}", percent(before), percent(now)));
    }
    if pair.current.infinities > 0 && pair.reference.infinities == 0 {
        words.push(match pair.current.infinities {
            1 => "1 infinite value".to_owned(),
            many => format!("{many} infinite values"),
        });
    }
    words
}

fn of_numbers(reference: &Numbers, current: &Numbers, words: &mut Vec<String>) {
    if reference.distinct == 1 {
        let constant = reference.sorted[0];
        if current.distinct > 1 {
            words.push(format!(
                "was always {}, now {} to {}",
                number(constant),
                number(current.sorted[0]),
                number(current.sorted[current.sorted.len() - 1])
            ));
        } else if current.sorted[0] != constant {
            words.push(format!(
                "always {} → always {}",
                number(constant),
                number(current.sorted[0])
            ));
        }
        return;
    }
    if current.distinct == 1 {
        words.push(format!("now always {}", number(current.sorted[0])));
        return;
    }
    let spread = reference.mean_and_variance(1).1.sqrt();
    let (median_r, median_c) = (reference.quantile(0.5), current.quantile(0.5));
    let sizes = (reference.sorted.len() as f64, current.sorted.len() as f64);
    // Three standard errors of a difference of means; a median's is a quarter greater.
    let chance = 3.0 * spread * (1.0 / sizes.0 + 1.0 / sizes.1).sqrt();
    if (median_c - median_r).abs() >= (0.1 * spread).max(1.2533 * chance) {
        words.push(format!(
            "median {} → {}",
            number(median_r),
            number(median_c)
        ));
    }
    if let Some(tail) = tail(reference, current, true) {
        words.push(tail);
    }
    if let Some(tail) = tail(reference, current, false) {
        words.push(tail);
    }
    let (mean_r, mean_c) = (
        reference.mean_and_variance(1).0,
        current.mean_and_variance(1).0,
    );
    if words.is_empty() && (mean_c - mean_r).abs() >= (0.1 * spread).max(chance) {
        words.push(format!("mean {} → {}", number(mean_r), number(mean_c)));
    }
    let spread_c = current.mean_and_variance(1).1.sqrt();
    if !(1.0 / 1.5..=1.5).contains(&(spread_c / spread)) && sizes.0.min(sizes.1) >= 30.0 {
        words.push(format!(
            "standard deviation {} → {}",
            number(spread),
            number(spread_c)
        ));
    }
}

/// Whether two shares differ by more than three standard errors.
fn beyond_chance(before: f64, now: f64, rows: (f64, f64)) -> bool {
    let pooled = (before * rows.0 + now * rows.1) / (rows.0 + rows.1);
    let error = (pooled * (1.0 - pooled) * (1.0 / rows.0 + 1.0 / rows.1)).sqrt();
    (now - before).abs() > 3.0 * error
}

/// "6 % of rows above 90, where training had 0.1 %": the outermost reference quantile beyond which the
/// window has at least three times the share, and 1 % of its rows.
fn tail(reference: &Numbers, current: &Numbers, upper: bool) -> Option<String> {
    [0.999, 0.99, 0.95].into_iter().find_map(|q| {
        let cut = round(reference.quantile(if upper { q } else { 1.0 - q }));
        let (before, now) = if upper {
            (reference.share_above(cut), current.share_above(cut))
        } else {
            (reference.share_below(cut), current.share_below(cut))
        };
        let sizes = (reference.sorted.len() as f64, current.sorted.len() as f64);
        (now >= 0.01 && now >= 3.0 * before && beyond_chance(before, now, sizes)).then(|| {
            format!(
                "{} of rows {} {}, where training had {}",
                percent(now),
                if upper { "above" } else { "below" },
                number(cut),
                if before == 0.0 {
                    "none".to_owned()
                } else {
                    percent(before)
                }
            )
        })
    })
}

fn of_categories(reference: &Categories, current: &Categories, words: &mut Vec<String>) {
    let (p, q) = (reference.shares(), current.shares());
    let name = |label: &str| {
        if label.is_empty() {
            "(empty)".to_owned()
        } else {
            label.chars().take(40).collect()
        }
    };
    let list = |mut entries: Vec<(&str, f64)>| {
        entries.sort_by(|a, b| b.1.total_cmp(&a.1).then_with(|| a.0.cmp(b.0)));
        let more = entries.len().saturating_sub(3);
        let mut text: Vec<String> = entries
            .iter()
            .take(3)
            .map(|(label, share)| format!("{} {}", name(label), percent(*share)))
            .collect();
        if more > 0 {
            text.push(format!("{more} more"));
        }
        text.join(", ")
    };
    let new = only(&q, &p);
    if !new.is_empty() {
        words.push(format!("new: {}", list(new)));
    }
    let gone: Vec<(&str, f64)> = only(&p, &q)
        .into_iter()
        .filter(|(_, share)| *share >= 0.01)
        .collect();
    if !gone.is_empty() {
        words.push(format!("gone: {}", list(gone)));
    }
    let mut moved: Vec<(&str, f64, f64)> = p
        .iter()
        .filter_map(|(label, before)| Some((*label, *before, *q.get(label)?)))
        .filter(|(_, before, now)| {
            let sizes = (reference.len() as f64, current.len() as f64);
            (now - before).abs() >= 0.03 && beyond_chance(*before, *now, sizes)
        })
        .collect();
    moved.sort_by(|a, b| {
        let size = |entry: &(&str, f64, f64)| (entry.2 - entry.1).abs();
        size(b).total_cmp(&size(a)).then_with(|| a.0.cmp(b.0))
    });
    for (label, before, now) in moved.into_iter().take(2) {
        words.push(format!(
            "{} {} → {}",
            name(label),
            percent(before),
            percent(now)
        ));
    }
}

/// A number with about three significant digits; whole numbers in full.
pub fn number(x: f64) -> String {
    let size = x.abs();
    if !x.is_finite() || (size != 0.0 && !(1e-4..1e15).contains(&size)) {
        return format!("{x:.2e}");
    }
    if x.fract() == 0.0 || size >= 1_000.0 {
        return format!("{x:.0}");
    }
    let decimals = (2 - size.log10().floor() as i32).clamp(0, 6) as usize;
    let text = format!("{x:.decimals$}");
    if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        text
    }
}

/// A share in per cent: `6 %`, `2.4 %`, `0.1 %`.
pub fn percent(share: f64) -> String {
    let x = share * 100.0;
    let decimals = if x >= 9.95 || x == 0.0 {
        0
    } else if x >= 0.095 {
        1
    } else {
        2
    };
    if x > 0.0 && x < 0.005 {
        return "< 0.01 %".into();
    }
    let text = format!("{x:.decimals$}");
    let text = if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.')
    } else {
        &text
    };
    format!("{text} %")
}

/// Three significant digits.
fn round(x: f64) -> f64 {
    if x == 0.0 || !x.is_finite() || x.fract() == 0.0 {
        return x;
    }
    let scale = 10f64.powf(2.0 - x.abs().log10().floor());
    (x * scale).round() / scale
}

fn instant(microseconds: f64) -> String {
    Timestamp((microseconds / 1_000.0) as i64)
        .utc()
        .format("%Y-%m-%d %H:%M")
        .to_string()
}

type Shares<'a> = rustc_hash::FxHashMap<&'a str, f64>;

/// What `of` has and `other` has not.
fn only<'a>(of: &Shares<'a>, other: &Shares) -> Vec<(&'a str, f64)> {
    of.iter()
        .filter(|(label, _)| !other.contains_key(*label))
        .map(|(label, share)| (*label, *share))
        .collect()
}
