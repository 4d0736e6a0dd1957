//! Classifiers that were quantised after their training.

use super::act::Searched;
use super::case::Case;
use super::compact::Compact;
use super::config::{DebiasConfig, Method};
use super::net::Weights;
use super::unit::{Edited, Work};
use crate::data::text::BagSet;
use crate::editor::text::TextEditorInfo;
use crate::editor::{Acts, EditorInfo, EditorKind, View};
use crate::kernel::Kernel;
use crate::model::int8::{Int8Network, Int8Scale, Int8Sparse, Int8Stack};
use crate::run::error::RunError;
use crate::run::int8::{self, Quantised};
use crate::run::observer::Observer;
use crate::slab::{Heap, IntHeap};
use crate::world::Config;
use crate::world::int8::{Int8Form, Int8Range, Int8World};

/// Why a method cannot edit integers; `None` where it can. References and searches that write real weights are
/// rounded to the rows' units before they are judged; closed forms count on weights that are exact.
pub(super) fn refusal(form: Int8Form, method: Method) -> Option<&'static str> {
    match method {
        Method::World(editor) => {
            let whole = editor.view != View::None || editor.acts == Acts::MaskEach;
            int8::refusal(editor).or_else(|| {
                (form == Int8Form::RowMultipliers && whole)
                    .then_some("it acts on weights, not on row multipliers")
            })
        }
        // The reference of a network that never learned the bias, quantised as the target was.
        Method::Text(TextEditorInfo { name: "retrain", .. }) => None,
        Method::Text(editor) if editor.gradients => {
            Some("it needs gradients of the target, and integers have none")
        }
        Method::Text(editor) if editor.kind == EditorKind::Closed => {
            Some("it writes real weights, which integers cannot hold")
        }
        Method::Text(_) => None,
    }
}

/// What has to be said of runs on integers.
pub(super) fn notes(
    config: &DebiasConfig,
    case: &Case,
    impossible: &[(&str, &str)],
) -> Vec<String> {
    let Some((form, range)) = config.int8 else { return Vec::new() };
    let trained = case.material.train.is_some();
    let texts = if trained { "the training comments" } else { "the reward split" };
    let mut notes = vec![format!(
        "The target is quantised after its training: 8-bit weights with one scale for each row, 8-bit words and \
         activations by their ranges on {texts}, sums in 32 bits. Edits are made to the integers; what a reference \
         writes is rounded to them."
    )];
    let first = case.target.stack.find(&config.layer_name()) == Some(0);
    if first && (form, range) == (Int8Form::Weights, Int8Range::Grow) {
        notes.push(
            "Weights of the first layer are held to \u{b1}127 (--int8 weights-saturating): words that no text of the \
             reward split has share the rows' scales."
                .into(),
        );
    }
    notes.extend(int8::impossible(impossible.iter().copied()));
    notes
}

/// Of a layer that the whole network does not have, which there is none of.
const UNKNOWN: Int8Scale = Int8Scale { scale: 1.0, zero: 0 };

/// The integers over the columns that are edited.
struct Few {
    net: Quantised,
    /// Sums of the first layer over all other columns.
    fixed: Option<Vec<i32>>,
}

