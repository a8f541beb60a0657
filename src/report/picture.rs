//! One chart as a picture.

use crate::chart::{self, Area, ChartSpec, Metrics, Palette, Pen, pen::FONT_FAMILY};
use crate::domain::error::{Error, Result};
use plotters::backend::{BitMapBackend, RGBPixel, SVGBackend};
use plotters::style::{FontStyle, register_font};
use plotters_backend::{DrawingBackend, DrawingErrorKind};
use std::sync::OnceLock;

/// Latin, Greek of formulas, arrows and signs; see `assets/fonts/LICENSE-DejaVu.txt`.
const FONT: &[u8] = include_bytes!("../../assets/fonts/DejaVuSans-subset.ttf");

/// Size of the text in pixels.
const EM: f64 = 12.0;

/// Bitmaps are drawn this much larger and then averaged, so that strokes and letters have smooth edges.
const FINER: u32 = 2;

/// The largest side of a picture in pixels.
const LARGEST: u32 = 8192;

/// The chart with its heading as an SVG document of `width` by `height` pixels.
///
/// # Errors
/// Invalid when a side is 0 or above 8192.
pub fn svg(spec: &ChartSpec, width: u32, height: u32) -> Result<String> {
    check_size(width, height)?;
    let mut document = String::new();
    {
        let mut backend = SVGBackend::with_string(&mut document, (width, height));
        draw(&mut backend, spec, Metrics::pixels(EM)).map_err(|error| failed(&error))?;
    }
    Ok(document)
}

/// The chart with its heading as a PNG file of `width` by `height` pixels.
///
/// # Errors
/// Invalid when a side is 0 or above 8192; internal when drawing or encoding fails.
pub fn png(spec: &ChartSpec, width: u32, height: u32) -> Result<Vec<u8>> {
    check_size(width, height)?;
    register()?;
    let (wide, high) = (width * FINER, height * FINER);
    let mut fine = vec![255; wide as usize * high as usize * 3];
    {
        let mut backend =
            BitMapBackend::<RGBPixel>::with_buffer_and_format(&mut fine, (wide, high))
                .map_err(|error| Error::internal("making a bitmap").because(error))?;
        draw(&mut backend, spec, bitmap_metrics()).map_err(|error| failed(&error))?;
    }
    encode(&average(&fine, width, height), width, height)
}

/// The letters of `ab_glyph` are scaled by ascent and descent together (1.164 em in DejaVu Sans), and
/// plotters sets them about a fifth of the font's size above where it says (0.3.7).
fn bitmap_metrics() -> Metrics {
    let em = EM * f64::from(FINER);
    let font_size = em * 1.164;
    Metrics {
        font_size,
        text_shift: (font_size * 0.216).round() as i32,
        ..Metrics::pixels(em)
    }
}

fn check_size(width: u32, height: u32) -> Result<()> {
    if width == 0 || height == 0 || width > LARGEST || height > LARGEST {
        return Err(Error::invalid(format!(
            "a picture of `{width}x{height}` pixels cannot be drawn; each side must be 1 to {LARGEST}"
        )));
    }
    Ok(())
}

/// Makes the font known to plotters, once.
fn register() -> Result<()> {
    static REGISTERED: OnceLock<bool> = OnceLock::new();
    let known =
        REGISTERED.get_or_init(|| register_font(FONT_FAMILY, FontStyle::Normal, FONT).is_ok());
    if *known {
        Ok(())
    } else {
        Err(Error::internal("the built-in font cannot be read"))
    }
}

fn failed<E: std::error::Error + Send + Sync>(error: &DrawingErrorKind<E>) -> Error {
    Error::internal(format!("drawing a chart: {error}"))
}

/// Heading, then the chart in what is left.
fn draw<B: DrawingBackend>(backend: &mut B, spec: &ChartSpec, metrics: Metrics) -> chart::Drawn<B> {
    let palette = Palette::paper();
    let mut pen = Pen::new(backend, &palette, metrics);
    let whole = pen.area();
    pen.clear(whole)?;
    let margin = metrics.line_height * 2 / 3;
    let heading = spec.heading();
    let head = if heading.is_empty() {
        margin
    } else {
        let middle = margin + metrics.line_height / 2;
        pen.heading(&heading, (whole.x + margin, middle))?;
        margin + metrics.line_height * 3 / 2
    };
    let area = Area {
        x: whole.x + margin,
        y: whole.y + head,
        width: whole.width - 2 * margin,
        height: whole.height - head - margin,
    };
    if area.width > 0 && area.height > 0 {
        chart::draw(&mut pen, area, &spec.chart)?;
    }
    backend.present()
}

