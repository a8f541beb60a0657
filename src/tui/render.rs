//! Draws the whole dashboard: a shared reference, so drawing cannot change anything.

use super::app::{App, Overlay};
use super::layout::{SMALLEST, Shell};
use super::{footer, header, help, messages, palette};
use ratatui::Frame;
use ratatui::buffer::Buffer;

/// Draws a frame.
pub fn render(app: &App, frame: &mut Frame) {
    draw(app, frame.buffer_mut());
}

/// Draws into a buffer of the terminal's size.
pub fn draw(app: &App, buffer: &mut Buffer) {
    let area = app.area().intersection(buffer.area);
    if area.is_empty() {
        return;
    }
    let shell = Shell::of(area);
    header::render(app, shell.header, buffer);
    if area.width < SMALLEST.0 || area.height < SMALLEST.1 {
        let said = format!(
            "{}x{} is too small: {}x{} at least",
            area.width, area.height, SMALLEST.0, SMALLEST.1
        );
        if area.height > 1 {
            buffer.set_stringn(
                area.x,
                area.y + 1,
                said,
                usize::from(area.width),
                app.theme.text,
            );
        }
        app.theme.finish(buffer);
        return;
    }
    footer::status(app, shell.status, buffer);
    app.pane().render(buffer, &app.context());
    footer::render(app, shell.footer, buffer);
    match &app.overlay {
        Overlay::None => {}
        Overlay::Help(state) => help::render(state, app, shell.body, buffer),
        Overlay::Palette(state) => palette::render(state, app, shell.body, buffer),
        Overlay::Messages(back) => messages::render(*back, app, shell.body, buffer),
        Overlay::Dialog(open) => open.render(buffer, shell.body, &app.context()),
    }
    app.theme.finish(buffer);
}
