//! Curves as SVG: panels side by side, x logarithmic, y from zero. Legible without a style sheet or script.

use std::fmt::Write as _;

/// One plot.
pub(crate) struct Panel {
    pub(crate) title: &'static str,
    pub(crate) x: &'static str,
    pub(crate) y: &'static str,
    pub(crate) curves: Vec<Curve>,
}

/// Points with ascending, positive x.
pub(crate) struct Curve {
    pub(crate) label: &'static str,
    pub(crate) points: Vec<(f64, f64)>,
}

const PANEL_WIDTH: f64 = 440.0;
const HEIGHT: f64 = 320.0;
const LEFT: f64 = 72.0;
const RIGHT: f64 = 24.0;
const TOP: f64 = 44.0;
const BOTTOM: f64 = 54.0;
const LEGEND_LINE: f64 = 16.0;
const COLOURS: [&str; 3] = ["#1f5fa8", "#c2571a", "#3b7d3b"];
const Y_TICKS: f64 = 5.0;

/// The document.
pub(crate) fn svg(panels: &[Panel]) -> String {
    let width = PANEL_WIDTH * panels.len() as f64;
    let legend = panels.iter().map(|p| p.curves.len()).max().unwrap_or(0) as f64 * LEGEND_LINE;
    let mut out = format!(
        r##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" font-family="sans-serif" font-size="12" fill="#222">
<rect width="{width}" height="{height}" fill="#fff"/>
"##,
        height = HEIGHT + legend
    );
    for (n, panel) in panels.iter().enumerate() {
        put(&mut out, &format!(r#"<g transform="translate({},0)">"#, n as f64 * PANEL_WIDTH));
        panel.draw(&mut out);
        put(&mut out, "</g>");
    }
    out.push_str("</svg>\n");
    out
}

fn put(out: &mut String, line: &str) {
    out.push_str(line);
    out.push('\n');
}

/// Where values lie in a panel.
struct Scale {
    x_min: f64,
    x_max: f64,
    y_max: f64,
}

impl Scale {
    fn of(panel: &Panel) -> Scale {
        let all = || panel.curves.iter().flat_map(|c| &c.points);
        let x_min = all().map(|p| p.0).fold(f64::INFINITY, f64::min);
        let x_max = all().map(|p| p.0).fold(0.0, f64::max);
        let y_max = all().map(|p| p.1).fold(0.0, f64::max);
        let step = nice(y_max / Y_TICKS);
        Scale { x_min, x_max, y_max: (y_max / step).ceil().max(1.0) * step }
    }

    fn x(&self, x: f64) -> f64 {
        let span = (self.x_max / self.x_min).log10().max(f64::MIN_POSITIVE);
        LEFT + (x / self.x_min).log10() / span * (PANEL_WIDTH - LEFT - RIGHT)
    }

    fn y(&self, y: f64) -> f64 {
        HEIGHT - BOTTOM - y / self.y_max * (HEIGHT - TOP - BOTTOM)
    }
}

/// The least of 1, 2, 5 times a power of ten that is not below.
fn nice(least: f64) -> f64 {
    let power = 10f64.powf(least.max(1e-9).log10().floor());
    [1.0, 2.0, 5.0, 10.0].into_iter().map(|n| n * power).find(|n| *n >= least).unwrap_or(power * 10.0)
}

impl Panel {
    fn draw(&self, out: &mut String) {
        let scale = Scale::of(self);
        let middle = (LEFT + PANEL_WIDTH - RIGHT) / 2.0;
        let title = self.title;
        put(
            out,
            &format!(
                r#"<text x="{middle}" y="24" text-anchor="middle" font-size="14" font-weight="bold">{title}</text>"#
            ),
        );
        self.grid(&scale, out);
        put(out, &format!(r#"<text x="{middle}" y="{}" text-anchor="middle">{}</text>"#, HEIGHT - 14.0, self.x));
        let height = (TOP + HEIGHT - BOTTOM) / 2.0;
        put(
            out,
            &format!(r#"<text transform="translate(16,{height}) rotate(-90)" text-anchor="middle">{}</text>"#, self.y),
        );
        for (n, curve) in self.curves.iter().enumerate() {
            curve.draw(&scale, COLOURS[n % COLOURS.len()], HEIGHT + 2.0 + LEGEND_LINE * n as f64, out);
        }
    }

    fn grid(&self, scale: &Scale, out: &mut String) {
        let (left, right, bottom) = (LEFT, PANEL_WIDTH - RIGHT, HEIGHT - BOTTOM);
        let step = nice(scale.y_max / Y_TICKS);
        for n in 0..=(scale.y_max / step).round() as u32 {
            let (value, y) = (f64::from(n) * step, scale.y(f64::from(n) * step));
            put(out, &format!(r##"<path d="M{left} {y:.1}H{right}" stroke="#ddd"/>"##));
            let label = number(value);
            put(out, &format!(r#"<text x="{}" y="{:.1}" text-anchor="end">{label}</text>"#, left - 8.0, y + 4.0));
        }
        for (x, _) in self.curves.iter().take(1).flat_map(|c| &c.points) {
            let (at, label) = (scale.x(*x), number(*x));
            put(out, &format!(r##"<path d="M{at:.1} {bottom}v5" stroke="#222"/>"##));
            put(out, &format!(r#"<text x="{at:.1}" y="{}" text-anchor="middle">{label}</text>"#, bottom + 18.0));
        }
        put(out, &format!(r##"<path d="M{left} {TOP}V{bottom}H{right}" fill="none" stroke="#222"/>"##));
    }
}

impl Curve {
    fn draw(&self, scale: &Scale, colour: &str, legend_y: f64, out: &mut String) {
        let mut line = String::new();
        for (n, (x, y)) in self.points.iter().enumerate() {
            let command = if n == 0 { 'M' } else { 'L' };
            // Writing to a string does not fail.
            let _ = write!(line, "{command}{:.1} {:.1}", scale.x(*x), scale.y(*y));
        }
        put(out, &format!(r#"<path d="{line}" fill="none" stroke="{colour}" stroke-width="2"/>"#));
        for (x, y) in &self.points {
            let (x, place, label) = (scale.x(*x), scale.y(*y), number(*y));
            put(out, &format!(r#"<circle cx="{x:.1}" cy="{place:.1}" r="3.5" fill="{colour}"/>"#));
            put(
                out,
                &format!(
                    r#"<text x="{x:.1}" y="{:.1}" text-anchor="middle" font-size="11" fill="{colour}">{label}</text>"#,
                    place - 8.0
                ),
            );
        }
        put(out, &format!(r#"<path d="M{LEFT} {legend_y}h22" stroke="{colour}" stroke-width="2"/>"#));
        put(out, &format!(r#"<text x="{}" y="{}">{}</text>"#, LEFT + 28.0, legend_y + 4.0, self.label));
    }
}

/// Three digits at least, thousands apart.
fn number(value: f64) -> String {
    if value < 10.0 && value.fract() != 0.0 {
        return format!("{value:.1}");
    }
    let digits = format!("{value:.0}");
    let mut out = String::new();
    for (n, digit) in digits.chars().enumerate() {
        if n > 0 && (digits.len() - n) % 3 == 0 {
            out.push(',');
        }
        out.push(digit);
    }
    out
}
