//! Names for runs that nobody named: two words and a number, as MLflow invents them.

const FIRST: [&str; 64] = [
    "able", "amber", "bold", "brave", "bright", "calm", "clever", "crisp", "dapper", "dusty",
    "eager", "early", "fair", "fast", "fine", "fleet", "gentle", "glad", "gold", "grand", "green",
    "happy", "hardy", "honest", "humble", "keen", "kind", "late", "light", "lively", "loud",
    "lucky", "mellow", "merry", "mild", "neat", "nimble", "noble", "north", "odd", "pale", "plain",
    "polite", "proud", "quick", "quiet", "rapid", "rare", "red", "royal", "rustic", "sharp", "shy",
    "silent", "silver", "sleek", "smooth", "spry", "steady", "stout", "sunny", "swift", "tidy",
    "warm",
];

const SECOND: [&str; 64] = [
    "ant", "badger", "bear", "bee", "bird", "boar", "bug", "calf", "carp", "cat", "cod", "colt",
    "crab", "crane", "crow", "deer", "dog", "dove", "duck", "eel", "elk", "fawn", "finch", "fish",
    "fly", "fox", "frog", "goat", "goose", "grouse", "gull", "hare", "hawk", "hen", "heron",
    "horse", "ibex", "jay", "kit", "koi", "lamb", "lark", "loon", "lynx", "mink", "mole", "moth",
    "mouse", "newt", "otter", "owl", "perch", "pug", "quail", "ram", "robin", "seal", "shrew",
    "snail", "squid", "stag", "swan", "trout", "wren",
];

/// A name from random bytes: `brave-otter-412`.
pub fn invented(random: &[u8; 16]) -> String {
    let number = u16::from_be_bytes([random[2], random[3]]) % 1000;
    format!(
        "{}-{}-{number}",
        FIRST[usize::from(random[0]) % FIRST.len()],
        SECOND[usize::from(random[1]) % SECOND.len()],
    )
}
