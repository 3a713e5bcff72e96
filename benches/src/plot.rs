//! Plots of measurements, as SVG to stand in a page: no background, and text in its colour.

use anyhow::anyhow;
use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

const SIZE: (u32, u32) = (560, 340);
/// Colours that are told apart by everyone, on light and on dark.
const COLOURS: [RGBColor; 8] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(230, 159, 0),
    RGBColor(86, 180, 233),
    RGBColor(148, 103, 189),
    RGBColor(120, 120, 120),
];
/// Points of a line that are marked; more of them draw a curve.
const MARKED_MAX: usize = 16;
/// Becomes the colour of the page's text.
const TEXT: RGBColor = RGBColor(0, 0, 0);

/// A line of a plot, or its points alone.
#[derive(Clone, Debug)]
pub struct Line {
    pub name: String,
    pub points: Vec<(f64, f64)>,
    /// Drawn as a line; else only its points.
    pub joined: bool,
}

/// What stands around the lines.
#[derive(Clone, Debug)]
pub struct Axes<'a> {
    pub x: &'a str,
    pub y: &'a str,
    pub x_log: bool,
    pub y_log: bool,
}

type Failure<DB> = DrawingAreaErrorKind<<DB as DrawingBackend>::ErrorType>;

/// Draws lines over numbers.
pub fn lines(axes: &Axes<'_>, lines: &[Line]) -> anyhow::Result<String> {
    svg(SIZE, |root| draw_lines(root, axes, lines))
}

/// Draws stacked horizontal bars: what each is called, and its parts as name and length.
pub fn bars(x: &str, bars: &[(String, Vec<(String, f64)>)]) -> anyhow::Result<String> {
    let height = 70 + 22 * bars.len() as u32;
    svg((2 * SIZE.0, height), |root| draw_bars(root, x, bars))
}

fn svg<E: std::fmt::Display>(
    size: (u32, u32),
    draw: impl FnOnce(&DrawingArea<SVGBackend<'_>, Shift>) -> Result<(), E>,
) -> anyhow::Result<String> {
    let mut text = String::new();
    {
        let root = SVGBackend::with_string(&mut text, size).into_drawing_area();
        draw(&root).map_err(failed)?;
        root.present().map_err(failed)?;
    }
    // Text and axes take the page's colour; the size is the most that the page gives it.
    let text = text.replace("\"#000000\"", "\"currentColor\"");
    Ok(text.replacen(&format!("width=\"{}\" height=\"{}\" ", size.0, size.1), "", 1))
}

fn failed(error: impl std::fmt::Display) -> anyhow::Error {
    anyhow!("cannot draw: {error}")
}

/// The least and the greatest, with some room.
fn range(values: impl Iterator<Item = f64>, log: bool) -> (f64, f64) {
    let (low, high) = values.fold((f64::MAX, f64::MIN), |(l, h), v| (l.min(v), h.max(v)));
    match log {
        _ if low > high => (0.0, 1.0),
        true => ((low - 0.1).floor(), (high + 0.05).ceil().max(low.floor() + 1.0)),
        false => (0.0_f64.min(low), (high * 1.1).max(low + 1e-9)),
    }
}

fn draw_lines<DB: DrawingBackend>(
    root: &DrawingArea<DB, Shift>,
    axes: &Axes<'_>,
    lines: &[Line],
) -> Result<(), Failure<DB>> {
    let scale = |value: f64, log: bool| if log { value.max(1e-12).log10() } else { value };
    let place = |(x, y): (f64, f64)| (scale(x, axes.x_log), scale(y, axes.y_log));
    let all = || lines.iter().flat_map(|line| line.points.iter().map(|point| place(*point)));
    let (x0, mut x1) = all().fold((f64::MAX, f64::MIN), |(l, h), (x, _)| (l.min(x), h.max(x)));
    if x1 <= x0 {
        x1 = x0 + 1.0;
    }
    let (y0, y1) = range(all().map(|(_, y)| y), axes.y_log);
    let mut chart = ChartBuilder::on(root)
        .margin(8)
        .margin_right(16)
        .x_label_area_size(38)
        .y_label_area_size(64)
        .build_cartesian_2d(x0..x1, y0..y1)?;
    let number = |log: bool| move |v: &f64| short(if log { 10_f64.powf(*v) } else { *v });
    let (x_number, y_number) = (number(axes.x_log), number(axes.y_log));
    chart
        .configure_mesh()
        .light_line_style(TRANSPARENT)
        .bold_line_style(TEXT.mix(0.12))
        .axis_style(TEXT.mix(0.6))
        .label_style(("sans-serif", 12).into_font().color(&TEXT))
        .axis_desc_style(("sans-serif", 13).into_font().color(&TEXT))
        .x_desc(axes.x)
        .y_desc(axes.y)
        .x_labels(if axes.x_log { 1 + (x1 - x0).round() as usize } else { 8 })
        .y_labels(if axes.y_log { 1 + (y1 - y0).round() as usize } else { 7 })
        .x_label_formatter(&x_number)
        .y_label_formatter(&y_number)
        .draw()?;
    for (line, colour) in lines.iter().zip(COLOURS.into_iter().cycle()) {
        let points: Vec<(f64, f64)> = line.points.iter().map(|point| place(*point)).collect();
        if line.joined {
            chart.draw_series(LineSeries::new(points.clone(), colour.stroke_width(2)))?;
            if points.len() <= MARKED_MAX {
                chart.draw_series(points.iter().map(|p| Circle::new(*p, 2, colour.filled())))?;
            }
        } else {
            chart.draw_series(points.iter().map(|p| Circle::new(*p, 3, colour.filled())))?;
        }
    }
    Ok(())
}

fn draw_bars<DB: DrawingBackend>(
    root: &DrawingArea<DB, Shift>,
    x: &str,
    bars: &[(String, Vec<(String, f64)>)],
) -> Result<(), Failure<DB>> {
    let sum = |parts: &[(String, f64)]| parts.iter().map(|(_, length)| length).sum::<f64>();
    let longest = bars.iter().map(|(_, parts)| sum(parts)).fold(0.0, f64::max).max(1e-12);
    let count = bars.len() as f64;
    let mut chart = ChartBuilder::on(root)
        .margin(8)
        .margin_right(16)
        .x_label_area_size(38)
        .y_label_area_size(260)
        .build_cartesian_2d(0.0..longest * 1.02, count..0.0)?;
    chart
        .configure_mesh()
        .disable_y_mesh()
        .disable_y_axis()
        .light_line_style(TRANSPARENT)
        .bold_line_style(TEXT.mix(0.12))
        .axis_style(TEXT.mix(0.6))
        .label_style(("sans-serif", 12).into_font().color(&TEXT))
        .axis_desc_style(("sans-serif", 13).into_font().color(&TEXT))
        .x_desc(x)
        .x_label_formatter(&|v| short(*v))
        .draw()?;
    let names = names(bars);
    for (row, (_, parts)) in bars.iter().enumerate() {
        let (top, mut at) = (row as f64, 0.0);
        for (part, length) in parts {
            let colour = colour(names.iter().position(|name| name == part).unwrap_or_default());
            let area = [(at, top + 0.15), (at + length, top + 0.85)];
            chart.draw_series([Rectangle::new(area, colour.filled())])?;
            at += length;
        }
    }
    let style = ("sans-serif", 12).into_font().color(&TEXT);
    let style = style.pos(Pos::new(HPos::Right, VPos::Center));
    let plane = chart.plotting_area();
    for (row, (name, _)) in bars.iter().enumerate() {
        let (left, y) = plane.map_coordinate(&(0.0, row as f64 + 0.5));
        root.draw(&Text::new(name.clone(), (left - 6, y), style.clone()))?;
    }
    Ok(())
}

/// The names of the parts of bars, in the order in which they first stand.
pub fn names(bars: &[(String, Vec<(String, f64)>)]) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for (part, _) in bars.iter().flat_map(|(_, parts)| parts) {
        if !names.contains(part) {
            names.push(part.clone());
        }
    }
    names
}