impl Few {
    /// Those of `compact`, which was made from `whole` and the texts `texts`.
    fn new(
        kernel: Kernel,
        compact: &Compact,
        whole: &Quantised,
        texts: &BagSet,
    ) -> Result<Self, RunError> {
        let layers = whole.stack.layers();
        let stack = Int8Stack::of_scales(&compact.stack, |index| {
            layers.get(index).map_or((UNKNOWN, UNKNOWN), |layer| (layer.input, layer.output))
        })?;
        let mut net = Quantised::zeros(stack);
        net.bias.clone_from(&whole.bias);
        net.multipliers.clone_from(&whole.multipliers);
        net.shifts.clone_from(&whole.shifts);
        net.scales.clone_from(&whole.scales);
        let (Some(first), Some(few)) = (layers.first(), net.stack.layers().first().copied()) else {
            return Err(RunError::Failed("the network has no layers".into()));
        };
        let all = &whole.weights[first.weight_range()];
        let rows = all.chunks_exact(first.inputs.max(1));
        let to = net.weights[few.weight_range()].chunks_exact_mut(few.inputs.max(1));
        for (to, row) in to.zip(rows) {
            for (to, &column) in to.iter_mut().zip(&compact.columns) {
                *to = row.get(column as usize).copied().unwrap_or_default();
            }
        }
        net.weights[few.weight_range().end..]
            .copy_from_slice(&whole.weights[first.weight_range().end..]);
        let fixed = match compact.has_fixed() {
            false => None,
            true => {
                let rest =
                    texts.map_columns(|column| match compact.columns.binary_search(&column) {
                        Ok(_) => None,
                        Err(_) => Some(column),
                    });
                let rows = rest.view(first.inputs)?;
                let mut ints = IntHeap::new(Int8Network::first_sums_need(&whole.stack, &rows));
                let mut fixed = vec![0; texts.len() * first.outputs];
                whole.network().first_sums(kernel, rows, &mut ints.arena(), &mut fixed)?;
                Some(fixed)
            }
        };
        Ok(Self { net, fixed })
    }

    /// The whole network with layer `layer` of the world.
    fn whole(
        &self,
        compact: &Compact,
        before: &Quantised,
        layer: usize,
        world: &Int8World<'_>,
    ) -> Quantised {
        let mut whole = before.clone();
        let Some(place) = before.stack.layers().get(layer) else { return whole };
        let ((weights, scales), (bias, multipliers, shifts)) = (world.integers(), world.rows());
        let slot = &mut whole.weights[place.weight_range()];
        if layer == 0 {
            let rows = weights.chunks_exact(compact.columns.len().max(1));
            for (row, weights) in slot.chunks_exact_mut(place.inputs.max(1)).zip(rows) {
                for (&column, &weight) in compact.columns.iter().zip(weights) {
                    row[column as usize] = weight;
                }
            }
        } else {
            slot.copy_from_slice(weights);
        }
        whole.scales[place.row_range()].copy_from_slice(scales);
        whole.bias[place.row_range()].copy_from_slice(bias);
        whole.multipliers[place.row_range()].copy_from_slice(multipliers);
        whole.shifts[place.row_range()].copy_from_slice(shifts);
        whole
    }
}

impl Work<'_> {
    /// Lets an editor act on integers.
    pub(super) fn act_on_integers(
        &self,
        editor: &EditorInfo,
        config: Config,
        compact: &Compact,
        before: &Quantised,
        observer: &dyn Observer,
    ) -> Result<Edited, RunError> {
        let Case { target, court, .. } = self.case;
        let kernel = self.kernel();
        let few = Few::new(kernel, compact, before, &court.bag)?;
        let layer = few.net.stack.find(self.layer).unwrap_or(usize::MAX);
        let (form, range) = self.config.int8.unwrap_or_default();
        let how = (form, if layer == 0 { Int8Range::Saturate } else { range });
        let (need, wide) = court.need();
        let (mut task_heap, mut wide) = (Heap::new(need), vec![0; wide]);
        let mut task = court.task(self.config.task(), target, &mut task_heap, &mut wide)?;
        let samples =
            Int8Sparse { bag: compact.bag()?, labels: &court.labels, fixed: few.fixed.as_deref() };
        let (need, ints) =
            Int8World::sparse_need(&config, form, &few.net.stack, layer, &samples.bag);
        let (mut heap, mut ints) = (Heap::new(need), IntHeap::new(ints));
        let mut world = Int8World::sparse(
            config,
            how,
            kernel,
            few.net.network(),
            layer,
            samples,
            &mut task,
            &mut heap.arena(),
            &mut ints.arena(),
        )?;
        let searched: Searched = self.search(editor, &config, compact, &mut world, observer)?;
        let mut formed = |actions: &[f32]| -> Result<Weights, RunError> {
            world.apply(actions)?;
            Weights::of_integers(target, few.whole(compact, before, layer, &world))
        };
        let shown = formed(&searched.shown)?;
        let other = searched.other.as_deref().map(formed).transpose()?;
        Ok(searched.edited(shown, other, None))
    }
}
