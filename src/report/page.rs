//! A report as one HTML page that needs nothing else: text, tables and charts inline.

use super::picture::svg;
use crate::chart::ChartSpec;
use crate::domain::error::Result;
use std::fmt::Write as _;

/// A table of texts.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Table {
    /// Headings.
    pub headings: Vec<String>,
    /// Rows; cells that read as numbers end at the right.
    pub rows: Vec<Vec<String>>,
}

/// A part of the page, top to bottom: heading, sentences, chart, table.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Section {
    /// Its heading; may be empty.
    pub title: String,
    /// One paragraph each.
    pub text: Vec<String>,
    /// Charts, side by side where the page is wide enough.
    pub charts: Vec<ChartSpec>,
    /// A table.
    pub table: Option<Table>,
}

const STYLE: &str = "\
body{font:15px/1.5 system-ui,'DejaVu Sans',Verdana,sans-serif;color:#1f2328;background:#fff;max-width:72rem;margin:2rem auto;padding:0 1rem}\
h1{font-size:1.5rem}h2{font-size:1.15rem;margin-top:2.2rem;border-bottom:1px solid #d8dee4;padding-bottom:.3rem}\
figure{display:inline-block;margin:.5rem 1rem .5rem 0}svg{max-width:100%;height:auto}\
table{border-collapse:collapse;font-size:.9rem}th,td{padding:.25rem .8rem .25rem 0;text-align:left;border-bottom:1px solid #e8ebef}\
td.number{text-align:right;font-variant-numeric:tabular-nums}";

/// The page as an HTML document; every text is escaped.
///
/// # Errors
/// Those of [`svg`].
pub fn page(title: &str, sections: &[Section]) -> Result<String> {
    let mut html = String::new();
    let name = escape(title);
    let _ = write!(
        html,
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n<title>{name}</title>\n\
         <style>{STYLE}</style>\n</head>\n<body>\n<h1>{name}</h1>\n"
    );
    for section in sections {
        html.push_str("<section>\n");
        if !section.title.is_empty() {
            let _ = writeln!(html, "<h2>{}</h2>", escape(&section.title));
        }
        for paragraph in &section.text {
            let _ = writeln!(html, "<p>{}</p>", escape(paragraph));
        }
        for chart in &section.charts {
            let _ = writeln!(html, "<figure>{}</figure>", svg(chart, 560, 300)?);
        }
        if let Some(table) = &section.table {
            write_table(&mut html, table);
        }
        html.push_str("</section>\n");
    }
    html.push_str("</body>\n</html>\n");
    Ok(html)
}

fn write_table(html: &mut String, table: &Table) {
    html.push_str("<table>\n<thead><tr>");
    for heading in &table.headings {
        let _ = write!(html, "<th>{}</th>", escape(heading));
    }
    html.push_str("</tr></thead>\n<tbody>\n");
    for row in &table.rows {
        html.push_str("<tr>");
        for cell in row {
            let class = if is_number(cell) {
                " class=\"number\""
            } else {
                ""
            };
            let _ = write!(html, "<td{class}>{}</td>", escape(cell));
        }
        html.push_str("</tr>\n");
    }
    html.push_str("</tbody>\n</table>\n");
}

fn is_number(text: &str) -> bool {
    let digits = text.trim_end_matches([' ', '%']);
    digits.parse::<f64>().is_ok()
}

/// The text with HTML's own letters replaced.
pub fn escape(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            letter => safe.push(letter),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use crate::chart::{Bar, Bars, Chart};

    #[test]
    fn a_page_is_escaped_and_complete() {
        let section = Section {
            title: "Drift <script>".into(),
            text: vec!["2 of 14 drift & rise".into()],
            charts: vec![ChartSpec::new(
                "auc",
                Chart::Bars(Bars {
                    bars: vec![Bar {
                        label: "v1".into(),
                        value: 0.8,
                        ..Bar::default()
                    }],
                }),
            )],
            table: Some(Table {
                headings: vec!["column".into(), "psi".into()],
                rows: vec![vec!["\"dep\"".into(), "0.31".into()]],
            }),
        };
        let html = page("Report 'a'", &[section]).unwrap();
        assert!(html.contains("<h2>Drift &lt;script&gt;</h2>"));
        assert!(html.contains("<p>2 of 14 drift &amp; rise</p>"));
        assert!(html.contains("<td>&quot;dep&quot;</td><td class=\"number\">0.31</td>"));
        assert!(html.contains("<svg ") && html.ends_with("</html>\n"));
        assert!(!html.contains("<script") && !html.contains("href="));
    }
}
