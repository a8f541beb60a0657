//! Pane: What changed in my data?

use super::{Context, Input, Pane};
use crate::api::protocol::Topic;
use crate::tui::effect::Effect;
use crate::tui::keymap::Binding;
use ratatui::buffer::Buffer;

/// What changed in my data?
#[derive(Default)]
pub struct Drift {}

impl Pane for Drift {
    fn bindings(&self) -> &'static [Binding] {
        &[]
    }

    fn topics(&self) -> Vec<Topic> {
        Vec::new()
    }

    fn update(&mut self, _input: &Input, _context: &Context) -> Vec<Effect> {
        Vec::new()
    }

    fn render(&self, _buffer: &mut Buffer, _context: &Context) {}

    fn status(&self, _context: &Context) -> Vec<String> {
        Vec::new()
    }
}
