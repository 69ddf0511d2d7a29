//! A readable difference of two texts, line by line.

/// How many equal lines stand around a change.
const AROUND: usize = 3;
/// Beyond so many pairs of lines the middle of both texts is shown as changed as a whole.
const PAIRS_MAX: usize = 4_000_000;
/// The longest difference that is shown.
const LINES_MAX: usize = 400;

/// The difference: `-` lines of `expected`, `+` lines of `actual`, some equal lines around. None if they are equal.
pub fn diff(expected: &str, actual: &str) -> Option<String> {
    if expected == actual {
        return None;
    }
    let (old, new) = (lines(expected), lines(actual));
    let steps = steps(&old, &new);
    let mut shown: Vec<String> = Vec::new();
    let mut skipped = false;
    for (at, (sign, text)) in steps.iter().enumerate() {
        let near = steps[at.saturating_sub(AROUND)..steps.len().min(at + AROUND + 1)].iter().any(|(s, _)| *s != ' ');
        if near {
            if skipped && !shown.is_empty() {
                shown.push("  …".to_owned());
            }
            shown.push(format!("{sign} {text}").trim_end().to_owned());
        }
        skipped = !near;
    }
    if shown.len() > LINES_MAX {
        let more = shown.len() - LINES_MAX;
        shown.truncate(LINES_MAX);
        shown.push(format!("  … {more} more lines"));
    }
    Some(shown.join("\n"))
}

/// The lines; a text that does not end its last line says so.
fn lines(text: &str) -> Vec<String> {
    let mut lines: Vec<String> = text.split('\n').map(visible).collect();
    if lines.last().is_some_and(String::is_empty) {
        lines.pop();
    } else {
        lines.push("(no line break at the end)".to_owned());
    }
    lines
}

/// Carriage returns are shown, so that two lines that look alike are told apart.
fn visible(line: &str) -> String {
    line.replace('\r', "␍")
}

fn steps(old: &[String], new: &[String]) -> Vec<(char, String)> {
    let head = old.iter().zip(new).take_while(|(a, b)| a == b).count();
    let (old_rest, new_rest) = (&old[head..], &new[head..]);
    let tail = old_rest.iter().rev().zip(new_rest.iter().rev()).take_while(|(a, b)| a == b).count();
    let (a, b) = (&old_rest[..old_rest.len() - tail], &new_rest[..new_rest.len() - tail]);
    let mut steps: Vec<(char, String)> = old[..head].iter().map(|l| (' ', l.clone())).collect();
    middle(a, b, &mut steps);
    steps.extend(old_rest[old_rest.len() - tail..].iter().map(|l| (' ', l.clone())));
    steps
}

/// The longest common subsequence of the lines decides what stays.
fn middle(a: &[String], b: &[String], steps: &mut Vec<(char, String)>) {
    if a.len().saturating_mul(b.len()) > PAIRS_MAX {
        steps.extend(a.iter().map(|l| ('-', l.clone())));
        steps.extend(b.iter().map(|l| ('+', l.clone())));
        return;
    }
    let width = b.len() + 1;
    let mut longest = vec![0u32; (a.len() + 1) * width];
    for i in (0..a.len()).rev() {
        for j in (0..b.len()).rev() {
            longest[i * width + j] = if a[i] == b[j] {
                longest[(i + 1) * width + j + 1] + 1
            } else {
                longest[(i + 1) * width + j].max(longest[i * width + j + 1])
            };
        }
    }
    let (mut i, mut j) = (0, 0);
    while i < a.len() || j < b.len() {
        if i < a.len() && j < b.len() && a[i] == b[j] {
            steps.push((' ', a[i].clone()));
            (i, j) = (i + 1, j + 1);
        } else if j == b.len() || (i < a.len() && longest[(i + 1) * width + j] >= longest[i * width + j + 1]) {
            steps.push(('-', a[i].clone()));
            i += 1;
        } else {
            steps.push(('+', b[j].clone()));
            j += 1;
        }
    }
}
