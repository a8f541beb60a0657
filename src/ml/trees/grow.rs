//! Growing one tree, best leaf first, from histograms of gradients.

use super::bins::Bins;
use super::tree::{Rule, Tree};
use rand::Rng;
use rand::seq::index::sample;
use rand_xoshiro::Xoshiro256PlusPlus;

/// Sum of gradients, sum of hessians, rows.
type Sums = [f64; 3];

/// Categories with fewer rows in a node follow the right side.
const MIN_CATEGORY_ROWS: f64 = 10.0;

/// Added to the hessian where categories are sorted, and to `l2` where more than a few of them split.
const CATEGORY_SMOOTHING: f64 = 10.0;

/// So few categories cannot be sorted to fit chance (LightGBM's `max_cat_to_onehot`).
const FEW_CATEGORIES: usize = 4;

/// Cells (rows x features) of a node from which a second thread pays.
const PARALLEL_CELLS: usize = 400_000;

/// When growth stops, and how leaves are valued.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Growth {
    /// Leaves at most.
    pub max_leaves: usize,
    /// Questions on the way to a leaf at most.
    pub max_depth: usize,
    /// Rows in a leaf at least.
    pub min_rows: usize,
    /// Hessian in a leaf at least.
    pub min_hessian: f64,
    /// Added to a leaf's hessian.
    pub l2: f64,
    /// Features drawn anew for each node, or all.
    pub features_per_node: Option<usize>,
    /// Whether a second thread may help.
    pub parallel: bool,
}

/// A grown tree and where its rows ended.
pub struct Grown {
    /// Leaf values are Newton steps: `-g / (h + l2)`.
    pub tree: Tree,
    /// The rows given, reordered.
    pub rows: Vec<u32>,
    /// Range of `rows` and value of each leaf.
    pub leaves: Vec<(std::ops::Range<usize>, f64)>,
}

struct Split {
    gain: f64,
    feature: usize,
    rule: Rule,
}

struct Leaf {
    node: usize,
    range: std::ops::Range<usize>,
    sums: Sums,
    depth: usize,
    histogram: Vec<Sums>,
    split: Option<Split>,
}

/// Where each feature's bins lie in a histogram.
struct Layout {
    features: Vec<usize>,
    starts: Vec<usize>,
    total: usize,
}

/// Grows a tree over `rows` (repetitions count) with the gradient and hessian of each row of `bins`; only `features` are asked about.
pub fn grow(
    bins: &Bins,
    rows: Vec<u32>,
    gradients: &[[f32; 2]],
    features: &[usize],
    growth: &Growth,
    random: &mut Xoshiro256PlusPlus,
) -> Grown {
    let mut grower = Grower {
        bins,
        layout: Layout::new(bins, features),
        gradients,
        growth,
        ordered: Vec::with_capacity(rows.len()),
        scratch: Vec::with_capacity(rows.len()),
        rows,
        pool: Vec::new(),
        random,
    };
    let mut tree = Tree::leaf(0.0);
    let mut root = Leaf {
        node: 0,
        range: 0..grower.rows.len(),
        sums: grower.sums(0..grower.rows.len()),
        depth: 0,
        histogram: Vec::new(),
        split: None,
    };
    if grower.may_split(&root) {
        grower.count_and_look(&mut root);
    }
    let mut leaves = vec![root];
    while leaves.len() < growth.max_leaves {
        let best = leaves
            .iter()
            .enumerate()
            .filter_map(|(index, leaf)| leaf.split.as_ref().map(|split| (index, split.gain)))
            .max_by(|a, b| a.1.total_cmp(&b.1).then(b.0.cmp(&a.0)));
        let Some((index, _)) = best else { break };
        let mut leaf = leaves.swap_remove(index);
        let Some(split) = leaf.split.take() else {
            continue;
        };
        let (mut left, mut right) = grower.part(&mut tree, &leaf, &split);
        // the last leaves are never split: no need to look at them
        if leaves.len() + 2 < growth.max_leaves {
            let (small, large) = if left.range.len() <= right.range.len() {
                (&mut left, &mut right)
            } else {
                (&mut right, &mut left)
            };
            grower.look_at_children(std::mem::take(&mut leaf.histogram), small, large);
        }
        leaves.push(left);
        leaves.push(right);
    }
    let leaves = leaves
        .into_iter()
        .map(|leaf| {
            let weight = leaf.sums[1] + growth.l2;
            let value = if weight > 0.0 {
                -leaf.sums[0] / weight
            } else {
                0.0
            };
            tree.set_value(leaf.node, value);
            (leaf.range, value)
        })
        .collect();
    Grown {
        tree,
        rows: grower.rows,
        leaves,
    }
}