/// The mean of each square of fine pixels.
fn average(fine: &[u8], width: u32, height: u32) -> Vec<u8> {
    let side = FINER as usize;
    let line = width as usize * side * 3;
    let mut pixels = Vec::with_capacity(width as usize * height as usize * 3);
    for y in 0..height as usize {
        for x in 0..width as usize {
            for channel in 0..3 {
                let mut sum = 0u32;
                for down in 0..side {
                    for right in 0..side {
                        let place = (y * side + down) * line + (x * side + right) * 3 + channel;
                        sum += u32::from(fine[place]);
                    }
                }
                pixels.push((sum / (FINER * FINER)) as u8);
            }
        }
    }
    pixels
}

fn encode(pixels: &[u8], width: u32, height: u32) -> Result<Vec<u8>> {
    let failed = |error| Error::internal("encoding a PNG").because(error);
    let mut file = Vec::new();
    let mut encoder = png::Encoder::new(&mut file, width, height);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    let mut writer = encoder.write_header().map_err(failed)?;
    writer.write_image_data(pixels).map_err(failed)?;
    writer.finish().map_err(failed)?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use crate::chart::{Bar, Bars, Chart, Curve, Curves, Histogram, Point};

    fn losses() -> ChartSpec {
        let points = (0..200)
            .map(|step| Point::new(f64::from(step), 1.0 / f64::from(step + 1)))
            .collect();
        ChartSpec::new(
            "val_loss <by> step",
            Chart::Curves(Curves {
                curves: vec![Curve::new("A & B", 0, points)],
                smoothing: 0.6,
                ..Curves::default()
            }),
        )
    }

    #[test]
    fn an_svg_holds_lines_and_escaped_text() {
        let document = svg(&losses(), 640, 320).unwrap();
        assert!(document.starts_with("<svg width=\"640\" height=\"320\""));
        assert!(document.trim_end().ends_with("</svg>"));
        assert!(document.contains("val_loss &lt;by&gt; step ─ smooth 0.6"));
        assert!(document.contains("A &amp; B"));
        assert!(document.matches("<polyline").count() >= 2, "raw and smooth");
    }

    #[test]
    fn a_png_decodes_to_its_size_and_is_not_blank() {
        let file = png(&losses(), 320, 160).unwrap();
        let decoder = ::png::Decoder::new(std::io::Cursor::new(&file));
        let mut reader = decoder.read_info().unwrap();
        let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
        let frame = reader.next_frame(&mut pixels).unwrap();
        assert_eq!((frame.width, frame.height), (320, 160));
        let blue = pixels
            .chunks(3)
            .filter(|pixel| pixel[2] > 150 && pixel[0] < 60)
            .count();
        assert!(blue > 100, "the series' colour: {blue} pixels");
    }

    #[test]
    fn every_kind_of_chart_makes_both_files_at_any_size() {
        let charts = [
            Chart::Histogram(Histogram {
                edges: vec![0.0, 1.0, 2.0],
                reference: vec![0.3, 0.7],
                current: vec![0.5, 0.5],
                ..Histogram::default()
            }),
            Chart::Bars(Bars {
                bars: vec![Bar {
                    label: "auc".into(),
                    value: 0.8,
                    ..Bar::default()
                }],
            }),
            Chart::Scatter(crate::chart::Scatter::default()),
            losses().chart,
        ];
        for chart in charts {
            let spec = ChartSpec::new("", chart);
            for (width, height) in [(1, 1), (20, 300), (400, 24), (400, 300)] {
                svg(&spec, width, height).unwrap();
                png(&spec, width, height).unwrap();
            }
        }
    }

    #[test]
    fn a_picture_without_size_is_refused() {
        let message = svg(&losses(), 0, 10).unwrap_err().to_string();
        assert!(message.contains("`0x10`"), "{message}");
    }
}
