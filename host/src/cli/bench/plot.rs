//! Plots of measurements, as SVG.

use super::ordered::Row;
use anyhow::anyhow;
use plotters::prelude::*;
use std::collections::BTreeSet;
use std::path::Path;

const PANEL_PIXELS: (u32, u32) = (480, 320);
const COLOURS: [RGBColor; 5] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(120, 120, 120),
];

/// A point: series, its place on the x axis, and what each policy took there.
pub(crate) type Point = (&'static str, f64, Vec<Row>);

/// Speed against conflict rate: a panel for each series, a line for each policy, and revm's at 1.
pub(crate) fn conflicts(path: &Path, points: &[Point]) -> anyhow::Result<()> {
    let mut series: Vec<&str> = Vec::new();
    for (name, ..) in points {
        if !series.contains(name) {
            series.push(name);
        }
    }
    let rows = series.len().div_ceil(2);
    let size = (2 * PANEL_PIXELS.0, rows as u32 * PANEL_PIXELS.1);
    let root = SVGBackend::new(path, size).into_drawing_area();
    root.fill(&WHITE).map_err(failed)?;
    for (panel, name) in root.split_evenly((rows, 2)).iter().zip(series) {
        let of_series = points.iter().filter(|(series, ..)| *series == name);
        draw(panel, name, &of_series.collect::<Vec<_>>()).map_err(failed)?;
    }
    root.present().map_err(failed)
}

fn failed(error: impl std::fmt::Display) -> anyhow::Error {
    anyhow!("cannot draw: {error}")
}

fn draw<DB: DrawingBackend>(
    panel: &DrawingArea<DB, plotters::coord::Shift>,
    name: &str,
    points: &[&Point],
) -> Result<(), DrawingAreaErrorKind<DB::ErrorType>> {
    // Chains grow by factors of ten.
    let logarithmic = points.iter().any(|(_, x, _)| *x >= 10.0);
    let place = |x: f64| if logarithmic { x.log10() } else { x };
    let xs = points.iter().map(|(_, x, _)| place(*x));
    let (low, high) = xs.fold((f64::MAX, f64::MIN), |(l, h), x| (l.min(x), h.max(x)));
    let ratios = points.iter().flat_map(|(.., rows)| rows.iter().map(|row| row.ratio));
    let top = ratios.fold(1.0, f64::max) * 1.15;
    let mut chart = ChartBuilder::on(panel)
        .caption(name, ("sans-serif", 16))
        .margin(8)
        .x_label_area_size(34)
        .y_label_area_size(44)
        .build_cartesian_2d(low..high.max(low + 1e-9), 0.0..top)?;
    chart
        .configure_mesh()
        .light_line_style(TRANSPARENT)
        .x_desc(if logarithmic { "length, as a power of ten" } else { "share or exponent" })
        .y_desc("times as fast as revm")
        .draw()?;
    chart.draw_series(LineSeries::new([(low, 1.0), (high, 1.0)], BLACK.mix(0.5)))?;
    let policies: BTreeSet<&str> =
        points.iter().flat_map(|(.., rows)| rows.iter().map(|row| row.policy.as_str())).collect();
    for (policy, colour) in policies.into_iter().zip(COLOURS.into_iter().cycle()) {
        let line = points.iter().filter_map(|(_, x, rows)| {
            let row = rows.iter().find(|row| row.policy == policy)?;
            Some((place(*x), row.ratio))
        });
        chart
            .draw_series(LineSeries::new(line, colour.stroke_width(2)))?
            .label(policy)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 16, y)], colour));
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::LowerRight)
        .background_style(WHITE.mix(0.8))
        .draw()
}