struct Grower<'a> {
    bins: &'a Bins,
    layout: Layout,
    gradients: &'a [[f32; 2]],
    growth: &'a Growth,
    rows: Vec<u32>,
    /// Gradients of a leaf's rows, in their order.
    ordered: Vec<[f32; 2]>,
    scratch: Vec<u32>,
    /// Histograms that are free again.
    pool: Vec<Vec<Sums>>,
    random: &'a mut Xoshiro256PlusPlus,
}

impl Grower<'_> {
    fn sums(&self, range: std::ops::Range<usize>) -> Sums {
        self.rows[range].iter().fold([0.0; 3], |sums, row| {
            let [g, h] = self.gradients[*row as usize];
            add(sums, [f64::from(g), f64::from(h), 1.0])
        })
    }

    fn may_split(&self, leaf: &Leaf) -> bool {
        leaf.depth < self.growth.max_depth
            && leaf.range.len() >= 2 * self.growth.min_rows.max(1)
            && !self.layout.features.is_empty()
    }

    /// Indexes into the layout of the features that a node may ask about, ascending.
    fn drawn(&mut self) -> Vec<usize> {
        let all = self.layout.features.len();
        match self.growth.features_per_node {
            Some(count) if count < all => {
                let mut drawn = sample(self.random, all, count).into_vec();
                drawn.sort_unstable();
                drawn
            }
            _ => (0..all).collect(),
        }
    }

    fn count(&mut self, leaf: &Leaf, drawn: &[usize]) -> Vec<Sums> {
        let mut histogram = self.pool.pop().unwrap_or_default();
        histogram.clear();
        histogram.resize(self.layout.total, [0.0; 3]);
        let rows = &self.rows[leaf.range.clone()];
        let gradients = self.gradients;
        self.ordered.clear();
        self.ordered
            .extend(rows.iter().map(|row| gradients[*row as usize]));
        fill(
            self.bins,
            &self.layout,
            drawn,
            rows,
            &self.ordered,
            self.growth.parallel,
            &mut histogram,
        );
        histogram
    }

    fn count_and_look(&mut self, leaf: &mut Leaf) {
        let drawn = self.drawn();
        leaf.histogram = self.count(leaf, &drawn);
        leaf.split = best_split(self.bins, &self.layout, &drawn, leaf, self.growth);
        if self.growth.features_per_node.is_some() {
            // drawn anew in each node: of no use to the children
            self.pool.push(std::mem::take(&mut leaf.histogram));
        }
    }

    /// Finds the best split of both children; the smaller one is counted, the larger one is what remains of the parent.
    fn look_at_children(&mut self, mut parent: Vec<Sums>, small: &mut Leaf, large: &mut Leaf) {
        if self.growth.features_per_node.is_some() {
            for leaf in [small, large] {
                if self.may_split(leaf) {
                    self.count_and_look(leaf);
                }
            }
            return;
        }
        if !self.may_split(large) {
            self.pool.push(parent);
            return;
        }
        let drawn = self.drawn();
        small.histogram = self.count(small, &drawn);
        for (sums, of_small) in parent.iter_mut().zip(&small.histogram) {
            *sums = subtract(*sums, *of_small);
        }
        large.histogram = parent;
        large.split = best_split(self.bins, &self.layout, &drawn, large, self.growth);
        if self.may_split(small) {
            small.split = best_split(self.bins, &self.layout, &drawn, small, self.growth);
        } else {
            self.pool.push(std::mem::take(&mut small.histogram));
        }
    }

    /// Turns a leaf into a question with two leaves.
    fn part(&mut self, tree: &mut Tree, leaf: &Leaf, split: &Split) -> (Leaf, Leaf) {
        let gone_left = partition(
            &mut self.rows[leaf.range.clone()],
            self.bins.column(split.feature),
            &split.rule,
            &mut self.scratch,
        );
        let middle = leaf.range.start + gone_left;
        let (left, right) = tree.split(leaf.node, split.feature, &split.rule);
        let sums = self.sums(leaf.range.start..middle);
        let child = |node, range, sums| Leaf {
            node,
            range,
            sums,
            depth: leaf.depth + 1,
            histogram: Vec::new(),
            split: None,
        };
        (
            child(left, leaf.range.start..middle, sums),
            child(right, middle..leaf.range.end, subtract(leaf.sums, sums)),
        )
    }
}

