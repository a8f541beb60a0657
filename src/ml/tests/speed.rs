//! What is too slow even without optimisation would be too slow with it; the limits are wide on purpose.

use super::*;
use std::time::Instant;

#[test]
fn one_row_is_answered_at_once() {
    let (inputs, target) = flights(1000, 41);
    let row = inputs.take(&[0]).unwrap();
    for trainer in TRAINERS
        .iter()
        .filter(|t| t.tasks().contains(&Task::Binary))
    {
        let model = learn(trainer.name(), &json!({}), &inputs, &target);
        let start = Instant::now();
        for _ in 0..100 {
            model.predict(&row).unwrap();
        }
        let each = start.elapsed().as_secs_f64() / 100.0;
        assert!(each < 0.01, "{}: {each} s a row", trainer.name());
    }
}
