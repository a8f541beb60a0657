//! The page that says why a request was answered as it was: strongest inputs first.

use crate::domain::deployment::Explanation;
use crate::tui::dialog::Dialog;
use crate::tui::panes::parts;
use crate::tui::text;

/// Columns of a dialog's inside.
const WIDTH: usize = 72;
/// Inputs that are listed; the others moved the answer less.
const MOST: usize = 12;

/// The dialog.
pub fn dialog(explanation: &Explanation) -> Dialog {
    let request = &explanation.request;
    let version = request
        .version
        .map_or_else(String::new, |version| format!(" by {version}"));
    let mut lines = vec![explanation.sentence.clone(), String::new()];
    let most = explanation
        .inputs
        .iter()
        .map(|input| input.effect.abs())
        .filter(|effect| effect.is_finite())
        .fold(0.0, f64::max);
    let name = explanation
        .inputs
        .iter()
        .take(MOST)
        .map(|input| text::width(&input.input))
        .max()
        .unwrap_or(0)
        .clamp(8, 26);
    if !explanation.inputs.is_empty() {
        lines.push(format!(
            "  {} {} {} {} {}",
            text::left("INPUT", name),
            text::right("VALUE", 9),
            text::right("EFFECT", 8),
            text::left("", 10),
            text::right("SURPRISE", 8),
        ));
    }
    for input in explanation.inputs.iter().take(MOST) {
        let share = if most > 0.0 && input.effect.is_finite() {
            input.effect.abs() / most
        } else {
            0.0
        };
        let bar = "█".repeat((share * 10.0).round() as usize);
        let sign = if input.outlier { "▲" } else { " " };
        lines.push(format!(
            "{sign} {} {} {} {} {}",
            text::left(&parts::middle(&input.input, name), name),
            text::right(&input.value, 9),
            text::right(&text::difference(input.effect), 8),
            text::left(&bar, 10),
            text::right(&parts::score(input.surprise), 8),
        ));
        if input.outlier && !input.note.is_empty() {
            lines.push(format!("    {}", text::cut(&input.note, WIDTH - 4)));
        }
    }
    let rest = explanation.inputs.len().saturating_sub(MOST);
    if rest > 0 {
        lines.push(format!("  {rest} more moved it less"));
    }
    Dialog::Page {
        title: format!("Why {}{version}?", request.answer),
        lines,
    }
}