impl Layout {
    /// Of the features that can split at all: those with more than one bin, missing or not.
    fn new(bins: &Bins, features: &[usize]) -> Self {
        let mut starts = Vec::with_capacity(features.len());
        let mut total = 0;
        for feature in features {
            starts.push(total);
            total += bins.slots[*feature];
        }
        Self {
            features: features.to_vec(),
            starts,
            total,
        }
    }

    fn range(&self, bins: &Bins, index: usize) -> std::ops::Range<usize> {
        self.starts[index]..self.starts[index] + bins.slots[self.features[index]]
    }
}

fn fill(
    bins: &Bins,
    layout: &Layout,
    drawn: &[usize],
    rows: &[u32],
    ordered: &[[f32; 2]],
    parallel: bool,
    histogram: &mut [Sums],
) {
    let count = |index: usize, part: &mut [Sums]| {
        let column = bins.column(layout.features[index]);
        for (row, [g, h]) in rows.iter().zip(ordered) {
            let sums = &mut part[usize::from(column[*row as usize])];
            sums[0] += f64::from(*g);
            sums[1] += f64::from(*h);
            sums[2] += 1.0;
        }
    };
    let run = |drawn: &[usize], histogram: &mut [Sums], offset: usize| {
        for index in drawn {
            let range = layout.range(bins, *index);
            count(
                *index,
                &mut histogram[range.start - offset..range.end - offset],
            );
        }
    };
    if parallel && drawn.len() > 1 && rows.len() * drawn.len() > PARALLEL_CELLS {
        let middle = drawn.len() / 2;
        let border = layout.starts[drawn[middle]];
        let (left, right) = histogram.split_at_mut(border);
        let (first, second) = drawn.split_at(middle);
        std::thread::scope(|scope| {
            scope.spawn(|| run(second, right, border));
            run(first, left, 0);
        });
    } else {
        run(drawn, histogram, 0);
    }
}

/// Moves rows that go left to the front, both sides in their order; how many went left.
fn partition(rows: &mut [u32], column: &[u8], rule: &Rule, scratch: &mut Vec<u32>) -> usize {
    scratch.clear();
    let mut left = 0;
    for index in 0..rows.len() {
        let row = rows[index];
        if rule.is_left(column[row as usize]) {
            rows[left] = row;
            left += 1;
        } else {
            scratch.push(row);
        }
    }
    rows[left..].copy_from_slice(scratch);
    left
}

fn best_split(
    bins: &Bins,
    layout: &Layout,
    drawn: &[usize],
    leaf: &Leaf,
    growth: &Growth,
) -> Option<Split> {
    let mut best: Option<Split> = None;
    for index in drawn {
        let feature = layout.features[*index];
        let histogram = &leaf.histogram[layout.range(bins, *index)];
        let found = if bins.ordered[feature] {
            ordered_split(histogram, leaf.sums, growth)
        } else {
            category_split(histogram, leaf.sums, growth)
        };
        if let Some((gain, rule)) = found
            && best.as_ref().is_none_or(|best| gain > best.gain)
        {
            best = Some(Split {
                gain,
                feature,
                rule,
            });
        }
    }
    best
}

/// The gain of parting `total` into `left` and the rest, if both sides are large enough.
fn gain(left: Sums, total: Sums, l2: f64, growth: &Growth) -> Option<f64> {
    let right = subtract(total, left);
    let least = growth.min_rows as f64;
    if left[2] < least
        || right[2] < least
        || left[1] < growth.min_hessian
        || right[1] < growth.min_hessian
    {
        return None;
    }
    let score = |sums: Sums| sums[0] * sums[0] / (sums[1] + l2);
    let gain = score(left) + score(right) - score(total);
    // rounding of sums of f32 makes equal sides look different by about this much
    (gain > 1e-9 * score(total).max(1e-6)).then_some(gain)
}

fn ordered_split(histogram: &[Sums], total: Sums, growth: &Growth) -> Option<(f64, Rule)> {
    let (missing, values) = histogram.split_last()?;
    let has_missing = missing[2] > 0.5;
    let missing_bin = values.len() as u8;
    let mut best: Option<(f64, u8, bool)> = None;
    let directions: &[bool] = if has_missing {
        &[false, true]
    } else {
        &[false]
    };
    for missing_left in directions {
        let mut left = if *missing_left { *missing } else { [0.0; 3] };
        // the last threshold parts values from missing, which needs missing ones on the right
        let thresholds = values.len() - usize::from(*missing_left || !has_missing);
        for (bin, sums) in values[..thresholds].iter().enumerate() {
            if sums[2] < 0.5 {
                continue;
            }
            left = add(left, *sums);
            if total[2] - left[2] < growth.min_rows as f64 {
                break;
            }
            if let Some(gain) = gain(left, total, growth.l2, growth)
                && best.is_none_or(|best| gain > best.0)
            {
                let goes_left = if has_missing {
                    *missing_left
                } else {
                    left[2] * 2.0 > total[2]
                };
                best = Some((gain, bin as u8, goes_left));
            }
        }
    }
    best.map(|(gain, threshold, missing_left)| {
        let missing = missing_left.then_some(missing_bin);
        (gain, Rule::UpTo { threshold, missing })
    })
}

