//! A chart in a rectangle of the screen.
//!
//! Chooses the canvas that suits the chart (lines in the look's marker, bars in eighth blocks), lets
//! `chart` draw, and copies the cells. Keeps nothing between frames.

use super::Look;
use super::backend::{Grid, TerminalBackend};
use crate::chart::{self, Area, Chart, Drawn, Pen};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

/// Draws a chart without its heading, which belongs to the frame around it.
pub fn render(area: Rect, buf: &mut Buffer, chart: &Chart, look: &Look) {
    let grid = match chart {
        Chart::Curves(_) | Chart::Scatter(_) | Chart::Parallel(_) => Grid::Lines(look.lines()),
        Chart::Histogram(_) => Grid::Standing { ascii: look.ascii },
        Chart::Bars(_) => Grid::Lying { ascii: look.ascii },
    };
    canvas(area, buf, grid, look, |pen, whole| {
        chart::draw(pen, whole, chart)
    });
}

/// Gives `draw` a canvas of the size of `area`, then copies it to the screen.
pub fn canvas(
    area: Rect,
    buf: &mut Buffer,
    grid: Grid,
    look: &Look,
    draw: impl FnOnce(&mut Pen<'_, TerminalBackend>, Area) -> Drawn<TerminalBackend>,
) {
    let area = area.intersection(*buf.area());
    if area.is_empty() {
        return;
    }
    let mut canvas = TerminalBackend::new(area.width, area.height, grid);
    let palette = TerminalBackend::palette();
    let metrics = canvas.metrics();
    let mut pen = Pen::new(&mut canvas, &palette, metrics);
    let whole = pen.area();
    // cells take every stroke: the only error that plotters could add is that of a font, and none is used
    if draw(&mut pen, whole).is_ok() {
        canvas.blit(area, buf, look);
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::text;
    use super::*;
    use crate::chart::{
        Axis, Bar, Bars, Curve, Curves, Histogram, Limit, Mark, Point, Scale, Scatter, ScatterPoint,
    };

    fn screen(width: u16, height: u16, chart: &Chart, look: &Look) -> String {
        let mut buf = Buffer::empty(Rect::new(0, 0, width, height));
        render(*buf.area(), &mut buf, chart, look);
        text(&buf)
    }

    fn ascii() -> Look {
        Look {
            ascii: true,
            ..Look::mono()
        }
    }

    /// Losses that fall from 0.9 at different speeds, made by a formula.
    fn losses() -> Curves {
        let line = |name: &str, tag: &str, speed: f64, floor: f64| Curve {
            name: name.to_owned(),
            tag: tag.to_owned(),
            points: (0..1500)
                .map(|step| {
                    let x = f64::from(step);
                    Point::new(x, floor + (0.9 - floor) * (-x / speed).exp())
                })
                .collect(),
            ..Curve::default()
        };
        Curves {
            curves: vec![
                Curve {
                    selected: true,
                    ..line("A brave-otter", "A", 220.0, 0.412)
                },
                Curve {
                    colour: 1,
                    ..line("B calm-heron", "B", 300.0, 0.43)
                },
                Curve {
                    reference: true,
                    ..line("◆ champion", "◆", 380.0, 0.47)
                },
            ],
            x: Axis::named("step"),
            cursor: Some(820.0),
            ..Curves::default()
        }
    }

    #[test]
    fn curves_in_braille() {
        insta::assert_snapshot!(screen(47, 9, &Chart::Curves(losses()), &Look::mono()));
    }

    #[test]
    fn curves_in_ascii() {
        insta::assert_snapshot!(screen(47, 9, &Chart::Curves(losses()), &ascii()));
    }

    #[test]
    fn one_point_is_a_dot_with_its_own_step_below() {
        let mut curve = losses().curves.remove(0);
        curve.points.truncate(8);
        curve.points.drain(..7);
        let chart = Chart::Curves(Curves {
            curves: vec![curve],
            ..Curves::default()
        });
        let shown = screen(40, 8, &chart, &Look::mono());
        assert!(shown.contains('●'), "{shown}");
        let below = shown.lines().last().unwrap_or_default();
        assert_eq!(below.trim(), "7", "{shown}");
    }

    #[test]
    fn a_narrow_chart_shows_tags() {
        insta::assert_snapshot!(screen(26, 6, &Chart::Curves(losses()), &Look::mono()));
    }

    #[test]
    fn a_diverged_run_ends_with_a_cross_and_a_spike_is_counted_out() {
        let mut values: Vec<f64> = (0..120).map(|step| 1.0 - f64::from(step) / 200.0).collect();
        values[40] = 1e6;
        values.extend([f64::NAN; 30]);
        let points = values
            .iter()
            .enumerate()
            .map(|(step, value)| Point::new(step as f64, *value))
            .collect();
        let chart = Chart::Curves(Curves {
            curves: vec![Curve::new("fast-ibex", 0, points)],
            ..Curves::default()
        });
        let shown = screen(40, 8, &chart, &Look::mono());
        assert!(shown.contains('×') && shown.contains("↑1 out"), "{shown}");
        insta::assert_snapshot!(shown);
    }

    #[test]
    fn quality_by_month_with_a_limit_and_a_mark() {
        let months = ["Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep"];
        let values = [0.74, 0.735, 0.72, 0.69, 0.68, 0.66, 0.64];
        let points = values
            .iter()
            .enumerate()
            .map(|(month, value)| Point::new(month as f64, *value))
            .collect();
        let chart = Chart::Curves(Curves {
            curves: vec![Curve::new("v1", 0, points)],
            x: Axis {
                kind: crate::chart::Kind::Names(months.map(String::from).to_vec()),
                ..Axis::default()
            },
            marks: vec![Mark {
                x: 4.0,
                text: "promoted v2".to_owned(),
            }],
            limits: vec![Limit {
                y: 0.7,
                text: "limit".to_owned(),
            }],
            ..Curves::default()
        });
        insta::assert_snapshot!(screen(50, 9, &chart, &Look::mono()));
    }

    #[test]
    fn an_empty_chart_says_what_it_waits_for() {
        let chart = Chart::Curves(Curves {
            empty: "val_loss: no points yet".to_owned(),
            ..Curves::default()
        });
        assert_eq!(
            screen(40, 3, &chart, &Look::mono()).trim(),
            "val_loss: no points yet"
        );
    }

    fn delays() -> Histogram {
        Histogram {
            edges: (0..=20).map(|edge| f64::from(edge) * 6.0).collect(),
            reference: (0..20)
                .map(|bin| (-(f64::from(bin) - 6.0).powi(2) / 14.0).exp())
                .collect(),
            current: (0..20)
                .map(|bin| 0.8 * (-(f64::from(bin) - 9.0).powi(2) / 30.0).exp())
                .collect(),
            reference_name: "training".to_owned(),
            current_name: "now".to_owned(),
            unit: "min".to_owned(),
            ..Histogram::default()
        }
    }

    #[test]
    fn histogram_in_blocks() {
        let chart = Chart::Histogram(delays());
        insta::assert_snapshot!(screen(42, 8, &chart, &Look::mono()));
    }

    #[test]
    fn histogram_in_ascii() {
        insta::assert_snapshot!(screen(42, 8, &Chart::Histogram(delays()), &ascii()));
    }

    #[test]
    fn scatter_of_a_parameter_on_a_log_axis() {
        let point = |x: f64, y: f64, label: &str| ScatterPoint {
            x,
            y,
            label: label.to_owned(),
            ..ScatterPoint::default()
        };
        let chart = Chart::Scatter(Scatter {
            points: vec![
                point(0.01, 0.77, ""),
                point(0.02, 0.79, ""),
                point(0.05, 0.8123, "A"),
                point(0.1, 0.8011, "◆"),
                point(0.2, 0.7994, "C"),
                point(0.5, 0.76, ""),
            ],
            x: Axis {
                scale: Scale::Log,
                ..Axis::named("learning_rate")
            },
            y: Axis::named("val_auc"),
        });
        insta::assert_snapshot!(screen(44, 7, &chart, &Look::mono()));
    }

    #[test]
    fn bars_with_values_below_zero() {
        let bar = |label: &str, value: f64| Bar {
            label: label.to_owned(),
            value,
            ..Bar::default()
        };
        let chart = Chart::Bars(Bars {
            bars: vec![
                bar("dep_delay", 0.31),
                bar("carrier", 0.12),
                bar("wind_gust", -0.05),
                bar("distance", 0.004),
                bar("origin", 0.002),
            ],
        });
        insta::assert_snapshot!(screen(40, 4, &chart, &Look::mono()));
    }

    #[test]
    fn no_size_is_too_small() {
        let charts = [
            Chart::Curves(losses()),
            Chart::Histogram(delays()),
            Chart::Scatter(Scatter::default()),
            Chart::Bars(Bars::default()),
        ];
        for chart in charts {
            for (width, height) in [(0, 0), (1, 1), (2, 1), (3, 2), (5, 3), (9, 4), (200, 1)] {
                screen(width, height, &chart, &Look::mono());
                screen(width, height, &chart, &ascii());
            }
        }
    }
}
