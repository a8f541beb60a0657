//! Charts: what to draw ([`ChartSpec`]) and how to draw it on any plotters backend, cells of a
//! terminal or pixels of a picture alike. Used by the dashboard and by `report`.
//!
//! Pure: the same specification, [`Metrics`] and [`Palette`] give the same calls to the backend. It
//! knows nothing of terminals, files, runs or models; of `domain` it sees the metric bucket only.

pub mod axis;
pub mod bars;
pub mod curves;
pub mod frame;
pub mod histogram;
pub mod palette;
pub mod parallel;
pub mod pen;
pub mod scatter;
pub mod series;

pub use axis::{Axis, Kind, Scale};
pub use bars::{Bar, Bars};
pub use curves::{Curve, Curves, Legend, Limit, Mark};
pub use histogram::Histogram;
pub use palette::{Ink, Palette};
pub use parallel::{Dimension, Parallel, Strand};
pub use pen::{Area, Drawn, Metrics, Pen};
pub use scatter::{Scatter, ScatterPoint};
pub use series::Point;

use plotters_backend::DrawingBackend;

/// A chart with its heading. The heading is the frame's title in the terminal and the first line
/// of a picture.
#[derive(Clone, Debug, PartialEq)]
pub struct ChartSpec {
    /// What is shown: "val_loss by step".
    pub title: String,
    /// The chart itself.
    pub chart: Chart,
}

/// The kinds of charts there are.
#[derive(Clone, Debug, PartialEq)]
pub enum Chart {
    /// Lines over a common x axis: metrics by step, latency bands, quality by month.
    Curves(Curves),
    /// Two distributions over the same bins or categories.
    Histogram(Histogram),
    /// One point a run.
    Scatter(Scatter),
    /// One line a run, through an axis for each parameter.
    Parallel(Parallel),
    /// Horizontal bars with their labels.
    Bars(Bars),
}

impl ChartSpec {
    /// A chart under a title.
    pub fn new(title: impl Into<String>, chart: Chart) -> Self {
        Self {
            title: title.into(),
            chart,
        }
    }

    /// The title with everything that changes how the picture must be read: smoothing and log axis.
    pub fn heading(&self) -> String {
        let mut heading = self.title.clone();
        if let Chart::Curves(curves) = &self.chart {
            if curves.smoothing > 0.0 {
                heading.push_str(&format!(" ─ smooth {}", axis::short(curves.smoothing)));
            }
            if curves.y.scale == Scale::Log {
                heading.push_str(" ─ log y");
            }
        }
        heading
    }
}

/// Draws the chart without its heading into `area`.
///
/// # Errors
/// Only those of the backend.
pub fn draw<B: DrawingBackend>(pen: &mut Pen<'_, B>, area: Area, chart: &Chart) -> Drawn<B> {
    match chart {
        Chart::Curves(curves) => curves::draw(pen, area, curves),
        Chart::Histogram(histogram) => histogram::draw(pen, area, histogram),
        Chart::Scatter(scatter) => scatter::draw(pen, area, scatter),
        Chart::Parallel(parallel) => parallel::draw(pen, area, parallel),
        Chart::Bars(bars) => bars::draw(pen, area, bars),
    }
}