fn category_split(histogram: &[Sums], total: Sums, growth: &Growth) -> Option<(f64, Rule)> {
    let mut order: Vec<usize> = (0..histogram.len())
        .filter(|bin| histogram[*bin][2] >= MIN_CATEGORY_ROWS.min(growth.min_rows as f64).max(1.0))
        .collect();
    let slope = |bin: usize| histogram[bin][0] / (histogram[bin][1] + CATEGORY_SMOOTHING);
    order.sort_by(|a, b| slope(*a).total_cmp(&slope(*b)).then(a.cmp(b)));
    let l2 = if order.len() <= FEW_CATEGORIES {
        growth.l2
    } else {
        growth.l2 + CATEGORY_SMOOTHING
    };
    let mut best: Option<(f64, Vec<usize>, Sums)> = None;
    let backwards: Vec<usize> = order.iter().rev().copied().collect();
    for order in [&order, &backwards] {
        let mut left = [0.0; 3];
        for (count, bin) in order.iter().enumerate() {
            left = add(left, histogram[*bin]);
            let found = gain(left, total, l2, growth);
            if let Some(gain) = found
                && best.as_ref().is_none_or(|best| gain > best.0)
            {
                best = Some((gain, order[..=count].to_vec(), left));
            }
        }
    }
    best.map(|(gain, bins, left)| {
        let mut set = [0_u64; 4];
        let mut put = |bin: usize| set[bin >> 6] |= 1 << (bin & 63);
        bins.into_iter().for_each(&mut put);
        // what this node never saw follows the larger side
        if left[2] * 2.0 > total[2] {
            (0..histogram.len())
                .filter(|bin| histogram[*bin][2] < 0.5)
                .for_each(&mut put);
        }
        (gain, Rule::Among(set))
    })
}

fn add(a: Sums, b: Sums) -> Sums {
    [a[0] + b[0], a[1] + b[1], a[2] + b[2]]
}

fn subtract(a: Sums, b: Sums) -> Sums {
    [a[0] - b[0], a[1] - b[1], a[2] - b[2]]
}

/// `count` of `total` features, ascending; at least one.
pub fn draw_features(total: &[usize], share: f64, random: &mut Xoshiro256PlusPlus) -> Vec<usize> {
    let count = ((total.len() as f64 * share).round() as usize).clamp(1, total.len().max(1));
    if count >= total.len() {
        return total.to_vec();
    }
    let mut drawn: Vec<usize> = sample(random, total.len(), count)
        .into_iter()
        .map(|index| total[index])
        .collect();
    drawn.sort_unstable();
    drawn
}

/// Features with at least two bins in use.
pub fn varying(bins: &Bins) -> Vec<usize> {
    (0..bins.slots.len())
        .filter(|feature| {
            let column = bins.column(*feature);
            column.iter().any(|bin| Some(bin) != column.first())
        })
        .collect()
}

/// As many rows as there are, drawn with replacement, ascending.
pub fn bootstrap(rows: usize, random: &mut Xoshiro256PlusPlus) -> Vec<u32> {
    let mut counts = vec![0_u32; rows];
    for _ in 0..rows {
        counts[random.gen_range(0..rows)] += 1;
    }
    counts
        .iter()
        .enumerate()
        .flat_map(|(row, count)| std::iter::repeat_n(row as u32, *count as usize))
        .collect()
}

/// A share of the rows, ascending.
pub fn draw_rows(rows: usize, share: f64, random: &mut Xoshiro256PlusPlus) -> Vec<u32> {
    if share >= 1.0 {
        return (0..rows as u32).collect();
    }
    let count = ((rows as f64 * share).round() as usize).clamp(1, rows.max(1));
    let mut drawn: Vec<u32> = sample(random, rows, count)
        .into_iter()
        .map(|row| row as u32)
        .collect();
    drawn.sort_unstable();
    drawn
}