fn colour(index: usize) -> RGBColor {
    COLOURS[index % COLOURS.len()]
}

/// A colour of a series, as HTML writes it: what names stand in below a plot.
pub fn html_colour(index: usize) -> String {
    let RGBColor(r, g, b) = colour(index);
    format!("#{r:02x}{g:02x}{b:02x}")
}

/// A number in few characters.
pub fn short(value: f64) -> String {
    let (scaled, unit) = match value.abs() {
        v if v >= 1e12 => (value / 1e12, "T"),
        v if v >= 1e9 => (value / 1e9, "G"),
        v if v >= 1e6 => (value / 1e6, "M"),
        v if v >= 1e4 => (value / 1e3, "k"),
        _ => (value, ""),
    };
    match scaled.abs() {
        v if v >= 100.0 || v == v.round() => format!("{scaled:.0}{unit}"),
        v if v >= 10.0 => format!("{scaled:.1}{unit}"),
        v if v >= 0.1 => format!("{scaled:.2}{unit}"),
        _ => format!("{scaled:.3}{unit}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short() {
        let numbers = [0.0, 1.0, 0.25, 12.34, 9999.0, 65_536.0, 1.5e6, 2.04e9, 3.3e13];
        let texts = ["0", "1", "0.25", "12.3", "9999", "65.5k", "1.50M", "2.04G", "33T"];
        for (number, text) in numbers.into_iter().zip(texts) {
            assert_eq!(short(number), text);
        }
    }

    #[test]
    fn a_plot_stands_in_a_page() {
        let axes = Axes { x: "batch", y: "rate", x_log: true, y_log: true };
        let line = |name: &str| Line {
            name: name.to_owned(),
            points: vec![(1.0, 10.0), (16.0, 1000.0)],
            joined: true,
        };
        let svg = lines(&axes, &[line("a"), line("b")]).expect("a plot");
        for part in ["<svg ", "viewBox", "currentColor", "batch", "#0072B2", "#D55E00", "</svg>"] {
            assert!(svg.contains(part), "no {part} in {svg}");
        }
        assert!(!svg.contains("#000000"));
        let parts = vec![("kernel".to_owned(), 1.0), ("encode".to_owned(), 0.5)];
        let svg = bars("seconds", &[("a <case>".to_owned(), parts)]).expect("a plot");
        assert!(svg.contains("#0072B2") && svg.contains("#D55E00") && svg.contains("a &lt;case"));
    }
}
